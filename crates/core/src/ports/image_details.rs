//! Facts about images that EC2 shows only in separate calls.

use async_trait::async_trait;

use super::Listing;
use crate::fault::Fault;
use crate::ids::{ImageId, SnapshotId};
use crate::model::Snapshot;

/// Snapshots and launch permissions of the images of one account and Region.
#[async_trait]
pub trait ImageDetails: Send + Sync {
    /// The snapshots among `ids` that exist.
    async fn snapshots(&self, ids: &[SnapshotId]) -> Result<Listing<Snapshot>, Fault>;

    /// The accounts, groups and organisations that may launch an image, as EC2 names them.
    async fn launch_permissions(&self, id: &ImageId) -> Result<Listing<String>, Fault>;

    /// Whether an image has UEFI data: the non-volatile variables of its firmware, such as its keys
    /// for Secure Boot (`DescribeImageAttribute`).
    async fn has_uefi_data(&self, id: &ImageId) -> Result<bool, Fault>;
}
