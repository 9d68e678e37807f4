//! The effects by which an image and its snapshots go.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::{ImageId, SnapshotId};

/// Removal of the images and snapshots of one account and Region. No worker has it.
#[async_trait]
pub trait ImageRemoval: Send + Sync {
    /// Turns deregistration protection off. Repeating it changes nothing. Protection with cooldown
    /// holds for another 24 hours (EC2 User Guide, *Protect an AMI from deregistration*).
    async fn unprotect(&self, id: &ImageId) -> Result<(), Fault>;

    /// Deregisters an image. One that is gone already is removed, too. Its snapshots stay.
    async fn deregister(&self, id: &ImageId) -> Result<Removal, Fault>;

    /// Deletes a snapshot; EC2 refuses while an image uses it. One that is gone already is removed,
    /// too.
    async fn delete_snapshot(&self, id: &SnapshotId) -> Result<Removal, Fault>;
}

/// What came of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Gone,
    /// EC2 does not let it go now, in its words: the cooldown of an image, or a snapshot in use.
    NotNow(String),
}
