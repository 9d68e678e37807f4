//! Builds the target worker's parts from the configuration and a session: the only place that knows
//! both.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiferry_aws::{Ec2Images, KmsKeys, S3Objects, Session, SqsQueue};
use amiferry_core::copy_plan::MIB;
use amiferry_core::decide::Pace;
use amiferry_core::event::SourceScope;
use amiferry_core::ids::Region;
use amiferry_core::pacing::CallBudget;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::Clock;
use amiferry_core::span::Span;
use amiferry_service::config::{Config, MissingSecret, Source, Vault};
use amiferry_service::metrics::{AwsCalls, Worker};
use amiferry_service::reconcile::{Reconciler, Settings};

use crate::claims::Claims;
use crate::copies::Copies;
use crate::copy::Copier;
use crate::default_lock::DefaultLock;
use crate::observe::{Observer, Share, SourceView, VaultView};
use crate::role::TargetRole;
use crate::status::StatusPage;

/// Parked work is looked at this many poll intervals apart: a person has to act first.
const PARK_FACTOR: u64 = 10;

/// The name of the sessions in the source account, as CloudTrail there shows them.
const SESSION_NAME: &str = "amiferry-target";

/// The scope of a configured source.
pub fn scope(source: &Source) -> SourceScope {
    SourceScope {
        account: source.account.clone(),
        region: source.region.clone(),
        staging_bucket: source.staging_bucket.clone(),
        staging_prefix: source.staging_prefix.clone(),
    }
}

/// The eyes of a vault: its own account by `session`, each source by the role assumed there.
/// Asks AWS nothing yet.
///
/// # Errors
/// An external id that should come from an unset environment variable.
pub fn observer(
    config: &Config,
    vault: &Vault,
    session: &Session,
) -> Result<Observer, MissingSecret> {
    let mut sources = Vec::new();
    // Clients take room, and sources by the thousand share a Region.
    let mut readers: BTreeMap<&Region, Arc<S3Objects>> = BTreeMap::new();
    for source in &config.sources {
        let external_id = source.external_id.value()?.map(|secret| secret.reveal());
        let role =
            session.assume_role(&source.read_role_arn, external_id, SESSION_NAME, &source.region);
        let objects = if has(Bug::ObjectsReadByRole) {
            Arc::new(S3Objects::new(&role))
        } else {
            let reader = || Arc::new(S3Objects::new(&session.in_region(&source.region)));
            Arc::clone(readers.entry(&source.region).or_insert_with(reader))
        };
        let images = Arc::new(Ec2Images::new(&role, source.account.clone()));
        sources.push(SourceView {
            scope: scope(source),
            share: Share {
                weight: source.weight.get(),
                daily_images: source.daily_images.get().into(),
                daily_gb: source.daily_gb.get(),
            },
            images: Arc::clone(&images) as _,
            details: images,
            objects,
        });
    }
    let ec2 = Arc::new(Ec2Images::new(session, vault.account.clone()));
    let s3 = Arc::new(S3Objects::new(session));
    Ok(Observer {
        sources,
        vault: VaultView {
            account: vault.account.clone(),
            region: vault.region.clone(),
            bucket: vault.bucket.clone(),
            prefix: vault.prefix.clone(),
            key: vault.key_arn.clone(),
            lock_mode: vault.lock_mode,
            images: Arc::clone(&ec2) as _,
            details: Arc::clone(&ec2) as _,
            restore_tasks: Arc::clone(&ec2) as _,
            protection: ec2,
            objects: Arc::clone(&s3) as _,
            versions: Arc::clone(&s3) as _,
            uploads: Arc::clone(&s3) as _,
            parts: s3,
            keys: Arc::new(KmsKeys::new(session, &vault.account)),
        },
        policies: config.policies.clone(),
    })
}

/// The hands of a vault.
pub fn copier(config: &Config, vault: &Vault, session: &Session, clock: Arc<dyn Clock>) -> Copier {
    let s3 = Arc::new(S3Objects::new(session));
    Copier {
        objects: Arc::clone(&s3) as _,
        lock: DefaultLock::new(Arc::clone(&s3) as _, vault.account.clone(), vault.bucket.clone()),
        uploads: Arc::clone(&s3) as _,
        parts: s3,
        account: vault.account.clone(),
        region: vault.region.clone(),
        bucket: vault.bucket.clone(),
        key: vault.key_arn.to_string(),
        parts_in_flight: config.workers.parts_in_flight.get(),
        part_size: config.workers.part_size_mib.map(|mib| u64::from(mib.get()) * MIB),
        poll: config.workers.poll_interval.duration(),
        claims: Claims::default(),
        copies: Copies::default(),
        clock,
    }
}

/// The role of one configured vault. Asks AWS nothing yet.
///
/// # Errors
/// An external id that should come from an unset environment variable.
pub fn role(
    config: &Config,
    vault: &Vault,
    session: &Session,
    clock: Arc<dyn Clock>,
) -> Result<TargetRole, MissingSecret> {
    let poll = config.workers.poll_interval;
    let pace = Pace { poll, park: Span::from_secs(poll.duration().as_secs() * PARK_FACTOR) };
    let observer = observer(config, vault, session)?;
    let copier = copier(config, vault, session, Arc::clone(&clock));
    let calls = CallBudget::full(vault.restore_calls, clock.now());
    Ok(TargetRole::new(observer, copier, vault.restore_quota_gb.get(), calls, pace, clock))
}

/// The worker of one configured vault. Asks AWS nothing yet.
///
/// # Errors
/// An external id that should come from an unset environment variable.
pub fn reconciler(
    config: &Config,
    vault: &Vault,
    session: &Session,
    clock: Arc<dyn Clock>,
    seed: u64,
) -> Result<Reconciler<TargetRole>, MissingSecret> {
    worker(config, vault, session, clock, seed).map(|(reconciler, _)| reconciler)
}

/// The same with its status page.
///
/// # Errors
/// As those of [`reconciler`].
pub fn worker(
    config: &Config,
    vault: &Vault,
    session: &Session,
    clock: Arc<dyn Clock>,
    seed: u64,
) -> Result<(Reconciler<TargetRole>, StatusPage), MissingSecret> {
    let session = &session.metered(Arc::new(AwsCalls(Worker::Target)));
    let role = Arc::new(role(config, vault, session, Arc::clone(&clock))?);
    let queue = Arc::new(SqsQueue::new(session, vault.queue_url.as_str()));
    let settings = Settings::new(Worker::Target, &config.workers, seed);
    let reconciler = Reconciler::new(Arc::clone(&role), queue, Arc::clone(&clock), settings);
    let interval = config.workers.sweep_interval;
    let page = StatusPage::new(role, reconciler.snapshots(), clock, interval);
    Ok((reconciler, page))
}
