//! The create-once record of a complete recovery point, beside its `.bin`.
//!
//! The worker writes it last, after it has observed every fact. It keeps the source's shape, so
//! that the recovery point can be judged after its source is gone. It proves nothing by itself:
//! readers compare it with what AWS shows.
//!
//! Each version of its JSON has a file of its own. Workers read all versions and write the newest.

#[cfg(test)]
mod frozen;
mod note;
mod record;
mod v1;

use std::collections::BTreeSet;

pub use note::{LARGEST_NOTE, Note, Teller};
pub use record::{LARGEST_RECORD, Record, is_pruned};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::json;
use crate::ids::{AccountId, ImageId, SnapshotId};
use crate::model::{Checksum, Depth, Image, ObjectVersion, Retention};
use crate::names::RecoveryPointId;
use crate::policy::{StorageClass, Tier};
use crate::shape::{Difference, Shape};
use crate::text::visible;

/// The version of the manifest's format that this program writes.
pub const SCHEMA_VERSION: u32 = v1::VERSION;

/// The largest manifest that is read, in bytes: a device map and 50 tags fit in a tenth of it.
pub const LARGEST: u64 = 1 << 20;

/// A complete recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "v1::Document", into = "v1::Document")]
pub struct Manifest {
    pub recovery_point: RecoveryPointId,
    /// The image family at that time.
    pub family: String,
    /// The policy that governed it.
    pub policy: String,
    /// What it holds.
    pub tier: Tier,
    /// The source image.
    pub source: SourceRecord,
    pub vault_object: VaultObject,
    /// The restored image, for tier `ready`.
    pub restored: Option<RestoredRecord>,
    /// When every fact had been observed.
    pub completed_at: Timestamp,
}

/// The source image as it was when the copy was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub name: String,
    /// Its creation time: what recovery point age is measured from.
    pub created_at: Timestamp,
    /// The sum of its volumes in GiB.
    pub size_gib: u64,
    /// What must survive.
    pub shape: Shape,
    /// The snapshots it was made of: see [`crate::repeats`]. Empty in records of versions that did
    /// not keep them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub snapshots: BTreeSet<SnapshotId>,
    /// Why all this is by a note and not by the image; `None` where EC2 showed the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
}

impl SourceRecord {
    /// What is recorded of an image that EC2 shows.
    pub fn of(image: &Image) -> Self {
        Self {
            name: image.name.clone(),
            created_at: image.created,
            size_gib: image.size_gib(),
            shape: Shape::of(image),
            snapshots: image.snapshots().cloned().collect(),
            unseen: None,
        }
    }
}

/// Why the source image was not seen when its copy was recorded, and who described it instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    pub why: WhyUnseen,
    /// Who had seen the image, and noted what it showed.
    pub told_by: Teller,
}

/// Why a source image was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyUnseen {
    /// EC2 no longer showed it.
    Gone,
    /// The source did not answer.
    NotAsked,
}

/// The `.bin` in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultObject {
    /// Bucket, key and version.
    #[serde(flatten)]
    pub at: ObjectVersion,
    /// Size in bytes.
    pub size: u64,
    /// Its checksum, which is that of the staged object.
    pub checksum: Checksum,
    /// The KMS key it is encrypted with; in the JSON, `key` is the object's.
    #[serde(rename = "kms_key")]
    pub key: Option<String>,
    /// Its retention when it was recorded; it can only have been lengthened since.
    pub retention: Option<Retention>,
    /// Its storage class when it was recorded, as S3 names it; `None` for `STANDARD`. Lifecycle rules may
    /// have moved it since.
    #[serde(default, rename = "storage_class", skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

impl VaultObject {
    /// Whether both are the same version with the same bytes. How long it is locked and in which class it
    /// is may have changed since.
    pub(super) fn is_the_same_object(&self, other: &Self) -> bool {
        (&self.at, self.size, &self.checksum) == (&other.at, other.size, &other.checksum)
    }

    /// How deep in an archive it was recorded; `None` for a class that is read at once.
    pub fn depth(&self) -> Option<Depth> {
        StorageClass::try_from(self.class.clone()?).ok()?.depth()
    }
}

