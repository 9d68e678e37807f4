//! Whole objects: heads, small reads, create-once writes and listings.

use amiferry_core::cost::STANDARD;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, BucketName, ObjectKey};
use amiferry_core::model::{
    Archived, Checksum, ChecksumAlgorithm, Coverage, ObjectVersion, Retention, RetentionMode,
    StoredObject,
};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{
    BEHIND_A_MARKER, ListedObject, Listing, NewUpload, Objects, SmallObject, Unreadable,
    WriteOutcome,
};
use amiferry_core::refusal::KEY_OF_OBJECT;
use async_trait::async_trait;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ArchiveStatus, ChecksumMode, ObjectLockRetention, ObjectLockRetentionMode,
    ServerSideEncryption, StorageClass,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::parts::part_number;
use super::{S3Objects, following, lock_mode, path, storage_class, unquoted};
use crate::call::Call;
use crate::classify::visible;
use crate::item::parsed;
use crate::time::{date_time, timestamp};

#[async_trait]
impl Objects for S3Objects {
    async fn head(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<StoredObject>, Fault> {
        let call = Call::new("s3:HeadObject", path(bucket, key));
        let request = self.to_head(owner, bucket, key).checksum_mode(ChecksumMode::Enabled);
        match self.session.send(&call, request.send()).await {
            Ok(answer) => stored(&call, bucket, key, answer).map(Some),
            // A HEAD's refusal has no body, so a missing bucket looks the same as a missing key.
            Err(fault) if fault.class == FaultClass::NotFound => Ok(None),
            Err(fault) if is_silent(&fault) => self.reason(owner, bucket, key, fault).await,
            Err(fault) => Err(fault),
        }
    }

    async fn part_length(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        number: u32,
    ) -> Result<u64, Fault> {
        let ObjectVersion { bucket, key, version } = version;
        let call = Call::new("s3:HeadObject", format!("{} part {number}", path(bucket, key)));
        let request = self.to_head(owner, bucket, key).set_version_id(version.clone());
        let request = request.part_number(part_number(&call, number)?);
        let length = self.session.send(&call, request.send()).await?.content_length;
        let length = length.and_then(|length| u64::try_from(length).ok());
        length.ok_or_else(|| call.unexpected("Content-Length", None))
    }

    async fn read(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        limit: u64,
    ) -> Result<Option<SmallObject>, Fault> {
        let call = Call::new("s3:GetObject", path(bucket, key));
        let request = self.to_get(owner, bucket, key).checksum_mode(ChecksumMode::Enabled);
        let mut hidden = false;
        let request = async {
            let answer = request.send().await;
            hidden = answer.as_ref().is_err_and(is_hidden);
            answer
        };
        let answer = match self.session.send(&call, request).await {
            Ok(answer) => answer,
            Err(_) if hidden => {
                let detail = "a delete marker hides it";
                return Err(call.fault(FaultClass::NotFound, BEHIND_A_MARKER, detail));
            }
            Err(fault) if fault.code == "NoSuchKey" => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let written = answer.last_modified.as_ref().and_then(timestamp);
        let mut content = Vec::new();
        let mut body = answer.body;
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| {
                call.fault(FaultClass::Unavailable, "BodyBrokenOff", &error.to_string())
            })?;
            if (content.len() + bytes.len()) as u64 > limit {
                let detail = format!("the object is larger than the {limit} bytes allowed here");
                return Err(call.fault(FaultClass::Invalid, "ObjectTooLarge", &detail));
            }
            content.extend_from_slice(&bytes);
        }
        Ok(Some(SmallObject { bytes: content, written }))
    }

