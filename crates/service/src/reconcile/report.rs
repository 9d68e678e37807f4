//! What the loop shows: standings of keys, each change logged once, and a snapshot of counts.

use std::collections::BTreeMap;
use std::fmt::Display;

use amiferry_core::code::Code;
use amiferry_core::event::Reject;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ports::Message;
use amiferry_core::text::visible;
use jiff::Timestamp;

use crate::metrics::{self, Stage, Worker};

/// Longest piece of a refused body that is logged, in characters.
const QUARANTINED_BODY: usize = 1024;

/// Most parked keys that a snapshot names; the counts by reason know all.
const NAMED_KEYS: usize = 100;

/// Why a key is not being worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Waiting(Code),
    Parked(Code),
}

/// What the loop is doing, cheap to copy around.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Keys in memory.
    pub tracked: usize,
    /// Of those, not yet looked at.
    pub unlooked: usize,
    /// Effects that wait for a free slot.
    pub ready: usize,
    /// Effects being performed.
    pub in_flight: BTreeMap<Stage, usize>,
    /// Keys that wait, by reason.
    pub waiting: BTreeMap<Code, usize>,
    /// Keys that are parked, by reason.
    pub parked: BTreeMap<Code, usize>,
    /// Parked keys by name with reason and particulars, as many as there is room for.
    pub parked_keys: BTreeMap<String, (Code, String)>,
    /// What the loop itself cannot do now, with the last fault.
    pub troubles: BTreeMap<&'static str, String>,
    /// Messages received and not yet deleted.
    pub messages: usize,
    /// When the last complete sweep ended.
    pub swept_at: Option<Timestamp>,
    /// Whether the last receive succeeded; `None` before the first.
    pub receiving: Option<bool>,
    /// Whether the worker is stopping.
    pub draining: bool,
}

impl Snapshot {
    /// Whether the worker does its work: it swept once, receives, and is not stopping.
    ///
    /// # Errors
    ///
    /// Says what is missing.
    pub fn ready(&self) -> Result<(), &'static str> {
        match (self.draining, self.swept_at, self.receiving) {
            (true, _, _) => Err("draining"),
            (_, None, _) => Err("the first sweep has not succeeded yet"),
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
    troubles: BTreeMap<Trouble, FaultClass>,
}

/// What the loop itself does, outside any key's own effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Receiving,
    Sweeping,
    Looking,
    Deleting,
    Hiding,
}

impl Trouble {
    fn failing(self) -> &'static str {
        match self {
            Self::Receiving => "receiving from the queue fails",
            Self::Sweeping => "the sweep fails",
            Self::Looking => "looking fails",
            Self::Deleting => "deleting messages fails",
            Self::Hiding => "hiding messages until they are looked at fails",
        }
    }
}

impl Report {
    pub(super) fn new(worker: Worker) -> Self {
        Self { worker, snapshot: Snapshot::default(), troubles: BTreeMap::new() }
    }

    /// A key's standing changes; logs and counts only a change.
    pub(super) fn stand(
        &mut self,
        key: &impl Display,
        slot: &mut Option<Standing>,
        new: Option<Standing>,
        detail: &dyn Display,
    ) {
        if *slot == new {
            return;
        }
        if let Some(old) = slot.take() {
            self.count(old, false);
            self.snapshot.parked_keys.remove(&key.to_string());
        }
        if let Some(standing) = new {
            self.count(standing, true);
            let worker = self.worker.as_str();
            match standing {
                Standing::Waiting(code) => {
                    tracing::info!(worker, %key, %code, %detail, "waiting: {}", code.meaning());
                }
                Standing::Parked(code) => {
                    let named = &mut self.snapshot.parked_keys;
                    if named.len() < NAMED_KEYS {
                        named.insert(key.to_string(), (code, detail.to_string()));
                    }
                    tracing::warn!(
                        worker, %key, %code, %detail, remedy = code.remedy(), "parked: {}",
                        code.meaning()
                    );
                }
            }
        }
        *slot = new;
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

    /// The quarantine record of a refused message or record: the log entry and its count.
    pub(super) fn quarantine(&self, message: &Message, reject: &Reject) {
        metrics::quarantined(self.worker, reject.code);
        tracing::warn!(
            worker = self.worker.as_str(),
            queue.message_id = %message.id,
            queue.receive_count = message.receive_count,
            reason = %reject.code,
            detail = %reject.detail,
            bytes = message.body.len(),
            body = %visible(&message.body, QUARANTINED_BODY),
            "message quarantined"
        );
    }

    /// Work of the loop itself fails; logged when it begins or changes.
    pub(super) fn trouble(&mut self, what: Trouble, fault: &Fault) {
        self.snapshot.troubles.insert(what.failing(), fault.to_string());
        if self.troubles.insert(what, fault.class) != Some(fault.class) {
            let worker = self.worker.as_str();
            tracing::warn!(worker, class = %fault.class, "{} and is repeated: {fault}", what.failing());
        }
    }

    /// It works; logged when it did not before.
    pub(super) fn recovered(&mut self, what: Trouble) {
        self.snapshot.troubles.remove(what.failing());
        if self.troubles.remove(&what).is_some() {
            tracing::info!(worker = self.worker.as_str(), "no longer: {}", what.failing());
        }
    }
}
