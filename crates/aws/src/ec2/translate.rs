//! Translates EC2's shapes, in which every field is optional, to the core's. Without a field that a
//! safe decision needs, the item is unreadable; every other missing field gets a value that claims
//! nothing.

use amiferry_core::ids::{AccountId, Arn, ImageId, Region};
use amiferry_core::model::{
    BlockDevice, DeregistrationProtection, EbsDevice, Image, ImageState, LaunchRules,
    RootDeviceType, Snapshot, SnapshotState, StoreTask, StoreTaskState, Tags, Virtualization,
};
use amiferry_core::ports::Unreadable;
use amiferry_core::text::visible;
use aws_sdk_ec2::types;

use crate::item::{Why, missing, number, parsed, text};
use crate::time::timestamp;

/// Longest value of an unknown kind that is kept, in characters.
const LONGEST_KIND: usize = 64;

/// Whether an item of `DescribeImages` is an AMI; kernels and RAM disks are listed among them.
pub(super) fn is_machine(image: &types::Image) -> bool {
    let id = image.image_id.as_deref().unwrap_or_default();
    !(id.starts_with("aki-") || id.starts_with("ari-"))
}

/// An image; one that cannot be read is listed under its id.
pub(super) fn image(image: types::Image) -> Result<Image, Unreadable> {
    let id = image.image_id.clone();
    let read = described(image).and_then(|image| match lacks_name(&image) {
        true => Err(missing("name")),
        false => Ok(image),
    });
    read.map_err(|why| Unreadable::new(id.as_deref(), &why))
}

/// An image that was asked for by name: one that cannot be read is listed under its name, one
/// whose name is not shown is read.
pub(super) fn named_image(image: types::Image) -> Result<Image, Unreadable> {
    let name = image.name.clone();
    let id = name.or_else(|| image.image_id.clone());
    described(image).map_err(|why| Unreadable::new(id.as_deref(), &why))
}

/// EC2 names an image once it is made, and has not named all of those in instance stores.
fn lacks_name(image: &Image) -> bool {
    image.name.is_empty()
        && is_made(&image.state)
        && image.root_device_type != RootDeviceType::InstanceStore
}

/// Whether EC2 describes an image of this state in full.
fn is_made(state: &ImageState) -> bool {
    matches!(state, ImageState::Available | ImageState::Disabled)
}

fn described(image: types::Image) -> Result<Image, Why> {
    let id = parsed("imageId", image.image_id.as_deref())?;
    let state = image.state.as_ref().map(types::ImageState::as_str);
    let state = image_state(text("imageState", state)?);
    // What is being made or could not be made is never copied: it may lack what only a copy needs.
    let made = is_made(&state);
    let said = |field, value: Option<&str>| match text(field, value) {
        Ok(value) => Ok(value.to_owned()),
        Err(_) if !made => Ok(String::new()),
        Err(why) => Err(why),
    };
    let architecture = image.architecture.as_ref().map(types::ArchitectureValues::as_str);
    let virtualization = image.virtualization_type.as_ref().map(types::VirtualizationType::as_str);
    let root_device_type = image.root_device_type.as_ref().map(types::DeviceType::as_str);
    let root_device_type = root_device(&said("rootDeviceType", root_device_type)?);
    let devices = image.block_device_mappings.unwrap_or_default().into_iter().map(block_device);
    let devices: Vec<BlockDevice> =
        if made { devices.collect::<Result<_, _>>()? } else { devices.flatten().collect() };
    let mut volumes = devices.iter().filter_map(|device| device.ebs.as_ref());
    let backed = volumes.any(|volume| volume.snapshot.is_some());
    if made && root_device_type == RootDeviceType::Ebs && !backed {
        return Err(missing("snapshotId in its blockDeviceMapping"));
    }
    let lineage = image.source_image_region.zip(image.source_image_id);
    Ok(Image {
        id,
        owner: parsed("imageOwnerId", image.owner_id.as_deref())?,
        name: image.name.unwrap_or_default(),
        description: image.description.unwrap_or_default(),
        state,
        state_reason: image.state_reason.and_then(|reason| reason.message.or(reason.code)),
        created: parsed("creationDate", image.creation_date.as_deref())?,
        architecture: said("architecture", architecture)?,
        virtualization: virtualization_kind(&said("virtualizationType", virtualization)?),
        root_device_type,
        root_device_name: image.root_device_name,
        boot_mode: image.boot_mode.map(|mode| mode.as_str().to_owned()),
        // EC2 leaves it out where it is not set.
        ena_support: image.ena_support.unwrap_or(false),
        sriov_net_support: image.sriov_net_support,
        imds_support: image.imds_support.map(|support| support.as_str().to_owned()),
        tpm_support: image.tpm_support.map(|support| support.as_str().to_owned()),
        platform: image.platform.map(|platform| platform.as_str().to_owned()),
        platform_details: image.platform_details,
        usage_operation: image.usage_operation,
        product_codes: image.product_codes.unwrap_or_default().iter().map(product_code).collect(),
        launch_rules: launch_rules(image.instance_type_specification, image.image_watermarks),
        devices,
        tags: tags(image.tags)?,
        public: image.public.unwrap_or(false),
        // Half a lineage, or one with ids of another form, leads nowhere.
        source_image: lineage
            .and_then(|(region, id)| Some((region.parse().ok()?, id.parse().ok()?))),
        source_instance: image.source_instance_id.filter(|id| !id.is_empty()),
        deregistration_protection: protection(image.deregistration_protection.as_deref()),
    })
}

