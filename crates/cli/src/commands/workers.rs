//! Asks the running target workers what only they know, for reports that are made from AWS.

use amiferry_audit::inventory::Inventory;
use amiferry_audit::worker::{PATH, Told, WorkerAsked};
use amiferry_service::ask::WorkerAddress;
use amiferry_service::config::{Config, Vault};

/// Most named workers that one report asks.
const MOST: usize = 64;

/// What the workers told, and which vaults' workers did.
pub struct Heard {
    told: Vec<Told>,
    asked: Vec<WorkerAsked>,
}

/// Asks the workers at these addresses, or without any the one at `target_listen` of the
/// configuration. A worker that does not answer keeps nothing out of a report but its own words.
pub async fn ask(config: &Config, named: &[WorkerAddress]) -> Heard {
    let configured = WorkerAddress::of_listener(config.workers.target_listen);
    let addresses: Vec<&WorkerAddress> = match named {
        [] => configured.iter().collect(),
        named => named.iter().take(MOST).collect(),
    };
    let questions = addresses.iter().map(|address| async move {
        let answer = address.get(PATH, &config.listen_token).await?;
        Told::from_json(&answer).map_err(|why| format!("{address}: {why}"))
    });
    let (mut told, mut whys) = (Vec::new(), Vec::new());
    for answer in futures::future::join_all(questions).await {
        match answer {
            Ok(answer) => told.push(answer),
            Err(why) => whys.push(why),
        }
    }
    let asked = config.vaults.iter().map(|vault| of_vault(vault, &told, &whys)).collect();
    Heard { told, asked }
}

fn of_vault(vault: &Vault, told: &[Told], whys: &[String]) -> WorkerAsked {
    let of_it = |told: &&Told| {
        (&told.target_account, &told.target_region) == (&vault.account, &vault.region)
    };
    let answered_at = told.iter().find(of_it).map(|told| told.as_of);
    let why = match (answered_at, whys, told) {
        (Some(_), ..) => None,
        (None, [], []) => {
            Some("target_listen names no port; name the worker with --worker".to_owned())
        }
        (None, [], _) => Some("what answers is the worker of another vault".to_owned()),
        (None, whys, _) => Some(whys.join("; ")),
    };
    WorkerAsked {
        target_account: vault.account.clone(),
        target_region: vault.region.clone(),
        answered_at,
        why,
    }
}

impl Heard {
    /// Puts what was heard of the configured vaults over an inventory, and says who was asked.
    pub fn over(self, inventory: &mut Inventory) -> Vec<WorkerAsked> {
        for told in &self.told {
            let is_configured = self.asked.iter().any(|vault| {
                (&vault.target_account, &vault.target_region)
                    == (&told.target_account, &told.target_region)
            });
            if is_configured {
                inventory.hear(told);
            }
        }
        self.asked
    }
}
