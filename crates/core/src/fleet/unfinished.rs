//! Families whose images went before one of them became complete.
//!
//! A family without a complete recovery point is measured by its oldest image. If only the images
//! counted that are there now, an owner who registers and deregisters images would renew its grace
//! for ever. This is memory: a worker that starts again knows only what AWS shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{FamilyId, Fleet};
use crate::names::SourceId;

/// How long a family is remembered that has no image any more.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Most families of one source that are remembered: names come from tags, so there can be any
/// number of them. The first ones stay, so that others push none of them out.
const MOST: usize = 1_000;

/// What is remembered, by source.
#[derive(Debug, Clone, Default)]
pub(super) struct Unfinished(BTreeMap<SourceId, BTreeMap<Arc<FamilyId>, Gone>>);

/// Images of a family that went.
#[derive(Debug, Clone, Copy)]
struct Gone {
    /// When the oldest of them was created.
    oldest: Timestamp,
    /// When the family was last seen to have, or to have had, an image.
    seen: Timestamp,
}

impl Unfinished {
    /// An image that was never complete is not of this family any more.
    pub(super) fn went(&mut self, family: &Arc<FamilyId>, created: Timestamp, now: Timestamp) {
        let families = self.0.entry(family.source.clone()).or_default();
        if let Some(gone) = families.get_mut(family) {
            *gone = Gone { oldest: gone.oldest.min(created), seen: gone.seen.max(now) };
        } else if families.len() < MOST {
            families.insert(Arc::clone(family), Gone { oldest: created, seen: now });
        }
    }

    /// The family has a complete recovery point.
    pub(super) fn completed(&mut self, family: &FamilyId) {
        if let Some(families) = self.0.get_mut(&family.source) {
            families.remove(family);
        }
    }

    /// Forgets families without an image for too long; these have one.
    pub(super) fn keep<'f>(&mut self, used: impl Iterator<Item = &'f FamilyId>, now: Timestamp) {
        if self.0.is_empty() {
            return;
        }
        for family in used {
            let gone = self.0.get_mut(&family.source).and_then(|all| all.get_mut(family));
            if let Some(gone) = gone {
                gone.seen = gone.seen.max(now);
            }
        }
        for families in self.0.values_mut() {
            families.retain(|_, gone| now.duration_since(gone.seen) < REMEMBERED_FOR);
        }
        self.0.retain(|_, families| !families.is_empty());
    }

    fn of(&self, family: &FamilyId) -> Option<Timestamp> {
        self.0.get(&family.source)?.get(family).map(|gone| gone.oldest)
    }
}

impl Fleet {
    /// When the oldest image of a family was created that went, if no recovery point of the family
    /// was complete since.
    pub fn unfinished_since(&self, family: &FamilyId) -> Option<Timestamp> {
        self.unfinished.of(family)
    }

    /// The families in which images went, each with the creation of the oldest one.
    pub fn unfinished(&self) -> impl Iterator<Item = (&FamilyId, Timestamp)> {
        let families = self.unfinished.0.values().flatten();
        families.map(|(family, gone)| (&**family, gone.oldest))
    }
}
