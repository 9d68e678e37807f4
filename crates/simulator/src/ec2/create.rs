//! New images and snapshots from what is already there: `RegisterImage`, `CreateImage`,
//! `CreateVolume`, `CreateSnapshot`, `DeleteSnapshot`.

use amiferry_core::ids::{Arn, ImageId, SnapshotId};
use jiff::Timestamp;

use super::image::{
    Device, DeviceTarget, EbsDevice, Image, ImageState, Metadata, Protection, RootDeviceType, Tags,
};
use super::site::{new_image_id, new_snapshot_id, new_volume_id};
use super::snapshot::{Snapshot, SnapshotSharing, SnapshotState, Volume};
use super::{Due, Place, encryption, errors, finish, names, tags, time};
use crate::agenda;
use crate::wire::ApiError;
use crate::world::State;

/// The snapshot behind a device, if it has one.
pub(super) fn snapshot_of(device: &Device) -> Option<&SnapshotId> {
    match &device.target {
        DeviceTarget::Ebs(ebs) => ebs.snapshot.as_ref(),
        DeviceTarget::Ephemeral(_) | DeviceTarget::Suppressed => None,
    }
}

/// What an image is registered from.
#[derive(Debug)]
pub struct NewImage {
    pub name: String,
    /// Its attributes.
    pub metadata: Metadata,
    /// Its devices; a size of 0 stands for that of the snapshot.
    pub devices: Vec<Device>,
    pub tags: Tags,
}

/// Registers an image from snapshots; it is available at once.
///
/// # Errors
/// `InvalidAMIName.*`, `InvalidSnapshot.NotFound`, `InvalidBlockDeviceMapping`, `IncorrectState`.
pub fn register(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    mut new: NewImage,
) -> Result<ImageId, ApiError> {
    names::check(&new.name)?;
    names::refuse_duplicate(state, place, &new.name, now)?;
    tags::check_pairs(&new.tags)?;
    let root = new.metadata.root_device_name.clone().unwrap_or_default();
    let has_root = new.devices.iter().any(|d| d.name == root && snapshot_of(d).is_some());
    if new.metadata.root_device_type == RootDeviceType::Ebs && !has_root {
        return Err(errors::refused(
            "InvalidBlockDeviceMapping",
            format!("The root device {root:?} has no snapshot in the block device mapping."),
        ));
    }
    for device in &mut new.devices {
        let DeviceTarget::Ebs(ebs) = &mut device.target else { continue };
        let Some(id) = &ebs.snapshot else { continue };
        let found = state.ec2.get(place).and_then(|site| site.snapshots.get(id));
        let snapshot = found.ok_or_else(|| errors::snapshot_not_found(id))?;
        if !matches!(snapshot.state, SnapshotState::Completed { .. }) {
            let message = format!("The snapshot '{id}' is {}.", snapshot.state.as_str());
            return Err(errors::refused("IncorrectState", message));
        }
        if ebs.size_gib == 0 {
            ebs.size_gib = snapshot.size_gib;
        }
        if ebs.size_gib < snapshot.size_gib {
            return Err(errors::refused(
                "InvalidBlockDeviceMapping",
                format!("Volume of size {}GB is smaller than snapshot '{id}'.", ebs.size_gib),
            ));
        }
        ebs.encrypted = snapshot.key.is_some();
    }
    let image = assemble(state, now, place, new, ImageState::Available);
    let id = image.id.clone();
    state.ec2.entry(place.clone()).or_default().images.insert(id.clone(), image);
    finish::announce(state, now, place, &id, ImageState::Available.as_str(), "");
    Ok(id)
}

/// Makes an image of an instance; snapshots of all its volumes are taken.
///
/// # Errors
/// `InvalidAMIName.*`, `InvalidInstanceID.NotFound`.
pub fn from_instance(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    instance_id: &str,
    name: &str,
    description: Option<&str>,
    (image_tags, snapshot_tags): (Tags, Tags),
) -> Result<ImageId, ApiError> {
    names::check(name)?;
    tags::check_pairs(&image_tags)?;
    tags::check_pairs(&snapshot_tags)?;
    let found = state.ec2.get(place).and_then(|site| site.instances.get(instance_id));
    let instance = found.cloned().ok_or_else(|| {
        let message = format!("The instance ID '{instance_id}' does not exist");
        errors::refused("InvalidInstanceID.NotFound", message)
    })?;
    names::refuse_duplicate(state, place, name, now)?;
    let mut metadata = instance.metadata;
    metadata.description = description.map(str::to_owned);
    let new =
        NewImage { name: name.to_owned(), metadata, devices: instance.devices, tags: image_tags };
    let mut image = assemble(state, now, place, new, ImageState::Pending);
    image.source_instance = Some(instance_id.to_owned());
    let finishes = time::after(now, state.settings.ec2.snapshot.time_for(image.size_gib()));
    for device in &mut image.devices {
        let DeviceTarget::Ebs(ebs) = &mut device.target else { continue };
        let key = instance.keys.get(&device.name).cloned();
        let description = format!("Created by CreateImage({instance_id}) for {}", image.id);
        let snapshot = Snapshot {
            id: new_snapshot_id(state),
            owner: place.0.clone(),
            state: SnapshotState::Pending { finishes },
            started: now,
            size_gib: ebs.size_gib,
            key,
            description,
            volume: new_volume_id(state),
            tags: snapshot_tags.clone(),
            data: state.rng.u64(..),
            shared: SnapshotSharing::default(),
            source: None,
        };
        ebs.encrypted = snapshot.key.is_some();
        ebs.snapshot = Some(snapshot.id.clone());
        let site = state.ec2.entry(place.clone()).or_default();
        site.snapshots.insert(snapshot.id.clone(), snapshot);
    }
    let id = image.id.clone();
    state.ec2.entry(place.clone()).or_default().images.insert(id.clone(), image);
    let due =
        Due::ImageEnds { place: place.clone(), image: id.clone(), failure: None, claim: None };
    state.agenda.plan(finishes, agenda::Due::Ec2(due));
    Ok(id)
}

