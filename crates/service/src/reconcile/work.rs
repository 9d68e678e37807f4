//! The set of keys that need attention: what state each is in, and what changes that.
//!
//! Pure: time comes in as an argument. A key is in exactly one state, so it is never looked at
//! and performed at once, nor either twice. Memory grows with unfinished work, not with the
//! number of protected images: a key with nothing left to do is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::fault::FaultClass;
use jiff::Timestamp;
use tokio::time::Instant;

use super::due::{DueKeys, Rank};
use super::entry::{Entry, Failures, Looked, Origin, Ready, State, Voice};
use super::inbox::Held;
use super::lanes::Lanes;
use super::members::Members;
use super::parked::{PROBE, Parked, Step};
use super::pause::Slot;
use super::role::Lane;

/// An effect that waited longer for a free slot is not performed: its key is looked at again.
pub(super) const FRESH: Duration = Duration::from_secs(30);

/// See the module's doc.
pub(super) struct WorkSet<P, K, E> {
    party_of: Box<dyn Fn(&K) -> P + Send + Sync>,
    entries: BTreeMap<Arc<K>, Entry<P, E>>,
    due: DueKeys<P, K>,
    lanes: Lanes<P, K>,
    parked: Parked<P, K>,
    members: Members<P>,
    unheard: usize,
    next_ticket: u64,
}

impl<P: Ord, K: Ord + Clone, E> WorkSet<P, K, E> {
    /// A party with `most` keys without a first look is full.
    pub(super) fn new(most: usize, party_of: impl Fn(&K) -> P + Send + Sync + 'static) -> Self {
        Self {
            party_of: Box::new(party_of),
            entries: BTreeMap::new(),
            due: DueKeys::new(),
            lanes: Lanes::new(),
            parked: Parked::new(),
            members: Members::new(most),
            unheard: 0,
            next_ticket: 0,
        }
    }

    /// The number of keys without a finished look.
    pub(super) fn unlooked(&self) -> usize {
        self.members.unlooked()
    }

    /// The number of keys about which no look has said anything, not even a fault.
    pub(super) fn unheard(&self) -> usize {
        self.unheard
    }

    /// Parties with so many keys without a look that sweeps report no more of them. A party that is
    /// apart does not count, because others must not wait for it.
    pub(super) fn full(&self) -> impl Iterator<Item = &P> {
        let full = self.members.full().iter().map(AsRef::as_ref);
        full.filter(|party| !self.due.is_aside(party))
    }

    /// Parties whose keys are looked at apart.
    pub(super) fn aside(&self) -> usize {
        self.due.aside()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Effects that wait for a slot.
    pub(super) fn ready(&self) -> usize {
        self.lanes.len()
    }

    /// Effects that run.
    pub(super) fn performing(&self) -> usize {
        self.lanes.running()
    }

    /// An event names a key. Returns the key if the message must be kept until a look; during an
    /// effect it need not be kept, because the key was looked at before and will be again.
    pub(super) fn named_by_event(
        &mut self,
        key: &K,
        message: Held,
        voice: Voice,
        now: Instant,
    ) -> Option<Arc<K>> {
        if !self.entries.contains_key(key) {
            self.add(key, Origin::Event, now, Rank::Prompt);
        }
        let shared = self.shared(key)?;
        let entry = self.entries.get_mut(key)?;
        entry.urged |= voice == Voice::Person;
        match entry.state {
            State::Performing(_) => {
                entry.again = true;
                return None;
            }
            State::Looking => entry.again = true,
            State::Due | State::Ready(_) => {}
        }
        entry.waiting.insert(message);
        let is_next = |(at, rank)| at <= now && matches!(rank, Rank::Prompt | Rank::Urgent);
        match entry.state {
            State::Due if entry.faults.failing => {
                if let Some(at) = entry.faults.due_by(voice) {
                    self.hasten(key, now.max(at));
                }
                if voice == Voice::Person {
                    self.due.hasten_apart(key);
                }
            }
            State::Due if self.due.place(key).is_some_and(is_next) => {}
            State::Due | State::Ready(_) => self.reschedule(key, now, Rank::Prompt),
            State::Looking | State::Performing(_) => {}
        }
        Some(shared)
    }

    /// A message that named a key was dropped. Returns whether nothing else names it.
    pub(super) fn let_go(&mut self, key: &K, message: Held) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        entry.waiting.remove(&message);
        entry.is_left()
    }

    /// Whether nothing is left that named a key.
    pub(super) fn is_left(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(Entry::is_left)
    }

