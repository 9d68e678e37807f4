//! What AWS shows of an ordinary image at each stage of its way into the vault.

use amiferry_core::decide::vault::COPIED_CHECKSUM;
use amiferry_core::ids::{Arn, ImageId};
use amiferry_core::manifest::{Manifest, RestoredRecord, SourceRecord, VaultObject};
use amiferry_core::model::{
    BlockDevice, Checksum, ChecksumAlgorithm, DeregistrationProtection, EbsDevice, Image,
    ImageState, KeyFacts, KeyPurpose, KeyState, LaunchRules, ObjectVersion, PartFacts, Probe,
    Retention, RetentionMode, RootDeviceType, Snapshot, SnapshotState, StoredObject,
    Virtualization,
};
use amiferry_core::names::RecoveryPointId;
use amiferry_core::policy::Tier;
use amiferry_core::ports::Upload;
use jiff::{SignedDuration, Timestamp};

pub(super) const SOURCE: &str = "111111111111";
pub(super) const OTHER: &str = "333333333333";
pub(super) const VAULT: &str = "222222222222";
pub(super) const BUCKET_KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/bucket";
pub(super) const EBS_KEY: &str = "arn:aws:kms:us-west-2:222222222222:key/ebs";
pub(super) const STAGING_KEY: &str = "arn:aws:kms:us-east-1:111111111111:key/staging";

/// The full-object checksum of every image here.
const CHECKSUM: &str = "c3RhZ2VkIQ==";

pub(super) const MIB: u64 = 1 << 20;

/// The size of a staged object: three parts of 64 MiB, the last one smaller.
pub(super) const STAGED_SIZE: u64 = 150 * MIB;

pub(super) fn noon() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

/// So many seconds after noon.
pub(super) fn at(second: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(second)
}

/// The recovery point of an image of a source.
pub(super) fn point_of(source: &str, number: u32) -> RecoveryPointId {
    RecoveryPointId {
        source_account: source.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: image_id(number),
        target_account: VAULT.parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
    }
}

/// That of an image of the first source.
pub(super) fn point(number: u32) -> RecoveryPointId {
    point_of(SOURCE, number)
}

pub(super) fn image_id(number: u32) -> ImageId {
    format!("ami-{number:08x}").parse().unwrap()
}

/// An image of 100 GiB that the policy `daily` has restored, made an hour ago, of a family of its
/// own.
pub(super) fn image(number: u32) -> Image {
    Image {
        id: image_id(number),
        owner: SOURCE.parse().unwrap(),
        name: format!("web-{number}"),
        description: String::new(),
        state: ImageState::Available,
        state_reason: None,
        created: at(-3_600),
        architecture: "x86_64".to_owned(),
        virtualization: Virtualization::Hvm,
        root_device_type: RootDeviceType::Ebs,
        root_device_name: Some("/dev/xvda".to_owned()),
        boot_mode: None,
        ena_support: true,
        sriov_net_support: None,
        imds_support: None,
        tpm_support: None,
        platform: None,
        platform_details: Some("Linux/UNIX".to_owned()),
        usage_operation: Some("RunInstances".to_owned()),
        product_codes: Default::default(),
        launch_rules: LaunchRules::default(),
        devices: vec![BlockDevice {
            name: "/dev/xvda".to_owned(),
            virtual_name: None,
            ebs: Some(EbsDevice {
                snapshot: Some(format!("snap-0aaaaaaa{number:09x}").parse().unwrap()),
                size_gib: 100,
                volume_type: None,
                iops: None,
                throughput: None,
                delete_on_termination: true,
                encrypted: false,
            }),
        }],
        tags: [("backup".to_owned(), "daily".to_owned()), ("app".to_owned(), number.to_string())]
            .into(),
        public: false,
        source_image: None,
        source_instance: None,
        deregistration_protection: DeregistrationProtection::Disabled,
    }
}

/// A value with one thing changed.
pub(super) fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

/// The same image under the policy `weekly`, which has nothing restored.
pub(super) fn archived(number: u32) -> Image {
    with(image(number), |image| drop(image.tags.insert("backup".into(), "weekly".into())))
}

pub(super) fn of_gib(image: Image, size: u64) -> Image {
    with(image, |image| {
        if let Some(ebs) = image.devices[0].ebs.as_mut() {
            ebs.size_gib = size;
        }
    })
}

pub(super) fn staged(number: u32) -> StoredObject {
    StoredObject {
        at: ObjectVersion {
            bucket: "staging-one".parse().unwrap(),
            key: format!("amiferry/us-east-1/{}.bin", image_id(number)).parse().unwrap(),
            version: Some("staged-1".to_owned()),
        },
        etag: "staged-etag".to_owned(),
        size: STAGED_SIZE,
        checksum: Some(Checksum::whole(ChecksumAlgorithm::Crc64Nvme, CHECKSUM)),
        metadata: [("ec2-own".to_owned(), "opaque".to_owned())].into(),
        content_type: Some("binary/octet-stream".to_owned()),
        key: Some(STAGING_KEY.to_owned()),
        retention: None,
        last_modified: Some(at(-1_800)),
        class: None,
        archived: None,
    }
}

pub(super) fn vault_key(number: u32, file: &str) -> amiferry_core::ids::ObjectKey {
    format!("amiferry/{SOURCE}/us-east-1/{}/{file}", image_id(number)).parse().unwrap()
}

