//! Names in AWS that are derived, so that every worker finds them again: keys, image names, tags.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ImageId, Malformed, ObjectKey, Region};
use crate::model::Tags;
use crate::planted::{Bug, has};

/// A source: an account and Region whose images are protected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId {
    pub account: AccountId,
    pub region: Region,
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// A vault: an account and Region that holds copies. Two accounts in one Region are two vaults.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VaultId {
    pub account: AccountId,
    pub region: Region,
}

impl fmt::Display for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

impl FromStr for VaultId {
    type Err = Malformed;

    /// Reads `account/region`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("a vault", "account/region", text);
        let (account, region) = text.split_once('/').ok_or_else(malformed)?;
        let account = account.parse().map_err(|_| malformed())?;
        let region = region.parse().map_err(|_| malformed())?;
        Ok(Self { account, region })
    }
}

/// One source image in one vault: the unit of all work and of every promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecoveryPointId {
    /// The account whose image it is.
    pub source_account: AccountId,
    /// The image's Region.
    pub source_region: Region,
    pub source_image_id: ImageId,
    /// The vault account.
    pub target_account: AccountId,
    /// The vault's Region.
    pub target_region: Region,
}

impl RecoveryPointId {
    /// The source that has the image.
    pub fn source(&self) -> SourceId {
        SourceId { account: self.source_account.clone(), region: self.source_region.clone() }
    }

    /// The vault that holds its copy.
    pub fn vault(&self) -> VaultId {
        VaultId { account: self.target_account.clone(), region: self.target_region.clone() }
    }
}

impl fmt::Display for RecoveryPointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source_account, source_region, source_image_id, .. } = self;
        let Self { target_account, target_region, .. } = self;
        write!(f, "{source_account}/{source_region}/{source_image_id}")?;
        write!(f, ">{target_account}/{target_region}")
    }
}

/// Tag keys on restored images and snapshots, given at creation.
pub mod tag {
    /// `true` on everything that amiferry made.
    pub const MANAGED: &str = "amiferry:managed";
    /// Tag key: the source account.
    pub const SOURCE_ACCOUNT: &str = "amiferry:source-account";
    /// Tag key: the source Region.
    pub const SOURCE_REGION: &str = "amiferry:source-region";
    /// The source image's id.
    pub const SOURCE_IMAGE: &str = "amiferry:source-image";
    /// The source image's creation time.
    pub const SOURCE_CREATED: &str = "amiferry:source-created";
    /// The source image's name, which the restored one cannot keep.
    pub const SOURCE_NAME: &str = "amiferry:source-name";
    /// The policy that governed it.
    pub const POLICY: &str = "amiferry:policy";
    /// Tag key: the family.
    pub const FAMILY: &str = "amiferry:family";
    /// Where its manifest will be.
    pub const MANIFEST: &str = "amiferry:manifest";
    /// The version of the vault object that it was restored from.
    pub const OBJECT_VERSION: &str = "amiferry:object-version";
    /// The beginning of all tag keys of AWS.
    pub const AWS_PREFIX: &str = "aws:";
    /// The beginning of all tag keys of amiferry; a copy does not inherit a source's tags of this
    /// kind.
    pub const PREFIX: &str = "amiferry:";
}

/// The beginning of all keys under a configured prefix; empty without a prefix.
pub fn folder(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
}

fn under(prefix: &str, rest: &str) -> Result<ObjectKey, Malformed> {
    format!("{}{rest}", folder(prefix)).parse()
}

/// The path in the staging bucket that a store task of this Region gets.
pub fn staging_path(prefix: &str, region: &Region) -> String {
    format!("{}{region}", folder(prefix))
}

/// The key that a store task gives the staged object.
///
/// # Errors
/// A prefix that makes the key longer than S3 allows.
pub fn staged_key(prefix: &str, region: &Region, image: &ImageId) -> Result<ObjectKey, Malformed> {
    under(prefix, &format!("{region}/{image}.bin"))
}

/// The file of a manifest.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The file of the note of a source image.
const NOTE_FILE: &str = "source.json";

/// What a further record is about; its file says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// The image was restored again from the recorded object.
    Restored,
    /// The object was stored and copied again.
    Stored,
    /// The recovery point is lost for good.
    Lost,
    /// A person lets other accounts launch the restored image.
    Shared,
    /// The restored image was given up by the retention rules; the object stays.
    Retired,
    /// All of it was given up by the retention rules.
    Pruned,
}

