//! Aborts uploads that nothing will complete and that no reconciliation will revisit: the source
//! image was deregistered, or S3 got the request only after the recovery point was recorded.

use amiferry_core::copy_claim::UploadActivity;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::names::{self, RecoveryPointId};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::Upload;
use amiferry_service::reconcile::Role;
use amiferry_service::telemetry::recovery_point;
use amiferry_service::unreadable::Pages;

use crate::role::TargetRole;

impl TargetRole {
    /// Aborts the leftover uploads under the keys of recovery points, after a complete walk. It
    /// leaves alone an upload that may still be needed or that showed activity within the hour; if
    /// it aborted one by mistake, the copy would begin again.
    ///
    /// # Errors
    /// The first call that failed. The other uploads were examined anyway.
    pub(crate) async fn abort_leftovers(&self) -> Result<(), Fault> {
        if has(Bug::UploadsLeft) {
            return Ok(());
        }
        let vault = &self.observer.vault;
        let folder = names::folder(&vault.prefix);
        let mut ended = Ok(());
        let uploads = vault.uploads.in_progress(&vault.account, &vault.bucket, &folder).await?;
        let listing = format!("uploads to {}/{folder}", vault.bucket);
        self.unreadable.met(&listing, Pages::ALL, &uploads.unreadable);
        for upload in uploads.items {
            let owner = names::vault_owner(&vault.prefix, &self.observer.vault_id(), &upload.key);
            if let Some(id) = owner.filter(|id| self.is_ours(id, &upload)) {
                ended = ended.and(self.abort_if_left(&id, &upload).await);
            }
        }
        ended
    }

    /// Uploads of sources that are not configured here may be those of another deployment.
    fn is_ours(&self, id: &RecoveryPointId, upload: &Upload) -> bool {
        self.observer.source(id).is_some()
            && self.observer.keys_of(id).is_ok_and(|keys| keys.image == upload.key)
    }

    async fn abort_if_left(&self, id: &RecoveryPointId, upload: &Upload) -> Result<(), Fault> {
        if self.is_left(id, upload).await? {
            let vault = &self.observer.vault;
            vault.uploads.abort(&vault.account, upload).await?;
            recovery_point(1, || self.subject(id)).in_scope(|| {
                let resource = format!("{}/{}", upload.bucket, upload.key);
                tracing::info!(amiferry.resource = resource, "abandoned upload aborted");
            });
        }
        Ok(())
    }

    async fn is_left(&self, id: &RecoveryPointId, upload: &Upload) -> Result<bool, Fault> {
        let vault = &self.observer.vault;
        let now = self.clock.now();
        let mut seen =
            UploadActivity { id: upload.id.clone(), begun: upload.begun, newest_part: None };
        if !seen.is_quiet(now) {
            return Ok(false);
        }
        // An existing object is never overwritten, so none of its uploads is needed.
        if self.fleet().may_be_promised(id)
            && vault.objects.head(&vault.account, &vault.bucket, &upload.key).await?.is_none()
        {
            return Ok(false);
        }
        match vault.parts.held(&vault.account, upload).await {
            // The newest part may be one of those.
            Ok(parts) if !parts.unreadable.is_empty() => return Ok(false),
            Ok(parts) => {
                seen.newest_part = parts.items.iter().filter_map(|part| part.copied_at).max();
            }
            // Ended meanwhile.
            Err(fault) if fault.class == FaultClass::NotFound => return Ok(false),
            Err(fault) => return Err(fault),
        }
        Ok(seen.is_quiet(now))
    }
}
