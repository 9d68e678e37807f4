//! Which recovery points must stay: the newest of each family.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::rest::Files;
use super::{Fact, FamilyId, FamilyIndex, Fleet, State};
use crate::decide::vault::{ManifestFact, Observed};
use crate::names::{RecoveryPointId, VaultId};

/// What is recorded of something that a record gives up or makes unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disputed {
    /// When its source image was created, if it was given up, and the files that the look knew of.
    given_up: Option<(Timestamp, Files)>,
    /// Its family and the creation of its source image, while its object is there.
    there: Option<(FamilyId, Timestamp)>,
}

impl Disputed {
    pub(super) fn of(observed: &Observed) -> Option<Box<Self>> {
        let given_up = match &observed.manifest {
            ManifestFact::Pruned(manifest) => {
                Some((manifest.source.created_at, Files::of(observed)))
            }
            ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Present(_) => None,
        };
        let there = observed.disputed().map(|manifest| {
            let family = FamilyId {
                source: observed.id.source(),
                policy: manifest.policy.as_str().into(),
                name: manifest.family.as_str().into(),
            };
            (family, manifest.source.created_at)
        });
        (given_up.is_some() || there.is_some()).then(|| Box::new(Self { given_up, there }))
    }

    /// When its source image was created, if it was given up, and the files that the look knew of.
    pub(super) fn given_up(&self) -> Option<(Timestamp, Files)> {
        self.given_up
    }
}

/// Of two images of one time, the one with the greater id.
type Newest<'a, F> = BTreeMap<(F, VaultId), (Timestamp, &'a RecoveryPointId)>;

impl Fleet {
    /// The newest complete recovery point of each family in each vault; and the newest that a record
    /// gives up or makes unreadable while its object is there, unless a newer complete one stands: who
    /// wrote that record may only be waiting for the end of a lock.
    pub fn must_stay(&self) -> BTreeSet<RecoveryPointId> {
        let mut complete: Newest<'_, FamilyIndex> = BTreeMap::new();
        let mut disputed: Newest<'_, &FamilyId> = BTreeMap::new();
        for (id, row) in &self.rows {
            if let Some(Fact::Point(point)) = &row.fact
                && point.state == State::Complete
            {
                let one = complete.entry((point.family, id.vault())).or_insert((point.created, id));
                *one = (*one).max((point.created, id));
            }
            let there = row.disputed.as_deref().and_then(|disputed| disputed.there.as_ref());
            if let Some((family, created)) = there {
                let one = disputed.entry((family, id.vault())).or_insert((*created, id));
                *one = (*one).max((*created, id));
            }
        }
        let stands = |family: &FamilyId, vault: &VaultId| {
            complete.get(&(self.families.find(family)?, vault.clone()))
        };
        let disputed = disputed.into_iter().filter(|((family, vault), one)| {
            stands(family, vault).is_none_or(|complete| complete < one)
        });
        let disputed: Vec<_> = disputed.map(|(_, one)| one).collect();
        complete.into_values().chain(disputed).map(|(_, id)| id.clone()).collect()
    }
}
