//! S3 as one principal sees it from one Region: small objects, multipart copies, bucket settings.
//!
//! `object` reads and writes whole objects, `multipart` copies in parts, `bucket` asks what a
//! bucket is set to. Every call carries the account that must own the bucket.

mod bucket;
mod multipart;
mod object;

use std::time::Duration;

use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, BucketName, ObjectKey};
use amiferry_core::model::{ObjectVersion, PartFacts, Retention, RetentionMode, StoredObject};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{CompleteUpload, CopyPart, NewUpload, Objects, Upload, WriteOutcome};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::types::ObjectLockMode;

pub use bucket::{BucketFacts, DefaultRetention};

use crate::client::{Session, timeouts};

/// Objects in the buckets of a session's Region.
#[derive(Debug, Clone)]
pub struct S3Objects {
    session: Session,
    client: Client,
    /// For calls that move bytes inside S3. S3 sends 200 at once and then a blank now and then
    /// until it is done: to the SDK's protection against stalled streams that is a stalled stream.
    copies: Client,
    /// Pages through prefixes, on a budget of retries that nothing else depends on.
    sweeps: Client,
}

impl S3Objects {
    /// Objects as `session` sees them. For server-side copies the session's principal must be
    /// allowed to read the source and to write the destination.
    pub fn new(session: &Session) -> Self {
        // Completing checks the parts of up to 5 TB and may take minutes.
        let limits = timeouts(Duration::from_secs(300), Duration::from_secs(900));
        let copies = session
            .s3("copy")
            .timeout_config(limits)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self {
            client: Client::from_conf(session.s3("objects").build()),
            copies: Client::from_conf(copies.build()),
            sweeps: Client::from_conf(session.s3("sweep").build()),
            session: session.clone(),
        }
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn head(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<StoredObject>, Fault> {
        self.head_object(owner, bucket, key).await
    }

    async fn read(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, Fault> {
        self.get_object(owner, bucket, key, limit).await
    }

    async fn create(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        body: Vec<u8>,
        settings: &NewUpload,
    ) -> Result<WriteOutcome, Fault> {
        self.put_object(owner, bucket, key, body, settings).await
    }

    async fn lock(
        &self,
        owner: &AccountId,
        version: &ObjectVersion,
        retention: &Retention,
    ) -> Result<(), Fault> {
        self.put_retention(owner, version, retention).await
    }

    async fn list(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Vec<ObjectKey>, Option<String>), Fault> {
        self.list_objects(owner, bucket, prefix, token).await
    }

    async fn uploads(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        prefix: &str,
    ) -> Result<Vec<Upload>, Fault> {
        self.list_uploads(owner, bucket, prefix).await
    }

    async fn begin_upload(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
        key: &ObjectKey,
        settings: &NewUpload,
    ) -> Result<String, Fault> {
        self.create_upload(owner, bucket, key, settings).await
    }

    async fn parts(&self, owner: &AccountId, upload: &Upload) -> Result<Vec<PartFacts>, Fault> {
        self.list_parts(owner, upload).await
    }

    async fn copy_part(
        &self,
        owner: &AccountId,
        upload: &Upload,
        part: &CopyPart,
    ) -> Result<PartFacts, Fault> {
        self.upload_part_copy(owner, upload, part).await
    }

    async fn complete_upload(
        &self,
        owner: &AccountId,
        upload: &Upload,
        complete: &CompleteUpload,
    ) -> Result<WriteOutcome, Fault> {
        self.complete(owner, upload, complete).await
    }

    async fn abort_upload(&self, owner: &AccountId, upload: &Upload) -> Result<(), Fault> {
        self.abort(owner, upload).await
    }
}

/// `bucket/key`, for faults and for copy sources.
fn path(bucket: &BucketName, key: &ObjectKey) -> String {
    format!("{bucket}/{key}")
}

/// Entity tags travel in quotes.
fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn lock_mode(mode: RetentionMode) -> ObjectLockMode {
    match mode {
        RetentionMode::Governance => ObjectLockMode::Governance,
        RetentionMode::Compliance => ObjectLockMode::Compliance,
    }
}

/// The next page's token, which must be there when the answer says that it is not the last page.
fn following<T>(
    truncated: Option<bool>,
    token: Option<T>,
    missing: impl FnOnce() -> Fault,
) -> Result<Option<T>, Fault> {
    match (truncated.unwrap_or(false), token) {
        (false, _) => Ok(None),
        (true, _) if has(Bug::FirstPageOnly) => Ok(None),
        (true, Some(token)) => Ok(Some(token)),
        (true, None) => Err(missing()),
    }
}