    /// A sweep names a key. One that is known keeps its time.
    pub(super) fn named_by_sweep(&mut self, key: &K, now: Instant) {
        match self.entries.get_mut(key) {
            Some(entry) => entry.swept = true,
            None => self.add(key, Origin::Sweep, now, Rank::Found),
        }
    }

    /// A look found that this key's turn has come. After a fault the key keeps its time.
    pub(super) fn turn_came(&mut self, key: &K, now: Instant) {
        if !self.entries.contains_key(key) {
            self.add(key, Origin::Event, now, Rank::Urgent);
        }
        let is_urgent = self.due.place(key).is_some_and(|(_, rank)| rank == Rank::Urgent);
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.swept = true;
        match entry.state {
            State::Due if !entry.faults.failing && !is_urgent => {
                self.reschedule(key, now, Rank::Urgent);
            }
            State::Looking => entry.again = true,
            State::Due | State::Ready(_) | State::Performing(_) => {}
        }
    }

    fn add(&mut self, key: &K, origin: Origin, now: Instant, rank: Rank) {
        let key = Arc::new(key.clone());
        let party = self.members.add((self.party_of)(&key));
        self.unheard += 1;
        self.due.insert(&party, &key, now, rank);
        self.entries.insert(key, Entry::new(party, origin));
    }

    fn remove(&mut self, key: &K, now: Instant) {
        self.unpark(key, now);
        let Some((key, entry)) = self.entries.remove_entry(key) else { return };
        self.due.remove(&key);
        self.members.remove(&entry.party, entry.looked);
        self.unheard -= usize::from(!entry.heard);
    }

    /// Leaves the present state, to be looked at from this time on.
    fn reschedule(&mut self, key: &K, at: Instant, rank: Rank) {
        let Some(key) = self.shared(key) else { return };
        let Some(entry) = self.entries.get_mut(&key) else { return };
        match std::mem::replace(&mut entry.state, State::Due) {
            State::Ready(ready) => {
                entry.place = Some(ready.ticket);
                self.lanes.remove(ready.lane, &entry.party, ready.ticket);
            }
            State::Performing(lane) => self.lanes.ended(lane),
            State::Due | State::Looking => {}
        }
        self.due.insert(&entry.party, &key, at, rank);
    }

    /// Makes a key that waits after a fault due at `by`, unless it is due earlier.
    fn hasten(&mut self, key: &K, by: Instant) {
        if self.due.place(key).is_some_and(|(at, _)| at > by) {
            self.reschedule(key, by, Rank::Failing);
        }
    }

    fn shared(&self, key: &K) -> Option<Arc<K>> {
        self.entries.get_key_value(key).map(|(key, _)| Arc::clone(key))
    }

    /// When the next look at keys of all parties is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }

    /// When the next look at a party apart is due.
    pub(super) fn next_apart(&self) -> Option<Instant> {
        self.due.next_apart()
    }

    /// Takes up to `most` keys to look at, in the order of need; see [`DueKeys::take`].
    pub(super) fn take_due(
        &mut self,
        most: usize,
        ahead: Duration,
        now: Instant,
        is_apart: impl Fn(&P) -> bool,
    ) -> Vec<K> {
        let taken = self.due.take(most, ahead, now, is_apart);
        taken.iter().map(|key| self.begin(key)).collect()
    }

    /// Takes up to `most` keys of one party that is apart, to be looked at by themselves.
    pub(super) fn take_apart(
        &mut self,
        most: usize,
        now: Instant,
        is_apart: impl Fn(&P) -> bool,
    ) -> Option<(Arc<P>, Vec<K>)> {
        let (party, taken) = self.due.take_apart(most, now, is_apart)?;
        Some((party, taken.iter().map(|key| self.begin(key)).collect()))
    }