/// An image of the place's account with a new id, not yet in the place.
pub(super) fn assemble(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    new: NewImage,
    image_state: ImageState,
) -> Image {
    Image {
        id: new_image_id(state),
        name: new.name,
        owner: place.0.clone(),
        state: image_state,
        state_reason: None,
        created: now,
        metadata: new.metadata,
        devices: new.devices,
        tags: new.tags,
        public: false,
        launch_permissions: Default::default(),
        source: None,
        source_instance: None,
        protection: Protection::OFF,
    }
}

/// What a volume is made from.
#[derive(Debug)]
pub struct NewVolume {
    /// In GiB; a snapshot's size if not given.
    pub size_gib: Option<u32>,
    /// The snapshot it starts from.
    pub snapshot: Option<SnapshotId>,
    /// Whether it was asked to be encrypted.
    pub encrypted: bool,
    /// The key, if one was named.
    pub key: Option<Arn>,
    /// Its Availability Zone.
    pub zone: String,
    /// `gp3`, `io2`, …
    pub volume_type: String,
    pub tags: Tags,
}

/// Makes a volume.
///
/// # Errors
/// `InvalidSnapshot.NotFound`, `MissingParameter` without size and snapshot.
pub fn volume(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    new: NewVolume,
) -> Result<Volume, ApiError> {
    tags::check_pairs(&new.tags)?;
    let source = match &new.snapshot {
        Some(id) => {
            let found = state.ec2.get(place).and_then(|site| site.snapshots.get(id));
            Some(found.ok_or_else(|| errors::snapshot_not_found(id))?.clone())
        }
        None => None,
    };
    let size_gib = new
        .size_gib
        .or(source.as_ref().map(|snapshot| snapshot.size_gib))
        .ok_or_else(|| errors::missing("size/snapshot"))?;
    let data = source.as_ref().map(|snapshot| snapshot.data);
    let inherited = source.and_then(|snapshot| snapshot.key);
    let key = match new.key.or(inherited) {
        Some(key) => Some(encryption::settled(state, now, key)),
        None if new.encrypted => Some(encryption::default_key(state, now, place)?),
        None => encryption::key_for_new_data(state, now, place)?,
    };
    let volume = Volume {
        id: new_volume_id(state),
        size_gib,
        key,
        snapshot: new.snapshot,
        zone: new.zone,
        volume_type: new.volume_type,
        created: now,
        tags: new.tags,
        data: data.unwrap_or_else(|| state.rng.u64(..)),
    };
    let site = state.ec2.entry(place.clone()).or_default();
    site.volumes.insert(volume.id.clone(), volume.clone());
    Ok(volume)
}

/// Begins a snapshot of a volume.
///
/// # Errors
/// `InvalidVolume.NotFound`.
pub fn snapshot(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    volume: &str,
    description: String,
    tags: Tags,
) -> Result<Snapshot, ApiError> {
    tags::check_pairs(&tags)?;
    let found = state.ec2.get(place).and_then(|site| site.volumes.get(volume));
    let source = found.cloned().ok_or_else(|| errors::volume_not_found(volume))?;
    let time = state.settings.ec2.snapshot.time_for(u64::from(source.size_gib));
    let finishes = time::after(now, time);
    let snapshot = Snapshot {
        id: new_snapshot_id(state),
        owner: place.0.clone(),
        state: SnapshotState::Pending { finishes },
        started: now,
        size_gib: source.size_gib,
        key: source.key,
        description,
        volume: source.id,
        tags,
        data: source.data,
        shared: SnapshotSharing::default(),
        source: None,
    };
    let id = snapshot.id.clone();
    let site = state.ec2.entry(place.clone()).or_default();
    site.snapshots.insert(id.clone(), snapshot.clone());
    let due = Due::SnapshotEnds { place: place.clone(), snapshot: id };
    state.agenda.plan(finishes, agenda::Due::Ec2(due));
    Ok(snapshot)
}

/// Deletes a snapshot that backs no image.
///
/// # Errors
/// `InvalidSnapshot.NotFound`, `InvalidSnapshot.InUse`.
pub fn delete_snapshot(state: &mut State, place: &Place, id: &SnapshotId) -> Result<(), ApiError> {
    let site = state.ec2.get_mut(place).ok_or_else(|| errors::snapshot_not_found(id))?;
    if !site.snapshots.contains_key(id) {
        return Err(errors::snapshot_not_found(id));
    }
    if let Some(user) = site.users_of(id).next() {
        let message = format!("The snapshot {id} is currently in use by {}", user.id);
        return Err(errors::refused("InvalidSnapshot.InUse", message));
    }
    site.snapshots.remove(id);
    Ok(())
}

impl EbsDevice {
    /// A general purpose volume of a size, without a snapshot yet.
    pub fn of_size(size_gib: u32) -> Self {
        Self {
            snapshot: None,
            size_gib,
            volume_type: "gp3".to_owned(),
            iops: None,
            throughput: None,
            delete_on_termination: true,
            encrypted: false,
        }
    }
}
