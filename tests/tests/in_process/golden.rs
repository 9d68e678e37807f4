//! The steps of every image when nothing goes wrong.

use amiferry_core::ids::ImageId;
use amiferry_core::span::Span;
use amiferry_simulator::ec2::VolumeSpec;
use serde_json::json;

use crate::stage::images::But;
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec};

/// The event of an image as EventBridge sends it.
pub fn available(stage: &Stage, id: &ImageId) -> String {
    let (account, region) = &stage.landscape.source;
    ami_event(account.as_str(), region.as_str(), id, "available")
}

/// An `EC2 AMI State Change` of any account and Region.
pub fn ami_event(account: &str, region: &str, id: &ImageId, state: &str) -> String {
    json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2",
        "account": account,
        "time": "2026-01-02T03:04:05Z",
        "region": region,
        "resources": [format!("arn:aws:ec2:{region}::image/{id}")],
        "detail": { "RequestId": "r", "ImageId": id, "State": state, "ErrorMessage": "" },
    })
    .to_string()
}

#[test]
fn an_announced_image_becomes_a_protected_image_in_the_vault() {
    run_test(Options::default(), async |stage| {
        stage.start_both();
        stage.pass(minutes(1)).await;
        stage.image(spec("web", "web-1", &[8]));
        stage.complete_within(minutes(10)).await;
    });
}

#[test]
fn a_sweep_alone_finds_and_completes_an_image() {
    run_test(Options::default(), async |stage| {
        stage.start_both();
        stage.pass(minutes(1)).await;
        stage.image(spec("web", "web-1", &[8]).unannounced());
        // The source's sweep, then the target's, which has no event of the image to wait for.
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn images_that_were_there_before_the_workers_are_completed() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("web", "web-1", &[8]).unannounced());
        stage.image(spec("web", "web-2", &[8]));
        stage.pass(hours(2)).await;
        stage.start_both();
        stage.complete_within(minutes(15)).await;
    });
}

#[test]
fn every_event_twice_in_reverse_and_late_changes_nothing() {
    run_test(Options::default(), async |stage| {
        let ids: Vec<_> = (0..4)
            .map(|n| stage.image(spec("web", &format!("web-{n}"), &[8]).unannounced()))
            .collect();
        for id in ids.iter().rev() {
            let event = available(stage, id);
            stage.send(Role::Source, event.clone());
            stage.send(Role::Source, event);
        }
        stage.start_both();
        stage.complete_within(minutes(20)).await;
        stage.pass(minutes(40)).await;
        for id in &ids {
            stage.send(Role::Source, available(stage, id));
            stage.send(Role::Target, available(stage, id));
        }
        stage.pass(minutes(10)).await;
        stage.complete_within(minutes(1)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), ids.len());
        assert_eq!(stage.wire.calls("CreateRestoreImageTask").len(), ids.len());
        assert_eq!(stage.wire.calls("CompleteMultipartUpload").len(), ids.len());
    });
}

#[test]
fn an_archived_image_rests_in_the_vault_and_is_not_restored() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("analytics", "analytics-4", &[40]));
        stage.start_both();
        stage.complete_within(minutes(20)).await;
        assert!(stage.wire.calls("CreateRestoreImageTask").is_empty());
    });
}

#[test]
fn images_under_any_key_and_of_any_shape_arrive_with_their_data() {
    run_test(Options::default(), async |stage| {
        let (account, region) = &stage.landscape.source;
        let aws_managed = format!("arn:aws:kms:{region}:{account}:alias/aws/ebs").parse().unwrap();
        let customer = stage.landscape.workload_key.clone();
        stage.image(spec("orders-db", "orders-db-1", &[10, 40, 20]).encrypted(&customer));
        stage.image(spec("payments", "payments-1", &[12]).encrypted(&aws_managed));
        stage.image(spec("web", "web-1", &[8, 8]));
        let mut provisioned = spec("orders-db", "orders-db-2", &[8]);
        provisioned.volumes.push(VolumeSpec {
            device: "/dev/sdf".to_owned(),
            size_gib: 100,
            volume_type: "io2".to_owned(),
            iops: Some(4_000),
            encrypted: Some(customer),
            ..VolumeSpec::default()
        });
        stage.image(provisioned);
        stage.start_both();
        stage.complete_within(hours(1)).await;
    });
}

#[test]
fn the_largest_image_that_aws_takes_is_completed() {
    let mut options = Options::with(|settings| {
        settings.ec2.store.megabytes_per_second = 1_000;
        settings.ec2.restore.megabytes_per_second = 1_000;
    });
    options.configure = |config| {
        config.workers.part_size_mib = 4_096.try_into().ok();
        config.workers.poll_interval = Span::from_secs(300);
    };
    run_test(options, async |stage| {
        stage.image(spec("orders-db", "orders-db-1", &[1_000, 4_000]));
        stage.start_both();
        // Store and restore take an hour and a half each at 1 GB/s.
        stage.complete_within(hours(5)).await;
    });
}