pub(super) fn retention() -> Retention {
    Retention { mode: RetentionMode::Compliance, until: at(35 * 86_400) }
}

/// The copy in the vault, written at noon.
pub(super) fn copied(number: u32) -> StoredObject {
    let mut metadata = staged(number).metadata;
    metadata.insert(COPIED_CHECKSUM.to_owned(), CHECKSUM.to_owned());
    StoredObject {
        at: ObjectVersion {
            bucket: "vault".parse().unwrap(),
            key: vault_key(number, "image.bin"),
            version: Some("vault-1".to_owned()),
        },
        etag: "vault-etag-3".to_owned(),
        metadata,
        key: Some(BUCKET_KEY.to_owned()),
        retention: Some(retention()),
        last_modified: Some(noon()),
        class: None,
        archived: None,
        ..staged(number)
    }
}

/// The image that a restore makes of [`image`], ready for use and not yet protected.
pub(super) fn restored(number: u32, generation: u32) -> Image {
    let folder = format!("{SOURCE}/us-east-1/{}", image_id(number));
    let suffix = if generation == 1 { String::new() } else { format!("/{generation}") };
    let location = format!("s3://vault/amiferry/{folder}/manifest.json");
    let source = image(number);
    let (family, created) = (number.to_string(), source.created.to_string());
    let ours = [
        ("managed", "true"),
        ("source-account", SOURCE),
        ("source-region", "us-east-1"),
        ("source-image", source.id.as_str()),
        ("manifest", &location),
        ("policy", "daily"),
        ("family", &family),
        ("source-created", &created),
        ("source-name", &source.name),
        ("object-version", "vault-1"),
    ];
    let mut tags = source.tags.clone();
    tags.extend(ours.map(|(key, value)| (format!("amiferry:{key}"), value.to_owned())));
    with(source, |image| {
        image.id = format!("ami-000000{number:x}{generation:x}").parse().unwrap();
        image.owner = VAULT.parse().unwrap();
        image.name = format!("amiferry/{folder}{suffix}");
        image.created = noon();
        image.tags = tags;
        if let Some(ebs) = image.devices[0].ebs.as_mut() {
            ebs.snapshot = Some(format!("snap-000000{number:x}{generation:x}").parse().unwrap());
            ebs.encrypted = true;
        }
    })
}

pub(super) fn in_state(image: Image, state: ImageState) -> Image {
    with(image, |image| image.state = state)
}

pub(super) fn protected(image: Image) -> Image {
    with(image, |i| i.deregistration_protection = DeregistrationProtection::Enabled)
}

/// The snapshots behind images, whole and under the vault's key.
pub(super) fn snapshots(images: &[Image]) -> Vec<Snapshot> {
    let snapshot = |id: &amiferry_core::ids::SnapshotId| Snapshot {
        id: id.clone(),
        state: SnapshotState::Completed,
        encrypted: true,
        key: Some(EBS_KEY.to_owned()),
        progress: 100,
    };
    images.iter().flat_map(Image::snapshots).map(snapshot).collect()
}

/// The record of a complete recovery point of [`image`], or of [`archived`].
pub(super) fn manifest(number: u32, tier: Tier) -> Manifest {
    let (source, policy) = match tier {
        Tier::Ready => (image(number), "daily"),
        Tier::Archive => (archived(number), "weekly"),
    };
    let copy = copied(number);
    let made = (tier == Tier::Ready).then(|| restored(number, 1));
    Manifest {
        recovery_point: point(number),
        family: number.to_string(),
        policy: policy.to_owned(),
        tier,
        source: SourceRecord::of(&source),
        vault_object: VaultObject {
            at: copy.at,
            size: copy.size,
            checksum: Checksum::whole(ChecksumAlgorithm::Crc64Nvme, CHECKSUM),
            key: copy.key,
            retention: copy.retention,
            class: None,
        },
        restored: made.map(|image| RestoredRecord {
            image_id: image.id.clone(),
            name: image.name.clone(),
            snapshots: image.snapshots().cloned().collect(),
            keys: Default::default(),
            accepted_differences: Vec::new(),
            shared_with: Default::default(),
        }),
        completed_at: noon(),
    }
}

/// What KMS says about a key that is ready for use, or was disabled.
pub(super) fn key(arn: &str, enabled: bool) -> KeyFacts {
    let arn: Arn = arn.parse().unwrap();
    let state = if enabled { KeyState::Enabled } else { KeyState::Disabled };
    let purposes = [KeyPurpose::Writing, KeyPurpose::Snapshots];
    let operations = purposes.iter().flat_map(|purpose| purpose.operations());
    let probes = operations.map(|operation| (*operation, Probe::Yes)).collect();
    KeyFacts { arn, state: Some(state), aws_managed: Some(false), multi_region: None, probes }
}

/// An upload to the vault object of image 1 that began so many seconds after noon.
pub(super) fn upload(id: &str, begun: i64) -> Upload {
    Upload {
        bucket: "vault".parse().unwrap(),
        key: vault_key(1, "image.bin"),
        id: id.to_owned(),
        begun: Some(at(begun)),
    }
}

/// A part of the copy of an image, as S3 shows it.
pub(super) fn part(number: u32, copied_at: i64) -> PartFacts {
    let size = if number == 3 { STAGED_SIZE - 128 * MIB } else { 64 * MIB };
    PartFacts {
        number,
        size,
        etag: format!("part-{number}"),
        checksum: None,
        copied_at: Some(at(copied_at)),
    }
}
