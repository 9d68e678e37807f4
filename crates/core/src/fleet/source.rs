//! The source worker's picture: a row for each image that a policy selects, what is staged, and
//! what the vaults show as complete.
//!
//! Like [`super::Fleet`] it is a cache, and the one picture from which plan, metrics and log are
//! made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use super::families::{Families, FamilyId, FamilyIndex};
use super::trouble::Trouble;
use crate::decide::Decision;
use crate::decide::store::Refused;
use crate::ids::ImageId;
use crate::model::{Image, StoreTask, StoreTaskState};
use crate::names::{Kept, SourceId, VaultId};
use crate::plan::{Member, Promise, Standing};
use crate::policy::{Policies, Policy};

/// How long a vault has time to answer for the first time. After it, one copy too many is better
/// than none.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// See the module's doc.
#[derive(Debug, Clone)]
pub struct SourceFleet {
    id: SourceId,
    rows: BTreeMap<ImageId, Row>,
    families: Families,
    /// The images that had a staged object when the bucket was last walked, with its size in bytes;
    /// `None` before that.
    staged: Option<BTreeMap<ImageId, u64>>,
    vaults: BTreeMap<VaultId, Vault>,
    /// Since when this picture is made.
    since: Timestamp,
    /// The number of the walk in progress, or of the last one.
    walk: u32,
}

/// What a vault shows about this source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// These images are complete there, these were given up there, and no others.
    Whole { complete: BTreeSet<ImageId>, pruned: BTreeSet<ImageId> },
    /// Some of its keys cannot be read.
    Partial {
        /// What the others show.
        kept: Kept,
        /// Why, and how many.
        why: String,
    },
    /// It does not answer, for this reason.
    Unknown(String),
}

/// What is known about a vault.
#[derive(Debug, Clone, Default)]
struct Vault {
    /// Whether it ever answered.
    answered: bool,
    /// What it showed when it last answered.
    complete: BTreeSet<ImageId>,
    /// What was given up there, as far as that was ever told: nothing takes that back.
    pruned: BTreeSet<ImageId>,
    /// Why it has not answered since.
    unknown: Option<String>,
}

/// What is known about one image.
#[derive(Debug, Clone)]
struct Row {
    family: FamilyIndex,
    created: Timestamp,
    size_gb: u64,
    vaults: Vec<VaultId>,
    state: Progress,
    met: u32,
    tasks: Tasks,
    retry_at: Option<Timestamp>,
    trouble: Trouble,
    /// Create calls in a row that were refused because of the image.
    refused: u32,
    /// The refusal because the bucket holds the image already.
    held: Option<Box<Refused>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    /// Nothing was observed yet, or it is left out.
    #[default]
    Elsewhere,
    Waits,
    Running,
    Staged,
}

impl Row {
    fn runs(&mut self, task: &StoreTask) {
        self.state = Progress::Running;
        self.trouble.over();
        self.tasks.running_since = task.started.or(self.tasks.running_since);
        self.tasks.progress = task.progress;
    }
}

/// The results of the image's store tasks, as far as this process saw them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tasks {
    /// When the last failed task began, and when its failure was first seen.
    failed: Option<(Option<Timestamp>, Timestamp)>,
    /// Failures in a row.
    pub failures: u32,
    /// When the task began whose object was last missed.
    lost: Option<Timestamp>,
    /// How many tasks lost their object.
    pub losses: u32,
    /// When the task began that was last seen running.
    running_since: Option<Timestamp>,
    /// Its progress in percent.
    progress: u8,
}

impl Tasks {
    /// When the last failure was first seen.
    pub fn failed_since(&self) -> Option<Timestamp> {
        self.failed.map(|(_, seen)| seen)
    }
}

/// The end of a task that this process saw running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskEnded {
    /// Whether its object is there.
    pub well: bool,
    /// How long it ran, as observed from outside.
    pub took: SignedDuration,
}

/// What the staging bucket holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StagedBytes {
    /// Of images that are not complete in every vault that their policy demands.
    pub needed: u64,
    /// Of the others: no vault reads it again.
    pub done_with: u64,
}

