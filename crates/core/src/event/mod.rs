//! Turns one untrusted message body into *look at this*.
//!
//! A message has no authority. Parsing finds what it points at ([`Hint`]), pinning
//! ([`SourceScope`]) checks that this is inside the configuration, and the worker reads everything
//! else from AWS. So a forged message can at worst make a worker look at an image that it would
//! have looked at anyway, and a sweep finds what a lost message announced.
//!
//! Reading order: [`parse`] bounds the text and opens an SNS envelope, `json` builds the value
//! strictly, `eventbridge`, `s3`, `cloudtrail` and `backup` read one family of shapes each, and
//! `pin` compares with the configuration. `received` finds the bodies in what the `aws` CLI prints.
//! [`sample`] writes what the templates' rules are to take.

mod backup;
mod cloudtrail;
mod eventbridge;
mod fields;
pub(crate) mod json;
mod pin;
mod received;
mod reject;
mod s3;
pub mod sample;
#[cfg(test)]
mod tests;

use crate::ids::{AccountId, BucketName, ImageId, ObjectKey, Region};
use crate::names::SourceId;

use self::fields::Fields;
pub use self::pin::{SourceScope, check_staging_prefix};
pub use self::received::{Received, received};
pub use self::reject::{MAX_DETAIL_CHARS, Reject, RejectCode};

/// Longest body that is read, in bytes: the most that SQS accepts in one message.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Deepest nesting of arrays and objects that is read. AWS events stay below ten levels.
pub const MAX_NESTING: usize = 32;

/// Most items of a list that is read. AWS sends one record or a few resources; a megabyte has room
/// for twenty thousand, each of which would be looked at before anything else in the queue.
pub const MAX_ITEMS: usize = 1000;

/// What a message asks a worker to look at: a hint without authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// An image that was made or changed.
    Image(ImageHint),
    /// An object that appeared or disappeared.
    Object(ObjectHint),
}

/// An image, as a message names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHint {
    /// The account that the event comes from, if the event names it.
    pub account: Option<AccountId>,
    /// The Region of the image, if the event names it.
    pub region: Option<Region>,
    pub image: ImageId,
    /// The state that the event reports; `None` if it reports none or an unknown one.
    pub state: Option<ImageEventState>,
}

/// An object, as a message names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHint {
    /// The owner of the bucket, if the event names it (EventBridge does, a classic notification
    /// does not).
    pub account: Option<AccountId>,
    /// The Region of the bucket, if the event names it.
    pub region: Option<Region>,
    pub bucket: BucketName,
    /// The key, decoded.
    pub key: ObjectKey,
    /// The version; `None` in a bucket without versions.
    pub version: Option<String>,
    /// The entity tag, without quotes. No MD5 for a multipart upload.
    pub etag: Option<String>,
    /// The size in bytes; deletions have none.
    pub size: Option<u64>,
    /// What happened to it.
    pub change: ObjectChange,
}

/// The states that `EC2 AMI State Change` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageEventState {
    /// Usable, after any of create, copy, restore, register or enable.
    Available,
    /// EC2 could not create it.
    Failed,
    /// It is gone.
    Deregistered,
    /// It is kept, but cannot be used until it is enabled again, which is an event of its own.
    Disabled,
}

impl ImageEventState {
    /// The word in the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Failed => "failed",
            Self::Deregistered => "deregistered",
            Self::Disabled => "disabled",
        }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectChange {
    /// A new version exists.
    Created,
    /// A version was deleted, or hidden behind a delete marker.
    Removed,
}

/// A parsed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Its shape.
    pub kind: EventKind,
    /// What to look at; empty where the message says nothing yet, such as `s3:TestEvent`, a job
    /// that still runs, or a call that failed.
    pub hints: Vec<Hint>,
    /// The records that are refused beside those that give hints.
    pub rejected: Vec<Reject>,
}

impl Parsed {
    /// A message of which nothing is refused.
    pub fn of(kind: EventKind, hints: Vec<Hint>) -> Self {
        Self { kind, hints, rejected: Vec::new() }
    }
}

/// The shapes of messages; a closed set, fit for a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// EventBridge `EC2 AMI State Change`.
    AmiStateChange,
    /// EventBridge `EBS Snapshot Notification` and its multi-volume sibling; never gives a hint.
    SnapshotNotification,
    /// A classic S3 notification, `{"Records": […]}`.
    S3Notification,
    /// What S3 sends once when a notification is configured.
    S3TestEvent,
    /// `Object Created`, `Object Deleted` and the other object events of S3 on EventBridge.
    S3EventBridge,
    /// A call that makes an image (`CreateImage`, `CopyImage`, `RegisterImage`), by CloudTrail.
    CloudTrailCreateImage,
    /// AWS Backup `Backup Job State Change`.
    BackupJob,
    /// AWS Backup `Copy Job State Change`.
    BackupCopyJob,
    /// AWS Backup `Recovery Point State Change`.
    BackupRecoveryPoint,
    /// `{"image_id": "ami-…"}`, sent by a person or by `amiferry retry`: see [`operator`].
    Operator,
    /// A well-formed AWS event that concerns neither AMIs nor staged objects.
    Other,
}

