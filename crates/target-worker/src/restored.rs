//! What the vault shows of our restores: images under their names, and what belongs to the newest of
//! each.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::vault::observation::{Observation, Part};
use amiferry_core::decide::vault::{self, Asked, ManifestFact, Observed, UefiData, Unanswered};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::{Image, ImageState, Snapshot};
use amiferry_core::names::{self, RecoveryPointId};
use amiferry_core::ports::Unreadable;
use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::observe::{CALLS_IN_FLIGHT, DESCRIBE_IMAGES, Observer, unanswered};
use crate::patience::Patience;

impl Observer {
    /// The images that were restored, where they matter, and what belongs to the newest of each. A call
    /// that failed is the result for what it concerns.
    pub async fn look_at_restored(
        &self,
        seen: &mut [Result<Observation, Unanswered>],
        now: Timestamp,
    ) {
        let wanted: Vec<usize> = (0..seen.len())
            .filter(|&index| {
                let observation = seen[index].as_ref().ok();
                observation.is_some_and(|observation| {
                    vault::needs_restored(&self.policies, &observation.observed)
                })
            })
            .collect();
        self.see_restored(seen, &wanted, now).await;
        self.see_details(seen, &wanted, now).await;
    }

    async fn see_restored(
        &self,
        seen: &mut [Result<Observation, Unanswered>],
        wanted: &[usize],
        now: Timestamp,
    ) {
        let asked: Vec<(usize, RecoveryPointId)> = wanted
            .iter()
            .filter_map(|&index| Some((index, seen[index].as_ref().ok()?)))
            .filter(|(_, observation)| !observation.counts(Part::Restored, now))
            .map(|(index, observation)| (index, observation.observed.id.clone()))
            .collect();
        let ids: Vec<RecoveryPointId> = asked.iter().map(|(_, id)| id.clone()).collect();
        let mut answer = self.restored(&ids).await;
        let originals: Vec<(RecoveryPointId, String)> = asked
            .iter()
            .filter_map(|(index, _)| original(&seen[*index].as_ref().ok()?.observed))
            .collect();
        if let Ok(found) = &mut answer
            && let Err(fault) = self.under_original_names(&originals, found).await
        {
            answer = Err(fault);
        }
        for (index, id) in asked {
            let found = match &mut answer {
                Ok(restored) => restored.remove(&id).unwrap_or(Ok(Vec::new())),
                Err(fault) => Err(fault.clone()),
            };
            match (seen[index].as_mut(), found) {
                (Ok(observation), Ok(restored)) => {
                    observation.observed.restored = restored;
                    observation.saw(Part::Restored, now);
                }
                (Ok(_), Err(fault)) => seen[index] = Err(unanswered(Asked::Restored)(fault)),
                (Err(_), _) => {}
            }
        }
    }

    /// Recorded images under names that are not derived: a person had them restored under those of
    /// their sources. They are found by their ids.
    pub(crate) async fn see_renamed(
        &self,
        seen: &mut [Result<Observation, Unanswered>],
        now: Timestamp,
    ) {
        let vault = self.vault_id();
        let renamed = |observation: &Observation| {
            let ManifestFact::Present(manifest) = &observation.observed.manifest else {
                return None;
            };
            let recorded = manifest.restored.as_ref()?;
            let is_seen =
                observation.observed.restored.iter().any(|image| image.id == recorded.image_id);
            let is_derived = names::restored_as(&vault, &recorded.name).is_some();
            let matters = vault::needs_restored(&self.policies, &observation.observed);
            (matters && !is_seen && !is_derived).then(|| recorded.image_id.clone())
        };
        let wanted: Vec<(usize, ImageId)> = seen
            .iter()
            .enumerate()
            .filter_map(|(index, observation)| Some((index, renamed(observation.as_ref().ok()?)?)))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let ids: Vec<ImageId> = wanted.iter().map(|(_, id)| id.clone()).collect();
        let answer = self.vault.images.describe(&ids).await;
        let found =
            answer.map(|images| images.by_id(&ids, |image| image.id.clone(), DESCRIBE_IMAGES));
        let mut indexes = Vec::new();
        for (index, id) in wanted {
            let image = match &found {
                Ok(images) => images.get(&id).cloned().transpose(),
                Err(fault) => Err(fault.clone()),
            };
            match (seen[index].as_mut(), image) {
                (Ok(observation), Ok(Some(image))) => {
                    observation.observed.restored.push(image);
                    observation.forget(Part::Details);
                    indexes.push(index);
                }
                (Ok(_), Err(fault)) => seen[index] = Err(unanswered(Asked::Restored)(fault)),
                (Ok(_), Ok(None)) | (Err(_), _) => {}
            }
        }
        self.see_details(seen, &indexes, now).await;
    }

