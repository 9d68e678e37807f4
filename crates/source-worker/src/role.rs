//! The source role: which images a message or a sweep names, what to do about each, and the one
//! effect, `CreateStoreImageTask`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiferry_core::admission::{Admission, BYTES_PER_GB, Started};
use amiferry_core::code::Kind;
use amiferry_core::decide::order::Urgency;
use amiferry_core::decide::store::{self, Observed, Store};
use amiferry_core::decide::turns::{Applicant, turns};
use amiferry_core::decide::{Decision, Pace, eligibility};
use amiferry_core::event::{self, EventKind, Hint, SourceScope};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::ImageId;
use amiferry_core::model::{StoreTaskState, Tags};
use amiferry_core::names::{self, tag};
use amiferry_core::pacing::CallBudget;
use amiferry_core::ports::{Clock, StoreRequest};
use amiferry_service::metrics::{self as measure, Outcome, Stage};
use amiferry_service::reconcile::{Answers, Found, Interpreted, Lane, Role};
use amiferry_service::telemetry::Subject;
use async_trait::async_trait;
use jiff::Timestamp;
use tracing::Span;
use tracing::field::display;

use crate::observe::{Observer, Round};

/// The source worker's role.
pub struct SourceRole {
    observer: Observer,
    store_quota_gb: u64,
    pace: Pace,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

/// What saves calls and races; losing it costs a repeated look and nothing else.
struct Memory {
    started: Started,
    missing_since: BTreeMap<ImageId, Timestamp>,
    /// By image: when its failed task began, and when the failure was first seen.
    failed_since: BTreeMap<ImageId, (Option<Timestamp>, Timestamp)>,
    /// The images that had a staged object at the last sweep.
    staged: BTreeSet<ImageId>,
    /// Policy and family of the images that are worked on, and those that are not any more: for
    /// the log, which speaks of them once more.
    governed: BTreeMap<ImageId, (String, String)>,
    ended: Vec<ImageId>,
    /// Our tasks that were seen running, and when they began: for their duration.
    running: BTreeMap<ImageId, Timestamp>,
    calls: CallBudget,
}

impl SourceRole {
    /// A role over `observer` with a store quota in GB.
    pub fn new(observer: Observer, store_quota_gb: u64, pace: Pace, clock: Arc<dyn Clock>) -> Self {
        let memory = Mutex::new(Memory {
            started: Started::default(),
            missing_since: BTreeMap::new(),
            failed_since: BTreeMap::new(),
            staged: BTreeSet::new(),
            governed: BTreeMap::new(),
            ended: Vec::new(),
            running: BTreeMap::new(),
            calls: CallBudget::full(clock.now()),
        });
        Self { observer, store_quota_gb, pace, clock, memory }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, id: &ImageId, round: &Round, now: Timestamp) -> Decision<Store> {
        let mut memory = self.memory();
        let image = round.images.get(id);
        let missing_since = match image {
            Some(_) => {
                memory.missing_since.remove(id);
                None
            }
            None => Some(*memory.missing_since.entry(id.clone()).or_insert(now)),
        };
        let task = round.task(id, &self.observer.scope);
        let failed = task.is_some_and(|task| task.state == StoreTaskState::Failed);
        memory.task_ended(id, round.staged.contains_key(id), failed, now);
        let observed = Observed {
            id,
            image,
            task,
            staged: round.staged.get(id),
            settling: memory.started.is_settling(id, now),
            missing_since,
            failed_since: task
                .filter(|task| task.state == StoreTaskState::Failed)
                .map(|task| memory.failure_seen(id, task.started, now)),
        };
        let Observer { scope, policies, .. } = &self.observer;
        let decision = store::next_step(policies, &scope.id(), observed, self.pace, now);
        if matches!(decision, Decision::Done(_) | Decision::Ineligible { .. }) {
            memory.missing_since.remove(id);
            memory.failed_since.remove(id);
            memory.running.remove(id);
            memory.started.forget(id);
            memory.ended.push(id.clone());
        }
        decision
    }