impl RecordKind {
    /// Every kind, in the order of its declaration.
    pub const ALL: [Self; 6] =
        [Self::Restored, Self::Stored, Self::Lost, Self::Shared, Self::Retired, Self::Pruned];

    /// The word in names and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Stored => "stored",
            Self::Lost => "lost",
            Self::Shared => "shared",
            Self::Retired => "retired",
            Self::Pruned => "pruned",
        }
    }
}

/// The file of a further record.
pub fn record_file(number: u32, kind: RecordKind) -> String {
    format!("record-{number:04}-{}.json", kind.as_str())
}

/// The keys of one recovery point in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKeys {
    /// The `.bin`.
    pub image: ObjectKey,
    /// The manifest beside it.
    pub manifest: ObjectKey,
    /// The note of its source image beside it.
    pub note: ObjectKey,
    /// What all its further records begin with.
    pub records: String,
}

impl VaultKeys {
    /// The keys of a recovery point under a vault's prefix.
    ///
    /// # Errors
    /// A prefix that makes a key longer than S3 allows.
    pub fn of(prefix: &str, id: &RecoveryPointId) -> Result<Self, Malformed> {
        let RecoveryPointId { source_account, source_region, source_image_id, .. } = id;
        let folder = format!("{source_account}/{source_region}/{source_image_id}");
        Ok(Self {
            image: under(prefix, &format!("{folder}/image.bin"))?,
            manifest: under(prefix, &format!("{folder}/{MANIFEST_FILE}"))?,
            note: under(prefix, &format!("{folder}/{NOTE_FILE}"))?,
            records: format!("{}{folder}/record-", self::folder(prefix)),
        })
    }

    /// The key of a further record.
    ///
    /// # Errors
    /// A prefix that makes it longer than S3 allows.
    pub fn record(&self, number: u32, kind: RecordKind) -> Result<ObjectKey, Malformed> {
        let folder = self.records.trim_end_matches("record-");
        format!("{folder}{}", record_file(number, kind)).parse()
    }
}

/// The kind of a key in the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VaultEntry {
    /// The `.bin`.
    Image,
    Manifest,
    /// The note of the source image.
    Note,
    /// A further record, with its number and what it is about; `None` for what this program does not
    /// know.
    Record {
        /// From 1.
        number: u32,
        /// As its name says: `record-0001-lost.json`.
        kind: Option<RecordKind>,
    },
}

/// The recovery point that a key in the vault belongs to; `None` for any other key.
pub fn vault_owner(prefix: &str, vault: &VaultId, key: &ObjectKey) -> Option<RecoveryPointId> {
    let (id, entry) = vault_entry(prefix, vault, key)?;
    matches!(entry, VaultEntry::Image | VaultEntry::Manifest).then_some(id)
}

/// The recovery point that a key in the vault belongs to, and what it is of it; `None` for any
/// other key.
pub fn vault_entry(
    prefix: &str,
    vault: &VaultId,
    key: &ObjectKey,
) -> Option<(RecoveryPointId, VaultEntry)> {
    let rest = match prefix {
        "" => key.as_str(),
        prefix => key.as_str().strip_prefix(prefix)?.strip_prefix('/')?,
    };
    let fields: Vec<&str> = rest.split('/').collect();
    let &[account, region, image, entry] = fields.as_slice() else { return None };
    let entry = match entry {
        "image.bin" => VaultEntry::Image,
        MANIFEST_FILE => VaultEntry::Manifest,
        NOTE_FILE => VaultEntry::Note,
        record => {
            let (number, kind) = record.strip_prefix("record-")?.split_once('-')?;
            let number = number.parse().ok()?;
            let is_named = |known: &RecordKind| kind.strip_suffix(".json") == Some(known.as_str());
            let kind = RecordKind::ALL.into_iter().find(is_named);
            // One number has one name.
            if kind.is_some_and(|kind| record_file(number, kind) != record) {
                return None;
            }
            VaultEntry::Record { number, kind }
        }
    };
    let id = RecoveryPointId {
        source_account: account.parse().ok()?,
        source_region: region.parse().ok()?,
        source_image_id: image.parse().ok()?,
        target_account: vault.account.clone(),
        target_region: vault.region.clone(),
    };
    Some((id, entry))
}

