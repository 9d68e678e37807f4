//! Asks what AWS still has of a recovery point that loses something, and what holds it. A question that
//! is refused or cannot be read is a fault, and then it stays.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::vault::ManifestFact;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::manifest::{Manifest, RestoredRecord};
use amiferry_core::model::{Image, ImageState, SnapshotState};
use amiferry_core::names::{RecordKind, RecoveryPointId};
use amiferry_core::ports::Listing;
use amiferry_core::retention::next::{Remains, Seen, Version, snapshots};

use crate::Pruner;
use crate::contents::{Known, Standing};

/// What AWS has of one recovery point, and what is recorded of it.
#[derive(Debug, Clone)]
pub struct Found {
    pub remains: Remains,
    pub manifest: Manifest,
    /// The newest of its further records.
    pub newest: Option<(u32, RecordKind)>,
    /// The images that its records gave up.
    pub given_up: Vec<RestoredRecord>,
    /// Snapshots that stay because other images use them.
    pub used: BTreeSet<SnapshotId>,
    /// Size of the object in bytes, while it is there.
    pub bytes: u64,
}

impl Pruner {
    /// Asks about one recovery point of which all goes, or its AMI alone. `gone` are images that EC2 has
    /// just let go and may still show.
    ///
    /// # Errors
    /// A question that was not answered, or not so that it can be read.
    pub(crate) async fn found(
        &self,
        id: &RecoveryPointId,
        versions: u16,
        whole: bool,
        gone: &BTreeSet<ImageId>,
    ) -> Result<Found, Fault> {
        let record = self.observer.record_of(id, versions, self.clock.now()).await?;
        let (manifest, pruned) = match record.manifest {
            ManifestFact::Present(manifest) => (*manifest, false),
            ManifestFact::Pruned(manifest) => (*manifest, true),
            ManifestFact::Absent => return Err(doubtful(id, "its manifest is gone")),
            ManifestFact::Unreadable(why) => return Err(doubtful(id, &why)),
        };
        let given_up = record.given_up;
        let recorded = if whole { pruned } else { pruned || manifest.restored.is_none() };
        let images: Vec<RestoredRecord> =
            given_up.iter().chain(&manifest.restored).cloned().collect();
        let seen = self.images(&images, gone).await?;
        let (snapshots, used) = self.snapshots_left(&images).await?;
        let vault = &self.observer.vault;
        let at = &manifest.vault_object.at;
        let lock = match whole {
            true => self.versions.lock_of(&vault.account, at).await?,
            false => None,
        };
        let bytes = lock.as_ref().map_or(0, |lock| lock.size);
        let object =
            lock.map(|lock| Version { at: at.clone(), retention: lock.retention, hold: lock.hold });
        let remains = Remains { whole, recorded, images: seen, snapshots, object };
        Ok(Found { remains, manifest, newest: record.newest, given_up, used, bytes })
    }

    /// Those that were given up and of which nothing is left: no object, no AMI, and no snapshot but
    /// those that other images use.
    ///
    /// # Errors
    /// EC2 did not answer, or not so that all of it can be read.
    pub(crate) async fn finished(
        &self,
        known: &BTreeMap<RecoveryPointId, Known>,
    ) -> Result<BTreeSet<RecoveryPointId>, Fault> {
        let ended: Vec<(&RecoveryPointId, &Known)> = known
            .iter()
            .filter(|(_, known)| match known.standing {
                Standing::Pruned => !known.has_object,
                Standing::Complete { retired } => retired,
                Standing::Other(..) => false,
            })
            .collect();
        let given_up: Vec<RestoredRecord> =
            ended.iter().flat_map(|(_, known)| known.given_up.iter().cloned()).collect();
        let ids: Vec<ImageId> = given_up.iter().map(|image| image.image_id.clone()).collect();
        let mut there = BTreeSet::new();
        if let Some(first) = ids.first() {
            let shown = self.observer.vault.images.describe(&ids).await?;
            let shown = whole(shown, "ec2:DescribeImages", first.as_str())?;
            let is_there = |image: &Image| image.state != ImageState::Deregistered;
            there.extend(shown.into_iter().filter(is_there).map(|image| image.id));
        }
        let (left, _) = self.snapshots_left(&given_up).await?;
        let left: BTreeSet<SnapshotId> =
            left.into_iter().filter(|(_, used)| !used).map(|(id, _)| id).collect();
        let is_finished = |(_, known): &&(&RecoveryPointId, &Known)| {
            known.given_up.iter().all(|image| {
                !there.contains(&image.image_id)
                    && image.snapshots.iter().all(|id| !left.contains(id))
            })
        };
        Ok(ended.iter().filter(is_finished).map(|(id, _)| (*id).clone()).collect())
    }

