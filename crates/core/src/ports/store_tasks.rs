//! Store tasks of one account and Region.

use async_trait::async_trait;

use super::Listing;
use crate::fault::Fault;
use crate::ids::{BucketName, ImageId};
use crate::model::{StoreTask, Tags};

/// The tasks in which EC2 stores images as objects.
#[async_trait]
pub trait StoreTasks: Send + Sync {
    /// All store tasks of the account and Region that are in progress.
    async fn running(&self) -> Result<Listing<StoreTask>, Fault>;

    /// The newest store tasks of these images, whatever their state; an image without a task in
    /// the last 31 days is left out. Any number of ids, sent in calls of at most 20.
    async fn newest(&self, ids: &[ImageId]) -> Result<Listing<StoreTask>, Fault>;

    /// Starts storing an image; returns the object's key. EC2 refuses a second copy of one image
    /// in one bucket, so repeating it is harmless: [`crate::fault::FaultClass::Conflict`].
    async fn start_store(&self, request: &StoreRequest) -> Result<String, Fault>;
}

/// What a store task is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRequest {
    pub image: ImageId,
    /// The staging bucket, in the image's Region.
    pub bucket: BucketName,
    /// The path in it, without slashes at its ends; may be empty.
    pub path: String,
    /// Tags for the object, at most 10.
    pub tags: Tags,
}
