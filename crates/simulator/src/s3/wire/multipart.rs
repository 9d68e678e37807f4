//! The multipart calls.

use super::access::{Request, invalid_argument, invalid_request};
use super::copy::algorithm;
use super::document::Element;
use super::headers::{CONFLICT, allow_write, attributes, lock_context, precondition};
use super::listing::{Encoding, page_size};
use super::write::write;
use super::{body, xml};
use crate::s3::bucket::{Bucket, Encryption};
use crate::s3::checksum::{self, Algorithm, Kind};
use crate::s3::multipart::{
    Completion, LARGEST_PART, MOST_PARTS, Named, Part, Upload, malformed_xml,
};
use crate::s3::notify::{What, iso};
use crate::s3::object::opaque_id;
use crate::wire::{Answer, ApiError, Incoming};
use crate::world::State;

pub(super) fn create(request: &Request<'_>) -> Result<Answer, ApiError> {
    let call = &request.call;
    let algorithm = call.header("x-amz-checksum-algorithm").map(algorithm).transpose()?;
    let kind = call.header("x-amz-checksum-type").map(kind).transpose()?;
    let used = algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let kind = kind.unwrap_or_else(|| used.default_kind());
    if !used.allows(kind) {
        return Err(invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            used.name()
        )));
    }
    let mut guard = request.world.lock();
    let state = &mut *guard;
    let bucket = request.home(state)?;
    let attributes = attributes(request, bucket)?;
    allow_write(request, state, bucket, &attributes)?;
    let encryption = attributes.encryption.clone();
    let mut supplied = lock_context(attributes.retention, request.world.now());
    supplied.extend(request.encryption_keys());
    let id = opaque_id(&mut state.rng, 64);
    let upload = Upload {
        key: request.key.clone(),
        initiator: call.caller.account.clone(),
        initiated: request.world.now(),
        order: state.s3.next_order(),
        attributes,
        supplied,
        algorithm,
        kind,
        parts: std::collections::BTreeMap::new(),
    };
    if let Some(bucket) = state.s3.bucket_mut(&request.bucket) {
        bucket.uploads.insert(id.clone(), upload);
    }
    let answer = xml("InitiateMultipartUploadResult", |x| {
        x.text("Bucket", &request.bucket).text("Key", &request.key).text("UploadId", id);
    });
    Ok(answer
        .with_encryption(&encryption)
        .maybe("x-amz-checksum-algorithm", algorithm.map(Algorithm::name))
        .maybe("x-amz-checksum-type", algorithm.map(|_| kind.name())))
}

fn kind(name: &str) -> Result<Kind, ApiError> {
    [Kind::FullObject, Kind::Composite].into_iter().find(|kind| kind.name() == name).ok_or_else(
        || invalid_request(format!("Value for x-amz-checksum-type header is invalid: {name}")),
    )
}

/// The part number of the request.
pub(super) fn number(request: &Request<'_>) -> Result<u32, ApiError> {
    let text = request.call.param("partNumber").unwrap_or_default();
    text.parse().ok().filter(|number| (1..=MOST_PARTS).contains(number)).ok_or_else(|| {
        invalid_argument(
            "partNumber",
            text,
            "Part number must be an integer between 1 and 10000, inclusive",
        )
    })
}

/// The upload that the request names.
pub(super) fn find<'b>(request: &Request<'_>, bucket: &'b Bucket) -> Result<&'b Upload, ApiError> {
    let id = request.call.param("uploadId").unwrap_or_default();
    let upload = bucket.uploads.get(id).filter(|upload| upload.key == request.key);
    upload.ok_or_else(|| no_such_upload(id))
}

/// Whether the caller may both encrypt and decrypt with the upload's key: S3 reads encrypted parts
/// again before it joins them ("Multipart upload and permissions").
///
/// # Errors
/// As [`Request::use_key`].
pub(super) fn use_keys(
    request: &Request<'_>,
    state: &State,
    bucket: &Bucket,
    upload: &Upload,
) -> Result<(), ApiError> {
    let encryption = &upload.attributes.encryption;
    request.use_key(state, bucket, &request.key, encryption, "GenerateDataKey")?;
    request.use_key(state, bucket, &request.key, encryption, "Decrypt")
}

fn no_such_upload(id: &str) -> ApiError {
    ApiError::new(
        404,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may \
         have been aborted or completed.",
    )
    .with("UploadId", id)
}

