//! Version 1 of the manifest's JSON, read and written. What it has never changes: another format
//! gets another version in a file of its own. A part that older readers may do without is added as
//! one that may be absent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Manifest, RestoredRecord, SourceRecord, VaultObject};
use crate::ids::{AccountId, ImageId, Region};
use crate::names::RecoveryPointId;
use crate::policy::Tier;

/// The number in `schema_version`.
pub(super) const VERSION: u32 = 1;

/// The JSON's shape.
#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    schema_version: u32,
    recovery_point: Point,
    target_account: AccountId,
    family: String,
    policy: String,
    tier: Tier,
    source: SourceRecord,
    vault_object: VaultObject,
    restored: Option<RestoredRecord>,
    completed_at: Timestamp,
}

/// A recovery point without its vault's account, which is a separate field.
#[derive(Serialize, Deserialize)]
struct Point {
    source_account: AccountId,
    source_region: Region,
    source_image_id: ImageId,
    target_region: Region,
}

impl From<Document> for Manifest {
    fn from(read: Document) -> Self {
        let Point { source_account, source_region, source_image_id, target_region } =
            read.recovery_point;
        Self {
            recovery_point: RecoveryPointId {
                source_account,
                source_region,
                source_image_id,
                target_account: read.target_account,
                target_region,
            },
            family: read.family,
            policy: read.policy,
            tier: read.tier,
            source: read.source,
            vault_object: read.vault_object,
            restored: read.restored,
            completed_at: read.completed_at,
        }
    }
}

impl From<Manifest> for Document {
    fn from(manifest: Manifest) -> Self {
        let id = manifest.recovery_point;
        Self {
            schema_version: VERSION,
            recovery_point: Point {
                source_account: id.source_account,
                source_region: id.source_region,
                source_image_id: id.source_image_id,
                target_region: id.target_region,
            },
            target_account: id.target_account,
            family: manifest.family,
            policy: manifest.policy,
            tier: manifest.tier,
            source: manifest.source,
            vault_object: manifest.vault_object,
            restored: manifest.restored,
            completed_at: manifest.completed_at,
        }
    }
}
