//! What a recovery comes to: the map from source images to AMIs, and what is not restored.

use std::collections::BTreeSet;

use amiferry_core::code::Code;
use amiferry_core::ids::{AccountId, BucketName, ImageId, ObjectKey, Region, SnapshotId};
use amiferry_core::manifest::{Manifest, RestoredRecord};
use amiferry_core::model::{Archived, Depth, Retrieval, Speed};
use amiferry_core::names::{RecoveryPointId, VaultId};
use amiferry_core::notification::{Notification, Place, RestoreFinished, VERSION};
use amiferry_core::policy::Tier;
use amiferry_core::recovery::select::TooYoung;
use jiff::Timestamp;
use serde::Serialize;

/// The version of the JSON that `restore`, `lookup` and `rebuild` print.
pub const SCHEMA_VERSION: u32 = 1;

/// How far one image of the map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its AMI was there before.
    There,
    /// Its AMI was restored now.
    Restored,
    /// Its AMI would be restored, or an earlier run has begun that and it is not recorded yet.
    Planned,
    /// What is recorded of it; nothing else was asked.
    Recorded,
    /// A record gives it up, and its object is still there; nothing else was asked.
    GivenUp,
}

impl State {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Restored => "restored",
            Self::Planned => "planned",
            Self::Recorded => "recorded",
            Self::GivenUp => "given_up",
        }
    }
}

/// One source image, and the AMI in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapped {
    pub source_account: AccountId,
    pub source_region: Region,
    pub source_image_id: ImageId,
    pub source_name: String,
    pub source_created_at: Timestamp,
    pub family: String,
    pub policy: String,
    pub tier: Tier,
    /// The sum of its volumes in GiB.
    pub size_gib: u64,
    pub state: State,
    /// The AMI; `None` where there is none yet.
    pub image_id: Option<ImageId>,
    /// Where the AMI is or would be: the vault, or the destination.
    pub image_account: AccountId,
    pub image_region: Region,
    pub image_name: Option<String>,
    pub snapshots: Vec<SnapshotId>,
    /// The other accounts that may launch it.
    pub shared_with: BTreeSet<AccountId>,
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub version_id: Option<String>,
    /// When the recovery point was complete.
    pub completed_at: Timestamp,
    /// How its object would be retrieved from an archive first; `None` where it is read at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<RetrievedFirst>,
    /// How many bytes would be copied to the destination first; `None` where none have to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_bytes: Option<u64>,
}

/// The retrieval of an archived object, before its restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetrievedFirst {
    /// The storage class, or the archive tier of Intelligent-Tiering.
    pub from: String,
    /// How; slower than a person wants where the archive has nothing as fast.
    pub speed: Speed,
    /// How long that takes at most, in seconds from its beginning.
    pub takes_seconds: u64,
    /// Whether S3 is at it already.
    pub began: bool,
}

impl RetrievedFirst {
    /// How an object of this size would be retrieved.
    pub fn of(archived: &Archived, wanted: Retrieval, size: u64) -> Self {
        let depth = Depth::of(&archived.place);
        Self {
            from: archived.place.clone(),
            speed: wanted.speed.at(depth),
            takes_seconds: wanted.speed.takes(depth, size).duration().as_secs(),
            began: archived.retrieving,
        }
    }
}

impl Mapped {
    /// What is recorded, with the AMI that is there, if one is.
    pub fn of(manifest: &Manifest, restored: Option<&RestoredRecord>, state: State) -> Self {
        let id = &manifest.recovery_point;
        Self {
            source_account: id.source_account.clone(),
            source_region: id.source_region.clone(),
            source_image_id: id.source_image_id.clone(),
            source_name: manifest.source.name.clone(),
            source_created_at: manifest.source.created_at,
            family: manifest.family.clone(),
            policy: manifest.policy.clone(),
            tier: manifest.tier,
            size_gib: manifest.source.size_gib,
            state,
            image_id: restored.map(|restored| restored.image_id.clone()),
            image_account: id.target_account.clone(),
            image_region: id.target_region.clone(),
            image_name: restored.map(|restored| restored.name.clone()),
            snapshots: restored.map(|restored| restored.snapshots.clone()).unwrap_or_default(),
            shared_with: restored.map(|restored| restored.shared_with.clone()).unwrap_or_default(),
            bucket: manifest.vault_object.at.bucket.clone(),
            key: manifest.vault_object.at.key.clone(),
            version_id: manifest.vault_object.at.version.clone(),
            completed_at: manifest.completed_at,
            retrieval: None,
            copy_bytes: None,
        }
    }

