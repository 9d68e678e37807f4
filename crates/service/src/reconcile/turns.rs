//! Keys that wait for their time, in a line for each party. Parties whose first key is due take
//! turns, one key each.
//!
//! Pure. The cost of every step is logarithmic in the number of keys, whatever party they belong
//! to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

/// See the module's doc.
#[derive(Debug)]
pub(super) struct Turns<P, K> {
    lines: BTreeMap<Arc<P>, Line<K>>,
    /// Parties that wait for their first key's time.
    later: BTreeSet<(Instant, Arc<P>)>,
    /// Parties with a key whose time has come, in the order of their turns.
    turns: BTreeMap<u64, Arc<P>>,
    next_turn: u64,
}

#[derive(Debug)]
struct Line<K> {
    keys: BTreeSet<(Instant, Arc<K>)>,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Later(Instant),
    Turn(u64),
}

impl<P: Ord, K: Ord> Turns<P, K> {
    pub(super) fn new() -> Self {
        Self {
            lines: BTreeMap::new(),
            later: BTreeSet::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
        }
    }

    pub(super) fn insert(&mut self, party: &Arc<P>, at: Instant, key: &Arc<K>) {
        let entry = (at, Arc::clone(key));
        let Some(line) = self.lines.get_mut(party) else {
            let line = Line { keys: BTreeSet::from([entry]), place: Place::Later(at) };
            self.lines.insert(Arc::clone(party), line);
            self.later.insert((at, Arc::clone(party)));
            return;
        };
        line.keys.insert(entry);
        if let Place::Later(first) = line.place
            && at < first
        {
            self.later.remove(&(first, Arc::clone(party)));
            self.later.insert((at, Arc::clone(party)));
            line.place = Place::Later(at);
        }
    }

    pub(super) fn remove(&mut self, party: &Arc<P>, at: Instant, key: &Arc<K>) {
        let Some(line) = self.lines.get_mut(party) else { return };
        line.keys.remove(&(at, Arc::clone(key)));
        match (line.place, line.keys.first().map(|(first, _)| *first)) {
            (Place::Later(before), first) if first != Some(before) => {
                self.later.remove(&(before, Arc::clone(party)));
                if let Some(first) = first {
                    self.later.insert((first, Arc::clone(party)));
                    line.place = Place::Later(first);
                }
            }
            (Place::Turn(turn), None) => {
                self.turns.remove(&turn);
            }
            // A party whose turn comes too early now is sent back then.
            (Place::Later(_), _) | (Place::Turn(_), Some(_)) => {}
        }
        if line.keys.is_empty() {
            self.lines.remove(party);
        }
    }

    /// When the next key is due, or earlier.
    pub(super) fn next(&self) -> Option<Instant> {
        let turn = self.turns.values().next();
        let queued = turn.and_then(|party| self.lines.get(party)?.keys.first());
        let later = self.later.first().map(|(at, _)| *at);
        queued.map(|(at, _)| *at).into_iter().chain(later).min()
    }

    /// The longest due key of the party whose turn it is, which then waits for the others.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Arc<P>, Arc<K>)> {
        while self.later.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, party)) = self.later.pop_first()
        {
            self.queue(party);
        }
        while let Some((_, party)) = self.turns.pop_first() {
            let Some(line) = self.lines.get_mut(&party) else { continue };
            match line.keys.first() {
                Some((at, _)) if *at > now => {
                    line.place = Place::Later(*at);
                    self.later.insert((*at, party));
                }
                _ => {
                    let (_, key) = line.keys.pop_first()?;
                    if line.keys.is_empty() {
                        self.lines.remove(&party);
                    } else {
                        self.queue(Arc::clone(&party));
                    }
                    return Some((party, key));
                }
            }
        }
        None
    }

    fn queue(&mut self, party: Arc<P>) {
        if let Some(line) = self.lines.get_mut(&party) {
            line.place = Place::Turn(self.next_turn);
            self.turns.insert(self.next_turn, party);
            self.next_turn += 1;
        }
    }

    /// All keys of a party.
    pub(super) fn take_line(&mut self, party: &Arc<P>) -> BTreeSet<(Instant, Arc<K>)> {
        let Some(line) = self.lines.remove(party) else { return BTreeSet::new() };
        match line.place {
            Place::Later(at) => {
                self.later.remove(&(at, Arc::clone(party)));
            }
            Place::Turn(turn) => {
                self.turns.remove(&turn);
            }
        }
        line.keys
    }
}
