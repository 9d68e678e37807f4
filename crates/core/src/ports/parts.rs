//! The parts of multipart uploads, which S3 fills by copying.

use async_trait::async_trait;

use super::{Listing, Upload};
use crate::fault::Fault;
use crate::ids::AccountId;
use crate::model::{ObjectVersion, PartFacts};

/// Parts of multipart uploads into buckets whose owner is known and named in every call.
#[async_trait]
pub trait Parts: Send + Sync {
    /// The parts that an upload holds, by number.
    async fn held(&self, owner: &AccountId, upload: &Upload) -> Result<Listing<PartFacts>, Fault>;

    /// Copies a range of a pinned source version into a part, inside S3. A part sent again
    /// replaces the earlier one.
    async fn copy(
        &self,
        owner: &AccountId,
        upload: &Upload,
        part: &CopyPart,
    ) -> Result<PartFacts, Fault>;
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