    async fn create(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        body: Vec<u8>,
        settings: &NewUpload,
    ) -> Result<WriteOutcome, Fault> {
        let call = Call::fenced("s3:PutObject", path(bucket, key));
        let retention = settings.retention.as_ref();
        let request = self
            .client
            .put_object()
            .bucket(bucket.as_str())
            .key(key.as_str())
            .expected_bucket_owner(owner.as_str())
            .set_if_none_match((!has(Bug::ManifestUnfenced)).then(|| "*".to_owned()))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme.name().into())
            .set_content_type(settings.content_type.clone())
            .set_metadata(Some(settings.metadata.clone().into_iter().collect()))
            .set_server_side_encryption(settings.key.as_ref().map(|_| ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(settings.key.clone())
            .set_storage_class(storage_class(settings.class))
            .set_object_lock_mode(retention.map(|retention| lock_mode(retention.mode)))
            .set_object_lock_retain_until_date(
                retention.map(|retention| date_time(retention.until)),
            )
            .body(ByteStream::from(body));
        match self.session.send(&call, request.send()).await {
            Ok(answer) if answer.e_tag.is_some() => Ok(WriteOutcome::Written(answer.version_id)),
            Ok(_) => Err(call.unproven("ETag")),
            Err(fault) => already_there(fault),
        }
    }

    async fn lock(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        retention: &Retention,
    ) -> Result<(), Fault> {
        let call = Call::new("s3:PutObjectRetention", path(&version.bucket, &version.key));
        let retention = ObjectLockRetention::builder()
            .mode(match retention.mode {
                RetentionMode::Governance => ObjectLockRetentionMode::Governance,
                RetentionMode::Compliance => ObjectLockRetentionMode::Compliance,
            })
            .retain_until_date(date_time(retention.until))
            .build();
        let request = self
            .client
            .put_object_retention()
            .bucket(version.bucket.as_str())
            .key(version.key.as_str())
            .set_version_id(version.version.clone())
            .expected_bucket_owner(owner.as_str())
            .retention(retention);
        self.session.send(&call, request.send()).await.map(drop)
    }

    async fn list(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<ListedObject>, Option<String>), Fault> {
        let call = Call::new("s3:ListObjectsV2", format!("{bucket}/{prefix}"));
        let request = self
            .sweeps
            .list_objects_v2()
            .bucket(bucket.as_str())
            .prefix(prefix)
            .expected_bucket_owner(owner.as_str())
            .set_continuation_token(token);
        let answer = self.session.send(&call, request.send()).await?;
        let objects = answer.contents.unwrap_or_default().into_iter();
        let listed = objects.map(|object| {
            let key = listed_key(object.key.as_deref())?;
            let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            Ok(ListedObject { key, size })
        });
        let listed = listed.collect();
        let next = following(answer.is_truncated, answer.next_continuation_token, || {
            call.unexpected("NextContinuationToken", None)
        })?;
        Ok((listed, next))
    }
}

impl S3Objects {
    fn to_head(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> HeadObjectFluentBuilder {
        let request = self.client.head_object().bucket(bucket.as_str()).key(key.as_str());
        request.expected_bucket_owner(owner.as_str())
    }

    fn to_get(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> GetObjectFluentBuilder {
        let request = self.client.get_object().bucket(bucket.as_str()).key(key.as_str());
        request.expected_bucket_owner(owner.as_str())
    }

    /// Why S3 refuses a `HEAD`, which has no body to say so: a `GET` of one byte is refused for the
    /// same reason, in words.
    async fn reason(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        silent: Fault,
    ) -> Result<Option<StoredObject>, Fault> {
        let call = Call::new("s3:GetObject", path(bucket, key));
        let request = self.to_get(owner, bucket, key).range("bytes=0-0");
        match self.session.send(&call, request.send()).await {
            Err(fault) if fault.code == "NoSuchKey" => Ok(None),
            Err(fault) if is_refusal(fault.class) => {
                Err(self.with_key(owner, bucket, key, fault).await)
            }
            // It says nothing about the HEAD.
            Ok(_) | Err(_) => Err(silent),
        }
    }

    /// Adds the key of the object to a refusal of KMS. To callers of another account KMS does not
    /// name it; a `HEAD` that asks for no checksum does, and needs no key.
    async fn with_key(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        refused: Fault,
    ) -> Fault {
        if refused.class != FaultClass::Denied || !refused.detail.contains("kms:") {
            return refused;
        }
        let call = Call::new("s3:HeadObject", path(bucket, key));
        let request = self.to_head(owner, bucket, key);
        let answer = self.session.send(&call, request.send()).await;
        match answer.ok().and_then(|answer| answer.ssekms_key_id) {
            Some(kms_key) => {
                let detail = format!("{} ({KEY_OF_OBJECT}{kms_key})", refused.detail);
                Fault { detail: visible(&detail), ..refused }
            }
            None => refused,
        }
    }
}

/// Whether S3 refused a `HEAD` without saying why. Expired credentials and disabled keys are 400.
pub(super) fn is_silent(fault: &Fault) -> bool {
    matches!(fault.code.as_str(), "Http400" | "Http403") && fault.detail.is_empty()
}

/// Whether a fault says why a person or new credentials are needed.
pub(super) fn is_refusal(class: FaultClass) -> bool {
    matches!(
        class,
        FaultClass::Denied
            | FaultClass::Credentials
            | FaultClass::Invalid
            | FaultClass::KeyUnusable
    )
}

/// A key of a listing; one that cannot be one of ours is listed under itself.
pub(super) fn listed_key(key: Option<&str>) -> Result<ObjectKey, Unreadable> {
    parsed("Key", key).map_err(|why| Unreadable::new(key, &why))
}

/// Whether S3 says that a delete marker is under the key.
fn is_hidden<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let marker = error.raw_response().and_then(|raw| raw.headers().get("x-amz-delete-marker"));
    marker == Some("true")
}

/// A write that must not overwrite was refused because the object exists.
pub(super) fn already_there(fault: Fault) -> Result<WriteOutcome, Fault> {
    if matches!(fault.code.as_str(), "PreconditionFailed" | "Http412") {
        Ok(WriteOutcome::AlreadyThere)
    } else {
        Err(fault)
    }
}

fn stored(
    call: &Call,
    bucket: &BucketName,
    key: &ObjectKey,
    head: HeadObjectOutput,
) -> Result<StoredObject, Fault> {
    let archived = archived(&head);
    let class = head.storage_class.as_ref().map(StorageClass::as_str);
    let class = class.filter(|class| *class != STANDARD).map(str::to_owned);
    let checksum = checksum_of(&head);
    let size = head.content_length.ok_or_else(|| call.unexpected("Content-Length", None))?;
    let etag = head.e_tag.ok_or_else(|| call.unexpected("ETag", None))?;
    let lock = head.object_lock_mode.zip(head.object_lock_retain_until_date);
    if let Some(lost) = head.missing_meta.filter(|lost| *lost > 0) {
        // Seen at every look, and no decision is made of metadata.
        tracing::debug!(
            amiferry.resource = call.resource,
            amiferry.detail = %lost,
            "user metadata that HTTP cannot carry"
        );
    }
    Ok(StoredObject {
        at: ObjectVersion { bucket: bucket.clone(), key: key.clone(), version: head.version_id },
        etag: unquoted(&etag),
        size: u64::try_from(size)
            .map_err(|_| call.unexpected("Content-Length", Some(&size.to_string())))?,
        checksum,
        metadata: head.metadata.unwrap_or_default().into_iter().collect(),
        content_type: head.content_type,
        key: head.ssekms_key_id,
        retention: lock
            .map(|(mode, until)| {
                let mode = retention_mode(mode.as_str())
                    .ok_or_else(|| call.unexpected("object lock mode", Some(mode.as_str())))?;
                let until = timestamp(&until)
                    .ok_or_else(|| call.unexpected("retain-until date", Some("out of range")))?;
                Ok(Retention { mode, until })
            })
            .transpose()?,
        last_modified: head.last_modified.as_ref().and_then(timestamp),
        class,
        archived,
    })
}

/// The checksum that S3 shows of an object; it keeps one, and CRC64NVME where the writer gave none.
fn checksum_of(head: &HeadObjectOutput) -> Option<Checksum> {
    let shown = [
        (ChecksumAlgorithm::Crc64Nvme, &head.checksum_crc64_nvme),
        (ChecksumAlgorithm::Crc32C, &head.checksum_crc32_c),
        (ChecksumAlgorithm::Crc32, &head.checksum_crc32),
        (ChecksumAlgorithm::Sha256, &head.checksum_sha256),
        (ChecksumAlgorithm::Sha1, &head.checksum_sha1),
    ];
    let (algorithm, value) = shown
        .into_iter()
        .find_map(|(algorithm, value)| value.as_ref().map(|value| (algorithm, value.clone())))?;
    // `-` is no character of base64, so it tells where the type is left out.
    let coverage = match value.contains('-') {
        true => Coverage::Parts,
        false => Coverage::Whole,
    };
    Some(Checksum { algorithm, coverage, value })
}

/// The archive that an object is in, unless S3 has a readable copy of it meanwhile.
///
/// Source: S3 API, `HeadObject`: `x-amz-archive-status` and `x-amz-restore`.
fn archived(head: &HeadObjectOutput) -> Option<Archived> {
    let restore = head.restore.as_deref().unwrap_or_default();
    if restore.contains("ongoing-request=\"false\"") {
        return None;
    }
    let class = head.storage_class.as_ref().map(StorageClass::as_str);
    let class = class.filter(|class| matches!(*class, "GLACIER" | "DEEP_ARCHIVE"));
    let place = head.archive_status.as_ref().map(ArchiveStatus::as_str).or(class)?;
    let retrieving = restore.contains("ongoing-request=\"true\"");
    Some(Archived { place: place.to_owned(), retrieving })
}

pub(super) fn retention_mode(mode: &str) -> Option<RetentionMode> {
    match mode {
        "GOVERNANCE" => Some(RetentionMode::Governance),
        "COMPLIANCE" => Some(RetentionMode::Compliance),
        _ => None,
    }
}
