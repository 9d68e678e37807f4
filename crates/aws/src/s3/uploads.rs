//! Begins, finds, completes and aborts multipart uploads.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, BucketName, ObjectKey};
use amiferry_core::model::ChecksumAlgorithm::{Crc32, Crc32C, Crc64Nvme, Sha1, Sha256};
use amiferry_core::model::{Checksum, Coverage};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{
    CompleteUpload, Listing, NewUpload, Unreadable, Upload, Uploads, WriteOutcome,
};
use async_trait::async_trait;
use aws_sdk_s3::types::{
    ChecksumType, CompletedMultipartUpload, CompletedPart, MultipartUpload, ServerSideEncryption,
};

use super::objects::{already_there, listed_key};
use super::parts::part_number;
use super::{S3Objects, composite, following, lock_mode, path, storage_class};
use crate::call::Call;
use crate::item::text;
use crate::time::{date_time, timestamp};

#[async_trait]
impl Uploads for S3Objects {
    async fn in_progress(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
    ) -> Result<Listing<Upload>, Fault> {
        let call = Call::new("s3:ListMultipartUploads", format!("{bucket}/{prefix}"));
        let (mut uploads, mut marker) = (Listing::default(), None);
        loop {
            let (key_marker, id_marker) = marker.take().unzip();
            let request = self
                .client
                .list_multipart_uploads()
                .bucket(bucket.as_str())
                .prefix(prefix)
                .expected_bucket_owner(owner.as_str())
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker);
            let answer = self.session.send(&call, request.send()).await?;
            let found = answer.uploads.unwrap_or_default().into_iter();
            uploads.extend(found.map(|upload| in_bucket(bucket, upload)));
            let next = answer.next_key_marker.zip(answer.next_upload_id_marker);
            marker =
                following(answer.is_truncated, next, || call.unexpected("NextKeyMarker", None))?;
            if marker.is_none() {
                return Ok(uploads);
            }
        }
    }

    async fn begin(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        checksum: &Checksum,
        settings: &NewUpload,
    ) -> Result<String, Fault> {
        // Not fenced: an upload whose answer was lost is found by `in_progress` and harms nothing.
        let call = Call::new("s3:CreateMultipartUpload", path(bucket, key));
        let retention = settings.retention.as_ref();
        let request = self
            .copies
            .create_multipart_upload()
            .bucket(bucket.as_str())
            .key(key.as_str())
            .expected_bucket_owner(owner.as_str())
            .checksum_algorithm(checksum.algorithm.name().into())
            .checksum_type(kind(checksum))
            .set_content_type(settings.content_type.clone())
            .set_metadata(Some(settings.metadata.clone().into_iter().collect()))
            .set_server_side_encryption(settings.key.as_ref().map(|_| ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(settings.key.clone().filter(|_| !has(Bug::BucketKeyLeftOut)))
            .set_storage_class(storage_class(settings.class))
            .set_object_lock_mode(retention.map(|retention| lock_mode(retention.mode)))
            .set_object_lock_retain_until_date(
                retention.map(|retention| date_time(retention.until)),
            );
        let answer = self.session.send(&call, request.send()).await?;
        answer
            .upload_id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| call.unexpected("UploadId", None))
    }

    async fn complete(
        &self,
        owner: &AccountId,
        upload: &Upload,
        complete: &CompleteUpload,
    ) -> Result<WriteOutcome, Fault> {
        let call = Call::fenced("s3:CompleteMultipartUpload", path(&upload.bucket, &upload.key));
        if let Some(why) = composite::mismatch(&complete.checksum, &complete.parts) {
            return Err(call.fault(FaultClass::Invalid, "BadDigest", &why));
        }
        let parts = complete
            .parts
            .iter()
            .map(|part| {
                let named = CompletedPart::builder()
                    .part_number(part_number(&call, part.number)?)
                    .e_tag(format!("\"{}\"", part.etag));
                let value = part.checksum.clone();
                let named = match complete.checksum.algorithm {
                    Crc64Nvme => named.set_checksum_crc64_nvme(value),
                    Crc32 => named.set_checksum_crc32(value),
                    Crc32C => named.set_checksum_crc32_c(value),
                    Sha1 => named.set_checksum_sha1(value),
                    Sha256 => named.set_checksum_sha256(value),
                };
                Ok(named.build())
            })
            .collect::<Result<_, Fault>>()?;
        let size = i64::try_from(complete.size)
            .map_err(|_| call.fault(FaultClass::Invalid, "SizeOutOfRange", "beyond S3's limit"))?;
        let request = self
            .copies
            .complete_multipart_upload()
            .bucket(upload.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id)
            .expected_bucket_owner(owner.as_str())
            .set_if_none_match((!has(Bug::CopyUnfenced)).then(|| "*".to_owned()))
            .mpu_object_size(size)
            .checksum_type(kind(&complete.checksum))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        let Checksum { algorithm, coverage, value } = &complete.checksum;
        let request = match (coverage, algorithm) {
            (Coverage::Whole, Crc64Nvme) => request.checksum_crc64_nvme(value),
            (Coverage::Whole, Crc32) => request.checksum_crc32(value),
            (Coverage::Whole, Crc32C) => request.checksum_crc32_c(value),
            (Coverage::Whole, Sha1 | Sha256) | (Coverage::Parts, _) => request,
        };
        match self.session.send(&call, request.send()).await {
            Ok(answer) if answer.e_tag.is_some() => Ok(WriteOutcome::Written(answer.version_id)),
            Ok(_) => Err(call.unproven("ETag")),
            // Gone because an earlier attempt completed it and its answer was lost, or because
            // someone aborted it: the object says which.
            Err(fault) if fault.code == "NoSuchUpload" => {
                Err(Fault { class: FaultClass::OutcomeUnknown, ..fault })
            }
            Err(fault) => already_there(fault),
        }
    }

    async fn abort(&self, owner: &AccountId, upload: &Upload) -> Result<(), Fault> {
        let call = Call::new("s3:AbortMultipartUpload", path(&upload.bucket, &upload.key));
        let request = self
            .copies
            .abort_multipart_upload()
            .bucket(upload.bucket.as_str())
            .key(upload.key.as_str())
            .upload_id(&upload.id)
            .expected_bucket_owner(owner.as_str());
        match self.session.send(&call, request.send()).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.code == "NoSuchUpload" => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

fn kind(checksum: &Checksum) -> ChecksumType {
    match checksum.coverage {
        Coverage::Whole => ChecksumType::FullObject,
        Coverage::Parts => ChecksumType::Composite,
    }
}

/// An upload of a listing; one that cannot be read is listed under its key.
fn in_bucket(bucket: &BucketName, upload: MultipartUpload) -> Result<Upload, Unreadable> {
    let key = listed_key(upload.key.as_deref())?;
    let id = text("UploadId", upload.upload_id.as_deref());
    Ok(Upload {
        id: id.map_err(|why| Unreadable::new(Some(key.as_str()), &why))?.to_owned(),
        bucket: bucket.clone(),
        key,
        begun: upload.initiated.as_ref().and_then(timestamp),
    })
}
