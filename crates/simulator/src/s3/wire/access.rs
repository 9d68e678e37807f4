//! Whether a call may touch a bucket or a key: does it exist, is it here, whose is it, and does
//! IAM allow it.

use crate::World;
use crate::iam::{self, Access};
use crate::s3::bucket::{Bucket, Encryption};
use crate::s3::object::{Object, Version, VersionKind};
use crate::s3::{is_managed, key_use};
use crate::wire::{ApiError, Call};
use crate::world::State;

/// One request, taken apart.
pub struct Request<'w> {
    pub world: &'w World,
    /// Caller, method, query and headers.
    pub call: Call,
    /// The bucket; empty if none is named.
    pub bucket: String,
    /// The key; empty if none is named.
    pub key: String,
}

/// Condition keys of writes, and the headers that they show.
const WRITE_KEYS: &[(&str, &str)] = &[
    ("s3:if-match", "if-match"),
    ("s3:if-none-match", "if-none-match"),
    ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold"),
    ("s3:x-amz-acl", "x-amz-acl"),
    ("s3:x-amz-copy-source", "x-amz-copy-source"),
    ("s3:x-amz-storage-class", "x-amz-storage-class"),
];

/// The same about encryption.
const ENCRYPTION_KEYS: &[(&str, &str)] = &[
    ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
    (
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-aws-kms-key-id",
    ),
    (
        "s3:x-amz-server-side-encryption-customer-algorithm",
        "x-amz-server-side-encryption-customer-algorithm",
    ),
];

/// Condition keys and their values.
pub type Context<'a> = [(&'a str, String)];

impl Request<'_> {
    /// The bucket, for a caller who may do `action` with it.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PermanentRedirect`, `AccessDenied`.
    pub fn open<'s>(&self, state: &'s State, action: &str) -> Result<&'s Bucket, ApiError> {
        let bucket = self.home(state)?;
        self.allow(state, bucket, action, None, &[])?;
        Ok(bucket)
    }

    /// The bucket, for a caller who may do `action` with the key.
    ///
    /// # Errors
    /// As [`Request::open`].
    pub fn open_key<'s>(&self, state: &'s State, action: &str) -> Result<&'s Bucket, ApiError> {
        let bucket = self.home(state)?;
        self.allow(state, bucket, action, Some(&self.key), &[])?;
        Ok(bucket)
    }

    /// The bucket, if it is in this Region and of the expected owner.
    ///
    /// # Errors
    /// `NoSuchBucket`, `PermanentRedirect`, `AccessDenied`.
    pub fn home<'s>(&self, state: &'s State) -> Result<&'s Bucket, ApiError> {
        let bucket = existing(state, &self.bucket)?;
        if bucket.region != self.call.region {
            return Err(ApiError::new(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified \
                 endpoint. Please send all future requests to this endpoint.",
            )
            .with("Endpoint", format!("s3.{}.amazonaws.com", bucket.region))
            .with("Bucket", bucket.name.clone()));
        }
        self.check_owner(bucket, "x-amz-expected-bucket-owner")?;
        Ok(bucket)
    }

    /// Refuses a bucket whose owner is not the one in `header`.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check_owner(&self, bucket: &Bucket, header: &str) -> Result<(), ApiError> {
        match self.call.header(header) {
            Some(expected) if expected != bucket.owner.as_str() => Err(access_denied()),
            _ => Ok(()),
        }
    }

    /// Asks IAM.
    ///
    /// # Errors
    /// `AccessDenied`, with IAM's words for callers of the bucket's account or organization only.
    pub fn allow(
        &self,
        state: &State,
        bucket: &Bucket,
        action: &str,
        key: Option<&str>,
        context: &Context<'_>,
    ) -> Result<(), ApiError> {
        let mut whole = context.to_vec();
        whole.extend(self.supplied(bucket, action));
        let access = Access {
            action,
            resource: &bucket.arn(key),
            owner: &bucket.owner,
            resource_policy: bucket.policy.as_ref().map(|policy| &policy.policy),
            context: &whole,
        };
        iam::authorize(state, &self.call.caller, &access).map_err(|denial| {
            if self.is_insider(state, bucket) {
                ApiError::new(403, "AccessDenied", denial.message)
            } else {
                access_denied()
            }
        })
    }

    /// Whether S3 tells the caller why it refuses: "enhanced access denied messages" are for the
    /// bucket's account and organization.
    fn is_insider(&self, state: &State, bucket: &Bucket) -> bool {
        let organization = |account| state.iam.get(account)?.organisation.as_ref();
        let (caller, owner) = (&self.call.caller.account, &bucket.owner);
        caller == owner
            || organization(caller).is_some_and(|theirs| organization(owner) == Some(theirs))
    }

    /// The condition keys that follow from the request's headers and query, as far as S3 lists them
    /// for the action.
    fn supplied(&self, bucket: &Bucket, action: &str) -> Vec<(&'static str, String)> {
        let call = &self.call;
        let mut keys = vec![("aws:RequestedRegion", bucket.region.to_string())];
        if action.contains("Version") {
            keys.extend(call.param("versionId").map(|id| ("s3:VersionId", id.to_owned())));
        }
        if action != "s3:PutObject" {
            return keys;
        }
        keys.extend(self.in_headers(WRITE_KEYS));
        match call.param("uploadId").and_then(|id| bucket.uploads.get(id)) {
            Some(upload) => keys.extend(upload.supplied.iter().cloned()),
            None => keys.extend(self.encryption_keys()),
        }
        // Parts and the start of an upload create no object yet; a policy that demands conditional
        // writes lets them pass by this key.
        let part = call.param("uploads").is_some() || call.param("partNumber").is_some();
        keys.push(("s3:ObjectCreationOperation", (!part).to_string()));
        keys
    }

    /// The condition keys about encryption that the request's headers supply.
    pub fn encryption_keys(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.in_headers(ENCRYPTION_KEYS)
    }

    fn in_headers(
        &self,
        keys: &'static [(&'static str, &'static str)],
    ) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let value = |(key, header): &(&'static str, &str)| {
            Some((*key, self.call.header(header)?.to_owned()))
        };
        keys.iter().filter_map(value)
    }

    /// The version that a request names with `versionId`, or else the current one.
    ///
    /// # Errors
    /// `NoSuchVersion`; `NoSuchKey`, or `AccessDenied` for who may not list the bucket;
    /// `MethodNotAllowed` for a delete marker by its id.
    pub fn find<'s>(
        &self,
        state: &State,
        bucket: &'s Bucket,
    ) -> Result<(&'s Version, &'s Object), ApiError> {
        let key = self.key.as_str();
        match self.call.param("versionId") {
            Some(id) => {
                let version = bucket.version(key, id).ok_or_else(|| no_such_version(key, id))?;
                let object = version.object().ok_or_else(|| marker_by_id(version))?;
                Ok((version, object))
            }
            None => {
                let version = bucket.latest(key);
                if let Some((version, object)) = version.and_then(|v| Some((v, v.object()?))) {
                    return Ok((version, object));
                }
                self.allow(state, bucket, "s3:ListBucket", None, &[])?;
                Err(no_such_key(key, version))
            }
        }
    }

    /// Whether the caller may do `operation` with the KMS key of an object: `Decrypt` to read it,
    /// `GenerateDataKey` to write it. Nothing is asked for objects without one.
    ///
    /// # Errors
    /// `AccessDenied` in the words of KMS, and for the managed key of another account; `KMS.…`
    /// for a key that is missing or in a state that forbids its use.
    pub fn use_key(
        &self,
        state: &State,
        bucket: &Bucket,
        key: &str,
        encryption: &Encryption,
        operation: &str,
    ) -> Result<(), ApiError> {
        let Some(kms_key) = encryption.key() else { return Ok(()) };
        if is_managed(encryption) {
            let own = self.call.caller.account == bucket.owner;
            return if own { Ok(()) } else { Err(access_denied()) };
        }
        key_use(state, self.world.now(), &self.call.caller, bucket, key, kms_key, operation)
    }
}

