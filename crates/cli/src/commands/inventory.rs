//! Takes the inventory of every vault from AWS itself, for `status`, `audit` and the demo.

use std::collections::BTreeSet;

use amiferry_audit::inventory::{Inventory, NotAssessed};
use amiferry_audit::report::Report;
use amiferry_core::fault::Fault;
use amiferry_core::policy::Policies;
use amiferry_core::ports::Clock;
use amiferry_target_worker::observe::Observer;
use amiferry_target_worker::scope::{Cursor, Met};

/// How many recovery points are observed in one round.
const BATCH: usize = 100;

/// Asks AWS about everything in scope of these vaults and judges it, as [`take`] does.
///
/// # Errors
/// A vault that cannot be asked.
pub async fn report(observers: Vec<Observer>, clock: &dyn Clock) -> Result<Report, Fault> {
    let policies = policies(&observers);
    let inventory = take(observers, clock).await?;
    Ok(Report::new(inventory, &policies, clock.now()))
}

/// The policies by which these vaults are judged: every vault has all of them.
pub fn policies(observers: &[Observer]) -> Policies {
    observers.first().map(|observer| observer.policies.clone()).unwrap_or_default()
}

/// Asks AWS about everything in scope of these vaults.
///
/// A source that cannot be asked is said to be not assessed; its copies are judged by their
/// manifests, because an audit matters most when the source is gone.
///
/// # Errors
/// A vault that cannot be asked.
pub async fn take(observers: Vec<Observer>, clock: &dyn Clock) -> Result<Inventory, Fault> {
    let mut inventory = Inventory::default();
    for observer in observers {
        inventory.merge(take_one(observer, clock).await?);
    }
    Ok(inventory)
}

async fn take_one(mut observer: Observer, clock: &dyn Clock) -> Result<Inventory, Fault> {
    let not_assessed = drop_unreachable(&mut observer).await;
    let mut inventory =
        Inventory { not_assessed, places: observer.places(), ..Inventory::default() };
    let vault = observer.vault().await?;
    let now = clock.now();
    let (mut wanted, mut left_out) = (BTreeSet::new(), Vec::new());
    let mut cursor = Some(Cursor::start());
    while let Some(at) = cursor {
        let (page, next) = observer.walk(at, now).await?;
        for met in page {
            match met {
                Met::Selected(id) | Met::Held(id) => {
                    wanted.insert(id);
                }
                Met::Unselected(id, left) => left_out.push((id, left)),
            }
        }
        cursor = next;
    }
    // What the vault holds of an image that is left out is observed, and has its row by that.
    for (id, left) in left_out.into_iter().filter(|(id, _)| !wanted.contains(id)) {
        inventory.reject(&id, left, None);
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    for batch in wanted.chunks(BATCH) {
        for observed in observer.observe(batch).await? {
            inventory.add(&observer.policies, &vault, &observed, clock.now());
        }
    }
    Ok(inventory)
}

/// Takes out the sources that do not answer, and says which.
async fn drop_unreachable(observer: &mut Observer) -> Vec<NotAssessed> {
    let mut unreachable = Vec::new();
    let mut reachable = Vec::new();
    for source in std::mem::take(&mut observer.sources) {
        match source.images.page(None).await {
            Ok(_) => reachable.push(source),
            Err(fault) => unreachable.push(NotAssessed {
                source_account: source.scope.account,
                source_region: source.scope.region,
                reason: fault.to_string(),
            }),
        }
    }
    observer.sources = reachable;
    unreachable
}
