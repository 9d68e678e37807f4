//! Makes images with the `aws` CLI, and the events that announce them.

use serde_json::{Value, json};

use super::wait;
use super::{Account, Simulator};

/// Registers an image of one new volume in the source account, as a person would.
pub fn register(simulator: &Simulator, name: &str, workload: &str) -> String {
    let ec2 = |arguments: &[&str]| simulator.aws(Account::Source, &[&["ec2"], arguments].concat());
    let volume =
        ec2(&["create-volume", "--size=8", "--availability-zone=us-east-1a", "--volume-type=gp3"]);
    let volume = text(&volume["VolumeId"]);
    let snapshot = ec2(&["create-snapshot", "--volume-id", &volume]);
    let snapshot = text(&snapshot["SnapshotId"]);
    wait::until("the snapshot", || {
        let answer = ec2(&["describe-snapshots", "--snapshot-ids", &snapshot]);
        (answer["Snapshots"][0]["State"] == "completed").then_some(())
    });
    let devices = json!([{ "DeviceName": "/dev/xvda", "Ebs": { "SnapshotId": snapshot } }]);
    let tags = format!("ResourceType=image,Tags=[{{Key=workload,Value={workload}}}]");
    let image = ec2(&[
        "register-image",
        "--name",
        name,
        "--architecture=x86_64",
        "--virtualization-type=hvm",
        "--ena-support",
        "--root-device-name=/dev/xvda",
        "--block-device-mappings",
        &devices.to_string(),
        "--tag-specifications",
        &tags,
    ]);
    text(&image["ImageId"])
}

/// What EventBridge says when an image of this account and Region is available.
pub fn available(account: &str, region: &str, image: &str) -> Value {
    json!({
        "version": "0",
        "id": "01234567-0123-0123-0123-0123456789ab",
        "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2",
        "account": account,
        "time": "2026-03-01T12:00:00Z",
        "region": region,
        "resources": [format!("arn:aws:ec2:{region}::image/{image}")],
        "detail": {
            "RequestId": "01234567-0123-0123-0123-0123456789ac",
            "ImageId": image,
            "State": "available",
            "ErrorMessage": "",
        },
    })
}

/// A JSON string as text.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
