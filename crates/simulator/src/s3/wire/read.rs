//! Reading objects: content, headers, attributes, tags, locks.

use std::ops::Range;

use super::access::{Request, invalid_argument};
use super::headers::{etag_matches, http_date, lock_needed, precondition_failed, write_http_date};
use super::options::check_readable;
use super::xml;
use crate::s3::notify::iso;
use crate::s3::object::{Object, Version};
use crate::wire::{Answer, AnswerBody, ApiError};

/// The action for the current version or, if one is named, for a version.
pub(super) fn versioned(
    request: &Request<'_>,
    current: &'static str,
    version: &'static str,
) -> &'static str {
    if request.call.param("versionId").is_some() { version } else { current }
}

/// `GetObject` and `HeadObject`: they differ only in that the body of the latter is dropped.
pub(super) fn get_object(request: &Request<'_>) -> Result<Answer, ApiError> {
    let now = request.world.now();
    let state = request.world.lock();
    let action = versioned(request, "s3:GetObject", "s3:GetObjectVersion");
    let bucket = request.open_key(&state, action)?;
    let (version, object) = request.find(&state, bucket)?;
    check_conditions(request, version, object)?;
    let with_checksum = request
        .call
        .header("x-amz-checksum-mode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
    if request.call.method != http::Method::HEAD {
        check_readable(object, now)?;
    }
    // HeadObject opens nothing but the checksum, which is encrypted with the content.
    if request.call.method != http::Method::HEAD || with_checksum {
        request.use_key(&state, bucket, &request.key, &object.encryption, "Decrypt")?;
    }

    let len = object.content.len();
    let (range, parts) = wanted(request, object)?;
    let mut answer = Answer::empty(200).with_object(version, object, now);
    for name in [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    ] {
        if let Some(value) = request.call.param(&format!("response-{name}")) {
            answer = answer.with(name, value);
        }
    }
    let all = range.as_ref().is_none_or(|range| *range == (0..len));
    if all && with_checksum {
        answer = answer.with_checksum(&object.checksum);
    }
    if let Some(parts) = parts {
        answer = answer.with("x-amz-mp-parts-count", &parts.to_string());
    }
    let content = match range {
        Some(range) => {
            answer.status = 206;
            let shown = format!("bytes {}-{}/{len}", range.start, range.end.saturating_sub(1));
            answer = answer.with("content-range", &shown);
            object.content.slice(range)
        }
        None => object.content.clone(),
    };
    answer = answer.with("content-length", &content.len().to_string());
    answer.body = AnswerBody::Content(content);
    Ok(answer)
}

/// The byte range that is wanted, by `partNumber` or `Range`; and how many parts there are, if a
/// part is named.
fn wanted(
    request: &Request<'_>,
    object: &Object,
) -> Result<(Option<Range<u64>>, Option<usize>), ApiError> {
    let len = object.content.len();
    if let Some(text) = request.call.param("partNumber") {
        let number: usize =
            text.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or_else(|| {
                invalid_argument(
                    "partNumber",
                    text,
                    "Part number must be an integer between 1 and 10000, inclusive",
                )
            })?;
        if object.parts.is_empty() && number == 1 {
            return Ok(((len > 0).then_some(0..len), None));
        }
        let part = object.parts.get(number - 1).ok_or_else(|| {
            ApiError::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
        })?;
        let start: u64 = object.parts[..number - 1].iter().map(|part| part.len).sum();
        return Ok((Some(start..start + part.len), Some(object.parts.len())));
    }
    let Some(header) = request.call.header("range") else { return Ok((None, None)) };
    match parse_range(header, len) {
        Asked::All => Ok((None, None)),
        Asked::Part(range) => Ok((Some(range), None)),
        Asked::Nothing => {
            Err(ApiError::new(416, "InvalidRange", "The requested range is not satisfiable")
                .with("RangeRequested", header)
                .with("ActualObjectSize", len.to_string()))
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Part(Range<u64>),
    Nothing,
}

/// Reads a `Range` header; one that is no single range of bytes is ignored, as S3 does.
fn parse_range(header: &str, len: u64) -> Asked {
    let bounds = header.strip_prefix("bytes=").filter(|bounds| !bounds.contains(','));
    let Some((first, last)) = bounds.and_then(|bounds| bounds.split_once('-')) else {
        return Asked::All;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => return Asked::All,
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(len),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..len,
        (Err(_), Ok(count)) if first.trim().is_empty() => len.saturating_sub(count)..len,
        _ => return Asked::All,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Nothing }
}

fn check_conditions(
    request: &Request<'_>,
    version: &Version,
    object: &Object,
) -> Result<(), ApiError> {
    check_etag_and_date(request, "", version, object, || {
        ApiError::new(304, "NotModified", "Not Modified")
            .with("ETag", format!("\"{}\"", object.etag))
    })
}

/// Checks `If-Match` and its three siblings, each with `prefix` before its name.
///
/// # Errors
/// `PreconditionFailed`; `unchanged()` where the reader already has the object.
pub(super) fn check_etag_and_date(
    request: &Request<'_>,
    prefix: &str,
    version: &Version,
    object: &Object,
    unchanged: impl FnOnce() -> ApiError,
) -> Result<(), ApiError> {
    let header = |name: &str| request.call.header(&format!("{prefix}{name}"));
    // Headers carry whole seconds.
    let modified = version.at.as_second();
    let date = |name: &str| header(name).and_then(http_date).map(|date| date.as_second());
    match (header("if-match"), date("if-unmodified-since")) {
        (Some(expected), _) if !etag_matches(expected, &object.etag) => {
            return Err(precondition_failed("If-Match"));
        }
        (None, Some(date)) if modified > date => {
            return Err(precondition_failed("If-Unmodified-Since"));
        }
        _ => {}
    }
    match (header("if-none-match"), date("if-modified-since")) {
        (Some(known), _) if etag_matches(known, &object.etag) => Err(unchanged()),
        (None, Some(date)) if modified <= date => Err(unchanged()),
        _ => Ok(()),
    }
}

pub(super) fn get_attributes(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let action = versioned(request, "s3:GetObject", "s3:GetObjectVersion");
    let bucket = request.open_key(&state, action)?;
    let action = versioned(request, "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes");
    request.allow(&state, bucket, action, Some(&request.key), &[])?;
    let (version, object) = request.find(&state, bucket)?;
    let asked: Vec<&str> = request
        .call
        .headers
        .get_all("x-amz-object-attributes")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if asked.contains(&"Checksum") {
        request.use_key(&state, bucket, &request.key, &object.encryption, "Decrypt")?;
    }
    let checksum = &object.checksum;
    let answer = xml("GetObjectAttributesResponse", |x| {
        if asked.contains(&"ETag") {
            x.text("ETag", &object.etag);
        }
        if asked.contains(&"Checksum") {
            x.element("Checksum", |x| {
                x.text(checksum.algorithm.element(), &checksum.value)
                    .text("ChecksumType", checksum.kind.name());
            });
        }
        if asked.contains(&"ObjectParts") && !object.parts.is_empty() {
            x.element("ObjectParts", |x| {
                x.text("PartsCount", object.parts.len());
            });
        }
        if asked.contains(&"StorageClass") {
            x.text("StorageClass", object.storage_class.name());
        }
        if asked.contains(&"ObjectSize") {
            x.text("ObjectSize", object.content.len());
        }
    });
    Ok(answer.with("last-modified", &write_http_date(version.at)).with_version(&version.id))
}

pub(super) fn get_tagging(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let action = versioned(request, "s3:GetObjectTagging", "s3:GetObjectVersionTagging");
    let bucket = request.open_key(&state, action)?;
    let (version, object) = request.find(&state, bucket)?;
    let answer = xml("Tagging", |x| {
        x.element("TagSet", |x| {
            for (key, value) in &object.tags {
                x.element("Tag", |x| {
                    x.text("Key", key).text("Value", value);
                });
            }
        });
    });
    Ok(answer.with_version(&version.id))
}

pub(super) fn get_retention(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open_key(&state, "s3:GetObjectRetention")?;
    lock_needed(bucket)?;
    let (_, object) = request.find(&state, bucket)?;
    let retention = object.retention.ok_or_else(no_lock)?;
    Ok(xml("Retention", |x| {
        x.text("Mode", retention.mode.name()).text("RetainUntilDate", iso(retention.until));
    }))
}

pub(super) fn get_legal_hold(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open_key(&state, "s3:GetObjectLegalHold")?;
    lock_needed(bucket)?;
    let (_, object) = request.find(&state, bucket)?;
    Ok(xml("LegalHold", |x| {
        x.text("Status", if object.legal_hold { "ON" } else { "OFF" });
    }))
}

fn no_lock() -> ApiError {
    ApiError::new(
        404,
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_object_and_odd_ones_ignored() {
        for (header, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=5-", Asked::Part(5..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=8-99", Asked::Part(8..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-4", Asked::All),
            ("bytes=0-1,3-4", Asked::All),
            ("lines=0-1", Asked::All),
        ] {
            assert_eq!(parse_range(header, 10), expected, "{header}");
        }
    }
}
