//! Simulated S3: buckets, versions, multipart uploads, conditional writes, Object Lock.
//!
//! [`bucket`], [`object`], [`multipart`] and [`lock`] hold the state and its rules; [`content`],
//! [`synthetic`], [`recognise`], [`checksum`] and [`crc`] what objects are made of; [`notify`]
//! the events; [`wire`] the REST protocol. The functions here serve the other services and the code
//! that sets up a world.

pub mod archive;
pub mod bucket;
pub mod checksum;
pub mod content;
pub mod crc;
pub mod list;
pub mod lock;
pub mod multipart;
pub mod notify;
pub mod object;
pub mod recognise;
pub mod storage_class;
pub mod synthetic;
pub mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::ids::{AccountId, Arn, BucketName, Region};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ec2::settings::StoredChecksum;
use crate::iam::{self, Access};
use crate::principal::Principal;
use crate::wire::ApiError;
use crate::world::State;
use crate::{events, kms};
pub use bucket::{Bucket, BucketSpec, Encryption, Notifications, QueueNotification};
use checksum::{Algorithm, Kind};
use content::Content;
use notify::{Happened, What};
use object::{Attributes, Object, ObjectPart};

/// S3's rates and switches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What every server-side copy takes at least: time to the first byte of a cross-Region read.
    #[serde(with = "crate::span")]
    pub copy_delay: Duration,
    /// How many bytes per second one server-side copy moves; 0: no time passes.
    pub copy_rate: u64,
    /// How long an event is on its way to its queue or bus.
    #[serde(with = "crate::span")]
    pub event_delay: Duration,
    /// How long after a write to a key a conditional write to it counts as simultaneous: it gets
    /// 409 `ConditionalRequestConflict` instead of 412, and a multipart upload must start over.
    /// AWS gives no length; with the default of none, no write gets a 409.
    #[serde(with = "crate::span")]
    pub conflict_window: Duration,
    /// Whether there is capacity for expedited retrievals, which AWS promises only to who buys some.
    pub expedited_retrievals: bool,
}

impl Default for Settings {
    /// 20 ms and 100 MB/s for a copy, as one request across Regions has; AWS publishes neither.
    /// 200 ms for events: AWS says "typically seconds, sometimes a minute or longer".
    fn default() -> Self {
        Self {
            copy_delay: Duration::from_millis(20),
            copy_rate: 100_000_000,
            event_delay: Duration::from_millis(200),
            conflict_window: Duration::ZERO,
            expedited_retrievals: true,
        }
    }
}

impl Settings {
    /// How long one server-side copy of `bytes` takes.
    pub fn copy_time(&self, bytes: u64) -> Duration {
        let moving = match self.copy_rate {
            0 => Duration::ZERO,
            rate => Duration::from_micros(
                u64::try_from(u128::from(bytes) * 1_000_000 / u128::from(rate)).unwrap_or(u64::MAX),
            ),
        };
        self.copy_delay.saturating_add(moving)
    }
}

/// All buckets of all accounts, by name.
#[derive(Debug, Default)]
pub struct Buckets {
    by_name: BTreeMap<String, Bucket>,
    sequence: u64,
}

impl Buckets {
    /// The bucket of a name.
    pub fn bucket(&self, name: &str) -> Option<&Bucket> {
        self.by_name.get(name)
    }

    /// The bucket of a name, to change its configuration.
    pub fn bucket_mut(&mut self, name: &str) -> Option<&mut Bucket> {
        self.by_name.get_mut(name)
    }

    fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub(crate) fn remove_of(&mut self, owner: &AccountId) {
        self.by_name.retain(|_, bucket| bucket.owner != *owner);
    }

    /// All buckets, by name.
    pub fn all(&self) -> impl Iterator<Item = &Bucket> {
        self.by_name.values()
    }
}