/// The restored image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredRecord {
    pub image_id: ImageId,
    pub name: String,
    pub snapshots: Vec<SnapshotId>,
    /// The keys that encrypt them; empty in records of versions that did not keep them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
    /// In what it differs from its source, by the policy's leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_differences: Vec<Difference>,
    /// The other accounts that a person lets launch it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shared_with: BTreeSet<AccountId>,
}

/// Why some bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not the JSON of a manifest.
    #[error("not a manifest: {0}")]
    Malformed(String),
    /// Longer than any manifest.
    #[error("not a manifest: {0} bytes, of at most {LARGEST}")]
    TooLarge(u64),
    /// A newer program wrote it, or no program did: there is no version 0.
    #[error("manifest of schema version {0}; this program reads 1 to {SCHEMA_VERSION}")]
    Version(u32),
}

impl Manifest {
    /// The JSON that is stored: indented, because people read it in an emergency.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// Bytes that are none, more bytes than [`LARGEST`], or one of an unknown schema version. A
    /// name twice in one object is refused too: two readers would see two different manifests.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Unreadable> {
        parsed(bytes, v1::VERSION, |text| {
            serde_json::from_str::<v1::Document>(text).map(Self::from)
        })
    }
}

/// How wrong two machines' clocks may be about each other. AWS refuses a signature that is 15 minutes
/// off; the SDK corrects it, so that a worker's clock can be worse.
pub const ALLOWED_SKEW: SignedDuration = SignedDuration::from_hours(1);

impl Manifest {
    /// Why its times cannot be true, if they cannot: an image is created before its copy is complete,
    /// and that before its record is `written`, and that before `now`.
    pub fn impossible(&self, written: Option<Timestamp>, now: Timestamp) -> Option<String> {
        let (created, completed) = (self.source.created_at, self.completed_at);
        let written = written.unwrap_or(now);
        let order = [
            (created, completed, "created", "completed"),
            (completed, written, "completed", "written"),
            (written, now, "written", "read"),
        ];
        let too_late = |(before, after, ..): &&(Timestamp, Timestamp, &str, &str)| {
            before.duration_since(*after) > ALLOWED_SKEW
        };
        let (before, after, first, then) = order.iter().find(too_late)?;
        Some(format!("{first} at {before}, and {then} at {after}"))
    }
}

