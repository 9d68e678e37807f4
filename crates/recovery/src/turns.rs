//! The line before the restore quota in one recovery: who waits, and whose turn it is.

use std::collections::BTreeMap;

use amiferry_core::fault::FaultClass;
use amiferry_core::forecast::{Rate, Rates};
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecoveryPointId, VaultId};
use amiferry_core::pacing::{CallBudget, CallRate};
use amiferry_core::plan::{Ended, Line, Turn};
use amiferry_core::policy::Policies;
use amiferry_core::recovery::forecast;
use amiferry_core::recovery::line::{Waiting, line};
use jiff::{SignedDuration, Timestamp};

/// What waits and runs.
pub(crate) struct Turns {
    line: Line<RecoveryPointId>,
    calls: CallBudget,
    /// What waits for a restore, or is begun.
    pub(crate) waiting: BTreeMap<RecoveryPointId, Waiting>,
    /// When each restore that runs began.
    running: BTreeMap<RecoveryPointId, Timestamp>,
    /// What S3 retrieves first: by when at the latest, and its volumes in GB.
    pub(crate) retrieving: BTreeMap<RecoveryPointId, (Timestamp, u64)>,
    /// What is to be copied to a destination first, or is being copied.
    pub(crate) to_copy: BTreeMap<RecoveryPointId, Waiting>,
    /// The copies that run, with the time that each still takes, where that is known.
    pub(crate) copying: BTreeMap<RecoveryPointId, Option<SignedDuration>>,
    /// How many copies to a destination run at once; `None` where images are made in the vault.
    copies: Option<usize>,
    rate: Rate,
    /// How long those that ended took, and how long they were expected to take.
    took: (SignedDuration, SignedDuration),
}

/// Whose turn it is, and when the next one may come.
pub(crate) struct Answers {
    pub(crate) now: Vec<RecoveryPointId>,
    pub(crate) next: Option<Timestamp>,
}

impl Turns {
    pub(crate) fn new(
        quota_gb: u64,
        calls: CallRate,
        copies: Option<usize>,
        now: Timestamp,
    ) -> Self {
        let calls = CallBudget::full(calls, now);
        Self {
            line: Line::new(quota_gb, calls, vec![1]),
            calls,
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            retrieving: BTreeMap::new(),
            to_copy: BTreeMap::new(),
            copying: BTreeMap::new(),
            copies,
            rate: Rate::default(),
            took: (SignedDuration::ZERO, SignedDuration::ZERO),
        }
    }

    /// EC2 shows these images in the making.
    pub(crate) fn shown(&mut self, vault: &VaultId, pending: &[Image], now: Timestamp) {
        let tasks = pending.iter().map(|image| {
            let owner = names::restored_owner(vault, &image.name).or_else(|| {
                self.waiting.keys().find(|id| names::is_tagged_for(id, &image.tags)).cloned()
            });
            (owner, image.size_gib())
        });
        let tasks: Vec<_> = tasks.collect();
        self.line.ledger.shown(tasks, now);
    }

