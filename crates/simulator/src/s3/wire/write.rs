//! Writing objects in one piece, and changing tags and locks of what is there.

use super::access::{Context, Request, access_denied, invalid_request, no_such_bucket};
use super::body;
use super::document::Element;
use super::headers::{
    allow_write, attributes, check_tags, lock_context, lock_needed, precondition, read_retention,
};
use super::read::versioned;
use crate::s3::checksum::{self, Algorithm, Checksum};
use crate::s3::lock;
use crate::s3::multipart::{LARGEST_PART, malformed_xml};
use crate::s3::notify::What;
use crate::s3::object::{Attributes, Object};
use crate::s3::{Write, commit};
use crate::wire::{Answer, ApiError, Incoming};
use crate::world::State;

pub(super) async fn put_object(request: &Request<'_>, body: Incoming) -> Result<Answer, ApiError> {
    let call = &request.call;
    if request.key.len() > 1024 {
        return Err(ApiError::new(400, "KeyTooLongError", "Your key is too long")
            .with("Size", request.key.len().to_string())
            .with("MaxSizeAllowed", "1024"));
    }
    let received = body::receive(call, body, LARGEST_PART).await?;
    let checked = received.checksum.is_some() || call.headers.contains_key("content-md5");
    let (algorithm, value) = match received.checksum {
        Some(given) => given,
        None => {
            let named = call.header("x-amz-sdk-checksum-algorithm").and_then(Algorithm::named);
            let algorithm = named.unwrap_or(Algorithm::Crc64Nvme);
            (algorithm, algorithm.of(&received.content))
        }
    };
    let content = received.content;
    let checksum = Checksum { algorithm, kind: checksum::Kind::FullObject, value };
    let etag = checksum::etag(&content);

    let now = request.world.now();
    let mut state = request.world.lock();
    let bucket = request.home(&state)?;
    let attributes = attributes(request, bucket)?;
    allow_write(request, &state, bucket, &attributes)?;
    let locked = attributes.retention.is_some()
        || attributes.legal_hold
        || bucket.object_lock.flatten().is_some();
    if locked && !checked {
        return Err(invalid_request(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with \
             Object Lock parameters",
        ));
    }
    precondition(request, &state, bucket)?;
    let encryption = attributes.encryption.clone();
    let object =
        Object { content, etag, parts: Vec::new(), checksum: checksum.clone(), attributes };
    let quoted = format!("\"{}\"", object.etag);
    let order = state.s3.next_order();
    let version = write(request, &mut state, now, order, object, What::Put)?;
    Ok(Answer::empty(200)
        .with("etag", &quoted)
        .with_version(&version)
        .with_encryption(&encryption)
        .with_checksum(&checksum))
}

/// Writes an object to the request's key and announces it; returns the version's id.
pub(super) fn write(
    request: &Request<'_>,
    state: &mut State,
    at: jiff::Timestamp,
    order: u64,
    object: Object,
    what: What,
) -> Result<String, ApiError> {
    let write = Write {
        bucket: &request.bucket,
        key: &request.key,
        order,
        object,
        what,
        requester: request.call.caller.account.to_string(),
    };
    commit(state, at, write).ok_or_else(|| no_such_bucket(&request.bucket))
}

/// Lets `edit` change the attributes of the version that the request names.
/// Changes the attributes of the object that a request names; gives the id of its version.
pub(super) fn change(
    request: &Request<'_>,
    state: &mut State,
    edit: impl FnOnce(&mut Attributes),
) -> Result<String, ApiError> {
    let bucket = state.s3.bucket_mut(&request.bucket);
    let bucket = bucket.ok_or_else(|| no_such_bucket(&request.bucket))?;
    let version = bucket.version_mut(&request.key, request.call.param("versionId"));
    match version.map(|version| (version.id.clone(), &mut version.kind)) {
        Some((id, crate::s3::object::VersionKind::Object(object))) => {
            edit(object);
            Ok(id)
        }
        _ => Err(super::access::no_such_key(&request.key, None)),
    }
}

pub(super) async fn put_tagging(request: &Request<'_>, body: Incoming) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "Tagging")?;
    let set = element.child("TagSet").ok_or_else(malformed_xml)?;
    let mut tags = Vec::new();
    for tag in set.all("Tag") {
        let value = tag.child("Value").ok_or_else(malformed_xml)?;
        tags.push((tag.required("Key")?.to_owned(), value.text.clone()));
    }
    let tags = check_tags(tags.into_iter())?;
    let mut state = request.world.lock();
    let action = versioned(request, "s3:PutObjectTagging", "s3:PutObjectVersionTagging");
    let bucket = request.open_key(&state, action)?;
    request.find(&state, bucket)?;
    let id = change(request, &mut state, |attributes| attributes.tags = tags)?;
    Ok(Answer::empty(200).with_version(&id))
}

pub(super) fn delete_tagging(request: &Request<'_>) -> Result<Answer, ApiError> {
    let mut state = request.world.lock();
    let action = versioned(request, "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging");
    let bucket = request.open_key(&state, action)?;
    request.find(&state, bucket)?;
    let id = change(request, &mut state, |attributes| attributes.tags.clear())?;
    Ok(Answer::empty(204).with_version(&id))
}

pub(super) async fn put_retention(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "Retention")?;
    let now = request.world.now();
    let next = match (element.text_of("Mode"), element.text_of("RetainUntilDate")) {
        (Some(mode), Some(until)) => Some(read_retention(mode, until, now)?),
        (None, None) => None,
        _ => return Err(malformed_xml()),
    };
    let mut state = request.world.lock();
    let bucket = request.home(&state)?;
    let context = lock_context(next, now);
    request.allow(&state, bucket, "s3:PutObjectRetention", Some(&request.key), &context)?;
    lock_needed(bucket)?;
    let (_, object) = request.find(&state, bucket)?;
    let may = |bypass| lock::may_retain(object.retention, next, now, bypass);
    if !may(false) {
        if !asks_bypass(request) || !may(true) {
            return Err(ApiError::new(403, "AccessDenied", lock::LOCKED));
        }
        allow_bypass(request, &state, &request.key)?;
    }
    let id = change(request, &mut state, |attributes| attributes.retention = next)?;
    Ok(Answer::empty(200).with_version(&id))
}

pub(super) async fn put_legal_hold(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "LegalHold")?;
    let hold = match element.required("Status")? {
        "ON" => true,
        "OFF" => false,
        _ => return Err(malformed_xml()),
    };
    let mut state = request.world.lock();
    let bucket = request.open_key(&state, "s3:PutObjectLegalHold")?;
    lock_needed(bucket)?;
    request.find(&state, bucket)?;
    let id = change(request, &mut state, |attributes| attributes.legal_hold = hold)?;
    Ok(Answer::empty(200).with_version(&id))
}

/// Whether the request asks to override governance mode.
pub(super) fn asks_bypass(request: &Request<'_>) -> bool {
    request
        .call
        .header("x-amz-bypass-governance-retention")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Refuses a caller who may not override governance mode.
pub(super) fn allow_bypass(
    request: &Request<'_>,
    state: &State,
    key: &str,
) -> Result<(), ApiError> {
    let bucket = state.s3.bucket(&request.bucket).ok_or_else(access_denied)?;
    let none: &Context<'_> = &[];
    request.allow(state, bucket, "s3:BypassGovernanceRetention", Some(key), none)
}
