//! Which recovery points must stay: the newest complete one of each family.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Fact, FamilyIndex, Fleet, State};
use crate::names::{RecoveryPointId, VaultId};

impl Fleet {
    /// The newest complete recovery point of each family in each vault; of two images of one time, the
    /// one with the greater id.
    pub fn newest_complete(&self) -> BTreeSet<RecoveryPointId> {
        let mut newest: BTreeMap<(FamilyIndex, VaultId), (Timestamp, &RecoveryPointId)> =
            BTreeMap::new();
        for (id, row) in &self.rows {
            let Some(Fact::Point(point)) = &row.fact else { continue };
            if point.state == State::Complete {
                let one = newest.entry((point.family, id.vault())).or_insert((point.created, id));
                *one = (*one).max((point.created, id));
            }
        }
        newest.into_values().map(|(_, id)| id.clone()).collect()
    }
}
