//! Takes the inventory of every vault from AWS itself, for `status`, `audit` and the demo.

use amiferry_audit::inventory::{Inventory, NotAssessed};
use amiferry_audit::report::Report;
use amiferry_aws::{BadRoute, StsIdentity};
use amiferry_core::fleet::{Fleet, Stores};
use amiferry_core::ids::AccountId;
use amiferry_core::ports::Clock;
use amiferry_service::config::Config;
use amiferry_service::preflight::{self, Unmet, UnmetKind};
use amiferry_target_worker::assemble;
use amiferry_target_worker::observe::{Observer, SourceView};
use anyhow::anyhow;

use super::session;

/// Asks AWS about everything in scope of these vaults and judges it.
///
/// # Errors
/// No vault can be asked.
pub async fn report(observers: Vec<Observer>, clock: &dyn Clock) -> anyhow::Result<Report> {
    // Every vault has all policies.
    let policies = observers.first().map(|observer| observer.policies.clone()).unwrap_or_default();
    let Taken { inventory, refused, .. } = take(observers, clock).await;
    match refused {
        None => Ok(Report::new(inventory, &policies, clock.now())),
        Some(refused) => Err(anyhow!(refused)),
    }
}

/// One vault that was asked.
pub struct Seen {
    pub observer: Observer,
    pub fleet: Fleet,
    /// What its sources show of their store tasks.
    pub stores: Stores,
}

/// A vault to ask, and the identity of the session that asks.
pub struct Asker {
    observer: Observer,
    identity: StsIdentity,
    account: AccountId,
}

/// The vaults of a configuration, each with a session of its own. Asks AWS nothing yet.
///
/// # Errors
/// An endpoint of the environment or a profile that may not be used.
pub async fn askers(config: &Config) -> Result<Vec<Asker>, BadRoute> {
    let mut askers = Vec::new();
    for vault in &config.vaults {
        let session = session::vault(config, vault).await?;
        askers.push(Asker {
            observer: assemble::observer(config, vault, &session),
            identity: StsIdentity::new(&session),
            account: vault.account.clone(),
        });
    }
    Ok(askers)
}

/// An inventory, and whether any of it was answered.
pub struct Taken {
    /// What is known, and what is not assessed.
    pub inventory: Inventory,
    /// The fleets that it was taken from.
    pub fleets: Vec<Seen>,
    /// If no vault can be asked: what the first one answered.
    pub refused: Option<String>,
}

/// Says to each vault who it is, and then asks about everything in scope, as [`take`] does. A vault
/// that does not let it in, or does not answer, is not assessed.
///
/// # Errors
/// The credentials are those of another account: a report by them would be about something else. Or
/// this machine has none for any vault, so that nothing was asked.
pub async fn ask(askers: &[Asker], clock: &dyn Clock) -> Result<Taken, Unmet> {
    let mut observers = Vec::new();
    let mut shut_out = Inventory::default();
    let mut unmet = Vec::new();
    for Asker { observer, identity, account } in askers {
        match preflight::identity(identity, account).await {
            Ok(_) => observers.push(observer.clone()),
            Err(other) if other.kind == UnmetKind::OtherAccount => return Err(other),
            Err(other) => {
                shut_out.merge(not_assessed(observer, &other.in_report()));
                unmet.push(other);
            }
        }
    }
    let nothing_asked = unmet.iter().all(|unmet| unmet.kind == UnmetKind::NoCredentials);
    let first = unmet.into_iter().next();
    match first {
        Some(first) if observers.is_empty() && nothing_asked => Err(first),
        first if observers.is_empty() => Ok(Taken {
            inventory: shut_out,
            fleets: Vec::new(),
            refused: first.map(|unmet| unmet.in_report()),
        }),
        _ => {
            let mut taken = take(observers, clock).await;
            taken.inventory.merge(shut_out);
            Ok(taken)
        }
    }
}

/// Asks AWS about everything in scope of these vaults. Whatever cannot be asked is not assessed.
async fn take(observers: Vec<Observer>, clock: &dyn Clock) -> Taken {
    let mut inventory = Inventory::default();
    let mut answered = observers.is_empty();
    let mut refused = None;
    let mut fleets = Vec::new();
    for observer in observers {
        let (fleet, fault) = observer.observe_all(clock).await;
        answered |= fault.is_none();
        refused = refused.or(fault.map(|fault| fault.to_string()));
        let stores = observer.stores(&fleet).await;
        let outlook = observer.outlook(&fleet, &stores, &[], clock.now());
        inventory.merge(observer.inventory(&fleet, &outlook));
        fleets.push(Seen { observer, fleet, stores });
    }
    Taken { inventory, fleets, refused: refused.filter(|_| !answered) }
}

/// What is said of a vault that cannot be asked: nothing is known of any of its sources' copies.
fn not_assessed(observer: &Observer, why: &str) -> Inventory {
    let vault = observer.vault_id();
    let of_source = |source: &SourceView| NotAssessed {
        source_account: source.scope.account.clone(),
        source_region: source.scope.region.clone(),
        source_image_id: None,
        reason: format!("vault {vault}: {why}"),
    };
    let not_assessed = observer.sources.iter().map(of_source).collect();
    Inventory { not_assessed, ..Inventory::default() }
}