/// What a listing of a source's own prefix in a vault shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept(BTreeMap<ImageId, Entries>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Entries {
    image: bool,
    manifest: bool,
    /// The newest later record, and whether it says that the recovery point is lost.
    newest: Option<(u32, bool)>,
    /// Whether a record says that it was given up.
    pruned: bool,
}

impl Kept {
    /// A key of an image is there.
    pub fn add(&mut self, image: ImageId, entry: VaultEntry) {
        let entries = self.0.entry(image).or_default();
        match entry {
            VaultEntry::Image => entries.image = true,
            VaultEntry::Manifest => entries.manifest = true,
            VaultEntry::Note => {}
            VaultEntry::Record { number, kind } => {
                let lost = kind == Some(RecordKind::Lost);
                entries.newest = entries.newest.max(Some((number, lost)));
                entries.pruned |= kind == Some(RecordKind::Pruned);
            }
        }
    }

    /// Whether the newest later record of an image says that its recovery point is lost.
    pub fn is_lost(&self, id: &ImageId) -> bool {
        self.0.get(id).and_then(|entries| entries.newest).is_some_and(|(_, lost)| lost)
    }

    /// The images that were given up there.
    pub fn pruned(&self) -> BTreeSet<ImageId> {
        let pruned = self.0.iter().filter(|(_, entries)| entries.pruned);
        pruned.map(|(image, _)| image.clone()).collect()
    }

    /// The images that are complete there, as far as a listing tells.
    pub fn complete(self) -> BTreeSet<ImageId> {
        let is_complete = |entries: &Entries| {
            entries.image
                && entries.manifest
                && !entries.pruned
                && entries.newest.is_none_or(|(_, lost)| !lost)
        };
        let complete = self.0.into_iter().filter(|(_, entries)| is_complete(entries));
        complete.map(|(image, _)| image).collect()
    }
}

/// Whether the tags of an image are those that the restore of this recovery point gave it.
pub fn is_tagged_for(id: &RecoveryPointId, tags: &Tags) -> bool {
    let expected = [
        (tag::MANAGED, "true"),
        (tag::SOURCE_ACCOUNT, id.source_account.as_str()),
        (tag::SOURCE_REGION, id.source_region.as_str()),
        (tag::SOURCE_IMAGE, id.source_image_id.as_str()),
    ];
    expected.iter().all(|(key, value)| tags.get(*key).is_some_and(|tag| tag == value))
}

/// The last generation of a restore that counts as ours: years of restores that fail and are
/// repeated every few hours.
pub const LAST_GENERATION: u32 = 9_999;

/// The name of the restored image: unique in account and Region, so EC2 itself refuses a second
/// restore. A later generation exists only when the earlier image failed.
pub fn restored_name(id: &RecoveryPointId, generation: u32) -> String {
    let RecoveryPointId { source_account, source_region, source_image_id, .. } = id;
    let first = format!("amiferry/{source_account}/{source_region}/{source_image_id}");
    if generation <= 1 { first } else { format!("{first}/{generation}") }
}

/// Whether a name begins as those do that are derived.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("amiferry/")
}

/// The recovery point that an image of the vault with this name was restored for, and the
/// generation of that restore; `None` for any other name.
pub fn restored_as(vault: &VaultId, name: &str) -> Option<(RecoveryPointId, u32)> {
    let mut fields = name.strip_prefix("amiferry/")?.split('/');
    let id = RecoveryPointId {
        source_account: fields.next()?.parse().ok()?,
        source_region: fields.next()?.parse().ok()?,
        source_image_id: fields.next()?.parse().ok()?,
        target_account: vault.account.clone(),
        target_region: vault.region.clone(),
    };
    let generation = match fields.next() {
        None => 1,
        Some(_) if has(Bug::FirstNameOnly) => return None,
        Some(number) => number.parse().ok().filter(|number| *number <= LAST_GENERATION)?,
    };
    (restored_name(&id, generation) == name).then_some((id, generation))
}

