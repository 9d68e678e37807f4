//! Takes the inventory of the vault with the vault's own credentials, as `amiferry audit` does.

use amiferry_audit::report::Report;
use amiferry_audit::worker::Told;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_service::page::Page as _;
use amiferry_target_worker::assemble;

use super::Stage;

/// Asks the simulated AWS about everything in scope.
///
/// # Errors
/// The first thing of the landscape's source that could not be assessed: what a test expects of a
/// report, it expects of one about all of that source.
pub async fn report(stage: &Stage) -> Result<Report, Fault> {
    let report = partial_report(stage).await?;
    let (account, _) = &stage.landscape.source;
    match report.not_assessed.iter().find(|unknown| unknown.source_account == *account) {
        None => Ok(report),
        Some(unknown) => Err(Fault {
            class: FaultClass::Unavailable,
            operation: "audit:NotAssessed",
            resource: unknown.source_image_id.clone().unwrap_or_default(),
            code: "NotAssessed".to_owned(),
            detail: unknown.reason.clone(),
            request_id: None,
        }),
    }
}

/// Asks the simulated AWS about everything in scope; the report names what cannot be assessed.
///
/// # Errors
/// None; a vault that cannot be asked is not assessed either.
pub async fn partial_report(stage: &Stage) -> Result<Report, Fault> {
    Ok(report_with(stage, None).await)
}

/// The same, with what the first target worker knows, as `status` and `audit` take it up.
pub async fn heard_report(stage: &Stage) -> Report {
    report_with(stage, stage.told()).await
}

async fn report_with(stage: &Stage, told: Option<Told>) -> Report {
    let vault = &stage.config.vaults[0];
    let session = stage.auditor();
    let observer = assemble::observer(&stage.config, vault, &session);
    let (fleet, _) = observer.observe_all(stage.clock.as_ref()).await;
    let now = stage.clock.now();
    let outlook = observer.outlook(&fleet, &observer.stores(&fleet).await, &[], now);
    let mut inventory = observer.inventory(&fleet, &outlook);
    if let Some(told) = told {
        inventory.hear(&told);
    }
    Report::new(inventory, &observer.policies, now)
}

impl Stage {
    /// What the first target worker tells reports now, as it serves it.
    fn told(&self) -> Option<Told> {
        let page = self.workers.iter().find_map(|worker| worker.page.as_ref())?;
        Some(Told::from_json(page.told()?.1.as_bytes()).unwrap())
    }
}