/// What happens in S3 by itself.
#[derive(Debug)]
pub enum Due {
    /// An event reaches the default bus of the bucket's owner.
    Emit {
        /// Owner and Region of the bucket.
        home: (AccountId, Region),
        event: Value,
    },
}

/// Lets one due thing happen.
pub fn happen(state: &mut State, at: Timestamp, due: Due) {
    match due {
        Due::Emit { home: (account, region), event } => {
            events::emit(state, at, &account, &region, &event);
        }
    }
}

/// Makes a bucket; queues of its notifications get their test message.
///
/// # Errors
/// What is wrong: the name is no bucket name or is taken, or the policy cannot be read.
pub fn create_bucket(state: &mut State, at: Timestamp, spec: BucketSpec) -> Result<(), String> {
    let name = spec.name.parse::<BucketName>().map_err(|error| error.to_string())?.to_string();
    if state.s3.by_name.contains_key(&name) {
        return Err(format!("there is already a bucket {name}"));
    }
    let bucket = Bucket::new(spec, at).map_err(|error| format!("policy of {name}: {error}"))?;
    for target in &bucket.notifications.queues {
        notify::announce_test(state, at, &name, target);
    }
    state.s3.by_name.insert(name, bucket);
    Ok(())
}

/// Deletes a bucket; one that is gone is deleted.
///
/// # Errors
/// That something is in it.
pub fn delete_bucket(state: &mut State, name: &str) -> Result<(), String> {
    let Some(bucket) = state.s3.bucket(name) else { return Ok(()) };
    if !bucket.is_empty() {
        return Err("The bucket you tried to delete is not empty".to_owned());
    }
    state.s3.remove(name);
    Ok(())
}

/// An object that EC2's store task writes.
#[derive(Debug, Clone)]
pub struct NewObject {
    pub content: Content,
    /// User metadata (`x-amz-meta-` names without that prefix).
    pub metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
}

/// Where a bucket is: owner and Region, or `None` if there is no such bucket.
pub fn bucket_home(state: &State, bucket: &str) -> Option<(AccountId, Region)> {
    state.s3.bucket(bucket).map(|bucket| (bucket.owner.clone(), bucket.region.clone()))
}

/// The part size of what EC2 stores: AWS does not document it; 512 MiB lets the largest image
/// (5,000 GB) fit into 10,000 parts.
const SERVICE_PART: u64 = 512 << 20;

/// Writes an object as EC2's multipart upload does, with its notifications. Repeating it writes
/// the object again.
///
/// # Errors
/// The S3 error code, for the task's failure reason.
pub fn put_by_service(
    state: &mut State,
    at: Timestamp,
    bucket: &str,
    key: &str,
    object: NewObject,
) -> Result<(), String> {
    let encryption = match state.s3.bucket(bucket) {
        Some(bucket) => bucket.encryption.clone(),
        None => return Err("NoSuchBucket".to_owned()),
    };
    usable(state, &encryption)?;
    let NewObject { content, metadata, tags } = object;
    let attributes = Attributes { metadata, tags, encryption, ..Attributes::default() };
    let order = state.s3.next_order();
    let write = Write {
        bucket,
        key,
        order,
        object: in_parts(content, attributes, state.settings.ec2.stored_checksum),
        what: What::CompleteMultipartUpload,
        // Whether AWS names the service or the caller here is not documented.
        requester: "ec2.amazonaws.com".to_owned(),
    };
    commit(state, at, write).map(|_| ()).ok_or_else(|| "NoSuchBucket".to_owned())
}

/// Writes an object as an intruder with every permission would.
///
/// # Errors
/// As [`put_by_service`].
pub fn put(
    state: &mut State,
    at: Timestamp,
    bucket: &str,
    key: &str,
    body: impl Into<bytes::Bytes>,
) -> Result<(), String> {
    let content = Content::from(body.into());
    let (metadata, tags) = (BTreeMap::new(), BTreeMap::new());
    put_by_service(state, at, bucket, key, NewObject { content, metadata, tags })
}

