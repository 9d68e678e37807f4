//! From EC2's shapes, where every field is optional, to the core's, where the needed ones are there.

use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_core::model::{
    BlockDevice, DeregistrationProtection, EbsDevice, Image, ImageState, RootDeviceType, Snapshot,
    SnapshotState, StoreTask, StoreTaskState, Tags, Virtualization,
};
use aws_sdk_ec2::types;
use jiff::Timestamp;

use crate::call::Call;
use crate::time::timestamp;

pub(super) fn image(call: &Call, image: types::Image) -> Result<Image, Fault> {
    let state = text(call, "imageState", image.state.as_ref().map(types::ImageState::as_str))?;
    let created = image.creation_date;
    let lineage = image.source_image_region.zip(image.source_image_id);
    Ok(Image {
        id: parsed(call, "imageId", image.image_id.as_deref())?,
        owner: parsed(call, "imageOwnerId", image.owner_id.as_deref())?,
        name: image.name.ok_or_else(|| call.unexpected("name", None))?,
        description: image.description.unwrap_or_default(),
        state: image_state(state),
        state_reason: image.state_reason.and_then(|reason| reason.message.or(reason.code)),
        created: instant(call, "creationDate", created.as_deref())?,
        architecture: text(call, "architecture", image.architecture.as_ref().map(|a| a.as_str()))?
            .to_owned(),
        virtualization: virtualization(call, image.virtualization_type.as_ref())?,
        root_device_type: root_device_type(call, image.root_device_type.as_ref())?,
        root_device_name: image.root_device_name,
        boot_mode: image.boot_mode.map(|mode| mode.as_str().to_owned()),
        // EC2 leaves it out where it is not set.
        ena_support: image.ena_support.unwrap_or(false),
        sriov_net_support: image.sriov_net_support,
        imds_support: image.imds_support.map(|support| support.as_str().to_owned()),
        tpm_support: image.tpm_support.map(|support| support.as_str().to_owned()),
        devices: image
            .block_device_mappings
            .unwrap_or_default()
            .into_iter()
            .map(|device| block_device(call, device))
            .collect::<Result<_, _>>()?,
        tags: tags(call, image.tags)?,
        public: image.public.ok_or_else(|| call.unexpected("isPublic", None))?,
        // Half a lineage, or one with ids of another form, leads nowhere.
        source_image: lineage
            .and_then(|(region, id)| Some((region.parse().ok()?, id.parse().ok()?))),
        source_instance: image.source_instance_id.filter(|id| !id.is_empty()),
        deregistration_protection: protection(call, image.deregistration_protection.as_deref())?,
    })
}

fn image_state(state: &str) -> ImageState {
    match state {
        "pending" => ImageState::Pending,
        "available" => ImageState::Available,
        "disabled" => ImageState::Disabled,
        "deregistered" => ImageState::Deregistered,
        "failed" | "error" | "invalid" => ImageState::Failed,
        other => ImageState::Other(other.to_owned()),
    }
}

fn virtualization(
    call: &Call,
    kind: Option<&types::VirtualizationType>,
) -> Result<Virtualization, Fault> {
    match text(call, "virtualizationType", kind.map(types::VirtualizationType::as_str))? {
        "hvm" => Ok(Virtualization::Hvm),
        "paravirtual" => Ok(Virtualization::Paravirtual),
        other => Err(call.unexpected("virtualizationType", Some(other))),
    }
}

fn root_device_type(
    call: &Call,
    kind: Option<&types::DeviceType>,
) -> Result<RootDeviceType, Fault> {
    match text(call, "rootDeviceType", kind.map(types::DeviceType::as_str))? {
        "ebs" => Ok(RootDeviceType::Ebs),
        "instance-store" => Ok(RootDeviceType::InstanceStore),
        other => Err(call.unexpected("rootDeviceType", Some(other))),
    }
}

/// Absent on images older than the feature, whose protection is off. A protection that is to be
/// relied on is checked for being on, so an absent field can delay work and not endanger it.
fn protection(call: &Call, value: Option<&str>) -> Result<DeregistrationProtection, Fault> {
    match value {
        None | Some("" | "disabled") => Ok(DeregistrationProtection::Disabled),
        Some("enabled" | "enabled-without-cooldown") => Ok(DeregistrationProtection::Enabled),
        Some("enabled-with-cooldown") => Ok(DeregistrationProtection::EnabledWithCooldown),
        Some(other) => Err(call.unexpected("deregistrationProtection", Some(other))),
    }
}

fn block_device(call: &Call, device: types::BlockDeviceMapping) -> Result<BlockDevice, Fault> {
    Ok(BlockDevice {
        name: device.device_name.ok_or_else(|| call.unexpected("deviceName", None))?,
        virtual_name: device.virtual_name,
        ebs: device.ebs.map(|ebs| ebs_device(call, ebs)).transpose()?,
    })
}

