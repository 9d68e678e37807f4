//! Which images of a fleet repeat older ones.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Fleet;
use super::row::{Fact, Row};
use crate::decide::vault::{ManifestFact, Observed};
use crate::names::RecoveryPointId;
use crate::repeats::{Made, Repeat, Snap, repeats};

/// Most snapshots of an image that are kept: far more than an instance has volumes. Only a note can
/// name more, and what it names then counts as not told.
const MOST_SNAPSHOTS: usize = 128;

impl Fleet {
    /// The older image of the same source that an image repeats, if it does, whatever their families.
    pub fn repeat(&self, id: &RecoveryPointId) -> Option<&Repeat<RecoveryPointId>> {
        self.repeats.get_or_init(|| self.find_repeats()).get(id)
    }

    fn find_repeats(&self) -> BTreeMap<RecoveryPointId, Repeat<RecoveryPointId>> {
        let made = self.rows.iter().filter_map(|(id, row)| {
            let of = Some(&*row.snapshots).filter(|of| !of.is_empty())?;
            Some(Made { id, created: row.created().or(row.given_up())?, of })
        });
        let made: Vec<Made<'_, RecoveryPointId>> = made.collect();
        let is_of_one = |one: &Made<'_, RecoveryPointId>, other: &Made<'_, RecoveryPointId>| {
            (&one.id.source_account, &one.id.source_region)
                == (&other.id.source_account, &other.id.source_region)
        };
        made.chunk_by(is_of_one).flat_map(repeats).collect()
    }
}

impl Row {
    /// Takes over what its image is made of, where that is told. Returns whether that is new.
    pub(super) fn learns_snapshots(&mut self, observed: &Observed) -> bool {
        let mut snapshots = snapshots(observed);
        snapshots.sort_unstable();
        let is_known = (1..=MOST_SNAPSHOTS).contains(&snapshots.len());
        let is_new = is_known && self.snapshots != snapshots;
        if is_new {
            self.snapshots = snapshots;
        }
        is_new
    }

    /// When its image was created, if a policy promises a copy of it.
    pub(super) fn created(&self) -> Option<Timestamp> {
        match &self.fact {
            Some(Fact::Point(point)) => Some(point.created),
            Some(Fact::LeftOut(left_out)) => left_out.promised.map(|(.., created)| created),
            Some(Fact::Unread(_)) | None => None,
        }
    }
}

/// The snapshots of the source image: as recorded, or else as EC2 shows them, or as noted.
fn snapshots(observed: &Observed) -> Box<[Snap]> {
    if let ManifestFact::Present(manifest) | ManifestFact::Pruned(manifest) = &observed.manifest
        && !manifest.source.snapshots.is_empty()
    {
        return manifest.source.snapshots.iter().map(Snap::from).collect();
    }
    match (&observed.source, observed.note.note()) {
        (Some(image), _) => image.snapshots().map(Snap::from).collect(),
        (None, Some(note)) => note.source.snapshots.iter().map(Snap::from).collect(),
        (None, None) => Box::default(),
    }
}