/// Hides an object behind a delete marker, as an intruder with every permission would; returns the
/// marker's version id, `None` without such a bucket or without versions.
pub fn hide(state: &mut State, at: Timestamp, bucket: &str, key: &str) -> Option<String> {
    let order = state.s3.next_order();
    let State { s3, rng, .. } = state;
    s3.bucket_mut(bucket)?.delete(rng, at, order, key).version
}

/// One object to write.
struct Write<'a> {
    bucket: &'a str,
    key: &'a str,
    /// Its place in the history of the key.
    order: u64,
    object: Object,
    what: What,
    requester: String,
}

/// Writes an object and announces it; returns the version's id, `None` without such a bucket.
fn commit(state: &mut State, at: Timestamp, write: Write<'_>) -> Option<String> {
    let Write { bucket, key, order, object, what, requester } = write;
    let written = Some((object.content.len(), object.etag.clone()));
    let State { s3, rng, .. } = state;
    let home = s3.bucket_mut(bucket)?;
    let id = home.write(rng, at, order, key, object);
    let version = Some(id.clone()).filter(|id| id != object::NULL_VERSION);
    let (bucket, key) = (bucket.to_owned(), key.to_owned());
    notify::announce(state, at, &Happened { bucket, key, version, written, what, requester });
    Some(id)
}

fn in_parts(content: Content, attributes: Attributes, checksum: StoredChecksum) -> Object {
    let (algorithm, kind) = match checksum {
        StoredChecksum::Crc64Nvme => (Algorithm::Crc64Nvme, Kind::FullObject),
        StoredChecksum::Crc32 => (Algorithm::Crc32, Kind::FullObject),
        StoredChecksum::Crc32CParts => (Algorithm::Crc32C, Kind::Composite),
        StoredChecksum::Sha256Parts => (Algorithm::Sha256, Kind::Composite),
    };
    let count = content.len().div_ceil(SERVICE_PART).max(1);
    let mut etags = Vec::new();
    let (mut parts, mut sums) = (Vec::new(), Vec::new());
    for (index, number) in (0..count).zip(1..) {
        let from = index * SERVICE_PART;
        let part = content.slice(from..(from + SERVICE_PART).min(content.len()));
        etags.push(checksum::etag(&part));
        sums.push((algorithm.of(&part), part.len()));
        parts.push(ObjectPart { number, len: part.len(), checksum: None });
    }
    let checksum = algorithm.of_parts(kind, &sums);
    let etag = checksum::multipart_etag(&etags);
    Object { content, etag, parts, checksum, attributes }
}

/// The current version's content, as EC2's restore reads it.
///
/// # Errors
/// The S3 error code.
pub fn read_by_service(
    state: &State,
    now: Timestamp,
    bucket: &str,
    key: &str,
) -> Result<Content, String> {
    let bucket = state.s3.bucket(bucket).ok_or("NoSuchBucket")?;
    let object = bucket.latest(key).and_then(object::Version::object).ok_or("NoSuchKey")?;
    if !object.is_readable(now) {
        return Err("InvalidObjectState".to_owned());
    }
    usable(state, &object.encryption)?;
    Ok(object.content.clone())
}

/// Whether IAM and the bucket's policy let `caller` do `action` through another service, which
/// asks in the caller's name.
///
/// # Errors
/// The denial in IAM's words; `NoSuchBucket`.
pub fn allowed_for(
    state: &State,
    caller: &Principal,
    bucket: &str,
    key: Option<&str>,
    action: &str,
) -> Result<(), String> {
    let bucket = state.s3.bucket(bucket).ok_or("NoSuchBucket")?;
    let context = [
        ("aws:RequestedRegion", bucket.region.to_string()),
        ("aws:ViaAWSService", true.to_string()),
    ];
    let access = Access {
        action,
        resource: &bucket.arn(key),
        owner: &bucket.owner,
        resource_policy: bucket.policy.as_ref().map(|policy| &policy.policy),
        context: &context,
    };
    iam::authorize(state, caller, &access).map_err(|denial| denial.message)
}