    /// The images whose restores may be called now, in their order.
    pub(crate) fn answers(&mut self, policies: &Policies, now: Timestamp) -> Answers {
        let (members, promises) = line(&self.waiting, policies);
        let (placed, _) = self.line.answers(&members, &promises, now);
        let goes = |placed: &&amiferry_core::plan::Placed<'_, RecoveryPointId>| {
            placed.turn == Turn::Now && !self.line.ledger.is_open(placed.key)
        };
        let next = placed.iter().filter_map(|placed| match placed.turn {
            Turn::Paced { at, .. } => Some(at),
            Turn::Now | Turn::QuotaFull { .. } => None,
        });
        Answers {
            next: next.min(),
            now: placed.iter().filter(goes).map(|placed| placed.key.clone()).collect(),
        }
    }

    /// A restore is about to be called.
    pub(crate) fn reserve(&mut self, id: &RecoveryPointId, size_gb: u64, now: Timestamp) {
        self.line.reserve(id.clone(), 0, size_gb, now);
    }

    /// The call ended.
    pub(crate) fn called(
        &mut self,
        id: &RecoveryPointId,
        size_gb: u64,
        refused: Option<FaultClass>,
        now: Timestamp,
    ) {
        let ended = Ended::of(refused);
        self.line.ledger.called(id.clone(), size_gb, ended, now);
        if ended == Ended::Begun {
            self.begun(id, now);
        }
    }

    fn begun(&mut self, id: &RecoveryPointId, at: Timestamp) {
        if let Some(waiting) = self.waiting.get_mut(id) {
            waiting.begun = true;
        }
        self.running.entry(id.clone()).or_insert(at);
    }

    /// EC2 shows that it runs since a time.
    pub(crate) fn runs(&mut self, id: &RecoveryPointId, size_gb: u64, since: Timestamp) {
        self.line.ledger.runs(id, size_gb);
        self.begun(id, since);
    }

    /// It does not run any more; `well` if its image is there.
    pub(crate) fn ended(&mut self, id: &RecoveryPointId, well: bool, now: Timestamp) {
        self.line.ledger.ended(id);
        let Some(waiting) = self.waiting.remove(id) else { return };
        if let (Some(since), true) = (self.running.remove(id), well) {
            let expected = Rate::default().time_for(waiting.size_gb);
            self.took.0 = self.took.0.saturating_add(now.duration_since(since));
            self.took.1 = self.took.1.saturating_add(expected);
            self.rate = scaled(self.took);
        }
    }

    /// Whether the call was made so recently that EC2 may not show its image.
    pub(crate) fn is_settling(&self, id: &RecoveryPointId, now: Timestamp) -> bool {
        self.line.ledger.is_settling(id, now)
    }

    /// Whether the last count of what runs in the vault still holds.
    pub(crate) fn count_lasts(&self) -> SignedDuration {
        self.line.ledger.count_lasts()
    }

    /// What runs in the vault, in GB.
    pub(crate) fn in_progress_gb(&self) -> u64 {
        self.line.ledger.in_progress_gb()
    }

    /// All that waits, in its order.
    pub(crate) fn order(&self, policies: &Policies, now: Timestamp) -> Vec<RecoveryPointId> {
        in_order(&self.waiting, policies, now)
    }

    /// All that is to be copied, in the same order.
    pub(crate) fn copy_order(&self, policies: &Policies, now: Timestamp) -> Vec<RecoveryPointId> {
        in_order(&self.to_copy, policies, now)
    }

    /// What is to be copied, with its size in GB and the time at which its copy will have ended.
    fn copied(&self, policies: &Policies, now: Timestamp) -> Vec<(u64, Timestamp)> {
        let usual = Rates::default().copy;
        let order = self.copy_order(policies, now);
        let (begun, waiting): (Vec<_>, Vec<_>) =
            order.iter().partition(|id| self.copying.contains_key(*id));
        let size = |id: &RecoveryPointId| self.to_copy.get(id).map_or(0, |one| one.size_gb);
        let begun: Vec<(u64, Timestamp)> = begun
            .into_iter()
            .map(|id| {
                let left = self.copying.get(id).copied().flatten();
                let left = left.unwrap_or_else(|| usual.time_for(size(id)));
                (size(id), now.saturating_add(left).unwrap_or(now))
            })
            .collect();
        let lanes = self.copies.unwrap_or(1);
        let free = begun.iter().map(|(_, end)| *end).min().filter(|_| begun.len() >= lanes);
        let sizes = || waiting.iter().map(|id| size(id));
        let ends = forecast::copied(sizes(), lanes, usual, free.unwrap_or(now));
        let mut all: Vec<_> = begun.into_iter().chain(sizes().zip(ends)).collect();
        all.sort_by_key(|(_, end)| *end);
        all
    }

    /// When all of it will have ended, at the rate of what has ended so far.
    pub(crate) fn expected_end(&self, policies: &Policies, now: Timestamp) -> Timestamp {
        let running = self.running.iter().filter_map(|(id, since)| {
            let size_gb = self.waiting.get(id)?.size_gb;
            let end = since.saturating_add(self.rate.time_for(size_gb)).ok()?;
            Some((size_gb, end.max(now)))
        });
        let ours: u64 =
            self.running.keys().filter_map(|id| Some(self.waiting.get(id)?.size_gb)).sum();
        // What others run counts until they say otherwise: as long as one of its size would take.
        let others_gb = self.in_progress_gb().saturating_sub(ours);
        let others = (others_gb > 0)
            .then(|| (others_gb, now.saturating_add(self.rate.time_for(others_gb)).unwrap_or(now)));
        let order = self.order(policies, now);
        let waiting = order.iter().filter_map(|id| Some((self.waiting.get(id)?.size_gb, now)));
        let waiting = waiting.chain(self.copied(policies, now));
        let limit_gb = self.line.ledger.limit_gb();
        let (calls, rate) = (self.calls, self.rate);
        let end = forecast::finish(running.chain(others), waiting, limit_gb, calls, rate, now);
        // As if all retrievals ended with the last one: it may take until then.
        let Some(ready) = self.retrieving.values().map(|(ready_by, _)| *ready_by).max() else {
            return end;
        };
        let ready = ready.max(now);
        let sizes = || self.retrieving.values().map(|(_, size_gb)| *size_gb);
        let copied = match self.copies {
            Some(lanes) => forecast::copied(sizes(), lanes, Rates::default().copy, ready),
            None => sizes().map(|_| ready).collect(),
        };
        end.max(forecast::finish([], sizes().zip(copied), limit_gb, calls, rate, ready))
    }
}

/// What waits, in the order of the plan.
fn in_order(
    waiting: &BTreeMap<RecoveryPointId, Waiting>,
    policies: &Policies,
    now: Timestamp,
) -> Vec<RecoveryPointId> {
    let (members, promises) = line(waiting, policies);
    let mut turns = amiferry_core::plan::Turns::default();
    let planned = amiferry_core::plan::plan(&members, &promises, &[1], &mut turns, now);
    planned.iter().map(|planned| planned.key.clone()).collect()
}

/// The usual rate, as much slower or faster as what ended took.
fn scaled((took, expected): (SignedDuration, SignedDuration)) -> Rate {
    let permille = took.as_secs().saturating_mul(1_000) / expected.as_secs().max(1);
    Rate::default().scaled(permille.max(1))
}