impl SourceFleet {
    /// The fleet of a source, without any observation yet.
    pub fn new(id: SourceId, now: Timestamp) -> Self {
        Self {
            id,
            rows: BTreeMap::new(),
            families: Families::default(),
            staged: None,
            vaults: BTreeMap::new(),
            since: now,
            walk: 0,
        }
    }

    /// The source.
    pub fn id(&self) -> &SourceId {
        &self.id
    }

    /// A walk begins.
    pub fn walk_began(&mut self) {
        self.walk = self.walk.saturating_add(1);
    }

    /// A policy selects this image for these vaults; repeated calls update the row.
    pub fn selected(&mut self, image: &Image, policy: &Policy, vaults: Vec<VaultId>) {
        let name = policy.family.of(image);
        let family = self.families.index(&self.id, policy.name.as_str(), &name);
        let (created, size_gb, met) = (image.created, image.size_gib(), self.walk);
        match self.rows.get_mut(&image.id) {
            Some(row) => {
                row.vaults = vaults;
                (row.family, row.created, row.size_gb, row.met) = (family, created, size_gb, met);
            }
            None => {
                let row = Row {
                    family,
                    created,
                    size_gb,
                    vaults,
                    state: Progress::default(),
                    met,
                    tasks: Tasks::default(),
                    retry_at: None,
                    trouble: Trouble::default(),
                    refused: 0,
                    held: None,
                };
                self.rows.insert(image.id.clone(), row);
            }
        }
    }

    /// What a vault shows. While it does not answer, its last answer holds: only a vault that
    /// answers can withdraw a recovery point.
    pub fn holds(&mut self, vault: VaultId, holding: Holding) {
        let known = self.vaults.entry(vault).or_default();
        match holding {
            Holding::Whole { complete, pruned } => {
                *known = Vault { answered: true, complete, pruned, unknown: None };
            }
            Holding::Partial { kept, why } => {
                known.pruned.extend(kept.pruned());
                known.complete.retain(|id| !kept.is_lost(id));
                known.complete.extend(kept.complete());
                known.unknown = Some(why);
            }
            Holding::Unknown(why) => known.unknown = Some(why),
        }
    }

