//! The configuration of a bucket: versioning, policy, encryption, Object Lock, notifications.

use amiferry_core::ids::{Arn, Region};

use super::access::{Request, invalid_argument, invalid_request, no_such_bucket};
use super::document::Element;
use super::headers::kms_encryption;
use super::{body, xml};
use crate::s3::bucket::{
    Bucket, BucketPolicy, Encryption, Notifications, QueueNotification, Versioning,
};
use crate::s3::lock::{DefaultRetention, LockMode, Period};
use crate::s3::multipart::malformed_xml;
use crate::s3::{notify, object};
use crate::sqs;
use crate::wire::{Answer, ApiError, Incoming};
use crate::world::State;

fn change<'s>(state: &'s mut State, request: &Request<'_>) -> Result<&'s mut Bucket, ApiError> {
    state.s3.bucket_mut(&request.bucket).ok_or_else(|| no_such_bucket(&request.bucket))
}

pub(super) fn get_versioning(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:GetBucketVersioning")?;
    let status = match bucket.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    Ok(xml("VersioningConfiguration", |x| {
        x.maybe("Status", status);
    }))
}

pub(super) async fn put_versioning(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "VersioningConfiguration")?;
    let versioning = match element.required("Status")? {
        "Enabled" => Versioning::Enabled,
        "Suspended" => Versioning::Suspended,
        _ => return Err(malformed_xml()),
    };
    let mut state = request.world.lock();
    let bucket = request.open(&state, "s3:PutBucketVersioning")?;
    if bucket.object_lock.is_some() && versioning == Versioning::Suspended {
        return Err(ApiError::new(
            409,
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state \
             cannot be changed.",
        ));
    }
    change(&mut state, request)?.versioning = versioning;
    Ok(Answer::empty(200))
}

pub(super) fn get_policy(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:GetBucketPolicy")?;
    match &bucket.policy {
        Some(policy) => Ok(Answer::ok("application/json", policy.json.clone())),
        None => Err(ApiError::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
            .with("BucketName", bucket.name.clone())),
    }
}

pub(super) async fn put_policy(request: &Request<'_>, body: Incoming) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let malformed = |error: String| ApiError::new(400, "MalformedPolicy", error);
    let json = std::str::from_utf8(&document).map_err(|error| malformed(error.to_string()))?;
    let policy = BucketPolicy::parse(json).map_err(malformed)?;
    let mut state = request.world.lock();
    request.open(&state, "s3:PutBucketPolicy")?;
    change(&mut state, request)?.policy = Some(policy);
    Ok(Answer::empty(204))
}

pub(super) fn delete_policy(request: &Request<'_>) -> Result<Answer, ApiError> {
    let mut state = request.world.lock();
    request.open(&state, "s3:DeleteBucketPolicy")?;
    change(&mut state, request)?.policy = None;
    Ok(Answer::empty(204))
}

pub(super) fn get_encryption(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:GetEncryptionConfiguration")?;
    Ok(xml("ServerSideEncryptionConfiguration", |x| {
        x.element("Rule", |x| {
            x.element("ApplyServerSideEncryptionByDefault", |x| {
                x.text("SSEAlgorithm", bucket.encryption.name())
                    .maybe("KMSMasterKeyID", bucket.encryption.key());
            });
            x.text("BucketKeyEnabled", bucket.bucket_key);
        });
    }))
}

pub(super) async fn put_encryption(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "ServerSideEncryptionConfiguration")?;
    let rule = element.child("Rule").ok_or_else(malformed_xml)?;
    let default = rule.child("ApplyServerSideEncryptionByDefault").ok_or_else(malformed_xml)?;
    let bucket_key = rule.text_of("BucketKeyEnabled") == Some("true");
    let key = default.text_of("KMSMasterKeyID");
    let mut state = request.world.lock();
    let bucket = request.open(&state, "s3:PutEncryptionConfiguration")?;
    let encryption = match default.required("SSEAlgorithm")? {
        "AES256" if key.is_none() => Encryption::Aes256,
        "AES256" => {
            return Err(invalid_argument(
                "ApplyServerSideEncryptionByDefault",
                "",
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms",
            ));
        }
        "aws:kms" => kms_encryption(request, bucket, key)?,
        _ => return Err(malformed_xml()),
    };
    let bucket = change(&mut state, request)?;
    bucket.encryption = encryption;
    bucket.bucket_key = bucket_key;
    Ok(Answer::empty(200))
}

pub(super) fn get_object_lock(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:GetBucketObjectLockConfiguration")?;
    let Some(default) = bucket.object_lock else {
        return Err(ApiError::new(
            404,
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        )
        .with("BucketName", bucket.name.clone()));
    };
    Ok(xml("ObjectLockConfiguration", |x| {
        x.text("ObjectLockEnabled", "Enabled");
        if let Some(default) = default {
            x.element("Rule", |x| {
                x.element("DefaultRetention", |x| {
                    x.text("Mode", default.mode.name());
                    match default.period {
                        Period::Days(days) => x.text("Days", days),
                        Period::Years(years) => x.text("Years", years),
                    };
                });
            });
        }
    }))
}

pub(super) async fn put_object_lock(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "ObjectLockConfiguration")?;
    if element.text_of("ObjectLockEnabled") != Some("Enabled") {
        return Err(malformed_xml());
    }
    let default = match element.child("Rule") {
        Some(rule) => Some(default_retention(rule)?),
        None => None,
    };
    let mut state = request.world.lock();
    let bucket = request.open(&state, "s3:PutBucketObjectLockConfiguration")?;
    if bucket.versioning != Versioning::Enabled {
        return Err(ApiError::new(
            409,
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ));
    }
    change(&mut state, request)?.object_lock = Some(default);
    Ok(Answer::empty(200))
}

