//! What is known about one key that needs attention: its state, its faults, and the messages that
//! wait for it.
//!
//! Pure.

use std::sync::Arc;

use amiferry_core::fault::FaultClass;
use jiff::Timestamp;
use tokio::time::Instant;

use super::inbox::Held;
use super::parked::{self, Reason, Step};
use super::report::Slot;
use super::role::Lane;

/// A key is in exactly one of these.
#[derive(Debug)]
pub(super) enum State<E> {
    Due,
    Looking,
    Ready { effect: E, lane: Lane, ticket: u64, decided: Instant },
    Performing(Lane),
}

/// Who named a key first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Origin {
    #[default]
    Event,
    Sweep,
}

impl Origin {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Sweep => "sweep",
        }
    }
}

/// See the module's doc.
#[derive(Debug)]
pub(super) struct Entry<P, E> {
    pub(super) party: Arc<P>,
    pub(super) state: State<E>,
    pub(super) origin: Origin,
    /// A sweep named it, so one would again if it were forgotten.
    pub(super) swept: bool,
    /// A look at it ended, whether it answered or failed; the others bound sweeps.
    pub(super) looked: bool,
    /// A look answered.
    pub(super) answered: bool,
    /// An event or effect made the picture old while the key was busy.
    pub(super) again: bool,
    /// The log has said that there is work, and says when that is done.
    pub(super) told: bool,
    /// Its place in the queue for a slot, kept while it is looked at again.
    pub(super) place: Option<u64>,
    /// Messages that the next look answers.
    pub(super) waiting: Vec<Held>,
    /// Messages that the look in progress answers.
    pub(super) covered: Vec<Held>,
    pub(super) standing: Slot,
    pub(super) faults: Faults,
}

/// What failed, and how often.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The last thing that happened was a fault.
    pub(super) failing: bool,
    /// Looks in a row that failed.
    looks: u32,
    /// Effects that failed since one succeeded, whatever was waited for in between.
    effects: u32,
    /// The last fault that counts, where it has a class.
    pub(super) last: Option<(FaultClass, Step)>,
    /// When the first of those that count was met.
    pub(super) since: Option<Timestamp>,
    /// When the last was met.
    pub(super) at: Option<Instant>,
}

impl<P, E> Entry<P, E> {
    /// A key that is due.
    pub(super) fn new(party: Arc<P>, origin: Origin) -> Self {
        Self {
            party,
            state: State::Due,
            origin,
            swept: origin == Origin::Sweep,
            looked: false,
            answered: false,
            again: false,
            told: false,
            place: None,
            waiting: Vec::new(),
            covered: Vec::new(),
            standing: None,
            faults: Faults::default(),
        }
    }

    /// What the key is parked for, if others may be for the same.
    pub(super) fn reason(&self) -> Option<Reason<P>> {
        let (class, step) = self.faults.last.filter(|(class, _)| parked::is_shared(*class))?;
        Some((Arc::clone(&self.party), class, step))
    }
}

impl Faults {
    /// One more: how many of its kind that makes.
    pub(super) fn add(&mut self, class: Option<FaultClass>, step: Step, now: Instant) -> u32 {
        self.failing = true;
        self.last = class.map(|class| (class, step));
        self.at = Some(now);
        let count = match step {
            Step::Look => &mut self.looks,
            Step::Effect => &mut self.effects,
        };
        *count = count.saturating_add(1);
        *count
    }

    /// A look or an effect succeeded, so that those that failed before count no more.
    pub(super) fn forgive(&mut self, step: Step) {
        match step {
            Step::Look => self.looks = 0,
            Step::Effect => self.effects = 0,
        }
        if self.last.is_some_and(|(_, last)| last == step) {
            self.last = None;
            self.failing = false;
        }
        if self.count() == 0 {
            *self = Self::default();
        }
    }

    /// All that count.
    pub(super) fn count(&self) -> u32 {
        self.looks.saturating_add(self.effects)
    }
}
