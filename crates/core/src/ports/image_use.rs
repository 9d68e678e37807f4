//! What uses an image or its snapshots.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Listing;
use crate::fault::Fault;
use crate::ids::{ImageId, SnapshotId};
use crate::model::Image;

/// Who uses the images of one account and Region.
#[async_trait]
pub trait ImageUse: Send + Sync {
    /// The ARNs of what names an image in its account and Region: instances, launch templates,
    /// parameters and recipes of Image Builder (`DescribeImageReferences`, EC2 User Guide, *Check when
    /// AMIs are referenced*). Other accounts are not asked.
    async fn references(&self, id: &ImageId) -> Result<Listing<String>, Fault>;

    /// The images of this account that any of these snapshots back, disabled ones included.
    async fn made_of(&self, ids: &[SnapshotId]) -> Result<Listing<Image>, Fault>;

    /// All snapshots of this account that are tagged as amiferry's.
    async fn own_snapshots(&self) -> Result<Listing<OwnSnapshot>, Fault>;
}

/// A snapshot of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSnapshot {
    pub id: SnapshotId,
    /// When it was begun.
    pub started: Timestamp,
    /// Size of its volume in GiB.
    pub size_gib: u64,
}