fn ebs_device(call: &Call, ebs: types::EbsBlockDevice) -> Result<EbsDevice, Fault> {
    let snapshot = ebs.snapshot_id.filter(|id| !id.is_empty());
    Ok(EbsDevice {
        snapshot: snapshot.map(|id| parsed(call, "snapshotId", Some(&id))).transpose()?,
        size_gib: number(call, "volumeSize", ebs.volume_size)?
            .ok_or_else(|| call.unexpected("volumeSize", None))?,
        volume_type: ebs.volume_type.map(|kind| kind.as_str().to_owned()),
        iops: number(call, "iops", ebs.iops)?,
        throughput: number(call, "throughput", ebs.throughput)?,
        delete_on_termination: ebs
            .delete_on_termination
            .ok_or_else(|| call.unexpected("deleteOnTermination", None))?,
        encrypted: ebs.encrypted.ok_or_else(|| call.unexpected("encrypted", None))?,
    })
}

pub(super) fn snapshot(call: &Call, snapshot: types::Snapshot) -> Result<Snapshot, Fault> {
    let state = text(call, "status", snapshot.state.as_ref().map(types::SnapshotState::as_str))?;
    let state = match state {
        "pending" => SnapshotState::Pending,
        "completed" => SnapshotState::Completed,
        "error" => SnapshotState::Error,
        "recoverable" | "recovering" => SnapshotState::Recycled,
        other => return Err(call.unexpected("status", Some(other))),
    };
    let progress = snapshot.progress.as_deref().map(|text| text.trim_end_matches('%'));
    Ok(Snapshot {
        id: parsed(call, "snapshotId", snapshot.snapshot_id.as_deref())?,
        state,
        encrypted: snapshot.encrypted.ok_or_else(|| call.unexpected("encrypted", None))?,
        key: snapshot.kms_key_id,
        // Absent at the very beginning; the state, not this, says when all is there.
        progress: match progress {
            None | Some("") => {
                if state == SnapshotState::Completed {
                    100
                } else {
                    0
                }
            }
            Some(text) => text.parse().map_err(|_| call.unexpected("progress", Some(text)))?,
        },
    })
}

pub(super) fn store_task(
    call: &Call,
    task: types::StoreImageTaskResult,
) -> Result<StoreTask, Fault> {
    let state = match text(call, "storeTaskState", task.store_task_state.as_deref())? {
        "InProgress" => StoreTaskState::InProgress,
        "Completed" => StoreTaskState::Completed,
        "Failed" => StoreTaskState::Failed,
        other => return Err(call.unexpected("storeTaskState", Some(other))),
    };
    let done = if state == StoreTaskState::Completed { 100 } else { 0 };
    Ok(StoreTask {
        image: parsed(call, "amiId", task.ami_id.as_deref())?,
        bucket: task.bucket.ok_or_else(|| call.unexpected("bucket", None))?,
        key: task.s3object_key.ok_or_else(|| call.unexpected("s3objectKey", None))?,
        state,
        // Absent while the task waits in AWS's own queue.
        progress: number(call, "progressPercentage", task.progress_percentage)?.unwrap_or(done),
        failure: task.store_task_failure_reason.filter(|reason| !reason.is_empty()),
        started: task.task_start_time.as_ref().and_then(timestamp),
    })
}

fn tags(call: &Call, tags: Option<Vec<types::Tag>>) -> Result<Tags, Fault> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.map(|tag| {
        let key = tag.key.ok_or_else(|| call.unexpected("tagSet key", None))?;
        // A tag may have no value; EC2 then sends an empty one.
        Ok((key, tag.value.unwrap_or_default()))
    })
    .collect()
}

/// The ARN of a key that EC2 names by ARN, by alias (`alias/aws/ebs`) or by id.
pub(super) fn key_arn(key: &str, region: &Region, account: &AccountId) -> Option<Arn> {
    if key.starts_with("arn:") {
        return key.parse().ok();
    }
    let partition = match region.as_str() {
        name if name.starts_with("cn-") => "aws-cn",
        name if name.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let resource = if key.starts_with("alias/") { key.to_owned() } else { format!("key/{key}") };
    format!("arn:{partition}:kms:{region}:{account}:{resource}").parse().ok()
}

fn text<'a>(call: &Call, field: &str, value: Option<&'a str>) -> Result<&'a str, Fault> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| call.unexpected(field, None))
}

fn parsed<T: std::str::FromStr>(call: &Call, field: &str, value: Option<&str>) -> Result<T, Fault> {
    text(call, field, value)?.parse().map_err(|_| call.unexpected(field, value))
}

fn instant(call: &Call, field: &str, value: Option<&str>) -> Result<Timestamp, Fault> {
    parsed(call, field, value)
}

/// A count that EC2 models as a signed number.
fn number<T: TryFrom<i32>>(
    call: &Call,
    field: &str,
    value: Option<i32>,
) -> Result<Option<T>, Fault> {
    value
        .map(|n| T::try_from(n).map_err(|_| call.unexpected(field, Some(&n.to_string()))))
        .transpose()
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
