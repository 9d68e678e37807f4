//! The target role: which recovery points a message or a sweep names, what to do about each, and
//! the six effects: copy, lock, restore, protect, demand IMDSv2, record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiferry_audit::inventory::{self as audit, Row};
use amiferry_core::admission::{BYTES_PER_GB, Started};
use amiferry_core::code::Code;
use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::decide::vault::{self, Effect, Observed, Vault};
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::event::{self, EventKind, Hint, ImageHint, ObjectHint, Reject, RejectCode};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{Arn, ImageId};
use amiferry_core::model::{ImageState, KeyVerdict};
use amiferry_core::names::{RecoveryPointId, SourceId};
use amiferry_core::pacing::CallBudget;
use amiferry_core::planted::{Bug, has};
use amiferry_core::policy::Policies;
use amiferry_core::ports::{Clock, NewUpload, RestoreRequest, WriteOutcome};
use amiferry_service::metrics::{self as measure, KeyUse, Outcome, Stage};
use amiferry_service::reconcile::{Answers, Failure, Found, Interpreted, Lane, Role, Shown};
use amiferry_service::telemetry::Subject;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tracing::Span;
use tracing::field::display;

use crate::copy::Copier;
use crate::coverage::{self, ShownFamilies};
use crate::inventory::Inventory;
use crate::observe::Observer;
use crate::rows::Rows;
use crate::scope::{Cursor, Met};
use crate::waiting::Waiting;

/// How long the vault's preconditions are taken for granted. A key that is disabled in between
/// makes the call itself fail, which parks the work just the same.
const VAULT_FACTS_AGE: SignedDuration = SignedDuration::from_secs(60);

/// The target worker's role.
pub struct TargetRole {
    pub(crate) observer: Observer,
    copier: Copier,
    pub(crate) restore_quota_gb: u64,
    pub(crate) pace: Pace,
    pub(crate) clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

/// What saves calls and races; losing it costs a repeated look and nothing else.
pub(crate) struct Memory {
    pub(crate) vault: Option<VaultFacts>,
    pub(crate) started: Started,
    /// What was seen of those that wait; see [`crate::look`].
    pub(crate) waiting: Waiting,
    /// Restored images whose end is awaited: for their `available` events, and for the gauges.
    restoring: BTreeMap<ImageId, Restoring>,
    pub(crate) inventory: Inventory,
    shown: ShownFamilies,
    pub(crate) rows: Rows,
    pub(crate) calls: CallBudget,
}

/// The vault's preconditions as they were at a time, and verdicts on keys of staged objects since.
pub(crate) struct VaultFacts {
    at: Timestamp,
    vault: Vault,
    pub(crate) verdicts: BTreeMap<Arn, KeyVerdict>,
}

struct Restoring {
    id: RecoveryPointId,
    size_gb: u64,
    /// In percent.
    progress: u8,
}

impl TargetRole {
    /// A role over `observer` that copies with `copier` under a restore quota in GB.
    pub fn new(
        observer: Observer,
        copier: Copier,
        restore_quota_gb: u64,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let memory = Mutex::new(Memory {
            vault: None,
            started: Started::default(),
            waiting: Waiting::default(),
            restoring: BTreeMap::new(),
            inventory: Inventory::default(),
            shown: ShownFamilies::default(),
            rows: Rows::default(),
            calls: CallBudget::full(clock.now()),
        });
        Self { observer, copier, restore_quota_gb, pace, clock, memory }
    }

    /// What is promised.
    pub fn policies(&self) -> &Policies {
        &self.observer.policies
    }

    /// What the last looks said about everything in scope, since when nothing of it was looked at
    /// again, and how many images no policy selects.
    pub fn seen(&self) -> (audit::Inventory, Option<Timestamp>, BTreeMap<Code, usize>) {
        let memory = self.memory();
        let rows = &memory.rows;
        let mut inventory = rows.inventory();
        // What a policy names is missing only once everything was looked at.
        if rows.known_at().is_some() {
            inventory.places = self.observer.places();
        }
        (inventory, rows.known_at(), rows.left_out().clone())
    }

