//! The source role: which images a message or a sweep names, what to do about each, and the one
//! effect, `CreateStoreImageTask`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::decide::store::Store;
use amiferry_core::decide::{Decision, Pace, eligibility};
use amiferry_core::event::{self, EventKind, Hint};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::fleet::source::{Holding, SourceFleet, TaskEnded};
use amiferry_core::ids::ImageId;
use amiferry_core::model::Image;
use amiferry_core::names::VaultId;
use amiferry_core::pacing::CallBudget;
use amiferry_core::plan::{Ended, Line};
use amiferry_core::policy::Policy;
use amiferry_core::ports::Clock;
use amiferry_core::refusal::is_stored_already;
use amiferry_service::metrics::{self as measure, Outcome, Stage, Worker};
use amiferry_service::reconcile::{Answers, Consistency, Failure, Found, Interpreted, Lane, Role};
use amiferry_service::telemetry::Subject;
use amiferry_service::unreadable::{Pages, UnreadableItems};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tracing::Span;
use tracing::field::display;

use crate::observe::Observer;

/// How many vaults are asked side by side: one that is silent delays a sweep by no more than its own
/// time limit.
const VAULTS_AT_ONCE: usize = 16;

/// The source worker's role.
pub struct SourceRole {
    pub(crate) observer: Observer,
    pub(crate) pace: Pace,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) unreadable: UnreadableItems,
    /// That every vault was listed once, or failed to be.
    vaults_asked: OnceCell<()>,
    memory: Mutex<Memory>,
}

/// Memory that saves calls and avoids races; losing it only costs a repeated look.
pub(crate) struct Memory {
    pub(crate) fleet: SourceFleet,
    /// The line before the store quota.
    pub(crate) stores: Line<ImageId>,
    /// Since when the worker has looked for images that EC2 does not show.
    pub(crate) missing_since: BTreeMap<ImageId, Timestamp>,
    /// When EC2 last listed the tasks in progress.
    pub(crate) listed_at: Option<Timestamp>,
    /// The progress in percent of those tasks that are not ours.
    pub(crate) others: Vec<u8>,
    /// Images about whose staged object a message came since the last look at them, or whose task
    /// has ended well.
    pub(crate) announced: BTreeSet<ImageId>,
    /// Images for whose next try a person asks.
    pub(crate) urged: BTreeSet<ImageId>,
    /// Vaults that the log reports as not answering.
    told: BTreeSet<VaultId>,
    /// Whether the last note of an image could not be left.
    notes_refused: bool,
}

pub(crate) type Decisions = Vec<(ImageId, Result<Decision<Store>, Fault>)>;

pub(crate) fn measure_end(ended: Option<TaskEnded>) {
    let Some(TaskEnded { well, took }) = ended else { return };
    let outcome = if well { Outcome::Succeeded } else { Outcome::Failed };
    let took = Duration::try_from(took).unwrap_or_default();
    measure::stage_ended(Stage::StoreTask, outcome, None, took);
}