    /// Images of ours that a person had restored under the names of their sources, before they are
    /// recorded.
    async fn under_original_names(
        &self,
        observations: &[(RecoveryPointId, String)],
        found: &mut BTreeMap<RecoveryPointId, Result<Vec<Image>, Fault>>,
    ) -> Result<(), Fault> {
        if observations.is_empty() {
            return Ok(());
        }
        let names: BTreeSet<&String> = observations.iter().map(|(_, name)| name).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let listed = self.vault.images.named(&names).await?;
        for (id, name) in observations {
            let is_it =
                |image: &&Image| image.name == *name && names::is_tagged_for(id, &image.tags);
            let images = listed.items.iter().filter(is_it).cloned();
            if let Ok(known) = found.entry(id.clone()).or_insert(Ok(Vec::new())) {
                known.extend(images);
            }
        }
        Ok(())
    }

    /// Snapshots and launch permissions of the newest restored images.
    async fn see_details(
        &self,
        seen: &mut [Result<Observation, Unanswered>],
        wanted: &[usize],
        now: Timestamp,
    ) {
        let asked: Vec<(usize, Option<Image>)> = wanted
            .iter()
            .filter_map(|&index| Some((index, seen[index].as_ref().ok()?)))
            .filter(|(_, observation)| !observation.counts(Part::Details, now))
            .map(|(index, observation)| (index, observation.observed.restored.last().cloned()))
            .collect();
        let snapshots = self.snapshots(asked.iter().filter_map(|(_, newest)| newest.as_ref()));
        let snapshots = match snapshots.await {
            Ok(snapshots) => snapshots,
            Err(fault) => {
                let lost = unanswered(Asked::Restored)(fault);
                asked.into_iter().for_each(|(index, _)| seen[index] = Err(lost.clone()));
                return;
            }
        };
        // Collected first: a lazy iterator of borrowing futures is not general enough for Send.
        let permissions: Vec<_> =
            asked.iter().map(|(_, newest)| self.permissions(newest.clone())).collect();
        let permissions: Vec<_> =
            stream::iter(permissions).buffered(CALLS_IN_FLIGHT).collect().await;
        for ((index, newest), permissions) in asked.into_iter().zip(permissions) {
            let found = || {
                let ids = newest.iter().flat_map(Image::snapshots);
                let snapshots = ids.filter_map(|id| snapshots.get(id).cloned());
                Ok((snapshots.collect::<Result<_, Fault>>()?, permissions?))
            };
            match (seen[index].as_mut(), found()) {
                (Ok(observation), Ok((snapshots, permissions))) => {
                    observation.observed.snapshots = snapshots;
                    observation.observed.launch_permissions = permissions;
                    observation.saw(Part::Details, now);
                }
                (Ok(_), Err(fault)) => seen[index] = Err(unanswered(Asked::Restored)(fault)),
                (Err(_), _) => {}
            }
        }
    }

    async fn permissions(&self, newest: Option<Image>) -> Result<Option<Vec<String>>, Fault> {
        match newest.filter(|image| image.state == ImageState::Available) {
            Some(image) => match self.vault.details.launch_permissions(&image.id).await {
                Ok(permissions) => match permissions.unreadable.first() {
                    Some(item) => Err(item.fault("ec2:DescribeImageAttribute", image.id.as_str())),
                    None => Ok(Some(permissions.items)),
                },
                // One call of EC2 can show a new image that another call does not know yet.
                Err(fault) if fault.class == FaultClass::NotFound => Ok(None),
                Err(fault) => Err(fault),
            },
            None => Ok(None),
        }
    }

