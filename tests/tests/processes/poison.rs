//! Unusable messages do no harm: the worker logs each once with its reason and deletes it, and
//! serves the good ones behind them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::explain::in_sns;
use crate::support::image;
use crate::support::simulator::STAGING_BUCKET;
use crate::support::{Account, Process, Role, Simulator, scrape, wait};

const IMAGE: &str = "ami-0123456789abcdef0";

/// Longest piece of a body in the log, in characters, with room for what marks the cut.
const LONGEST_SHOWN: usize = 1_100;

fn object_created(bucket: &str, key: &str) -> String {
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventName": "ObjectCreated:CompleteMultipartUpload",
            "s3": { "bucket": { "name": bucket }, "object": { "key": key, "size": 1 } },
        }],
    })
    .to_string()
}

/// Bodies for the source worker, each with the reason for which it is refused.
fn to_source() -> Vec<(String, &'static str)> {
    let event = |account, region| image::available(account, region, IMAGE).to_string();
    vec![
        ("Hello!".to_owned(), "not_json"),
        (format!("{{{}", "x".repeat(200 * 1024)), "not_json"),
        ("{}".to_owned(), "unknown_shape"),
        (event("333333333333", "us-east-1"), "foreign_account"),
        (event("111111111111", "eu-west-1"), "foreign_region"),
        (json!({ "image_id": "ami-../../etc/passwd" }).to_string(), "bad_field"),
    ]
}

/// The same for the target worker.
fn to_target() -> Vec<(String, &'static str)> {
    let outside = format!("amiferry/us-east-1/..%2F..%2F{IMAGE}.bin");
    vec![
        ("]".to_owned(), "not_json"),
        (
            object_created("bucket-of-another", &format!("amiferry/us-east-1/{IMAGE}.bin")),
            "foreign_bucket",
        ),
        (object_created(STAGING_BUCKET, &outside), "foreign_key"),
    ]
}

fn counted(bodies: &[(String, &'static str)]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, code) in bodies {
        *counts.entry((*code).to_owned()).or_default() += 1;
    }
    counts
}

/// The records of refused messages, by reason.
fn quarantined(worker: &Process) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let log = worker.log();
    for record in log.iter().filter(|record| record["message"] == "message quarantined") {
        assert!(record["messaging.message.id"].is_string(), "{record:#}");
        let shown = record["amiferry.message.body"].as_str().unwrap();
        assert!(shown.chars().count() <= LONGEST_SHOWN, "{} characters", shown.chars().count());
        *counts.entry(image::text(&record["amiferry.reason"])).or_default() += 1;
    }
    counts
}

fn assert_counted(worker: &Process, refused: &[(String, &'static str)]) {
    let expected = counted(refused);
    worker.until("a record of each kind of refused message", |worker| {
        quarantined(worker).keys().eq(expected.keys()).then_some(())
    });
    for (code, count) in quarantined(worker) {
        assert!(count <= expected[&code], "{count} records of {code}");
    }
    let address = scrape::address(worker);
    for (code, count) in expected {
        let label = format!("reason=\"{code}\"");
        let counted = worker.until("the metric of each refused message", |_| {
            let page = scrape::get(&address, "/metrics");
            let found = scrape::metric(&page, "amiferry_quarantined_messages_total", &label);
            (found >= count).then_some(found)
        });
        assert_eq!(counted, count, "{code}");
    }
}

#[test]
fn unusable_messages_are_recorded_and_deleted_and_delay_nothing() {
    let Some(simulator) = Simulator::start() else { return };
    for (body, _) in to_source() {
        simulator.send(Account::Source, &body);
    }
    for (body, _) in to_target() {
        simulator.send(Account::Vault, &body);
    }
    let test_event = json!({
        "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-03-01T12:00:00.000Z",
        "Bucket": STAGING_BUCKET, "RequestId": "5582815E1AEA5ADF", "HostId": "8cLeGAmw098X5cv4",
    });
    simulator.send(Account::Vault, &test_event.to_string());
    let other_file = object_created(STAGING_BUCKET, "amiferry/us-east-1/notes.txt");
    simulator.send(Account::Vault, &other_file);

    let source = simulator.worker(Role::Source, &simulator.config());
    let target = simulator.worker(Role::Target, &simulator.config());
    let good = image::register(&simulator, "app-1", "app");
    let event = image::available(Account::Source.id(), Account::Source.region(), &good);
    simulator.send(Account::Source, &in_sns(&event.to_string()));
    let report: Value = simulator.until_complete(1);
    assert_eq!(report["recovery_points"][0]["source_image_id"], good);

    assert_counted(&source, &to_source());
    assert_counted(&target, &to_target());
    for account in [Account::Source, Account::Vault] {
        let queue = account.queue();
        wait::until("an empty queue", || (simulator.depth(account, queue) == (0, 0)).then_some(()));
        assert_eq!(simulator.depth(account, &format!("{queue}-dead")), (0, 0), "{queue}");
    }
    for worker in [source, target] {
        let address = scrape::address(&worker);
        worker.until("the worker to be ready", |_| {
            scrape::get(&address, "/readyz").starts_with("HTTP/1.1 200 ").then_some(())
        });
        assert_eq!(worker.terminate().status, 0);
    }
}
