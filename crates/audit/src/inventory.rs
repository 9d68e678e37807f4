//! The rows that reports show, folded from the fleets of the vaults.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
pub use amiferry_core::decide::vault::Promised;
use amiferry_core::decide::vault::is_taken_out;
pub use amiferry_core::fleet::State;
use amiferry_core::fleet::{Fleet, Held, Outlook, Place, PointStatus, Row};
use amiferry_core::forecast::breach::FamilyForecast;
use amiferry_core::ids::{AccountId, BucketName, ImageId, ObjectKey, Region};
use amiferry_core::model::{Depth, Speed};
use amiferry_core::names::{RecoveryPointId, SourceId, VaultId, VaultKeys};
use amiferry_core::policy::Tier;
use jiff::Timestamp;
use serde::Serialize;

use crate::render::span;

/// All that is known at one time about one vault or several.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The images in scope and the recovery points that the vault holds.
    pub recovery_points: Vec<RecoveryPoint>,
    /// The images that are left out, each with its reason.
    pub rejected: Vec<Rejected>,
    /// The sources, images and items that could not be asked or read.
    pub not_assessed: Vec<NotAssessed>,
    /// The sources that were asked for all their images, each with the vault it is judged for.
    pub places: BTreeSet<SourceOfVault>,
    /// What was never observed, and may be complete.
    pub unread: Vec<Unread>,
    /// The families of which a worker saw images go before one was complete.
    pub unfinished: Vec<Unfinished>,
    /// What a forecast says of families.
    pub forecasts: Vec<OfFamily>,
}

/// What a forecast says of a family in a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfFamily {
    pub source: SourceId,
    pub family: String,
    pub policy: String,
    pub vault: VaultId,
    pub forecast: FamilyForecast,
}

/// A recovery point of which nothing could be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub source: SourceId,
    pub vault: VaultId,
    /// Policy and family, as its image says; `None` where the image was not seen.
    pub promised: Option<(String, String)>,
    /// Whether it may be of another family, because the image was not seen or there is a record.
    pub may_be_of_any: bool,
}

/// A family of which images went, and none was complete since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub source: SourceId,
    pub family: String,
    pub policy: String,
    pub vault: VaultId,
    /// When the oldest of those images was created.
    pub since: Timestamp,
}

/// A source that was asked for all its images, and the vault it is judged for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceOfVault {
    pub source: SourceId,
    pub vault: VaultId,
}

/// One source image in one target Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveryPoint {
    pub source_account: AccountId,
    pub source_region: Region,
    pub source_image_id: ImageId,
    /// The source image's name, as its owner chose it; empty while it is not known.
    pub source_image_name: String,
    pub family: String,
    /// The governing policy.
    pub policy: String,
    /// What it holds when complete.
    pub tier: Tier,
    /// The vault account.
    pub target_account: AccountId,
    pub target_region: Region,
    /// How far it is.
    pub state: State,
    /// Why it is not further, or `complete`.
    pub code: Code,
    /// The particulars, for people.
    pub detail: String,
    /// The restored image, once there is one; always `None` for tier `archive`.
    pub restored_image_id: Option<ImageId>,
    /// The object in the vault, once there is one.
    pub vault_object: Option<VaultObject>,
    /// When the source image was created: age is measured from here, unless it repeats an older one.
    pub source_created_at: Timestamp,
    /// The older image that it repeats, if it does: age is measured from that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Repeated>,
    /// When the manifest was written.
    pub completed_at: Option<Timestamp>,
    /// When a worker looks at it again, unless an event comes first; `None` where AWS alone was
    /// asked, or nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// Volumes of the source image in GB, as EC2's quotas count them; `None` while they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_gb: Option<u64>,
    /// Whether no policy selects its living image any more; its record still says what is promised.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_policy: bool,
    /// Whether its source worker is what was refused: then that worker has to try again.
    #[serde(skip)]
    pub refused_in_source: bool,
    /// When it will be complete if the plan runs on; `None` where it is complete, or that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_finish: Option<Timestamp>,
    /// How many attempts in a row have failed; `None` where none has, or AWS alone was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_attempts: Option<u32>,
}

