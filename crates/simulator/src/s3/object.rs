//! Versions of objects: what they hold, and how writes and deletes follow one another.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Buckets;
use super::archive::{AccessTier, Restored};
use super::bucket::{Bucket, Encryption, Versioning};
use super::checksum::Checksum;
use super::content::Content;
use super::lock::Retention;
use super::storage_class::StorageClass;

/// The id of the only version of a key in a bucket without versioning.
pub const NULL_VERSION: &str = "null";

/// One entry in the history of a key.
#[derive(Debug, Clone)]
pub struct Version {
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// Its place in the history: the highest is the current one. A multipart upload has the place
    /// of its initiation.
    pub(super) order: u64,
    /// An object or a delete marker.
    pub kind: VersionKind,
}

/// A version holds an object, or marks a deletion.
#[derive(Debug, Clone)]
pub enum VersionKind {
    Object(Box<Object>),
    /// The key counts as absent from here on.
    DeleteMarker,
}

impl Version {
    /// The object, unless this is a delete marker.
    pub fn object(&self) -> Option<&Object> {
        match &self.kind {
            VersionKind::Object(object) => Some(object),
            VersionKind::DeleteMarker => None,
        }
    }
}

/// An object: its content and everything that S3 keeps with it.
#[derive(Debug, Clone)]
pub struct Object {
    pub content: Content,
    /// The `ETag`, without quotes.
    pub etag: String,
    /// The parts it was uploaded in; none for an object that was written in one piece.
    pub parts: Vec<ObjectPart>,
    /// The checksum that S3 shows.
    pub checksum: Checksum,
    /// What the writer said and the reader may change.
    pub attributes: Attributes,
}

impl std::ops::Deref for Object {
    type Target = Attributes;

    fn deref(&self) -> &Attributes {
        &self.attributes
    }
}

impl std::ops::DerefMut for Object {
    fn deref_mut(&mut self) -> &mut Attributes {
        &mut self.attributes
    }
}

/// One part of a multipart object.
#[derive(Debug, Clone)]
pub struct ObjectPart {
    pub number: u32,
    /// Its length in bytes.
    pub len: u64,
    /// Its own checksum in base64, if it was computed.
    pub checksum: Option<String>,
}

/// What the writer of an object says about it.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// `Content-Type` and the other headers that come back with the object.
    pub headers: BTreeMap<&'static str, String>,
    /// User metadata (`x-amz-meta-` names without that prefix).
    pub metadata: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// How it is encrypted.
    pub encryption: Encryption,
    /// Where it is kept.
    pub storage_class: StorageClass,
    /// The archive tier that `INTELLIGENT_TIERING` moved it to, even if it was retrieved since.
    pub access_tier: Option<AccessTier>,
    /// What was retrieved of it, where it is archived.
    pub restored: Option<Restored>,
    /// Until when it is locked.
    pub retention: Option<Retention>,
    /// Whether it is locked without an end.
    pub legal_hold: bool,
}

/// What a delete did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The version that was removed, or the delete marker that was made; `None` where the bucket
    /// has no versions.
    pub version: Option<String>,
    /// Whether a delete marker was made or removed.
    pub marker: bool,
    /// Whether a delete marker was made.
    pub made_marker: bool,
}

impl Bucket {
    /// The id that the next version gets.
    fn next_version_id(&self, rng: &mut fastrand::Rng) -> String {
        match self.versioning {
            Versioning::Enabled => opaque_id(rng, 32),
            Versioning::Off | Versioning::Suspended => NULL_VERSION.to_owned(),
        }
    }

    /// Writes an object at the place `order` of the key's history; returns the version's id.
    pub(super) fn write(
        &mut self,
        rng: &mut fastrand::Rng,
        at: Timestamp,
        order: u64,
        key: &str,
        mut object: Object,
    ) -> String {
        if object.retention.is_none() {
            object.retention = self.object_lock.flatten().map(|default| default.from(at));
        }
        let id = self.next_version_id(rng);
        let kind = VersionKind::Object(Box::new(object));
        self.insert(key, Version { id: id.clone(), at, order, kind });
        id
    }

    /// Deletes a key without naming a version: a delete marker where there are versions.
    pub(super) fn delete(
        &mut self,
        rng: &mut fastrand::Rng,
        at: Timestamp,
        order: u64,
        key: &str,
    ) -> Deleted {
        if self.versioning == Versioning::Off {
            self.keys.remove(key);
            return Deleted { version: None, marker: false, made_marker: false };
        }
        let id = self.next_version_id(rng);
        self.insert(key, Version { id: id.clone(), at, order, kind: VersionKind::DeleteMarker });
        Deleted { version: Some(id), marker: true, made_marker: true }
    }
}

impl Buckets {
    /// The next number of the one sequence that orders all writes.
    pub(super) fn next_order(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

/// An id as S3 makes them: opaque, URL-safe, from the world's randomness.
pub fn opaque_id(rng: &mut fastrand::Rng, len: usize) -> String {
    (0..len).map(|_| rng.alphanumeric()).collect()
}