    /// The copies that go on now.
    pub fn copies(&self) -> BTreeMap<RecoveryPointId, CopyProgress> {
        self.copier.copies.now()
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn vault(&self, now: Timestamp) -> Result<Vault, Fault> {
        if let Some(facts) = &self.memory().vault
            && now.duration_since(facts.at) < VAULT_FACTS_AGE
        {
            return Ok(facts.vault.clone());
        }
        let vault = self.observer.vault().await?;
        measure::key_usable(KeyUse::VaultBucket, &vault.key_verdict, now);
        if let Some((_, verdict)) = &vault.default_encryption {
            measure::key_usable(KeyUse::Ebs, verdict, now);
        }
        let verdicts = BTreeMap::new();
        self.memory().vault = Some(VaultFacts { at: now, vault: vault.clone(), verdicts });
        Ok(vault)
    }

    fn export(&self) {
        let Observer { sources, policies, .. } = &self.observer;
        let sources: Vec<_> = sources.iter().map(|source| &source.scope).collect();
        let place = self.observer.vault_id();
        let mut memory = self.memory();
        let Memory { inventory, shown, .. } = &mut *memory;
        coverage::export(shown, inventory, policies, &sources, &place, self.clock.now());
        let restoring = || memory.restoring.values();
        let used = restoring().map(|image| image.size_gb).sum::<u64>();
        let bytes = |gb: u64| gb.saturating_mul(BYTES_PER_GB);
        measure::quota(measure::Quota::Restore, bytes(used), bytes(self.restore_quota_gb));
        let progress: Vec<u8> = restoring().map(|image| image.progress).collect();
        measure::tasks(Stage::RestoreTask, progress.len(), &progress);
    }

    async fn walk(&self, found: &Found<RecoveryPointId>) -> Result<(), Fault> {
        let began = self.clock.now();
        self.memory().inventory.walk_began(began);
        let mut seen = BTreeSet::new();
        let mut left_out: BTreeMap<Code, usize> = BTreeMap::new();
        let mut cursor = Some(Cursor::start());
        while let Some(at) = cursor {
            let (page, next) = self.observer.walk(at, began).await?;
            for met in page {
                match met {
                    Met::Selected(id) | Met::Held(id) => {
                        if seen.insert(id.clone()) {
                            found.add(id).await;
                        }
                    }
                    Met::Unselected(_, left) => *left_out.entry(left.code).or_default() += 1,
                }
            }
            cursor = next;
        }
        let mut memory = self.memory();
        memory.inventory.walked(&seen);
        memory.waiting.walked(&seen);
        memory.rows.walked(began, &seen, left_out);
        Ok(())
    }

    /// An object hint may come from any configured source, and from no other bucket.
    fn pin_object(&self, hint: &ObjectHint) -> Result<RecoveryPointId, Reject> {
        let source = self
            .observer
            .sources
            .iter()
            .find(|source| source.scope.staging_bucket == hint.bucket)
            .ok_or_else(|| {
                let detail = format!("{} is no configured staging bucket", hint.bucket);
                Reject::new(RejectCode::ForeignBucket, &detail)
            })?;
        let image = source.scope.pin_object(hint)?;
        Ok(self.observer.recovery_point(&source.scope, image))
    }

    /// An image hint is either about one of our own restores, or names a source image.
    ///
    /// An image of the vault that we do not await is nobody's work: so its events, our own
    /// restores' included, can never start any.
    fn pin_image(&self, hint: &ImageHint) -> Result<Option<RecoveryPointId>, Reject> {
        let vault = &self.observer.vault;
        let from_vault = hint.account.as_ref() == Some(&vault.account)
            && hint.region.as_ref() == Some(&vault.region);
        if from_vault {
            return Ok(self.memory().restoring.get(&hint.image).map(|image| image.id.clone()));
        }
        let mut refused = None;
        for source in &self.observer.sources {
            match source.scope.pin_image(hint) {
                Ok(image) => {
                    return Ok(
                        image.map(|image| self.observer.recovery_point(&source.scope, image))
                    );
                }
                Err(reject) => refused = Some(reject),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    pub(crate) fn decide(
        &self,
        vault: &Vault,
        observed: &mut Observed,
        now: Timestamp,
    ) -> Decision<Effect> {
        let mut memory = self.memory();
        let source = &observed.id.source_image_id;
        memory.started.reconsider(source);
        if observed.restored.is_empty() {
            observed.settling = memory.started.is_settling(source, now);
        } else {
            memory.started.forget(source);
        }
        let mut decision =
            vault::next_step(&self.observer.policies, vault, observed, self.pace, now);
        if matches!(decision, Decision::Act(Effect::Copy(_)))
            && let Ok(keys) = self.observer.keys_of(&observed.id)
            && let Some(until) = self.copier.others_until(&keys.image)
        {
            let code = Code::CopyRunning;
            decision = Decision::Wait { until, code, detail: String::new() };
        }
        memory.restores_seen(observed, &decision, now);
        let policies = &self.observer.policies;
        let row = Row::new(policies, vault, observed, &decision, now);
        memory.rows.note(&observed.id, row, now);
        let terms = vault::terms(policies, observed, now).ok();
        memory.inventory.note(policies, observed, terms, &decision, now);
        decision
    }
}

impl Memory {
    /// Follows the restores of a recovery point: those that are awaited, and those that ended.
    fn restores_seen(&mut self, observed: &Observed, decision: &Decision<Effect>, now: Timestamp) {
        let newest = observed.restored.last();
        let ended = newest.filter(|image| {
            image.state != ImageState::Pending && self.restoring.contains_key(&image.id)
        });
        if let Some(image) = ended {
            let outcome = match image.state {
                ImageState::Available => Outcome::Succeeded,
                _ => Outcome::Failed,
            };
            let took = Duration::try_from(now.duration_since(image.created)).unwrap_or_default();
            measure::stage_ended(Stage::RestoreTask, outcome, None, took);
        }
        self.restoring.retain(|_, image| image.id != observed.id);
        if let (Decision::Wait { .. }, Some(image)) = (decision, newest)
            && image.state == ImageState::Pending
        {
            let snapshots = || observed.snapshots.iter().map(|snapshot| snapshot.progress);
            let progress = snapshots().min().unwrap_or_default();
            let restoring =
                Restoring { id: observed.id.clone(), size_gb: image.size_gib(), progress };
            self.restoring.insert(image.id.clone(), restoring);
        }
    }
}

#[async_trait]
impl Role for TargetRole {
    type Key = RecoveryPointId;
    type Party = SourceId;
    type Effect = Effect;

    fn interpret(&self, body: &str) -> Interpreted<RecoveryPointId> {
        let parsed = match event::parse(body) {
            Ok(parsed) => parsed,
            Err(reject) => return Interpreted::refused(reject),
        };
        let mut keys = Vec::new();
        let mut rejected = Vec::new();
        for hint in &parsed.hints {
            let pinned = match hint {
                Hint::Object(hint) => self.pin_object(hint).map(Some),
                Hint::Image(hint) => self.pin_image(hint),
            };
            match pinned {
                Ok(key) => keys.extend(key),
                // AWS Backup may copy to other accounts and Regions: legitimate, and not ours.
                Err(_) if parsed.kind == EventKind::BackupCopyJob => {}
                Err(reject) => rejected.push(reject),
            }
        }
        Interpreted { kind: Some(parsed.kind), keys, rejected }
    }

    async fn sweep(&self, found: &Found<RecoveryPointId>) -> Result<(), Fault> {
        let swept = self.walk(found).await;
        // Also when it failed: families grow old meanwhile.
        self.export();
        swept
    }

    async fn tidy(&self) -> Result<(), Fault> {
        self.abort_leftovers().await
    }

    fn party(&self, id: &RecoveryPointId) -> SourceId {
        id.source()
    }

    async fn look(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<Answers<RecoveryPointId, Effect>, Fault> {
        let answers = self.look_at(ids).await;
        match &answers {
            Ok(answers) => {
                let failed = answers.iter().filter(|(_, answer)| answer.is_err());
                self.memory().inventory.failed(failed.map(|(id, _)| id));
            }
            Err(_) => self.memory().inventory.failed(ids),
        }
        self.export();
        answers.map(Answers::of)
    }

    fn failed(&self, id: &RecoveryPointId, failure: &Failure<'_>) {
        if failure.parked {
            self.memory().rows.parked(id, failure.code, failure.fault.to_string());
        }
    }

    async fn perform(&self, id: &RecoveryPointId, effect: Effect) -> Result<(), Fault> {
        let keys = self.observer.keys_of(id)?;
        let vault = &self.observer.vault;
        match effect {
            Effect::Copy(order) => self.copier.copy(&order, id, &keys.image).await,
            Effect::Restore(order) => {
                let request = RestoreRequest {
                    bucket: vault.bucket.clone(),
                    key: keys.image,
                    name: order.name,
                    image_tags: order.image_tags,
                    snapshot_tags: order.snapshot_tags,
                };
                let now = self.clock.now();
                match vault.restore_tasks.start_restore(&request).await {
                    Ok(image) => {
                        Span::current().record("amiferry.restored.image.id", display(&image));
                        let mut memory = self.memory();
                        memory.started.note(id.source_image_id.clone(), order.size_gb, now);
                        let (id, size_gb) = (id.clone(), order.size_gb);
                        memory.restoring.insert(image, Restoring { id, size_gb, progress: 0 });
                        Ok(())
                    }
                    // The name is taken: by an earlier call of ours whose answer was lost, by
                    // another worker, or by a stranger. The next look tells.
                    Err(fault)
                        if matches!(
                            fault.class,
                            FaultClass::Conflict | FaultClass::OutcomeUnknown
                        ) =>
                    {
                        self.memory().started.note(id.source_image_id.clone(), order.size_gb, now);
                        Err(fault)
                    }
                    Err(fault) => {
                        let mut memory = self.memory();
                        memory.started.forget(&id.source_image_id);
                        if fault.class == FaultClass::Throttled {
                            memory.calls.empty(now);
                        }
                        Err(fault)
                    }
                }
            }
            Effect::Lock(version, retention) => {
                Span::current()
                    .record("aws.s3.bucket", display(&version.bucket))
                    .record("aws.s3.key", display(&version.key));
                vault.objects.lock(&vault.account, &version, &retention).await
            }
            Effect::Protect(image) => {
                Span::current().record("amiferry.restored.image.id", display(&image));
                vault.protection.protect(&image, false).await
            }
            Effect::DemandImdsV2(image) => {
                Span::current().record("amiferry.restored.image.id", display(&image));
                vault.protection.demand_imds_v2(&image).await
            }
            Effect::Record(manifest) => {
                // A copy whose answer was lost did not come to this. Later nobody looks for it.
                if !has(Bug::UploadsLeft) {
                    self.copier.clear(&keys.image).await?;
                }
                let settings = NewUpload {
                    content_type: Some("application/json".to_owned()),
                    key: Some(vault.key.to_string()),
                    retention: manifest.vault_object.retention.clone(),
                    ..NewUpload::default()
                };
                let body = manifest.to_json();
                let (account, bucket) = (&vault.account, &vault.bucket);
                Span::current()
                    .record("aws.s3.bucket", display(bucket))
                    .record("aws.s3.key", display(&keys.manifest));
                let written =
                    vault.objects.create(account, bucket, &keys.manifest, body, &settings).await?;
                if let WriteOutcome::Written(_) = written {
                    let took = manifest.completed_at.duration_since(manifest.source.created_at);
                    let took = Duration::try_from(took).unwrap_or_default();
                    measure::completed(&manifest.policy, took);
                }
                Ok(())
            }
        }
    }

    fn subject(&self, id: &RecoveryPointId) -> Subject {
        Subject {
            source_account: id.source_account.clone(),
            source_region: id.source_region.clone(),
            image: id.source_image_id.clone(),
            target_region: Some(id.target_region.clone()),
            governed: self.memory().rows.governed(id),
        }
    }

    fn lane(&self, effect: &Effect) -> Lane {
        match effect {
            Effect::Copy(_) => Lane::Long,
            Effect::Lock(..)
            | Effect::Restore(_)
            | Effect::Protect(_)
            | Effect::DemandImdsV2(_)
            | Effect::Record(_) => Lane::Short,
        }
    }

    fn shown(&self, effect: &Effect) -> Shown {
        match effect {
            // S3 shows what it did at once.
            Effect::Copy(_) | Effect::Lock(..) | Effect::Record(_) => Shown::AtOnce,
            Effect::Restore(_) | Effect::Protect(_) | Effect::DemandImdsV2(_) => Shown::Soon,
        }
    }

    fn stage(&self, effect: &Effect) -> Stage {
        match effect {
            Effect::Copy(_) => Stage::Copy,
            Effect::Restore(_) => Stage::Restore,
            Effect::Lock(..) | Effect::Protect(_) | Effect::DemandImdsV2(_) => Stage::Protect,
            Effect::Record(_) => Stage::Manifest,
        }
    }
}