fn launch_rules(
    types: Option<types::InstanceTypeSpecification>,
    watermarks: Option<Vec<types::ImageWatermark>>,
) -> LaunchRules {
    let named = |items: Option<Vec<types::InstanceTypeItem>>| {
        items.into_iter().flatten().filter_map(|item| item.instance_type).collect()
    };
    let (supported, unsupported) = types
        .map(|types| (types.supported_instance_types, types.unsupported_instance_types))
        .unwrap_or_default();
    LaunchRules {
        supported_instance_types: named(supported),
        unsupported_instance_types: named(unsupported),
        watermarks: watermarks.into_iter().flatten().filter_map(|one| one.watermark_key).collect(),
    }
}

/// A product code with its kind; what EC2 leaves out is empty, and differs from a whole one.
fn product_code(code: &types::ProductCode) -> String {
    let kind = code.product_code_type.as_ref().map_or("", types::ProductCodeValues::as_str);
    format!("{kind}:{}", code.product_code_id.as_deref().unwrap_or_default())
}

fn kept(kind: &str) -> String {
    visible(kind, LONGEST_KIND)
}

fn image_state(state: &str) -> ImageState {
    match state {
        "pending" => ImageState::Pending,
        "available" => ImageState::Available,
        "disabled" => ImageState::Disabled,
        "deregistered" => ImageState::Deregistered,
        "failed" | "error" | "invalid" => ImageState::Failed,
        other => ImageState::Other(kept(other)),
    }
}

fn virtualization_kind(kind: &str) -> Virtualization {
    match kind {
        "hvm" => Virtualization::Hvm,
        "paravirtual" => Virtualization::Paravirtual,
        other => Virtualization::Other(kept(other)),
    }
}

fn root_device(kind: &str) -> RootDeviceType {
    match kind {
        "ebs" => RootDeviceType::Ebs,
        "instance-store" => RootDeviceType::InstanceStore,
        other => RootDeviceType::Other(kept(other)),
    }
}

/// Absent on images older than the feature, whose protection is off. A protection that is to be
/// relied on is checked for being on, so an absent field can delay work and not endanger it.
fn protection(value: Option<&str>) -> DeregistrationProtection {
    match value {
        None | Some("" | "disabled") => DeregistrationProtection::Disabled,
        Some("enabled" | "enabled-without-cooldown") => DeregistrationProtection::Enabled,
        Some("enabled-with-cooldown") => DeregistrationProtection::EnabledWithCooldown,
        Some(other) => DeregistrationProtection::Other(kept(other)),
    }
}

fn block_device(device: types::BlockDeviceMapping) -> Result<BlockDevice, Why> {
    // An entry stands for an EBS volume, an instance store volume, or none.
    if device.ebs.is_none() && device.virtual_name.is_none() && device.no_device.is_none() {
        return Err(missing("ebs in its blockDeviceMapping"));
    }
    Ok(BlockDevice {
        name: text("deviceName", device.device_name.as_deref())?.to_owned(),
        virtual_name: device.virtual_name,
        ebs: device.ebs.map(ebs_device).transpose()?,
    })
}