impl RecoveryPoint {
    /// When its data are from: age is measured from here.
    pub fn data_from(&self) -> Timestamp {
        self.repeats.as_ref().map_or(self.source_created_at, |older| older.source_created_at)
    }

    /// The id that every report, log line and manifest uses for it.
    pub fn id(&self) -> RecoveryPointId {
        RecoveryPointId {
            source_account: self.source_account.clone(),
            source_region: self.source_region.clone(),
            source_image_id: self.source_image_id.clone(),
            target_account: self.target_account.clone(),
            target_region: self.target_region.clone(),
        }
    }
}

/// An image that a younger one repeats: all snapshots of that one belong to images that are no
/// younger than this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Repeated {
    pub source_image_id: ImageId,
    pub source_created_at: Timestamp,
}

/// The `.bin` in the vault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VaultObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub version_id: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// Its checksum, such as `CRC64NVME:` and base64.
    pub checksum: Option<String>,
    /// Its storage class as S3 names it; `None` for `STANDARD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// From where a restore has to have it retrieved first; `None` where it is read at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<ArchivedIn>,
}

/// An archive of S3, and how long a restore waits for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ArchivedIn {
    /// The storage class, or the archive tier of Intelligent-Tiering.
    pub place: String,
    /// How long a standard retrieval takes at most, in seconds.
    pub retrieval_seconds: u64,
}

impl ArchivedIn {
    fn of(place: &str, size: u64) -> Self {
        let takes = Speed::Standard.takes(Depth::of(place), size);
        Self { place: place.to_owned(), retrieval_seconds: takes.duration().as_secs() }
    }
}

impl std::fmt::Display for ArchivedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wait = span(i64::try_from(self.retrieval_seconds).unwrap_or(i64::MAX));
        write!(f, "in {}: a restore waits up to {wait} for its retrieval", self.place)
    }
}

/// An image that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The account whose image it is.
    pub source_account: AccountId,
    pub source_region: Region,
    pub source_image_id: ImageId,
    /// Its name, as its owner chose it; empty while it is not known.
    pub source_image_name: String,
    /// The account of the vault that holds no copy of it.
    pub target_account: AccountId,
    /// The vault's Region.
    pub target_region: Region,
    /// Why.
    pub code: Code,
    /// The particulars.
    pub reason: String,
    /// The family and RPO that suffer from it; `None` when nothing was promised.
    #[serde(skip)]
    pub promised: Option<Promised>,
}

/// A source that could not be asked, or an image of it that could not be observed or read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotAssessed {
    /// The source's account.
    pub source_account: AccountId,
    /// The source's Region.
    pub source_region: Region,
    /// The image, as AWS names it; `None` for all of the source.
    pub source_image_id: Option<String>,
    /// What went wrong.
    pub reason: String,
}

/// Where the keys of a vault lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultBucket {
    pub bucket: BucketName,
    /// The prefix of all keys in it.
    pub prefix: String,
}

