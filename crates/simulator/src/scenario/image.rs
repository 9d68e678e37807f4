//! Images as a scenario names them.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::ec2::{self, ImageSpec, VolumeSpec};
use crate::landscape::{SOURCE_ACCOUNT, SOURCE_REGION};
use crate::world::State;

/// One image, or several that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    /// Its name; with a `count`, `-1`, `-2`, … follow.
    pub name: String,
    /// Its account; the landscape's source if not given.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Its Region; the landscape's source if not given.
    #[serde(default)]
    pub region: Option<Region>,
    /// The sizes of its volumes in GiB, the root first; one of 8 if not given.
    #[serde(default = "ImageEntry::root")]
    pub gib: Vec<u32>,
    /// The key that its snapshots are encrypted with, by key or alias ARN.
    #[serde(default)]
    pub key: Option<Arn>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// How long ago it was created.
    #[serde(default, with = "crate::span::maybe")]
    pub age: Option<Duration>,
    /// Whether its event is sent; if not given: for an action yes, at the start no.
    #[serde(default)]
    pub announced: Option<bool>,
    /// How many of them.
    #[serde(default = "ImageEntry::one")]
    pub count: u32,
}

/// As many volumes as there are device names here.
const DEVICES: &[&str] = &[
    "/dev/xvda",
    "/dev/sdf",
    "/dev/sdg",
    "/dev/sdh",
    "/dev/sdi",
    "/dev/sdj",
    "/dev/sdk",
    "/dev/sdl",
];

impl ImageEntry {
    fn root() -> Vec<u32> {
        vec![8]
    }

    fn one() -> u32 {
        1
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=DEVICES.len()).contains(&self.gib.len()) {
            return Err(format!(
                "image {:?} has {} volumes: from 1 to {} are possible",
                self.name,
                self.gib.len(),
                DEVICES.len()
            ));
        }
        if !(3..=128).contains(&self.name.len()) {
            return Err(format!("image {:?}: names have 3 to 128 characters", self.name));
        }
        Ok(())
    }

    pub(super) fn place(&self) -> Result<(AccountId, Region), String> {
        place(self.account.as_ref(), self.region.as_ref())
    }

    /// Puts it into the world; whether its event is sent unless it says so itself.
    pub(super) fn appear(&self, state: &mut State, at: Timestamp, announced: bool) {
        let (account, region) = match self.place() {
            Ok(place) => place,
            Err(why) => {
                state.mishaps.push(format!("image {}: {why}", self.name));
                return;
            }
        };
        let age = SignedDuration::try_from(self.age.unwrap_or_default()).unwrap_or_default();
        let volumes = self.gib.iter().zip(DEVICES).map(|(size, device)| VolumeSpec {
            device: (*device).to_owned(),
            size_gib: *size,
            encrypted: self.key.clone(),
            ..VolumeSpec::default()
        });
        let spec = ImageSpec {
            name: self.name.clone(),
            tags: self.tags.clone(),
            volumes: volumes.collect(),
            created: Some(at.saturating_sub(age).unwrap_or(at)),
            announced: self.announced.unwrap_or(announced),
            ..ImageSpec::default()
        };
        for number in 1..=self.count {
            let name =
                if self.count == 1 { self.name.clone() } else { format!("{}-{number}", self.name) };
            ec2::add_image(state, at, &account, &region, ImageSpec { name, ..spec.clone() });
        }
    }
}

/// An account and Region; those of the landscape's source where not given.
pub(super) fn place(
    account: Option<&AccountId>,
    region: Option<&Region>,
) -> Result<(AccountId, Region), String> {
    let account = match account {
        Some(account) => account.clone(),
        None => SOURCE_ACCOUNT.parse().map_err(|error| format!("{error}"))?,
    };
    let region = match region {
        Some(region) => region.clone(),
        None => SOURCE_REGION.parse().map_err(|error| format!("{error}"))?,
    };
    Ok((account, region))
}
