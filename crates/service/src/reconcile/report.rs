//! What the loop shows of itself: the standings of keys, and a snapshot of counts.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::event::Reject;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ports::Message;
use jiff::Timestamp;
use tokio::time::Instant;

use super::log;
use crate::metrics::{self, Stage, Worker};

/// Why a key is not being worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Waiting(Code),
    Parked(Code),
}

impl Standing {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting(_) => "waiting",
            Self::Parked(_) => "parked",
        }
    }
}

/// A key's standing, and since when.
pub(super) type Slot = Option<(Standing, Instant)>;

/// A standing that was replaced, with how long it held.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) old: Option<(Standing, Duration)>,
    pub(super) new: Option<Standing>,
}

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
    /// What the loop itself cannot do now, with the last fault.
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
            (_, _, None) => Err("the queue was not received from yet"),
            (_, _, Some(false)) => Err("receiving from the queue fails"),
            (false, Some(_), Some(true)) => Ok(()),
        }
    }
}

/// Keeps counts and gauges in step with what is logged.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) worker: Worker,
    pub(super) snapshot: Snapshot,
    troubles: BTreeMap<Trouble, Failures>,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failures {
    /// How many.
    pub(super) count: u32,
    /// Whether the last one is of another class than the one before.
    pub(super) is_new: bool,
    class: FaultClass,
    /// The log has said so, and says when it is over.
    told: bool,
}

/// What the loop itself does, outside any key's own effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Receiving,
    Sweeping,
    Tidying,
    Looking,
    Deleting,
    Hiding,
}

impl Trouble {
    /// The text of the log and of the snapshot.
    pub(super) fn failing(self) -> &'static str {
        match self {
            Self::Receiving => "receiving from the queue fails",
            Self::Sweeping => "the sweep fails",
            Self::Tidying => "tidying up fails",
            Self::Looking => "looking fails",
            Self::Deleting => "deleting messages fails",
            Self::Hiding => "hiding messages until they are looked at fails",
        }
    }

    /// The text of the log when it fails no longer.
    pub(super) fn recovered(self) -> &'static str {
        match self {
            Self::Receiving => "receiving from the queue works again",
            Self::Sweeping => "the sweep works again",
            Self::Tidying => "tidying up works again",
            Self::Looking => "looking works again",
            Self::Deleting => "deleting messages works again",
            Self::Hiding => "hiding messages until they are looked at works again",
        }
    }
}

impl Report {
    pub(super) fn new(worker: Worker) -> Self {
        Self { worker, snapshot: Snapshot::default(), troubles: BTreeMap::new() }
    }

    /// Sets a key's standing and counts it; answers what changed, if anything did.
    pub(super) fn stand(&mut self, slot: &mut Slot, new: Option<Standing>) -> Option<Change> {
        let old = *slot;
        if old.map(|(standing, _)| standing) == new {
            return None;
        }
        if let Some((old, _)) = old {
            self.count(old, false);
        }
        if let Some(standing) = new {
            self.count(standing, true);
        }
        *slot = new.map(|standing| (standing, Instant::now()));
        let old = old.map(|(standing, since)| (standing, since.elapsed()));
        Some(Change { old, new })
    }

    fn count(&mut self, standing: Standing, add: bool) {
        let (code, counts) = match standing {
            Standing::Waiting(code) => (code, &mut self.snapshot.waiting),
            Standing::Parked(code) => (code, &mut self.snapshot.parked),
        };
        let count = counts.entry(code).or_default();
        *count = if add { *count + 1 } else { count.saturating_sub(1) };
        let now = *count;
        if now == 0 {
            counts.remove(&code);
        }
        match standing {
            Standing::Waiting(_) => metrics::waiting(self.worker, code, now),
            Standing::Parked(_) => metrics::parked(self.worker, code, now),
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

    /// A message or a record of it is refused: counted and logged.
    pub(super) fn quarantine(&self, message: &Message, reject: &Reject) {
        metrics::quarantined(self.worker, reject.code);
        log::quarantined(message, reject);
    }

    /// Work of the loop itself fails. Whether that is `told` in the log or only shown is up to the
    /// caller.
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

    /// It works; logged when the log says that it does not.
    pub(super) fn recovered(&mut self, what: Trouble) {
        self.snapshot.troubles.remove(what.failing());
        if let Some(failures) = self.troubles.remove(&what)
            && failures.told
        {
            log::recovered(what, failures.count);
        }
    }
}
