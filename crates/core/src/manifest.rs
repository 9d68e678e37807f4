//! The create-once record of a complete recovery point, beside its `.bin`.
//!
//! It is written last, when every fact was observed. It keeps the source's shape, so that the
//! recovery point can be judged after its source is gone. It grants nothing: readers compare it
//! with what AWS shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ImageId, SnapshotId};
use crate::model::{Checksum, ObjectVersion, Retention};
use crate::names::RecoveryPointId;
use crate::policy::Tier;
use crate::shape::Shape;

/// The version of the manifest's format that this program writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The largest manifest that is read, in bytes: a device map and 50 tags fit in a tenth of it.
pub const LARGEST: u64 = 1 << 20;

/// A complete recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Which recovery point.
    pub recovery_point: RecoveryPointId,
    /// The vault account.
    pub target_account: AccountId,
    /// The image family at that time.
    pub family: String,
    /// The policy that governed it.
    pub policy: String,
    /// What it holds.
    pub tier: Tier,
    /// The source image.
    pub source: SourceRecord,
    /// The object in the vault.
    pub vault_object: VaultObject,
    /// The restored image, for tier `ready`.
    pub restored: Option<RestoredRecord>,
    /// When every fact had been observed.
    pub completed_at: Timestamp,
}

/// The source image as it was when the copy was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Its name.
    pub name: String,
    /// Its creation time: what recovery point age is measured from.
    pub created_at: Timestamp,
    /// The sum of its volumes in GiB.
    pub size_gib: u64,
    /// What must survive.
    pub shape: Shape,
}

/// The `.bin` in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultObject {
    /// Bucket, key and version.
    #[serde(flatten)]
    pub at: ObjectVersion,
    /// Size in bytes.
    pub size: u64,
    /// Full-object checksum.
    pub checksum: Checksum,
    /// The KMS key it is encrypted with.
    pub key: Option<String>,
    /// Its retention when it was recorded; it can only have been lengthened since.
    pub retention: Option<Retention>,
}

/// The restored image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredRecord {
    /// Its id.
    pub image_id: ImageId,
    /// Its name.
    pub name: String,
    /// Its snapshots.
    pub snapshots: Vec<SnapshotId>,
}

/// Why some bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not the JSON of a manifest.
    #[error("not a manifest: {0}")]
    Malformed(String),
    /// A newer program wrote it.
    #[error("manifest of schema version {0}; this program reads {SCHEMA_VERSION}")]
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
    /// Bytes that are none, or one of another schema version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let malformed = |error: serde_json::Error| Unreadable::Malformed(error.to_string());
        let version: Version = serde_json::from_slice(bytes).map_err(malformed)?;
        if version.schema_version != SCHEMA_VERSION {
            return Err(Unreadable::Version(version.schema_version));
        }
        serde_json::from_slice(bytes).map_err(malformed)
    }
}
