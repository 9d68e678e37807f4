//! Lists of objects and versions as documents.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::access::{Request, invalid_argument};
use super::xml;
use crate::s3::bucket::Bucket;
use crate::s3::list::{self, Page, Query};
use crate::s3::notify::iso;
use crate::s3::object::{Object, Version};
use crate::wire::xml::Xml;
use crate::wire::{Answer, ApiError};
use crate::world::State;

/// The most entries on a page.
const PAGE: usize = 1000;

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/');

/// How names are written in a list.
pub(super) struct Encoding(bool);

impl Encoding {
    pub(super) fn of(request: &Request<'_>) -> Result<Self, ApiError> {
        match request.call.param("encoding-type") {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(other) => Err(invalid_argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub(super) fn write(&self, name: &str) -> String {
        if self.0 { utf8_percent_encode(name, PLAIN).to_string() } else { name.to_owned() }
    }

    pub(super) fn name(&self) -> Option<&'static str> {
        self.0.then_some("url")
    }
}

/// A page size: at most 1,000 whatever is asked for.
pub(super) fn page_size(request: &Request<'_>, name: &str) -> Result<usize, ApiError> {
    let Some(text) = request.call.param(name) else { return Ok(PAGE) };
    match text.parse::<i32>() {
        Ok(size) if size >= 0 => Ok((size as usize).min(PAGE)),
        _ => Err(invalid_argument(
            name,
            text,
            format!("Argument {name} must be an integer between 0 and 2147483647"),
        )),
    }
}

fn open<'s>(
    request: &Request<'_>,
    state: &'s State,
    action: &str,
) -> Result<(&'s Bucket, Query), ApiError> {
    let most = page_size(request, "max-keys")?;
    let call = &request.call;
    let mut context: Vec<(&str, String)> = Vec::new();
    for (key, name) in
        [("s3:prefix", "prefix"), ("s3:delimiter", "delimiter"), ("s3:max-keys", "max-keys")]
    {
        context.extend(call.param(name).map(|value| (key, value.to_owned())));
    }
    let bucket = request.home(state)?;
    request.allow(state, bucket, action, None, &context)?;
    let text = |name| call.param(name).unwrap_or_default().to_owned();
    Ok((bucket, Query { prefix: text("prefix"), delimiter: text("delimiter"), after: None, most }))
}

type Objects<'a> = Page<(&'a str, &'a Version, &'a Object)>;

fn write_objects(x: &mut Xml, page: &Objects<'_>, encoding: &Encoding, owner: Option<&Bucket>) {
    for (key, version, object) in &page.entries {
        x.element("Contents", |x| {
            x.text("Key", encoding.write(key))
                .text("LastModified", iso(version.at))
                .text("ETag", format!("\"{}\"", object.etag))
                .text("ChecksumAlgorithm", object.checksum.algorithm.name())
                .text("ChecksumType", object.checksum.kind.name())
                .text("Size", object.content.len());
            if let Some(bucket) = owner {
                x.element("Owner", |x| {
                    x.text("ID", &bucket.owner);
                });
            }
            x.text("StorageClass", object.storage_class.name());
        });
    }
    write_prefixes(x, &page.prefixes, encoding);
}

fn write_prefixes(x: &mut Xml, prefixes: &[String], encoding: &Encoding) {
    for prefix in prefixes {
        x.element("CommonPrefixes", |x| {
            x.text("Prefix", encoding.write(prefix));
        });
    }
}

fn write_query(x: &mut Xml, bucket: &Bucket, query: &Query, encoding: &Encoding) {
    x.text("Name", &bucket.name).text("Prefix", encoding.write(&query.prefix));
    if !query.delimiter.is_empty() {
        x.text("Delimiter", encoding.write(&query.delimiter));
    }
    x.text("MaxKeys", query.most).maybe("EncodingType", encoding.name());
}

