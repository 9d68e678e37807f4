//! Reads an EventBridge event: the envelope, and which reader its detail belongs to.

use super::fields::Fields;
use super::{EventKind, Hint, ImageEventState, ImageHint, Parsed, Reject, RejectCode};
use super::{backup, cloudtrail, s3};
use crate::ids::{AccountId, Region};

/// Where an event says that it comes from.
pub(super) struct Origin {
    pub(super) account: Option<AccountId>,
    pub(super) region: Option<Region>,
}

/// The detail types that are read, and that one service alone sends.
const OF_ONE_SOURCE: &[&str] = &[
    "EC2 AMI State Change",
    "EBS Snapshot Notification",
    "EBS Multi-Volume Snapshots Completion Status",
    "Object Created",
    "Object Deleted",
    "Backup Job State Change",
    "Copy Job State Change",
    "Recovery Point State Change",
];

/// Whether a source has the form of one of AWS: `aws.` and the name of a service.
fn is_of_aws(source: &str) -> bool {
    source.strip_prefix("aws.").is_some_and(|service| {
        !service.is_empty()
            && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

/// Reads an event by its `source` and `detail-type` together.
///
/// Only AWS may put `aws.` sources on a bus, and each detail type that is read comes from one of
/// them. Under another source it is an imitation, and is refused.
pub(super) fn read(event: &Fields<'_>) -> Result<Parsed, Reject> {
    let source = event.text("source")?;
    let detail_type = event.text("detail-type")?;
    let origin =
        Origin { account: event.optional_id("account")?, region: event.optional_id("region")? };
    match (source, detail_type) {
        ("aws.ec2", "EC2 AMI State Change") => ami_state_change(origin, &event.object("detail")?),
        (
            "aws.ec2",
            "EBS Snapshot Notification" | "EBS Multi-Volume Snapshots Completion Status",
        ) => Ok(Parsed::of(EventKind::SnapshotNotification, Vec::new())),
        ("aws.ec2", "AWS API Call via CloudTrail") => {
            cloudtrail::read(origin, &event.object("detail")?)
        }
        ("aws.s3", object) if object.starts_with("Object ") => s3::read_event(origin, event),
        ("aws.backup", "Backup Job State Change") => backup::read_backup_job(&origin, event),
        ("aws.backup", "Copy Job State Change") => backup::read_copy_job(&origin, event),
        ("aws.backup", "Recovery Point State Change") => {
            backup::read_recovery_point(&origin, event)
        }
        (source, detail_type) if OF_ONE_SOURCE.contains(&detail_type) => {
            let detail = format!("{detail_type:?} of source {source:?}, which does not send it");
            Err(Reject::new(RejectCode::UnknownShape, &detail))
        }
        (source, _) if is_of_aws(source) => Ok(Parsed::of(EventKind::Other, Vec::new())),
        (source, _) => {
            let detail = format!("an EventBridge event of source {source:?}; expected one of AWS");
            Err(Reject::new(RejectCode::UnknownShape, &detail))
        }
    }
}

/// Best effort, default bus only; nothing in it tells which call caused it.
fn ami_state_change(origin: Origin, detail: &Fields<'_>) -> Result<Parsed, Reject> {
    let state = match detail.text("State")? {
        "available" => Some(ImageEventState::Available),
        "failed" => Some(ImageEventState::Failed),
        "deregistered" => Some(ImageEventState::Deregistered),
        "disabled" => Some(ImageEventState::Disabled),
        // A state that EC2 adds later is still a reason to look.
        _ => None,
    };
    let image = detail.id("ImageId")?;
    let hint = ImageHint { account: origin.account, region: origin.region, image, state };
    Ok(Parsed::of(EventKind::AmiStateChange, vec![Hint::Image(hint)]))
}