fn default_retention(rule: &Element) -> Result<DefaultRetention, ApiError> {
    let retention = rule.child("DefaultRetention").ok_or_else(malformed_xml)?;
    let mode = LockMode::named(retention.required("Mode")?).ok_or_else(malformed_xml)?;
    let number = |text: &str| {
        text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
            invalid_argument(
                "Days",
                text,
                "Default retention period must be a positive integer value.",
            )
        })
    };
    let period = match (retention.text_of("Days"), retention.text_of("Years")) {
        (Some(days), None) => Period::Days(number(days)?),
        (None, Some(years)) => Period::Years(number(years)?),
        _ => return Err(malformed_xml()),
    };
    Ok(DefaultRetention { mode, period })
}

pub(super) fn get_notifications(request: &Request<'_>) -> Result<Answer, ApiError> {
    let state = request.world.lock();
    let bucket = request.open(&state, "s3:GetBucketNotification")?;
    Ok(xml("NotificationConfiguration", |x| {
        for target in &bucket.notifications.queues {
            x.element("QueueConfiguration", |x| {
                x.text("Id", &target.id).text("Queue", &target.queue);
                for event in &target.events {
                    x.text("Event", event);
                }
                let rules = [("Prefix", &target.prefix), ("Suffix", &target.suffix)];
                if rules.iter().any(|(_, value)| !value.is_empty()) {
                    x.element("Filter", |x| {
                        x.element("S3Key", |x| {
                            for (name, value) in rules.iter().filter(|(_, value)| !value.is_empty())
                            {
                                x.element("FilterRule", |x| {
                                    x.text("Name", name).text("Value", value);
                                });
                            }
                        });
                    });
                }
            });
        }
        if bucket.notifications.event_bridge {
            x.element("EventBridgeConfiguration", |_| {});
        }
    }))
}

pub(super) async fn put_notifications(
    request: &Request<'_>,
    body: Incoming,
) -> Result<Answer, ApiError> {
    let document = body::document(&request.call, body).await?;
    let element = Element::parse(&document, "NotificationConfiguration")?;
    for unknown in ["TopicConfiguration", "CloudFunctionConfiguration"] {
        if element.child(unknown).is_some() {
            return Err(ApiError::new(
                501,
                "NotImplemented",
                format!(
                    "the simulated AWS sends events to queues and EventBridge, not to a {unknown}"
                ),
            ));
        }
    }
    let now = request.world.now();
    let mut guard = request.world.lock();
    let state = &mut *guard;
    let region = request.open(state, "s3:PutBucketNotification")?.region.clone();
    let mut queues = Vec::new();
    for target in element.all("QueueConfiguration") {
        queues.push(queue_notification(target, &region, &mut state.rng)?);
    }
    let event_bridge = element.child("EventBridgeConfiguration").is_some();
    let bucket = request.home(state)?;
    let closed = queues.iter().find(|target| {
        !sqs::exists(state, &target.queue)
            || notify::may_notify(state, bucket, &target.queue).is_err()
    });
    if let Some(target) = closed {
        return Err(invalid_argument(
            "Queue",
            target.queue.as_str(),
            "Unable to validate the following destination configurations: the queue must exist \
             and its policy must let s3.amazonaws.com send for this bucket",
        ));
    }
    for target in &queues {
        notify::announce_test(state, now, &request.bucket, target);
    }
    change(state, request)?.notifications = Notifications { queues, event_bridge };
    Ok(Answer::empty(200))
}

fn queue_notification(
    element: &Element,
    region: &Region,
    rng: &mut fastrand::Rng,
) -> Result<QueueNotification, ApiError> {
    let named = element.required("Queue")?;
    let queue: Arn = named
        .parse()
        .map_err(|_| invalid_argument("Queue", named, "The ARN could not be parsed"))?;
    if queue.service() != "sqs" || queue.region().as_ref() != Some(region) {
        return Err(invalid_argument(
            "Queue",
            named,
            "Unable to validate the following destination configurations: the queue must be in \
             the bucket's Region",
        ));
    }
    if queue.resource().ends_with(".fifo") {
        return Err(invalid_argument("Queue", named, "FIFO SQS queues are not supported"));
    }
    let events: Vec<String> =
        element.all("Event").map(|event| event.text.trim().to_owned()).collect();
    if events.is_empty() {
        return Err(malformed_xml());
    }
    if let Some(event) = events.iter().find(|event| !event.starts_with("s3:")) {
        return Err(invalid_argument(
            "Event",
            event,
            "The event is not supported for notifications",
        ));
    }
    let (mut prefix, mut suffix) = (String::new(), String::new());
    let rules = element.child("Filter").and_then(|filter| filter.child("S3Key"));
    for rule in rules.into_iter().flat_map(|rules| rules.all("FilterRule")) {
        let value = rule.child("Value").map(|value| value.text.clone()).unwrap_or_default();
        match rule.required("Name")?.to_ascii_lowercase().as_str() {
            "prefix" => prefix = value,
            "suffix" => suffix = value,
            other => {
                return Err(invalid_request(format!(
                    "filter rule name must be either prefix or suffix, not {other}"
                )));
            }
        }
    }
    let id = match element.text_of("Id").filter(|id| !id.is_empty()) {
        Some(id) => id.to_owned(),
        None => object::opaque_id(rng, 36),
    };
    Ok(QueueNotification { id, queue, events, prefix, suffix })
}