    /// The same with its AMI in this place.
    #[must_use]
    pub fn made_in(self, place: VaultId) -> Self {
        Self { image_account: place.account, image_region: place.region, ..self }
    }
}

/// What was wanted and is not restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotRestored {
    pub source_account: Option<AccountId>,
    pub source_region: Option<Region>,
    /// `None` where a family, a policy or a tag was named that nothing in the vault has.
    pub source_image_id: Option<ImageId>,
    /// What was named, or the name of the source image; empty where no record says it.
    pub what: String,
    /// As recorded; `None` where that cannot be read.
    pub family: Option<String>,
    pub code: Option<Code>,
    pub reason: String,
    /// What a person can do about it.
    pub remedy: String,
}

impl NotRestored {
    /// A recovery point, with what is recorded of it, and why it is not restored.
    pub fn point(
        id: &RecoveryPointId,
        manifest: Option<&Manifest>,
        code: Code,
        reason: String,
    ) -> Self {
        Self {
            source_account: Some(id.source_account.clone()),
            source_region: Some(id.source_region.clone()),
            source_image_id: Some(id.source_image_id.clone()),
            what: manifest.map(|manifest| manifest.source.name.clone()).unwrap_or_default(),
            family: manifest.map(|manifest| manifest.family.clone()),
            remedy: remedy(code).to_owned(),
            code: Some(code),
            reason,
        }
    }

    /// Something that was named and is not in the vault.
    pub fn unknown(what: String) -> Self {
        Self {
            source_account: None,
            source_region: None,
            source_image_id: None,
            what,
            family: None,
            code: None,
            reason: "the vault has no record of it".to_owned(),
            remedy: "list what it has: amiferry rebuild".to_owned(),
        }
    }

    /// Whether the vault has no record of what was named.
    fn is_unknown(&self) -> bool {
        self.source_account.is_none() && self.code.is_none()
    }
}

/// What is said of a recovery point that only a record ends.
pub(crate) const GIVEN_UP: &str = "a record gives it up, and its object is still there";

impl NotRestored {
    /// A recovery point that a record gives up while its object is still there. Only a person who names it
    /// restores it: the rules may be right.
    pub fn given_up(id: &RecoveryPointId, manifest: &Manifest) -> Self {
        let image = &id.source_image_id;
        Self {
            remedy: format!(
                "restore it by its id: amiferry restore {image}. If no prune of yours gave it up, find out \
                 who used its role"
            ),
            ..Self::point(id, Some(manifest), Code::Pruned, GIVEN_UP.to_owned())
        }
    }

    /// A family that has no image as old as a person wants.
    pub fn too_young(young: TooYoung) -> Self {
        let TooYoung { source, policy, family, oldest } = young;
        Self {
            source_account: Some(source.account),
            source_region: Some(source.region),
            source_image_id: None,
            what: String::new(),
            family: Some(family),
            code: None,
            reason: format!("its oldest image under policy {policy} was created at {oldest}"),
            remedy: "give a later time with --as-of".to_owned(),
        }
    }
}

/// What a person can do about a code while no worker runs.
fn remedy(code: Code) -> &'static str {
    match code {
        Code::NameTaken => {
            "find out who created that image and deregister it, or restore with --name derived"
        }
        Code::RestoreFailed => {
            "mend what the reason names, often a key or its policy, and run the command again"
        }
        Code::ObjectArchived => "run the command again with --retrieval standard",
        Code::EncryptionByDefaultOff => {
            "turn EBS encryption by default on where the images are made, with a customer key that the role may \
             use, and run the command again"
        }
        Code::Failing => "run the command again; what it has restored stays",
        other => other.remedy(),
    }
}

/// One recovery point as `amiferry lookup` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    #[serde(flatten)]
    pub mapped: Mapped,
    /// Whether AWS shows it as it is recorded.
    pub complete: bool,
    /// Why, in one code.
    pub code: Code,
    /// The particulars; empty where it is complete.
    pub detail: String,
    /// The storage class of its object as S3 names it; `None` for `STANDARD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The archive from which a restore has to have its object retrieved; `None` where it is read at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<String>,
}

