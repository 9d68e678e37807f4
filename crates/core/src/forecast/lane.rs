//! One quota in a forecast: what is in progress, what waits, and the calls that are left.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::{Quota, Stage};
use crate::pacing::CallBudget;
use crate::plan::Turns;

/// Where images of one stage wait for room.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) stage: Stage,
    /// Whose stores it admits; `None` for the vault's own work.
    pub(super) source: Option<usize>,
    limit: u64,
    in_progress: u64,
    calls: Option<CallBudget>,
    /// For which time a look is planned because a call is admitted then.
    pub(super) call_at: Option<Timestamp>,
    /// Whether no image that waits may go, whatever room there is: its sources have used up their daily budgets.
    pub(super) is_held: bool,
    /// The front of the last plan.
    pub(super) line: VecDeque<usize>,
    /// Those that wait, without those that the policy does not ask for.
    pub(super) waiting: BTreeSet<usize>,
    /// How much has changed since the last plan.
    changes: usize,
    /// The wave of the task that ended last.
    pub(super) freed: u32,
    pub(super) turns: Turns,
}

/// A plan holds while no more than one in so many of its images went or came.
const PLAN_HOLDS_FOR: usize = 32;

/// The same of a line that is longer than [`LONG`]: planning it takes most of the time of a forecast.
const LONG_PLAN_HOLDS_FOR: usize = 8;

/// More images than that are a long line.
const LONG: usize = 2_000;

impl Lane {
    /// A quota of which nothing is in use yet.
    pub(super) fn of_quota(
        stage: Stage,
        source: Option<usize>,
        quota: Quota,
        now: Timestamp,
    ) -> Self {
        let calls = Some(CallBudget::full(quota.calls, now));
        Self { calls, ..Self::of_slots(stage, source, quota.limit_gb) }
    }

    /// So many at once, whatever their size.
    pub(super) fn of_slots(stage: Stage, source: Option<usize>, limit: u64) -> Self {
        Self {
            stage,
            source,
            limit,
            in_progress: 0,
            calls: None,
            call_at: None,
            is_held: false,
            line: VecDeque::new(),
            waiting: BTreeSet::new(),
            changes: 0,
            freed: 0,
            turns: Turns::default(),
        }
    }

    /// What a task of a size takes of the limit.
    fn share(&self, size_gb: u64) -> u64 {
        if self.calls.is_some() { size_gb } else { 1 }
    }

    /// One more waits.
    pub(super) fn arrives(&mut self, job: usize) {
        self.waiting.insert(job);
        self.changes += 1;
        self.is_held = false;
    }

    /// A task is in progress. EC2's own rule: what is in progress must be below the limit, whatever the
    /// size of the next one.
    pub(super) fn begins(&mut self, size_gb: u64) {
        self.in_progress = self.in_progress.saturating_add(self.share(size_gb));
    }

    /// A task ended.
    pub(super) fn ends(&mut self, size_gb: u64, wave: u32) {
        self.in_progress = self.in_progress.saturating_sub(self.share(size_gb));
        self.freed = wave;
        self.is_held = false;
    }

    /// Whether something waits and the limit has room for it.
    pub(super) fn could_admit(&self) -> bool {
        !self.waiting.is_empty() && self.in_progress < self.limit && !self.is_held
    }

    /// When the next call is admitted: `None` for now.
    pub(super) fn next_call(&mut self, at: Timestamp) -> Option<Timestamp> {
        let calls = self.calls.as_mut()?;
        (calls.available(at) == 0).then(|| calls.time_of_call(0))
    }

    /// The next one of the line is admitted.
    pub(super) fn admits(&mut self, job: usize, size_gb: u64, at: Timestamp) {
        if let Some(calls) = &mut self.calls {
            calls.spend(at);
        }
        self.waiting.remove(&job);
        self.changes += 1;
        self.begins(size_gb);
    }

    /// Whether the line must be planned again.
    pub(super) fn is_stale(&self) -> bool {
        let length = self.line.len();
        let holds_for = if length > LONG { LONG_PLAN_HOLDS_FOR } else { PLAN_HOLDS_FOR };
        length == 0 || self.changes.saturating_mul(holds_for) > length
    }

    /// A new plan of all that waits.
    pub(super) fn planned(&mut self, line: VecDeque<usize>) {
        self.waiting = line.iter().copied().collect();
        self.line = line;
        self.changes = 0;
    }
}
