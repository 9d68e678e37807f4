//! What happens to an image that exists: deregister, disable, enable, protect, share.

use std::collections::BTreeSet;
use std::time::Duration;

use amiferry_core::ids::{AccountId, ImageId, SnapshotId};
use jiff::Timestamp;

use super::image::{ImageState, Protection};
use super::site::own_image;
use super::{Place, create, errors, finish, names, snapshot_events, time};
use crate::kms;
use crate::wire::ApiError;
use crate::world::State;

/// How long protection with cool-down outlasts its end.
const COOLDOWN: Duration = Duration::from_secs(24 * 3_600);

/// Deregisters an image; returns what became of its snapshots if they were to go with it.
///
/// # Errors
/// `OperationNotPermitted` under protection.
pub fn deregister(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    id: &ImageId,
    with_snapshots: bool,
) -> Result<Vec<(SnapshotId, &'static str)>, ApiError> {
    let image = own_image(state, place, id)?;
    if image.protection.forbids(now) {
        return Err(errors::refused(
            "OperationNotPermitted",
            format!("The image {id} is protected from deregistration, or in the cooldown after."),
        ));
    }
    let name = image.name.clone();
    let snapshots: Vec<SnapshotId> = image.snapshots().cloned().collect();
    let listed = time::after(now, state.settings.ec2.deregistered_listed);
    if let Some(site) = state.ec2.get_mut(place)
        && let Some(mut image) = site.images.remove(id)
    {
        image.state = ImageState::Deregistered;
        site.deregistered.retain(|_, (until, _)| *until > now);
        site.deregistered.insert(id.clone(), (listed, image));
    }
    names::retire(state, place, name, now);
    finish::announce(state, now, place, id, "deregistered", "");
    let snapshots = if with_snapshots { snapshots } else { Vec::new() };
    let results = snapshots.into_iter().map(|snapshot| {
        let outcome = match create::delete_snapshot(state, place, &snapshot) {
            Ok(()) => "success",
            Err(_) => "skipped",
        };
        (snapshot, outcome)
    });
    Ok(results.collect())
}

/// Disables an image: only its owner sees it, and enabling it again does not restore its sharing.
///
/// # Errors
/// `InvalidAMIID.Unavailable` unless it is available or disabled already.
pub fn disable(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    id: &ImageId,
) -> Result<(), ApiError> {
    let image = own_image(state, place, id)?;
    match image.state {
        ImageState::Disabled => return Ok(()),
        ImageState::Available => {}
        other => return Err(errors::unavailable(id, other.as_str())),
    }
    image.state = ImageState::Disabled;
    image.public = false;
    image.launch_permissions.clear();
    finish::announce(state, now, place, id, "disabled", "");
    Ok(())
}

/// Enables a disabled image; its event looks like that of a new one.
///
/// # Errors
/// `InvalidAMIID.Unavailable` unless it is disabled or available already.
pub fn enable(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    id: &ImageId,
) -> Result<(), ApiError> {
    let image = own_image(state, place, id)?;
    match image.state {
        ImageState::Available => return Ok(()),
        ImageState::Disabled => {}
        other => return Err(errors::unavailable(id, other.as_str())),
    }
    image.state = ImageState::Available;
    finish::announce(state, now, place, id, "available", "");
    Ok(())
}

/// Turns deregistration protection on.
///
/// # Errors
/// As for an image that is not the caller's.
pub fn protect(
    state: &mut State,
    place: &Place,
    id: &ImageId,
    with_cooldown: bool,
) -> Result<(), ApiError> {
    let image = own_image(state, place, id)?;
    image.protection =
        if with_cooldown { Protection::EnabledWithCooldown } else { Protection::Enabled };
    Ok(())
}

/// Turns deregistration protection off; the cool-down, if agreed, begins.
///
/// # Errors
/// As for an image that is not the caller's.
pub fn unprotect(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    id: &ImageId,
) -> Result<(), ApiError> {
    let image = own_image(state, place, id)?;
    image.protection = match image.protection {
        Protection::Enabled => Protection::OFF,
        Protection::EnabledWithCooldown => {
            Protection::Disabled { cooldown_until: Some(time::after(now, COOLDOWN)) }
        }
        off @ Protection::Disabled { .. } => off,
    };
    Ok(())
}

/// A change to the accounts and groups that may launch an image or use a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sharing {
    pub accounts: BTreeSet<AccountId>,
    /// The group `all`.
    pub everyone: bool,
}

impl Sharing {
    /// Adds an account.
    ///
    /// # Errors
    /// `InvalidUserID.Malformed`.
    pub fn add_account(&mut self, text: &str) -> Result<(), ApiError> {
        let account = text.parse().map_err(|_| {
            let message = format!("The following user id is invalid: {text}");
            errors::refused("InvalidUserID.Malformed", message)
        })?;
        self.accounts.insert(account);
        Ok(())
    }

    /// Adds the group of everyone.
    ///
    /// # Errors
    /// `InvalidParameterValue` for another group.
    pub fn add_group(&mut self, group: &str) -> Result<(), ApiError> {
        if group != "all" {
            return Err(errors::invalid("Group", group, "The only group is all."));
        }
        self.everyone = true;
        Ok(())
    }
}

/// Changes who may make volumes from a snapshot; those who are new get their event.
///
/// # Errors
/// `InvalidSnapshot.NotFound`; `OperationNotPermitted` for what encryption forbids.
pub fn share_snapshot(
    state: &mut State,
    now: Timestamp,
    place: &Place,
    id: &SnapshotId,
    add: &Sharing,
    remove: &Sharing,
) -> Result<(), ApiError> {
    let missing = || errors::snapshot_not_found(id);
    let found = state.ec2.get(place).and_then(|site| site.snapshots.get(id));
    let key = found.ok_or_else(missing)?.key.clone();
    let shares = add.everyone || !add.accounts.is_empty();
    if key.is_some() && add.everyone {
        let message = "Encrypted snapshots cannot be shared publicly";
        return Err(errors::refused("OperationNotPermitted", message));
    }
    if shares && key.is_some_and(|key| kms::is_aws_managed(state, &key)) {
        let message = "Encrypted snapshots with EBS default key cannot be shared";
        return Err(errors::refused("OperationNotPermitted", message));
    }
    let site = state.ec2.get_mut(place).ok_or_else(missing)?;
    let shared = &mut site.snapshots.get_mut(id).ok_or_else(missing)?.shared;
    let new: Vec<AccountId> = add.accounts.difference(&shared.accounts).cloned().collect();
    shared.accounts.extend(add.accounts.iter().cloned());
    shared.accounts.retain(|account| !remove.accounts.contains(account));
    shared.everyone = (shared.everyone || add.everyone) && !remove.everyone;
    for account in new {
        snapshot_events::shared(state, now, place, id, &account);
    }
    Ok(())
}

/// Changes who may launch an image.
///
/// # Errors
/// As for an image that is not the caller's.
pub fn share(
    state: &mut State,
    place: &Place,
    id: &ImageId,
    add: &Sharing,
    remove: &Sharing,
) -> Result<(), ApiError> {
    let image = own_image(state, place, id)?;
    image.launch_permissions.extend(add.accounts.iter().cloned());
    image.launch_permissions.retain(|account| !remove.accounts.contains(account));
    image.public = (image.public || add.everyone) && !remove.everyone;
    Ok(())
}
