//! What the loop shows of itself: why each key pauses, and a snapshot of counts.

use std::collections::BTreeMap;

use amiferry_core::code::Code;
use amiferry_core::event::{Reject, RejectCode};
use amiferry_core::fault::Fault;
use amiferry_core::ports::Message;
use jiff::Timestamp;
use tokio::time::Instant;

use super::log;
use super::pause::{Change, Pause, Slot};
use super::seldom::Seldom;
use super::trouble::{Failures, Trouble};
use crate::metrics::{self, Stage, Worker};

/// What the loop is doing, cheap to copy around.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Keys in memory.
    pub tracked: usize,
    /// Of those, not yet looked at.
    pub unlooked: usize,
    /// Parties whose keys are looked at apart from all others.
    pub apart: usize,
    /// Effects that wait for a free slot.
    pub ready: usize,
    /// Effects being performed.
    pub in_flight: BTreeMap<Stage, usize>,
    /// Keys that wait, by reason.
    pub waiting: BTreeMap<Code, usize>,
    /// Keys that are parked, by reason.
    pub parked: BTreeMap<Code, usize>,
    /// Work of the loop itself that fails now, each with its last fault.
    pub troubles: BTreeMap<&'static str, String>,
    /// Messages received and not yet deleted.
    pub messages: usize,
    /// When the last complete sweep ended.
    pub swept_at: Option<Timestamp>,
    /// Whether no sweep has succeeded for the time of several.
    pub sweep_overdue: bool,
    /// Whether the last receive succeeded; `None` before the first.
    pub receiving: Option<bool>,
    /// Whether the worker is stopping.
    pub draining: bool,
}

impl Snapshot {
    /// Whether the worker does its work: it sweeps, receives, and is not stopping. A sweep counts
    /// once all that it found was taken.
    ///
    /// # Errors
    ///
    /// Says what is missing.
    pub fn ready(&self) -> Result<(), &'static str> {
        match (self.draining, self.swept_at, self.receiving) {
            (true, _, _) => Err("draining"),
            (_, None, _) => Err("the first sweep has not succeeded yet"),
            _ if self.sweep_overdue => Err("no sweep has succeeded for too long"),
            (_, _, None) => Err("the queue has not answered yet"),
            (_, _, Some(false)) => Err("receiving from the queue fails"),
            (false, Some(_), Some(true)) => Ok(()),
        }
    }
}

/// The counts of the loop: keeps the snapshot and the metrics consistent with the log.
#[derive(Debug)]
pub(super) struct Gauges {
    pub(super) worker: Worker,
    pub(super) snapshot: Snapshot,
    troubles: BTreeMap<Trouble, Failures>,
    refusals: Seldom<RejectCode>,
    unshown: Seldom<Code>,
}

impl Gauges {
    pub(super) fn new(worker: Worker) -> Self {
        Self {
            worker,
            snapshot: Snapshot::default(),
            troubles: BTreeMap::new(),
            refusals: Seldom::default(),
            unshown: Seldom::default(),
        }
    }

    /// Sets a key's pause and counts it. Returns the change, if there is one.
    pub(super) fn pause(&mut self, slot: &mut Slot, new: Option<Pause>) -> Option<Change> {
        let old = *slot;
        if old.map(|(pause, _)| pause) == new {
            return None;
        }
        if let Some((old, _)) = old {
            self.count(old, false);
        }
        if let Some(pause) = new {
            self.count(pause, true);
        }
        *slot = new.map(|pause| (pause, Instant::now()));
        let old = old.map(|(pause, since)| (pause, since.elapsed()));
        Some(Change { old, new })
    }

    fn count(&mut self, pause: Pause, add: bool) {
        let (code, counts) = match pause {
            Pause::Waiting(code) => (code, &mut self.snapshot.waiting),
            Pause::Parked(code) => (code, &mut self.snapshot.parked),
        };
        let count = counts.entry(code).or_default();
        *count = if add { *count + 1 } else { count.saturating_sub(1) };
        let now = *count;
        if now == 0 {
            counts.remove(&code);
        }
        match pause {
            Pause::Waiting(_) => metrics::waiting(self.worker, code, now),
            Pause::Parked(_) => metrics::parked(self.worker, code, now),
        }
    }

    /// An effect starts or ends.
    pub(super) fn in_flight(&mut self, stage: Stage, started: bool) {
        let count = self.snapshot.in_flight.entry(stage).or_default();
        *count = if started { *count + 1 } else { count.saturating_sub(1) };
        metrics::in_flight(self.worker, stage, *count);
        if *count == 0 {
            self.snapshot.in_flight.remove(&stage);
        }
    }

    /// Counts a refused message or record, and logs it unless the log shows one like it already.
    pub(super) fn quarantine(&mut self, message: &Message, reject: &Reject) {
        metrics::quarantined(self.worker, reject.code);
        if let Some(unlogged) = self.refusals.tell(reject.code, Instant::now()) {
            log::quarantined(message, reject, unlogged);
        }
    }

    /// Notes a line about an image that a message names and AWS has not shown. If it is to be logged,
    /// returns how many of its reason were not logged before it.
    pub(super) fn unshown(&mut self, code: Code) -> Option<u64> {
        self.unshown.tell(code, Instant::now())
    }

    /// Notes that work of the loop itself failed; `told` says whether the caller logs it.
    pub(super) fn trouble(&mut self, what: Trouble, fault: &Fault, told: bool) -> Failures {
        self.snapshot.troubles.insert(what.failing(), fault.to_string());
        let before = self.troubles.get(&what);
        let failures = Failures {
            count: before.map_or(1, |before| before.count.saturating_add(1)),
            is_new: before.is_none_or(|before| before.class != fault.class),
            class: fault.class,
            told: told || before.is_some_and(|before| before.told),
        };
        self.troubles.insert(what, failures);
        failures
    }

    /// Notes that the work succeeded, and logs that if its failures were logged.
    pub(super) fn recovered(&mut self, what: Trouble) {
        self.snapshot.troubles.remove(what.failing());
        if let Some(failures) = self.troubles.remove(&what)
            && failures.told
        {
            log::recovered(what, failures.count);
        }
    }
}
