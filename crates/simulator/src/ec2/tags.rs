//! Tags of images, snapshots and volumes, and the limits on them.

use super::image::Tags;
use super::{Place, errors, site};
use crate::wire::ApiError;
use crate::world::State;

/// Tags that a resource can have.
const TAG_LIMIT: usize = 50;

/// A resource that can be tagged, by the form of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// `ami-…`
    Image,
    /// `snap-…`
    Snapshot,
    /// `vol-…`
    Volume,
}

impl Resource {
    /// The type as AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Snapshot => "snapshot",
            Self::Volume => "volume",
        }
    }

    /// What an id is the id of.
    ///
    /// # Errors
    /// `InvalidID` for other kinds of resource.
    pub fn of(id: &str) -> Result<Self, ApiError> {
        match id.split('-').next() {
            Some("ami") => Ok(Self::Image),
            Some("snap") => Ok(Self::Snapshot),
            Some("vol") => Ok(Self::Volume),
            _ => Err(errors::refused("InvalidID", format!("The ID '{id}' is not valid"))),
        }
    }
}

/// Checks keys and values: keys of 1 to 128 characters not starting with `aws:`, values of at
/// most 256.
///
/// # Errors
/// `InvalidParameterValue`; `TagLimitExceeded` for more than 50.
pub fn check_pairs(tags: &Tags) -> Result<(), ApiError> {
    for (key, value) in tags {
        let length = key.chars().count();
        if length == 0 || length > 128 {
            return Err(errors::invalid("key", key, "Tag keys have 1 to 128 characters."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(errors::invalid("key", key, "Tag keys starting with 'aws:' are reserved."));
        }
        if value.chars().count() > 256 {
            return Err(errors::invalid("value", value, "Tag values have at most 256 characters."));
        }
    }
    refuse_too_many(tags)
}

/// Refuses more tags than a resource can have.
///
/// # Errors
/// `TagLimitExceeded`.
pub(super) fn refuse_too_many(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() <= TAG_LIMIT {
        return Ok(());
    }
    let message = format!("The maximum number of {TAG_LIMIT} tags on a resource has been reached.");
    Err(errors::refused("TagLimitExceeded", message))
}

/// Sets tags on resources of the account, on all of them or on none.
///
/// # Errors
/// A `NotFound` code of the resource's kind, or as [`check_pairs`].
pub fn set(state: &mut State, place: &Place, ids: &[&str], tags: &Tags) -> Result<(), ApiError> {
    check_pairs(tags)?;
    for id in ids {
        let mut all = tags_of(state, place, id)?.clone();
        all.extend(tags.clone());
        refuse_too_many(&all)?;
    }
    for id in ids {
        tags_of(state, place, id)?.extend(tags.clone());
    }
    Ok(())
}

/// Removes tags: a pair with a value only if the value is equal, and all tags if none is named.
///
/// # Errors
/// A `NotFound` code of the resource's kind.
pub fn remove(
    state: &mut State,
    place: &Place,
    ids: &[&str],
    pairs: &[(String, Option<String>)],
) -> Result<(), ApiError> {
    for id in ids {
        tags_of(state, place, id)?;
    }
    for id in ids {
        let tags = tags_of(state, place, id)?;
        let named = |key: &String, value: &String| {
            pairs.iter().any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value))
        };
        tags.retain(|key, value| !pairs.is_empty() && !named(key, value));
    }
    Ok(())
}

fn tags_of<'a>(state: &'a mut State, place: &Place, id: &str) -> Result<&'a mut Tags, ApiError> {
    match Resource::of(id)? {
        Resource::Image => {
            let id = errors::image_id(id)?;
            site::own_image(state, place, &id).map(|image| &mut image.tags)
        }
        Resource::Snapshot => {
            let id = errors::snapshot_id(id)?;
            let site = state.ec2.get_mut(place);
            site.and_then(|site| site.snapshots.get_mut(&id))
                .map(|snapshot| &mut snapshot.tags)
                .ok_or_else(|| errors::snapshot_not_found(&id))
        }
        Resource::Volume => {
            let site = state.ec2.get_mut(place);
            site.and_then(|site| site.volumes.get_mut(id))
                .map(|volume| &mut volume.tags)
                .ok_or_else(|| errors::volume_not_found(id))
        }
    }
}

/// The tags of one of the account's resources, if it is there.
pub fn of<'a>(state: &'a State, place: &Place, id: &str) -> Option<&'a Tags> {
    let site = state.ec2.get(place)?;
    match Resource::of(id).ok()? {
        Resource::Image => site.images.get(&id.parse().ok()?).map(|image| &image.tags),
        Resource::Snapshot => site.snapshots.get(&id.parse().ok()?).map(|found| &found.tags),
        Resource::Volume => site.volumes.get(id).map(|volume| &volume.tags),
    }
}

/// All tags of the account in the Region: resource id, its kind, key, value.
pub fn all<'a>(
    state: &'a State,
    place: &Place,
) -> Vec<(&'a str, Resource, &'a String, &'a String)> {
    let Some(site) = state.ec2.get(place) else { return Vec::new() };
    let images = site.images.values().map(|x| (x.id.as_str(), Resource::Image, &x.tags));
    let snapshots = site.snapshots.values().map(|x| (x.id.as_str(), Resource::Snapshot, &x.tags));
    let volumes = site.volumes.values().map(|x| (x.id.as_str(), Resource::Volume, &x.tags));
    images
        .chain(snapshots)
        .chain(volumes)
        .flat_map(|(id, kind, tags)| tags.iter().map(move |(key, value)| (id, kind, key, value)))
        .collect()
}