impl SourceRole {
    /// A role over `observer` with a store quota in GB and its create calls.
    pub fn new(
        observer: Observer,
        store_quota_gb: u64,
        calls: CallBudget,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let memory = Mutex::new(Memory {
            fleet: SourceFleet::new(observer.scope.id(), clock.now()),
            stores: Line::new(store_quota_gb, calls, Vec::new()),
            missing_since: BTreeMap::new(),
            listed_at: None,
            others: Vec::new(),
            announced: BTreeSet::new(),
            urged: BTreeSet::new(),
            told: BTreeSet::new(),
            notes_refused: false,
        });
        let unreadable = UnreadableItems::new(Worker::Source);
        let vaults_asked = OnceCell::new();
        Self { observer, pace, clock, unreadable, vaults_asked, memory }
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn governing(&self, image: &Image, now: Timestamp) -> Option<&Policy> {
        let Observer { scope, policies, .. } = &self.observer;
        eligibility::governing(policies, &scope.id(), image, now).ok()
    }

    /// The vaults that must hold copies of the images that a policy selects.
    pub(crate) fn vaults(&self, policy: &Policy) -> Vec<VaultId> {
        let all = self.observer.vaults.iter().map(|vault| &vault.id);
        all.filter(|vault| policy.covers(vault)).cloned().collect()
    }

    /// Reports the first note that cannot be left, and that notes can be left again.
    fn tell_of_notes(&self, noted: Result<(), Fault>) {
        let was_refused = std::mem::replace(&mut self.memory().notes_refused, noted.is_err());
        match noted {
            Err(fault) if !was_refused => tracing::warn!(
                amiferry.resource = fault.resource,
                amiferry.detail = fault.to_string(),
                "cannot leave the note of an image beside its staged object"
            ),
            Ok(()) if was_refused => {
                tracing::info!("notes of images can be left beside their staged objects again");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Before the first decision, so that no event is quicker than the knowledge of what is complete.
    pub(crate) async fn know_vaults(&self) {
        self.vaults_asked.get_or_init(|| self.ask_vaults()).await;
    }

    /// Lists in every vault what is complete. A vault that does not answer is no reason to stop,
    /// because the staged objects are known anyway.
    async fn ask_vaults(&self) {
        let asked = self.observer.vaults.iter().map(|vault| async move {
            let holding = self.observer.held_by(vault).await;
            (vault, holding.unwrap_or_else(|fault| Holding::Unknown(fault.to_string())))
        });
        // Collected first: a lazy iterator of borrowing futures is not general enough for Send.
        let asked: Vec<_> = asked.collect();
        let mut asked = stream::iter(asked).buffer_unordered(VAULTS_AT_ONCE);
        while let Some((vault, holding)) = asked.next().await {
            let mut memory = self.memory();
            match &holding {
                Holding::Unknown(why) | Holding::Partial { why, .. }
                    if memory.told.insert(vault.id.clone()) =>
                {
                    tracing::warn!(
                        amiferry.resource = %vault.id,
                        amiferry.detail = why,
                        "cannot tell which images are complete in the vault"
                    );
                }
                Holding::Whole { .. } if memory.told.remove(&vault.id) => tracing::info!(
                    amiferry.resource = %vault.id,
                    "the vault lists complete images again"
                ),
                Holding::Unknown(_) | Holding::Partial { .. } | Holding::Whole { .. } => {}
            }
            memory.fleet.holds(vault.id.clone(), holding);
        }
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
        let mut rejected = parsed.rejected;
        for hint in &parsed.hints {
            let pinned = match hint {
                Hint::Image(hint) => scope.pin_image(hint).inspect(|image| {
                    let mut memory = self.memory();
                    if let Some(image) = image
                        && parsed.kind == EventKind::Operator
                        && memory.fleet.size_gb(image).is_some()
                    {
                        memory.urged.insert(image.clone());
                    }
                }),
                Hint::Object(hint) => scope.pin_object(hint).inspect(|image| {
                    let mut memory = self.memory();
                    if let Some(image) = image
                        && memory.fleet.size_gb(image).is_some()
                    {
                        memory.announced.insert(image.clone());
                    }
                }),
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
        let listing = format!("images of {}", self.observer.scope.id());
        let staged = self.observer.all_staged(&self.unreadable).await?;
        if self.vaults_asked.initialized() {
            self.ask_vaults().await;
        } else {
            self.know_vaults().await;
        }
        self.memory().fleet.walk_began();
        let mut token = None;
        loop {
            let first = token.is_none();
            let (page, next) = self.observer.images.page(token).await?;
            let pages = Pages { first, last: next.is_none() };
            self.unreadable.met(&listing, pages, &page.unreadable);
            for image in page.items {
                let Observer { scope, policies, .. } = &self.observer;
                let now = self.clock.now();
                let is_done = match eligibility::governing(policies, &scope.id(), &image, now) {
                    // Not logged: most images of an account may belong to no policy.
                    Err(left) if matches!(left.code, Code::NoPolicy | Code::OwnRestore) => true,
                    Err(_) => false,
                    Ok(policy) => {
                        let mut memory = self.memory();
                        memory.fleet.selected(&image, policy, self.vaults(policy));
                        staged.contains_key(&image.id) || memory.fleet.is_complete(&image.id)
                    }
                };
                if !is_done {
                    found.add(image.id).await;
                }
            }
            token = next;
            if token.is_none() {
                self.memory().fleet.walked(staged);
                self.export_staged();
                self.list_tasks().await;
                self.export_tasks();
                return Ok(());
            }
        }
    }

    fn party(&self, _id: &ImageId) {}

    async fn look(&self, ids: &[ImageId]) -> Result<Answers<ImageId, Store>, Fault> {
        let answers = self.answers(ids).await?;
        let now = self.clock.now();
        let mut memory = self.memory();
        for (id, decision) in &answers.decisions {
            if let Ok(decision) = decision {
                memory.fleet.decided(id, decision, now);
            }
        }
        drop(memory);
        Ok(answers)
    }

    fn failed(&self, id: &ImageId, failure: &Failure<'_>) {
        self.memory().fleet.failed(id, failure.into());
    }

    async fn perform(&self, id: &ImageId, store: Store) -> Result<(), Fault> {
        let scope = &self.observer.scope;
        let request = self.observer.request(id, store.policy);
        // First, so that a worker that dies in between leaves no store without its note.
        self.tell_of_notes(self.observer.leave_note(&store.note).await);
        let now = self.clock.now();
        let started = self.observer.store_tasks.start_store(&request).await;
        let class = started.as_ref().err().map(|fault| fault.class);
        {
            let mut memory = self.memory();
            let held = started.as_ref().err().filter(|fault| is_stored_already(fault));
            let ended = match held {
                Some(fault) => {
                    memory.fleet.held_already(id, &fault.detail, now);
                    Ended::Refused(fault.class)
                }
                None => Ended::of(class),
            };
            memory.stores.ledger.called(id.clone(), store.size_gb, ended, now);
            let well = match class {
                None => Some(true),
                Some(FaultClass::Denied | FaultClass::Invalid | FaultClass::KeyUnusable) => {
                    Some(false)
                }
                Some(_) => None,
            };
            memory.fleet.called(id, well);
        }
        let key = started?;
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
            governed: self.memory().fleet.governed(id),
        }
    }

    fn lane(&self, _effect: &Store) -> Lane {
        Lane::Short
    }

    fn stage(&self, _effect: &Store) -> Stage {
        Stage::Store
    }

    fn consistency(&self, _effect: &Store) -> Consistency {
        Consistency::Announced
    }
}
