//! What the vault shows of our restores: images under their names, and the snapshots of images.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::fault::Fault;
use amiferry_core::ids::SnapshotId;
use amiferry_core::model::{Image, Snapshot};
use amiferry_core::names::{self, RecoveryPointId};
use amiferry_core::ports::Unreadable;

use crate::observe::{DESCRIBE_IMAGES, Observer};

impl Observer {
    /// The images under the names of our restores, the newest generation last, or the fault.
    pub(crate) async fn restored(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<BTreeMap<RecoveryPointId, Result<Vec<Image>, Fault>>, Fault> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let owners: BTreeMap<String, &RecoveryPointId> = ids
            .iter()
            .flat_map(|id| names::restored_names(id).into_iter().map(move |name| (name, id)))
            .collect();
        let names: Vec<String> = owners.keys().cloned().collect();
        let listed = self.vault.images.named(&names).await?;
        let mut found: BTreeMap<RecoveryPointId, Vec<Image>> = BTreeMap::new();
        let mut unread = BTreeMap::new();
        for image in listed.items {
            if let Some(id) = owners.get(&image.name) {
                found.entry((*id).clone()).or_default().push(image);
            } else if let Some(id) = ids.iter().find(|id| names::is_tagged_for(id, &image.tags)) {
                let nameless = Unreadable::new(None, "it has no name");
                unread.insert(id.clone(), nameless.fault(DESCRIBE_IMAGES, image.id.as_str()));
            }
        }
        for item in &listed.unreadable {
            if let Some((name, id)) = owners.get_key_value(item.id.as_deref().unwrap_or_default()) {
                unread.insert((*id).clone(), item.fault(DESCRIBE_IMAGES, name));
            }
        }
        for (id, images) in &mut found {
            images.sort_by_key(|image| names::generation(id, &image.name));
        }
        let mut found: BTreeMap<_, _> =
            found.into_iter().map(|(id, images)| (id, Ok(images))).collect();
        found.extend(unread.into_iter().map(|(id, fault)| (id, Err(fault))));
        Ok(found)
    }

    pub(crate) async fn snapshots(
        &self,
        images: impl Iterator<Item = &Image>,
    ) -> Result<BTreeMap<SnapshotId, Result<Snapshot, Fault>>, Fault> {
        let ids: BTreeSet<SnapshotId> =
            images.flat_map(|image| image.snapshots().cloned()).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<SnapshotId> = ids.into_iter().collect();
        let snapshots = self.vault.details.snapshots(&ids).await?;
        Ok(snapshots.by_id(&ids, |snapshot| snapshot.id.clone(), "ec2:DescribeSnapshots"))
    }
}
