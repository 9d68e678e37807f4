//! What buckets are set to.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::{AccountId, BucketName};
use crate::model::DefaultRetention;

/// Settings of buckets whose owner is known and named in every call.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// The retention that a new object gets unless it brings its own; `None` without one.
    async fn default_retention(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<Option<DefaultRetention>, Fault>;
}
