//! What a `.bin` object holds, and how a restore finds it from the object's content.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, ImageId, Region};
use jiff::Timestamp;

use super::image::{Device, Image, Metadata, Tags};
use super::site::Site;
use crate::s3::content::Content;
use crate::world::State;

/// What a `.bin` object holds: the image as it was when it was stored. Sharing is not in it.
#[derive(Debug, Clone)]
pub struct StoredImage {
    /// The image's id.
    pub id: ImageId,
    /// Where it was.
    pub region: Region,
    /// Who owned it.
    pub owner: AccountId,
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// Its attributes.
    pub metadata: Metadata,
    /// Its devices; the snapshot ids in them mean nothing elsewhere.
    pub devices: Vec<Device>,
    pub tags: Tags,
    /// The data of each device, decrypted, by device name.
    pub volumes: BTreeMap<String, StoredVolume>,
    /// When the store began.
    pub stored: Timestamp,
    /// Length of the object in bytes.
    pub length: u64,
}

/// The data of one device.
#[derive(Debug, Clone)]
pub struct StoredVolume {
    /// What is on it: equal numbers mean equal data.
    pub data: u64,
    /// Description of its snapshot.
    pub description: String,
    /// Tags of its snapshot.
    pub tags: Tags,
}

impl StoredImage {
    /// The image as it is now.
    pub fn of(image: &Image, site: &Site, region: &Region, at: Timestamp, percent: u64) -> Self {
        let volumes = image.devices.iter().filter_map(|device| {
            let id = super::create::snapshot_of(device)?;
            let snapshot = site.snapshots.get(id)?;
            let volume = StoredVolume {
                data: snapshot.data,
                description: snapshot.description.clone(),
                tags: snapshot.tags.clone(),
            };
            Some((device.name.clone(), volume))
        });
        let bytes = image.size_gib().saturating_mul(1 << 30);
        Self {
            id: image.id.clone(),
            region: region.clone(),
            owner: image.owner.clone(),
            name: image.name.clone(),
            created: image.created,
            metadata: image.metadata.clone(),
            devices: image.devices.clone(),
            tags: image.tags.clone(),
            volumes: volumes.collect(),
            stored: at,
            // The largest object that S3 takes is 5 TiB.
            length: (bytes.saturating_mul(percent) / 100).clamp(1 << 20, 5 << 40),
        }
    }

    /// Leaves the tags out: an account to which an image is shared does not see its owner's.
    pub fn forget_tags(&mut self) {
        self.tags.clear();
        for volume in self.volumes.values_mut() {
            volume.tags.clear();
        }
    }
}

/// The content of a whole stored image.
pub fn content(seed: u64, length: u64) -> Content {
    Content::synthetic(seed, length)
}

/// The stored image that an object's content is, if it is one whole and unchanged.
pub fn recognise<'a>(state: &'a State, found: &Content) -> Option<&'a StoredImage> {
    let range = found.as_synthetic()?;
    let image = state.stored_images.get(&range.seed)?;
    (range.start == 0 && range.len == image.length).then_some(image)
}
