//! `amiferry explain`: what a message would do, and what a reason code means.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::image;
use crate::support::simulator::{STAGING_BUCKET, bare};
use crate::support::{Account, Outcome, Process, Role, Simulator};

const IMAGE: &str = "ami-0123456789abcdef0";

fn finish(folder: &Path, command: &mut Command) -> Outcome {
    Process::start("explain", folder, command).finish()
}

/// Runs `amiferry explain` on a body from standard input.
fn explain(folder: &Path, command: &mut Command, body: &str) -> Value {
    let file = folder.join("stdin");
    fs::write(&file, body).unwrap();
    command.args(["explain", "--event", "-", "--output", "json"]);
    let ended = finish(folder, command.stdin(File::open(&file).unwrap()));
    assert_eq!(ended.status, 0, "{ended:#?}");
    let explanation = ended.json();
    assert_eq!(explanation["schema_version"], 1);
    explanation
}

fn fixture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join("crates/core/src/event/fixtures").join(name)).unwrap()
}

/// A message as SNS delivers it without raw delivery.
pub fn in_sns(body: &str) -> String {
    json!({
        "Type": "Notification",
        "MessageId": "01234567-0123-0123-0123-0123456789ad",
        "TopicArn": "arn:aws:sns:us-east-1:111111111111:images",
        "Message": body,
    })
    .to_string()
}

#[test]
fn each_kind_of_event_is_named_with_what_it_points_at() {
    let folder = tempfile::tempdir().unwrap();
    let operator = json!({ "image_id": IMAGE }).to_string();
    let rows = [
        (fixture("ami_available.json"), "ami_state_change", 1, 0),
        (in_sns(&fixture("ami_available.json")), "ami_state_change", 1, 0),
        (fixture("s3_notification.json"), "s3_notification", 0, 3),
        (fixture("s3_object_created.json"), "s3_event_bridge", 0, 1),
        (fixture("s3_object_deleted.json"), "s3_event_bridge", 0, 1),
        (fixture("s3_test_event.json"), "s3_test_event", 0, 0),
        (fixture("snapshot.json"), "snapshot_notification", 0, 0),
        (fixture("cloudtrail_create_image.json"), "cloud_trail_create_image", 1, 0),
        (fixture("cloudtrail_create_image_failed.json"), "cloud_trail_create_image", 0, 0),
        (fixture("backup_job_completed.json"), "backup_job", 1, 0),
        (fixture("backup_copy_job_completed.json"), "backup_copy_job", 1, 0),
        (fixture("backup_copy_job_running.json"), "backup_copy_job", 0, 0),
        (fixture("backup_recovery_point.json"), "backup_recovery_point", 1, 0),
        (operator, "operator", 1, 0),
    ];
    for (body, kind, images, objects) in rows {
        let said = explain(folder.path(), &mut bare(folder.path()), &body);
        assert_eq!(said["kind"], kind, "{said:#}");
        assert_eq!(said["image_ids"].as_array().unwrap().len(), images, "{said:#}");
        assert_eq!(said["objects"].as_array().unwrap().len(), objects, "{said:#}");
        let nothing = images + objects == 0;
        let (decision, code) =
            if nothing { ("ignore", "names_nothing") } else { ("look", "not_compared") };
        assert_eq!((&said["decision"], &said["code"]), (&json!(decision), &json!(code)));
        assert!(!said["reason"].as_str().unwrap().is_empty(), "{said:#}");
    }
}

