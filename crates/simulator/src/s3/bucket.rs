//! A bucket: who owns it, how it is configured, and the versions and uploads in it.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::Timestamp;

use super::lock::DefaultRetention;
use super::multipart::Upload;
use super::object::{Version, VersionKind};
use crate::iam::Policy;

/// Whether a bucket keeps versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Versioning {
    /// It never did: every key has one version, `null`.
    #[default]
    Off,
    /// Every write makes a version.
    Enabled,
    /// It did; writes now replace the version `null`.
    Suspended,
}

/// How an object is encrypted at rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encryption {
    /// With keys of S3 (SSE-S3).
    #[default]
    Aes256,
    /// With a KMS key (SSE-KMS).
    Kms(Arn),
}

impl Encryption {
    /// The name in `x-amz-server-side-encryption`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms(_) => "aws:kms",
        }
    }

    /// The KMS key.
    pub fn key(&self) -> Option<&Arn> {
        match self {
            Self::Aes256 => None,
            Self::Kms(key) => Some(key),
        }
    }
}

/// A bucket policy as it was put, and parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPolicy {
    /// The document.
    pub json: String,
    /// What it means.
    pub policy: Policy,
}

impl BucketPolicy {
    /// Parses a policy document.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(json: &str) -> Result<Self, String> {
        Ok(Self { json: json.to_owned(), policy: Policy::parse(json)? })
    }
}

/// Where the events of a bucket go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notifications {
    pub queues: Vec<QueueNotification>,
    /// Whether every event also goes to EventBridge.
    pub event_bridge: bool,
}

/// One queue that gets some of a bucket's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueNotification {
    /// The configuration's name.
    pub id: String,
    pub queue: Arn,
    /// Event types such as `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    /// What keys must begin with.
    pub prefix: String,
    /// What keys must end with.
    pub suffix: String,
}

/// A bucket to be made.
#[derive(Debug, Clone)]
pub struct BucketSpec {
    /// Its name, unique in the world.
    pub name: String,
    /// The account that will own it.
    pub owner: AccountId,
    pub region: Region,
    /// Whether it keeps versions.
    pub versioned: bool,
    /// How objects are encrypted when the writer does not say.
    pub encryption: Encryption,
    /// The bucket policy, a JSON document.
    pub policy: Option<String>,
    /// Object Lock; it brings versioning with it.
    pub object_lock: Option<Option<DefaultRetention>>,
    /// Where events go.
    pub notifications: Notifications,
}

impl BucketSpec {
    /// A plain bucket: no versions, SSE-S3, no policy, no lock, no events.
    pub fn new(name: impl Into<String>, owner: AccountId, region: Region) -> Self {
        Self {
            name: name.into(),
            owner,
            region,
            versioned: false,
            encryption: Encryption::default(),
            policy: None,
            object_lock: None,
            notifications: Notifications::default(),
        }
    }
}

/// What a new bucket has since April 2023: all public access is blocked, and its owner owns every object.
pub const ALL_BLOCKED: &str = "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
    <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>\
    </PublicAccessBlockConfiguration>";

/// See [`ALL_BLOCKED`].
pub const OWNER_ENFORCED: &str = "<OwnershipControls xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";

/// A bucket with its configuration, objects and uploads.
#[derive(Debug)]
pub struct Bucket {
    pub name: String,
    /// The account that owns it, and everything in it.
    pub owner: AccountId,
    pub region: Region,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it keeps versions.
    pub versioning: Versioning,
    /// How objects are encrypted when the writer does not say.
    pub encryption: Encryption,
    /// Whether SSE-KMS uses S3 Bucket Keys; kept and given back, without further effect.
    pub bucket_key: bool,
    /// The bucket policy.
    pub policy: Option<BucketPolicy>,
    /// Object Lock, with the default retention of objects.
    pub object_lock: Option<Option<DefaultRetention>>,
    /// Where events go.
    pub notifications: Notifications,
    /// The lifecycle configuration, as it was put.
    pub lifecycle: Option<String>,
    /// The block of public access, as it was put.
    pub public_access_block: Option<String>,
    /// Who owns its objects, as it was put.
    pub ownership: Option<String>,
    /// Versions of each key, the current one last. No key has an empty list.
    pub(super) keys: BTreeMap<String, Vec<Version>>,
    /// Multipart uploads in progress, by upload id.
    pub(super) uploads: BTreeMap<String, Upload>,
}