    /// Until when an image waits because a vault that its policy demands has not answered since
    /// this worker started: it may be complete there. An image that was made later is not.
    pub fn unknown_until(&self, id: &ImageId) -> Option<Timestamp> {
        let row = self.rows.get(id).filter(|row| row.created < self.since)?;
        let answered = |vault: &VaultId| self.vaults.get(vault).is_some_and(|known| known.answered);
        let all_answered = row.vaults.iter().all(answered);
        (!all_answered).then(|| self.since.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX))
    }

    /// The walk was complete, and these images are staged, in so many bytes. Forgets what it did not
    /// find.
    pub fn walked(&mut self, staged: BTreeMap<ImageId, u64>) {
        let walk = self.walk;
        self.rows.retain(|_, row| row.met >= walk);
        self.staged = Some(staged);
        let mut used = vec![false; self.families.all().len()];
        for row in self.rows.values() {
            if let Some(used) = used.get_mut(row.family.index()) {
                *used = true;
            }
        }
        if let Some(moved) = self.families.keep(&used) {
            for row in self.rows.values_mut() {
                if let Some(new) = moved.get(row.family.index()) {
                    row.family = *new;
                }
            }
        }
    }

    /// Whether every vault that its policy demands shows the image as complete or given up, or did
    /// when it last answered: nothing is to be stored.
    pub fn is_complete(&self, id: &ImageId) -> bool {
        let Some(row) = self.rows.get(id) else { return false };
        let shows = |vault: &VaultId| {
            self.vaults
                .get(vault)
                .is_some_and(|known| known.complete.contains(id) || known.pruned.contains(id))
        };
        !row.vaults.is_empty() && row.vaults.iter().all(shows)
    }

    /// Whether a vault that its policy demands shows that the image was given up there.
    pub fn is_pruned(&self, id: &ImageId) -> bool {
        let Some(row) = self.rows.get(id) else { return false };
        let is_pruned =
            |vault| self.vaults.get(vault).is_some_and(|known| known.pruned.contains(id));
        row.vaults.iter().any(is_pruned)
    }

    /// Whether the image had a staged object when the bucket was last walked.
    pub fn was_staged(&self, id: &ImageId) -> bool {
        self.staged.as_ref().is_some_and(|staged| staged.contains_key(id))
    }

    /// Whether the image can have a staged object without a task that EC2 lists: the bucket was not
    /// walked yet, or showed one.
    pub fn may_be_staged(&self, id: &ImageId) -> bool {
        self.staged.as_ref().is_none_or(|staged| staged.contains_key(id)) || self.held(id).is_some()
    }

    /// How many bytes were staged when the bucket was last walked.
    pub fn staged_bytes(&self) -> StagedBytes {
        let mut bytes = StagedBytes::default();
        for (id, size) in self.staged.iter().flatten() {
            let sum = match self.is_done_with(id) {
                true => &mut bytes.done_with,
                false => &mut bytes.needed,
            };
            *sum = sum.saturating_add(*size);
        }
        bytes
    }

    /// Whether no vault will read the image's staged object again. Of an image that no policy selects
    /// now, and of one that is gone, every vault has to say so, because its policy is not known.
    fn is_done_with(&self, id: &ImageId) -> bool {
        let shows = |known: &Vault| known.complete.contains(id) || known.pruned.contains(id);
        match self.rows.contains_key(id) {
            true => self.is_complete(id),
            false => !self.vaults.is_empty() && self.vaults.values().all(shows),
        }
    }

    /// The vaults that do not answer, with the reason.
    pub fn unknown(&self) -> impl Iterator<Item = (&VaultId, &str)> {
        self.vaults.iter().filter_map(|(vault, known)| Some((vault, known.unknown.as_deref()?)))
    }

    /// This task of ours runs.
    pub fn runs(&mut self, task: &StoreTask) {
        if let Some(row) = self.rows.get_mut(&task.image) {
            row.runs(task);
        }
    }

    /// Whether a task of ours runs for this image, as far as is known.
    pub fn is_running(&self, id: &ImageId) -> bool {
        self.rows.get(id).is_some_and(|row| row.state == Progress::Running)
    }

    /// The progress of our running tasks, in percent.
    pub fn progress(&self) -> impl Iterator<Item = u8> {
        let running = self.rows.values().filter(|row| row.state == Progress::Running);
        running.map(|row| row.tasks.progress)
    }

    /// A look observed the image's newest task and its object. Returns the history of its tasks,
    /// and the end of a task that this process saw running.
    pub fn observed(
        &mut self,
        id: &ImageId,
        task: Option<&StoreTask>,
        staged: bool,
        now: Timestamp,
    ) -> (Tasks, Option<TaskEnded>) {
        let Some(row) = self.rows.get_mut(id) else { return (Tasks::default(), None) };
        let tasks = &mut row.tasks;
        let failed = task.is_some_and(|task| task.state == StoreTaskState::Failed);
        match task {
            _ if staged => (tasks.failures, tasks.failed) = (0, None),
            Some(task) if task.state == StoreTaskState::Failed => {
                // Another task's failure is another one.
                if tasks.failed.is_none_or(|(began, _)| began != task.started) {
                    tasks.failed = Some((task.started, now));
                    tasks.failures = tasks.failures.saturating_add(1);
                }
            }
            Some(task) if task.state == StoreTaskState::Completed => {
                (tasks.failures, tasks.failed) = (0, None);
                if tasks.lost != task.started {
                    tasks.lost = task.started;
                    tasks.losses = tasks.losses.saturating_add(1);
                }
            }
            Some(_) | None => {}
        }
        if staged {
            row.held = None;
        }
        let ended = (staged || failed).then(|| tasks.running_since.take()).flatten();
        let ended = ended.map(|began| TaskEnded { well: staged, took: now.duration_since(began) });
        row.state = if staged { Progress::Staged } else { Progress::Elsewhere };
        if let Some(task) = task.filter(|task| !staged && task.is_running()) {
            row.runs(task);
        }
        (row.tasks, ended)
    }

    /// The image waits for its store.
    pub fn waits(&mut self, id: &ImageId) {
        if let Some(row) = self.rows.get_mut(id) {
            row.state = Progress::Waits;
        }
    }

    /// Whether no walk and no look has met this image: it is newer than the last walk.
    pub fn is_new(&self, id: &ImageId) -> bool {
        self.staged.is_some() && !self.rows.contains_key(id)
    }

    /// Whether an image waits for its store.
    pub fn is_waiting(&self, id: &ImageId) -> bool {
        self.rows.get(id).is_some_and(|row| row.state == Progress::Waits)
    }

    /// Whether any image waits for its store.
    pub fn anything_waits(&self) -> bool {
        self.rows.values().any(|row| row.state == Progress::Waits)
    }

    /// The size in GB of an image that a policy selects, as a walk or look showed it.
    pub fn size_gb(&self, id: &ImageId) -> Option<u64> {
        self.rows.get(id).map(|row| row.size_gb)
    }

    /// The create call ended: well, for a reason outside the image (`None`), or because of it.
    pub fn called(&mut self, id: &ImageId, well: Option<bool>) {
        if let Some(row) = self.rows.get_mut(id) {
            row.trouble.called(well == Some(true));
            match well {
                Some(true) => {
                    (row.refused, row.state, row.held) = (0, Progress::Running, None);
                    row.tasks.progress = 0;
                }
                Some(false) => row.refused = row.refused.saturating_add(1),
                None => {}
            }
        }
    }

    /// The create call was refused because the bucket holds the image already.
    pub fn held_already(&mut self, id: &ImageId, words: &str, now: Timestamp) {
        let Some(row) = self.rows.get_mut(id) else { return };
        let times = row.held.as_ref().map_or(1, |before| before.times.saturating_add(1));
        row.held = Some(Box::new(Refused { at: now, times, words: words.to_owned() }));
    }

    /// The refusal because the bucket holds the image already, until a store or the staged object
    /// shows otherwise.
    pub fn held(&self, id: &ImageId) -> Option<&Refused> {
        self.rows.get(id)?.held.as_deref()
    }

    /// A fault about the image.
    pub fn failed(&mut self, id: &ImageId, failure: Failure) {
        if let Some(row) = self.rows.get_mut(id) {
            row.retry_at = Some(failure.retry_at);
            row.trouble.failed(failure);
        }
    }

    /// What was decided about the image.
    pub fn decided<A>(&mut self, id: &ImageId, decision: &Decision<A>, now: Timestamp) {
        if let Some(row) = self.rows.get_mut(id) {
            let attempts = row.tasks.failures.max(row.refused).max(1);
            row.trouble.decided(decision, attempts, now);
        }
    }

    /// The images whose store failed or was refused, and did not begin since.
    pub fn troubles(&self) -> impl Iterator<Item = (&ImageId, &Failure)> {
        self.rows.iter().filter_map(|(id, row)| Some((id, row.trouble.shown()?)))
    }

    /// Policy and family of an image.
    pub fn governed(&self, id: &ImageId) -> Option<(String, String)> {
        let FamilyId { policy, name, .. } = self.families.get(self.rows.get(id)?.family)?;
        Some((policy.to_string(), name.to_string()))
    }

    /// All images of all families for the plan. One that failed and is not due again does not wait.
    pub fn members(&self, now: Timestamp) -> Vec<Member<'_, ImageId>> {
        let member = |(key, row): (&'_ ImageId, &Row)| {
            let is_due = row.retry_at.is_none_or(|at| at <= now);
            let failures =
                row.refused.saturating_add(row.tasks.failures).saturating_add(row.tasks.losses);
            match row.state {
                _ if self.is_complete(key) => Standing::Complete,
                Progress::Waits if is_due => Standing::Waits { failures },
                Progress::Running | Progress::Staged => Standing::Begun,
                _ if self.was_staged(key) => Standing::Begun,
                Progress::Waits | Progress::Elsewhere => Standing::Elsewhere,
            }
        };
        self.rows
            .iter()
            .map(|(key, row)| Member {
                key,
                family: row.family.index(),
                created: row.created,
                size_gb: row.size_gb,
                standing: member((key, row)),
            })
            .collect()
    }

    /// What is promised about each family, by its index.
    pub fn promises(&self, policies: &Policies) -> Vec<Promise> {
        let of = |family: &FamilyId| super::waiting::promise(policies, family, 0);
        self.families.all().iter().map(|family| of(family)).collect()
    }
}
