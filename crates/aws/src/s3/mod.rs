//! S3 as one principal sees it from one Region: one file for each port, and `bucket`, which reads
//! the settings of a bucket. Every call carries the account that must own the bucket.

mod bucket;
mod composite;
mod objects;
mod parts;
mod removal;
mod retrieval;
mod uploads;
mod versions;

use std::time::Duration;

use amiferry_core::fault::Fault;
use amiferry_core::ids::{BucketName, ObjectKey};
use amiferry_core::model::RetentionMode;
use amiferry_core::planted::{Bug, has};
use amiferry_core::policy::StorageClass;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::types::ObjectLockMode;

pub use bucket::{BucketEncryption, BucketFacts, Notified};

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

/// `bucket/key`, for faults and for copy sources.
fn path(bucket: &BucketName, key: &ObjectKey) -> String {
    format!("{bucket}/{key}")
}

/// Entity tags travel in quotes.
fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// The class to ask for; S3 takes none as `STANDARD`.
fn storage_class(class: StorageClass) -> Option<aws_sdk_s3::types::StorageClass> {
    (class != StorageClass::default()).then(|| class.as_str().into())
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
