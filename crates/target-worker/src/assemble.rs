//! Builds the target worker's parts from the configuration and a session: the only place that knows
//! both.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiferry_aws::{Ec2Images, EventBus, KmsKeys, S3Objects, Session, SqsQueue};
use amiferry_core::copy_plan::MIB;
use amiferry_core::decide::Pace;
use amiferry_core::event::SourceScope;
use amiferry_core::forecast::{Capacity, Quota, SourceCapacity};
use amiferry_core::ids::{Arn, BucketName, Region};
use amiferry_core::model::RetentionMode;
use amiferry_core::names::VaultId;
use amiferry_core::pacing::CallBudget;
use amiferry_core::plan::Budget;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{Clock, ImageDetails, Images, StoreTasks};
use amiferry_core::span::Span;
use amiferry_service::config::{Config, Destination, Source, Vault};
use amiferry_service::metrics::{AwsCalls, Worker};
use amiferry_service::reconcile::{Reconciler, Settings};

use crate::claims::Claims;
use crate::copies::Copies;
use crate::copy::Copier;
use crate::default_lock::DefaultLock;
use crate::notifier::Notifier;
use crate::observe::{Observer, SourceView, VaultView};
use crate::read_role;
use crate::role::TargetRole;
use crate::share::Share;
use crate::status::StatusPage;
use crate::unasked::Unasked;

/// Parked work is looked at this many poll intervals apart: a person has to act first.
const PARK_FACTOR: u64 = 10;

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
/// A source whose external id should come from an unset environment variable is there, and answers
/// every question with that fault.
pub fn observer(config: &Config, vault: &Vault, session: &Session) -> Observer {
    let mut sources = Vec::new();
    let name = read_role::session_name(&vault.account, &vault.region);
    // Clients take room, and sources by the thousand share a Region.
    let mut readers: BTreeMap<&Region, Arc<S3Objects>> = BTreeMap::new();
    for source in &config.sources {
        let reader = || Arc::new(S3Objects::new(&session.in_region(&source.region)));
        let mut objects = Arc::clone(readers.entry(&source.region).or_insert_with(reader));
        type Ec2 = (Arc<dyn Images>, Arc<dyn ImageDetails>, Arc<dyn StoreTasks>);
        let (images, details, store_tasks): Ec2 = match source.external_id.value() {
            Ok(external_id) => {
                let external_id = external_id.map(|secret| secret.reveal());
                let (role, region) = (&source.read_role_arn, &source.region);
                let narrowed = (name.as_str(), read_role::policy(region));
                let role = session.assume_role_narrowed(role, external_id, narrowed, region);
                if has(Bug::ObjectsReadByRole) {
                    objects = Arc::new(S3Objects::new(&role));
                }
                let ec2 = Arc::new(Ec2Images::new(&role, source.account.clone()));
                (Arc::clone(&ec2) as _, Arc::clone(&ec2) as _, ec2)
            }
            Err(missing) => {
                let unasked = Arc::new(Unasked::of(&scope(source).id(), &missing));
                (Arc::clone(&unasked) as _, Arc::clone(&unasked) as _, unasked)
            }
        };
        sources.push(SourceView {
            scope: scope(source),
            share: Share { weight: source.weight.get(), budget: budget(source) },
            images,
            details,
            store_tasks,
            objects,
        });
    }
    let ec2 = Arc::new(Ec2Images::new(session, vault.account.clone()));
    let s3 = Arc::new(S3Objects::new(session));
    Observer {
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
        pace: pace(config),
        capacity: capacity(config, vault),
        prices: Arc::new(config.prices.clone()),
        floor: config.prune.floor,
    }
}

/// What limits the work of a vault and of its sources.
pub fn capacity(config: &Config, vault: &Vault) -> Capacity {
    let of_source = |source: &Source| SourceCapacity {
        stores: Quota { limit_gb: source.store_quota_gb.get(), calls: source.store_calls },
        weight: source.weight.get(),
        budget: budget(source),
        copied: Vec::new(),
    };
    Capacity {
        sources: config.sources.iter().map(of_source).collect(),
        copies: copies(config),
        restores: Quota { limit_gb: vault.restore_quota_gb.get(), calls: vault.restore_calls },
    }
}

fn budget(source: &Source) -> Budget {
    Budget { images: source.daily_images.get().into(), gb: source.daily_gb.get() }
}

fn copies(config: &Config) -> u64 {
    u64::try_from(config.workers.copies_in_flight.get()).unwrap_or(u64::MAX)
}

/// The hands of a vault.
pub fn copier(config: &Config, vault: &Vault, session: &Session, clock: Arc<dyn Clock>) -> Copier {
    copier_into(config, (&vault.id(), &vault.bucket, &vault.key_arn), session, clock)
}