/// The answer of `amiferry lookup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub schema_version: u32,
    pub points: Vec<Found>,
    /// What was meant and has no record that can be read.
    pub unreadable: Vec<NotRestored>,
}

impl Answer {
    /// Whether the vault has nothing of it.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.unreadable.is_empty()
    }

    /// Whether all of it is complete.
    pub fn is_whole(&self) -> bool {
        self.unreadable.is_empty() && self.points.iter().all(|point| point.complete)
    }
}

/// The result of `amiferry restore`, and of `amiferry rebuild`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovered {
    pub schema_version: u32,
    pub dry_run: bool,
    pub vault_account: AccountId,
    pub vault_region: Region,
    /// Where the AMIs are made; `None` in the vault itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<Place>,
    pub began_at: Timestamp,
    /// When it ended; of a dry run, when it is expected to end.
    pub ended_at: Timestamp,
    /// In the order in which they were, or would be, restored.
    pub map: Vec<Mapped>,
    pub not_restored: Vec<NotRestored>,
    /// What reading the objects of a dry run costs; `None` where all are `STANDARD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// What making the AMIs of a dry run costs; `None` where none are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub making: Option<Making>,
    /// What copying the objects of a dry run to the destination costs; `None` where none are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copying: Option<Copying>,
}

/// What making the AMIs of a dry run costs, estimated as if each block of their volumes were written. What
/// an earlier run has begun is not counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Making {
    /// How many AMIs are made.
    pub images: usize,
    /// The sum of their volumes in GiB.
    pub size_gib: u64,
    pub currency: String,
    /// The day of the prices.
    pub prices_as_of: String,
    /// The blocks that the restores write, once; `None` where the price is missing.
    pub blocks: Option<f64>,
    /// Their snapshots, each month; `None` where the price is missing.
    pub snapshots: Option<f64>,
}

/// What copying objects to a destination costs, estimated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copying {
    /// How many objects are copied.
    pub objects: usize,
    /// Their size in bytes.
    pub bytes: u64,
    pub currency: String,
    /// The day of the prices.
    pub prices_as_of: String,
    /// The transfer between Regions, once: 0 within one, and `None` where the price is missing.
    pub cost: Option<f64>,
    /// The requests to S3, once; `None` where the price is missing.
    pub requests: Option<f64>,
    /// The copies in the destination's bucket, each month that they are kept; `None` where the price is
    /// missing.
    pub kept: Option<f64>,
}

/// What reading objects of other classes than `STANDARD` costs once, estimated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// How many objects are of other classes.
    pub objects: usize,
    /// How many of those have to be retrieved first.
    pub retrieved: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many days retrieved copies last.
    pub days: u16,
    pub currency: String,
    /// The day of the prices.
    pub prices_as_of: String,
    /// The sum for retrieval and for the storage of retrieved copies; `None` where a price is missing.
    pub cost: Option<f64>,
}

impl Recovered {
    /// Whether nothing was selected, because the vault has no record of anything that was named.
    pub fn is_about_nothing(&self) -> bool {
        let is_missing = !self.not_restored.is_empty();
        self.map.is_empty() && is_missing && self.not_restored.iter().all(NotRestored::is_unknown)
    }

    /// What an event bus is told of it.
    pub fn notification(&self) -> Notification {
        Notification::Restore(RestoreFinished {
            schema_version: VERSION,
            vault: Place { account: self.vault_account.clone(), region: self.vault_region.clone() },
            restored: self.map.iter().filter(|mapped| mapped.state != State::Planned).count(),
            not_restored: self.not_restored.len(),
            at: self.ended_at,
        })
    }

    /// An empty result for a vault.
    pub fn new(vault: VaultId, dry_run: bool, now: Timestamp) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            dry_run,
            vault_account: vault.account,
            vault_region: vault.region,
            into: None,
            began_at: now,
            ended_at: now,
            map: Vec::new(),
            not_restored: Vec::new(),
            reading: None,
            making: None,
            copying: None,
        }
    }

    /// Whether everything that was wanted is restored, or would be, and nothing that is there is given
    /// up.
    pub fn is_whole(&self) -> bool {
        let is_given_up = |mapped: &Mapped| mapped.state == State::GivenUp;
        self.not_restored.is_empty() && !self.map.iter().any(is_given_up)
    }
}