    /// Sorts the images that would be stored into those whose turn it is, or of which a sweep said
    /// that they are staged, and those that wait: nobody asks S3 about the latter.
    fn sort(
        &self,
        ids: &[ImageId],
        round: &Round,
        now: Timestamp,
    ) -> (Vec<ImageId>, BTreeMap<ImageId, Decision<Store>>) {
        let mut memory = self.memory();
        for id in ids {
            memory.started.reconsider(id);
        }
        let shown = |id: &ImageId| round.running.iter().any(|task| task.image == *id);
        let unseen = memory.started.unseen_gb(shown, now);
        let mut quota = Admission::new(self.store_quota_gb, round.in_progress_gb() + unseen);
        let (mut asked, mut applicants) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(applicant) = self.applicant(id, round, now) else { continue };
            let known = memory.staged.contains(id) || memory.started.is_settling(id, now);
            if known {
                asked.push(id.clone());
            } else {
                applicants.push(applicant);
            }
        }
        let calls = memory.calls.available(now);
        let mut waiting = BTreeMap::new();
        for (turn, applicant) in turns(&applicants, &mut quota, calls).into_iter().zip(applicants) {
            let id = applicant.urgency.image;
            match turn.wait(self.store_quota_gb, &memory.calls, self.pace, now) {
                Some(wait) => {
                    waiting.insert(id, wait);
                }
                None => asked.push(id),
            }
        }
        let bytes = |gb: u64| gb.saturating_mul(BYTES_PER_GB);
        let (used, limit) = (quota.in_progress_gb(), self.store_quota_gb);
        measure::quota(measure::Quota::Store, bytes(used), bytes(limit));
        (asked, waiting)
    }

    /// Counts what was decided as if it ran already: the next look must not give quota and calls
    /// away again while these still wait for a free slot.
    fn reserve(&self, answers: &[(ImageId, Result<Decision<Store>, Fault>)], now: Timestamp) {
        let mut memory = self.memory();
        for (id, answer) in answers {
            if let Ok(Decision::Act(store)) = answer {
                memory.calls.spend(now);
                memory.started.reserve(id.clone(), store.size_gb, now);
            }
        }
    }

    /// An image that may have to be stored: eligible, and not being stored.
    fn applicant(&self, id: &ImageId, round: &Round, now: Timestamp) -> Option<Applicant> {
        let Observer { scope, policies, .. } = &self.observer;
        let image = round.images.get(id)?;
        let policy = eligibility::governing(policies, &scope.id(), image, now).ok()?;
        if round.task(id, scope).is_some() {
            return None;
        }
        let urgency = Urgency {
            priority: policy.priority,
            deadline: policy.rpo.after(image.created),
            image: id.clone(),
        };
        Some(Applicant { urgency, size_gb: image.size_gib() })
    }
}

impl Memory {
    /// Notes which policy governs which image, and forgets those that ended before this look.
    fn governed_by(&mut self, round: &Round, ids: &[ImageId], observer: &Observer, now: Timestamp) {
        for id in std::mem::take(&mut self.ended) {
            self.governed.remove(&id);
        }
        let source = observer.scope.id();
        for image in ids.iter().filter_map(|id| round.images.get(id)) {
            if let Ok(policy) = eligibility::governing(&observer.policies, &source, image, now) {
                let names = (policy.name.to_string(), policy.family.of(image));
                self.governed.insert(image.id.clone(), names);
            }
        }
    }

    /// Notes which of our tasks run.
    fn tasks_seen(&mut self, round: &Round, scope: &SourceScope) {
        let progress: Vec<u8> = round.running.iter().map(|task| task.progress).collect();
        measure::tasks(Stage::StoreTask, progress.len(), &progress);
        for task in &round.running {
            if let Some(began) = round.task(&task.image, scope).and_then(|task| task.started) {
                self.running.insert(task.image.clone(), began);
            }
        }
    }

    /// Measures a task that was seen running and is over.
    fn task_ended(&mut self, id: &ImageId, staged: bool, failed: bool, now: Timestamp) {
        if !staged && !failed {
            return;
        }
        if let Some(began) = self.running.remove(id) {
            let outcome = if staged { Outcome::Succeeded } else { Outcome::Failed };
            let took = Duration::try_from(now.duration_since(began)).unwrap_or_default();
            measure::stage_ended(Stage::StoreTask, outcome, None, took);
        }
    }

    /// When this failure was first seen; another task's failure is another one.
    fn failure_seen(
        &mut self,
        id: &ImageId,
        began: Option<Timestamp>,
        now: Timestamp,
    ) -> Timestamp {
        let entry = self.failed_since.entry(id.clone()).or_insert((began, now));
        if entry.0 != began {
            *entry = (began, now);
        }
        entry.1
    }
}

