//! Versions of objects, also of those that a delete marker hides.

use async_trait::async_trait;

use super::Listing;
use crate::fault::Fault;
use crate::ids::{AccountId, BucketName, ObjectKey};

/// What a bucket holds of each key, whatever hides it.
#[async_trait]
pub trait Versions: Send + Sync {
    /// One page of versions under a prefix, in the order of their keys, and the token of the next
    /// page: a key appears once for each version that holds an object, and not for delete markers.
    async fn versions(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<ObjectKey>, Option<String>), Fault>;
}
