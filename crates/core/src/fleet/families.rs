//! The families of a fleet. Rows hold an index, so that a name takes memory once, however many
//! images share it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::names::SourceId;

/// A family of a source under a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FamilyId {
    pub source: SourceId,
    /// The policy that governs it.
    pub policy: Arc<str>,
    /// Its name. The source's owner chooses this text: it is shown, never trusted.
    pub name: Arc<str>,
}

/// A family's position in its fleet. Holds until the next walk ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FamilyIndex(pub(super) u32);

impl FamilyIndex {
    /// The position in the list of families, for the plan.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// All families that rows have named.
#[derive(Debug, Clone, Default)]
pub(super) struct Families {
    indices: BTreeMap<Arc<FamilyId>, u32>,
    names: Vec<Arc<FamilyId>>,
}

impl Families {
    /// The index of a family, given one if it has none yet.
    pub(super) fn index(&mut self, source: &SourceId, policy: &str, name: &str) -> FamilyIndex {
        let family = FamilyId { source: source.clone(), policy: policy.into(), name: name.into() };
        if let Some(index) = self.indices.get(&family) {
            return FamilyIndex(*index);
        }
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let family = Arc::new(family);
        self.names.push(Arc::clone(&family));
        self.indices.insert(family, index);
        FamilyIndex(index)
    }

    /// The family of an index.
    pub(super) fn get(&self, index: FamilyIndex) -> Option<&FamilyId> {
        self.names.get(index.index()).map(AsRef::as_ref)
    }

    /// The index of a family that rows name.
    pub(super) fn find(&self, family: &FamilyId) -> Option<FamilyIndex> {
        self.indices.get(family).copied().map(FamilyIndex)
    }

    /// The same, to be kept.
    pub(super) fn shared(&self, index: FamilyIndex) -> Option<Arc<FamilyId>> {
        self.names.get(index.index()).cloned()
    }

    /// All of them, in the order of their indices.
    pub(super) fn all(&self) -> &[Arc<FamilyId>] {
        &self.names
    }

    /// Forgets families that are no longer used: names come from tags, so they must not accumulate.
    /// Returns the new index of each old one, if any was forgotten.
    pub(super) fn keep(&mut self, used: &[bool]) -> Option<Vec<FamilyIndex>> {
        let kept = used.iter().filter(|used| **used).count();
        if kept == self.names.len() {
            return None;
        }
        let old = std::mem::take(self);
        let mut moved = Vec::with_capacity(old.names.len());
        for (position, family) in old.names.into_iter().enumerate() {
            let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
            moved.push(FamilyIndex(next));
            if used.get(position).copied().unwrap_or_default() {
                self.names.push(Arc::clone(&family));
                self.indices.insert(family, next);
            }
        }
        Some(moved)
    }
}
