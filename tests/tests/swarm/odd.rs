//! Items of AWS's listings that lack a field, or have a value that no API model knows.

use std::time::Duration;

use amiferry_simulator::faults::{Edit, Effect, Entry, Rule, When};
use amiferry_simulator::landscape::{SOURCE_REGION, VAULT_REGION};
use amiferry_simulator::wire::scope::Service;

use crate::mischief::Mischief;
use crate::plan::Arrival;

/// A listing, the fields that its items can lack, and those that can have a new value. What tells
/// whose an item is (its tags) is not among them: without it AWS would say something else, and not
/// less.
struct Listing {
    service: Service,
    operation: &'static str,
    lacking: &'static [&'static str],
    new: &'static [&'static str],
}

const LISTINGS: [Listing; 6] = [
    Listing {
        service: Service::Ec2,
        operation: "DescribeImages",
        lacking: &[
            "imageLocation",
            "imageState",
            "imageOwnerId",
            "creationDate",
            "architecture",
            "imageType",
            "platformDetails",
            "usageOperation",
            "name",
            "rootDeviceType",
            "rootDeviceName",
            "blockDeviceMapping",
            "deviceName",
            "snapshotId",
            "volumeSize",
            "volumeType",
            "encrypted",
            "virtualizationType",
            "hypervisor",
        ],
        new: &["imageState", "architecture", "imageType", "rootDeviceType", "volumeType"],
    },
    Listing {
        service: Service::Ec2,
        operation: "DescribeStoreImageTasks",
        lacking: &[
            "amiId",
            "taskStartTime",
            "bucket",
            "s3objectKey",
            "progressPercentage",
            "storeTaskState",
        ],
        new: &["storeTaskState"],
    },
    Listing {
        service: Service::Ec2,
        operation: "DescribeSnapshots",
        lacking: &["snapshotId", "status", "encrypted", "kmsKeyId", "progress"],
        new: &["status"],
    },
    Listing {
        service: Service::S3,
        operation: "ListObjectsV2",
        lacking: &["Key", "LastModified", "ETag", "Size"],
        new: &["StorageClass"],
    },
    Listing {
        service: Service::S3,
        operation: "ListObjectVersions",
        lacking: &["Key", "LastModified", "ETag", "Size"],
        new: &["StorageClass"],
    },
    Listing {
        service: Service::S3,
        operation: "ListMultipartUploads",
        lacking: &["Key", "UploadId", "Initiated"],
        new: &["StorageClass"],
    },
];

/// In some runs some answers have such items: those of one image by its name, or all.
pub fn draw(dice: &mut fastrand::Rng, chaos: Duration, fleet: &[Arrival]) -> Vec<Mischief> {
    let times = if dice.u8(..4) == 0 { dice.usize(1..=3) } else { 0 };
    (0..times).map(|_| one(dice, chaos, fleet)).collect()
}

fn one(dice: &mut fastrand::Rng, chaos: Duration, fleet: &[Arrival]) -> Mischief {
    let listing = &LISTINGS[dice.usize(..LISTINGS.len())];
    let edit = if dice.u8(..4) == 0 {
        Edit::setting(listing.new[dice.usize(..listing.new.len())], "unheard-of")
    } else {
        Edit::dropping(listing.lacking[dice.usize(..listing.lacking.len())])
    };
    let edit = match dice.bool() {
        true => edit.of(&fleet[dice.usize(..fleet.len())].spec.name),
        false => edit,
    };
    let region = [SOURCE_REGION, VAULT_REGION][dice.usize(..2)].parse().unwrap();
    let chance = [0.1, 0.5, 1.0][dice.usize(..3)];
    let until = chaos.mul_f64(dice.f64()) + Duration::from_secs(60);
    let rule = Rule::new(Effect::Edit(edit)).on(listing.service, listing.operation);
    let when = When::probability(chance).between(Duration::ZERO, until);
    Mischief::Aws(Box::new(Entry::Fault(rule.in_region(region).when(when))))
}
