//! Notices repairs while parked keys wait up to a day: for each party and reason, one key at a time
//! is tried more often than that, and once it succeeds, the others are due.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::fault::FaultClass;
use tokio::time::Instant;

/// One of the keys that are parked for the same reason is tried at least this often; after its
/// success the others are tried, at most this often.
pub(super) const PROBE: Duration = Duration::from_secs(600);

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Look,
    Effect,
}

/// A party and a reason for which its keys are parked.
pub(super) type Reason<P> = (Arc<P>, FaultClass, Step);

#[derive(Debug)]
struct Group<K> {
    keys: BTreeSet<Arc<K>>,
    /// The key that is tried for all.
    probe: Option<Arc<K>>,
    /// When such a key last succeeded again.
    worked: Option<Instant>,
}

/// See the module's doc.
#[derive(Debug)]
pub(super) struct Parked<P, K> {
    groups: BTreeMap<Reason<P>, Group<K>>,
}

impl<P: Ord, K: Ord> Parked<P, K> {
    pub(super) fn new() -> Self {
        Self { groups: BTreeMap::new() }
    }

    /// A key failed for this reason. Returns the key to try within [`PROBE`], unless another one is
    /// already chosen.
    pub(super) fn failed(&mut self, reason: Reason<P>, key: &Arc<K>) -> Option<Arc<K>> {
        let group = self.groups.entry(reason).or_insert_with(|| Group {
            keys: BTreeSet::new(),
            probe: None,
            worked: None,
        });
        group.keys.insert(Arc::clone(key));
        if group.probe.as_ref().is_some_and(|probe| probe != key && group.keys.contains(probe)) {
            return None;
        }
        group.choose(key)
    }

    /// A key is no longer parked for this reason, which says nothing about the others. Returns the
    /// key to try in its place, if it was the chosen one.
    pub(super) fn left(&mut self, reason: &Reason<P>, key: &Arc<K>) -> Option<Arc<K>> {
        let group = self.groups.get_mut(reason)?;
        group.keys.remove(key);
        if group.keys.is_empty() {
            self.groups.remove(reason);
            return None;
        }
        if group.probe.as_ref() == Some(key) { group.choose(key) } else { None }
    }

    /// The work for which this key was parked succeeds again. Returns all other keys, unless it did
    /// so a short time ago.
    pub(super) fn works(
        &mut self,
        reason: &Reason<P>,
        key: &Arc<K>,
        now: Instant,
    ) -> Option<Vec<Arc<K>>> {
        let group = self.groups.get_mut(reason)?;
        if group.worked.is_some_and(|worked| now < worked + PROBE) {
            return None;
        }
        group.worked = Some(now);
        Some(group.keys.iter().filter(|other| *other != key).cloned().collect())
    }
}

impl<K: Ord> Group<K> {
    /// The next one after this key, so that each is tried in turn.
    fn choose(&mut self, after: &Arc<K>) -> Option<Arc<K>> {
        let later = (Bound::Excluded(after), Bound::Unbounded);
        let next = self.keys.range::<Arc<K>, _>(later).next().or_else(|| self.keys.first());
        self.probe = next.cloned();
        self.probe.clone()
    }
}
