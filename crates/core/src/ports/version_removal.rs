//! The effect by which a version of an object goes, and what holds it.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::ids::AccountId;
use crate::model::{ObjectVersion, Retention};

/// Removal of versions of objects. No worker has it, and nothing here bypasses a lock.
#[async_trait]
pub trait VersionRemoval: Send + Sync {
    /// What holds a version; `None` where there is no such version.
    async fn lock_of(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
    ) -> Result<Option<VersionLock>, Fault>;

    /// Deletes one version for good. Again, it changes nothing. S3 refuses while a lock or a legal hold
    /// is on it.
    ///
    /// # Errors
    /// `Invalid` for a version that is locked, and for one without an id: a delete marker would only hide the object.
    async fn delete(&self, owner: &AccountId, version: &ObjectVersion) -> Result<(), Fault>;
}

/// What holds a version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionLock {
    /// Size in bytes.
    pub size: u64,
    pub retention: Option<Retention>,
    /// Whether a legal hold is on it.
    pub hold: bool,
}
