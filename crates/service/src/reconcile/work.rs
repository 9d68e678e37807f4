//! The set of keys that need attention: who is due, who is busy, whose effect may start.
//!
//! Pure: time comes in as an argument. A key is in exactly one state, so it is never looked at
//! and performed at once, nor either twice. Memory grows with unfinished work, not with the
//! number of protected images: a key with nothing left to do is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::fault::FaultClass;
use jiff::Timestamp;
use tokio::time::Instant;

use super::report::Slot;
use super::role::Lane;

/// SQS's id of a message that waits for looks.
pub(super) type MessageId = Arc<str>;

/// An effect that waited longer for a free slot is not performed: its key is looked at again.
pub(super) const FRESH: Duration = Duration::from_secs(30);

#[derive(Debug)]
enum State<E> {
    Due(Instant),
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

#[derive(Debug)]
struct Entry<E> {
    state: State<E>,
    origin: Origin,
    /// Looked at since it was added; the others are what bounds intake.
    looked: bool,
    /// An event or effect made the picture old while the key was busy.
    again: bool,
    /// It rests by a decision, so that a look a little early does no harm.
    patient: bool,
    /// Faults in a row.
    attempts: u32,
    /// The class of the last one.
    fault: Option<FaultClass>,
    /// When the first of them was met.
    failing_since: Option<Timestamp>,
    /// The log has said that there is work, and says when that is done.
    told: bool,
    /// Its place in the queue for a slot, kept while it is looked at again.
    place: Option<u64>,
    /// Messages that the next look answers.
    waiting: Vec<MessageId>,
    /// Messages that the look in progress answers.
    covered: Vec<MessageId>,
    standing: Slot,
}

/// See the module's doc.
#[derive(Debug)]
pub(super) struct WorkSet<K, E> {
    entries: BTreeMap<K, Entry<E>>,
    due: BTreeSet<(Instant, K)>,
    ready: BTreeMap<(Lane, u64), K>,
    /// Keys whose effect grew stale in the queue: they hold a slot while they are looked at.
    refreshing: BTreeSet<(Lane, K)>,
    performing: BTreeMap<Lane, usize>,
    unlooked: usize,
    next_ticket: u64,
}

impl<K: Ord + Clone, E> WorkSet<K, E> {
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: BTreeMap::new(),
            refreshing: BTreeSet::new(),
            performing: BTreeMap::new(),
            unlooked: 0,
            next_ticket: 0,
        }
    }

    /// Keys that were not yet looked at since they were named.
    pub(super) fn unlooked(&self) -> usize {
        self.unlooked
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// An event names a key. True when the message must be kept until a look answered it; while
    /// an effect is performed the key was looked at before and will be again, so it need not.
    pub(super) fn named_by_event(&mut self, key: &K, message: &MessageId, now: Instant) -> bool {
        let entry = match self.entries.get_mut(key) {
            Some(entry) => entry,
            None => self.add(key, Origin::Event, now),
        };
        match entry.state {
            State::Performing(_) => {
                entry.again = true;
                return false;
            }
            State::Looking => entry.again = true,
            // While calls fail, an event must not get around the backoff.
            State::Due(_) if entry.attempts > 0 => {}
            State::Due(_) | State::Ready { .. } => self.reschedule(key, now),
        }
        if let Some(entry) = self.entries.get_mut(key)
            && !entry.waiting.contains(message)
        {
            entry.waiting.push(Arc::clone(message));
        }
        true
    }

    /// A sweep names a key. One that is known keeps its time.
    pub(super) fn named_by_sweep(&mut self, key: &K, now: Instant) {
        if !self.entries.contains_key(key) {
            self.add(key, Origin::Sweep, now);
        }
    }

    /// A look at other keys found that this one's turn has come. After a fault it keeps its time.
    pub(super) fn turn_came(&mut self, key: &K, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            self.add(key, Origin::Sweep, now);
            return;
        };
        match entry.state {
            State::Due(_) if entry.attempts == 0 => self.reschedule(key, now),
            State::Looking => entry.again = true,
            State::Due(_) | State::Ready { .. } | State::Performing(_) => {}
        }
    }

    fn add(&mut self, key: &K, origin: Origin, now: Instant) -> &mut Entry<E> {
        self.unlooked += 1;
        self.due.insert((now, key.clone()));
        self.entries.entry(key.clone()).or_insert(Entry {
            state: State::Due(now),
            origin,
            looked: false,
            again: false,
            patient: false,
            attempts: 0,
            fault: None,
            failing_since: None,
            told: false,
            place: None,
            waiting: Vec::new(),
            covered: Vec::new(),
            standing: None,
        })
    }

    /// Leaves the present state for `Due(at)`.
    fn reschedule(&mut self, key: &K, at: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.patient = false;
        match std::mem::replace(&mut entry.state, State::Due(at)) {
            State::Due(before) => {
                self.due.remove(&(before, key.clone()));
            }
            State::Ready { lane, ticket, .. } => {
                entry.place = Some(ticket);
                self.ready.remove(&(lane, ticket));
            }
            State::Looking => {}
            State::Performing(lane) => {
                if let Some(count) = self.performing.get_mut(&lane) {
                    *count = count.saturating_sub(1);
                }
            }
        }
        self.due.insert((at, key.clone()));
    }

    /// When the next key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes up to `most` keys to be looked at, longest due first: those that are due and, if there
    /// are any, those that rest and would be due in less than `ahead`. One look at many takes about
    /// as many calls as one at a few, so keys that rest fall into step.
    pub(super) fn take_due(&mut self, most: usize, ahead: Duration, now: Instant) -> Vec<K> {
        if self.next_due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let may_go = |(at, key): &&(Instant, K)| {
            *at <= now || self.entries.get(key).is_some_and(|entry| entry.patient)
        };
        let soon = self.due.iter().take_while(|(at, _)| *at <= now + ahead);
        let taken: Vec<(Instant, K)> = soon.filter(may_go).take(most).cloned().collect();
        for place in &taken {
            self.due.remove(place);
            if let Some(entry) = self.entries.get_mut(&place.1) {
                entry.state = State::Looking;
                entry.covered = std::mem::take(&mut entry.waiting);
            }
        }
        taken.into_iter().map(|(_, key)| key).collect()
    }

    /// A look answered this key: the messages that are thereby settled, who named the key first,
    /// and whether this was its first look.
    pub(super) fn looked(&mut self, key: &K) -> Looked {
        self.refreshing.remove(&(Lane::Short, key.clone()));
        self.refreshing.remove(&(Lane::Long, key.clone()));
        let Some(entry) = self.entries.get_mut(key) else { return Looked::default() };
        let first = !std::mem::replace(&mut entry.looked, true);
        if first {
            self.unlooked -= 1;
        }
        Looked { settled: std::mem::take(&mut entry.covered), first, origin: entry.origin }
    }

    /// The look decided on an effect. It waits for a slot in its lane, unless an event came
    /// meanwhile: then the picture is old already.
    pub(super) fn act(&mut self, key: &K, effect: E, lane: Lane, now: Instant) {
        if self.take_again(key) {
            self.reschedule(key, now);
            return;
        }
        if let Some(entry) = self.entries.get_mut(key) {
            let ticket = entry.place.take().unwrap_or(self.next_ticket);
            self.next_ticket += 1;
            entry.state = State::Ready { effect, lane, ticket, decided: now };
            self.ready.insert((lane, ticket), key.clone());
        }
    }

    /// Nothing to do before `at`, or before now if an event came meanwhile.
    pub(super) fn rest(&mut self, key: &K, at: Instant, now: Instant) {
        let again = self.take_again(key);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.attempts = 0;
            entry.fault = None;
            entry.failing_since = None;
            entry.place = None;
        }
        self.reschedule(key, if again { now } else { at });
        if let Some(entry) = self.entries.get_mut(key) {
            entry.patient = !again;
        }
    }

    /// Nothing left to do: forgets the key, unless an event came meanwhile.
    pub(super) fn forget(&mut self, key: &K, now: Instant) {
        if self.take_again(key) {
            self.reschedule(key, now);
            if let Some(entry) = self.entries.get_mut(key) {
                entry.told = false;
            }
        } else {
            self.entries.remove(key);
        }
    }

    /// A look or an effect failed: how many faults in a row that makes.
    pub(super) fn failed(&mut self, key: &K) -> u32 {
        self.refreshing.remove(&(Lane::Short, key.clone()));
        self.refreshing.remove(&(Lane::Long, key.clone()));
        let Some(entry) = self.entries.get_mut(key) else { return 0 };
        entry.attempts = entry.attempts.saturating_add(1);
        let covered = std::mem::take(&mut entry.covered);
        for message in covered {
            if !entry.waiting.contains(&message) {
                entry.waiting.push(message);
            }
        }
        entry.attempts
    }

    /// After a fault, looks again at a time, whatever came meanwhile.
    pub(super) fn retry(&mut self, key: &K, at: Instant) {
        self.take_again(key);
        self.reschedule(key, at);
    }

    /// An effect ended well: the key is due again soon.
    pub(super) fn performed(&mut self, key: &K, at: Instant) {
        self.take_again(key);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.attempts = 0;
            entry.fault = None;
            entry.failing_since = None;
        }
        self.reschedule(key, at);
    }

    /// The next effect that may start while fewer than `slots` run in the lane. Effects that
    /// waited too long are sent back to be looked at, as many as there are free slots.
    pub(super) fn start(&mut self, lane: Lane, slots: usize, now: Instant) -> Option<(K, E)> {
        loop {
            let running = self.performing.get(&lane).copied().unwrap_or_default();
            let refreshing = self.refreshing.iter().filter(|(l, _)| *l == lane).count();
            if running + refreshing >= slots {
                return None;
            }
            let (&place, key) = self.ready.range((lane, 0)..=(lane, u64::MAX)).next()?;
            let key = key.clone();
            self.ready.remove(&place);
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            match std::mem::replace(&mut entry.state, State::Performing(lane)) {
                State::Ready { effect, decided, .. } if now < decided + FRESH => {
                    *self.performing.entry(lane).or_default() += 1;
                    return Some((key, effect));
                }
                State::Ready { ticket, .. } => {
                    entry.place = Some(ticket);
                    entry.state = State::Due(now);
                    self.due.insert((now, key.clone()));
                    self.refreshing.insert((lane, key));
                }
                other => entry.state = other,
            }
        }
    }

    /// Faults in a row.
    pub(super) fn attempts(&self, key: &K) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.attempts)
    }

    /// How many effects run.
    pub(super) fn performing(&self) -> usize {
        self.performing.values().sum()
    }

    /// When the first of the faults in a row was met, which is `now` if none was noted.
    pub(super) fn failing_since(&mut self, key: &K, now: Timestamp) -> Timestamp {
        let entry = self.entries.get_mut(key);
        entry.map_or(now, |entry| *entry.failing_since.get_or_insert(now))
    }

    /// Notes the class of a fault; answers whether the one before, if any, had another.
    pub(super) fn fault_is_new(&mut self, key: &K, class: FaultClass) -> bool {
        let entry = self.entries.get_mut(key);
        entry.is_some_and(|entry| entry.fault.replace(class) != Some(class))
    }

    /// The log is about to say that there is work; answers whether it has said so before.
    pub(super) fn tell(&mut self, key: &K) -> bool {
        let entry = self.entries.get_mut(key);
        entry.is_some_and(|entry| std::mem::replace(&mut entry.told, true))
    }

    /// Whether the log has said that there is work.
    pub(super) fn told(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.told)
    }

    /// The standing of a key, to be replaced.
    pub(super) fn standing_mut(&mut self, key: &K) -> Option<&mut Slot> {
        self.entries.get_mut(key).map(|entry| &mut entry.standing)
    }

    fn take_again(&mut self, key: &K) -> bool {
        self.entries.get_mut(key).is_some_and(|entry| std::mem::take(&mut entry.again))
    }
}

/// What a finished look tells about its key.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) settled: Vec<MessageId>,
    pub(super) first: bool,
    pub(super) origin: Origin,
}
