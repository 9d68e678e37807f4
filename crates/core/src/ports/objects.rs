//! S3 as one principal sees it from one Region.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::fault::Fault;
use crate::ids::{AccountId, BucketName, ObjectKey};
use crate::model::{ObjectVersion, PartFacts, Retention, StoredObject};

/// Objects of buckets whose owner is known: every call carries the expected owner, so that a
/// bucket that someone else registered anew under the same name is refused.
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

    /// The content of a small object, at most `limit` bytes; `None` when there is none.
    async fn read(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, Fault>;

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

    /// One page of keys under a prefix, in order, and the token of the next page.
    async fn list(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Vec<ObjectKey>, Option<String>), Fault>;

    /// The multipart uploads in progress on all keys that begin with `prefix`, by key.
    async fn uploads(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
    ) -> Result<Vec<Upload>, Fault>;

    /// Begins a multipart upload and answers its id. Repeating it begins another one.
    async fn begin_upload(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        settings: &NewUpload,
    ) -> Result<String, Fault>;

    /// The parts that an upload holds, by number.
    async fn parts(&self, owner: &AccountId, upload: &Upload) -> Result<Vec<PartFacts>, Fault>;

    /// Copies a range of a pinned source version into a part, inside S3. A part sent again
    /// replaces the earlier one.
    async fn copy_part(
        &self,
        owner: &AccountId,
        upload: &Upload,
        part: &CopyPart,
    ) -> Result<PartFacts, Fault>;

    /// Makes the parts the object's content, unless the key already holds an object or the
    /// content is not what is expected (`Invalid`, code `BadDigest`).
    ///
    /// An answer without an entity tag is [`crate::fault::FaultClass::OutcomeUnknown`].
    async fn complete_upload(
        &self,
        owner: &AccountId,
        upload: &Upload,
        complete: &CompleteUpload,
    ) -> Result<WriteOutcome, Fault>;

    /// Gives up an upload and its parts; one that is gone is `Ok`.
    async fn abort_upload(&self, owner: &AccountId, upload: &Upload) -> Result<(), Fault>;
}

/// What a new object is given at its creation; multipart copies inherit nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewUpload {
    /// Content type.
    pub content_type: Option<String>,
    /// User metadata, names without the `x-amz-meta-` prefix.
    pub metadata: std::collections::BTreeMap<String, String>,
    /// ARN of the KMS key; `None` leaves it to the bucket.
    pub key: Option<String>,
    /// Object Lock retention; `None` leaves it to the bucket.
    pub retention: Option<Retention>,
}

/// A multipart upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key it will become.
    pub key: ObjectKey,
    /// The upload id.
    pub id: String,
    /// When it began; `None` where it was begun by us just now.
    pub begun: Option<Timestamp>,
}

/// One part of a server-side copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyPart {
    /// 1 to 10,000.
    pub number: u32,
    /// The source object, version included.
    pub source: ObjectVersion,
    /// The account that must own the source bucket.
    pub source_owner: AccountId,
    /// The source's entity tag, pinned on every part.
    pub source_etag: String,
    /// Which bytes; `None` for all of them, the only way for a source of at most 5 MB.
    pub range: Option<ByteRange>,
}

/// A range of bytes that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Number of bytes, at least 1.
    pub length: u64,
}

/// What completes an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteUpload {
    /// The parts, by number.
    pub parts: Vec<PartFacts>,
    /// The expected size in bytes.
    pub size: u64,
    /// The expected full-object CRC64NVME in base64; `None` where the source has none.
    pub checksum: Option<String>,
}

/// How a write that must not overwrite ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Written, with this version id.
    Written(Option<String>),
    /// The key already holds an object; nothing was written.
    AlreadyThere,
}
