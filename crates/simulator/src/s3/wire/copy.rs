//! Server-side copies: of an object, and of a range into a part. They take time, during which
//! nothing is locked.

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::access::{Request, existing, invalid_argument, invalid_request};
use super::headers::{allow_write, attributes, precondition, precondition_failed};
use super::multipart::{self, number};
use super::options::check_readable;
use super::read::check_etag_and_date;
use super::write::write;
use super::xml;
use crate::s3::checksum::{self, Algorithm, Checksum};
use crate::s3::multipart::{LARGEST_PART, Part};
use crate::s3::notify::{What, iso};
use crate::s3::object::{Attributes, NULL_VERSION, Object};
use crate::wire::{Answer, ApiError};
use crate::world::State;

/// The length in bytes that a source must exceed for ranges of it to be copied.
const SMALLEST_RANGED: u64 = 5_000_000;

/// What `x-amz-copy-source` names.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    bucket: String,
    key: String,
    version: Option<String>,
}

impl Source {
    fn of(request: &Request<'_>) -> Result<Self, ApiError> {
        let header = request.call.header("x-amz-copy-source").unwrap_or_default();
        Self::parse(header).ok_or_else(|| {
            invalid_argument(
                "x-amz-copy-source",
                header,
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )
        })
    }

    fn parse(header: &str) -> Option<Self> {
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (header, None),
        };
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/')?;
        if bucket.is_empty() || key.is_empty() {
            return None;
        }
        Some(Self { bucket: bucket.to_owned(), key: key.to_owned(), version })
    }
}

/// A source object as the caller may read it, and the id of its version.
fn read(request: &Request<'_>, state: &State) -> Result<(Object, String), ApiError> {
    let source = Source::of(request)?;
    let bucket = existing(state, &source.bucket)?;
    request.check_owner(bucket, "x-amz-source-expected-bucket-owner")?;
    let action = if source.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    request.allow(state, bucket, action, Some(&source.key), &[])?;
    let version = match &source.version {
        Some(id) => Some(
            bucket
                .version(&source.key, id)
                .ok_or_else(|| super::access::no_such_version(&source.key, id))?,
        ),
        None => bucket.latest(&source.key),
    };
    let Some((version, object)) = version.and_then(|v| Some((v, v.object()?))) else {
        if source.version.is_some() {
            return Err(invalid_request(
                "The source of a copy request may not specifically refer to a delete marker by \
                 version id.",
            ));
        }
        request.allow(state, bucket, "s3:ListBucket", None, &[])?;
        return Err(ApiError::new(404, "NoSuchKey", "The specified key does not exist.")
            .with("Key", source.key));
    };
    check_etag_and_date(request, "x-amz-copy-source-", version, object, || {
        precondition_failed("x-amz-copy-source-If-None-Match")
    })?;
    check_readable(object, request.world.now())?;
    request.use_key(state, bucket, &source.key, &object.encryption, "Decrypt")?;
    Ok((object.clone(), version.id.clone()))
}

pub(super) async fn copy_object(request: &Request<'_>) -> Result<Answer, ApiError> {
    let (source, source_version, mut copied, duration) = {
        let state = request.world.lock();
        let bucket = request.home(&state)?;
        let (source, source_version) = read(request, &state)?;
        if source.content.len() > LARGEST_PART {
            return Err(invalid_request(format!(
                "The specified copy source is larger than the maximum allowable size for a copy \
                 source: {LARGEST_PART}"
            )));
        }
        let copied = copied_attributes(request, &state, &source)?;
        allow_write(request, &state, bucket, &copied)?;
        precondition(request, &state, bucket)?;
        let duration = state.settings.s3.copy_time(source.content.len());
        (source, source_version, copied, duration)
    };
    let named = request.call.header("x-amz-checksum-algorithm").map(algorithm).transpose()?;
    let algorithm = named.unwrap_or(source.checksum.algorithm);
    let checksum = Checksum::full(algorithm, &source.content);
    let etag = checksum::etag(&source.content);
    request.world.clock().sleep(duration).await;

    let now = request.world.now();
    let mut state = request.world.lock();
    let bucket = request.home(&state)?;
    precondition(request, &state, bucket)?;
    copied.headers.retain(|_, value| !value.is_empty());
    let encryption = copied.encryption.clone();
    let object = Object {
        content: source.content,
        etag: etag.clone(),
        parts: Vec::new(),
        checksum: checksum.clone(),
        attributes: copied,
    };
    let order = state.s3.next_order();
    let version = write(request, &mut state, now, order, object, What::Copy)?;
    let answer = xml("CopyObjectResult", |x| {
        x.text("ETag", format!("\"{etag}\""))
            .text("LastModified", iso(now))
            .text("ChecksumType", checksum.kind.name())
            .text(checksum.algorithm.element(), &checksum.value);
    });
    Ok(answer.with_version(&version).with_encryption(&encryption).maybe(
        "x-amz-copy-source-version-id",
        Some(source_version.as_str()).filter(|id| *id != NULL_VERSION),
    ))
}

