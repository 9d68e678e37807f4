//! How many keys each party has in memory, and which parties have so many keys without a first look
//! that sweeps report no more of them.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module's doc.
#[derive(Debug)]
pub(super) struct Members<P> {
    parties: BTreeMap<Arc<P>, Count>,
    most: usize,
    full: BTreeSet<Arc<P>>,
    unlooked: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    keys: usize,
    unlooked: usize,
}

impl<P: Ord> Members<P> {
    /// A party with `most` keys without a first look is full.
    pub(super) fn new(most: usize) -> Self {
        Self { parties: BTreeMap::new(), most, full: BTreeSet::new(), unlooked: 0 }
    }

    /// A key of this party comes in.
    pub(super) fn add(&mut self, party: P) -> Arc<P> {
        let party = match self.parties.get_key_value(&party) {
            Some((party, _)) => Arc::clone(party),
            None => Arc::new(party),
        };
        let count = self.parties.entry(Arc::clone(&party)).or_default();
        count.keys += 1;
        count.unlooked += 1;
        if count.unlooked >= self.most {
            self.full.insert(Arc::clone(&party));
        }
        self.unlooked += 1;
        party
    }

    /// One of its keys was looked at for the first time.
    pub(super) fn looked(&mut self, party: &Arc<P>) {
        if let Some(count) = self.parties.get_mut(party) {
            count.unlooked = count.unlooked.saturating_sub(1);
            if count.unlooked < self.most {
                self.full.remove(party);
            }
            self.unlooked = self.unlooked.saturating_sub(1);
        }
    }

    /// One of its keys is forgotten.
    pub(super) fn remove(&mut self, party: &Arc<P>, was_looked_at: bool) {
        if !was_looked_at {
            self.looked(party);
        }
        if let Some(count) = self.parties.get_mut(party) {
            count.keys = count.keys.saturating_sub(1);
            if count.keys == 0 {
                self.parties.remove(party);
            }
        }
    }

    /// The number of keys without a first look, of all parties.
    pub(super) fn unlooked(&self) -> usize {
        self.unlooked
    }

    /// The parties that are full.
    pub(super) fn full(&self) -> &BTreeSet<Arc<P>> {
        &self.full
    }
}
