//! Asks the running workers what only they know, for reports that are made from AWS.

use amiferry_audit::inventory::Inventory;
use amiferry_audit::report::Report;
use amiferry_audit::worker::{SourceWorkerAsked, WorkerAsked};
use amiferry_core::answer::{Answer, PATH, SourceAnswer, TargetAnswer};
use amiferry_service::ask::WorkerAddress;
use amiferry_service::config::{Config, Source, Vault};

/// Most named workers that one report asks.
const MOST: usize = 64;

/// What the workers answered, and who was asked.
pub struct Heard {
    vaults: Vec<TargetAnswer>,
    sources: Vec<SourceAnswer>,
    asked: Asked,
}

/// Which workers were asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The worker of each configured vault, and whether it answered.
    vaults: Vec<WorkerAsked>,
    /// The workers of configured sources that answered.
    sources: Vec<SourceWorkerAsked>,
}

/// Asks the workers at these addresses, or without any those at `target_listen` and `source_listen` of
/// the configuration. A worker that does not answer keeps nothing out of a report but its own words.
pub async fn ask(config: &Config, named: &[WorkerAddress]) -> Heard {
    let workers = &config.workers;
    // No source worker need run beside a report, so one that is not there is no reason for a word.
    let (addresses, unnamed) = match named {
        [] => (
            WorkerAddress::of_listener(workers.target_listen).into_iter().collect(),
            WorkerAddress::of_listener(workers.source_listen),
        ),
        named => (named.iter().take(MOST).cloned().collect::<Vec<_>>(), None),
    };
    let ask = |address| question(address, config);
    let (answers, unnamed) = tokio::join!(
        futures::future::join_all(addresses.iter().map(ask)),
        futures::future::OptionFuture::from(unnamed.as_ref().map(ask))
    );
    let (mut answered, mut whys) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(answer) => answered.push(answer),
            Err(why) => whys.push(why),
        }
    }
    answered.extend(unnamed.and_then(Result::ok));
    let (mut vaults, mut sources) = (Vec::new(), Vec::new());
    for answer in answered {
        match answer {
            Answer::Target(answer) => vaults.push(answer),
            Answer::Source(answer) => sources.push(answer),
        }
    }
    sources.retain(|answer| config.sources.iter().map(Source::id).any(|id| id == answer.source()));
    let asked = Asked {
        vaults: config.vaults.iter().map(|vault| of_vault(vault, &vaults, &whys)).collect(),
        sources: sources.iter().map(SourceWorkerAsked::from).collect(),
    };
    Heard { vaults, sources, asked }
}

async fn question(address: &WorkerAddress, config: &Config) -> Result<Answer, String> {
    let answer = address.get(PATH, &config.listen_token).await?;
    Answer::from_json(&answer).map_err(|why| format!("{address}: {why}"))
}

fn of_vault(vault: &Vault, answers: &[TargetAnswer], whys: &[String]) -> WorkerAsked {
    let of_it = |answer: &&TargetAnswer| {
        (&answer.target_account, &answer.target_region) == (&vault.account, &vault.region)
    };
    let answered_at = answers.iter().find(of_it).map(|answer| answer.as_of);
    let why = match (answered_at, whys, answers) {
        (Some(_), ..) => None,
        (None, [], []) => Some("no target worker was named; name it with --worker".to_owned()),
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
    /// Puts what was heard of the configured sources and vaults over an inventory, and says who was
    /// asked.
    pub fn over(self, inventory: &mut Inventory) -> Asked {
        for answer in &self.vaults {
            let is_configured = self.asked.vaults.iter().any(|vault| {
                (&vault.target_account, &vault.target_region)
                    == (&answer.target_account, &answer.target_region)
            });
            if is_configured {
                inventory.hear(answer);
            }
        }
        for answer in &self.sources {
            inventory.hear_source(answer);
        }
        self.asked
    }
}

impl Asked {
    /// Puts into a report who was asked.
    pub fn note(self, report: &mut Report) {
        report.workers = Some(self.vaults);
        report.source_workers = self.sources;
    }
}
