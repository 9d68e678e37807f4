//! Takes versions of objects away, and asks what holds them.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::AccountId;
use amiferry_core::model::{ObjectVersion, Retention, RetentionMode};
use amiferry_core::ports::{VersionLock, VersionRemoval};
use async_trait::async_trait;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockRetentionMode};

use super::{S3Objects, path};
use crate::call::Call;
use crate::time::timestamp;

#[async_trait]
impl VersionRemoval for S3Objects {
    async fn lock_of(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
    ) -> Result<Option<VersionLock>, Fault> {
        match self.held_by(owner, version).await {
            Ok(lock) => Ok(Some(lock)),
            // Also where another run deletes it between two of the questions.
            Err(fault) if fault.class == FaultClass::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn delete(&self, owner: &AccountId, version: &ObjectVersion) -> Result<(), Fault> {
        let call = Call::new("s3:DeleteObject", path(&version.bucket, &version.key));
        let Some(id) = &version.version else {
            let why =
                "the record names no version of the object, and only a version can be deleted";
            return Err(call.fault(FaultClass::Invalid, "NoVersion", why));
        };
        let request = self
            .client
            .delete_object()
            .bucket(version.bucket.as_str())
            .key(version.key.as_str())
            .version_id(id)
            .expected_bucket_owner(owner.as_str());
        self.session.send(&call, request.send()).await.map(drop)
    }
}

impl S3Objects {
    async fn held_by(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
    ) -> Result<VersionLock, Fault> {
        let resource = path(&version.bucket, &version.key);
        let call = Call::new("s3:HeadObject", resource.clone());
        let request = self
            .client
            .head_object()
            .bucket(version.bucket.as_str())
            .key(version.key.as_str())
            .set_version_id(version.version.clone())
            .expected_bucket_owner(owner.as_str());
        let head = self.session.send(&call, request.send()).await?;
        let size = head.content_length.and_then(|length| u64::try_from(length).ok());
        let size = size.ok_or_else(|| call.unexpected("Content-Length", None))?;
        let retention = self.retention_of(owner, version, &resource).await?;
        let hold = self.is_held(owner, version, &resource).await?;
        Ok(VersionLock { size, retention, hold })
    }

    async fn retention_of(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        resource: &str,
    ) -> Result<Option<Retention>, Fault> {
        let call = Call::new("s3:GetObjectRetention", resource);
        let request = self
            .client
            .get_object_retention()
            .bucket(version.bucket.as_str())
            .key(version.key.as_str())
            .set_version_id(version.version.clone())
            .expected_bucket_owner(owner.as_str());
        let answer = match self.session.send(&call, request.send()).await {
            Ok(answer) => answer.retention,
            Err(fault) if has_no_lock(&fault) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let retention = answer.ok_or_else(|| call.unexpected("Retention", None))?;
        let until = retention.retain_until_date.as_ref().and_then(timestamp);
        let until = until.ok_or_else(|| call.unexpected("RetainUntilDate", None))?;
        let mode = match retention.mode {
            Some(ObjectLockRetentionMode::Governance) => RetentionMode::Governance,
            // A mode that this version does not know holds at least as well.
            _ => RetentionMode::Compliance,
        };
        Ok(Some(Retention { mode, until }))
    }

    async fn is_held(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        resource: &str,
    ) -> Result<bool, Fault> {
        let call = Call::new("s3:GetObjectLegalHold", resource);
        let request = self
            .client
            .get_object_legal_hold()
            .bucket(version.bucket.as_str())
            .key(version.key.as_str())
            .set_version_id(version.version.clone())
            .expected_bucket_owner(owner.as_str());
        match self.session.send(&call, request.send()).await {
            Ok(answer) => {
                let status = answer.legal_hold.and_then(|hold| hold.status);
                Ok(status != Some(ObjectLockLegalHoldStatus::Off))
            }
            Err(fault) if has_no_lock(&fault) => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// Whether S3 says that the version has no lock, or that its bucket can give none.
fn has_no_lock(fault: &Fault) -> bool {
    fault.code == "NoSuchObjectLockConfiguration"
        || (fault.code == "InvalidRequest" && fault.detail.contains("Object Lock"))
}
