//! What EC2 must send, what it may leave out, and what its spellings become.

use amiferry_core::fault::FaultClass;

use super::*;

/// A field's name in EC2's answer, and what takes it away.
type Spoilt<T> = (&'static str, fn(&mut T));

fn call() -> Call {
    Call::new("ec2:DescribeImages", "ami-0abcdef1")
}

fn sent_image() -> types::Image {
    let ebs = types::EbsBlockDevice::builder()
        .snapshot_id("snap-0abcdef1")
        .volume_size(8)
        .volume_type(types::VolumeType::Gp3)
        .iops(3000)
        .throughput(125)
        .delete_on_termination(true)
        .encrypted(false)
        .build();
    types::Image::builder()
        .image_id("ami-0abcdef1")
        .owner_id("111111111111")
        .name("web")
        .state(types::ImageState::Available)
        .creation_date("2026-01-02T03:04:05.000Z")
        .architecture(types::ArchitectureValues::X8664)
        .virtualization_type(types::VirtualizationType::Hvm)
        .root_device_type(types::DeviceType::Ebs)
        .root_device_name("/dev/xvda")
        .block_device_mappings(
            types::BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build(),
        )
        .tags(types::Tag::builder().key("family").value("web").build())
        .public(false)
        .source_image_id("ami-0abcdef2")
        .source_image_region("us-east-1")
        .source_instance_id("i-0abcdef3")
        .build()
}

#[test]
fn an_image_is_translated_field_by_field() {
    let image = image(&call(), sent_image()).unwrap();
    assert_eq!(image.id.as_str(), "ami-0abcdef1");
    assert_eq!(image.owner.as_str(), "111111111111");
    assert_eq!(image.created, "2026-01-02T03:04:05Z".parse().unwrap());
    assert_eq!(image.architecture, "x86_64");
    assert_eq!(image.size_gib(), 8);
    assert_eq!(image.tags.get("family").map(String::as_str), Some("web"));
    assert_eq!(image.deregistration_protection, DeregistrationProtection::Disabled);
    let (region, source) = image.source_image.unwrap();
    assert_eq!((region.as_str(), source.as_str()), ("us-east-1", "ami-0abcdef2"));
    assert_eq!(image.source_instance.as_deref(), Some("i-0abcdef3"));
    assert_eq!(image.devices[0].ebs.as_ref().unwrap().iops, Some(3000));
}

#[test]
fn a_field_that_ec2_always_sends_and_now_does_not_is_a_bug_that_names_it() {
    let rows: [Spoilt<types::Image>; 9] = [
        ("imageId", |image| image.image_id = None),
        ("imageOwnerId", |image| image.owner_id = None),
        ("name", |image| image.name = None),
        ("imageState", |image| image.state = None),
        ("creationDate", |image| image.creation_date = Some("yesterday".to_owned())),
        ("architecture", |image| image.architecture = None),
        ("virtualizationType", |image| image.virtualization_type = Some("new".into())),
        ("rootDeviceType", |image| image.root_device_type = None),
        ("isPublic", |image| image.public = None),
    ];
    for (field, spoil) in rows {
        let mut sent = sent_image();
        spoil(&mut sent);
        let fault = image(&call(), sent).unwrap_err();
        assert_eq!(fault.class, FaultClass::Bug, "{field}");
        assert!(fault.detail.contains(field), "{field}: {}", fault.detail);
    }
}

#[test]
fn a_device_without_size_or_encryption_is_never_guessed() {
    let whole = types::EbsBlockDevice::builder()
        .volume_size(1)
        .delete_on_termination(true)
        .encrypted(true)
        .build();
    assert_eq!(ebs_device(&call(), whole.clone()).map(|ebs| ebs.snapshot), Ok(None));
    let rows: [Spoilt<types::EbsBlockDevice>; 4] = [
        ("volumeSize", |ebs| ebs.volume_size = None),
        ("volumeSize", |ebs| ebs.volume_size = Some(-1)),
        ("encrypted", |ebs| ebs.encrypted = None),
        ("deleteOnTermination", |ebs| ebs.delete_on_termination = None),
    ];
    for (field, spoil) in rows {
        let mut ebs = whole.clone();
        spoil(&mut ebs);
        let fault = ebs_device(&call(), ebs).unwrap_err();
        assert!(fault.detail.contains(field), "{field}: {}", fault.detail);
    }
}

#[test]
fn image_states_and_protections_keep_their_meaning() {
    for (sent, state) in [
        ("pending", ImageState::Pending),
        ("available", ImageState::Available),
        ("disabled", ImageState::Disabled),
        ("deregistered", ImageState::Deregistered),
        ("failed", ImageState::Failed),
        ("error", ImageState::Failed),
        ("invalid", ImageState::Failed),
        ("transient", ImageState::Other("transient".to_owned())),
    ] {
        assert_eq!(image_state(sent), state);
    }
    for (sent, expected) in [
        (None, DeregistrationProtection::Disabled),
        (Some("disabled"), DeregistrationProtection::Disabled),
        (Some("enabled"), DeregistrationProtection::Enabled),
        (Some("enabled-with-cooldown"), DeregistrationProtection::EnabledWithCooldown),
    ] {
        assert_eq!(protection(&call(), sent), Ok(expected), "{sent:?}");
    }
    assert!(protection(&call(), Some("perhaps")).is_err());
}

#[test]
fn snapshots_show_state_progress_and_encryption() {
    let sent = |state: &str, progress: Option<&str>| {
        types::Snapshot::builder()
            .snapshot_id("snap-0abcdef1")
            .state(state.into())
            .set_progress(progress.map(str::to_owned))
            .encrypted(true)
            .kms_key_id("arn:aws:kms:us-west-2:222222222222:key/k")
            .build()
    };
    for (state, progress, expected) in [
        ("pending", None, (SnapshotState::Pending, 0)),
        ("pending", Some("45%"), (SnapshotState::Pending, 45)),
        ("completed", Some("100%"), (SnapshotState::Completed, 100)),
        ("completed", Some(""), (SnapshotState::Completed, 100)),
        ("recoverable", None, (SnapshotState::Recycled, 0)),
    ] {
        let snapshot = snapshot(&call(), sent(state, progress)).unwrap();
        assert_eq!((snapshot.state, snapshot.progress), expected, "{state} {progress:?}");
    }
    assert!(snapshot(&call(), sent("new-state", None)).is_err());
    assert!(snapshot(&call(), sent("pending", Some("half"))).is_err());
}

#[test]
fn a_store_task_without_progress_stands_at_its_beginning_or_its_end() {
    let sent = |state: &str| {
        types::StoreImageTaskResult::builder()
            .ami_id("ami-0abcdef1")
            .bucket("staging/path")
            .s3object_key("path/ami-0abcdef1.bin")
            .store_task_state(state)
            .store_task_failure_reason("")
            .build()
    };
    for (state, expected) in [
        ("InProgress", (StoreTaskState::InProgress, 0)),
        ("Completed", (StoreTaskState::Completed, 100)),
        ("Failed", (StoreTaskState::Failed, 0)),
    ] {
        let task = store_task(&call(), sent(state)).unwrap();
        assert_eq!((task.state, task.progress), expected);
        assert_eq!(task.failure, None);
    }
    assert!(store_task(&call(), sent("Paused")).is_err());
}

#[test]
fn a_default_key_becomes_an_arn_in_every_form_that_ec2_uses() {
    let account: AccountId = "222222222222".parse().unwrap();
    let arn = "arn:aws:kms:us-west-2:222222222222:key/k";
    for (key, region, expected) in [
        (arn, "us-west-2", arn),
        ("k", "us-west-2", arn),
        ("alias/aws/ebs", "us-west-2", "arn:aws:kms:us-west-2:222222222222:alias/aws/ebs"),
        ("k", "cn-north-1", "arn:aws-cn:kms:cn-north-1:222222222222:key/k"),
        ("k", "us-gov-west-1", "arn:aws-us-gov:kms:us-gov-west-1:222222222222:key/k"),
    ] {
        let arn = key_arn(key, &region.parse().unwrap(), &account);
        assert_eq!(arn.map(String::from).as_deref(), Some(expected));
    }
}
