//! Which operation a request is: bucket and key from host and path, the operation from the method
//! and the query.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::wire::ApiError;

/// The resource that a request addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The bucket, unless it is about all buckets.
    pub bucket: Option<String>,
    /// The key, decoded, unless it is about the bucket.
    pub key: Option<String>,
}

/// Reads bucket and key, in virtual-host style (`BUCKET.s3.REGION.amazonaws.com`,
/// `BUCKET.localhost`) or path style.
///
/// # Errors
/// `InvalidURI` for a path that is not UTF-8.
pub fn target(host: Option<&str>, path: &str) -> Result<Target, ApiError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = match host.and_then(bucket_of_host) {
        Some(bucket) => (bucket.to_owned(), path),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (decode(bucket)?, key)
        }
    };
    let key = decode(key)?;
    Ok(Target {
        bucket: Some(bucket).filter(|bucket| !bucket.is_empty()),
        key: Some(key).filter(|key| !key.is_empty()),
    })
}

fn decode(text: &str) -> Result<String, ApiError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| {
        ApiError::new(400, "InvalidURI", "Couldn't parse the specified URI.").with("URI", text)
    })
}

fn bucket_of_host(host: &str) -> Option<&str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if let Some(bucket) = name.strip_suffix(".localhost") {
        return Some(bucket.strip_suffix(".s3").unwrap_or(bucket)).filter(|bucket| *bucket != "s3");
    }
    let front = name.strip_suffix(".amazonaws.com")?;
    if front == "s3" || front.starts_with("s3.") || front.starts_with("s3-") {
        return None;
    }
    let at = front.rfind(".s3.").or_else(|| front.rfind(".s3-"));
    at.map(|at| &front[..at]).or_else(|| front.strip_suffix(".s3"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// Operations that a query parameter names: level, method, parameter, operation.
const NAMED: &[(Level, Method, &str, &str)] = {
    use Level::{Bucket, Object};
    const GET: Method = Method::GET;
    const PUT: Method = Method::PUT;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    &[
        (Bucket, GET, "accelerate", "GetBucketAccelerateConfiguration"),
        (Bucket, PUT, "accelerate", "PutBucketAccelerateConfiguration"),
        (Bucket, GET, "acl", "GetBucketAcl"),
        (Bucket, PUT, "acl", "PutBucketAcl"),
        (Bucket, GET, "analytics", "GetBucketAnalyticsConfiguration"),
        (Bucket, PUT, "analytics", "PutBucketAnalyticsConfiguration"),
        (Bucket, GET, "cors", "GetBucketCors"),
        (Bucket, PUT, "cors", "PutBucketCors"),
        (Bucket, DELETE, "cors", "DeleteBucketCors"),
        (Bucket, POST, "delete", "DeleteObjects"),
        (Bucket, GET, "encryption", "GetBucketEncryption"),
        (Bucket, PUT, "encryption", "PutBucketEncryption"),
        (Bucket, DELETE, "encryption", "DeleteBucketEncryption"),
        (Bucket, GET, "intelligent-tiering", "GetBucketIntelligentTieringConfiguration"),
        (Bucket, PUT, "intelligent-tiering", "PutBucketIntelligentTieringConfiguration"),
        (Bucket, GET, "inventory", "GetBucketInventoryConfiguration"),
        (Bucket, PUT, "inventory", "PutBucketInventoryConfiguration"),
        (Bucket, GET, "lifecycle", "GetBucketLifecycleConfiguration"),
        (Bucket, PUT, "lifecycle", "PutBucketLifecycleConfiguration"),
        (Bucket, DELETE, "lifecycle", "DeleteBucketLifecycle"),
        (Bucket, GET, "location", "GetBucketLocation"),
        (Bucket, GET, "logging", "GetBucketLogging"),
        (Bucket, PUT, "logging", "PutBucketLogging"),
        (Bucket, GET, "metrics", "GetBucketMetricsConfiguration"),
        (Bucket, PUT, "metrics", "PutBucketMetricsConfiguration"),
        (Bucket, GET, "notification", "GetBucketNotificationConfiguration"),
        (Bucket, PUT, "notification", "PutBucketNotificationConfiguration"),
        (Bucket, GET, "object-lock", "GetObjectLockConfiguration"),
        (Bucket, PUT, "object-lock", "PutObjectLockConfiguration"),
        (Bucket, GET, "ownershipControls", "GetBucketOwnershipControls"),
        (Bucket, PUT, "ownershipControls", "PutBucketOwnershipControls"),
        (Bucket, DELETE, "ownershipControls", "DeleteBucketOwnershipControls"),
        (Bucket, GET, "policy", "GetBucketPolicy"),
        (Bucket, PUT, "policy", "PutBucketPolicy"),
        (Bucket, DELETE, "policy", "DeleteBucketPolicy"),
        (Bucket, GET, "policyStatus", "GetBucketPolicyStatus"),
        (Bucket, GET, "publicAccessBlock", "GetPublicAccessBlock"),
        (Bucket, PUT, "publicAccessBlock", "PutPublicAccessBlock"),
        (Bucket, DELETE, "publicAccessBlock", "DeletePublicAccessBlock"),
        (Bucket, GET, "replication", "GetBucketReplication"),
        (Bucket, PUT, "replication", "PutBucketReplication"),
        (Bucket, DELETE, "replication", "DeleteBucketReplication"),
        (Bucket, GET, "requestPayment", "GetBucketRequestPayment"),
        (Bucket, PUT, "requestPayment", "PutBucketRequestPayment"),
        (Bucket, GET, "tagging", "GetBucketTagging"),
        (Bucket, PUT, "tagging", "PutBucketTagging"),
        (Bucket, DELETE, "tagging", "DeleteBucketTagging"),
        (Bucket, GET, "uploads", "ListMultipartUploads"),
        (Bucket, GET, "versioning", "GetBucketVersioning"),
        (Bucket, PUT, "versioning", "PutBucketVersioning"),
        (Bucket, GET, "versions", "ListObjectVersions"),
        (Bucket, GET, "website", "GetBucketWebsite"),
        (Bucket, PUT, "website", "PutBucketWebsite"),
        (Bucket, DELETE, "website", "DeleteBucketWebsite"),
        (Object, GET, "acl", "GetObjectAcl"),
        (Object, PUT, "acl", "PutObjectAcl"),
        (Object, GET, "attributes", "GetObjectAttributes"),
        (Object, GET, "legal-hold", "GetObjectLegalHold"),
        (Object, PUT, "legal-hold", "PutObjectLegalHold"),
        (Object, POST, "restore", "RestoreObject"),
        (Object, GET, "retention", "GetObjectRetention"),
        (Object, PUT, "retention", "PutObjectRetention"),
        (Object, POST, "select", "SelectObjectContent"),
        (Object, GET, "tagging", "GetObjectTagging"),
        (Object, PUT, "tagging", "PutObjectTagging"),
        (Object, DELETE, "tagging", "DeleteObjectTagging"),
        (Object, GET, "torrent", "GetObjectTorrent"),
        (Object, POST, "uploads", "CreateMultipartUpload"),
        (Object, GET, "uploadId", "ListParts"),
        (Object, PUT, "uploadId", "UploadPart"),
        (Object, POST, "uploadId", "CompleteMultipartUpload"),
        (Object, DELETE, "uploadId", "AbortMultipartUpload"),
    ]
};

/// The operation's name, as the API reference has it.
///
/// # Errors
/// `MethodNotAllowed` where S3 has no operation.
pub fn operation(
    method: &Method,
    query: &[(String, String)],
    headers: &HeaderMap,
    target: &Target,
) -> Result<&'static str, ApiError> {
    let level = match target {
        Target { bucket: None, .. } => Level::Service,
        Target { key: None, .. } => Level::Bucket,
        Target { .. } => Level::Object,
    };
    let param = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let named = NAMED.iter().find(|(at, wanted, parameter, _)| {
        *at == level && wanted == method && param(parameter).is_some()
    });
    let copies = headers.contains_key("x-amz-copy-source");
    match (level, method.as_str(), named) {
        (_, _, Some((.., "UploadPart"))) if copies => Ok("UploadPartCopy"),
        (_, _, Some((.., operation))) => Ok(operation),
        (Level::Service, "GET", None) => Ok("ListBuckets"),
        (Level::Bucket, "GET", None) if param("list-type").is_some_and(|v| v == "2") => {
            Ok("ListObjectsV2")
        }
        (Level::Bucket, "GET", None) => Ok("ListObjects"),
        (Level::Bucket, "HEAD", None) => Ok("HeadBucket"),
        (Level::Bucket, "PUT", None) => Ok("CreateBucket"),
        (Level::Bucket, "DELETE", None) => Ok("DeleteBucket"),
        (Level::Bucket, "POST", None) => Ok("PostObject"),
        (Level::Object, "GET", None) => Ok("GetObject"),
        (Level::Object, "HEAD", None) => Ok("HeadObject"),
        (Level::Object, "PUT", None) if copies => Ok("CopyObject"),
        (Level::Object, "PUT", None) => Ok("PutObject"),
        (Level::Object, "DELETE", None) => Ok("DeleteObject"),
        (_, method, None) => Err(ApiError::new(
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        )
        .with("Method", method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_and_key_come_from_the_host_or_from_the_path() {
        for (host, path, bucket, key) in [
            (None, "/", None, None),
            (None, "/bkt", Some("bkt"), None),
            (None, "/bkt/", Some("bkt"), None),
            (None, "/bkt/a/b%20c%2Bd+e", Some("bkt"), Some("a/b c+d+e")),
            (Some("127.0.0.1:4566"), "/bkt/k", Some("bkt"), Some("k")),
            (Some("localhost:4566"), "/bkt/k", Some("bkt"), Some("k")),
            (Some("bkt.localhost:4566"), "/k/x", Some("bkt"), Some("k/x")),
            (Some("bkt.s3.localhost"), "/k", Some("bkt"), Some("k")),
            (Some("s3.localhost:1"), "/bkt/k", Some("bkt"), Some("k")),
            (Some("s3.us-west-2.amazonaws.com"), "/bkt/k", Some("bkt"), Some("k")),
            (Some("s3.amazonaws.com"), "/bkt", Some("bkt"), None),
            (Some("my.bkt.s3.us-west-2.amazonaws.com"), "/k", Some("my.bkt"), Some("k")),
            (Some("bkt.s3.amazonaws.com"), "/", Some("bkt"), None),
            (Some("bkt.s3-us-west-2.amazonaws.com"), "/k", Some("bkt"), Some("k")),
        ] {
            let found = target(host, path).unwrap();
            assert_eq!(
                (found.bucket.as_deref(), found.key.as_deref()),
                (bucket, key),
                "{host:?} {path}"
            );
        }
    }
}
