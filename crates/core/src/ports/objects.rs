//! Objects as one principal sees them from one Region.

use async_trait::async_trait;

use super::Listing;
use crate::fault::Fault;
use crate::ids::{AccountId, BucketName, ObjectKey};
use crate::model::{ObjectVersion, Retention, StoredObject};
use crate::policy::StorageClass;

/// The code of a read whose object is behind a delete marker.
pub const BEHIND_A_MARKER: &str = "BehindADeleteMarker";

/// Objects of buckets whose owner is known: every call carries the expected owner, so that a
/// bucket that another account registered later under the same name is refused.
#[async_trait]
pub trait Objects: Send + Sync {
    /// The current version of an object; `None` when there is none (or a delete marker).
    ///
    /// Without `s3:ListBucket`, S3 answers 403 for a missing key: that is a `Denied` fault.
    async fn head(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<StoredObject>, Fault>;

    /// The length in bytes of one part of a version that was written in parts, by its number from 1.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` where there is no such version or part.
    async fn part_length(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        number: u32,
    ) -> Result<u64, Fault>;

    /// The content of a small object, at most `limit` bytes; `None` when there is none. What a delete
    /// marker hides is a fault with the code [`BEHIND_A_MARKER`].
    async fn read(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        limit: u64,
    ) -> Result<Option<SmallObject>, Fault>;

    /// Writes a small object unless the key already holds one.
    async fn create(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        body: Vec<u8>,
        settings: &NewUpload,
    ) -> Result<WriteOutcome, Fault>;

    /// Lengthens the lock of an object version. Again, it changes nothing; S3 refuses to shorten
    /// one (`Denied`).
    async fn lock(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        retention: &Retention,
    ) -> Result<(), Fault>;

    /// One page of the objects under a prefix, in the order of their keys, and the token of the next
    /// page.
    async fn list(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<ListedObject>, Option<String>), Fault>;
}

/// An object, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: ObjectKey,
    /// In bytes; 0 where S3 does not say.
    pub size: u64,
}

/// A small object, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallObject {
    pub bytes: Vec<u8>,
    /// When S3 wrote it, by its own clock.
    pub written: Option<jiff::Timestamp>,
}

/// What a new object is given at its creation; multipart copies inherit nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewUpload {
    pub content_type: Option<String>,
    /// User metadata, names without the `x-amz-meta-` prefix.
    pub metadata: std::collections::BTreeMap<String, String>,
    /// ARN of the KMS key; `None` leaves it to the bucket.
    pub key: Option<String>,
    /// Object Lock retention; `None` leaves it to the bucket.
    pub retention: Option<Retention>,
    /// The storage class. Manifests, records and notes are always `STANDARD`: they are read at once.
    pub class: StorageClass,
}

/// How a write that must not overwrite ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Written, with this version id.
    Written(Option<String>),
    /// The key already holds an object; nothing was written.
    AlreadyThere,
}
