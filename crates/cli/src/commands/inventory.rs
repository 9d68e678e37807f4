//! Takes the inventory of every vault from AWS itself, for `status`, `audit` and the demo.

use amiferry_audit::inventory::{Inventory, NotAssessed};
use amiferry_audit::report::Report;
use amiferry_core::fault::Fault;
use amiferry_core::fleet::{Fleet, Stores};
use amiferry_core::policy::Policies;
use amiferry_core::ports::Clock;
use amiferry_target_worker::observe::Observer;

/// Asks AWS about everything in scope of these vaults and judges it, as [`take`] does.
///
/// # Errors
/// No vault can be asked.
pub async fn report(observers: Vec<Observer>, clock: &dyn Clock) -> Result<Report, Fault> {
    let policies = policies(&observers);
    let inventory = take(observers, clock).await.answered()?;
    Ok(Report::new(inventory, &policies, clock.now()))
}

/// The policies by which these vaults are judged: every vault has all of them.
pub fn policies(observers: &[Observer]) -> Policies {
    observers.first().map(|observer| observer.policies.clone()).unwrap_or_default()
}

/// One vault that was asked.
pub struct Seen {
    pub observer: Observer,
    pub fleet: Fleet,
    /// What its sources show of their store tasks.
    pub stores: Stores,
}

/// An inventory, and whether any of it was answered.
pub struct Taken {
    /// What is known, and what is not assessed.
    pub inventory: Inventory,
    /// The fleets that it was taken from.
    pub fleets: Vec<Seen>,
    /// If no vault can be asked: what the first one answered.
    refused: Option<Fault>,
}

impl Taken {
    /// The inventory, if at least one vault can be asked.
    ///
    /// # Errors
    /// What the first one answered otherwise.
    pub fn answered(self) -> Result<Inventory, Fault> {
        self.refused.map_or(Ok(self.inventory), Err)
    }
}

/// Asks AWS about everything in scope of these vaults. Whatever cannot be asked is not assessed.
pub async fn take(observers: Vec<Observer>, clock: &dyn Clock) -> Taken {
    let mut inventory = Inventory::default();
    let mut answered = observers.is_empty();
    let mut refused = None;
    let mut fleets = Vec::new();
    for observer in observers {
        let (fleet, fault) = observer.observe_all(clock).await;
        answered |= fault.is_none();
        refused = refused.or(fault);
        let stores = observer.stores(&fleet).await;
        let outlook = observer.outlook(&fleet, &stores, &[], clock.now());
        inventory.merge(observer.inventory(&fleet, &outlook));
        fleets.push(Seen { observer, fleet, stores });
    }
    Taken { inventory, fleets, refused: refused.filter(|_| !answered) }
}

/// What is said of a vault that cannot be asked: nothing is known of any of its sources' copies.
pub fn not_assessed(observer: &Observer, why: &str) -> Inventory {
    let vault = observer.vault_id();
    let of_source = |source: &amiferry_target_worker::observe::SourceView| NotAssessed {
        source_account: source.scope.account.clone(),
        source_region: source.scope.region.clone(),
        source_image_id: None,
        reason: format!("vault {vault}: {why}"),
    };
    let not_assessed = observer.sources.iter().map(of_source).collect();
    Inventory { not_assessed, ..Inventory::default() }
}