/// The attributes of the copy: metadata and tags of the source unless they are to be replaced;
/// encryption and locks always as the request and the destination say.
fn copied_attributes(
    request: &Request<'_>,
    state: &State,
    source: &Object,
) -> Result<Attributes, ApiError> {
    let call = &request.call;
    let bucket = request.home(state)?;
    let mut copied = attributes(request, bucket)?;
    let replaces = |header: &str| match call.header(header) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(invalid_argument(header, other, "Unknown directive.")),
    };
    let replaces_metadata = replaces("x-amz-metadata-directive")?;
    let named = Source::of(request)?;
    let unchanged = !replaces_metadata
        && call.header("x-amz-server-side-encryption").is_none()
        && call.header("x-amz-storage-class").is_none()
        && named.version.is_none();
    if named.bucket == request.bucket && named.key == request.key && unchanged {
        return Err(invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself \
             without changing the object's metadata, storage class, website redirect location or \
             encryption attributes.",
        ));
    }
    if !replaces_metadata {
        copied.headers = source.headers.clone();
        copied.metadata = source.metadata.clone();
    }
    if !replaces("x-amz-tagging-directive")? {
        if !source.tags.is_empty() {
            let from = existing(state, &named.bucket)?;
            let action = match named.version {
                Some(_) => "s3:GetObjectVersionTagging",
                None => "s3:GetObjectTagging",
            };
            request.allow(state, from, action, Some(&named.key), &[])?;
        }
        copied.tags = source.tags.clone();
    }
    Ok(copied)
}

pub(super) fn algorithm(name: &str) -> Result<Algorithm, ApiError> {
    Algorithm::named(name).ok_or_else(|| {
        invalid_request(format!(
            "Checksum algorithm provided is unsupported: {name}. Use CRC64NVME, CRC32, CRC32C, \
             SHA1 or SHA256."
        ))
    })
}

pub(super) async fn upload_part_copy(request: &Request<'_>) -> Result<Answer, ApiError> {
    let part_number = number(request)?;
    let (content, algorithm, source_version, duration) = {
        let state = request.world.lock();
        let bucket = request.open_key(&state, "s3:PutObject")?;
        let upload = multipart::find(request, bucket)?;
        multipart::use_keys(request, &state, bucket, upload)?;
        let (source, source_version) = read(request, &state)?;
        let content = match request.call.header("x-amz-copy-source-range") {
            Some(range) => source.content.slice(copy_range(range, source.content.len())?),
            None => source.content,
        };
        if content.len() > LARGEST_PART {
            return Err(invalid_request(format!(
                "The specified copy source is larger than the maximum allowable size for a copy \
                 source: {LARGEST_PART}"
            )));
        }
        let duration = state.settings.s3.copy_time(content.len());
        (content, upload.part_algorithm(), source_version, duration)
    };
    let checksum = algorithm.of(&content);
    let etag = checksum::etag(&content);
    request.world.clock().sleep(duration).await;

    let now = request.world.now();
    let mut state = request.world.lock();
    let part = Part { at: now, content, etag: etag.clone(), checksum: checksum.clone() };
    let encryption = multipart::store(request, &mut state, part_number, part)?;
    let answer = xml("CopyPartResult", |x| {
        x.text("ETag", format!("\"{etag}\""))
            .text("LastModified", iso(now))
            .text(algorithm.element(), checksum);
    });
    Ok(answer.with_encryption(&encryption).maybe(
        "x-amz-copy-source-version-id",
        Some(source_version.as_str()).filter(|id| *id != NULL_VERSION),
    ))
}

fn copy_range(header: &str, len: u64) -> Result<Range<u64>, ApiError> {
    let name = "x-amz-copy-source-range";
    let bounds = header.strip_prefix("bytes=").and_then(|bounds| bounds.split_once('-'));
    let bounds = bounds.and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
    let Some((first, last)) = bounds.filter(|(first, last)| first <= last) else {
        return Err(invalid_argument(
            name,
            header,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
             and last are the zero-based offsets of the first and last bytes to copy",
        ));
    };
    if len <= SMALLEST_RANGED {
        return Err(invalid_request(
            "The specified copy source is not supported as a byte-range copy source",
        ));
    }
    if last >= len {
        return Err(invalid_argument(
            name,
            header,
            format!("Range specified is not valid for source object of size: {len}"),
        ));
    }
    Ok(first..last + 1)
}
