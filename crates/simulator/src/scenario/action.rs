//! What a scenario does to the world at a time, as an operator or an attacker would.

use std::time::Duration;

use amiferry_core::ids::{AccountId, Arn, ImageId, Region};
use jiff::Timestamp;
use serde::Deserialize;

use super::{ImageEntry, after, image};
use crate::agenda::Due;
use crate::ec2::{Place, lifecycle};
use crate::kms::{self, KeyState};
use crate::s3::archive::{self, Destination};
use crate::world::State;
use crate::{sqs, sts};

/// How many mishaps are kept: the first ones show what is wrong.
const MISHAPS: usize = 100;

/// An action and when it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Since the start of the world.
    pub(super) at: Duration,
    /// How long after each time it is done again.
    pub(super) every: Option<Duration>,
    pub(super) action: Action,
}

/// Something that is done to the world without a call. Keys can be named by alias ARN.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Puts images into the world.
    AddImage(ImageEntry),
    /// Deregisters an image; its protection is respected.
    DeregisterImage(NamedImage),
    DisableImage(NamedImage),
    /// Takes away the snapshots behind an image, as a fault of storage would: EC2 itself refuses
    /// that while the image is registered.
    DeleteSnapshots(NamedImage),
    DisableKey(Arn),
    /// Enables a key, whatever its state was.
    EnableKey(Arn),
    /// Puts a key into the state before its deletion.
    ScheduleKeyDeletion(Arn),
    /// Moves objects to a colder storage class, as a lifecycle rule of an administrator does.
    TransitionObjects(Transition),
    /// Deletes all messages of a queue.
    PurgeQueue(Arn),
    /// Delivers everything in flight once more, inside its visibility timeout.
    Redeliver(Arn),
    /// Denies everything to the sessions that a role has given so far.
    RevokeSessions(Arn),
    /// Expires the sessions that a role has given so far.
    ExpireSessions(Arn),
    /// Removes all faults: the world heals.
    ClearFaults(Yes),
}

/// The only value of what has no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "bool")]
pub struct Yes;

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("leave it out instead of setting it to false") }
    }
}

/// Names an image; account and Region default to those of the source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedImage {
    pub name: String,
    /// Its account; the landscape's source if not given.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Its Region; the landscape's source if not given.
    #[serde(default)]
    pub region: Option<Region>,
}

/// Which objects a lifecycle rule moves, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    pub bucket: String,
    /// How their keys begin; all if not given.
    #[serde(default)]
    pub prefix: String,
    /// Only objects of more bytes: S3's own limit if not given.
    #[serde(default = "smallest")]
    pub larger_than: u64,
    /// The class as S3 names it, or an archive tier: `ARCHIVE_ACCESS` or `DEEP_ARCHIVE_ACCESS`, which
    /// takes objects of `INTELLIGENT_TIERING` only.
    pub class: String,
}

/// What S3 moves to no other class, unless a rule says so: objects below 128 KiB.
fn smallest() -> u64 {
    (128 << 10) - 1
}

impl Transition {
    fn destination(&self) -> Result<Destination, String> {
        let refused = || format!("{:?} is not a storage class", self.class);
        Destination::named(&self.class).ok_or_else(refused)
    }
}

impl Action {
    pub(super) fn check(&self) -> Result<(), String> {
        let (arn, service) = match self {
            Self::AddImage(image) => return image.check(),
            Self::TransitionObjects(rule) => return rule.destination().map(drop),
            Self::DisableKey(arn) | Self::EnableKey(arn) | Self::ScheduleKeyDeletion(arn) => {
                (arn, "kms")
            }
            Self::PurgeQueue(arn) | Self::Redeliver(arn) => (arn, "sqs"),
            Self::RevokeSessions(arn) | Self::ExpireSessions(arn) => (arn, "iam"),
            Self::DeregisterImage(_)
            | Self::DisableImage(_)
            | Self::DeleteSnapshots(_)
            | Self::ClearFaults(_) => return Ok(()),
        };
        if arn.service() == service {
            Ok(())
        } else {
            Err(format!("{arn} is not of {service}, which this action is about"))
        }
    }

    fn perform(&self, state: &mut State, at: Timestamp) -> Result<(), String> {
        match self {
            Self::AddImage(image) => image.appear(state, at, true),
            Self::DeregisterImage(image) => {
                let (place, id) = image.find(state)?;
                lifecycle::deregister(state, at, &place, &id, false)
                    .map_err(|error| error.to_string())?;
            }
            Self::DisableImage(image) => {
                let (place, id) = image.find(state)?;
                lifecycle::disable(state, at, &place, &id).map_err(|error| error.to_string())?;
            }
            Self::DeleteSnapshots(image) => {
                let (place, id) = image.find(state)?;
                if let Some(site) = state.ec2.get_mut(&place) {
                    let snapshots: Vec<_> = site.images[&id].snapshots().cloned().collect();
                    site.snapshots.retain(|id, _| !snapshots.contains(id));
                }
            }
            Self::DisableKey(key) => kms::set_key_state(state, key, KeyState::Disabled)?,
            Self::EnableKey(key) => kms::set_key_state(state, key, KeyState::Enabled)?,
            Self::ScheduleKeyDeletion(key) => {
                kms::set_key_state(state, key, KeyState::PendingDeletion)?;
            }
            Self::TransitionObjects(rule) => {
                let place = (rule.bucket.as_str(), rule.prefix.as_str());
                archive::transition(state, place, rule.larger_than, rule.destination()?)?;
            }
            Self::PurgeQueue(queue) => {
                if !sqs::purge(state, at, queue) {
                    return Err(format!("there is no queue {queue}"));
                }
            }
            Self::Redeliver(queue) => {
                if !sqs::exists(state, queue) {
                    return Err(format!("there is no queue {queue}"));
                }
                sqs::redeliver(state, at, queue);
            }
            Self::RevokeSessions(role) => sts::revoke_sessions(state, role),
            Self::ExpireSessions(role) => sts::expire_sessions(state, role, at),
            Self::ClearFaults(Yes) => state.faults.clear(),
        }
        Ok(())
    }
}

impl NamedImage {
    fn find(&self, state: &State) -> Result<(Place, ImageId), String> {
        let place = image::place(self.account.as_ref(), self.region.as_ref())?;
        let site = state.ec2.get(&place);
        let mut images = site.into_iter().flat_map(|site| site.images.values());
        let found = images.find(|image| image.name == self.name).map(|image| image.id.clone());
        let (account, region) = &place;
        let missing = || format!("there is no image named {:?} in {account}/{region}", self.name);
        found.map(|id| (place.clone(), id)).ok_or_else(missing)
    }
}

/// Does a planned action, and plans its next time. What cannot be done is noted in
/// [`State::mishaps`].
pub(crate) fn happen(state: &mut State, at: Timestamp, planned: Planned) {
    if let Err(why) = planned.action.perform(state, at) {
        tracing::warn!(%why, "an action of the scenario could not be done");
        // An action that is done again and again must not fill the memory.
        if state.mishaps.len() < MISHAPS {
            state.mishaps.push(format!("{at}: {why}"));
        }
    }
    if let Some(every) = planned.every {
        state.agenda.plan(after(at, every), Due::Scenario(planned));
    }
}
