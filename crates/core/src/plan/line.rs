//! The line before one quota: who stands where, and whose turn it is.

use jiff::Timestamp;

use super::ledger::Ledger;
use super::order::{Member, Promise, Turns, Why, plan};
use super::turn::Turn;
use crate::pacing::CallBudget;

/// One quota with all that waits for it. Losing it costs refused calls and forgets which source
/// was served last.
#[derive(Debug, Clone)]
pub struct Line<K> {
    /// What the quota and its calls still admit.
    pub ledger: Ledger<K>,
    turns: Turns,
    weights: Vec<u32>,
}

/// An image that waits, with the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'a, K> {
    /// Which it is.
    pub key: &'a K,
    /// The answer.
    pub turn: Turn,
    /// Why it has its place.
    pub why: Why,
}

impl<K: Ord + Clone> Line<K> {
    /// A line before a quota of `limit_gb`, for sources of these weights.
    pub fn new(limit_gb: u64, calls: CallBudget, weights: Vec<u32>) -> Self {
        Self { ledger: Ledger::new(limit_gb, calls), turns: Turns::default(), weights }
    }

    /// All that waits, in its order, each with its answer; without those that the policy does not
    /// ask for, which come to [`Why::Superseded`] and no turn.
    pub fn answers<'a>(
        &mut self,
        members: &[Member<'a, K>],
        promises: &[Promise],
        now: Timestamp,
    ) -> (Vec<Placed<'a, K>>, Vec<&'a K>) {
        let mut planned = plan(members, promises, &self.weights, &mut self.turns, now);
        let wanted = planned.partition_point(|planned| planned.why != Why::Superseded);
        let superseded = planned.split_off(wanted).into_iter().map(|planned| planned.key).collect();
        let line = planned.iter().map(|planned| (planned.key, planned.size_gb));
        let turns = self.ledger.turns(line, now);
        let placed = planned.iter().zip(turns).map(|(planned, turn)| Placed {
            key: planned.key,
            turn,
            why: planned.why,
        });
        (placed.collect(), superseded)
    }

    /// The keys whose turn has come and that have not used it: they are to be looked at.
    pub fn due<'a>(&self, placed: &[Placed<'a, K>]) -> Vec<&'a K> {
        let has_come = placed.iter().take_while(|placed| placed.turn == Turn::Now);
        has_come.map(|placed| placed.key).filter(|key| !self.ledger.is_open(key)).collect()
    }

    /// A key of a source, by its position, uses its turn: see [`Ledger::reserve`].
    pub fn reserve(&mut self, key: K, source: usize, size_gb: u64, now: Timestamp) {
        if !self.ledger.is_open(&key) {
            let weight = self.weights.get(source).copied().unwrap_or(1);
            self.turns.taken(source, weight);
        }
        self.ledger.reserve(key, size_gb, now);
    }
}