impl Inventory {
    /// What a fleet comes to now. What a policy names is missing only once everything was looked
    /// at, and only in the sources that answered.
    pub fn of(fleet: &Fleet, outlook: &Outlook, vault: &VaultId, bucket: &VaultBucket) -> Self {
        let mut inventory = Self::default();
        for (id, row) in fleet.rows() {
            inventory.add(fleet, bucket, id, row);
        }
        for point in &mut inventory.recovery_points {
            let planned = outlook.points.get(&point.id());
            point.planned_finish = planned.map(|planned| planned.finishes);
        }
        inventory.forecasts.extend(outlook.families().map(|(family, forecast)| OfFamily {
            source: family.source.clone(),
            family: family.name.to_string(),
            policy: family.policy.to_string(),
            vault: vault.clone(),
            forecast,
        }));
        let unfinished = fleet.unfinished().map(|(family, since)| Unfinished {
            source: family.source.clone(),
            family: family.name.to_string(),
            policy: family.policy.to_string(),
            vault: vault.clone(),
            since,
        });
        inventory.unfinished.extend(unfinished);
        let sources = fleet.places().filter_map(|(place, walks)| match place {
            Place::Source(source) => Some((source, walks)),
            Place::Vault => None,
        });
        let vault_fault = fleet
            .places()
            .find(|(place, _)| **place == Place::Vault)
            .and_then(|(_, walks)| walks.fault());
        let is_known = fleet.known_at().is_some();
        for (source, walks) in sources {
            let not_assessed = |image: Option<&str>, reason: String| NotAssessed {
                source_account: source.account.clone(),
                source_region: source.region.clone(),
                source_image_id: image.map(str::to_owned),
                reason,
            };
            let faults = walks.fault().map(|fault| fault.why.clone());
            let of_vault = vault_fault.map(|fault| format!("vault {vault}: {}", fault.why));
            let faults = faults.into_iter().chain(of_vault);
            inventory.not_assessed.extend(faults.map(|why| not_assessed(None, why)));
            let unreadable = walks.met().unreadable.iter();
            for (id, why) in unreadable {
                let why = match id {
                    Some(_) => why.clone(),
                    None => format!("an image without an id is listed: {why}"),
                };
                let unread = not_assessed(id.as_deref(), why);
                // The row of what the vault holds of it may say so already.
                let is_named = |other: &NotAssessed| {
                    (&other.source_account, &other.source_region, &other.source_image_id)
                        == (&unread.source_account, &unread.source_region, &unread.source_image_id)
                };
                if !inventory.not_assessed.iter().any(is_named) {
                    inventory.not_assessed.push(unread);
                }
            }
            if walks.fault().is_none() && is_known {
                inventory.places.insert(source_place(source, vault));
            }
            // What the vault holds of an image that is left out has its row by that.
            let has_row = |image: &ImageId| {
                let id = RecoveryPointId {
                    source_account: source.account.clone(),
                    source_region: source.region.clone(),
                    source_image_id: image.clone(),
                    target_account: vault.account.clone(),
                    target_region: vault.region.clone(),
                };
                fleet.row(&id).is_some()
            };
            let unselected = walks.met().named.iter().filter(|(image, _)| !has_row(image));
            for (image, left) in unselected {
                inventory.rejected.push(Rejected {
                    source_account: source.account.clone(),
                    source_region: source.region.clone(),
                    source_image_id: image.clone(),
                    source_image_name: left.name.clone(),
                    target_account: vault.account.clone(),
                    target_region: vault.region.clone(),
                    code: left.code,
                    reason: format!("{}: {}", left.code.meaning(), left.detail),
                    promised: None,
                });
            }
        }
        inventory
    }

    /// The recovery points of a fleet, one source after another: those of all at once take much room.
    pub fn for_each_source(
        fleet: &Fleet,
        bucket: &VaultBucket,
        mut see: impl FnMut(&mut [RecoveryPoint]),
    ) {
        let mut part = Self::default();
        let mut source = None;
        for (id, row) in fleet.rows() {
            let of = Some((&id.source_account, &id.source_region));
            if source != of {
                source = of;
                see(&mut part.recovery_points);
                part = Self::default();
            }
            part.add(fleet, bucket, id, row);
        }
        see(&mut part.recovery_points);
    }

