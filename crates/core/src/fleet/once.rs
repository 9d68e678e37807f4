//! How many versions the walk over the vault meets of files that the vault writes once.

use super::Fleet;
use super::row::Row;
use crate::names::RecoveryPointId;

/// A file of a recovery point that the vault writes once, and that must have one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    Manifest,
    /// The note of the source image.
    Note,
    /// The records by which it or its restored image was given up: at most one of each kind counts.
    Ending,
    /// The object itself. Only whether there is one matters.
    Object,
}

/// The number of the last walk that met the file, and how many versions it saw.
pub(super) type Versions = (u32, u16);

impl Fleet {
    /// The walk over the vault meets a version of a file of a recovery point that it has met.
    pub fn met_version(&mut self, id: &RecoveryPointId, file: Once) {
        let Some(row) = self.rows.get_mut(id) else { return };
        let now = row.met[0];
        let (walk, seen) = &mut row.once[file as usize];
        let before = if *walk == now { *seen } else { 0 };
        (*walk, *seen) = (now, before.saturating_add(1));
    }

    /// How many versions the last walk over the vault saw of a file. Of a note they include a delete
    /// marker that hides it, which nothing else tells; of the other files they do not.
    pub fn versions(&self, id: &RecoveryPointId, file: Once) -> u16 {
        self.rows.get(id).map_or(0, |row| row.versions(file))
    }
}

impl Row {
    pub(super) fn versions(&self, file: Once) -> u16 {
        self.once[file as usize].1
    }

    /// The walk over the vault of this number has ended: what it did not meet is not there.
    pub(super) fn walked(&mut self, number: u32) {
        for versions in self.once.iter_mut().filter(|(walk, _)| *walk != number) {
            *versions = (number, 0);
        }
    }
}