    /// The recorded images that EC2 shows, each with what uses it.
    async fn images(
        &self,
        recorded: &[RestoredRecord],
        gone: &BTreeSet<ImageId>,
    ) -> Result<Vec<Seen>, Fault> {
        let ids: BTreeSet<&ImageId> = recorded.iter().map(|image| &image.image_id).collect();
        let ids: Vec<ImageId> = ids.into_iter().filter(|id| !gone.contains(*id)).cloned().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.observer.vault.images.describe(&ids).await?;
        let mut seen = Vec::new();
        for image in whole(listed, "ec2:DescribeImages", ids[0].as_ref())? {
            if image.state == ImageState::Deregistered {
                continue;
            }
            let details = &self.observer.vault.details;
            let permissions = match details.launch_permissions(&image.id).await {
                Ok(listed) => whole(listed, "ec2:DescribeImageAttribute", image.id.as_str())?,
                // It went a moment ago.
                Err(fault) if fault.class == FaultClass::NotFound => continue,
                Err(fault) => return Err(fault),
            };
            let references = self.usage.references(&image.id).await?;
            let references = whole(references, "ec2:DescribeImageReferences", image.id.as_str())?;
            seen.push(Seen { image, shared_with: permissions, references });
        }
        Ok(seen)
    }

    /// The snapshots of recorded images that EC2 shows, and those of them that another image uses.
    async fn snapshots_left(
        &self,
        recorded: &[RestoredRecord],
    ) -> Result<(Vec<(SnapshotId, bool)>, BTreeSet<SnapshotId>), Fault> {
        let ids: Vec<SnapshotId> = snapshots(recorded).into_iter().collect();
        if ids.is_empty() {
            return Ok((Vec::new(), BTreeSet::new()));
        }
        let shown = self.observer.vault.details.snapshots(&ids).await?;
        let shown = whole(shown, "ec2:DescribeSnapshots", ids[0].as_str())?;
        if shown.is_empty() {
            return Ok((Vec::new(), BTreeSet::new()));
        }
        let users = self.usage.made_of(&ids).await?;
        let users = whole(users, "ec2:DescribeImages", ids[0].as_str())?;
        let is_another = |image: &&Image| {
            image.state != ImageState::Deregistered
                && !recorded.iter().any(|recorded| recorded.image_id == image.id)
        };
        let used: BTreeSet<SnapshotId> =
            users.iter().filter(is_another).flat_map(|image| image.snapshots().cloned()).collect();
        // What lies in the Recycle Bin is deleted.
        let shown = shown.into_iter().filter(|one| one.state != SnapshotState::Recycled);
        let left = shown.map(|snapshot| {
            let is_used = used.contains(&snapshot.id);
            (snapshot.id, is_used)
        });
        let left: Vec<(SnapshotId, bool)> = left.collect();
        let used = left.iter().filter(|(_, used)| *used).map(|(id, _)| id.clone()).collect();
        Ok((left, used))
    }
}

/// A listing without unreadable items: who cannot be read may be the one that matters.
pub(crate) fn whole<T>(
    listing: Listing<T>,
    operation: &'static str,
    resource: &str,
) -> Result<Vec<T>, Fault> {
    match listing.unreadable.first() {
        None => Ok(listing.items),
        Some(first) => Err(Fault {
            class: FaultClass::Bug,
            operation,
            resource: resource.to_owned(),
            code: "UnexpectedAnswer".to_owned(),
            detail: first.why.clone(),
            request_id: None,
        }),
    }
}

fn doubtful(id: &RecoveryPointId, why: &str) -> Fault {
    Fault {
        class: FaultClass::Invalid,
        operation: "s3:GetObject",
        resource: id.to_string(),
        code: "ManifestUnreadable".to_owned(),
        detail: why.to_owned(),
        request_id: None,
    }
}
