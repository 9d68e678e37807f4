//! Deregistration and its protection, names, and what tags allow.

use super::*;
use crate::Settings;
use crate::testing::{pass, world, world_with};

#[tokio::test(start_paused = true)]
async fn protection_with_cooldown_outlasts_its_end_by_a_day() {
    let world = world();
    let id = image(&world, "kept", 8).to_string();
    let id = [("ImageId", id.as_str())];
    let attribute = [id[0], ("Attribute", "deregistrationProtection")];
    let shown =
        async || call(&world, "DescribeImageAttribute", &attribute).await.element("value").unwrap();
    let deregister = async || call(&world, "DeregisterImage", &id).await;
    let protect = "EnableImageDeregistrationProtection";
    let unprotect = "DisableImageDeregistrationProtection";
    assert_eq!(shown().await, "disabled");
    assert_ok(&call(&world, protect, &id).await);
    assert_eq!(shown().await, "enabled-without-cooldown");
    assert_code(&deregister().await, 400, "OperationNotPermitted");
    assert_ok(&call(&world, protect, &[id[0], ("WithCooldown", "true")]).await);
    assert_eq!(shown().await, "enabled-with-cooldown");
    assert_ok(&call(&world, unprotect, &id).await);
    assert_eq!(shown().await, "disabled");
    pass(&world, 24 * 3_600 - 1).await;
    assert_code(&deregister().await, 400, "OperationNotPermitted");
    pass(&world, 1).await;
    assert_ok(&deregister().await);
    assert_code(&deregister().await, 400, "InvalidAMIID.NotFound");
}

#[tokio::test(start_paused = true)]
async fn protection_without_cooldown_ends_at_once() {
    let world = world();
    let id = image(&world, "kept", 8).to_string();
    let id = [("ImageId", id.as_str())];
    assert_ok(&call(&world, "EnableImageDeregistrationProtection", &id).await);
    assert_ok(&call(&world, "DisableImageDeregistrationProtection", &id).await);
    assert_ok(&call(&world, "DeregisterImage", &id).await);
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_deregistered_image_is_free_after_the_configured_time() {
    let mut settings = Settings::default();
    settings.ec2.name_release = std::time::Duration::from_secs(30);
    let world = world_with(settings);
    let source = image(&world, "source", 8).to_string();
    let taken = image(&world, "taken", 8).to_string();
    let copy = [("Name", "taken"), ("SourceImageId", source.as_str()), ("SourceRegion", REGION)];
    assert_code(&call(&world, "CopyImage", &copy).await, 400, "InvalidAMIName.Duplicate");
    assert_ok(&call(&world, "DeregisterImage", &[("ImageId", &taken)]).await);
    assert_code(&call(&world, "CopyImage", &copy).await, 400, "InvalidAMIName.Duplicate");
    pass(&world, 30).await;
    assert_ok(&call(&world, "CopyImage", &copy).await);
}

#[tokio::test(start_paused = true)]
async fn deregistering_with_snapshots_skips_those_that_another_image_uses() {
    let world = world();
    let first = image(&world, "first", 8).to_string();
    let shown = call(&world, "DescribeImages", &[("ImageId.1", &first)]).await;
    let snapshot = shown.element("snapshotId").unwrap();
    let register = [
        ("Name", "second"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot.as_str()),
    ];
    let second = call(&world, "RegisterImage", &register).await.element("imageId").unwrap();
    for (id, outcome) in [(first, "skipped"), (second, "success")] {
        let request = [("ImageId", id.as_str()), ("DeleteAssociatedSnapshots", "true")];
        let reply = call(&world, "DeregisterImage", &request).await;
        assert_eq!(reply.element("returnCode").as_deref(), Some(outcome), "{}", reply.text);
    }
    let gone = call(&world, "DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await;
    assert_code(&gone, 400, "InvalidSnapshot.NotFound");
}

#[tokio::test(start_paused = true)]
async fn tags_are_set_on_all_resources_or_on_none() {
    let world = world();
    let id = image(&world, "tagged", 8).to_string();
    let long = "k".repeat(129);
    let many: Vec<(String, String)> = (1..=51)
        .flat_map(|n| {
            [(format!("Tag.{n}.Key"), format!("k{n}")), (format!("Tag.{n}.Value"), String::new())]
        })
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let pair = [("Tag.1.Key", "k"), ("Tag.1.Value", "v")];
    for (resources, tags, code) in [
        (vec![id.as_str(), "snap-00000000"], &pair[..], "InvalidSnapshot.NotFound"),
        (vec![&id, "vol-00000000"], &pair, "InvalidVolume.NotFound"),
        (vec![&id, "ami-00000000"], &pair, "InvalidAMIID.NotFound"),
        (vec![&id, "vpc-00000000"], &pair, "InvalidID"),
        (vec![&id], &[("Tag.1.Key", "aws:k")], "InvalidParameterValue"),
        (vec![&id], &[("Tag.1.Key", &long)], "InvalidParameterValue"),
        (vec![&id], &many, "TagLimitExceeded"),
        (vec![], &pair, "MissingParameter"),
        (vec![&id], &[], "MissingParameter"),
    ] {
        let names: Vec<String> = (1..=resources.len()).map(|n| format!("ResourceId.{n}")).collect();
        let ids = names.iter().map(String::as_str).zip(resources);
        let parameters: Vec<(&str, &str)> = ids.chain(tags.iter().copied()).collect();
        assert_code(&call(&world, "CreateTags", &parameters).await, 400, code);
    }
    let shown = call(&world, "DescribeTags", &[]).await;
    assert_eq!(elements(&shown, "key"), [""; 0], "no tag was set");
}

#[tokio::test(start_paused = true)]
async fn deleting_a_tag_with_a_value_needs_that_value() {
    let world = world();
    let id = image(&world, "tagged", 8).to_string();
    let resource = ("ResourceId.1", id.as_str());
    let set = [resource, ("Tag.1.Key", "k"), ("Tag.1.Value", "v"), ("Tag.2.Key", "l")];
    assert_ok(&call(&world, "CreateTags", &set).await);
    for (parameters, left) in [
        (vec![("Tag.1.Key", "k"), ("Tag.1.Value", "other")], vec!["k", "l"]),
        (vec![("Tag.1.Key", "k"), ("Tag.1.Value", "v")], vec!["l"]),
        (vec![], vec![]),
    ] {
        let parameters = [vec![resource], parameters].concat();
        assert_ok(&call(&world, "DeleteTags", &parameters).await);
        assert_eq!(elements(&call(&world, "DescribeTags", &[]).await, "key"), left);
    }
}
