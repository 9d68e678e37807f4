//! What EC2 holds in one account and Region, and the ids it gives out.

use std::collections::BTreeMap;
use std::str::FromStr;

use amiferry_core::ids::{ImageId, SnapshotId};
use jiff::Timestamp;

use super::encryption::DefaultEncryption;
use super::image::{Image, ImageState};
use super::snapshot::{Instance, Snapshot, Volume};
use super::store::StoreTask;
use super::throttle::Buckets;
use super::{Place, errors, time};
use crate::wire::ApiError;
use crate::world::State;

/// EC2 of one account and Region.
#[derive(Debug, Default)]
pub struct Site {
    /// The account's own images.
    pub images: BTreeMap<ImageId, Image>,
    pub snapshots: BTreeMap<SnapshotId, Snapshot>,
    pub volumes: BTreeMap<String, Volume>,
    pub instances: BTreeMap<String, Instance>,
    /// What names an image: the ARN of each, and its kind as EC2 names it (`ec2:Instance`).
    pub references: BTreeMap<ImageId, BTreeMap<String, String>>,
    /// Its store tasks by number, oldest first.
    pub store_tasks: BTreeMap<u64, StoreTask>,
    /// Its running restores.
    pub restores: BTreeMap<ImageId, Running>,
    /// Encryption of new volumes and snapshots.
    pub encryption: DefaultEncryption,
    /// Deregistered images and until when they are still listed.
    pub(super) deregistered: BTreeMap<ImageId, (Timestamp, Image)>,
    /// Names of deregistered images and until when they stay taken.
    pub(super) retired_names: BTreeMap<String, Timestamp>,
    /// `CopyImage` calls by client token: their parameters and the image they made.
    pub(super) copies: BTreeMap<String, (String, ImageId)>,
    /// Token buckets of the API calls.
    pub(super) buckets: Buckets,
    /// How many store tasks there have been.
    pub(super) store_count: u64,
}

/// Work in progress that counts against a quota.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    pub size_gib: u64,
    pub ends: Timestamp,
}

impl Site {
    /// The images that a snapshot backs.
    pub fn users_of(&self, snapshot: &SnapshotId) -> impl Iterator<Item = &Image> {
        self.images.values().filter(move |image| image.snapshots().any(|id| id == snapshot))
    }
}

/// An image id, drawn from the world's randomness.
pub(super) fn new_image_id(state: &mut State) -> ImageId {
    made(&format!("ami-0{:016x}", state.rng.u64(..)))
}

/// A snapshot id, drawn from the world's randomness.
pub(super) fn new_snapshot_id(state: &mut State) -> SnapshotId {
    made(&format!("snap-0{:016x}", state.rng.u64(..)))
}

/// A volume id, drawn from the world's randomness.
pub(super) fn new_volume_id(state: &mut State) -> String {
    format!("vol-0{:016x}", state.rng.u64(..))
}

/// An id that is well-formed by its making.
fn made<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("{text} has a prefix and 17 hexadecimal digits"))
}

/// An image of the caller's own.
///
/// # Errors
/// `InvalidAMIID.NotFound` for one that is invisible, `AuthFailure` for another account's.
pub(super) fn own_image<'a>(
    state: &'a mut State,
    place: &Place,
    id: &ImageId,
) -> Result<&'a mut Image, ApiError> {
    if !state.ec2.get(place).is_some_and(|site| site.images.contains_key(id)) {
        let now = state.now;
        return Err(match seen_image(state, place, id) {
            Some(_) => errors::not_authorized(id),
            None if listed_after_end(state, place, now).any(|image| image.id == *id) => {
                errors::unavailable(id, ImageState::Deregistered.as_str())
            }
            None => errors::image_not_found([id]),
        });
    }
    let image = state.ec2.get_mut(place).and_then(|site| site.images.get_mut(id));
    image.ok_or_else(|| errors::image_not_found([id]))
}

/// An image that an account sees in a Region: its own, shared with it, or public.
pub(super) fn seen_image<'a>(state: &'a State, place: &Place, id: &ImageId) -> Option<&'a Image> {
    let (account, region) = place;
    let own = state.ec2.get(place).and_then(|site| site.images.get(id));
    own.or_else(|| {
        let sites = state.ec2.iter().filter(|((_, other), _)| other == region);
        sites.filter_map(|(_, site)| site.images.get(id)).find(|image| image.visible_to(account))
    })
    .filter(|image| image.owner == *account || image.state != ImageState::Disabled)
}

/// All images that an account sees in a Region, by id.
pub(super) fn seen_images<'a>(state: &'a State, place: &Place) -> BTreeMap<&'a ImageId, &'a Image> {
    let (account, region) = place;
    let sites = state.ec2.iter().filter(|((_, other), _)| other == region);
    sites
        .flat_map(|(_, site)| &site.images)
        .filter(|(_, image)| image.visible_to(account))
        .filter(|(_, image)| image.owner == *account || image.state != ImageState::Disabled)
        .collect()
}

/// The account's own deregistered images that are still listed.
pub(super) fn listed_after_end<'a>(
    state: &'a State,
    place: &Place,
    now: Timestamp,
) -> impl Iterator<Item = &'a Image> {
    let ended = state.ec2.get(place).into_iter().flat_map(|site| site.deregistered.values());
    ended.filter(move |(until, _)| *until > now).map(|(_, image)| image)
}

/// Whether an image is hidden by eventual consistency at this look: within the window of the
/// settings each look is a coin toss.
pub(super) fn hidden_yet(state: &mut State, created: Timestamp, now: Timestamp) -> bool {
    let window = state.settings.ec2.consistency_window;
    now < time::after(created, window) && state.rng.bool()
}
