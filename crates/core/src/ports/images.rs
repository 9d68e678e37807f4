//! EC2 of one account and Region.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::{Arn, BucketName, ImageId, ObjectKey, SnapshotId};
use crate::model::{Image, Snapshot, StoreTask, Tags};

/// Images, snapshots and store tasks of one account and Region.
#[async_trait]
pub trait Images: Send + Sync {
    /// The images among `ids` that this account owns; unknown and foreign ones are left out.
    /// Any number of ids; sent as filter values in calls of at most 200.
    async fn describe(&self, ids: &[ImageId]) -> Result<Vec<Image>, Fault>;

    /// The images of this account with one of these exact names. Wildcards in a name are
    /// escaped; any number of names.
    async fn named(&self, names: &[String]) -> Result<Vec<Image>, Fault>;

    /// The images of this account that are being made now.
    async fn pending(&self) -> Result<Vec<Image>, Fault>;

    /// One page of all images that this account owns, disabled ones included, and the token of
    /// the next page.
    async fn page(&self, token: Option<String>) -> Result<(Vec<Image>, Option<String>), Fault>;

    /// The snapshots among `ids` that exist.
    async fn snapshots(&self, ids: &[SnapshotId]) -> Result<Vec<Snapshot>, Fault>;

    /// The accounts, groups and organisations that may launch an image, as EC2 names them.
    async fn launch_permissions(&self, id: &ImageId) -> Result<Vec<String>, Fault>;

    /// All store tasks of the account and Region that are in progress.
    async fn running_store_tasks(&self) -> Result<Vec<StoreTask>, Fault>;

    /// The newest store tasks of these images, whatever their state; an image without a task in
    /// the last 31 days is left out. Any number of ids, sent in calls of at most 20.
    async fn store_tasks(&self, ids: &[ImageId]) -> Result<Vec<StoreTask>, Fault>;

    /// Starts storing an image; answers the object's key. EC2 refuses a second copy of one image
    /// in one bucket, so repeating it is harmless: [`crate::fault::FaultClass::Conflict`].
    async fn start_store(&self, request: &StoreRequest) -> Result<String, Fault>;

    /// Starts restoring an image; answers its id. The name is the fence: a second restore under
    /// it is refused with [`crate::fault::FaultClass::Conflict`].
    async fn start_restore(&self, request: &RestoreRequest) -> Result<ImageId, Fault>;

    /// Turns deregistration protection on (without cool-down unless asked). Repeating it changes
    /// nothing.
    async fn protect(&self, id: &ImageId, with_cooldown: bool) -> Result<(), Fault>;

    /// Has instances of an image demand IMDSv2. Repeating it changes nothing; nothing undoes it.
    async fn demand_imds_v2(&self, id: &ImageId) -> Result<(), Fault>;

    /// The default key of EBS encryption by default; `None` when that setting is off.
    async fn default_encryption(&self) -> Result<Option<Arn>, Fault>;
}

/// What a store task is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRequest {
    /// The image.
    pub image: ImageId,
    /// The staging bucket, in the image's Region.
    pub bucket: BucketName,
    /// The path in it, without slashes at its ends; may be empty.
    pub path: String,
    /// Tags for the object, at most 10.
    pub tags: Tags,
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
    /// Tags for the image.
    pub image_tags: Tags,
    /// Tags for all its snapshots.
    pub snapshot_tags: Tags,
}
