//! When each key is looked at next, and which of those that are due go first.
//!
//! Pure. Keys whose turn has come go first; then keys that an event or an effect concerns; then
//! what sweeps found and what rested; then what failed before. The lower classes keep a share of
//! every look, so every key is looked at eventually. Within a class, parties take turns, so no
//! party waits for another's keys. Parties that are apart have lines, pauses and looks of their
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::turns::Turns;

/// Why a key waits, which decides its class in a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Its turn has come, or a slot is kept for its effect: it goes before all others.
    Urgent,
    /// An event named it, or an effect on it ended.
    Prompt,
    /// A sweep found it, and no look has ended yet.
    Found,
    /// It rests by a decision; a slightly early look does no harm.
    Resting,
    /// It waits after a fault.
    Failing,
}

/// One of the queues that share a look.
#[derive(Debug, Clone, Copy)]
enum Queue {
    Urgent,
    Prompt,
    /// Found and resting.
    Routine,
    Failing,
}

/// Of eight places in a look, each of the lower queues goes first at one.
const ORDERS: [[Queue; 4]; 8] = {
    use Queue::{Failing, Prompt, Routine, Urgent};
    let usual = [Urgent, Prompt, Routine, Failing];
    let prompt = [Prompt, Urgent, Routine, Failing];
    let routine = [Routine, Urgent, Prompt, Failing];
    let failing = [Failing, Urgent, Prompt, Routine];
    [usual, usual, prompt, usual, routine, usual, usual, failing]
};

#[derive(Debug)]
struct Place<P> {
    party: Arc<P>,
    at: Instant,
    rank: Rank,
    /// The order among the urgent ones.
    number: u64,
}

/// A party whose keys are looked at apart from all others.
#[derive(Debug)]
struct Apart<K> {
    keys: BTreeSet<(Instant, Arc<K>)>,
    /// Looks in a row that left it apart.
    faults: u32,
    /// No look before this.
    after: Instant,
    looking: bool,
    /// The pause after the look in progress ends by then.
    urged: Option<Instant>,
    /// Where it stands in the order of parties that are apart.
    head: Option<Instant>,
}

/// See the module's doc.
#[derive(Debug)]
pub(super) struct DueKeys<P, K> {
    places: BTreeMap<Arc<K>, Place<P>>,
    urgent: BTreeMap<u64, (Arc<P>, Arc<K>)>,
    prompt: Turns<P, K>,
    routine: Turns<P, K>,
    failing: Turns<P, K>,
    /// Those of the routine that rest, of whichever party.
    resting: BTreeSet<(Instant, Arc<K>)>,
    apart: BTreeMap<Arc<P>, Apart<K>>,
    heads: BTreeSet<(Instant, Arc<P>)>,
    /// Keys of parties that were set aside a moment ago.
    moved: Vec<Arc<K>>,
    next_number: u64,
    /// Counts the places of looks that were given away.
    given: usize,
}

impl<P: Ord, K: Ord> DueKeys<P, K> {
    pub(super) fn new() -> Self {
        Self {
            places: BTreeMap::new(),
            urgent: BTreeMap::new(),
            prompt: Turns::new(),
            routine: Turns::new(),
            failing: Turns::new(),
            resting: BTreeSet::new(),
            apart: BTreeMap::new(),
            heads: BTreeSet::new(),
            moved: Vec::new(),
            next_number: 0,
            given: 0,
        }
    }

    /// When a key is due, and why it waits; `None` for a key that does not wait.
    pub(super) fn place(&self, key: &K) -> Option<(Instant, Rank)> {
        self.places.get(key).map(|place| (place.at, place.rank))
    }

    /// Makes a key wait, and gives up its former place.
    pub(super) fn insert(&mut self, party: &Arc<P>, key: &Arc<K>, at: Instant, rank: Rank) {
        self.remove(key);
        let number = self.next_number;
        self.next_number += 1;
        let place = Place { party: Arc::clone(party), at, rank, number };
        match self.apart.get_mut(party) {
            Some(apart) => {
                apart.keys.insert((at, Arc::clone(key)));
                self.find_head(party);
            }
            None => self.line_up(&place, key),
        }
        self.places.insert(Arc::clone(key), place);
    }

