//! Effects that wait for a free slot, and effects that run, by lane.
//!
//! Pure. In a lane parties take turns, and a party's effects start in the order of their decisions,
//! unless the role chooses another order. If a chosen effect has become stale, it keeps its slot
//! while its key is looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::role::Lane;

/// See the module's doc.
#[derive(Debug)]
pub(super) struct Lanes<P, K> {
    lanes: BTreeMap<Lane, Queue<P, K>>,
    waiting: usize,
}

#[derive(Debug)]
struct Queue<P, K> {
    lines: BTreeMap<Arc<P>, Line<K>>,
    turns: BTreeMap<u64, Arc<P>>,
    next_turn: u64,
    /// Effects that run.
    running: usize,
    /// Keys that hold a slot while they are looked at again.
    refreshing: BTreeSet<Arc<K>>,
    /// The keys among them whose effect was decided again: they start before all others.
    chosen: BTreeMap<u64, Arc<K>>,
}

#[derive(Debug)]
struct Line<K> {
    turn: u64,
    /// By the number that each got when its effect was first decided.
    keys: BTreeMap<u64, Arc<K>>,
}

/// A waiting effect: its party, its number, and its key.
pub(super) type Waiting<P, K> = (Arc<P>, u64, Arc<K>);

impl<P, K> Default for Queue<P, K> {
    fn default() -> Self {
        Self {
            lines: BTreeMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            running: 0,
            refreshing: BTreeSet::new(),
            chosen: BTreeMap::new(),
        }
    }
}

impl<P: Ord, K: Ord> Lanes<P, K> {
    pub(super) fn new() -> Self {
        Self { lanes: BTreeMap::new(), waiting: 0 }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.lanes.values().map(|queue| queue.running).sum()
    }

    /// An effect waits for its slot.
    pub(super) fn insert(&mut self, lane: Lane, (party, number, key): Waiting<P, K>) {
        let queue = self.lanes.entry(lane).or_default();
        let line = queue.lines.entry(Arc::clone(&party)).or_insert_with(|| {
            let turn = queue.next_turn;
            queue.next_turn += 1;
            queue.turns.insert(turn, party);
            Line { turn, keys: BTreeMap::new() }
        });
        if line.keys.insert(number, key).is_none() {
            self.waiting += 1;
        }
    }

    /// An effect that held a slot starts as soon as one is free.
    pub(super) fn insert_chosen(&mut self, lane: Lane, number: u64, key: Arc<K>) {
        if self.lanes.entry(lane).or_default().chosen.insert(number, key).is_none() {
            self.waiting += 1;
        }
    }

    /// An effect waits no longer.
    pub(super) fn remove(&mut self, lane: Lane, party: &Arc<P>, number: u64) {
        let Some(queue) = self.lanes.get_mut(&lane) else { return };
        let mut removed = queue.chosen.remove(&number).is_some();
        if let Some(line) = queue.lines.get_mut(party) {
            removed |= line.keys.remove(&number).is_some();
            if line.keys.is_empty() {
                queue.turns.remove(&line.turn);
                queue.lines.remove(party);
            }
        }
        self.waiting -= usize::from(removed);
    }

    /// Takes the next effect if fewer than `slots` are in use; `choose` picks it by position.
    pub(super) fn take(
        &mut self,
        lane: Lane,
        slots: usize,
        choose: impl Fn(&[&K]) -> usize,
    ) -> Option<Arc<K>> {
        let queue = self.lanes.get_mut(&lane)?;
        if queue.running + queue.refreshing.len() >= slots {
            return None;
        }
        if let Some((_, key)) = queue.chosen.pop_first() {
            self.waiting -= 1;
            return Some(key);
        }
        let mut ready = self.in_turn(lane);
        let keys: Vec<&K> = ready.iter().map(|(_, _, key)| &**key).collect();
        if keys.is_empty() {
            return None;
        }
        let index = choose(&keys);
        let index = if index < ready.len() { index } else { 0 };
        let (party, number, key) = ready.swap_remove(index);
        self.remove(lane, &party, number);
        Some(key)
    }

    /// The taken effect starts, so other parties have their turns next.
    pub(super) fn started(&mut self, lane: Lane, party: &Arc<P>) {
        let queue = self.lanes.entry(lane).or_default();
        queue.running += 1;
        if let Some(line) = queue.lines.get_mut(party) {
            queue.turns.remove(&line.turn);
            line.turn = queue.next_turn;
            queue.turns.insert(line.turn, Arc::clone(party));
            queue.next_turn += 1;
        }
    }