fn ebs_device(ebs: types::EbsBlockDevice) -> Result<EbsDevice, Why> {
    let snapshot = ebs.snapshot_id.filter(|id| !id.is_empty());
    Ok(EbsDevice {
        snapshot: snapshot.map(|id| parsed("snapshotId", Some(&id))).transpose()?,
        // Without it nothing says what the image counts against a quota.
        size_gib: number("volumeSize", ebs.volume_size)?.ok_or_else(|| missing("volumeSize"))?,
        volume_type: ebs.volume_type.map(|kind| kind.as_str().to_owned()),
        iops: number("iops", ebs.iops)?,
        throughput: number("throughput", ebs.throughput)?,
        delete_on_termination: ebs
            .delete_on_termination
            .ok_or_else(|| missing("deleteOnTermination"))?,
        encrypted: ebs.encrypted.unwrap_or(false),
    })
}

/// A snapshot; one that cannot be read is listed under its id.
pub(super) fn snapshot(snapshot: types::Snapshot) -> Result<Snapshot, Unreadable> {
    let id = snapshot.snapshot_id.clone();
    shown_snapshot(snapshot).map_err(|why| Unreadable::new(id.as_deref(), &why))
}

fn shown_snapshot(snapshot: types::Snapshot) -> Result<Snapshot, Why> {
    let state = snapshot.state.as_ref().map(types::SnapshotState::as_str);
    let state = match text("status", state)? {
        "pending" => SnapshotState::Pending,
        "completed" => SnapshotState::Completed,
        "error" => SnapshotState::Error,
        "recoverable" | "recovering" => SnapshotState::Recycled,
        other => SnapshotState::Other(kept(other)),
    };
    // The state, not this, says when all is there.
    let progress = snapshot.progress.as_deref().map(|text| text.trim_end_matches('%'));
    let progress = progress.and_then(|text| text.parse().ok());
    let done = if state == SnapshotState::Completed { 100 } else { 0 };
    Ok(Snapshot {
        id: parsed("snapshotId", snapshot.snapshot_id.as_deref())?,
        state,
        encrypted: snapshot.encrypted.ok_or_else(|| missing("encrypted"))?,
        key: snapshot.kms_key_id,
        progress: progress.unwrap_or(done),
    })
}

/// A store task; one that cannot be read is listed under its image's id.
pub(super) fn store_task(task: types::StoreImageTaskResult) -> Result<StoreTask, Unreadable> {
    let named = task.ami_id.clone();
    let id = named.or_else(|| image_of(task.s3object_key.as_deref()?).map(String::from));
    shown_task(task).map_err(|why| Unreadable::new(id.as_deref(), &why))
}

fn shown_task(task: types::StoreImageTaskResult) -> Result<StoreTask, Why> {
    let state = match text("storeTaskState", task.store_task_state.as_deref())? {
        "InProgress" => StoreTaskState::InProgress,
        "Completed" => StoreTaskState::Completed,
        "Failed" => StoreTaskState::Failed,
        other => StoreTaskState::Other(kept(other)),
    };
    // Absent while the task waits in AWS's own queue.
    let progress = task.progress_percentage.and_then(|percent| u8::try_from(percent).ok());
    let done = if state == StoreTaskState::Completed { 100 } else { 0 };
    Ok(StoreTask {
        image: parsed("amiId", task.ami_id.as_deref())?,
        bucket: text("bucket", task.bucket.as_deref())?.to_owned(),
        key: text("s3objectKey", task.s3object_key.as_deref())?.to_owned(),
        state,
        progress: progress.unwrap_or(done),
        failure: task.store_task_failure_reason.filter(|reason| !reason.is_empty()),
        started: task.task_start_time.as_ref().and_then(timestamp),
    })
}

/// The image that EC2 named an object after.
fn image_of(key: &str) -> Option<ImageId> {
    key.rsplit('/').next()?.strip_suffix(".bin")?.parse().ok()
}

/// Whom a launch permission is given to, as EC2 names it.
pub(super) fn permission(permission: types::LaunchPermission) -> Result<String, Unreadable> {
    permission
        .user_id
        .or_else(|| permission.group.map(|group| group.as_str().to_owned()))
        .or(permission.organization_arn)
        .or(permission.organizational_unit_arn)
        .ok_or_else(|| Unreadable::new(None, "a launchPermission does not say whose it is"))
}

fn tags(tags: Option<Vec<types::Tag>>) -> Result<Tags, Why> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.map(|tag| {
        let key = tag.key.ok_or_else(|| missing("key of a tag"))?;
        // A tag may have no value; EC2 then sends an empty one.
        Ok((key, tag.value.unwrap_or_default()))
    })
    .collect()
}

/// The ARN of a key that a service names by ARN, by alias (`alias/aws/ebs`) or by id.
pub(crate) fn key_arn(key: &str, region: &Region, account: &AccountId) -> Option<Arn> {
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

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