/// The recovery point that an image of the vault with this name was restored for; `None` for any
/// other name.
pub fn restored_owner(vault: &VaultId, name: &str) -> Option<RecoveryPointId> {
    restored_as(vault, name).map(|(id, _)| id)
}

/// The generation that the name of an image of this recovery point stands for; the last one for
/// any other name.
pub fn generation(id: &RecoveryPointId, name: &str) -> u32 {
    restored_as(&id.vault(), name).map_or(LAST_GENERATION, |(_, generation)| generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RecoveryPointId {
        RecoveryPointId {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: "ami-0123456789abcdef0".parse().unwrap(),
            target_account: "222222222222".parse().unwrap(),
            target_region: "us-west-2".parse().unwrap(),
        }
    }

    fn vault() -> VaultId {
        id().vault()
    }

    #[test]
    fn a_key_in_the_vault_leads_back_to_its_recovery_point_and_no_other_key_does() {
        for prefix in ["", "amiferry", "a/b"] {
            let keys = VaultKeys::of(prefix, &id()).unwrap();
            assert_eq!(vault_owner(prefix, &vault(), &keys.manifest), Some(id()));
            assert_eq!(vault_owner(prefix, &vault(), &keys.image), Some(id()));
            assert_eq!(
                vault_entry(prefix, &vault(), &keys.note),
                Some((id(), VaultEntry::Note)),
                "{prefix}"
            );
            assert_eq!(vault_owner(prefix, &vault(), &keys.note), None, "no upload goes there");
        }
        let foreign = "amiferry/x/us-east-1/ami-0123456789abcdef0/manifest.json".parse().unwrap();
        assert_eq!(vault_owner("amiferry", &vault(), &foreign), None);
    }

    #[test]
    fn a_vault_reads_back_and_nothing_else_is_one() {
        assert_eq!(vault().to_string().parse(), Ok(vault()));
        for text in ["", "/", "us-west-2", "222222222222", "us-west-2/222222222222", "2/us-west-2"]
        {
            let refused = text.parse::<VaultId>().unwrap_err().to_string();
            assert!(refused.ends_with("is not a vault: expected account/region"), "{refused}");
        }
        assert!("222222222222/us-west-2/x".parse::<VaultId>().is_err());
    }

    #[test]
    fn a_restored_name_leads_back_to_its_recovery_point_and_no_other_name_does() {
        for generation in [1, 2, 3, 40, LAST_GENERATION] {
            let name = restored_name(&id(), generation);
            assert_eq!(restored_as(&vault(), &name), Some((id(), generation)), "{name}");
            assert_eq!(super::generation(&id(), &name), generation);
        }
        let first = restored_name(&id(), 1);
        for end in ["/1", "/0", "/02", "/2/2", "/+2", "/2 ", "/", "/10000", "/x", "/99999999999"] {
            assert_eq!(restored_as(&vault(), &format!("{first}{end}")), None, "{end}");
        }
        assert_eq!(restored_owner(&vault(), "web 2026-01-15"), None);
    }

    #[test]
    fn an_image_is_complete_with_object_and_manifest_until_a_record_says_that_it_is_lost() {
        let entry = |name: &str| {
            let folder = "amiferry/111111111111/us-east-1/ami-0123456789abcdef0";
            let key = format!("{folder}/{name}").parse().unwrap();
            vault_entry("amiferry", &vault(), &key)
        };
        for (names, complete) in [
            (vec!["image.bin"], false),
            (vec!["manifest.json"], false),
            (vec!["image.bin", "manifest.json"], true),
            (vec!["image.bin", "manifest.json", "record-0001-lost.json"], false),
            (
                vec![
                    "image.bin",
                    "manifest.json",
                    "record-0001-lost.json",
                    "record-0002-stored.json",
                ],
                true,
            ),
        ] {
            let mut kept = Kept::default();
            for name in &names {
                let (id, entry) = entry(name).unwrap();
                kept.add(id.source_image_id, entry);
            }
            assert_eq!(kept.complete().len(), usize::from(complete), "{names:?}");
        }
        assert_eq!(entry("notes.txt"), None);
    }

    #[test]
    fn restored_names_fit_what_ec2_allows() {
        for name in [1, LAST_GENERATION].map(|generation| restored_name(&id(), generation)) {
            assert!((3..=128).contains(&name.len()));
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./()".contains(c)));
        }
    }
}
