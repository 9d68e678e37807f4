//! Restore tasks of one account and Region.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::{Arn, BucketName, ImageId, ObjectKey};
use crate::model::Tags;

/// The tasks in which EC2 restores images from objects, and the setting that encrypts the result.
#[async_trait]
pub trait RestoreTasks: Send + Sync {
    /// Starts restoring an image; returns its id. The name is the fence: a second restore under
    /// it is refused with [`crate::fault::FaultClass::Conflict`].
    async fn start_restore(&self, request: &RestoreRequest) -> Result<ImageId, Fault>;

    /// The default key of EBS encryption by default; `None` when that setting is off.
    async fn default_encryption(&self) -> Result<Option<Arn>, Fault>;
}

/// What a restore task is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The bucket, in the Region where the restore runs.
    pub bucket: BucketName,
    /// The key of the `.bin`.
    pub key: ObjectKey,
    /// The image's name: 3 to 128 characters, unique in account and Region.
    pub name: String,
    pub image_tags: Tags,
    pub snapshot_tags: Tags,
}
