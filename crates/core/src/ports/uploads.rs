//! Multipart uploads: beginning, finding and ending them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Listing, NewUpload, WriteOutcome};
use crate::fault::Fault;
use crate::ids::{AccountId, BucketName, ObjectKey};
use crate::model::{Checksum, PartFacts};

/// Multipart uploads into buckets whose owner is known and named in every call.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// The multipart uploads in progress on all keys that begin with `prefix`, by key.
    async fn in_progress(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
    ) -> Result<Listing<Upload>, Fault>;

    /// Begins a multipart upload for an object with such a checksum and answers its id. Repeating it
    /// begins another one.
    async fn begin(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        checksum: &Checksum,
        settings: &NewUpload,
    ) -> Result<String, Fault>;

    /// Makes the parts the object's content, unless the key already holds an object or the
    /// content is not what is expected (`Invalid`, code `BadDigest`).
    ///
    /// An answer without an entity tag is [`crate::fault::FaultClass::OutcomeUnknown`].
    async fn complete(
        &self,
        owner: &AccountId,
        upload: &Upload,
        complete: &CompleteUpload,
    ) -> Result<WriteOutcome, Fault>;

    /// Gives up an upload and its parts; one that is gone is `Ok`.
    async fn abort(&self, owner: &AccountId, upload: &Upload) -> Result<(), Fault>;
}

/// A multipart upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub bucket: BucketName,
    /// The key it will become.
    pub key: ObjectKey,
    /// The upload id.
    pub id: String,
    /// When it began; `None` where it was begun by us just now.
    pub begun: Option<Timestamp>,
}

/// A request to complete an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteUpload {
    /// The parts, by number.
    pub parts: Vec<PartFacts>,
    /// The expected size in bytes.
    pub size: u64,
    /// The checksum that its object must have.
    pub checksum: Checksum,
}
