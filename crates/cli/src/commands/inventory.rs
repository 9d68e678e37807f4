//! Takes the inventory of every vault from AWS itself, for `status`, `audit` and the demo.

use amiferry_audit::inventory::{Inventory, NotAssessed};
use amiferry_audit::report::Report;
use amiferry_core::fault::Fault;
use amiferry_core::policy::Policies;
use amiferry_core::ports::Clock;
use amiferry_target_worker::observe::Observer;

/// Asks AWS about everything in scope of these vaults and judges it, as [`take`] does.
///
/// # Errors
/// No vault can be asked.
pub async fn report(observers: Vec<Observer>, clock: &dyn Clock) -> Result<Report, Fault> {
    let policies = policies(&observers);
    let inventory = take(observers, clock).await?;
    Ok(Report::new(inventory, &policies, clock.now()))
}

/// The policies by which these vaults are judged: every vault has all of them.
pub fn policies(observers: &[Observer]) -> Policies {
    observers.first().map(|observer| observer.policies.clone()).unwrap_or_default()
}

/// Asks AWS about everything in scope of these vaults. A vault that cannot be asked is not
/// assessed, as long as another one can.
///
/// # Errors
/// No vault can be asked: what the first one answered.
pub async fn take(observers: Vec<Observer>, clock: &dyn Clock) -> Result<Inventory, Fault> {
    let mut inventory = Inventory::default();
    let mut answered = observers.is_empty();
    let mut refused = None;
    for observer in observers {
        match observer.observe_all(clock).await {
            Ok(fleet) => {
                answered = true;
                inventory.merge(observer.inventory(&fleet));
            }
            Err(fault) => {
                inventory.merge(not_assessed(&observer, &fault));
                refused = refused.or(Some(fault));
            }
        }
    }
    match refused {
        Some(fault) if !answered => Err(fault),
        Some(_) | None => Ok(inventory),
    }
}

/// What is said of a vault that cannot be asked: nothing is known of any of its sources' copies.
fn not_assessed(observer: &Observer, fault: &Fault) -> Inventory {
    let vault = observer.vault_id();
    let of_source = |source: &amiferry_target_worker::observe::SourceView| NotAssessed {
        source_account: source.scope.account.clone(),
        source_region: source.scope.region.clone(),
        source_image_id: None,
        reason: format!("vault {vault}: {fault}"),
    };
    let not_assessed = observer.sources.iter().map(of_source).collect();
    Inventory { not_assessed, ..Inventory::default() }
}
