//! S3's REST XML protocol: finds the operation of a request and lets it answer.

mod access;
mod body;
mod configuration;
mod copy;
mod delete;
mod document;
mod exposure;
mod headers;
mod lifecycle;
mod listing;
mod manage;
mod multipart;
mod options;
mod read;
mod restore;
mod route;
mod write;

#[cfg(test)]
mod tests;

use http::{HeaderMap, Method, Uri};

use crate::World;
use crate::wire::scope::Service;
use crate::wire::xml::Xml;
use crate::wire::{Answer, AnswerBody, ApiError, Call, Incoming};
use access::Request;
pub(super) use access::existing;

/// The namespace of S3's documents.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Answers one S3 call; `host` decides between path and virtual-host style.
///
/// # Errors
/// None: a refusal is an answer too, because S3 writes some of it into headers.
pub async fn answer(
    world: &World,
    call: Call,
    host: Option<&str>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let head = call.method == Method::HEAD;
    let target = route::target(host, &call.path)?;
    let bucket = target.bucket.clone().unwrap_or_default();
    let mut answer = match run(world, call, target, body).await {
        Ok(answer) => answer,
        Err(error) => refusal(world, &bucket, &error),
    };
    if head {
        // The length stays that of the object, in its header.
        answer.body = AnswerBody::from(String::new());
    }
    Ok(answer)
}

/// The name of the operation that a request is for, if S3 has it.
pub fn operation(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    host: Option<&str>,
) -> Option<&'static str> {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    route::operation(method, &query, headers, &route::target(host, uri.path()).ok()?).ok()
}

async fn run(
    world: &World,
    call: Call,
    target: route::Target,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let operation = route::operation(&call.method, &call.query, &call.headers, &target)?;
    *world.lock().calls.entry(("s3", operation.to_owned())).or_default() += 1;
    let request = Request {
        world,
        call,
        bucket: target.bucket.unwrap_or_default(),
        key: target.key.unwrap_or_default(),
    };
    options::refuse_customer_keys(&request.call)?;
    match operation {
        "ListBuckets" => manage::list_buckets(&request),
        "CreateBucket" => manage::create_bucket(&request, body).await,
        "DeleteBucket" => manage::delete_bucket(&request),
        "HeadBucket" => manage::head_bucket(&request),
        "GetBucketLocation" => manage::get_location(&request),
        "GetBucketVersioning" => configuration::get_versioning(&request),
        "PutBucketVersioning" => configuration::put_versioning(&request, body).await,
        "GetBucketPolicy" => configuration::get_policy(&request),
        "PutBucketPolicy" => configuration::put_policy(&request, body).await,
        "DeleteBucketPolicy" => configuration::delete_policy(&request),
        "GetBucketEncryption" => configuration::get_encryption(&request),
        "PutBucketEncryption" => configuration::put_encryption(&request, body).await,
        "GetObjectLockConfiguration" => configuration::get_object_lock(&request),
        "PutObjectLockConfiguration" => configuration::put_object_lock(&request, body).await,
        "GetBucketNotificationConfiguration" => configuration::get_notifications(&request),
        "PutBucketNotificationConfiguration" => {
            configuration::put_notifications(&request, body).await
        }
        "GetBucketLifecycleConfiguration" => lifecycle::get(&request),
        "PutBucketLifecycleConfiguration" => lifecycle::put(&request, body).await,
        "DeleteBucketLifecycle" => lifecycle::delete(&request),
        "GetPublicAccessBlock" => exposure::get(&request, &exposure::PUBLIC_ACCESS),
        "PutPublicAccessBlock" => exposure::put(&request, &exposure::PUBLIC_ACCESS, body).await,
        "DeletePublicAccessBlock" => exposure::delete(&request, &exposure::PUBLIC_ACCESS),
        "GetBucketOwnershipControls" => exposure::get(&request, &exposure::OWNERSHIP),
        "PutBucketOwnershipControls" => exposure::put(&request, &exposure::OWNERSHIP, body).await,
        "DeleteBucketOwnershipControls" => exposure::delete(&request, &exposure::OWNERSHIP),
        "ListObjectsV2" => listing::list_objects_v2(&request),
        "ListObjects" => listing::list_objects(&request),
        "ListObjectVersions" => listing::list_versions(&request),
        "GetObject" | "HeadObject" => read::get_object(&request),
        "GetObjectAttributes" => read::get_attributes(&request),
        "GetObjectTagging" => read::get_tagging(&request),
        "GetObjectRetention" => read::get_retention(&request),
        "GetObjectLegalHold" => read::get_legal_hold(&request),
        "PutObject" => write::put_object(&request, body).await,
        "PutObjectTagging" => write::put_tagging(&request, body).await,
        "DeleteObjectTagging" => write::delete_tagging(&request),
        "PutObjectRetention" => write::put_retention(&request, body).await,
        "PutObjectLegalHold" => write::put_legal_hold(&request, body).await,
        "RestoreObject" => restore::restore(&request, body).await,
        "CopyObject" => copy::copy_object(&request).await,
        "DeleteObject" => delete::delete_object(&request),
        "DeleteObjects" => delete::delete_objects(&request, body).await,
        "CreateMultipartUpload" => multipart::create(&request),
        "UploadPart" => multipart::upload_part(&request, body).await,
        "UploadPartCopy" => copy::upload_part_copy(&request).await,
        "ListParts" => multipart::list_parts(&request),
        "ListMultipartUploads" => multipart::list_uploads(&request),
        "CompleteMultipartUpload" => multipart::complete(&request, body).await,
        "AbortMultipartUpload" => multipart::abort(&request),
        unknown => {
            *world.lock().unimplemented.entry(("s3", unknown.to_owned())).or_default() += 1;
            Err(ApiError::unknown_operation(Service::S3, unknown))
        }
    }
}

/// The answer for a refusal, with the headers that some have.
fn refusal(world: &World, bucket: &str, error: &ApiError) -> Answer {
    let mut answer = error.written_for(Service::S3);
    match error.code.as_str() {
        "PermanentRedirect" => {
            if let Some(bucket) = world.lock().s3.bucket(bucket) {
                answer = answer.with("x-amz-bucket-region", bucket.region.as_str());
            }
        }
        "NotModified" => answer.body = AnswerBody::from(String::new()),
        _ => {}
    }
    for (name, value) in &error.details {
        match *name {
            "ETag" if error.status == 304 => answer = answer.with("etag", value),
            "DeleteMarkerVersion" => {
                answer = answer.with("x-amz-delete-marker", "true").with("x-amz-version-id", value);
            }
            _ => {}
        }
    }
    answer
}

fn xml(root: &str, content: impl FnOnce(&mut Xml)) -> Answer {
    Answer::ok("application/xml", Xml::document(root, Some(NAMESPACE), content))
}