pub(super) async fn upload_part(request: &Request<'_>, body: Incoming) -> Result<Answer, ApiError> {
    let number = number(request)?;
    let received = body::receive(&request.call, body, LARGEST_PART).await?;
    let algorithm = {
        let state = request.world.lock();
        let bucket = request.open_key(&state, "s3:PutObject")?;
        let upload = find(request, bucket)?;
        use_keys(request, &state, bucket, upload)?;
        if let (Some(expected), Some((given, _))) = (upload.algorithm, &received.checksum)
            && expected != *given
        {
            return Err(invalid_request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                 Type: {}",
                expected.name(),
                given.name()
            )));
        }
        upload.part_algorithm()
    };
    let (shown, value) = match received.checksum {
        Some(given) => given,
        None => (algorithm, algorithm.of(&received.content)),
    };
    let checksum = if shown == algorithm { value.clone() } else { algorithm.of(&received.content) };
    let etag = checksum::etag(&received.content);
    let mut state = request.world.lock();
    let at = request.world.now();
    let part = Part { at, content: received.content, etag: etag.clone(), checksum };
    let encryption = store(request, &mut state, number, part)?;
    Ok(Answer::empty(200)
        .with("etag", &format!("\"{etag}\""))
        .with_encryption(&encryption)
        .with(shown.header(), &value))
}

/// Puts a part into the upload, which may be gone by now; a part of that number is replaced.
pub(super) fn store(
    request: &Request<'_>,
    state: &mut State,
    number: u32,
    part: Part,
) -> Result<Encryption, ApiError> {
    find(request, request.home(state)?)?;
    let id = request.call.param("uploadId").unwrap_or_default();
    let bucket = state.s3.bucket_mut(&request.bucket);
    let upload = bucket.and_then(|bucket| bucket.uploads.get_mut(id));
    let upload = upload.ok_or_else(|| no_such_upload(id))?;
    upload.parts.insert(number, part);
    Ok(upload.attributes.encryption.clone())
}

pub(super) async fn complete(request: &Request<'_>, body: Incoming) -> Result<Answer, ApiError> {
    let document = body::unchecked_document(&request.call, body).await?;
    let completion = completion(request, &document)?;
    let mut state = request.world.lock();
    let bucket = request.open_key(&state, "s3:PutObject")?;
    let upload = find(request, bucket)?;
    use_keys(request, &state, bucket, upload)?;
    let object = upload.complete(&completion)?;
    let order = upload.order;
    let refused = precondition(request, &state, bucket).err();
    if let Some(error) = refused {
        // After a conflict the client must start a new upload.
        if error.code == CONFLICT
            && let Some(bucket) = state.s3.bucket_mut(&request.bucket)
        {
            bucket.uploads.remove(request.call.param("uploadId").unwrap_or_default());
        }
        return Err(error);
    }
    let (etag, checksum) = (object.etag.clone(), object.checksum.clone());
    let encryption = object.encryption.clone();
    let id = request.call.param("uploadId").unwrap_or_default();
    if let Some(bucket) = state.s3.bucket_mut(&request.bucket) {
        bucket.uploads.remove(id);
    }
    let now = request.world.now();
    let what = What::CompleteMultipartUpload;
    let version = write(request, &mut state, now, order, object, what)?;
    let answer = xml("CompleteMultipartUploadResult", |x| {
        x.text("Location", location(request))
            .text("Bucket", &request.bucket)
            .text("Key", &request.key)
            .text("ETag", format!("\"{etag}\""))
            .text(checksum.algorithm.element(), &checksum.value)
            .text("ChecksumType", checksum.kind.name());
    });
    Ok(answer.with_version(&version).with_encryption(&encryption))
}

/// The URI of the object, as S3 gives it: in virtual-host style whatever style the call had.
fn location(request: &Request<'_>) -> String {
    let key =
        percent_encoding::utf8_percent_encode(&request.key, percent_encoding::NON_ALPHANUMERIC);
    format!("https://{}.s3.{}.amazonaws.com/{key}", request.bucket, request.call.region)
}

fn completion(request: &Request<'_>, document: &[u8]) -> Result<Completion, ApiError> {
    let element = Element::parse(document, "CompleteMultipartUpload")?;
    let mut parts = Vec::new();
    for part in element.all("Part") {
        let checksum = Algorithm::ALL
            .into_iter()
            .find_map(|algorithm| Some((algorithm, part.text_of(algorithm.element())?.to_owned())));
        parts.push(Named {
            number: part.required("PartNumber")?.parse().map_err(|_| malformed_xml())?,
            etag: part.required("ETag")?.trim_matches('"').to_owned(),
            checksum,
        });
    }
    let size = request.call.header("x-amz-mp-object-size").map(str::parse).transpose();
    Ok(Completion {
        parts,
        checksum: body::checksum_header(&request.call)?,
        kind: request.call.header("x-amz-checksum-type").map(kind).transpose()?,
        size: size.map_err(|_| {
            invalid_request("Value for x-amz-mp-object-size header is invalid: it must be a number")
        })?,
    })
}