/// Whether `caller` may write in parts under the bucket's default encryption.
///
/// # Errors
/// `AccessDenied` in the words of KMS; `KMS.…` for a missing or unusable key; `NoSuchBucket`.
pub fn write_key_for(
    state: &State,
    now: Timestamp,
    caller: &Principal,
    bucket: &str,
    key: &str,
) -> Result<(), ApiError> {
    let bucket = wire::existing(state, bucket)?;
    let Some(kms_key) = bucket.encryption.key().filter(|_| !is_managed(&bucket.encryption)) else {
        return Ok(());
    };
    key_use(state, now, caller, bucket, key, kms_key, "GenerateDataKey")?;
    key_use(state, now, caller, bucket, key, kms_key, "Decrypt")
}

/// Whether `caller` may read the current version under its encryption.
///
/// # Errors
/// As [`write_key_for`]; an object that is not there needs no key.
pub fn read_key_for(
    state: &State,
    now: Timestamp,
    caller: &Principal,
    bucket: &str,
    key: &str,
) -> Result<(), ApiError> {
    let bucket = wire::existing(state, bucket)?;
    let object = bucket.latest(key).and_then(object::Version::object);
    let encryption = object.map(|object| &object.encryption).filter(|e| !is_managed(e));
    match encryption.and_then(Encryption::key) {
        Some(kms_key) => key_use(state, now, caller, bucket, key, kms_key, "Decrypt"),
        None => Ok(()),
    }
}

/// Whether S3 may use a KMS key in the caller's name for an object. Its encryption context is the
/// object's ARN: S3 Bucket Keys, whose context is the bucket's, are not simulated.
///
/// # Errors
/// `AccessDenied` in the words of KMS; `KMS.…` for a missing or unusable key.
fn key_use(
    state: &State,
    now: Timestamp,
    caller: &Principal,
    bucket: &Bucket,
    key: &str,
    kms_key: &Arn,
    operation: &str,
) -> Result<(), ApiError> {
    let context = [("aws:s3:arn".to_owned(), bucket.arn(Some(key)))].into_iter().collect();
    let via = format!("s3.{}.amazonaws.com", bucket.region);
    let wish = kms::Wish { operation, context: &context, tokens: &[], via: Some(&via) };
    kms::use_by_service(state, now, caller, kms_key, &wish).map_err(|error| {
        if error.code == "AccessDeniedException" {
            let message = match kms_key.account() {
                Some(account) if account != caller.account => unnamed(error.message, kms_key),
                _ => error.message,
            };
            ApiError::new(403, "AccessDenied", message)
        } else {
            ApiError::new(400, format!("KMS.{}", error.code), error.message)
        }
    })
}

/// KMS's refusal of another account's key as S3 passes it on: it names neither key nor policy.
fn unnamed(message: String, key: &Arn) -> String {
    let named = format!(" on resource: {key} because");
    let Some((before, after)) = message.split_once(&named) else { return message };
    if after.contains("identity-based") {
        return message;
    }
    format!(
        "{before} on the resource associated with this ciphertext because the resource does not exist \
         in this Region, no resource-based policies allow access, or a resource-based policy explicitly \
         denies access"
    )
}

/// Whether the key of an encryption can be used now.
fn usable(state: &State, encryption: &Encryption) -> Result<(), String> {
    match encryption.key() {
        Some(key) if !is_managed(encryption) => {
            kms::usable(state, key).map_err(|error| format!("KMS.{error}"))
        }
        _ => Ok(()),
    }
}

/// Whether it is the AWS managed key `aws/s3`, which every account has and none can disable.
fn is_managed(encryption: &Encryption) -> bool {
    encryption.key().is_some_and(|key| key.resource() == "alias/aws/s3")
}
