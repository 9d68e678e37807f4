//! Copies one staged object into the vault, part by part inside S3, and takes up a copy that was
//! cut off where it was.
//!
//! Safe at every await: parts that were copied stay in the upload and are found again by
//! `ListParts`; nothing becomes visible before `CompleteMultipartUpload`, which S3 refuses unless
//! size and CRC64NVME are those of the source and the key is still free.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiferry_core::copy_plan::{CopyPlan, MIB};
use amiferry_core::decide::vault::CopyOrder;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, BucketName, ObjectKey, Region};
use amiferry_core::model::PartFacts;
use amiferry_core::ports::{
    ByteRange, CompleteUpload, CopyPart, NewUpload, Objects, Upload, WriteOutcome,
};
use amiferry_service::metrics as measure;
use futures::{StreamExt, TryStreamExt, stream};

/// The part size where none is configured. Server-side time is per byte, so parts are small
/// enough for many to run at once and large enough that requests do not count.
const PREFERRED_PART: u64 = 64 * MIB;

/// What a copy needs besides its order.
#[derive(Clone)]
pub struct Copier {
    /// S3 of the target Region, with the vault's own credentials: one principal reads the staging
    /// bucket and writes the vault.
    pub objects: Arc<dyn Objects>,
    /// The vault account.
    pub account: AccountId,
    /// The target Region.
    pub region: Region,
    /// The vault bucket.
    pub bucket: BucketName,
    /// The key that encrypts the copy.
    pub key: String,
    /// Parts in flight of one object.
    pub parts_in_flight: usize,
    /// Part size in bytes, where configured.
    pub part_size: Option<u64>,
}

impl Copier {
    /// Copies the staged object of `source_owner` to `key`. Repeating it copies only what is
    /// missing; when the object is there already, nothing is written.
    ///
    /// # Errors
    /// The first call that failed. `NotFound` on the upload means that someone else completed or
    /// aborted it: look again.
    pub async fn copy(
        &self,
        order: &CopyOrder,
        source_owner: &AccountId,
        key: &ObjectKey,
    ) -> Result<(), Fault> {
        let staged = &order.staged;
        let preferred = self.part_size.unwrap_or(PREFERRED_PART);
        let plan = CopyPlan::new(staged.size, preferred).map_err(|error| Fault {
            class: FaultClass::Invalid,
            operation: "s3:UploadPartCopy",
            resource: format!("{}/{}", staged.at.bucket, staged.at.key),
            code: "Uncopyable".to_owned(),
            detail: error.to_string(),
            request_id: None,
        })?;
        let (upload, held) = self.upload(order, key, &plan).await?;
        let missing: Vec<(u32, ByteRange)> = (1..=plan.parts())
            .filter(|number| !held.contains_key(number))
            .filter_map(|number| plan.part(number).map(|range| (number, range)))
            .collect();
        tracing::info!(
            upload.id = upload.id,
            copy.parts = plan.parts(),
            copy.parts_held = held.len(),
            copy.bytes = staged.size,
            "copying"
        );
        let calls: Vec<_> = missing
            .into_iter()
            .map(|(number, range)| {
                let range = (!plan.is_whole()).then_some(range);
                self.part(&upload, order, source_owner, number, range)
            })
            .collect();
        let copied: Vec<PartFacts> =
            stream::iter(calls).buffer_unordered(self.parts_in_flight).try_collect().await?;
        let mut parts: Vec<PartFacts> = held.into_values().chain(copied).collect();
        parts.sort_by_key(|part| part.number);
        self.complete(order, &upload, parts).await
    }

    /// The upload to work on: the newest one on this key with the parts that fit the plan, or a
    /// new one.
    async fn upload(
        &self,
        order: &CopyOrder,
        key: &ObjectKey,
        plan: &CopyPlan,
    ) -> Result<(Upload, BTreeMap<u32, PartFacts>), Fault> {
        let uploads = self.objects.uploads(&self.account, &self.bucket, key).await?;
        if let Some(upload) = uploads.into_iter().max_by_key(|upload| upload.begun) {
            let parts = self.objects.parts(&self.account, &upload).await?;
            let fits = |part: &PartFacts| {
                plan.part(part.number).is_some_and(|range| range.length == part.size)
            };
            if parts.iter().all(fits) {
                let held = parts.into_iter().map(|part| (part.number, part)).collect();
                return Ok((upload, held));
            }
            // Parts of another size: begun under another configuration.
            self.objects.abort_upload(&self.account, &upload).await?;
        }
        let settings = NewUpload {
            content_type: order.staged.content_type.clone(),
            metadata: order.metadata(),
            key: Some(self.key.clone()),
            retention: order.retention.clone(),
        };
        let id = self.objects.begin_upload(&self.account, &self.bucket, key, &settings).await?;
        let upload = Upload { bucket: self.bucket.clone(), key: key.clone(), id, begun: None };
        Ok((upload, BTreeMap::new()))
    }

    /// Aborts the uploads on a key that has its object: ours when another was faster, and one
    /// whose beginning was answered so late that it was begun again. None can ever be completed.
    ///
    /// # Errors
    /// The first call that failed; those before it stay aborted.
    pub async fn clear(&self, key: &ObjectKey) -> Result<(), Fault> {
        for upload in self.objects.uploads(&self.account, &self.bucket, key).await? {
            self.objects.abort_upload(&self.account, &upload).await?;
        }
        Ok(())
    }

    async fn part(
        &self,
        upload: &Upload,
        order: &CopyOrder,
        source_owner: &AccountId,
        number: u32,
        range: Option<ByteRange>,
    ) -> Result<PartFacts, Fault> {
        let part = CopyPart {
            number,
            source: order.staged.at.clone(),
            source_owner: source_owner.clone(),
            source_etag: order.staged.etag.clone(),
            range,
        };
        let mut copied = self.objects.copy_part(&self.account, upload, &part).await?;
        copied.size = range.map_or(order.staged.size, |range| range.length);
        measure::copied(&self.region, 1, copied.size);
        Ok(copied)
    }

    async fn complete(
        &self,
        order: &CopyOrder,
        upload: &Upload,
        parts: Vec<PartFacts>,
    ) -> Result<(), Fault> {
        let complete = CompleteUpload {
            parts,
            size: order.staged.size,
            checksum: Some(order.checksum.value().to_owned()),
        };
        match self.objects.complete_upload(&self.account, upload, &complete).await {
            Ok(WriteOutcome::Written(version)) => {
                tracing::info!(object.version = version, "copied");
                // Other uploads on the key are cleared before the manifest is written.
                Ok(())
            }
            Ok(WriteOutcome::AlreadyThere) => {
                tracing::info!("another worker completed the copy first");
                self.clear(&upload.key).await
            }
            // Wrong bytes: these parts can never become the object.
            Err(fault) if fault.class == FaultClass::Invalid => {
                self.objects.abort_upload(&self.account, upload).await?;
                Err(fault)
            }
            Err(fault) => Err(fault),
        }
    }
}
