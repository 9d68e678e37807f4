//! Versions of objects, also of those that a delete marker hides.

use async_trait::async_trait;

use super::Listing;
use crate::fault::Fault;
use crate::ids::{AccountId, BucketName, ObjectKey};

/// One version under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// The key.
    pub key: ObjectKey,
    /// Whether it is a delete marker, which hides all that is under the key.
    pub hides: bool,
    /// The id of the version, where S3 tells it.
    pub version: Option<String>,
}

/// What a bucket holds of each key, whatever hides it.
#[async_trait]
pub trait Versions: Send + Sync {
    /// One page of versions under a prefix, in the order of their keys, and the token of the next
    /// page: one item for each version that holds an object. Behind them come the delete markers of
    /// the page that are the newest version of their key; others hide nothing.
    async fn versions(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<KeyVersion>, Option<String>), Fault>;
}