#[test]
fn a_message_that_cannot_be_read_would_be_quarantined() {
    let folder = tempfile::tempdir().unwrap();
    let deep = "[".repeat(100) + &"]".repeat(100);
    let long = format!("{{\"image_id\":\"{}\"}}", "x".repeat(1 << 20));
    for (body, code) in [
        ("", "not_json"),
        ("Hello!", "not_json"),
        ("{}", "unknown_shape"),
        (deep.as_str(), "too_deep"),
        (long.as_str(), "too_long"),
        (r#"{"image_id":"ami-1","image_id":"ami-2"}"#, "duplicate_key"),
        (r#"{"image_id":"i-0123456789abcdef0"}"#, "bad_field"),
    ] {
        let said = explain(folder.path(), &mut bare(folder.path()), body);
        assert_eq!(said["kind"], Value::Null, "{said:#}");
        assert_eq!(said["decision"], "quarantine", "{said:#}");
        assert_eq!(said["code"], code, "{said:#}");
    }
}

#[test]
fn with_a_configuration_it_says_whose_message_it_is() {
    let Some(simulator) = Simulator::start() else { return };
    let with_config = |body: &str| {
        let mut command = simulator.command(Account::Vault);
        command.env("AMIFERRY_CONFIG", simulator.config());
        explain(simulator.folder(), &mut command, body)
    };
    let staged = |bucket: &str, key: &str| {
        json!({
            "version": "0", "id": "x", "detail-type": "Object Created", "source": "aws.s3",
            "account": "111111111111", "region": "us-east-1", "time": "2026-03-01T12:00:00Z",
            "resources": [], "detail": { "bucket": { "name": bucket }, "object": { "key": key } },
        })
    };
    let key = format!("amiferry/us-east-1/{IMAGE}.bin");
    let elsewhere = format!("amiferry/us-east-1/../{IMAGE}.bin");
    for (event, decision, code) in [
        (image::available("111111111111", "us-east-1", IMAGE), "look", "ours"),
        (image::available("333333333333", "us-east-1", IMAGE), "quarantine", "foreign_account"),
        (image::available("111111111111", "eu-west-1", IMAGE), "quarantine", "foreign_region"),
        (staged(STAGING_BUCKET, &key), "look", "ours"),
        (staged("bucket-of-another", &key), "quarantine", "foreign_bucket"),
        (staged(STAGING_BUCKET, &elsewhere), "quarantine", "foreign_key"),
    ] {
        let said = with_config(&event.to_string());
        assert_eq!(
            (&said["decision"], &said["code"]),
            (&json!(decision), &json!(code)),
            "{said:#}"
        );
    }
}

#[test]
fn asking_aws_says_what_would_be_done_now() {
    let Some(simulator) = Simulator::start() else { return };
    let ask = |account: Account, id: &str| {
        let mut command = simulator.command(account);
        command.env("AMIFERRY_CONFIG", simulator.config());
        let event = image::available(Account::Source.id(), Account::Source.region(), id);
        let file = simulator.folder().join("event.json");
        fs::write(&file, event.to_string()).unwrap();
        command.args(["explain", "--ask-aws", "--output", "json", "--event"]).arg(&file);
        let ended = simulator.spawn("explain", &mut command).finish();
        assert_eq!(ended.status, 0, "{ended:#?}");
        ended.json()
    };
    let ours = image::register(&simulator, "app-1", "app");
    let said = ask(Account::Source, &ours);
    assert_eq!((&said["decision"], &said["code"]), (&json!("store"), &json!("act")), "{said:#}");
    let absent = ask(Account::Source, IMAGE);
    // A young image may not show yet, so what is not there is looked at again.
    assert_eq!((&absent["decision"], &absent["code"]), (&json!("wait"), &json!("settling")));

    let source = simulator.worker(Role::Source, &simulator.config());
    let target = simulator.worker(Role::Target, &simulator.config());
    simulator.until_complete(1);
    let said = ask(Account::Source, &ours);
    assert_eq!(
        (&said["decision"], &said["code"]),
        (&json!("done"), &json!("complete")),
        "{said:#}"
    );
    drop((source, target));
}

#[test]
fn the_id_of_an_image_is_explained_by_the_place_that_shows_it_or_is_unknown() {
    let Some(simulator) = Simulator::start() else { return };
    let explain = |id: &str| {
        let arguments = ["explain", id, "--ask-aws", "--output", "json"];
        simulator.run(&arguments, &simulator.config())
    };
    let ours = image::register(&simulator, "app-1", "app");
    let source = simulator.worker(Role::Source, &simulator.config());
    let target = simulator.worker(Role::Target, &simulator.config());
    let report = simulator.until_complete(1);
    drop((source, target));
    let restored = report["recovery_points"][0]["restored_image_id"].as_str().unwrap();
    let said = explain(restored);
    assert_eq!(said.status, 0, "{said:#?}");
    let (decision, code) = (&said.json()["decision"], &said.json()["code"]);
    assert_eq!((decision, code), (&json!("done"), &json!("complete")), "{said:#?}");

    // With the vault's credentials, which show no image of the source: the copy tells.
    let copied = explain(&ours);
    assert_eq!(copied.json()["code"], "complete", "{copied:#?}");

    let unknown = explain(IMAGE);
    assert_eq!((unknown.status, unknown.stdout.as_str()), (1, ""), "{unknown:#?}");
    let words = format!("EC2 shows {IMAGE} in no source and in no vault");
    assert!(unknown.stderr.contains(&words), "{unknown:#?}");
}

#[test]
fn a_code_is_explained_and_an_unknown_one_answered_with_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let code = |code: &str| {
        let mut command = bare(folder.path());
        finish(folder.path(), command.args(["explain", code]))
    };
    let known = code("paravirtual");
    assert_eq!(known.status, 0, "{known:#?}");
    assert!(known.stdout.contains("means: ") && known.stdout.contains("to do: "), "{known:#?}");
    let unknown = code("gremlins");
    assert_eq!(unknown.status, 1, "{unknown:#?}");
    for word in ["gremlins", "paravirtual", "quota_full"] {
        assert!(unknown.stderr.contains(word), "{word} is not in {unknown:#?}");
    }
}
