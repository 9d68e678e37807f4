//! Sums up the images of each family: the one computation behind metrics, reports and page.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::row::State;
use super::{FamilyIndex, Fleet, PointStatus};
use crate::ids::{AccountId, ImageId, Region};
use crate::names::RecoveryPointId;
use crate::rpo::{Members, is_in_future};

/// How far an image's recovery point is, images that are left out included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Every fact was observed.
    Complete,
    /// Under way, or waiting for something that passes by itself.
    InProgress,
    /// Waiting for a person or another system.
    Parked,
    /// It was complete, and a part of it is gone.
    Lost,
    /// What the vault has of it was changed from outside.
    Tampered,
    /// It was complete and is there, but cannot be used.
    Unusable,
    /// It cannot be stored, though a policy selects it.
    LeftOut,
}

impl Progress {
    /// Every value.
    pub const ALL: [Self; 7] = [
        Self::Complete,
        Self::InProgress,
        Self::Parked,
        Self::Lost,
        Self::Tampered,
        Self::Unusable,
        Self::LeftOut,
    ];

    /// The name in the metrics of a family, in which `lost` stands for everything that was complete
    /// and is not any more: another metric says how.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => State::Complete.as_str(),
            Self::InProgress => State::InProgress.as_str(),
            Self::Parked => State::Parked.as_str(),
            Self::Lost | Self::Tampered | Self::Unusable => State::Lost.as_str(),
            Self::LeftOut => "left_out",
        }
    }
}

impl From<State> for Progress {
    fn from(state: State) -> Self {
        match state {
            State::Complete => Self::Complete,
            State::InProgress => Self::InProgress,
            State::Parked => Self::Parked,
            State::Lost => Self::Lost,
            State::Tampered => Self::Tampered,
            State::Unusable => Self::Unusable,
        }
    }
}

/// A family of a source, in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key<'a> {
    /// The source's account.
    pub source_account: &'a AccountId,
    /// The source's Region.
    pub source_region: &'a Region,
    pub family: &'a str,
    pub policy: &'a str,
    /// The vault's account.
    pub target_account: &'a AccountId,
    /// The vault's Region.
    pub target_region: &'a Region,
}

/// One image of a family.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The source image.
    pub id: &'a ImageId,
    /// When it was created.
    pub created: Timestamp,
    /// When its data are from: the same, unless it repeats an older image.
    pub data_from: Timestamp,
    /// How far it is.
    pub progress: Progress,
    /// Whether the source still has it.
    pub in_source: bool,
    /// The image it was restored as.
    pub restored: Option<&'a ImageId>,
    /// The size of its object in the vault.
    pub stored: Option<u64>,
}

/// The sums over the images of one family.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally<'a> {
    /// What the RPO is judged by.
    pub members: Members,
    /// The newest complete recovery point: when its data are from, whether it repeats no older image,
    /// source image and restored image.
    pub newest: Option<(Timestamp, bool, &'a ImageId, Option<&'a ImageId>)>,
    /// When the newest image whose object lies in the vault was created.
    pub newest_stored: Option<Timestamp>,
    /// Images by how far they are, in the order of [`Progress::ALL`].
    pub by_progress: [usize; Progress::ALL.len()],
    /// Bytes in the vault.
    pub bytes: u64,
    /// Images that the source still has.
    pub in_source: usize,
    /// Those of them that are not complete.
    pub unprotected: usize,
}

impl<'a> Tally<'a> {
    /// Counts one image in.
    pub fn add(&mut self, image: Image<'a>, now: Timestamp) {
        let complete = image.progress == Progress::Complete;
        self.members.add(image.created, complete.then_some(image.data_from), now);
        if matches!(image.progress, Progress::Lost | Progress::Tampered | Progress::Unusable) {
            self.members.lost = true;
        }
        if complete && !is_in_future(image.created, now) {
            let (from, is_original) = (image.data_from, image.data_from == image.created);
            self.newest = self.newest.max(Some((from, is_original, image.id, image.restored)));
        }
        if let Some(bytes) = image.stored {
            self.newest_stored = self.newest_stored.max(Some(image.data_from));
            self.bytes = self.bytes.saturating_add(bytes);
        }
        let position = Progress::ALL.iter().position(|progress| *progress == image.progress);
        if let Some(count) = position.and_then(|position| self.by_progress.get_mut(position)) {
            *count += 1;
        }
        self.in_source += usize::from(image.in_source);
        self.unprotected += usize::from(image.in_source && !complete);
    }
}

/// All families by their keys.
pub type Tallies<'a> = BTreeMap<Key<'a>, Tally<'a>>;

impl Fleet {
    /// The sources of which something was never observed, and may be of any family: what its image says
    /// now decides only as long as nothing is recorded.
    pub fn unplaced(&self) -> BTreeSet<(&AccountId, &Region)> {
        let unplaced = self.rows().filter(|(_, row)| row.is_unread() && row.may_be_of_any_family());
        unplaced.map(|(id, _)| (&id.source_account, &id.source_region)).collect()
    }

    /// The sums of each family at `now`, also of families whose images are all left out.
    pub fn tallies(&self, now: Timestamp) -> Tallies<'_> {
        // By family first: a key of six texts for each of many thousand images takes its time.
        let mut families: BTreeMap<FamilyIndex, (&RecoveryPointId, Tally<'_>)> = BTreeMap::new();
        let unplaced = self.unplaced();
        for (id, row) in self.rows() {
            if let (true, Some(family)) = (row.is_unread(), row.family()) {
                let (_, tally) = families.entry(family).or_insert_with(|| (id, Tally::default()));
                tally.members.unread = true;
                continue;
            }
            let data_from = self.repeat(id).map(|repeat| repeat.data_from);
            let (family, image) = match (row.point(), row.left_out()) {
                (Some(PointStatus { point, state, .. }), _) => {
                    let image = Image {
                        id: &id.source_image_id,
                        created: point.created,
                        data_from: data_from.unwrap_or(point.created),
                        progress: state.into(),
                        in_source: point.in_source,
                        restored: point.restored.as_ref(),
                        stored: point.object.as_ref().map(|object| object.size),
                    };
                    (point.family, image)
                }
                (None, Some(left_out)) => {
                    let Some((family, _, created)) = left_out.promised else { continue };
                    let image = Image {
                        id: &id.source_image_id,
                        created,
                        data_from: data_from.unwrap_or(created),
                        progress: Progress::LeftOut,
                        in_source: left_out.in_source,
                        restored: None,
                        stored: None,
                    };
                    (family, image)
                }
                (None, None) => continue,
            };
            families.entry(family).or_insert_with(|| (id, Tally::default())).1.add(image, now);
        }
        let keyed = families.into_iter().filter_map(|(index, (id, mut tally))| {
            let family = self.family(index)?;
            if let Some(since) = self.unfinished_since(family) {
                tally.members.had(since);
            }
            tally.members.unread |= unplaced.contains(&(&id.source_account, &id.source_region));
            let key = Key {
                source_account: &id.source_account,
                source_region: &id.source_region,
                family: &family.name,
                policy: &family.policy,
                target_account: &id.target_account,
                target_region: &id.target_region,
            };
            Some((key, tally))
        });
        keyed.collect()
    }
}