/// The hands of a restore into a destination: the vault's session in the destination's Region.
pub fn destination_copier(
    config: &Config,
    destination: &Destination,
    session: &Session,
    clock: Arc<dyn Clock>,
) -> Copier {
    let Destination { bucket, key_arn, .. } = destination;
    copier_into(config, (&destination.id(), bucket, key_arn), session, clock)
}

fn copier_into(
    config: &Config,
    (place, bucket, key): (&VaultId, &BucketName, &Arn),
    session: &Session,
    clock: Arc<dyn Clock>,
) -> Copier {
    let s3 = Arc::new(S3Objects::new(session));
    Copier {
        objects: Arc::clone(&s3) as _,
        lock: DefaultLock::new(Arc::clone(&s3) as _, place.account.clone(), bucket.clone()),
        uploads: Arc::clone(&s3) as _,
        parts: s3,
        account: place.account.clone(),
        region: place.region.clone(),
        bucket: bucket.clone(),
        key: key.to_string(),
        parts_in_flight: config.workers.parts_in_flight.get(),
        part_size: config.workers.part_size_mib.map(|mib| u64::from(mib.get()) * MIB),
        poll: config.workers.poll_interval.duration(),
        claims: Claims::default(),
        copies: Copies::default(),
        clock,
    }
}

/// The eyes of a restore into a destination: its objects by the vault's session in its Region, its
/// images by `own`, which is the same one unless a role is assumed there. Asks AWS nothing yet.
pub fn destination_observer(
    config: &Config,
    destination: &Destination,
    session: &Session,
    own: &Session,
) -> Observer {
    let ec2 = Arc::new(Ec2Images::new(own, destination.account.clone()));
    let s3 = Arc::new(S3Objects::new(session));
    let restores =
        Quota { limit_gb: destination.restore_quota_gb.get(), calls: destination.restore_calls };
    Observer {
        sources: Vec::new(),
        vault: VaultView {
            account: destination.account.clone(),
            region: destination.region.clone(),
            bucket: destination.bucket.clone(),
            prefix: destination.prefix.clone(),
            key: destination.key_arn.clone(),
            lock_mode: RetentionMode::Governance,
            images: Arc::clone(&ec2) as _,
            details: Arc::clone(&ec2) as _,
            restore_tasks: Arc::clone(&ec2) as _,
            protection: ec2,
            objects: Arc::clone(&s3) as _,
            versions: Arc::clone(&s3) as _,
            uploads: Arc::clone(&s3) as _,
            parts: s3,
            keys: Arc::new(KmsKeys::new(own, &destination.account)),
        },
        policies: config.policies.clone(),
        pace: pace(config),
        capacity: Capacity { sources: Vec::new(), copies: copies(config), restores },
        prices: Arc::new(config.prices.clone()),
        floor: config.prune.floor,
    }
}

fn pace(config: &Config) -> Pace {
    let poll = config.workers.poll_interval;
    Pace { poll, park: Span::from_secs(poll.duration().as_secs() * PARK_FACTOR) }
}

/// The role of one configured vault. Asks AWS nothing yet.
pub fn role(
    config: &Config,
    vault: &Vault,
    session: &Session,
    clock: Arc<dyn Clock>,
) -> TargetRole {
    let observer = observer(config, vault, session);
    let copier = copier(config, vault, session, Arc::clone(&clock));
    let calls = CallBudget::full(vault.restore_calls, clock.now());
    TargetRole::new(observer, copier, vault.restore_quota_gb.get(), calls, clock)
}

/// What tells the vault's event bus of changes; `None` where no bus is configured.
pub fn notifier(vault: &Vault, session: &Session, page: &Arc<StatusPage>) -> Option<Notifier> {
    let bus = vault.event_bus_arn.clone()?;
    let session = session.metered(Arc::new(AwsCalls(Worker::Target)));
    Some(Notifier::new(Arc::clone(page), Arc::new(EventBus::new(&session, bus))))
}

/// The worker of one configured vault. Asks AWS nothing yet.
pub fn reconciler(
    config: &Config,
    vault: &Vault,
    session: &Session,
    clock: Arc<dyn Clock>,
    seed: u64,
) -> Reconciler<TargetRole> {
    worker(config, vault, session, clock, seed).0
}

/// The same with its status page.
pub fn worker(
    config: &Config,
    vault: &Vault,
    session: &Session,
    clock: Arc<dyn Clock>,
    seed: u64,
) -> (Reconciler<TargetRole>, StatusPage) {
    let session = &session.metered(Arc::new(AwsCalls(Worker::Target)));
    let role = Arc::new(role(config, vault, session, Arc::clone(&clock)));
    let queue = Arc::new(SqsQueue::new(session, vault.queue_url.as_str()));
    let settings = Settings::new(Worker::Target, &config.workers, seed);
    let reconciler = Reconciler::new(Arc::clone(&role), queue, Arc::clone(&clock), settings);
    let interval = config.workers.sweep_interval;
    let page = StatusPage::new(role, reconciler.snapshots(), clock, interval);
    (reconciler, page)
}
