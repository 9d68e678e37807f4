//! What was given up and of which nothing is left but its records. It may lie there for years, so it is
//! read once, and not again while walks over the vault meet the same files.

use super::{Fleet, Once, Place};
use crate::decide::vault::Observed;
use crate::names::RecoveryPointId;

/// The files that the last look at something that was given up knew of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Files {
    object: bool,
    manifests: u16,
    notes: u16,
    endings: u16,
}

impl Files {
    pub(super) fn of(observed: &Observed) -> Self {
        let Observed { object, manifests, notes, endings, .. } = observed;
        Self { object: object.is_some(), manifests: *manifests, notes: *notes, endings: *endings }
    }
}

impl Fleet {
    /// Whether a recovery point was given up, the last look saw no object of it, and walks over the vault
    /// meet it: then the walk says whether a look is needed.
    pub fn may_rest(&self, id: &RecoveryPointId) -> bool {
        let whole = self.places.get(&Place::Vault).and_then(|walks| walks.whole);
        self.rows.get(id).is_some_and(|row| {
            let is_gone = row.files_given_up().is_some_and(|files| !files.object);
            let is_met = whole.is_some_and(|(number, _)| row.met[0] >= number);
            is_gone && is_met && row.unobserved.is_none()
        })
    }

    /// A whole walk over the vault has ended. Returns whether it met of something that [may
    /// rest](Self::may_rest) what the last look saw: that is as good as a look.
    pub fn rests(&mut self, id: &RecoveryPointId) -> bool {
        if !self.may_rest(id) {
            return false;
        }
        let whole = self.places.get(&Place::Vault).and_then(|walks| walks.whole);
        let (Some(row), Some((_, began))) = (self.rows.get_mut(id), whole) else { return false };
        let met = Files {
            object: row.versions(Once::Object) > 0,
            manifests: row.versions(Once::Manifest),
            notes: row.versions(Once::Note),
            endings: row.versions(Once::Ending),
        };
        let is_same = row.files_given_up() == Some(met);
        if is_same {
            row.observed_at = row.observed_at.max(Some(began));
        }
        is_same
    }
}
