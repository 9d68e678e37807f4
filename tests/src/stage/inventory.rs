//! Takes the inventory of the vault with the vault's own credentials, as `amiferry audit` does.

use amiferry_audit::report::Report;
use amiferry_core::answer::Answer;
use amiferry_core::fault::{Fault, FaultClass};
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
    Ok(report_with(stage, Vec::new()).await)
}

/// The same, with what the running workers know, as `status` and `audit` take it up.
pub async fn heard_report(stage: &Stage) -> Report {
    report_with(stage, stage.answers()).await
}

async fn report_with(stage: &Stage, answers: Vec<Answer>) -> Report {
    let vault = &stage.config.vaults[0];
    let session = stage.auditor();
    let observer = assemble::observer(&stage.config, vault, &session);
    let (fleet, _) = observer.observe_all(stage.clock.as_ref()).await;
    let now = stage.clock.now();
    let outlook = observer.outlook(&fleet, &observer.stores(&fleet).await, &[], now);
    let mut inventory = observer.inventory(&fleet, &outlook);
    for answer in answers {
        match answer {
            Answer::Target(answer) => inventory.hear(&answer),
            Answer::Source(answer) => inventory.hear_source(&answer),
        }
    }
    Report::new(inventory, &observer.policies, now)
}

impl Stage {
    /// What the running workers answer reports now, as they serve it.
    fn answers(&self) -> Vec<Answer> {
        let served = self.workers.iter().map(|worker| worker.answerer.answer());
        served.map(|json| Answer::from_json(json.as_bytes()).unwrap()).collect()
    }
}
