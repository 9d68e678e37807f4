//! `amiferry demo`: from images to complete recovery points in one process.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::simulator::bare;
use crate::support::{Process, aws, wait};

const RECOVERY_POINT: &[&str] = &[
    "source_account",
    "source_region",
    "source_image_id",
    "family",
    "policy",
    "tier",
    "target_account",
    "target_region",
    "state",
    "restored_image_id",
    "vault_object",
    "source_created_at",
    "completed_at",
];

fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "{key} is not in {value:#}");
    }
}

#[test]
fn the_demo_prints_one_document_in_which_every_eligible_image_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path());
    command.args(["demo", "--output", "json"]);
    let ended = Process::start("demo", folder.path(), &mut command).finish();
    assert_eq!(ended.status, 0, "{ended:#?}");
    let result = ended.json();
    assert_eq!(result["schema_version"], 1);
    let points = result["recovery_points"].as_array().unwrap();
    assert_eq!(points.len(), 12);
    for point in points {
        has_keys(point, RECOVERY_POINT);
        has_keys(&point["vault_object"], &["bucket", "key", "version_id", "size", "checksum"]);
        assert_eq!(point["state"], "complete", "{point:#}");
        let restored = point["restored_image_id"].as_str();
        assert_eq!(restored.is_some(), point["tier"] == "ready", "{point:#}");
        assert!(point["vault_object"]["size"].as_u64().unwrap() > 0, "{point:#}");
    }
    let families: BTreeSet<&str> =
        points.iter().map(|point| point["family"].as_str().unwrap()).collect();
    assert_eq!(families.len(), 5, "{families:?}");
    let rejected = result["rejected"].as_array().unwrap();
    let mut codes: Vec<&str> =
        rejected.iter().map(|image| image["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["no_policy", "paravirtual", "too_large"]);
    rejected.iter().for_each(|image| has_keys(image, &["source_image_id", "reason"]));
    assert!(ended.stderr.contains("complete"), "plain lines of progress: {}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}'), "no terminal, no colours: {}", ended.stderr);
}

#[test]
fn a_kept_demo_prints_its_endpoints_serves_them_and_ends_well_by_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path());
    let demo = Process::start("demo", folder.path(), command.args(["demo", "--keep"]));
    let word = |label: &str| {
        demo.until(label, |demo| {
            let said = demo.stderr();
            let (_, rest) = said.split_once(label)?;
            let (line, _) = rest.split_once('\n')?;
            line.split_whitespace().next().map(str::to_owned)
        })
    };
    let endpoint = word("  simulated AWS  ");
    let config = word("  configuration  ");
    let mut audit = bare(folder.path());
    audit.env("AWS_ACCESS_KEY_ID", "222222222222").env("AWS_SECRET_ACCESS_KEY", "x");
    audit.args(["audit", "--output", "json", "--config", &config]);
    let mut complete = |name: &str| {
        let audit = Process::start(name, folder.path(), &mut audit).finish();
        let report = audit.json();
        let points = report["recovery_points"].as_array().unwrap().iter();
        points.filter(|point| point["state"] == "complete").count()
    };
    assert!(complete("audit") >= 12);
    // Its owners go on.
    wait::until("another image", || (complete("again") > 12).then_some(()));
    if let Some(cli) = aws::cli() {
        let mut command = std::process::Command::new(cli);
        command
            .env("AWS_ACCESS_KEY_ID", "222222222222")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .args(["--endpoint-url", &endpoint, "--region", "us-west-2", "--output", "json"])
            .args(["ec2", "describe-images", "--owners", "self"]);
        let images = aws::answer(&mut command);
        assert!(images["Images"].as_array().unwrap().len() >= 8, "{images:#}");
    }
    demo.signal("INT");
    let ended = demo.finish();
    assert_eq!(ended.status, 0, "{ended:#?}");
    for heading in ["RECOVERY POINTS", "FAMILIES", "LEFT OUT"] {
        assert!(ended.stdout.contains(heading), "{ended:#?}");
    }
    assert!(!std::path::Path::new(&config).exists(), "{config} is left behind");
}

#[test]
fn a_demo_that_cannot_listen_where_it_should_says_so_before_it_plays() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path());
    // An address for documentation, which no machine has.
    command.args(["demo", "--keep", "--listen", "192.0.2.1"]);
    let ended = Process::start("demo", folder.path(), &mut command).finish();
    assert_eq!((ended.status, ended.stdout.as_str()), (10, ""), "{ended:#?}");
    for said in ["192.0.2.1:9464", "give --listen an address of this machine"] {
        assert!(ended.stderr.contains(said), "{ended:#?}");
    }
}

#[test]
fn ctrl_c_ends_a_demo_half_way_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(folder.path());
    let demo = Process::start("demo", folder.path(), command.arg("demo"));
    demo.until("the first progress", |demo| demo.stderr().contains("ami-").then_some(()));
    demo.signal("INT");
    let ended = demo.finish();
    assert_eq!(ended.status, 130, "{ended:#?}");
    assert!(ended.stderr.contains("interrupted"), "{ended:#?}");
    assert_eq!(ended.stdout, "", "no result, no data");
}
