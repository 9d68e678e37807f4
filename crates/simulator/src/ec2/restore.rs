//! `CreateRestoreImageTask`: an image from a `.bin` object, under a new id and name.

use amiferry_core::ids::{Arn, ImageId, SnapshotId};
use jiff::Timestamp;

use super::claim::{Claim, Work};
use super::image::{Device, DeviceTarget, Image, ImageState, Metadata, Protection, Tags};
use super::settings::RestoredTags;
use super::site::{Running, new_image_id, new_snapshot_id, new_volume_id};
use super::snapshot::{Snapshot, SnapshotSharing, SnapshotState};
use super::store::{check_bucket, refuse_over_quota, sites_in_scope, turn};
use super::stored::{self, StoredImage};
use super::{Due, Place, encryption, errors, names, tags, time};
use crate::agenda;
use crate::principal::Principal;
use crate::s3;
use crate::wire::ApiError;
use crate::world::State;

/// What the caller asks for.
#[derive(Debug)]
pub struct RestoreRequest<'a> {
    pub bucket: &'a str,
    /// The object's key, path included.
    pub key: &'a str,
    /// The new image's name; without one it keeps the stored name.
    pub name: Option<&'a str>,
    pub image_tags: Tags,
    pub snapshot_tags: Tags,
}

/// Admits a restore; returns the pending image's id.
///
/// An object that is not one whole stored image still gives an id: that image fails when it is
/// read, as the object is not looked into before.
///
/// # Errors
/// As AWS, or with the codes of [`super::settings::Codes`] where it documents none.
pub fn begin(
    state: &mut State,
    now: Timestamp,
    (place, caller): (&Place, &Principal),
    request: RestoreRequest<'_>,
) -> Result<ImageId, ApiError> {
    tags::check_pairs(&request.image_tags)?;
    tags::check_pairs(&request.snapshot_tags)?;
    check_bucket(state, place, request.bucket)?;
    // `CreateRestoreImageTask` names no key: the account's setting alone decides.
    let encryption = encryption::key_for_new_data(state, now, place)?;
    let work = Work::Restore {
        bucket: request.bucket.to_owned(),
        key: request.key.to_owned(),
        encryption: encryption.clone(),
    };
    let claim = Claim { caller: caller.clone(), work };
    claim.check_at_call(state, now, place)?;
    let content = s3::read_by_service(state, now, request.bucket, request.key).map_err(|code| {
        let (bucket, key) = (request.bucket, request.key);
        let message = format!("The object {key} in the bucket {bucket} cannot be read: {code}.");
        errors::refused(&state.settings.ec2.codes.object_missing, message)
    })?;
    let source = stored::recognise(state, &content).cloned();
    if let Some(source) = &source {
        tags::refuse_too_many(&merged(state, &source.tags, &request.image_tags))?;
        for volume in source.volumes.values() {
            tags::refuse_too_many(&merged(state, &volume.tags, &request.snapshot_tags))?;
        }
    }
    let name = match (request.name, &source) {
        (Some(name), _) => name.to_owned(),
        (None, Some(source)) => source.name.clone(),
        (None, None) => return Err(errors::missing("Name")),
    };
    names::check(&name)?;
    names::refuse_duplicate(state, place, &name, now)?;
    let running: Vec<Running> = state
        .ec2
        .get(place)
        .map(|site| site.restores.values().copied().collect())
        .unwrap_or_default();
    let settings = &state.settings.ec2;
    let in_scope = sites_in_scope(state, place).flat_map(|site| site.restores.values());
    let running_gb = in_scope.map(|running| running.size_gib).sum();
    refuse_over_quota(settings, "restore", running_gb, settings.restore_quota_gb)?;
    let pace = settings.restore;
    let begins = turn(pace, now, running.iter().map(|running| running.ends).collect());
    let id = new_image_id(state);
    let image = Image {
        id: id.clone(),
        name,
        owner: place.0.clone(),
        state: ImageState::Pending,
        state_reason: None,
        created: now,
        metadata: Metadata::default(),
        devices: Vec::new(),
        tags: request.image_tags.clone(),
        public: false,
        launch_permissions: Default::default(),
        source: None,
        source_instance: None,
        protection: Protection::OFF,
    };
    let (image, size_gib, failure) = match source {
        Some(source) => {
            let size_gib = size_of(&source);
            let ends = time::after(begins, pace.time_for(size_gib));
            (
                restored(state, now, place, image, source, (&request, encryption), ends),
                size_gib,
                None,
            )
        }
        None => {
            let failure = format!(
                "The object {} in the bucket {} is not a valid stored AMI.",
                request.key, request.bucket
            );
            (image, 0, Some(failure))
        }
    };
    let ends = time::after(begins, pace.time_for(size_gib));
    let site = state.ec2.entry(place.clone()).or_default();
    site.images.insert(id.clone(), image);
    site.restores.insert(id.clone(), Running { size_gib, ends });
    let claim = Some(Box::new(claim));
    let due = Due::ImageEnds { place: place.clone(), image: id.clone(), failure, claim };
    state.agenda.plan(ends, agenda::Due::Ec2(due));
    Ok(id)
}

