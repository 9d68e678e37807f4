//! What is known about one key that needs attention: its state, its faults, and the messages that
//! wait for it.
//!
//! Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::event::EventKind;
use amiferry_core::fault::FaultClass;
use jiff::Timestamp;
use tokio::time::Instant;

use super::backoff::Remedy;
use super::inbox::Held;
use super::parked::{Reason, Step};
use super::pause::Slot;
use super::role::Lane;

/// A key is in exactly one of these.
#[derive(Debug)]
pub(super) enum State<E> {
    Due,
    Looking,
    /// Boxed, because most keys are due.
    Ready(Box<Ready<E>>),
    Performing(Lane),
}

/// An effect that waits for a slot.
#[derive(Debug)]
pub(super) struct Ready<E> {
    pub(super) effect: E,
    pub(super) lane: Lane,
    pub(super) ticket: u64,
    pub(super) decided: Instant,
}

/// What named a key first.
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

/// An event makes a parked key due no sooner than this after its last try.
const PARKED_EVENT: Duration = Duration::from_secs(60);

/// A person makes a failing key due no sooner than this after its last try, so that many messages
/// do not make as many calls.
const URGED: Duration = Duration::from_secs(5);

/// Who names a key by a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    /// AWS, by an event.
    Event,
    /// A person, who may have repaired what failed.
    Person,
}

impl Voice {
    /// Who sends messages of this shape.
    pub(super) fn of(kind: Option<EventKind>) -> Self {
        match kind {
            Some(EventKind::Operator) => Self::Person,
            Some(_) | None => Self::Event,
        }
    }
}

/// See the module's doc.
#[derive(Debug)]
pub(super) struct Entry<P, E> {
    pub(super) party: Arc<P>,
    pub(super) state: State<E>,
    pub(super) origin: Origin,
    /// A sweep or a look at other keys named it, so one would name it again if it were forgotten.
    pub(super) swept: bool,
    /// A look at it ended, whether it answered or failed; the others bound sweeps.
    pub(super) looked: bool,
    /// A look said something about it, a fault included.
    pub(super) heard: bool,
    /// A look answered.
    pub(super) answered: bool,
    /// An event or effect made the last observation stale while the key was busy.
    pub(super) again: bool,
    /// A person asked for a look since the last one began: a fault does not hold the key for long.
    pub(super) urged: bool,
    /// Whether the log reported work, so that it must also report its end.
    pub(super) told: bool,
    /// Its place in the queue for a slot, kept while it is looked at again.
    pub(super) place: Option<u64>,
    /// Messages that the next look settles.
    pub(super) waiting: BTreeSet<Held>,
    /// Messages that the look in progress settles.
    pub(super) covered: BTreeSet<Held>,
    pub(super) pause: Slot,
    pub(super) faults: Faults,
    /// Effects since it last rested.
    pub(super) steps: u32,
}

/// What failed, and how often.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The last thing that happened was a fault.
    pub(super) failing: bool,
    /// Failed looks in a row.
    looks: Row,
    /// Failed effects since the last success, whatever the key waited for in between.
    effects: Row,
    /// The class of the last fault that counts, if it has one.
    pub(super) last: Option<(FaultClass, Step)>,
    /// When the first of those that count was met.
    pub(super) since: Option<Timestamp>,
    /// When the last was met.
    pub(super) at: Option<Instant>,
}

/// Faults in a row.
#[derive(Debug, Default)]
struct Row {
    count: u32,
    remedy: Option<Remedy>,
    /// The latest of them that have this remedy.
    alike: u32,
}

/// What one more fault makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failures {
    /// How many that makes in a row.
    pub(super) count: u32,
    /// How many of them in a row need the same remedy. This decides the next wait: after an hour's
    /// outage, a fault of another kind must not wait for a day.
    pub(super) alike: u32,
    /// Whether the one before, if it counts, was of another class.
    pub(super) is_new: bool,
}

/// What a finished look means for its key.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// The messages that it settles.
    pub(super) settled: BTreeSet<Held>,
    /// Whether it is the first answer.
    pub(super) first: bool,
    /// What named the key first.
    pub(super) origin: Origin,
    /// The lane of which a slot was kept.
    pub(super) slot: Option<Lane>,
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
            heard: false,
            answered: false,
            again: false,
            urged: false,
            told: false,
            place: None,
            waiting: BTreeSet::new(),
            covered: BTreeSet::new(),
            pause: None,
            faults: Faults::default(),
            steps: 0,
        }
    }

    /// Whether only messages that no longer wait named it, and no look ever answered.
    pub(super) fn is_left(&self) -> bool {
        let is_due = matches!(self.state, State::Due);
        is_due && !self.answered && !self.swept && self.waiting.is_empty()
    }

    /// The wait after a fault begins, which makes up for events that came meanwhile. Returns when it
    /// ends at the latest, if a person asked for a look meanwhile.
    pub(super) fn wait_begins(&mut self) -> Option<Instant> {
        self.again = false;
        std::mem::take(&mut self.urged).then(|| self.faults.due_by(Voice::Person)).flatten()
    }

    /// What the key is parked for, if others may be for the same.
    pub(super) fn reason(&self) -> Option<Reason<P>> {
        let is_parked = |(class, _): &(FaultClass, Step)| Remedy::of(*class) == Remedy::Park;
        let (class, step) = self.faults.last.filter(is_parked)?;
        Some((Arc::clone(&self.party), class, step))
    }
}

impl Faults {
    /// One more. A look that did not answer has no class.
    pub(super) fn add(&mut self, class: Option<FaultClass>, step: Step, now: Instant) -> Failures {
        let is_new = self.last.map(|(class, _)| class) != class;
        self.failing = true;
        self.last = class.map(|class| (class, step));
        self.at = Some(now);
        let row = match step {
            Step::Look => &mut self.looks,
            Step::Effect => &mut self.effects,
        };
        let remedy = Some(class.map_or(Remedy::LookAgain, Remedy::of));
        if std::mem::replace(&mut row.remedy, remedy) != remedy {
            row.alike = 0;
        }
        row.alike = row.alike.saturating_add(1);
        row.count = row.count.saturating_add(1);
        Failures { count: row.count, alike: row.alike, is_new }
    }

    /// When a failing key that a message names is due at the latest; `None`: as it is without the
    /// message. While calls fail, an event must not bypass the backoff, except that of a parked key:
    /// a person may have repaired the cause.
    pub(super) fn due_by(&self, voice: Voice) -> Option<Instant> {
        let is_parked = |(class, _): (FaultClass, Step)| Remedy::of(class) == Remedy::Park;
        let least = match voice {
            Voice::Person => URGED,
            Voice::Event => self.last.is_some_and(is_parked).then_some(PARKED_EVENT)?,
        };
        self.at.map(|failed| failed + least)
    }

    /// A look or an effect succeeded, so earlier failures no longer count.
    pub(super) fn forgive(&mut self, step: Step) {
        match step {
            Step::Look => self.looks = Row::default(),
            Step::Effect => self.effects = Row::default(),
        }
        if self.last.is_some_and(|(_, last)| last == step) {
            self.last = None;
            self.failing = false;
        }
        if self.count() == 0 {
            *self = Self::default();
        }
    }

    /// All faults that count: looks and effects.
    pub(super) fn count(&self) -> u32 {
        self.looks.count.saturating_add(self.effects.count)
    }
}
