//! Builds a source worker from the configuration and a session: the only place that knows both.

use std::sync::Arc;

use amiferry_aws::{Ec2Images, S3Objects, Session, SqsQueue};
use amiferry_core::decide::Pace;
use amiferry_core::event::SourceScope;
use amiferry_core::names::VaultId;
use amiferry_core::pacing::CallBudget;
use amiferry_core::ports::Clock;
use amiferry_core::span::Span;
use amiferry_service::config::{Config, Source, Vault};
use amiferry_service::metrics::{AwsCalls, Worker};
use amiferry_service::reconcile::{Reconciler, Settings};

use crate::observe::{Observer, VaultView};
use crate::role::SourceRole;
pub use crate::status::Status;

/// Parked work is looked at this many poll intervals apart: a person has to act first.
const PARK_FACTOR: u64 = 10;

/// The role of one configured source. Makes no calls to AWS yet.
pub fn role(
    config: &Config,
    source: &Source,
    session: &Session,
    clock: Arc<dyn Clock>,
) -> SourceRole {
    let ec2 = Arc::new(Ec2Images::new(session, source.account.clone()));
    let observer = Observer {
        scope: scope(source),
        policies: config.policies.clone(),
        images: Arc::clone(&ec2) as _,
        store_tasks: ec2,
        objects: Arc::new(S3Objects::new(session)),
        vaults: config.vaults.iter().map(|vault| vault_view(vault, session)).collect(),
    };
    let poll = config.workers.poll_interval;
    let pace = Pace { poll, park: Span::from_secs(poll.duration().as_secs() * PARK_FACTOR) };
    let calls = CallBudget::full(source.store_calls, clock.now());
    SourceRole::new(observer, source.store_quota_gb.get(), calls, pace, clock)
}

/// What of a source messages may name.
pub(crate) fn scope(source: &Source) -> SourceScope {
    SourceScope {
        account: source.account.clone(),
        region: source.region.clone(),
        staging_bucket: source.staging_bucket.clone(),
        staging_prefix: source.staging_prefix.clone(),
    }
}

fn vault_view(vault: &Vault, session: &Session) -> VaultView {
    VaultView {
        id: VaultId { account: vault.account.clone(), region: vault.region.clone() },
        bucket: vault.bucket.clone(),
        prefix: vault.prefix.clone(),
        objects: Arc::new(S3Objects::new(&session.in_region(&vault.region))),
    }
}

/// The worker of one configured source, and what it answers reports. Makes no calls to AWS yet.
pub fn worker(
    config: &Config,
    source: &Source,
    session: &Session,
    clock: Arc<dyn Clock>,
    seed: u64,
) -> (Reconciler<SourceRole>, Status) {
    let session = &session.metered(Arc::new(AwsCalls(Worker::Source)));
    let role = Arc::new(role(config, source, session, Arc::clone(&clock)));
    let status = Status::of(Arc::clone(&role));
    let queue = Arc::new(SqsQueue::new(session, source.queue_url.as_str()));
    let settings = Settings::new(Worker::Source, &config.workers, seed);
    (Reconciler::new(role, queue, clock, settings), status)
}
