//! What EC2 must send, what it may leave out, and what its spellings become.

use super::*;

/// A field's name in EC2's answer, and what takes it away.
type Spoilt<T> = (&'static str, fn(&mut T));

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
    let image = image(sent_image()).unwrap();
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

/// What the image is read as without this field.
fn without(spoil: fn(&mut types::Image)) -> Result<Image, Unreadable> {
    let mut sent = sent_image();
    spoil(&mut sent);
    image(sent)
}

fn devices(sent: &mut types::Image) -> &mut Vec<types::BlockDeviceMapping> {
    sent.block_device_mappings.as_mut().unwrap()
}

fn ebs(sent: &mut types::Image) -> &mut types::EbsBlockDevice {
    devices(sent)[0].ebs.as_mut().unwrap()
}

#[test]
fn an_image_without_a_field_that_a_safe_decision_needs_is_listed_under_its_id() {
    let rows: [Spoilt<types::Image>; 18] = [
        ("imageOwnerId", |image| image.owner_id = None),
        ("imageOwnerId", |image| image.owner_id = Some("amazon".to_owned())),
        ("name", |image| image.name = None),
        ("imageState", |image| image.state = None),
        ("creationDate", |image| image.creation_date = Some("yesterday".to_owned())),
        ("architecture", |image| image.architecture = None),
        ("virtualizationType", |image| image.virtualization_type = None),
        ("rootDeviceType", |image| image.root_device_type = None),
        ("blockDeviceMapping", |image| image.block_device_mappings = None),
        ("blockDeviceMapping", |image| devices(image).clear()),
        ("ebs", |image| devices(image)[0].ebs = None),
        ("deviceName", |image| devices(image)[0].device_name = None),
        ("snapshotId", |image| ebs(image).snapshot_id = None),
        ("snapshotId", |image| ebs(image).snapshot_id = Some("snap".to_owned())),
        ("volumeSize", |image| ebs(image).volume_size = None),
        ("volumeSize", |image| ebs(image).volume_size = Some(-1)),
        ("deleteOnTermination", |image| ebs(image).delete_on_termination = None),
        ("key of a tag", |image| image.tags.as_mut().unwrap()[0].key = None),
    ];
    for (field, spoil) in rows {
        let unreadable = without(spoil).unwrap_err();
        assert_eq!(unreadable.id.as_deref(), Some("ami-0abcdef1"), "{field}");
        assert!(unreadable.why.contains(field), "{field}: {}", unreadable.why);
    }
    let unreadable = without(|image| image.image_id = None).unwrap_err();
    assert_eq!((unreadable.id, unreadable.why.as_str()), (None, "it has no imageId"));
}

#[test]
fn a_field_that_no_decision_relies_on_claims_nothing_when_it_is_not_there() {
    let image = without(|image| {
        image.public = None;
        image.description = None;
        image.boot_mode = None;
        image.ena_support = None;
        image.root_device_name = None;
        image.deregistration_protection = None;
        image.source_image_region = None;
        ebs(image).encrypted = None;
        ebs(image).volume_type = None;
        ebs(image).iops = None;
    })
    .unwrap();
    let volume = image.devices[0].ebs.as_ref().unwrap();
    assert!(!image.public && !image.ena_support && !volume.encrypted);
    assert_eq!(image.deregistration_protection, DeregistrationProtection::Disabled);
    assert_eq!((volume.volume_type.as_ref(), volume.iops), (None, None));
    assert_eq!((image.source_image, image.boot_mode), (None, None));
}

#[test]
fn an_image_that_is_being_made_may_lack_what_only_a_copy_needs() {
    for state in ["pending", "failed", "deregistered", "transient"] {
        let mut sent = sent_image();
        sent.state = Some(state.into());
        ebs(&mut sent).volume_size = None;
        (sent.name, sent.architecture, sent.virtualization_type) = (None, None, None);
        (sent.root_device_type, sent.tags) = (None, None);
        let image = image(sent).unwrap();
        assert_eq!((image.name.as_str(), image.devices.len()), ("", 0), "{state}");
        assert_eq!(image.virtualization, Virtualization::Other(String::new()));
    }
}

#[test]
fn an_image_in_an_instance_store_may_have_no_name_and_no_snapshot() {
    let old = without(|image| {
        image.root_device_type = Some(types::DeviceType::InstanceStore);
        (image.name, image.block_device_mappings) = (None, None);
    });
    assert_eq!(old.map(|image| image.name), Ok(String::new()));
}

#[test]
fn an_image_that_was_asked_for_by_name_is_listed_under_it_and_read_without_it() {
    let mut nameless = sent_image();
    nameless.name = None;
    assert_eq!(named_image(nameless).map(|image| image.name), Ok(String::new()));
    let mut odd = sent_image();
    odd.owner_id = None;
    assert_eq!(named_image(odd.clone()).unwrap_err().id.as_deref(), Some("web"));
    odd.name = None;
    assert_eq!(named_image(odd).unwrap_err().id.as_deref(), Some("ami-0abcdef1"));
}

#[test]
fn kernels_and_ram_disks_are_no_images() {
    for (id, expected) in [("ami-0abcdef1", true), ("aki-0abcdef1", false), ("ari-1", false)] {
        let sent = types::Image::builder().image_id(id).build();
        assert_eq!(is_machine(&sent), expected, "{id}");
    }
    assert!(is_machine(&types::Image::builder().build()), "one without an id is not left out");
}

#[test]
fn a_value_that_is_not_known_is_kept_as_it_is_spelled() {
    let image = without(|image| {
        image.state = Some("resting".into());
        image.virtualization_type = Some("nested".into());
        image.root_device_type = Some("tape".into());
        image.deregistration_protection = Some("perhaps".to_owned());
    })
    .unwrap();
    assert_eq!(image.state, ImageState::Other("resting".to_owned()));
    assert_eq!(image.virtualization, Virtualization::Other("nested".to_owned()));
    assert_eq!(image.root_device_type, RootDeviceType::Other("tape".to_owned()));
    let kept = DeregistrationProtection::Other("perhaps".to_owned());
    assert_eq!(image.deregistration_protection, kept);
    assert_eq!(image_state("a\u{1b}b"), ImageState::Other("a\\u{1b}b".to_owned()));
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
    ] {
        assert_eq!(image_state(sent), state);
    }
    for (sent, expected) in [
        (None, DeregistrationProtection::Disabled),
        (Some("disabled"), DeregistrationProtection::Disabled),
        (Some("enabled"), DeregistrationProtection::Enabled),
        (Some("enabled-with-cooldown"), DeregistrationProtection::EnabledWithCooldown),
    ] {
        assert_eq!(protection(sent), expected, "{sent:?}");
    }
}

