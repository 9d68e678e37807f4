//! S3 objects as `HeadObject` shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Archived, Checksum};
use crate::ids::{BucketName, ObjectKey};

/// One version of an object with what identifies its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// Which version of which object.
    pub at: ObjectVersion,
    /// The entity tag, with its quotes removed. Identifies content only under one part layout.
    pub etag: String,
    /// Size in bytes.
    pub size: u64,
    /// The checksum that S3 keeps, if any.
    pub checksum: Option<Checksum>,
    /// User metadata, without the `x-amz-meta-` prefix. Opaque: EC2's own names are undocumented.
    pub metadata: BTreeMap<String, String>,
    /// Content type as stored.
    pub content_type: Option<String>,
    /// The KMS key of the server-side encryption, where it is SSE-KMS.
    pub key: Option<String>,
    /// Object Lock retention of this version.
    pub retention: Option<Retention>,
    /// When the version was written.
    pub last_modified: Option<Timestamp>,
    /// Its storage class as S3 names it; `None` for `STANDARD`.
    #[serde(default)]
    pub class: Option<String>,
    /// In which archive it is, if it cannot be read at once.
    pub archived: Option<Archived>,
}

/// Bucket, key and version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectVersion {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// The version id; `None` in a bucket without versioning.
    #[serde(rename = "version_id")]
    pub version: Option<String>,
}

/// Object Lock retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Whether principals with a special permission can shorten it.
    pub mode: RetentionMode,
    /// Until when the version cannot be deleted.
    pub until: Timestamp,
}

/// Object Lock mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetentionMode {
    /// Can be shortened with a special permission.
    Governance,
    /// No principal can shorten it, not even the account's root user.
    Compliance,
}

/// A part that a multipart upload already holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFacts {
    /// 1 to 10,000.
    pub number: u32,
    /// Size in bytes.
    pub size: u64,
    /// The part's entity tag, with quotes removed.
    pub etag: String,
    /// The part's checksum in base64, by the algorithm of its upload, where S3 gives it.
    pub checksum: Option<String>,
    /// When it was copied, where S3 tells.
    pub copied_at: Option<Timestamp>,
}