    fn line_up(&mut self, place: &Place<P>, key: &Arc<K>) {
        let Place { party, at, rank, number } = place;
        match rank {
            Rank::Urgent => {
                self.urgent.insert(*number, (Arc::clone(party), Arc::clone(key)));
            }
            Rank::Prompt => self.prompt.insert(party, *at, key),
            Rank::Found => self.routine.insert(party, *at, key),
            Rank::Resting => {
                self.routine.insert(party, *at, key);
                self.resting.insert((*at, Arc::clone(key)));
            }
            Rank::Failing => self.failing.insert(party, *at, key),
        }
    }

    /// A key waits no longer.
    pub(super) fn remove(&mut self, key: &Arc<K>) {
        let Some(Place { party, at, rank, number }) = self.places.remove(key) else { return };
        if let Some(apart) = self.apart.get_mut(&party) {
            apart.keys.remove(&(at, Arc::clone(key)));
            self.find_head(&party);
            return;
        }
        match rank {
            Rank::Urgent => {
                self.urgent.remove(&number);
            }
            Rank::Prompt => self.prompt.remove(&party, at, key),
            Rank::Found => self.routine.remove(&party, at, key),
            Rank::Resting => {
                self.routine.remove(&party, at, key);
                self.resting.remove(&(at, Arc::clone(key)));
            }
            Rank::Failing => self.failing.remove(&party, at, key),
        }
    }

    /// When the next look at keys of all parties is due, or earlier.
    pub(super) fn next(&self) -> Option<Instant> {
        let urgent = self.urgent.values().next();
        let urgent = urgent.and_then(|(_, key)| self.places.get(key)).map(|place| place.at);
        let queues = [self.prompt.next(), self.routine.next(), self.failing.next(), urgent];
        queues.into_iter().flatten().min()
    }

    /// Takes up to `most` due keys and, if there are any, also resting keys that would be due
    /// within `ahead`: a look at many keys costs about as many calls as a look at a few, so resting
    /// keys become synchronised. Keys of parties that turn out to be apart are set aside.
    pub(super) fn take(
        &mut self,
        most: usize,
        ahead: Duration,
        now: Instant,
        is_apart: impl Fn(&P) -> bool,
    ) -> Vec<Arc<K>> {
        let (mut urgent, mut others) = (Vec::new(), Vec::new());
        while urgent.len() + others.len() < most {
            let order = ORDERS[self.given % ORDERS.len()];
            let Some((party, key)) = order.into_iter().find_map(|queue| self.pop(queue, now))
            else {
                break;
            };
            let Some(place) = self.places.get(&key) else { continue };
            if is_apart(&party) {
                let at = place.at;
                self.set_aside(&party, Some((at, key)), now);
                continue;
            }
            self.given = self.given.wrapping_add(1);
            let taken = if place.rank == Rank::Urgent { &mut urgent } else { &mut others };
            taken.push(Arc::clone(&key));
            self.places.remove(&key);
        }
        urgent.append(&mut others);
        let mut taken = urgent;
        while !taken.is_empty()
            && taken.len() < most
            && let Some((_, key)) = self.resting.first().filter(|(at, _)| *at <= now + ahead)
            && let Some(place) = self.places.get(key)
        {
            let (party, key) = (Arc::clone(&place.party), Arc::clone(key));
            if is_apart(&party) {
                self.set_aside(&party, None, now);
            } else {
                self.remove(&key);
                taken.push(key);
            }
        }
        taken
    }

    /// The next key of a queue; it keeps its place in `places`.
    fn pop(&mut self, queue: Queue, now: Instant) -> Option<(Arc<P>, Arc<K>)> {
        match queue {
            Queue::Urgent => self.urgent.pop_first().map(|(_, next)| next),
            Queue::Prompt => self.prompt.take(now),
            Queue::Routine => {
                let (party, key) = self.routine.take(now)?;
                if let Some(place) = self.places.get(&key) {
                    self.resting.remove(&(place.at, Arc::clone(&key)));
                }
                Some((party, key))
            }
            Queue::Failing => self.failing.take(now),
        }
    }

    /// From now on the keys of this party are looked at apart, also this key, which was in no line.
    fn set_aside(&mut self, party: &Arc<P>, one: Option<(Instant, Arc<K>)>, now: Instant) {
        let mut keys: BTreeSet<_> = one.into_iter().collect();
        keys.append(&mut self.prompt.take_line(party));
        keys.append(&mut self.failing.take_line(party));
        for key in self.routine.take_line(party) {
            self.resting.remove(&key);
            keys.insert(key);
        }
        for (_, (_, key)) in self.urgent.extract_if(.., |_, (whose, _)| whose == party) {
            if let Some(place) = self.places.get(&key) {
                keys.insert((place.at, key));
            }
        }
        self.moved.extend(keys.iter().map(|(_, key)| Arc::clone(key)));
        let apart = Apart { keys, faults: 0, after: now, looking: false, urged: None, head: None };
        self.apart.insert(Arc::clone(party), apart);
        self.find_head(party);
    }