/// The bucket of a name, wherever it is.
///
/// # Errors
/// `NoSuchBucket`.
pub fn existing<'s>(state: &'s State, name: &str) -> Result<&'s Bucket, ApiError> {
    state.s3.bucket(name).ok_or_else(|| no_such_bucket(name))
}

/// There is no such bucket.
pub fn no_such_bucket(name: &str) -> ApiError {
    ApiError::new(404, "NoSuchBucket", "The specified bucket does not exist")
        .with("BucketName", name)
}

/// There is no such version.
pub fn no_such_version(key: &str, id: &str) -> ApiError {
    ApiError::new(404, "NoSuchVersion", "The specified version does not exist.")
        .with("Key", key)
        .with("VersionId", id)
}

/// There is no such object; a current delete marker shows in the headers.
pub fn no_such_key(key: &str, current: Option<&Version>) -> ApiError {
    let error =
        ApiError::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key);
    match current {
        Some(Version { id, kind: VersionKind::DeleteMarker, .. }) => {
            error.with("DeleteMarkerVersion", id.clone())
        }
        _ => error,
    }
}

fn marker_by_id(version: &Version) -> ApiError {
    ApiError::new(
        405,
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    )
    .with("ResourceType", "DeleteMarker")
    .with("DeleteMarkerVersion", version.id.clone())
}

/// A refusal that says no more.
pub fn access_denied() -> ApiError {
    ApiError::new(403, "AccessDenied", "Access Denied")
}

/// An argument with a wrong value.
pub fn invalid_argument(name: &str, value: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidArgument", message)
        .with("ArgumentName", name)
        .with("ArgumentValue", value)
}

/// A request that makes no sense.
pub fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidRequest", message)
}
