//! What is next for a recovery point that loses something: first the word, then the AMI, then its
//! snapshots, and the object last.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::{ImageId, SnapshotId};
use crate::manifest::RestoredRecord;
use crate::model::{Image, ImageState, ObjectVersion, Retention};
use crate::names::{self, RecoveryPointId};
use crate::planted::{Bug, has};
use crate::span::Span;

/// What AWS still has of what goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// Whether all of it goes, or the AMI alone.
    pub whole: bool,
    /// Whether a record says so.
    pub recorded: bool,
    /// The AMIs that were recorded, as far as EC2 shows them, each with what refers to it.
    pub images: Vec<Seen>,
    /// The snapshots of those AMIs that EC2 shows, and whether another image uses them.
    pub snapshots: Vec<(SnapshotId, bool)>,
    /// The recorded version of the object, while it is there.
    pub object: Option<Version>,
}

/// A recorded AMI that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub image: Image,
    /// Whom it is shared with, as EC2 names them.
    pub shared_with: Vec<String>,
    /// What refers to it.
    pub references: Vec<String>,
}

/// A version of an object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub at: ObjectVersion,
    pub retention: Option<Retention>,
    /// Whether a legal hold is on it.
    pub hold: bool,
}

/// Why it must stay for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Until then the object is locked.
    Locked(Timestamp),
    /// A legal hold is on the object.
    Held,
    /// The AMI is in use by these.
    InUse(ImageId, Vec<String>),
    /// The AMI is shared with these, and whether they use it cannot be asked.
    SharedWith(ImageId, Vec<String>),
    /// The AMI is not tagged as the restore of this recovery point.
    NotOurs(ImageId),
    /// The AMI is younger than the floor: someone has just had it restored.
    Young(ImageId),
    /// The AMI is still being made.
    Unready(ImageId),
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write the record that says so. Nothing is deleted before.
    Record,
    /// End the deregistration protection.
    Unprotect(ImageId),
    /// Deregister the AMI.
    Deregister(ImageId),
    /// Delete a snapshot that no image uses.
    DeleteSnapshot(SnapshotId),
    /// Delete the recorded version of the object.
    DeleteObject(ObjectVersion),
    /// Its protection has ended, and EC2 keeps the AMI for the rest of its cooldown.
    Retiring(ImageId),
    /// Nothing is left of it.
    Done,
}

/// Why it must stay, if it must.
pub fn obstacle(
    id: &RecoveryPointId,
    remains: &Remains,
    floor: Span,
    now: Timestamp,
) -> Option<Obstacle> {
    for Seen { image, shared_with, references } in &remains.images {
        if is_gone(image) {
            continue;
        }
        let is_ours = image.owner == id.target_account && names::is_tagged_for(id, &image.tags);
        if !is_ours {
            return Some(Obstacle::NotOurs(image.id.clone()));
        }
        if !matches!(image.state, ImageState::Available | ImageState::Disabled | ImageState::Failed)
        {
            return Some(Obstacle::Unready(image.id.clone()));
        }
        if now.duration_since(image.created) < floor.signed() && !has(Bug::FloorIgnored) {
            return Some(Obstacle::Young(image.id.clone()));
        }
        if !references.is_empty() && !has(Bug::ReferencesIgnored) {
            return Some(Obstacle::InUse(image.id.clone(), references.clone()));
        }
        if !shared_with.is_empty() {
            return Some(Obstacle::SharedWith(image.id.clone(), shared_with.clone()));
        }
    }
    if !remains.whole || has(Bug::LockIgnored) {
        return None;
    }
    let object = remains.object.as_ref()?;
    if object.hold {
        return Some(Obstacle::Held);
    }
    let until = object.retention.as_ref().map(|retention| retention.until);
    until.filter(|until| *until > now).map(Obstacle::Locked)
}

/// The next step for what goes, once nothing stands in its way.
pub fn next(remains: &Remains, retiring: &BTreeSet<ImageId>) -> Step {
    if !remains.recorded && !has(Bug::DeletedUnrecorded) {
        return Step::Record;
    }
    let mut there = remains.images.iter().map(|seen| &seen.image).filter(|image| !is_gone(image));
    if let Some(image) = there.next() {
        let id = image.id.clone();
        return match image.deregistration_protection.is_on() {
            true => Step::Unprotect(id),
            false if retiring.contains(&id) => Step::Retiring(id),
            false => Step::Deregister(id),
        };
    }
    let unused = remains.snapshots.iter().find(|(_, used)| !used || has(Bug::UsedSnapshotsDeleted));
    if let Some((id, _)) = unused {
        return Step::DeleteSnapshot(id.clone());
    }
    match remains.object.as_ref().filter(|_| remains.whole) {
        Some(object) => Step::DeleteObject(object.at.clone()),
        None => Step::Done,
    }
}

fn is_gone(image: &Image) -> bool {
    image.state == ImageState::Deregistered
}

/// The snapshots of recorded AMIs.
pub fn snapshots(images: &[RestoredRecord]) -> BTreeSet<SnapshotId> {
    images.iter().flat_map(|image| image.snapshots.iter().cloned()).collect()
}
