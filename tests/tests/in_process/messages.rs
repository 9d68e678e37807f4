//! Invalid and foreign messages are quarantined and deleted, and the good ones pass.

use serde_json::json;

use crate::golden::{ami_event, available};
use crate::stage::events::object_created;
use crate::stage::images::But;
use crate::stage::{Options, Role, hours, minutes, run_test, spec};

#[test]
fn poison_does_not_stop_good_messages_nor_reach_the_dead_letter_queue() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]).unannounced());
        let foreign: amiferry_core::ids::ImageId = "ami-0123456789abcdef0".parse().unwrap();
        let (account, region) = stage.landscape.source.clone();
        let created = |bucket: &str, key: &str| object_created((&account, &region), bucket, key);
        let poison = [
            String::new(),
            "not json".to_owned(),
            "{".repeat(100_000),
            format!(r#"{{"image_id":"{}"}}"#, "a".repeat(100_000)),
            r#"{"image_id":"ami-../../etc/passwd"}"#.to_owned(),
            ami_event("999999999999", "us-east-1", &foreign, "available"),
            ami_event("111111111111", "eu-west-1", &foreign, "available"),
            ami_event("111111111111", "us-east-1", &foreign, "available"),
            json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}).to_string(),
            created("a-foreign-bucket", "amiferry/us-east-1/ami-0123456789abcdef0.bin"),
            created("amiferry-staging-111111111111-us-east-1", "../secret.bin"),
            created(
                "amiferry-staging-111111111111-us-east-1",
                "amiferry/us-east-1/ami-0123456789abcdef0.bin",
            ),
        ];
        stage.start_both();
        stage.pass(minutes(1)).await;
        for body in poison.iter().chain(&[available(stage, &id)]).chain(&poison) {
            stage.send(Role::Source, body.clone());
            stage.send(Role::Target, body.clone());
        }
        // Sooner than the next sweep could have found the image.
        stage.complete_within(minutes(12)).await;
        let metrics = stage.metrics();
        for (worker, reason) in
            [("source", "not_json"), ("source", "foreign_account"), ("target", "foreign_bucket")]
        {
            let series = format!(
                "amiferry_quarantined_messages_total{{worker=\"{worker}\",reason=\"{reason}\"}}"
            );
            let counted = metrics.lines().find(|line| line.starts_with(&series));
            assert!(counted.is_some_and(|line| !line.ends_with(" 0")), "{series}: {counted:?}");
        }
    });
}

#[test]
fn a_queue_full_of_garbage_delays_good_work_but_does_not_lose_it() {
    run_test(Options::default(), async |stage| {
        for n in 0..500 {
            stage.send(Role::Source, format!("garbage {n}"));
            stage.send(Role::Target, format!("garbage {n}"));
        }
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
    });
}

/// Two records of a notification, the first of which has its size as text.
const TWO_RECORDS: &str = include_str!("cases/two-records-one-bad.json");

fn quarantined(stage: &crate::stage::Stage, worker: &str, reason: &str) -> Option<f64> {
    let series =
        format!("amiferry_quarantined_messages_total{{worker=\"{worker}\",reason=\"{reason}\"}} ");
    stage.metrics().lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

#[test]
fn of_several_records_the_good_ones_are_used_and_the_bad_ones_quarantined() {
    // The target worker hears of the staged object by this message alone.
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start(Role::Source);
        stage.start(Role::Target);
        stage.until_staged(&id).await;
        let body = TWO_RECORDS.replace("ami-0a3716ae54ca4bd20", id.as_str());
        stage.send(Role::Target, body);
        stage.complete_within(minutes(14)).await;
        assert_eq!(quarantined(stage, "target", "bad_field"), Some(1.0));
    });
}

#[test]
fn an_imitation_is_quarantined_and_a_file_beside_the_staged_images_is_ignored() {
    run_test(Options::default(), async |stage| {
        let id: amiferry_core::ids::ImageId = "ami-0123456789abcdef0".parse().unwrap();
        let (account, region) = stage.landscape.source.clone();
        stage.start_both();
        stage.pass(minutes(1)).await;
        let imitated = available(stage, &id).replace("aws.ec2", "aws.evil");
        let key = "amiferry/us-east-1/ami-0123456789abcdef0.json";
        let bucket = amiferry_simulator::landscape::STAGING_BUCKET;
        let beside = object_created((&account, &region), bucket, key);
        for role in [Role::Source, Role::Target] {
            stage.send(role, imitated.clone());
            stage.send(role, beside.clone());
        }
        stage.pass(minutes(2)).await;
        for worker in ["source", "target"] {
            assert_eq!(quarantined(stage, worker, "unknown_shape"), Some(1.0), "{worker}");
            assert_eq!(quarantined(stage, worker, "foreign_key").unwrap_or(0.0), 0.0, "{worker}");
        }
        stage.complete_within(minutes(5)).await;
    });
}