fn size_of(source: &StoredImage) -> u64 {
    let sizes = source.devices.iter().filter_map(|device| match &device.target {
        DeviceTarget::Ebs(ebs) => Some(u64::from(ebs.size_gib)),
        DeviceTarget::Ephemeral(_) | DeviceTarget::Suppressed => None,
    });
    sizes.sum()
}

/// The image with what was stored, and its new snapshots.
fn restored(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    mut image: Image,
    source: StoredImage,
    (request, key): (&RestoreRequest<'_>, Option<Arn>),
    finishes: Timestamp,
) -> Image {
    for device in source.devices {
        let DeviceTarget::Ebs(mut ebs) = device.target else {
            image.devices.push(device);
            continue;
        };
        ebs.encrypted = key.is_some();
        if let Some(volume) = source.volumes.get(&device.name) {
            let id: SnapshotId = new_snapshot_id(state);
            let snapshot = Snapshot {
                id: id.clone(),
                owner: place.0.clone(),
                state: SnapshotState::Pending { finishes },
                started: now,
                size_gib: ebs.size_gib,
                key: key.clone(),
                description: volume.description.clone(),
                volume: new_volume_id(state),
                tags: merged(state, &volume.tags, &request.snapshot_tags),
                data: volume.data,
                shared: SnapshotSharing::default(),
                source: None,
            };
            state.ec2.entry(place.clone()).or_default().snapshots.insert(id.clone(), snapshot);
            ebs.snapshot = Some(id);
        }
        image.devices.push(Device { name: device.name, target: DeviceTarget::Ebs(ebs) });
    }
    image.tags = merged(state, &source.tags, &request.image_tags);
    image.metadata = source.metadata;
    if !state.settings.ec2.product_codes_survive {
        image.metadata.product_codes.clear();
    }
    if !state.settings.ec2.uefi_data_survives {
        image.metadata.uefi_data = None;
    }
    if !state.settings.ec2.watermarks_survive {
        image.metadata.watermarks.clear();
    }
    if !state.settings.ec2.instance_types_survive {
        image.metadata.supported_instance_types.clear();
        image.metadata.unsupported_instance_types.clear();
    }
    image.source = Some((source.id, source.region));
    image
}

fn merged(state: &State, stored: &Tags, requested: &Tags) -> Tags {
    match state.settings.ec2.restored_tags {
        RestoredTags::Replace if !requested.is_empty() => requested.clone(),
        RestoredTags::Replace | RestoredTags::Merge => {
            let mut tags = stored.clone();
            tags.extend(requested.clone());
            tags
        }
    }
}
