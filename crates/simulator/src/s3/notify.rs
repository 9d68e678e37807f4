//! Events of buckets: which ones go to which queue, and how they are written.

use amiferry_core::ids::{AccountId, Arn};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::bucket::{Bucket, QueueNotification};
use crate::iam::Denial;
use crate::principal::{Principal, PrincipalKind};
use crate::wire::answer::REQUEST_ID;
use crate::world::State;
use crate::{agenda, sqs};

/// Something that happened to an object.
#[derive(Debug, Clone)]
pub struct Happened {
    pub bucket: String,
    pub key: String,
    /// The version, where the bucket has versions.
    pub version: Option<String>,
    /// Length and `ETag`; deletes have none.
    pub written: Option<(u64, String)>,
    /// What happened.
    pub what: What,
    /// An account number, or the name of a service.
    pub requester: String,
}

/// What can happen to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `PutObject`.
    Put,
    /// `CopyObject`.
    Copy,
    /// `CompleteMultipartUpload`.
    CompleteMultipartUpload,
    /// A version was removed for good.
    Delete,
    /// A delete marker was made.
    DeleteMarkerCreated,
}

impl What {
    /// The event type without `s3:`.
    pub fn event_name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Put => "PutObject",
            Self::Copy => "CopyObject",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::Delete | Self::DeleteMarkerCreated => "DeleteObject",
        }
    }

    fn deletion(self) -> Option<&'static str> {
        match self {
            Self::Put | Self::Copy | Self::CompleteMultipartUpload => None,
            Self::Delete => Some("Permanently Deleted"),
            Self::DeleteMarkerCreated => Some("Delete Marker Created"),
        }
    }
}

impl QueueNotification {
    fn wants(&self, event: &str, key: &str) -> bool {
        key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
            && self.events.iter().any(|wanted| {
                let wanted = wanted.strip_prefix("s3:").unwrap_or(wanted);
                match wanted.strip_suffix('*') {
                    Some(start) => event.starts_with(start),
                    None => event == wanted,
                }
            })
    }
}

/// Plans the events of what happened, each after the configured delay.
pub fn announce(state: &mut State, at: Timestamp, happened: &Happened) {
    let sequencer = format!("{:016X}", state.s3.next_order());
    let due = after(state, at);
    let Some(bucket) = state.s3.bucket(&happened.bucket) else { return };
    let event = happened.what.event_name();
    for target in &bucket.notifications.queues {
        if target.wants(event, &happened.key) {
            if let Err(denial) = may_notify(state, bucket, &target.queue) {
                let queue = target.queue.as_str();
                tracing::warn!(queue, reason = %denial.message, "an event was not delivered");
                continue;
            }
            let record = record(bucket, target, at, &sequencer, happened);
            let body = json!({ "Records": [record] }).to_string();
            state.agenda.plan(due, agenda::Due::Deliver { queue: target.queue.clone(), body });
        }
    }
    if bucket.notifications.event_bridge {
        let id = event_id(&mut state.rng);
        let event = bridge_event(bucket, at, id, &sequencer, happened);
        let home = (bucket.owner.clone(), bucket.region.clone());
        state.agenda.plan(due, agenda::Due::S3(super::Due::Emit { home, event }));
    }
}

/// Whether the queue's policy lets S3 send for the bucket.
///
/// # Errors
/// The denial. A queue that no longer exists denies nothing.
pub fn may_notify(state: &State, bucket: &Bucket, queue: &Arn) -> Result<(), Denial> {
    let caller = Principal {
        account: bucket.owner.clone(),
        kind: PrincipalKind::Service("s3.amazonaws.com".to_owned()),
    };
    let context =
        [("aws:SourceArn", bucket.arn(None)), ("aws:SourceAccount", bucket.owner.to_string())];
    sqs::may_send(state, queue, &caller, &context)
}

/// Sends the test message that S3 sends when a queue is configured.
pub fn announce_test(state: &mut State, at: Timestamp, bucket: &str, target: &QueueNotification) {
    let body = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso(at),
        "Bucket": bucket,
        "RequestId": REQUEST_ID,
        "HostId": REQUEST_ID,
    });
    let due = after(state, at);
    let queue = target.queue.clone();
    state.agenda.plan(due, agenda::Due::Deliver { queue, body: body.to_string() });
}

/// A time as S3 writes it in documents: UTC with milliseconds.
pub fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn after(state: &State, at: Timestamp) -> Timestamp {
    let delay = SignedDuration::try_from(state.settings.s3.event_delay);
    at.saturating_add(delay.unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

fn record(
    bucket: &Bucket,
    target: &QueueNotification,
    at: Timestamp,
    sequencer: &str,
    happened: &Happened,
) -> Value {
    let encoded: String = form_urlencoded::byte_serialize(happened.key.as_bytes()).collect();
    // S3 leaves slashes as they are.
    let mut object = json!({ "key": encoded.replace("%2F", "/"), "sequencer": sequencer });
    if let Some((size, etag)) = &happened.written {
        object["size"] = json!(size);
        object["eTag"] = json!(etag);
    }
    if let Some(version) = &happened.version {
        object["versionId"] = json!(version);
    }
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso(at),
        "eventName": happened.what.event_name(),
        "userIdentity": { "principalId": format!("AWS:{}", happened.requester) },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": { "x-amz-request-id": REQUEST_ID, "x-amz-id-2": REQUEST_ID },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": target.id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": { "principalId": bucket.owner },
                "arn": bucket.arn(None),
            },
            "object": object,
        },
    })
}

fn bridge_event(
    bucket: &Bucket,
    at: Timestamp,
    id: String,
    sequencer: &str,
    happened: &Happened,
) -> Value {
    let mut object = json!({ "key": happened.key, "sequencer": sequencer });
    if let Some((size, etag)) = &happened.written {
        object["size"] = json!(size);
        object["etag"] = json!(etag);
    }
    if let Some(version) = &happened.version {
        object["version-id"] = json!(version);
    }
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": bucket.name },
        "object": object,
        "request-id": REQUEST_ID,
        "requester": happened.requester,
        "reason": happened.what.reason(),
    });
    if happened.requester.parse::<AccountId>().is_ok() {
        detail["source-ip-address"] = json!("127.0.0.1");
    }
    let deletion = happened.what.deletion();
    if let Some(deletion) = deletion {
        detail["deletion-type"] = json!(deletion);
    }
    json!({
        "version": "0",
        "id": id,
        "detail-type": if deletion.is_some() { "Object Deleted" } else { "Object Created" },
        "source": "aws.s3",
        "account": bucket.owner,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": bucket.region,
        "resources": [bucket.arn(None)],
        "detail": detail,
    })
}

fn event_id(rng: &mut fastrand::Rng) -> String {
    let hex = opaque_hex(rng);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn opaque_hex(rng: &mut fastrand::Rng) -> String {
    format!("{:032x}", rng.u128(..))
}