fn sent_snapshot(state: &str, progress: Option<&str>) -> types::Snapshot {
    types::Snapshot::builder()
        .snapshot_id("snap-0abcdef1")
        .state(state.into())
        .set_progress(progress.map(str::to_owned))
        .encrypted(true)
        .kms_key_id("arn:aws:kms:us-west-2:222222222222:key/k")
        .build()
}

#[test]
fn snapshots_show_state_progress_and_encryption() {
    for (state, progress, expected) in [
        ("pending", None, (SnapshotState::Pending, 0)),
        ("pending", Some("45%"), (SnapshotState::Pending, 45)),
        ("pending", Some("half"), (SnapshotState::Pending, 0)),
        ("completed", Some("100%"), (SnapshotState::Completed, 100)),
        ("completed", Some(""), (SnapshotState::Completed, 100)),
        ("recoverable", None, (SnapshotState::Recycled, 0)),
        ("new-state", None, (SnapshotState::Other("new-state".to_owned()), 0)),
    ] {
        let snapshot = snapshot(sent_snapshot(state, progress)).unwrap();
        assert_eq!((snapshot.state, snapshot.progress), expected, "{state} {progress:?}");
    }
}

#[test]
fn a_snapshot_that_does_not_say_whether_it_is_encrypted_is_never_guessed() {
    let rows: [Spoilt<types::Snapshot>; 2] = [
        ("status", |snapshot| snapshot.state = None),
        ("encrypted", |snapshot| snapshot.encrypted = None),
    ];
    for (field, spoil) in rows {
        let mut sent = sent_snapshot("completed", None);
        spoil(&mut sent);
        let unreadable = snapshot(sent).unwrap_err();
        assert_eq!(unreadable.id.as_deref(), Some("snap-0abcdef1"));
        assert!(unreadable.why.contains(field), "{field}: {}", unreadable.why);
    }
}

fn sent_task(state: &str) -> types::StoreImageTaskResult {
    types::StoreImageTaskResult::builder()
        .ami_id("ami-0abcdef1")
        .bucket("staging/path")
        .s3object_key("path/ami-0abcdef1.bin")
        .store_task_state(state)
        .store_task_failure_reason("")
        .build()
}

#[test]
fn a_store_task_without_progress_stands_at_its_beginning_or_its_end() {
    for (state, expected) in [
        ("InProgress", (StoreTaskState::InProgress, 0)),
        ("Completed", (StoreTaskState::Completed, 100)),
        ("Failed", (StoreTaskState::Failed, 0)),
        ("Paused", (StoreTaskState::Other("Paused".to_owned()), 0)),
    ] {
        let task = store_task(sent_task(state)).unwrap();
        assert_eq!((task.state, task.progress), expected);
        assert_eq!(task.failure, None);
    }
    let mut strange = sent_task("Failed");
    strange.progress_percentage = Some(-7);
    assert_eq!(store_task(strange).map(|task| task.progress), Ok(0));
}

#[test]
fn a_store_task_is_listed_under_its_image_even_when_only_its_key_names_it() {
    let rows: [Spoilt<types::StoreImageTaskResult>; 4] = [
        ("amiId", |task| task.ami_id = None),
        ("bucket", |task| task.bucket = None),
        ("s3objectKey", |task| task.s3object_key = None),
        ("storeTaskState", |task| task.store_task_state = None),
    ];
    for (field, spoil) in rows {
        let mut sent = sent_task("InProgress");
        spoil(&mut sent);
        let unreadable = store_task(sent).unwrap_err();
        assert_eq!(unreadable.id.as_deref(), Some("ami-0abcdef1"), "{field}");
        assert!(unreadable.why.contains(field), "{field}: {}", unreadable.why);
    }
}

#[test]
fn a_launch_permission_names_whom_it_is_given_to_or_is_unreadable() {
    let group = types::LaunchPermission::builder().group(types::PermissionGroup::All).build();
    assert_eq!(permission(group), Ok("all".to_owned()));
    assert!(permission(types::LaunchPermission::builder().build()).is_err());
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
