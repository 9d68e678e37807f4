//! Remedies that name things of S3, carried out with the `aws` CLI as a person would.

use std::fs;

use serde_json::{Value, json};

use crate::journey::protect;
use crate::support::simulator::{STAGING_BUCKET, VAULT_BUCKET};
use crate::support::{Account, Role, Simulator, image, wait};

fn vault_key(id: &str) -> String {
    format!("amiferry/111111111111/us-east-1/{id}/image.bin")
}

/// What the audit says of the only recovery point: exit status, state and code.
fn said(simulator: &Simulator) -> (i32, Value, Value) {
    let ended = simulator.run(&["audit", "--output", "json"], &simulator.config());
    let report = ended.json();
    let points = report["recovery_points"].as_array().unwrap();
    assert_eq!(points.len(), 1, "{report:#}");
    (ended.status, points[0]["state"].clone(), points[0]["code"].clone())
}

/// What `explain` prints as the remedy of a code.
fn remedy(simulator: &Simulator, code: &str) -> String {
    let mut command = simulator.command(Account::Vault);
    let ended =
        simulator.spawn("explain", command.args(["explain", code, "--output", "json"])).finish();
    image::text(&ended.json()["remedy"])
}

fn until_complete(simulator: &Simulator) {
    let complete = || (said(simulator).1 == "complete").then_some(());
    wait::until("the recovery point is complete", complete);
}

#[test]
fn a_delete_marker_over_an_object_in_the_vault_is_deleted_by_its_version_id() {
    let Some(simulator) = Simulator::start() else { return };
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    let id = protect(&simulator);
    until_complete(&simulator);
    workers.into_iter().for_each(|worker| assert_eq!(worker.terminate().status, 0));
    let key = vault_key(&id);
    let vault = |arguments: &[&str]| simulator.aws(Account::Vault, arguments);
    let at = ["--bucket", VAULT_BUCKET, "--key", &key];
    vault(&[&["s3api", "delete-object"], &at[..]].concat());
    assert_eq!(said(&simulator), (21, json!("lost"), json!("object_lost")));

    let remedy = remedy(&simulator, "object_lost");
    assert!(remedy.contains("delete the marker by its version id"), "{remedy}");
    let listed =
        vault(&["s3api", "list-object-versions", "--bucket", VAULT_BUCKET, "--prefix", &key]);
    let marker = image::text(&listed["DeleteMarkers"][0]["VersionId"]);
    vault(&[&["s3api", "delete-object"], &at[..], &["--version-id", &marker]].concat());
    assert_eq!(said(&simulator), (0, json!("complete"), json!("complete")));
}

/// Does what the policy of the vault bucket refuses, which lets no one write over an object: takes it away
/// for that time.
fn unguarded(simulator: &Simulator, tamper: impl FnOnce()) {
    let policy = |what: &str, more: &[&str]| {
        let call = ["s3api", what, "--bucket", VAULT_BUCKET];
        simulator.aws(Account::Vault, &[&call[..], more].concat())
    };
    let kept = image::text(&policy("get-bucket-policy", &[])["Policy"]);
    policy("delete-bucket-policy", &[]);
    tamper();
    policy("put-bucket-policy", &["--policy", &kept]);
}

#[test]
fn an_archived_object_is_restored_in_s3_and_its_recovery_point_becomes_complete() {
    let Some(simulator) = Simulator::start() else { return };
    let source = simulator.worker(Role::Source, &simulator.config());
    let id = image::register(&simulator, "app-1", "app");
    let event = image::available(Account::Source.id(), Account::Source.region(), &id);
    simulator.send(Account::Source, &event.to_string());
    let staged = format!("amiferry/us-east-1/{id}.bin");
    let list = ["s3api", "list-objects-v2", "--bucket", STAGING_BUCKET, "--prefix", &staged];
    wait::until("the staged object", || {
        let listed = simulator.aws(Account::Source, &list);
        let mut contents = listed["Contents"].as_array()?.iter();
        contents.any(|found| found["Key"] == staged.as_str()).then_some(())
    });
    assert_eq!(source.terminate().status, 0);
    // A person copies it into the vault, into an archive class.
    let key = vault_key(&id);
    let vault = |arguments: &[&str]| simulator.aws(Account::Vault, arguments);
    let (at, from) =
        (["--bucket", VAULT_BUCKET, "--key", &key], format!("{STAGING_BUCKET}/{staged}"));
    let archived = ["--copy-source", &from, "--storage-class", "GLACIER"];
    let untagged = ["--tagging-directive", "REPLACE"];
    let proven = ["--checksum-algorithm", "CRC64NVME"];
    let copy = [&["s3api", "copy-object"], &at[..], &archived, &untagged, &proven].concat();
    unguarded(&simulator, || drop(vault(&copy)));
    assert_eq!(said(&simulator), (21, json!("unusable"), json!("object_archived")));

    let remedy = remedy(&simulator, "object_archived");
    assert!(remedy.contains("aws s3api restore-object"), "{remedy}");
    let restore = r#"{"Days":35,"GlacierJobParameters":{"Tier":"Expedited"}}"#;
    vault(&[&["s3api", "restore-object"], &at[..], &["--restore-request", restore]].concat());
    assert_eq!(said(&simulator), (21, json!("unusable"), json!("object_archived")));
    simulator.steer("clock", &json!({ "advance": "10m" }));
    let shown = vault(&[&["s3api", "head-object"], &at[..]].concat());
    assert!(image::text(&shown["Restore"]).contains("ongoing-request=\"false\""), "{shown}");
    let target = simulator.worker(Role::Target, &simulator.config());
    until_complete(&simulator);
    assert_eq!(target.terminate().status, 0);
}