    fn begin(&mut self, key: &Arc<K>) -> K {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.state = State::Looking;
            entry.urged = false;
            entry.covered = std::mem::take(&mut entry.waiting);
        }
        K::clone(key)
    }

    /// A look at a party apart ended and left it apart. Returns how many in a row did.
    pub(super) fn still_apart(&mut self, party: &P) -> u32 {
        self.due.still_apart(party)
    }

    /// The next look at a party apart comes no earlier.
    pub(super) fn pause(&mut self, party: &P, until: Instant) {
        self.due.pause(party, until);
    }

    /// A look at a party apart ended, and its keys go with all others again.
    pub(super) fn rejoin(&mut self, party: &P, now: Instant) {
        self.due.rejoin(party, now);
    }

    /// A look answered about this key.
    pub(super) fn looked(&mut self, key: &K, now: Instant) -> Looked {
        let slot = self.lanes.give_slot_up(key);
        self.look_ended(key, true);
        self.works(key, Step::Look, now);
        let Some(entry) = self.entries.get_mut(key) else { return Looked::default() };
        let first = !std::mem::replace(&mut entry.answered, true);
        let settled = std::mem::take(&mut entry.covered);
        Looked { settled, first, origin: entry.origin, slot }
    }

    /// A look at a key ended, and said something about it or not.
    fn look_ended(&mut self, key: &K, heard: bool) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if !std::mem::replace(&mut entry.looked, true) {
            self.members.looked(&entry.party);
        }
        if heard && !std::mem::replace(&mut entry.heard, true) {
            self.unheard -= 1;
        }
    }

    /// The look decided on an effect. It waits for a slot in its lane, or starts in the `slot` that
    /// was kept for it, unless an event came meanwhile and made the observation stale.
    pub(super) fn act(&mut self, key: &K, effect: E, lane: Lane, slot: Option<Lane>, now: Instant) {
        if self.take_again(key) {
            self.reschedule(key, now, Rank::Prompt);
            return;
        }
        let Some(key) = self.shared(key) else { return };
        if let Some(entry) = self.entries.get_mut(&key) {
            let ticket = entry.place.take().unwrap_or(self.next_ticket);
            self.next_ticket += 1;
            entry.state = State::Ready(Box::new(Ready { effect, lane, ticket, decided: now }));
            if slot == Some(lane) {
                self.lanes.insert_chosen(lane, ticket, key);
            } else {
                self.lanes.insert(lane, (Arc::clone(&entry.party), ticket, key));
            }
        }
    }

    /// Nothing to do before `at`, or before now if an event came meanwhile.
    pub(super) fn rest(&mut self, key: &K, at: Instant, now: Instant) {
        self.unpark(key, now);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.place = None;
            entry.steps = 0;
        }
        if self.take_again(key) {
            self.reschedule(key, now, Rank::Prompt);
        } else {
            self.reschedule(key, at, Rank::Resting);
        }
    }

    /// Nothing left to do: forgets the key, unless an event came meanwhile.
    pub(super) fn forget(&mut self, key: &K, now: Instant) {
        if self.take_again(key) {
            self.unpark(key, now);
            self.reschedule(key, now, Rank::Prompt);
            if let Some(entry) = self.entries.get_mut(key) {
                entry.told = false;
            }
        } else {
            self.remove(key, now);
        }
    }

    /// A look or an effect failed. `about` says whether the fault concerns the key: a look that
    /// fails as a whole says nothing about any of its keys.
    pub(super) fn failed(
        &mut self,
        key: &K,
        class: Option<FaultClass>,
        (step, about): (Step, bool),
        now: Instant,
    ) -> Failures {
        self.lanes.give_slot_up(key);
        self.look_ended(key, about);
        let before = self.entries.get(key).and_then(|entry| entry.faults.last);
        if before != class.map(|class| (class, step)) {
            self.unpark(key, now);
        }
        let Some(entry) = self.entries.get_mut(key) else { return Failures::default() };
        entry.waiting.append(&mut entry.covered);
        entry.faults.add(class, step, now)
    }

    /// After a fault, looks again at a time, or earlier if the key is tried for others too or a person
    /// asked meanwhile; an event that came meanwhile does not change that. Returns the time.
    pub(super) fn retry(&mut self, key: &K, at: Instant, now: Instant) -> Instant {
        let urged = self.entries.get_mut(key).and_then(Entry::wait_begins);
        self.reschedule(key, urged.map_or(at, |by| at.min(by)), Rank::Failing);
        if urged.is_some() {
            self.due.hasten_apart(key);
        }
        if let Some((key, entry)) = self.entries.get_key_value(key)
            && let Some(reason) = entry.reason()
            && let Some(next) = self.parked.failed(reason, key)
        {
            self.hasten(&next, now + PROBE);
        }
        self.due.place(key).map_or(at, |(at, _)| at)
    }

    /// A key is no longer parked for its last fault; that says nothing about other keys.
    fn unpark(&mut self, key: &K, now: Instant) {
        let Some((key, entry)) = self.entries.get_key_value(key) else { return };
        let (key, reason) = (Arc::clone(key), entry.reason());
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.faults.failing = false;
        }
        if let Some(next) = reason.and_then(|reason| self.parked.left(&reason, &key)) {
            self.hasten(&next, now + PROBE);
        }
    }

    /// A look or an effect succeeded. If it had failed before, keys that are parked for the same
    /// reason may succeed again too.
    fn works(&mut self, key: &K, step: Step, now: Instant) {
        let Some((key, entry)) = self.entries.get_key_value(key) else { return };
        let key = Arc::clone(key);
        let reason = entry.reason().filter(|(_, _, failed)| *failed == step);
        if let Some(reason) = &reason {
            for other in self.parked.works(reason, &key, now).into_iter().flatten() {
                self.hasten(&other, now);
            }
            self.unpark(&key, now);
        }
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.faults.forgive(step);
        }
    }

    /// An effect ended well: the key is due again `at` a time, or at another if it was named meanwhile.
    pub(super) fn performed(&mut self, key: &K, (at, named): (Instant, Instant), now: Instant) {
        let at = if self.take_again(key) { named } else { at };
        self.works(key, Step::Effect, now);
        self.reschedule(key, at, Rank::Prompt);
    }

    /// The next effect that may start while fewer than `slots` run in the lane; `choose` picks one
    /// of the ready ones. An effect that waited too long does not start: its key is looked at
    /// again, and keeps the slot meanwhile.
    pub(super) fn start(
        &mut self,
        lane: Lane,
        slots: usize,
        now: Instant,
        choose: impl Fn(&[&K]) -> usize,
    ) -> Option<(K, E)> {
        loop {
            let key = self.lanes.take(lane, slots, &choose)?;
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            match std::mem::replace(&mut entry.state, State::Performing(lane)) {
                State::Ready(ready) if now < ready.decided + FRESH => {
                    self.lanes.started(lane, &entry.party);
                    return Some((K::clone(&key), ready.effect));
                }
                State::Ready(ready) => {
                    entry.place = Some(ready.ticket);
                    entry.state = State::Due;
                    self.due.insert(&entry.party, &key, now, Rank::Urgent);
                    // A party that is apart may not be looked at for minutes.
                    if !self.due.is_aside(&entry.party) {
                        self.lanes.keep_slot(lane, key);
                    }
                }
                other => entry.state = other,
            }
        }
    }

    /// One more effect succeeded. Returns how many did without a rest between them.
    pub(super) fn step(&mut self, key: &K) -> u32 {
        let Some(entry) = self.entries.get_mut(key) else { return 0 };
        entry.steps = entry.steps.saturating_add(1);
        entry.steps
    }

    /// Faults that count: looks in a row, and effects since one succeeded.
    pub(super) fn attempts(&self, key: &K) -> u32 {
        self.entries.get(key).map_or(0, |entry| entry.faults.count())
    }

    /// Whether the last thing that happened to a key was a fault.
    pub(super) fn is_failing(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.faults.failing)
    }

    /// When the first of the faults that count was met, which is `now` if none was noted.
    pub(super) fn failing_since(&mut self, key: &K, now: Timestamp) -> Timestamp {
        let entry = self.entries.get_mut(key);
        entry.map_or(now, |entry| *entry.faults.since.get_or_insert(now))
    }

    /// Messages that the next look at a key answers.
    pub(super) fn waiting(&self, key: &K) -> impl Iterator<Item = Held> {
        self.entries.get(key).into_iter().flat_map(|entry| entry.waiting.iter().copied())
    }

    /// Messages about keys of parties that were set aside since the last call: they may wait for
    /// long.
    pub(super) fn take_aside(&mut self) -> Vec<Held> {
        let keys = self.due.take_aside();
        keys.iter().flat_map(|key| self.waiting(key)).collect()
    }

    /// Whether a party's keys are looked at apart.
    pub(super) fn is_aside(&self, party: &P) -> bool {
        self.due.is_aside(party)
    }

    /// The log is about to report work. Returns whether it has done so before.
    pub(super) fn tell(&mut self, key: &K) -> bool {
        let entry = self.entries.get_mut(key);
        entry.is_some_and(|entry| std::mem::replace(&mut entry.told, true))
    }

    /// Whether the log has reported work.
    pub(super) fn told(&self, key: &K) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.told)
    }

    /// The pause of a key, to be replaced.
    pub(super) fn pause_mut(&mut self, key: &K) -> Option<&mut Slot> {
        self.entries.get_mut(key).map(|entry| &mut entry.pause)
    }

    fn take_again(&mut self, key: &K) -> bool {
        self.entries.get_mut(key).is_some_and(|entry| std::mem::take(&mut entry.again))
    }
}
