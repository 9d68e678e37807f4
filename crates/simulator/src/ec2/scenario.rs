//! Images, instances and settings put into the world without a call, and readers for tests.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn, ImageId, Region, SnapshotId};
use jiff::Timestamp;

use super::create::{self, NewImage};
use super::encryption::DefaultEncryption;
use super::image::{
    Device, DeviceTarget, EbsDevice, Image, ImageState, Metadata, RootDeviceType, Tags,
};
use super::site::new_snapshot_id;
use super::snapshot::{Instance, Snapshot, SnapshotSharing, SnapshotState};
use super::store::StoreTask;
use super::{Place, encryption, finish};
use crate::world::State;

/// An image to put into the world.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    pub name: String,
    pub tags: Tags,
    /// Its EBS volumes, the root first.
    pub volumes: Vec<VolumeSpec>,
    /// Its attributes; the root device name is taken from the first volume.
    pub metadata: Metadata,
    /// When it was created; without, now.
    pub created: Option<Timestamp>,
    /// Whether its `available` event is sent.
    pub announced: bool,
}

impl Default for ImageSpec {
    /// An unencrypted Linux image with one volume of 8 GiB; its event is sent.
    fn default() -> Self {
        Self {
            name: "image".to_owned(),
            tags: Tags::new(),
            volumes: vec![VolumeSpec::default()],
            metadata: Metadata::default(),
            created: None,
            announced: true,
        }
    }
}

/// A volume of an image to put into the world.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// Its device name.
    pub device: String,
    pub size_gib: u32,
    /// The key its snapshot is encrypted with, if it is.
    pub encrypted: Option<Arn>,
    /// `gp3`, `io2`, …
    pub volume_type: String,
    /// Provisioned operations per second.
    pub iops: Option<u32>,
    /// Provisioned MiB/s.
    pub throughput: Option<u32>,
    /// Tags of its snapshot.
    pub tags: Tags,
}

impl Default for VolumeSpec {
    fn default() -> Self {
        Self {
            device: "/dev/xvda".to_owned(),
            size_gib: 8,
            encrypted: None,
            volume_type: "gp3".to_owned(),
            iops: None,
            throughput: None,
            tags: Tags::new(),
        }
    }
}

impl VolumeSpec {
    fn device(&self, snapshot: Option<SnapshotId>) -> Device {
        let ebs = EbsDevice {
            snapshot,
            volume_type: self.volume_type.clone(),
            iops: self.iops,
            throughput: self.throughput,
            encrypted: self.encrypted.is_some(),
            ..EbsDevice::of_size(self.size_gib)
        };
        Device { name: self.device.clone(), target: DeviceTarget::Ebs(ebs) }
    }
}

/// Puts an available image with its snapshots into an account and Region. Its name is not
/// checked.
pub fn add_image(
    state: &mut State,
    at: Timestamp,
    account: &AccountId,
    region: &Region,
    spec: ImageSpec,
) -> ImageId {
    let place: Place = (account.clone(), region.clone());
    let created = spec.created.unwrap_or(at);
    let ebs = spec.metadata.root_device_type == RootDeviceType::Ebs;
    let mut devices = Vec::new();
    for volume in spec.volumes.iter().filter(|_| ebs) {
        let snapshot = Snapshot {
            id: new_snapshot_id(state),
            owner: place.0.clone(),
            state: SnapshotState::Completed { at: created },
            started: created,
            size_gib: volume.size_gib,
            key: volume.encrypted.clone().map(|key| encryption::settled(state, at, key)),
            description: format!("{} of {}", volume.device, spec.name),
            volume: super::site::new_volume_id(state),
            tags: volume.tags.clone(),
            data: state.rng.u64(..),
            shared: SnapshotSharing::default(),
            source: None,
        };
        devices.push(volume.device(Some(snapshot.id.clone())));
        let site = state.ec2.entry(place.clone()).or_default();
        site.snapshots.insert(snapshot.id.clone(), snapshot);
    }
    let mut metadata = spec.metadata;
    metadata.root_device_name = devices.first().map(|device| device.name.clone());
    let new = NewImage { name: spec.name, metadata, devices, tags: spec.tags };
    let image = create::assemble(state, created, &place, new, ImageState::Available);
    let id = image.id.clone();
    state.ec2.entry(place.clone()).or_default().images.insert(id.clone(), image);
    if spec.announced {
        finish::announce(state, at, &place, &id, ImageState::Available.as_str(), "");
    }
    id
}

/// Puts an instance into an account and Region, from which `CreateImage` makes images; gives
/// its id.
pub fn add_instance(
    state: &mut State,
    at: Timestamp,
    account: &AccountId,
    region: &Region,
    metadata: Metadata,
    volumes: &[VolumeSpec],
) -> String {
    let id = format!("i-0{:016x}", state.rng.u64(..));
    let mut keys = BTreeMap::new();
    for volume in volumes {
        if let Some(key) = volume.encrypted.clone() {
            keys.insert(volume.device.clone(), encryption::settled(state, at, key));
        }
    }
    let instance = Instance {
        metadata: Metadata {
            root_device_name: volumes.first().map(|volume| volume.device.clone()),
            ..metadata
        },
        devices: volumes.iter().map(|volume| volume.device(None)).collect(),
        keys,
    };
    let site = state.ec2.entry((account.clone(), region.clone())).or_default();
    site.instances.insert(id.clone(), instance);
    id
}

/// Turns EBS encryption by default on with a key, or off.
pub fn set_default_encryption(
    state: &mut State,
    account: &AccountId,
    region: &Region,
    key: Option<Arn>,
) {
    let site = state.ec2.entry((account.clone(), region.clone())).or_default();
    site.encryption = DefaultEncryption { on: key.is_some(), key };
}

/// An image of an account's own.
pub fn image<'a>(
    state: &'a State,
    account: &AccountId,
    region: &Region,
    id: &ImageId,
) -> Option<&'a Image> {
    state.ec2.get(&(account.clone(), region.clone()))?.images.get(id)
}

/// All images of an account's own, by id.
pub fn images<'a>(
    state: &'a State,
    account: &AccountId,
    region: &Region,
) -> impl Iterator<Item = &'a Image> {
    let site = state.ec2.get(&(account.clone(), region.clone()));
    site.into_iter().flat_map(|site| site.images.values())
}

/// The snapshots of one of the account's images, in device order.
pub fn snapshots<'a>(
    state: &'a State,
    account: &AccountId,
    region: &Region,
    id: &ImageId,
) -> Vec<&'a Snapshot> {
    let Some(site) = state.ec2.get(&(account.clone(), region.clone())) else { return Vec::new() };
    let Some(image) = site.images.get(id) else { return Vec::new() };
    image.snapshots().filter_map(|id| site.snapshots.get(id)).collect()
}

/// The store tasks of an account and Region, oldest first.
pub fn store_tasks<'a>(
    state: &'a State,
    account: &AccountId,
    region: &Region,
) -> impl Iterator<Item = &'a StoreTask> {
    let site = state.ec2.get(&(account.clone(), region.clone()));
    site.into_iter().flat_map(|site| site.store_tasks.values())
}