    fn add(&mut self, fleet: &Fleet, bucket: &VaultBucket, id: &RecoveryPointId, row: &Row) {
        if let Some(why) = row.unobserved() {
            self.not_assessed.push(NotAssessed {
                source_account: id.source_account.clone(),
                source_region: id.source_region.clone(),
                source_image_id: Some(id.source_image_id.to_string()),
                reason: why.to_owned(),
            });
        }
        let name = |index| {
            let family = fleet.family(index);
            family.map(|family| (family.policy.to_string(), family.name.to_string()))
        };
        if row.is_unread() {
            self.unread.push(Unread {
                source: id.source(),
                vault: id.vault(),
                promised: row.family().and_then(name),
                may_be_of_any: row.may_be_of_any_family(),
            });
        }
        if let Some(PointStatus { point, state, code, detail, next, failure }) = row.point() {
            let Some((policy, family)) = name(point.family) else { return };
            self.recovery_points.push(RecoveryPoint {
                source_account: id.source_account.clone(),
                source_region: id.source_region.clone(),
                source_image_id: id.source_image_id.clone(),
                source_image_name: point.name.to_string(),
                family,
                policy,
                tier: point.tier,
                target_account: id.target_account.clone(),
                target_region: id.target_region.clone(),
                state,
                code,
                detail: detail.to_owned(),
                restored_image_id: point.restored.clone(),
                vault_object: point.object.as_ref().and_then(|held| object(bucket, id, held)),
                source_created_at: point.created,
                repeats: fleet.repeat(id).map(|repeat| Repeated {
                    source_image_id: repeat.original.source_image_id.clone(),
                    source_created_at: repeat.data_from,
                }),
                completed_at: point.completed_at,
                size_gb: Some(point.size_gb).filter(|size_gb| *size_gb > 0),
                no_policy: state == State::Complete && is_taken_out(detail),
                refused_in_source: false,
                planned_finish: None,
                next_try: next.filter(|_| state != State::Complete),
                failed_attempts: failure.map(|failure| failure.attempts),
            });
        } else if let Some(left) = row.left_out() {
            let promised = left.promised.and_then(|(index, tier, created)| {
                let (policy, family) = name(index)?;
                Some(Promised { policy, family, tier, created })
            });
            self.rejected.push(Rejected {
                source_account: id.source_account.clone(),
                source_region: id.source_region.clone(),
                source_image_id: id.source_image_id.clone(),
                source_image_name: left.name.to_string(),
                target_account: id.target_account.clone(),
                target_region: id.target_region.clone(),
                code: left.code,
                reason: format!("{}: {}", left.code.meaning(), left.detail),
                promised,
            });
        }
    }

    /// Adds the rows of another vault.
    pub fn merge(&mut self, other: Self) {
        self.recovery_points.extend(other.recovery_points);
        self.rejected.extend(other.rejected);
        self.places.extend(other.places);
        self.unread.extend(other.unread);
        self.unfinished.extend(other.unfinished);
        self.forecasts.extend(other.forecasts);
        for source in other.not_assessed {
            if !self.not_assessed.contains(&source) {
                self.not_assessed.push(source);
            }
        }
    }
}

/// Images that no policy selects, by reason, as the last walks counted them.
pub fn unselected(fleet: &Fleet) -> BTreeMap<Code, usize> {
    let mut counts = BTreeMap::new();
    for (_, walks) in fleet.places() {
        for (code, count) in &walks.met().left_out {
            *counts.entry(*code).or_default() += count;
        }
    }
    counts
}

fn source_place(source: &SourceId, vault: &VaultId) -> SourceOfVault {
    SourceOfVault { source: source.clone(), vault: vault.clone() }
}

fn object(bucket: &VaultBucket, id: &RecoveryPointId, held: &Held) -> Option<VaultObject> {
    Some(VaultObject {
        bucket: bucket.bucket.clone(),
        key: VaultKeys::of(&bucket.prefix, id).ok()?.image,
        version_id: held.version.as_deref().map(str::to_owned),
        size: held.size,
        checksum: held.checksum.as_deref().map(str::to_owned),
        storage_class: held.class.as_deref().map(str::to_owned),
        archived: held.archived.as_deref().map(|place| ArchivedIn::of(place, held.size)),
    })
}