impl EventKind {
    /// Every kind, so that each counter can start at zero.
    pub const ALL: [Self; 11] = [
        Self::AmiStateChange,
        Self::SnapshotNotification,
        Self::S3Notification,
        Self::S3TestEvent,
        Self::S3EventBridge,
        Self::CloudTrailCreateImage,
        Self::BackupJob,
        Self::BackupCopyJob,
        Self::BackupRecoveryPoint,
        Self::Operator,
        Self::Other,
    ];

    /// The name as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AmiStateChange => "ami_state_change",
            Self::SnapshotNotification => "snapshot_notification",
            Self::S3Notification => "s3_notification",
            Self::S3TestEvent => "s3_test_event",
            Self::S3EventBridge => "s3_event_bridge",
            Self::CloudTrailCreateImage => "cloud_trail_create_image",
            Self::BackupJob => "backup_job",
            Self::BackupCopyJob => "backup_copy_job",
            Self::BackupRecoveryPoint => "backup_recovery_point",
            Self::Operator => "operator",
            Self::Other => "other",
        }
    }
}

/// The body with which a person asks a worker to look at an image of a source at once, and to let no
/// pause after failures hold its next step.
///
/// [`parse`] reads it back as [`EventKind::Operator`].
pub fn operator(source: &SourceId, image: &ImageId) -> String {
    let SourceId { account, region } = source;
    serde_json::json!({ "image_id": image, "account": account, "region": region }).to_string()
}

/// Reads one message body: raw, or inside one SNS envelope.
///
/// Unknown fields are ignored; the fields that are read must be well-formed.
///
/// # Errors
///
/// Of several records a malformed one is refused in [`Parsed::rejected`], and the others count; if
/// none counts, the whole message is refused. A refusal is final for this text; a sweep finds
/// whatever it may have meant.
pub fn parse(body: &str) -> Result<Parsed, Reject> {
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("{} bytes; at most {MAX_BODY_BYTES} are read", body.len());
        return Err(Reject::new(RejectCode::TooLong, &detail));
    }
    let value = json::parse(body)?;
    let message = Fields::of_body(&value)?;
    if is_sns(&message) { open_sns(&message) } else { read(&message) }
}

/// What SNS delivers without raw delivery has at least these two fields.
fn is_sns(message: &Fields<'_>) -> bool {
    message.has("Type") && message.has("Message")
}

fn open_sns(envelope: &Fields<'_>) -> Result<Parsed, Reject> {
    match envelope.text("Type")? {
        "Notification" => {}
        // Following a URL out of a message is for a person to decide.
        kind @ ("SubscriptionConfirmation" | "UnsubscribeConfirmation") => {
            let detail =
                format!("an SNS {kind}: nothing is delivered until the queue's owner answers it");
            return Err(Reject::new(RejectCode::UnknownShape, &detail));
        }
        kind => {
            let detail = format!("an SNS message of Type {kind:?}; expected Notification");
            return Err(Reject::new(RejectCode::UnknownShape, &detail));
        }
    }
    let value = json::parse(envelope.text("Message")?).map_err(Reject::inside_sns)?;
    let message = Fields::of_body(&value).map_err(Reject::inside_sns)?;
    if is_sns(&message) {
        let detail = "an SNS envelope inside an SNS envelope; one level is read";
        return Err(Reject::new(RejectCode::UnknownShape, detail));
    }
    let mut parsed = read(&message).map_err(Reject::inside_sns)?;
    parsed.rejected = parsed.rejected.into_iter().map(Reject::inside_sns).collect();
    Ok(parsed)
}

fn read(message: &Fields<'_>) -> Result<Parsed, Reject> {
    if message.has("detail-type") {
        eventbridge::read(message)
    } else if message.has("Records") {
        s3::read_notification(message)
    } else if message.get("Event").is_some_and(|event| event == "s3:TestEvent") {
        Ok(Parsed::of(EventKind::S3TestEvent, Vec::new()))
    } else if message.has("image_id") {
        let hint = ImageHint {
            account: message.optional_id("account")?,
            region: message.optional_id("region")?,
            image: message.id("image_id")?,
            state: None,
        };
        Ok(Parsed::of(EventKind::Operator, vec![Hint::Image(hint)]))
    } else {
        let detail = "none of detail-type (EventBridge), Records (S3), Type with Message (SNS), \
                      image_id (operator) is there";
        Err(Reject::new(RejectCode::UnknownShape, detail))
    }
}