#[test]
fn a_copy_that_nothing_proves_is_deleted_and_made_again() {
    let Some(simulator) = Simulator::start() else { return };
    let id = image::register(&simulator, "app-1", "app");
    let key = vault_key(&id);
    let vault = |arguments: &[&str]| simulator.aws(Account::Vault, arguments);
    let body = simulator.folder().join("of-a-stranger");
    fs::write(&body, "of a stranger").unwrap();
    let body = body.display().to_string();
    let beside = ["--bucket", VAULT_BUCKET, "--key", "of-a-stranger", "--body", &body];
    let [from, to] = ["of-a-stranger", &key].map(|key| format!("s3://{VAULT_BUCKET}/{key}"));
    unguarded(&simulator, || {
        vault(&[&["s3api", "put-object"], &beside[..]].concat());
        // Copied by S3 itself, so that it has a checksum of all its bytes.
        vault(&["s3", "cp", &from, &to, "--checksum-algorithm", "CRC64NVME", "--quiet"]);
    });
    let at = ["--bucket", VAULT_BUCKET, "--key", &key];
    let parked = (0, json!("parked"), json!("staged_object_unverifiable"));
    assert_eq!(said(&simulator), parked);

    let remedy = remedy(&simulator, "staged_object_unverifiable");
    assert!(remedy.contains("delete it; the image is then stored and copied again"), "{remedy}");
    vault(&[&["s3api", "delete-object"], &at[..]].concat());
    let workers =
        [Role::Source, Role::Target].map(|role| simulator.worker(role, &simulator.config()));
    until_complete(&simulator);
    workers.into_iter().for_each(|worker| assert_eq!(worker.terminate().status, 0));
}

#[test]
fn a_staged_object_without_a_checksum_gets_one_by_the_command_that_is_printed() {
    let Some(simulator) = Simulator::start() else { return };
    let source = simulator.worker(Role::Source, &simulator.config());
    let id = image::register(&simulator, "app-1", "app");
    let event = image::available(Account::Source.id(), Account::Source.region(), &id);
    simulator.send(Account::Source, &event.to_string());
    let key = format!("amiferry/us-east-1/{id}.bin");
    let staged = |arguments: &[&str]| simulator.aws(Account::Source, arguments);
    wait::until("the staged object", || {
        let listed =
            staged(&["s3api", "list-objects-v2", "--bucket", STAGING_BUCKET, "--prefix", &key]);
        listed["Contents"][0]["Key"].is_string().then_some(())
    });
    assert_eq!(source.terminate().status, 0);
    let url = format!("s3://{STAGING_BUCKET}/{key}");
    // A copy with a checksum of all bytes that no copy in parts can have takes its place.
    let (to, from) =
        (["--bucket", STAGING_BUCKET, "--key", &key], format!("{STAGING_BUCKET}/{key}"));
    let copied = [
        "--copy-source",
        &from,
        "--checksum-algorithm",
        "SHA256",
        "--metadata-directive",
        "REPLACE",
    ];
    staged(&[&["s3api", "copy-object"], &to[..], &copied[..]].concat());
    assert_eq!(said(&simulator), (0, json!("parked"), json!("staged_without_checksum")));

    let remedy = remedy(&simulator, "staged_without_checksum");
    let command = "aws s3 cp with its URL twice and --checksum-algorithm CRC64NVME";
    assert!(remedy.contains(command), "{remedy}");
    staged(&["s3", "cp", &url, &url, "--checksum-algorithm", "CRC64NVME", "--quiet"]);
    let target = simulator.worker(Role::Target, &simulator.config());
    until_complete(&simulator);
    assert_eq!(target.terminate().status, 0);
}

/// What `check` warns of in the vault bucket: the cause and the remedy.
fn open_bucket(simulator: &Simulator) -> Option<(String, String)> {
    let arguments = ["check", "--part", "target", "--output", "json"];
    let checked = simulator.run(&arguments, &simulator.config()).json();
    let findings = checked["parts"][0]["findings"].as_array().unwrap().clone();
    let is_warned =
        |finding: &&Value| finding["hop"] == "vault_bucket" && finding["level"] == "warn";
    let warned = findings.iter().find(is_warned)?;
    Some((image::text(&warned["cause"]), image::text(&warned["remedy"])))
}

#[test]
fn a_vault_bucket_that_is_open_to_others_is_closed_by_the_commands_that_check_prints() {
    let Some(simulator) = Simulator::start() else { return };
    assert_eq!(open_bucket(&simulator), None);
    for open in ["delete-public-access-block", "delete-bucket-ownership-controls"] {
        simulator.aws(Account::Vault, &["s3api", open, "--bucket", VAULT_BUCKET]);
    }
    let (cause, remedy) = open_bucket(&simulator).unwrap();
    assert!(cause.contains("public access") && cause.contains("ACLs"), "{cause}");
    for command in remedy.split(" and then ") {
        let words: Vec<&str> =
            command.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        let (program, arguments) = words.split_first().unwrap();
        assert_eq!(*program, "aws", "{remedy}");
        simulator.aws(Account::Vault, arguments);
    }
    assert_eq!(open_bucket(&simulator), None);
}
