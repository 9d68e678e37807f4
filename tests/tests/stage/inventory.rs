//! Takes the inventory of the vault through the vault's own eyes, as `amiferry audit` does.

use amiferry_audit::inventory::Inventory;
use amiferry_audit::report::Report;
use amiferry_core::fault::Fault;
use amiferry_target_worker::assemble;
use amiferry_target_worker::scope::{Cursor, Met};

use super::Stage;

/// Asks the simulated AWS about everything in scope.
///
/// # Errors
/// The first answer of AWS that is an error: no report is made of less than all.
pub async fn report(stage: &Stage) -> Result<Report, Fault> {
    let vault = &stage.config.vaults[0];
    let session = stage.session(&vault.account, &vault.region, "audit");
    let observer = assemble::observer(&stage.config, vault, &session).unwrap();
    let mut inventory = Inventory::default();
    let now = stage.clock.now();
    let (mut wanted, mut left_out) = (std::collections::BTreeSet::new(), Vec::new());
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let (page, next) = observer.walk(at, now).await?;
        for met in page {
            match met {
                Met::Selected(id) | Met::Held(id) => drop(wanted.insert(id)),
                Met::Unselected(id, left) => left_out.push((id, left)),
            }
        }
        cursor = next;
    }
    // What the vault holds of an image that is left out is observed, and has its row by that.
    for (id, left) in left_out.into_iter().filter(|(id, _)| !wanted.contains(id)) {
        inventory.reject(&id, left, None);
    }
    let facts = observer.vault().await?;
    let wanted: Vec<_> = wanted.into_iter().collect();
    for batch in wanted.chunks(100) {
        for observed in observer.observe(batch).await? {
            inventory.add(&observer.policies, &facts, &observed, stage.clock.now());
        }
    }
    Ok(Report::new(inventory, &observer.policies, stage.clock.now()))
}