pub(super) fn list_objects_v2(request: &Request<'_>) -> Result<Answer, ApiError> {
    let encoding = Encoding::of(request)?;
    let state = request.world.lock();
    let (bucket, mut query) = open(request, &state, "s3:ListBucket")?;
    let token = request.call.param("continuation-token");
    let start_after = request.call.param("start-after").filter(|after| !after.is_empty());
    query.after = match token {
        Some(token) => Some(read_token(token)?),
        None => start_after.map(str::to_owned),
    };
    let page = list::objects(bucket, &query);
    let owner = (request.call.param("fetch-owner") == Some("true")).then_some(bucket);
    Ok(xml("ListBucketResult", |x| {
        write_query(x, bucket, &query, &encoding);
        x.text("KeyCount", page.entries.len() + page.prefixes.len())
            .text("IsTruncated", page.next.is_some())
            .maybe("ContinuationToken", token)
            .maybe("StartAfter", start_after.map(|after| encoding.write(after)))
            .maybe(
                "NextContinuationToken",
                page.next.as_ref().map(|next| URL_SAFE_NO_PAD.encode(&next.key)),
            );
        write_objects(x, &page, &encoding, owner);
    }))
}

fn read_token(token: &str) -> Result<String, ApiError> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    decoded.filter(|key| !key.is_empty()).ok_or_else(|| {
        invalid_argument(
            "continuation-token",
            token,
            "The continuation token provided is incorrect",
        )
    })
}

pub(super) fn list_objects(request: &Request<'_>) -> Result<Answer, ApiError> {
    let encoding = Encoding::of(request)?;
    let state = request.world.lock();
    let (bucket, mut query) = open(request, &state, "s3:ListBucket")?;
    let marker = request.call.param("marker").unwrap_or_default();
    query.after = Some(marker.to_owned()).filter(|marker| !marker.is_empty());
    let page = list::objects(bucket, &query);
    Ok(xml("ListBucketResult", |x| {
        write_query(x, bucket, &query, &encoding);
        x.text("Marker", encoding.write(marker)).text("IsTruncated", page.next.is_some());
        if !query.delimiter.is_empty() {
            x.maybe("NextMarker", page.next.as_ref().map(|next| encoding.write(&next.key)));
        }
        write_objects(x, &page, &encoding, Some(bucket));
    }))
}

pub(super) fn list_versions(request: &Request<'_>) -> Result<Answer, ApiError> {
    let encoding = Encoding::of(request)?;
    let state = request.world.lock();
    let (bucket, mut query) = open(request, &state, "s3:ListBucketVersions")?;
    let key_marker = request.call.param("key-marker").unwrap_or_default();
    let id_marker = request.call.param("version-id-marker").filter(|id| !id.is_empty());
    if key_marker.is_empty() && id_marker.is_some() {
        return Err(invalid_argument(
            "version-id-marker",
            id_marker.unwrap_or_default(),
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    query.after = Some(key_marker.to_owned()).filter(|marker| !marker.is_empty());
    let page = list::versions(bucket, &query, id_marker);
    Ok(xml("ListVersionsResult", |x| {
        write_query(x, bucket, &query, &encoding);
        x.text("KeyMarker", encoding.write(key_marker))
            .text("VersionIdMarker", id_marker.unwrap_or_default())
            .text("IsTruncated", page.next.is_some());
        if let Some(next) = &page.next {
            x.text("NextKeyMarker", encoding.write(&next.key))
                .maybe("NextVersionIdMarker", next.version.as_ref());
        }
        for listed in &page.entries {
            let object = listed.version.object();
            let name = if object.is_some() { "Version" } else { "DeleteMarker" };
            x.element(name, |x| {
                x.text("Key", encoding.write(listed.key))
                    .text("VersionId", &listed.version.id)
                    .text("IsLatest", listed.latest)
                    .text("LastModified", iso(listed.version.at));
                if let Some(object) = object {
                    x.text("ETag", format!("\"{}\"", object.etag))
                        .text("ChecksumAlgorithm", object.checksum.algorithm.name())
                        .text("ChecksumType", object.checksum.kind.name())
                        .text("Size", object.content.len())
                        .text("StorageClass", object.storage_class.name());
                }
                x.element("Owner", |x| {
                    x.text("ID", &bucket.owner);
                });
            });
        }
        write_prefixes(x, &page.prefixes, &encoding);
    }))
}
