//! Volumes, snapshots and encryption by default.

use super::*;
use crate::kms;
use crate::testing::{OTHER, pass, world};

#[tokio::test(start_paused = true)]
async fn a_snapshot_progresses_and_backs_an_image_only_when_complete() {
    let world = world();
    let volume = [("AvailabilityZone", "us-east-1a"), ("Size", "100")];
    let volume = call(&world, "CreateVolume", &volume).await.element("volumeId").unwrap();
    let made = call(&world, "CreateSnapshot", &[("VolumeId", &volume)]).await;
    let id = made.element("snapshotId").unwrap();
    let ask = [("SnapshotId.1", id.as_str())];
    let register = [
        ("Name", "from snapshot"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", id.as_str()),
    ];
    assert_code(&call(&world, "RegisterImage", &register).await, 400, "IncorrectState");
    pass(&world, 567).await;
    let half = call(&world, "DescribeSnapshots", &ask).await;
    assert_eq!(half.element("status").as_deref(), Some("pending"));
    assert_eq!(half.element("progress").as_deref(), Some("50%"));
    pass(&world, 567).await;
    let done = call(&world, "DescribeSnapshots", &ask).await;
    assert_eq!(done.element("status").as_deref(), Some("completed"));
    assert_eq!(done.element("progress").as_deref(), Some("100%"));
    assert_ok(&call(&world, "RegisterImage", &register).await);
    let delete = [("SnapshotId", id.as_str())];
    assert_code(&call(&world, "DeleteSnapshot", &delete).await, 400, "InvalidSnapshot.InUse");
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_listed_until_it_is_deleted_and_its_snapshots_stay() {
    let world = world();
    let tag = |value| {
        [
            ("AvailabilityZone", "us-east-1a"),
            ("Size", "1"),
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "for"),
            ("TagSpecification.1.Tag.1.Value", value),
        ]
    };
    let made = call(&world, "CreateVolume", &tag("me")).await.element("volumeId").unwrap();
    let other = call(&world, "CreateVolume", &tag("you")).await.element("volumeId").unwrap();
    let snapshot = call(&world, "CreateSnapshot", &[("VolumeId", &made)]).await;
    let of = [("Filter.1.Name", "tag:for"), ("Filter.1.Value.1", "me")];
    let listed = call(&world, "DescribeVolumes", &of).await;
    assert_eq!(elements(&listed, "volumeId"), std::slice::from_ref(&made));
    assert_eq!(listed.element("status").as_deref(), Some("available"));
    let elsewhere = call_in(&world, ELSEWHERE, ACCOUNT, "DescribeVolumes", &[]).await;
    assert_eq!(elements(&elsewhere, "volumeId"), [] as [String; 0]);
    let foreign = call_in(&world, REGION, OTHER, "DeleteVolume", &[("VolumeId", &made)]).await;
    assert_code(&foreign, 400, "InvalidVolume.NotFound");
    assert_ok(&call(&world, "DeleteVolume", &[("VolumeId", &made)]).await);
    for (action, name) in [("DeleteVolume", "VolumeId"), ("DescribeVolumes", "VolumeId.1")] {
        assert_code(&call(&world, action, &[(name, &made)]).await, 400, "InvalidVolume.NotFound");
    }
    let left = call(&world, "DescribeVolumes", &[]).await;
    assert_eq!(elements(&left, "volumeId"), [other]);
    let id = snapshot.element("snapshotId").unwrap();
    assert_ok(&call(&world, "DescribeSnapshots", &[("SnapshotId.1", &id)]).await);
}

#[tokio::test(start_paused = true)]
async fn encryption_by_default_encrypts_new_volumes_with_the_chosen_key() {
    let world = world();
    let volume = [("AvailabilityZone", "us-east-1a"), ("Size", "1")];
    let encrypted = async || {
        let reply = call(&world, "CreateVolume", &volume).await;
        (reply.element("encrypted").unwrap(), reply.element("kmsKeyId"))
    };
    assert_eq!(encrypted().await, ("false".to_owned(), None));
    assert_ok(&call(&world, "EnableEbsEncryptionByDefault", &[]).await);
    let key = call(&world, "GetEbsDefaultKmsKeyId", &[]).await;
    assert_eq!(key.element("kmsKeyId").as_deref(), Some("alias/aws/ebs"));
    let managed = encrypted().await;
    let alias = "arn:aws:kms:us-east-1:111111111111:alias/aws/ebs".parse().unwrap();
    let behind = kms::key_behind(&world.lock(), &alias).unwrap().to_string();
    assert_eq!(managed, ("true".to_owned(), Some(behind)));
    assert_eq!(managed, encrypted().await, "the managed key is made once");
    let own = super::key(&world, ACCOUNT, REGION).to_string();
    let id = own.rsplit('/').next().unwrap();
    assert_ok(&call(&world, "ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", id)]).await);
    assert_eq!(encrypted().await, ("true".to_owned(), Some(own)));
    assert_ok(&call(&world, "DisableEbsEncryptionByDefault", &[]).await);
    assert_eq!(encrypted().await, ("false".to_owned(), None));
    let setting = call(&world, "GetEbsEncryptionByDefault", &[]).await;
    assert_eq!(setting.element("ebsEncryptionByDefault").as_deref(), Some("false"));
}

#[tokio::test(start_paused = true)]
async fn describing_snapshots_pages_and_filters_and_refuses_what_is_not_there() {
    let world = world();
    let volumes = |key: Option<&str>| {
        let encrypted = key.map(|key| key.parse().unwrap());
        vec![VolumeSpec { encrypted, ..VolumeSpec::default() }]
    };
    for number in 0..6 {
        let key = (number == 0).then_some("arn:aws:kms:us-east-1:111111111111:key/1");
        let spec = ImageSpec {
            name: format!("image {number}"),
            volumes: volumes(key),
            ..Default::default()
        };
        put(&world, spec);
    }
    let first = call(&world, "DescribeSnapshots", &[("MaxResults", "5")]).await;
    assert_eq!(elements(&first, "snapshotId").len(), 5);
    let token = first.element("nextToken").unwrap();
    let rest = [("MaxResults", "5"), ("NextToken", token.as_str())];
    assert_eq!(elements(&call(&world, "DescribeSnapshots", &rest).await, "snapshotId").len(), 1);
    let filter = [("Filter.1.Name", "encrypted"), ("Filter.1.Value.1", "true")];
    let encrypted = call(&world, "DescribeSnapshots", &filter).await;
    assert_eq!(elements(&encrypted, "snapshotId").len(), 1);
    for (parameters, code) in [
        ([("SnapshotId.1", "snap-00000000")], "InvalidSnapshot.NotFound"),
        ([("SnapshotId.1", "ami-00000000")], "InvalidSnapshotID.Malformed"),
        ([("MaxResults", "4")], "InvalidParameterValue"),
    ] {
        assert_code(&call(&world, "DescribeSnapshots", &parameters).await, 400, code);
    }
}

#[tokio::test(start_paused = true)]
async fn zones_and_regions_are_filtered() {
    let world = world();
    let filter = |name, value| [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
    let zones = call(&world, "DescribeAvailabilityZones", &filter("zone-name", "us-east-1b")).await;
    assert_eq!(elements(&zones, "zoneName"), ["us-east-1b"]);
    let regions = call(&world, "DescribeRegions", &filter("region-name", "eu-*")).await;
    assert_eq!(elements(&regions, "regionName"), ["eu-central-1", "eu-west-1"]);
    let refused = call(&world, "DescribeRegions", &filter("colour", "red")).await;
    assert_code(&refused, 400, "InvalidParameterValue");
}