/// Reads a document of a version by the rules of [`Manifest::from_json`].
fn parsed<T>(
    bytes: &[u8],
    known: u32,
    read: impl FnOnce(&str) -> serde_json::Result<T>,
) -> Result<T, Unreadable> {
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    // The parser quotes unexpected input, however long it is.
    let malformed =
        |error: serde_json::Error| Unreadable::Malformed(visible(&error.to_string(), 300));
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > LARGEST {
        return Err(Unreadable::TooLarge(length));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Unreadable::Malformed(format!("not UTF-8: {error}")))?;
    json::parse(text).map_err(|reject| Unreadable::Malformed(reject.detail))?;
    let version: Version = serde_json::from_str(text).map_err(malformed)?;
    if version.schema_version != known {
        return Err(Unreadable::Version(version.schema_version));
    }
    read(text).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::decide::tests::fixture::{image, manifest, restored_image};
    use crate::model::{RetentionMode, Tags};

    fn ready() -> Manifest {
        manifest(&image(), Some(&restored_image(&image(), 1)))
    }

    /// The ordinary manifest as JSON with the value at a pointer replaced.
    fn with(pointer: &str, value: Value) -> Vec<u8> {
        let mut json: Value = serde_json::from_slice(&ready().to_json()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        serde_json::to_vec(&json).unwrap()
    }

    #[test]
    fn the_json_says_what_people_look_for_in_an_emergency() {
        let json: Value = serde_json::from_slice(&ready().to_json()).unwrap();
        for (pointer, expected) in [
            ("/schema_version", json!(1)),
            ("/tier", json!("ready")),
            ("/recovery_point/source_image_id", json!("ami-0123456789abcdef0")),
            ("/source/created_at", json!("2026-01-15T00:00:00Z")),
            ("/vault_object/bucket", json!("vault-us-west-2")),
            (
                "/vault_object/key",
                json!("amiferry/111111111111/us-east-1/ami-0123456789abcdef0/image.bin"),
            ),
            ("/vault_object/version_id", json!("vault-1")),
            ("/vault_object/kms_key", json!("arn:aws:kms:us-west-2:222222222222:key/bucket")),
            ("/vault_object/checksum", json!({"algorithm": "CRC64NVME", "value": "c3RhZ2VkIQ=="})),
            ("/vault_object/retention/mode", json!("compliance")),
            ("/restored/image_id", json!("ami-0ccccccccccccccc1")),
        ] {
            assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
        }
        assert!(ready().to_json().ends_with(b"}\n"));
    }

    #[test]
    fn what_is_no_manifest_is_refused_as_malformed() {
        for (bytes, why) in [
            (b"".to_vec(), "empty"),
            (b"{".to_vec(), "cut off"),
            (b"null".to_vec(), "nothing"),
            (b"{}".to_vec(), "no version"),
            (b"\xff\xfe".to_vec(), "no text"),
            (br#"{"schema_version": 1}"#.to_vec(), "only a version"),
            (br#"{"schema_version": "1"}"#.to_vec(), "a version in quotes"),
            (br#"{"schema_version": 4294967296}"#.to_vec(), "a version out of range"),
            (vec![b'['; 100_000], "deep nesting"),
            ([ready().to_json(), b"{}".to_vec()].concat(), "something behind it"),
            (with("/recovery_point/source_image_id", json!("ami-x/../y")), "no image id"),
            (with("/vault_object/bucket", json!("A")), "no bucket"),
            (with("/vault_object/size", json!(-1)), "a negative size"),
            (with("/vault_object/checksum/algorithm", json!("MD5")), "an unknown checksum"),
            (with("/tier", json!("gold")), "an unknown tier"),
            (with("/completed_at", json!("yesterday")), "no time"),
        ] {
            let refused = Manifest::from_json(&bytes);
            assert!(matches!(refused, Err(Unreadable::Malformed(_))), "{why}: {refused:?}");
        }
    }

    #[test]
    fn a_name_twice_is_refused_wherever_it_stands() {
        let json = String::from_utf8(ready().to_json()).unwrap();
        for (once, twice) in [
            ("\"tags\": {", "\"tags\": {\"app\": \"forged\", "),
            ("\"tier\": ", "\"tier\": \"archive\", \"tier\": "),
            ("\"bucket\": ", "\"bucket\": \"evil\", \"bucket\": "),
            ("\"schema_version\"", "\"x\": [{\"a\": 1, \"a\": 2}], \"schema_version\""),
        ] {
            assert!(json.contains(once), "{once}");
            let refused = Manifest::from_json(json.replacen(once, twice, 1).as_bytes());
            assert!(matches!(refused, Err(Unreadable::Malformed(_))), "{twice}: {refused:?}");
        }
    }

    #[test]
    fn another_schema_version_is_refused_by_its_number() {
        for version in [0, 2, u32::MAX] {
            let refused = Manifest::from_json(&with("/schema_version", json!(version)));
            assert_eq!(refused, Err(Unreadable::Version(version)));
        }
        // Even if every other field is unknown.
        let newer = Manifest::from_json(br#"{"schema_version": 2, "other": true}"#);
        assert_eq!(newer, Err(Unreadable::Version(2)));
    }

    #[test]
    fn a_manifest_of_before_names_no_snapshots_of_its_source_and_is_read() {
        let mut older: Value = serde_json::from_slice(&ready().to_json()).unwrap();
        let snapshots = older["source"].as_object_mut().unwrap().remove("snapshots");
        let named = json!(["snap-0aaaaaaaaaaaaaaa1", "snap-0aaaaaaaaaaaaaaa2"]);
        assert_eq!(snapshots, Some(named));
        let mut expected = ready();
        expected.source.snapshots.clear();
        assert_eq!(Manifest::from_json(&serde_json::to_vec(&older).unwrap()), Ok(expected));
    }

    #[test]
    fn times_in_another_order_than_that_of_a_copy_are_impossible() {
        let manifest = ready();
        let (created, completed) = (manifest.source.created_at, manifest.completed_at);
        let hours = SignedDuration::from_hours;
        let at = |created, completed, written, now| {
            let mut manifest = manifest.clone();
            manifest.source.created_at = created;
            manifest.completed_at = completed;
            manifest.impossible(written, now).is_some()
        };
        for (impossible, seen, what) in [
            (false, at(created, completed, Some(completed), completed), "as it should be"),
            (false, at(created, completed, None, completed), "S3 does not say when"),
            (
                false,
                at(completed + hours(1), completed, Some(completed), completed),
                "clocks differ",
            ),
            (false, at(created, completed + hours(1), Some(completed), completed), "clocks differ"),
            (false, at(created, completed, Some(completed + hours(1)), completed), "clocks differ"),
            (
                true,
                at(completed + hours(2), completed, Some(completed), completed),
                "created later",
            ),
            (
                true,
                at(created, completed + hours(2), Some(completed), completed),
                "recorded before",
            ),
            (
                true,
                at(created, completed, Some(completed), completed - hours(2)),
                "from the future",
            ),
            (true, at(created, completed + hours(2), None, completed), "from the future"),
        ] {
            assert_eq!(seen, impossible, "{what}");
        }
    }

    #[test]
    fn a_manifest_may_be_as_large_as_the_limit_and_not_larger() {
        let mut bytes = ready().to_json();
        bytes.resize(usize::try_from(LARGEST).unwrap(), b' ');
        assert_eq!(Manifest::from_json(&bytes), Ok(ready()));
        bytes.push(b' ');
        assert_eq!(Manifest::from_json(&bytes), Err(Unreadable::TooLarge(LARGEST + 1)));
    }

    #[test]
    fn a_refusal_quotes_no_more_than_a_line_and_nothing_invisible() {
        let hostile = format!("\u{1b}[2J{}", "x".repeat(500_000));
        let refused = Manifest::from_json(&with("/tier", json!(hostile))).unwrap_err().to_string();
        assert!(refused.chars().count() < 400, "{} characters", refused.chars().count());
        assert!(!refused.contains('\u{1b}'), "{refused:?}");
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (-1_000_000_000i64..10_000_000_000, 0i32..1_000_000_000)
            .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap())
    }

    fn any_tags() -> impl Strategy<Value = Tags> {
        prop::collection::btree_map(".{1,20}", ".{0,40}", 0..6)
    }

    fn any_unseen() -> impl Strategy<Value = Unseen> {
        let why = prop::sample::select(vec![WhyUnseen::Gone, WhyUnseen::NotAsked]);
        let teller = prop::sample::select(vec![Teller::Vault, Teller::Source]);
        (why, teller).prop_map(|(why, told_by)| Unseen { why, told_by })
    }

    prop_compose! {
        fn any_manifest()(
            (ready, generation) in (any::<bool>(), 1u32..4),
            (family, policy, name) in (".{0,40}", "[a-z0-9_-]{1,64}", ".{3,40}"),
            (created_at, completed_at, until) in (any_time(), any_time(), any_time()),
            tags in any_tags(),
            boot_mode in prop::option::of(".{0,10}"),
            (size, size_gib) in (any::<u64>(), any::<u64>()),
            version in prop::option::of(".{1,40}"),
            locked in prop::option::of(any::<bool>()),
            unseen in prop::option::of(any_unseen()),
            snapshots in prop::collection::vec("snap-[0-9a-f]{17}".prop_map(|id| id.parse().unwrap()), 0..3),
        ) -> Manifest {
            let restored = restored_image(&image(), generation);
            let mut manifest = manifest(&image(), ready.then_some(&restored));
            manifest.family = family;
            manifest.policy = policy;
            manifest.completed_at = completed_at;
            let shape = Shape { tags, boot_mode, ..manifest.source.shape };
            let snapshots = snapshots.into_iter().collect();
            manifest.source =
                SourceRecord { name, created_at, size_gib, shape, snapshots, unseen };
            manifest.vault_object.size = size;
            manifest.vault_object.at.version = version;
            manifest.vault_object.retention = locked.map(|strict| Retention {
                mode: if strict { RetentionMode::Compliance } else { RetentionMode::Governance },
                until,
            });
            manifest
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(manifest in any_manifest()) {
            prop_assert_eq!(Manifest::from_json(&manifest.to_json()), Ok(manifest));
        }

        #[test]
        fn a_manifest_that_was_cut_anywhere_is_refused(
            manifest in any_manifest(),
            place in any::<prop::sample::Index>(),
        ) {
            let json = manifest.to_json();
            // The last two bytes are the closing brace and a line feed.
            let cut = &json[..place.index(json.len() - 1)];
            prop_assert!(matches!(Manifest::from_json(cut), Err(Unreadable::Malformed(_))));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Manifest::from_json(&bytes).is_err());
        }
    }
}