    /// Returns the keys of this party to the common looks. Keys that failed are due, because the
    /// party was the cause.
    fn bring_back(&mut self, party: &Arc<P>, now: Instant) {
        let Some(apart) = self.apart.remove(party) else { return };
        if let Some(head) = apart.head {
            self.heads.remove(&(head, Arc::clone(party)));
        }
        for (_, key) in apart.keys {
            let Some(mut place) = self.places.remove(&key) else { continue };
            if place.rank == Rank::Failing {
                place.at = place.at.min(now);
            }
            self.line_up(&place, &key);
            self.places.insert(key, place);
        }
    }

    fn find_head(&mut self, party: &Arc<P>) {
        let Some(apart) = self.apart.get_mut(party) else { return };
        let first = apart.keys.first().filter(|_| !apart.looking);
        let head = first.map(|(at, _)| (*at).max(apart.after));
        if let Some(before) = std::mem::replace(&mut apart.head, head) {
            self.heads.remove(&(before, Arc::clone(party)));
        }
        if let Some(head) = head {
            self.heads.insert((head, Arc::clone(party)));
        }
    }

    /// Whether a party's keys are looked at apart.
    pub(super) fn is_aside(&self, party: &P) -> bool {
        self.apart.contains_key(party)
    }

    /// Keys that were set aside since this was asked last.
    pub(super) fn take_aside(&mut self) -> Vec<Arc<K>> {
        std::mem::take(&mut self.moved)
    }

    /// How many parties are looked at apart.
    pub(super) fn aside(&self) -> usize {
        self.apart.len()
    }

    /// When the next look at a party apart is due.
    pub(super) fn next_apart(&self) -> Option<Instant> {
        self.heads.first().map(|(at, _)| *at)
    }

    /// Takes up to `most` due keys of a party that is apart and not being looked at. Those that
    /// are apart no longer go with all others again.
    pub(super) fn take_apart(
        &mut self,
        most: usize,
        now: Instant,
        is_apart: impl Fn(&P) -> bool,
    ) -> Option<(Arc<P>, Vec<Arc<K>>)> {
        while let Some((at, party)) = self.heads.first()
            && *at <= now
        {
            let party = Arc::clone(party);
            if !is_apart(&party) {
                self.bring_back(&party, now);
                continue;
            }
            let apart = self.apart.get_mut(&party)?;
            let mut taken = Vec::new();
            while taken.len() < most
                && apart.keys.first().is_some_and(|(at, _)| *at <= now)
                && let Some((_, key)) = apart.keys.pop_first()
            {
                self.places.remove(&key);
                taken.push(key);
            }
            apart.looking = true;
            self.find_head(&party);
            return Some((party, taken));
        }
        None
    }

    /// A look at a party apart ended, and it goes with all others again.
    pub(super) fn rejoin(&mut self, party: &P, now: Instant) {
        if let Some((party, _)) = self.apart.get_key_value(party) {
            let party = Arc::clone(party);
            self.bring_back(&party, now);
        }
    }

    /// A look at a party apart ended and left it apart. Returns how many in a row did.
    pub(super) fn still_apart(&mut self, party: &P) -> u32 {
        let Some(apart) = self.apart.get_mut(party) else { return 0 };
        apart.faults = apart.faults.saturating_add(1);
        apart.faults
    }

    /// If the party of a key is apart, its pause ends by the time at which the key is due.
    pub(super) fn hasten_apart(&mut self, key: &K) {
        let Some(place) = self.places.get(key) else { return };
        let (party, at) = (Arc::clone(&place.party), place.at);
        let Some(apart) = self.apart.get_mut(&party) else { return };
        if apart.looking {
            apart.urged = Some(apart.urged.map_or(at, |before| before.min(at)));
        } else {
            apart.after = apart.after.min(at);
        }
        self.find_head(&party);
    }

    /// The next look at a party that is apart comes no earlier.
    pub(super) fn pause(&mut self, party: &P, until: Instant) {
        if let Some((party, _)) = self.apart.get_key_value(party) {
            let party = Arc::clone(party);
            if let Some(apart) = self.apart.get_mut(&party) {
                apart.looking = false;
                apart.after = apart.urged.take().map_or(until, |at| until.min(at));
            }
            self.find_head(&party);
        }
    }
}
