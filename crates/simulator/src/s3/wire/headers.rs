//! What request headers say about an object, and what an object says in response headers.

use std::collections::BTreeMap;

use amiferry_core::ids::Arn;
use http::header::{HeaderName, HeaderValue};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use super::access::{Context, Request, invalid_argument, invalid_request};
use super::options;
use crate::s3::bucket::{Bucket, Encryption};
use crate::s3::checksum::Checksum;
use crate::s3::lock::{LockMode, Retention};
use crate::s3::notify::iso;
use crate::s3::object::{Attributes, NULL_VERSION, Object, Version};
use crate::s3::storage_class::StorageClass;
use crate::wire::{Answer, ApiError, Call};
use crate::world::State;

/// Headers that come back with the object as they were given.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// The longest user metadata of an object: names and values together, in bytes.
const METADATA_LIMIT: usize = 2048;

/// The most tags of an object.
const MOST_TAGS: usize = 10;

/// What the headers of a write say about the object.
///
/// # Errors
/// `MetadataTooLarge`, `InvalidTag`, `InvalidArgument`, `InvalidRequest`.
pub fn attributes(request: &Request<'_>, bucket: &Bucket) -> Result<Attributes, ApiError> {
    let call = &request.call;
    options::check_acl(call)?;
    let mut headers: BTreeMap<&'static str, String> =
        KEPT.into_iter().filter_map(|name| Some((name, call.header(name)?.to_owned()))).collect();
    if let Some(encoding) = headers.remove("content-encoding") {
        // It describes the transfer, not the object.
        let kept: Vec<&str> =
            encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
        if !kept.is_empty() {
            headers.insert("content-encoding", kept.join(","));
        }
    }
    Ok(Attributes {
        headers,
        metadata: metadata(call)?,
        tags: tags(call.header("x-amz-tagging").unwrap_or_default())?,
        encryption: encryption(request, bucket)?,
        storage_class: options::storage_class(call)?,
        access_tier: None,
        restored: None,
        retention: retention(request, bucket)?,
        legal_hold: legal_hold(call, bucket)?,
    })
}

fn metadata(call: &Call) -> Result<BTreeMap<String, String>, ApiError> {
    let metadata: BTreeMap<String, String> = call
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-amz-meta-")?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > METADATA_LIMIT {
        return Err(ApiError::new(
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        )
        .with("Size", size.to_string())
        .with("MaxSizeAllowed", METADATA_LIMIT.to_string()));
    }
    Ok(metadata)
}

/// Reads tags written as a query string.
///
/// # Errors
/// As [`check_tags`].
fn tags(text: &str) -> Result<BTreeMap<String, String>, ApiError> {
    check_tags(form_urlencoded::parse(text.as_bytes()).into_owned())
}

