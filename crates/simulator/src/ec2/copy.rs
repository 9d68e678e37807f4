//! `CopyImage`: the same image in the caller's account, from this or another Region.

use amiferry_core::ids::{Arn, ImageId, Region};
use jiff::Timestamp;

use super::claim::{Claim, Work};
use super::create::{self, NewImage};
use super::image::{DeviceTarget, Image, ImageState, Tags};
use super::site::{new_snapshot_id, seen_image};
use super::snapshot::{Snapshot, SnapshotSharing, SnapshotState};
use super::{Due, Place, encryption, errors, names, tags, time};
use crate::agenda;
use crate::principal::Principal;
use crate::wire::ApiError;
use crate::world::State;

/// AMI copies that may be pending in a destination Region ("How Amazon EC2 AMI copy works").
const CONCURRENT_LIMIT: usize = 300;

/// The volume id that AWS shows for the snapshots of copies.
const ARBITRARY_VOLUME: &str = "vol-ffffffff";

/// What the caller asks for.
#[derive(Debug)]
pub struct CopyRequest {
    /// The Region of the source image.
    pub source_region: Region,
    /// The source image.
    pub source: ImageId,
    /// The name of the copy.
    pub name: String,
    pub description: Option<String>,
    /// Whether its snapshots were asked to be encrypted.
    pub encrypted: bool,
    /// With which key, if one was named.
    pub key: Option<Arn>,
    /// Makes the call safe to repeat.
    pub client_token: Option<String>,
    /// Whether the tags of the source are copied.
    pub copy_tags: bool,
    pub image_tags: Tags,
    pub snapshot_tags: Tags,
}

/// Begins a copy; returns the pending image's id. The same client token and parameters give the
/// same image again.
///
/// # Errors
/// `InvalidAMIID.*`, `InvalidAMIName.*`, `IdempotentParameterMismatch`, `ResourceLimitExceeded`.
pub fn begin(
    state: &mut State,
    now: Timestamp,
    (place, caller): (&Place, &Principal),
    request: CopyRequest,
) -> Result<ImageId, ApiError> {
    let fingerprint = format!("{request:?}");
    let site = state.ec2.entry(place.clone()).or_default();
    if let Some((made_with, id)) =
        request.client_token.as_ref().and_then(|token| site.copies.get(token))
    {
        if *made_with == fingerprint {
            return Ok(id.clone());
        }
        let message = "The client token was used with other parameters.";
        return Err(errors::refused("IdempotentParameterMismatch", message));
    }
    let pending = |image: &&Image| image.state == ImageState::Pending;
    if site.images.values().filter(pending).count() >= CONCURRENT_LIMIT {
        let message = format!("There are {CONCURRENT_LIMIT} image copies in progress already.");
        return Err(errors::refused("ResourceLimitExceeded", message));
    }
    names::check(&request.name)?;
    names::refuse_duplicate(state, place, &request.name, now)?;
    tags::check_pairs(&request.image_tags)?;
    tags::check_pairs(&request.snapshot_tags)?;
    let from = (place.0.clone(), request.source_region.clone());
    let source = seen_image(state, &from, &request.source)
        .ok_or_else(|| errors::image_not_found([&request.source]))?
        .clone();
    if source.state != ImageState::Available {
        return Err(errors::unavailable(&source.id, source.state.as_str()));
    }
    let home = (source.owner.clone(), request.source_region.clone());
    refuse_foreign_storage(state, place, &home, &source)?;
    // Tags of an image are its owner's alone.
    let copies_tags = request.copy_tags && source.owner == place.0;
    let mut tags = if copies_tags { source.tags.clone() } else { Tags::new() };
    tags.extend(request.image_tags.clone());
    let mut metadata = source.metadata.clone();
    metadata.deprecation = None;
    if request.description.is_some() {
        metadata.description.clone_from(&request.description);
    }
    let finishes = time::after(now, state.settings.ec2.copy.time_for(source.size_gib()));
    let new =
        NewImage { name: request.name.clone(), metadata, devices: source.devices.clone(), tags };
    let mut image = create::assemble(state, now, place, new, ImageState::Pending);
    image.source = Some((source.id.clone(), request.source_region.clone()));
    let mut work = (Vec::new(), Vec::new());
    for device in &mut image.devices {
        let DeviceTarget::Ebs(ebs) = &mut device.target else { continue };
        let Some(old) = &ebs.snapshot else { continue };
        let found = state.ec2.get(&home).and_then(|site| site.snapshots.get(old));
        let old = found.ok_or_else(|| errors::snapshot_not_found(old))?.clone();
        let key = match &request.key {
            Some(key) => Some(encryption::settled(state, now, key.clone())),
            None if request.encrypted || old.key.is_some() => {
                Some(encryption::default_key(state, now, place)?)
            }
            None => encryption::key_for_new_data(state, now, place)?,
        };
        let (from, region) = (&source.id, &request.source_region);
        let description = format!(
            "Copied for DestinationAmi {} from SourceAmi {from} for SourceSnapshot {} in {region}.",
            image.id, old.id
        );
        let snapshot = Snapshot {
            id: new_snapshot_id(state),
            owner: place.0.clone(),
            state: SnapshotState::Pending { finishes },
            started: now,
            size_gib: old.size_gib,
            key,
            description,
            volume: ARBITRARY_VOLUME.to_owned(),
            tags: request.snapshot_tags.clone(),
            data: old.data,
            shared: SnapshotSharing::default(),
            source: Some((old.id.clone(), request.source_region.clone())),
        };
        work.0.push((old.id, old.key));
        work.1.extend(snapshot.key.clone());
        ebs.encrypted = snapshot.key.is_some();
        ebs.snapshot = Some(snapshot.id.clone());
        let site = state.ec2.entry(place.clone()).or_default();
        site.snapshots.insert(snapshot.id.clone(), snapshot);
    }
    let id = image.id.clone();
    let site = state.ec2.entry(place.clone()).or_default();
    site.images.insert(id.clone(), image);
    if let Some(token) = request.client_token {
        site.copies.insert(token, (fingerprint, id.clone()));
    }
    let work = Work::Copy { snapshots: work.0, encryption: work.1 };
    let claim = Claim { caller: caller.clone(), work };
    let due = Due::ImageEnds {
        place: place.clone(),
        image: id.clone(),
        failure: None,
        claim: Some(Box::new(claim)),
    };
    state.agenda.plan(finishes, agenda::Due::Ec2(due));
    Ok(id)
}

/// Refuses an image that is shared without its snapshots.
fn refuse_foreign_storage(
    state: &State,
    place: &Place,
    home: &Place,
    source: &Image,
) -> Result<(), ApiError> {
    let site = state.ec2.get(home);
    let closed = source.snapshots().any(|id| {
        let snapshot = site.and_then(|site| site.snapshots.get(id));
        snapshot.is_some_and(|snapshot| !snapshot.visible_to(&place.0))
    });
    if closed {
        let message = "You do not have permission to access the storage of this ami";
        return Err(errors::refused("InvalidRequest", message));
    }
    Ok(())
}