    /// An effect ended.
    pub(super) fn ended(&mut self, lane: Lane) {
        let queue = self.lanes.entry(lane).or_default();
        queue.running = queue.running.saturating_sub(1);
    }

    /// The taken effect is stale: its slot is kept while its key is looked at again.
    pub(super) fn keep_slot(&mut self, lane: Lane, key: Arc<K>) {
        self.lanes.entry(lane).or_default().refreshing.insert(key);
    }

    /// A look at this key ended. Returns the lane in which it held a slot.
    pub(super) fn give_slot_up(&mut self, key: &K) -> Option<Lane> {
        let mut lanes = self.lanes.iter_mut();
        lanes.find_map(|(lane, queue)| queue.refreshing.remove(key).then_some(*lane))
    }

    /// All effects that wait in a lane, in the order in which they would start in turns.
    fn in_turn(&self, lane: Lane) -> Vec<Waiting<P, K>> {
        let Some(queue) = self.lanes.get(&lane) else { return Vec::new() };
        let lines = queue.turns.values().filter_map(|party| queue.lines.get_key_value(party));
        let mut lines: Vec<_> = lines.map(|(party, line)| (party, line.keys.iter())).collect();
        let mut ordered = Vec::new();
        while !lines.is_empty() {
            lines.retain_mut(|(party, keys)| {
                let next = keys.next();
                if let Some((number, key)) = next {
                    ordered.push((Arc::clone(party), *number, Arc::clone(key)));
                }
                next.is_some()
            });
        }
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane::Long;

    type Parties<'a> = Vec<Arc<&'a str>>;

    /// Effects of these parties, numbered in this order.
    fn waiting<'a>(parties: &[&'a str]) -> (Lanes<&'a str, u64>, Parties<'a>) {
        let mut lanes = Lanes::new();
        let parties: Vec<_> = parties.iter().map(|party| Arc::new(*party)).collect();
        for (number, party) in (0..).zip(&parties) {
            lanes.insert(LANE, (Arc::clone(party), number, Arc::new(number)));
        }
        (lanes, parties)
    }

    /// Starts one after another, each when the one before has ended.
    fn starts<'a>(lanes: &mut Lanes<&'a str, u64>, parties: &Parties<'a>) -> Vec<u64> {
        let mut starts = Vec::new();
        while let Some(key) = lanes.take(LANE, 1, |_| 0) {
            let mut of = parties.iter().skip(usize::try_from(*key).unwrap());
            lanes.started(LANE, of.next().unwrap());
            lanes.ended(LANE);
            starts.push(*key);
        }
        starts
    }

    #[test]
    fn parties_take_turns_and_each_keeps_its_own_order() {
        let (mut lanes, parties) = waiting(&["a", "a", "a", "b", "a", "c", "b"]);
        assert_eq!(starts(&mut lanes, &parties), [0, 3, 5, 1, 6, 2, 4]);
        assert_eq!((lanes.len(), lanes.running()), (0, 0));
    }

    #[test]
    fn the_order_that_a_role_is_shown_is_the_one_in_which_they_would_start() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..50 {
            let of: Vec<&str> =
                (0..rng.usize(1..60)).map(|_| ["a", "b", "c", "d"][rng.usize(0..4)]).collect();
            let (mut lanes, parties) = waiting(&of);
            let shown: Vec<u64> =
                lanes.in_turn(LANE).iter().map(|(_, number, _)| *number).collect();
            assert_eq!(starts(&mut lanes, &parties), shown);
        }
    }

    #[test]
    fn a_role_chooses_among_all_and_what_is_out_of_range_means_the_first() {
        let (mut lanes, _) = waiting(&["a", "a", "b"]);
        let last = |ready: &[&u64]| {
            assert_eq!(ready, [&0, &2, &1]);
            2
        };
        assert_eq!(lanes.take(LANE, 1, last).as_deref(), Some(&1));
        assert_eq!(lanes.take(LANE, 1, |_| usize::MAX).as_deref(), Some(&0));
    }

    #[test]
    fn a_slot_is_kept_for_a_stale_effect_and_used_by_it_first() {
        let (mut lanes, _) = waiting(&["a", "b"]);
        let stale = lanes.take(LANE, 1, |_| 0).unwrap();
        lanes.keep_slot(LANE, Arc::clone(&stale));
        assert_eq!(lanes.take(LANE, 1, |_| 0), None);
        assert_eq!(lanes.give_slot_up(&stale), Some(LANE));
        lanes.insert_chosen(LANE, 0, Arc::clone(&stale));
        assert_eq!(
            lanes.take(LANE, 1, |_| panic!("the chosen entry needs no choice")),
            Some(stale)
        );
    }
}