    /// Whether source and restored image have UEFI data, once both are there. What is not told, such as
    /// for lack of a permission, is not known and stops nothing.
    pub(crate) async fn see_uefi_data(
        &self,
        seen: &mut [Result<Observation, Unanswered>],
        patience: &Patience,
    ) {
        let asked: Vec<(usize, RecoveryPointId, ImageId)> = seen
            .iter()
            .enumerate()
            .filter_map(|(index, observation)| {
                let observed = &observation.as_ref().ok()?.observed;
                let restored = vault::lacks_uefi_data(observed)?;
                Some((index, observed.id.clone(), restored.clone()))
            })
            .collect();
        // Collected first, as above.
        let questions: Vec<_> = asked
            .iter()
            .map(|(_, id, restored)| self.uefi_data(id.clone(), restored.clone(), patience))
            .collect();
        let answers: Vec<_> = stream::iter(questions).buffered(CALLS_IN_FLIGHT).collect().await;
        for ((index, ..), answer) in asked.into_iter().zip(answers) {
            if let Ok(observation) = &mut seen[index] {
                observation.observed.uefi_data = answer;
            }
        }
    }

    async fn uefi_data(
        &self,
        id: RecoveryPointId,
        restored: ImageId,
        patience: &Patience,
    ) -> UefiData {
        let Some(source) = self.source(&id) else { return UefiData::default() };
        let (place, image) = (id.source(), &id.source_image_id);
        let asked = source.details.has_uefi_data(image);
        let of_source =
            patience.with(&place, "ec2:DescribeImageAttribute", image, asked).await.ok();
        // A restore adds none.
        let of_restored = match of_source {
            Some(true) => self.vault.details.has_uefi_data(&restored).await.ok(),
            Some(false) | None => None,
        };
        UefiData { source: of_source, restored: of_restored }
    }

    /// The images under the names of our restores, the newest generation last, or the fault.
    pub(crate) async fn restored(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<BTreeMap<RecoveryPointId, Result<Vec<Image>, Fault>>, Fault> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (asked, vault): (BTreeSet<&RecoveryPointId>, _) =
            (ids.iter().collect(), self.vault_id());
        let owner =
            |name: &str| names::restored_owner(&vault, name).filter(|owner| asked.contains(owner));
        let names: Vec<String> = asked.iter().map(|id| names::restored_name(id, 1)).collect();
        let listed = self.vault.images.named(&names).await?;
        let mut found: BTreeMap<RecoveryPointId, Vec<Image>> = BTreeMap::new();
        let mut unread = BTreeMap::new();
        for image in listed.items {
            if let Some(id) = owner(&image.name) {
                found.entry(id).or_default().push(image);
            } else if let Some(id) = ids.iter().find(|id| names::is_tagged_for(id, &image.tags)) {
                let nameless = Unreadable::new(None, "it has no name");
                unread.insert(id.clone(), nameless.fault(DESCRIBE_IMAGES, image.id.as_str()));
            }
        }
        for item in &listed.unreadable {
            let name = item.id.as_deref().unwrap_or_default();
            if let Some(id) = owner(name) {
                unread.insert(id, item.fault(DESCRIBE_IMAGES, name));
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

    async fn snapshots(
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

/// The name of the source image of a recovery point that a person wants under it.
fn original(observed: &Observed) -> Option<(RecoveryPointId, String)> {
    let wanted = observed.recovery.as_ref().is_some_and(|recovery| recovery.original_name);
    match &observed.manifest {
        ManifestFact::Present(manifest) if wanted && !manifest.source.name.is_empty() => {
            Some((observed.id.clone(), manifest.source.name.clone()))
        }
        _ => None,
    }
}