pub(super) fn abort(request: &Request<'_>) -> Result<Answer, ApiError> {
    let mut state = request.world.lock();
    let bucket = request.open_key(&state, "s3:AbortMultipartUpload")?;
    find(request, bucket)?;
    let id = request.call.param("uploadId").unwrap_or_default();
    if let Some(bucket) = state.s3.bucket_mut(&request.bucket) {
        bucket.uploads.remove(id);
    }
    Ok(Answer::empty(204))
}

pub(super) fn list_parts(request: &Request<'_>) -> Result<Answer, ApiError> {
    let most = page_size(request, "max-parts")?;
    let marker = request.call.param("part-number-marker").unwrap_or("0");
    let after: u32 = marker.parse().map_err(|_| {
        invalid_argument("part-number-marker", marker, "The marker must be a part number")
    })?;
    let state = request.world.lock();
    let bucket = request.open_key(&state, "s3:ListMultipartUploadParts")?;
    let upload = find(request, bucket)?;
    let mut rest = upload.parts.range(after.saturating_add(1)..);
    let page: Vec<_> = rest.by_ref().take(most).collect();
    let truncated = rest.next().is_some();
    Ok(xml("ListPartsResult", |x| {
        x.text("Bucket", &request.bucket)
            .text("Key", &request.key)
            .text("UploadId", request.call.param("uploadId").unwrap_or_default())
            .text("PartNumberMarker", after);
        if let Some((number, _)) = page.last().filter(|_| truncated) {
            x.text("NextPartNumberMarker", number);
        }
        x.text("MaxParts", most).text("IsTruncated", truncated);
        x.maybe("ChecksumAlgorithm", upload.algorithm.map(Algorithm::name))
            .maybe("ChecksumType", upload.algorithm.map(|_| upload.kind.name()));
        for (number, part) in &page {
            x.element("Part", |x| {
                x.text("PartNumber", number)
                    .text("LastModified", iso(part.at))
                    .text("ETag", format!("\"{}\"", part.etag))
                    .text("Size", part.content.len())
                    .text(upload.part_algorithm().element(), &part.checksum);
            });
        }
        for role in ["Initiator", "Owner"] {
            x.element(role, |x| {
                x.text("ID", if role == "Owner" { &bucket.owner } else { &upload.initiator });
            });
        }
        x.text("StorageClass", upload.attributes.storage_class.name());
    }))
}

pub(super) fn list_uploads(request: &Request<'_>) -> Result<Answer, ApiError> {
    let most = page_size(request, "max-uploads")?;
    let encoding = Encoding::of(request)?;
    let text = |name| request.call.param(name).unwrap_or_default();
    let (prefix, key_marker, id_marker) =
        (text("prefix"), text("key-marker"), text("upload-id-marker"));
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:ListBucketMultipartUploads")?;
    let mut uploads: Vec<(&String, &Upload)> =
        bucket.uploads.iter().filter(|(_, upload)| upload.key.starts_with(prefix)).collect();
    uploads.sort_by(|(_, a), (_, b)| (&a.key, a.order).cmp(&(&b.key, b.order)));
    let marked = bucket.uploads.get(id_marker).map_or(u64::MAX, |upload| upload.order);
    uploads.retain(|(_, upload)| (upload.key.as_str(), upload.order) > (key_marker, marked));
    let truncated = uploads.len() > most;
    uploads.truncate(most);
    Ok(xml("ListMultipartUploadsResult", |x| {
        x.text("Bucket", &bucket.name)
            .text("KeyMarker", encoding.write(key_marker))
            .text("UploadIdMarker", id_marker)
            .text("Prefix", encoding.write(prefix));
        if let Some((id, upload)) = uploads.last().filter(|_| truncated) {
            x.text("NextKeyMarker", encoding.write(&upload.key)).text("NextUploadIdMarker", id);
        }
        x.text("MaxUploads", most)
            .text("IsTruncated", truncated)
            .maybe("EncodingType", encoding.name());
        for (id, upload) in &uploads {
            x.element("Upload", |x| {
                x.text("Key", encoding.write(&upload.key)).text("UploadId", id);
                for role in ["Initiator", "Owner"] {
                    x.element(role, |x| {
                        x.text(
                            "ID",
                            if role == "Owner" { &bucket.owner } else { &upload.initiator },
                        );
                    });
                }
                x.text("StorageClass", upload.attributes.storage_class.name())
                    .text("Initiated", iso(upload.initiated));
                x.maybe("ChecksumAlgorithm", upload.algorithm.map(Algorithm::name))
                    .maybe("ChecksumType", upload.algorithm.map(|_| upload.kind.name()));
            });
        }
    }))
}