/// Checks tags against S3's limits.
///
/// # Errors
/// `BadRequest` for more than 10, `InvalidTag` for a bad or repeated name or value.
pub fn check_tags(
    tags: impl Iterator<Item = (String, String)>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let invalid = |message: &str| ApiError::new(400, "InvalidTag", message);
    let mut checked = BTreeMap::new();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if key.starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if value.chars().count() > 256 {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if checked.insert(key, value).is_some() {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
    }
    if checked.len() > MOST_TAGS {
        return Err(ApiError::new(400, "BadRequest", "Object tags cannot be greater than 10"));
    }
    Ok(checked)
}

fn encryption(request: &Request<'_>, bucket: &Bucket) -> Result<Encryption, ApiError> {
    let key = request.call.header("x-amz-server-side-encryption-aws-kms-key-id");
    match request.call.header("x-amz-server-side-encryption") {
        None if key.is_none() => Ok(bucket.encryption.clone()),
        Some("AES256") if key.is_none() => Ok(Encryption::Aes256),
        Some("aws:kms") => kms_encryption(request, bucket, key),
        Some(other) if key.is_none() => Err(invalid_argument(
            "x-amz-server-side-encryption",
            other,
            "The encryption method specified is not supported",
        )),
        _ => Err(invalid_argument(
            "x-amz-server-side-encryption",
            "",
            "Server Side Encryption with AWS KMS managed key requires HTTP header \
             x-amz-server-side-encryption : aws:kms",
        )),
    }
}

/// SSE-KMS with a key named by ARN, id or alias; without a name it is the managed key `aws/s3`.
///
/// # Errors
/// `InvalidArgument` for a name that cannot be one.
pub fn kms_encryption(
    request: &Request<'_>,
    bucket: &Bucket,
    key: Option<&str>,
) -> Result<Encryption, ApiError> {
    let named = key.filter(|key| !key.is_empty()).unwrap_or("alias/aws/s3");
    let account = match key {
        Some(_) => &request.call.caller.account,
        None => &bucket.owner,
    };
    let arn = if named.starts_with("arn:") {
        named.to_owned()
    } else if named.starts_with("alias/") {
        format!("arn:aws:kms:{}:{account}:{named}", bucket.region)
    } else {
        format!("arn:aws:kms:{}:{account}:key/{named}", bucket.region)
    };
    let arn: Arn = arn.parse().map_err(|_| {
        invalid_argument(
            "x-amz-server-side-encryption-aws-kms-key-id",
            named,
            "The key id is not a key ARN, a key id or an alias",
        )
    })?;
    if arn.region().is_some_and(|region| region != bucket.region) {
        return Err(ApiError::new(
            400,
            "KMS.NotFoundException",
            format!("Invalid arn {}", bucket.region),
        ));
    }
    Ok(Encryption::Kms(arn))
}

fn retention(request: &Request<'_>, bucket: &Bucket) -> Result<Option<Retention>, ApiError> {
    let mode = request.call.header("x-amz-object-lock-mode");
    let until = request.call.header("x-amz-object-lock-retain-until-date");
    let (mode, until) = match (mode, until) {
        (None, None) => return Ok(None),
        (Some(mode), Some(until)) => (mode, until),
        _ => {
            return Err(invalid_argument(
                "x-amz-object-lock-mode",
                mode.unwrap_or_default(),
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be \
                 supplied",
            ));
        }
    };
    lock_needed(bucket)?;
    read_retention(mode, until, request.world.now()).map(Some)
}

/// Reads mode and end of a retention.
///
/// # Errors
/// `InvalidArgument` for an unknown mode, a date that is none, or one in the past.
pub fn read_retention(mode: &str, until: &str, now: Timestamp) -> Result<Retention, ApiError> {
    let mode = LockMode::named(mode).ok_or_else(|| {
        invalid_argument("x-amz-object-lock-mode", mode, "Unknown wormMode directive.")
    })?;
    let name = "x-amz-object-lock-retain-until-date";
    let date: Timestamp = until.parse().map_err(|_| {
        invalid_argument(name, until, "The retain until date must be provided in ISO 8601 format")
    })?;
    if date <= now {
        return Err(invalid_argument(name, until, "The retain until date must be in the future!"));
    }
    Ok(Retention { mode, until: date })
}

fn legal_hold(call: &Call, bucket: &Bucket) -> Result<bool, ApiError> {
    match call.header("x-amz-object-lock-legal-hold") {
        None => Ok(false),
        Some(value @ ("ON" | "OFF")) => {
            lock_needed(bucket)?;
            Ok(value == "ON")
        }
        Some(other) => Err(invalid_argument(
            "x-amz-object-lock-legal-hold",
            other,
            "Legal Hold must be either of 'ON' or 'OFF'",
        )),
    }
}

/// Refuses a bucket without Object Lock.
///
/// # Errors
/// `InvalidRequest`.
pub fn lock_needed(bucket: &Bucket) -> Result<(), ApiError> {
    match bucket.object_lock {
        Some(_) => Ok(()),
        None => Err(invalid_request("Bucket is missing Object Lock Configuration")),
    }
}

/// Refuses a caller who may not write the key with these attributes.
///
/// # Errors
/// `AccessDenied`, or the KMS error.
pub fn allow_write(
    request: &Request<'_>,
    state: &State,
    bucket: &Bucket,
    attributes: &Attributes,
) -> Result<(), ApiError> {
    let context = lock_context(attributes.retention, request.world.now());
    let allow = |action| request.allow(state, bucket, action, Some(&request.key), &context);
    allow("s3:PutObject")?;
    if !attributes.tags.is_empty() {
        allow("s3:PutObjectTagging")?;
    }
    if attributes.retention.is_some() {
        allow("s3:PutObjectRetention")?;
    }
    if attributes.legal_hold {
        allow("s3:PutObjectLegalHold")?;
    }
    request.use_key(state, bucket, &request.key, &attributes.encryption, "GenerateDataKey")
}

/// The condition keys of a retention.
pub fn lock_context(retention: Option<Retention>, now: Timestamp) -> Vec<(&'static str, String)> {
    let Some(retention) = retention else { return Vec::new() };
    let days = retention.until.duration_since(now).as_hours().max(0) / 24;
    vec![
        ("s3:object-lock-mode", retention.mode.name().to_owned()),
        ("s3:object-lock-remaining-retention-days", days.to_string()),
    ]
}

/// Refuses a write whose `If-None-Match: *` or `If-Match` does not hold.
///
/// # Errors
/// `PreconditionFailed`, or `ConditionalRequestConflict` while the write that it lost to counts as
/// simultaneous; `NoSuchKey`, `NotImplemented` for another `If-None-Match`,
/// `AccessDenied`.
pub fn precondition(request: &Request<'_>, state: &State, bucket: &Bucket) -> Result<(), ApiError> {
    let key = request.key.as_str();
    let window = SignedDuration::try_from(state.settings.s3.conflict_window).unwrap_or_default();
    let recent = bucket
        .latest(key)
        .is_some_and(|latest| request.world.now().duration_since(latest.at) < window);
    let failed = |condition| {
        if recent { conflict() } else { precondition_failed(condition) }
    };
    match request.call.header("if-none-match") {
        None => {}
        Some("*") if bucket.has(key) => return Err(failed("If-None-Match")),
        Some("*") => {}
        Some(_) => {
            return Err(ApiError::new(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )
            .with("Header", "If-None-Match"));
        }
    }
    if let Some(expected) = request.call.header("if-match") {
        request.allow(state, bucket, "s3:GetObject", Some(key), &[] as &Context<'_>)?;
        let version = bucket.latest(key);
        let object = version.and_then(Version::object);
        let object = object.ok_or_else(|| super::access::no_such_key(key, version))?;
        if !etag_matches(expected, &object.etag) {
            return Err(failed("If-Match"));
        }
    }
    Ok(())
}

/// The code of [`conflict`].
pub const CONFLICT: &str = "ConditionalRequestConflict";

fn conflict() -> ApiError {
    ApiError::new(
        409,
        CONFLICT,
        "The conditional request cannot succeed due to a conflicting operation against this \
         resource.",
    )
}

/// The refusal of a condition that does not hold.
pub fn precondition_failed(condition: &str) -> ApiError {
    ApiError::new(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    )
    .with("Condition", condition)
}

/// Whether an `If-Match` or `If-None-Match` value names an `ETag`; quotes may be missing.
pub fn etag_matches(expected: &str, etag: &str) -> bool {
    expected.split(',').map(|one| one.trim().trim_matches('"')).any(|one| one == "*" || one == etag)
}

/// Reads an HTTP date; an invalid one counts as not given.
pub fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

/// Writes a time as an HTTP date (RFC 9110, 5.6.7), in whole seconds of UTC.
pub fn write_http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

impl Answer {
    /// Adds a header whose name is computed.
    #[must_use]
    pub(super) fn with_named(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds a header if there is a value.
    #[must_use]
    pub(super) fn maybe(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds how an object is encrypted.
    #[must_use]
    pub(super) fn with_encryption(self, encryption: &Encryption) -> Self {
        self.with("x-amz-server-side-encryption", encryption.name())
            .maybe("x-amz-server-side-encryption-aws-kms-key-id", encryption.key().map(Arn::as_str))
    }

    /// Adds the id of a version; the version `null` shows only where the bucket has versions.
    #[must_use]
    pub(super) fn with_version(self, id: &str) -> Self {
        if id == NULL_VERSION { self } else { self.with("x-amz-version-id", id) }
    }

    /// Adds a checksum.
    #[must_use]
    pub(super) fn with_checksum(self, checksum: &Checksum) -> Self {
        self.with(checksum.algorithm.header(), &checksum.value)
            .with("x-amz-checksum-type", checksum.kind.name())
    }

    /// Adds everything that `HeadObject` shows of an object but its length and checksum.
    #[must_use]
    pub(super) fn with_object(self, version: &Version, object: &Object, now: Timestamp) -> Self {
        let mut answer = self
            .with("etag", &format!("\"{}\"", object.etag))
            .with("last-modified", &write_http_date(version.at))
            .with("accept-ranges", "bytes")
            .with("content-type", "binary/octet-stream")
            .with_encryption(&object.encryption)
            .with_version(&version.id);
        for (name, value) in &object.headers {
            answer = answer.with(name, value);
        }
        for (name, value) in &object.metadata {
            answer = answer.with_named(&format!("x-amz-meta-{name}"), value);
        }
        if object.storage_class != StorageClass::Standard {
            answer = answer.with("x-amz-storage-class", object.storage_class.name());
        }
        if let Some(tier) = object.archive_status(now) {
            answer = answer.with("x-amz-archive-status", tier.name());
        }
        if let Some(copy) = object.temporary_copy(now) {
            answer = match now < copy.ready {
                true => answer.with("x-amz-restore", "ongoing-request=\"true\""),
                false => {
                    let until = write_http_date(copy.until);
                    let restore = format!("ongoing-request=\"false\", expiry-date=\"{until}\"");
                    answer.with("x-amz-restore", &restore)
                }
            };
        }
        if !object.tags.is_empty() {
            answer = answer.with("x-amz-tagging-count", &object.tags.len().to_string());
        }
        if let Some(retention) = object.retention {
            answer = answer
                .with("x-amz-object-lock-mode", retention.mode.name())
                .with("x-amz-object-lock-retain-until-date", &iso(retention.until));
        }
        if object.legal_hold {
            answer = answer.with("x-amz-object-lock-legal-hold", "ON");
        }
        answer
    }
}
