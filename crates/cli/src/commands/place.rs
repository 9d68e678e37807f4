//! The workers whose queues a command reads or sends to, and how each reads a message.

use std::fmt;
use std::sync::Arc;

use amiferry_aws::SqsQueue;
use amiferry_core::event::Reject;
use amiferry_core::ids::{AccountId, Region};
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::metrics::Worker;
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use serde::Serialize;

use super::meaning::Meaning;
use super::session;
use crate::args::DlqRole;

/// Which worker.
#[derive(Debug, Clone, Serialize)]
pub struct Identity {
    /// `source` or `target`.
    pub worker: &'static str,
    pub account: AccountId,
    pub region: Region,
    pub queue_url: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.worker, self.account, self.region)
    }
}

/// Reads a body as a worker does.
pub type Judge = Box<dyn Fn(&str) -> (Meaning, Option<Reject>) + Send + Sync>;

/// One worker as this command sees it.
pub struct Place {
    pub identity: Identity,
    /// Its queue, with its credentials.
    pub queue: SqsQueue,
    /// What it would do with a body now, and the reason if it refuses it.
    pub judge: Judge,
}

/// The configured workers of a role. Makes no call to AWS.
///
/// # Errors
/// An endpoint of the environment or a profile that may not be used.
pub async fn all(config: &Config, role: DlqRole) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    let sources = config.sources.iter().filter(|_| role != DlqRole::Target);
    for source in sources {
        let session = session::source(config, source).await?;
        let role = source_worker::assemble::role(config, source, &session, Arc::new(SystemClock));
        places.push(Place {
            identity: Identity {
                worker: Worker::Source.as_str(),
                account: source.account.clone(),
                region: source.region.clone(),
                queue_url: source.queue_url.to_string(),
            },
            queue: SqsQueue::new(&session, source.queue_url.as_str()),
            judge: Box::new(move |body| Meaning::to(&role, body)),
        });
    }
    let vaults = config.vaults.iter().filter(|_| role != DlqRole::Source);
    for vault in vaults {
        let session = session::vault(config, vault).await?;
        let role = target_worker::assemble::role(config, vault, &session, Arc::new(SystemClock));
        places.push(Place {
            identity: Identity {
                worker: Worker::Target.as_str(),
                account: vault.account.clone(),
                region: vault.region.clone(),
                queue_url: vault.queue_url.to_string(),
            },
            queue: SqsQueue::new(&session, vault.queue_url.as_str()),
            judge: Box::new(move |body| Meaning::to(&role, body)),
        });
    }
    Ok(places)
}