impl Bucket {
    pub(super) fn new(spec: BucketSpec, created: Timestamp) -> Result<Self, String> {
        let policy = spec.policy.as_deref().map(BucketPolicy::parse).transpose()?;
        let versioned = spec.versioned || spec.object_lock.is_some();
        Ok(Self {
            name: spec.name,
            owner: spec.owner,
            region: spec.region,
            created,
            versioning: if versioned { Versioning::Enabled } else { Versioning::Off },
            encryption: spec.encryption,
            bucket_key: false,
            policy,
            object_lock: spec.object_lock,
            notifications: spec.notifications,
            lifecycle: None,
            public_access_block: Some(ALL_BLOCKED.to_owned()),
            ownership: Some(OWNER_ENFORCED.to_owned()),
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
        })
    }

    /// `arn:aws:s3:::BUCKET`, or that of a key in it.
    pub fn arn(&self, key: Option<&str>) -> String {
        match key {
            Some(key) => format!("arn:aws:s3:::{}/{key}", self.name),
            None => format!("arn:aws:s3:::{}", self.name),
        }
    }

    /// Whether there is neither a version nor an upload in it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.uploads.is_empty()
    }

    /// How many multipart uploads are in progress.
    pub fn upload_count(&self) -> usize {
        self.uploads.len()
    }

    /// The multipart uploads in progress, by upload id.
    pub fn uploads(&self) -> impl Iterator<Item = &Upload> {
        self.uploads.values()
    }

    /// All versions of a key, oldest first.
    pub fn versions(&self, key: &str) -> &[Version] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every key with its versions, in order of the keys.
    pub fn all_versions(&self) -> impl Iterator<Item = (&str, &[Version])> {
        self.keys.iter().map(|(key, versions)| (key.as_str(), versions.as_slice()))
    }

    /// The current version of a key; it may be a delete marker.
    pub fn latest(&self, key: &str) -> Option<&Version> {
        self.versions(key).last()
    }

    /// The version of a key with an id.
    pub fn version(&self, key: &str, id: &str) -> Option<&Version> {
        self.versions(key).iter().find(|version| version.id == id)
    }

    /// The same to be changed, whatever locks it; without an id the current version.
    pub fn version_mut(&mut self, key: &str, id: Option<&str>) -> Option<&mut Version> {
        let versions = self.keys.get_mut(key)?;
        match id {
            Some(id) => versions.iter_mut().find(|version| version.id == id),
            None => versions.last_mut(),
        }
    }

    /// Puts a version in its place and returns its position. Without versioning it replaces the
    /// version `null`; otherwise the version with the highest `order` is the current one.
    pub(super) fn insert(&mut self, key: &str, version: Version) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        if version.id == super::object::NULL_VERSION {
            versions.retain(|other| other.id != version.id);
            versions.push(version);
            return;
        }
        let place = versions.partition_point(|other| other.order <= version.order);
        versions.insert(place, version);
    }

    /// Removes a version for good, whatever locks it.
    pub fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.keys.get_mut(key)?;
        let place = versions.iter().position(|version| version.id == id)?;
        let removed = versions.remove(place);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        Some(removed)
    }

    /// Whether a key has a current version that is not a delete marker.
    pub fn has(&self, key: &str) -> bool {
        self.latest(key).is_some_and(|version| matches!(version.kind, VersionKind::Object(_)))
    }
}
