//! The source role: which images a message or a sweep names, what to do about each, and the one
//! effect, `CreateStoreImageTask`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amiferry_core::admission::{Admission, BYTES_PER_GB, Started};
use amiferry_core::code::Code;
use amiferry_core::decide::store::{self, Observed, Store};
use amiferry_core::decide::{Decision, Pace, eligibility};
use amiferry_core::event::{self, EventKind, Hint};
use amiferry_core::fault::Fault;
use amiferry_core::ids::ImageId;
use amiferry_core::model::Tags;
use amiferry_core::names::{self, tag};
use amiferry_core::ports::{Clock, StoreRequest};
use amiferry_service::metrics::{self as measure, Stage};
use amiferry_service::reconcile::{Found, Interpreted, Lane, Role};
use async_trait::async_trait;
use jiff::Timestamp;

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
#[derive(Default)]
struct Memory {
    started: Started,
    missing_since: BTreeMap<ImageId, Timestamp>,
}

impl SourceRole {
    /// A role over `observer` with a store quota in GB.
    pub fn new(observer: Observer, store_quota_gb: u64, pace: Pace, clock: Arc<dyn Clock>) -> Self {
        Self { observer, store_quota_gb, pace, clock, memory: Mutex::default() }
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
        let observed = Observed {
            id,
            image,
            task: round.task(id, &self.observer.scope),
            staged: round.staged.get(id),
            settling: memory.started.is_settling(id, now),
            missing_since,
        };
        let (policies, account) = (&self.observer.policies, &self.observer.scope.account);
        let decision = store::next_step(policies, account, observed, self.pace, now);
        if matches!(decision, Decision::Done(_) | Decision::Ineligible { .. }) {
            memory.missing_since.remove(id);
            memory.started.forget(id);
        }
        decision
    }

    /// Lets as many stores through as the quota has room for, the most urgent first.
    fn admit(&self, decisions: &mut [(ImageId, Decision<Store>)], round: &Round, now: Timestamp) {
        let shown = |id: &ImageId| round.running.iter().any(|task| task.image == *id);
        let unseen = self.memory().started.unseen_gb(shown, now);
        let in_progress = round.in_progress_gb() + unseen;
        let mut quota = Admission::new(self.store_quota_gb, in_progress);
        let mut orders: Vec<&mut Decision<Store>> = decisions
            .iter_mut()
            .map(|(_, decision)| decision)
            .filter(|decision| matches!(decision, Decision::Act(_)))
            .collect();
        orders.sort_by_key(|decision| match decision {
            Decision::Act(store) => Some(store.urgency.clone()),
            _ => None,
        });
        for decision in orders {
            let Decision::Act(store) = &*decision else { continue };
            if !quota.admit(store.size_gb) {
                let used = quota.in_progress_gb();
                *decision = Decision::Wait {
                    until: self.pace.poll.after(now),
                    code: Code::QuotaFull,
                    detail: format!("{used} GB in progress of {} GB", self.store_quota_gb),
                };
            }
        }
        let bytes = |gb: u64| gb.saturating_mul(BYTES_PER_GB);
        let (used, limit) = (quota.in_progress_gb(), self.store_quota_gb);
        measure::quota(measure::Quota::Store, bytes(used), bytes(limit));
    }
}

#[async_trait]
impl Role for SourceRole {
    type Key = ImageId;
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
        let mut token = None;
        loop {
            let (page, next) = self.observer.images.page(token).await?;
            for image in page {
                let (policies, account) = (&self.observer.policies, &self.observer.scope.account);
                match eligibility::governing(policies, account, &image) {
                    // Left alone in silence: most images of an account may be none of ours.
                    Err(left) if matches!(left.code, Code::NoPolicy | Code::OwnRestore) => {}
                    Ok(_) | Err(_) => found.add(image.id).await,
                }
            }
            token = next;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    async fn look(&self, ids: &[ImageId]) -> Result<Vec<(ImageId, Decision<Store>)>, Fault> {
        let round = self.observer.round(ids).await?;
        let now = self.clock.now();
        let mut decisions: Vec<(ImageId, Decision<Store>)> =
            ids.iter().map(|id| (id.clone(), self.decide(id, &round, now))).collect();
        self.admit(&mut decisions, &round, now);
        Ok(decisions)
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
        let key = self.observer.images.start_store(&request).await?;
        self.memory().started.note(id.clone(), store.size_gb, self.clock.now());
        tracing::info!(image.id = %id, image.size_gb = store.size_gb, object.key = key, "store started");
        Ok(())
    }

    fn lane(&self, _effect: &Store) -> Lane {
        Lane::Short
    }

    fn stage(&self, _effect: &Store) -> Stage {
        Stage::Store
    }
}