#[async_trait]
impl Role for SourceRole {
    type Key = ImageId;
    /// All images of a source worker are of one source.
    type Party = ();
    type Effect = Store;

    fn interpret(&self, body: &str) -> Interpreted<ImageId> {
        let parsed = match event::parse(body) {
            Ok(parsed) => parsed,
            Err(reject) => return Interpreted::refused(reject),
        };
        let scope = &self.observer.scope;
        let mut keys = Vec::new();
        let mut rejected = Vec::new();
        for hint in &parsed.hints {
            let pinned = match hint {
                Hint::Image(hint) => scope.pin_image(hint),
                Hint::Object(hint) => scope.pin_object(hint).map(Some),
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

    async fn sweep(&self, found: &Found<ImageId>) -> Result<(), Fault> {
        let staged = self.observer.all_staged().await?;
        let Observer { scope, policies, .. } = &self.observer;
        let (source, now) = (scope.id(), self.clock.now());
        let mut token = None;
        loop {
            let (page, next) = self.observer.images.page(token).await?;
            for image in page {
                match eligibility::governing(policies, &source, &image, now) {
                    // Left alone in silence: most images of an account may be none of ours.
                    Err(left) if left.code.kind() == Kind::LeftOut => {}
                    Ok(_) if staged.contains(&image.id) => {}
                    Ok(_) | Err(_) => found.add(image.id).await,
                }
            }
            token = next;
            if token.is_none() {
                self.memory().staged = staged;
                return Ok(());
            }
        }
    }

    fn party(&self, _id: &ImageId) {}

    async fn look(&self, ids: &[ImageId]) -> Result<Answers<ImageId, Store>, Fault> {
        let mut round = self.observer.survey(ids).await?;
        {
            let mut memory = self.memory();
            memory.tasks_seen(&round, &self.observer.scope);
            memory.governed_by(&round, ids, &self.observer, self.clock.now());
        }
        let (asked, mut waiting) = self.sort(ids, &round, self.clock.now());
        self.observer.explain(&mut round, &asked).await?;
        let now = self.clock.now();
        let mut silent = std::mem::take(&mut round.silent);
        let mut decide = |id: &ImageId| match silent.remove(id) {
            Some(fault) => Err(fault),
            None => Ok(waiting.remove(id).unwrap_or_else(|| self.decide(id, &round, now))),
        };
        let answers: Vec<_> = ids.iter().map(|id| (id.clone(), decide(id))).collect();
        self.reserve(&answers, now);
        Ok(Answers::of(answers))
    }

    async fn perform(&self, id: &ImageId, store: Store) -> Result<(), Fault> {
        let scope = &self.observer.scope;
        let tags = [
            (tag::MANAGED, "true".to_owned()),
            (tag::SOURCE_ACCOUNT, scope.account.to_string()),
            (tag::SOURCE_IMAGE, id.to_string()),
            (tag::POLICY, store.policy),
        ];
        let request = StoreRequest {
            image: id.clone(),
            bucket: scope.staging_bucket.clone(),
            path: names::staging_path(&scope.staging_prefix, &scope.region),
            tags: tags.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Tags>(),
        };
        let now = self.clock.now();
        let key = match self.observer.store_tasks.start_store(&request).await {
            Ok(key) => key,
            Err(fault) => {
                let mut memory = self.memory();
                memory.started.forget(id);
                if fault.class == FaultClass::Throttled {
                    memory.calls.empty(now);
                }
                return Err(fault);
            }
        };
        self.memory().started.note(id.clone(), store.size_gb, now);
        Span::current()
            .record("amiferry.image.size_gb", store.size_gb)
            .record("aws.s3.bucket", display(&scope.staging_bucket))
            .record("aws.s3.key", display(&key));
        Ok(())
    }

    fn subject(&self, id: &ImageId) -> Subject {
        let scope = &self.observer.scope;
        Subject {
            source_account: scope.account.clone(),
            source_region: scope.region.clone(),
            image: id.clone(),
            target_region: None,
            governed: self.memory().governed.get(id).cloned(),
        }
    }

    fn lane(&self, _effect: &Store) -> Lane {
        Lane::Short
    }

    fn stage(&self, _effect: &Store) -> Stage {
        Stage::Store
    }
}
