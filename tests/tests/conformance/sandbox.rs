//! The script of `deploy/conformance`: it must see the settings that the simulated AWS was started with,
//! and leave nothing. `tests/conformance/sandboxed.py` runs it in simulated time.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use amiferry_simulator::Settings;
use amiferry_simulator::scenario::Scenario;
use serde_json::Value;

use super::{Simulator, python_for, root, say};

/// Everything that AWS leaves open, other than by default. Snapshots of 600 GiB are as quick as AWS's of
/// empty volumes.
const OPPOSITE: &str = r#"
base = "aws"

[settings.ec2]
concurrent_stores = true
deregistered_listed = "10s"
failed_image_keeps_name = false
foreign_buckets = true
image_pages = [7, 500]
keys_checked_at_call = true
name_release = "20s"
older_tasks_listed = true
one_copy = "per-key"
quota_scope = "account"
restored_snapshot_events = true
restored_tags = "replace"
snapshot = { start_up = "60s", megabytes_per_second = 100000, parallel = 8 }
store_quota_gb = 600
stored_checksum = "crc32-c-parts"
stored_percent = 1
task_permissions = "whole-list"

[settings.ec2.codes]
bucket_elsewhere = "IncorrectRegion"
bucket_inaccessible = "NoSuchBucketHere"
key_inaccessible = "InvalidKMSKey.Other"
object_missing = "NoSuchObjectHere"
quota = "TooMuchInProgress"
second_copy = "AlreadyThere"
unsupported_image = "NotThisImage"

[settings.kms]
grant_delay = 5

[settings.servicequotas]
buckets_listed = false

[settings.sqs]
short_polls_sample = true
stale_handles_delete = true
"#;

/// The defaults, with an image that holds data.
const DEFAULT: &str = r#"
base = "aws"

[settings.ec2]
snapshot = { start_up = "60s", megabytes_per_second = 100000, parallel = 8 }
stored_percent = 3

[[image]]
name = "full"
gib = [2]
"#;

/// What neither of the two has.
const LAX: &str = r#"
base = "aws"

[settings.ec2]
one_copy = "unlimited"
stored_checksum = "crc32"
stored_percent = 1
task_permissions = "unchecked"
"#;

/// Every group, and the question that is asked by name only.
const EVERYTHING: &[&str] = &[
    "--max-cost",
    "200",
    "--only",
    "store",
    "--only",
    "restore",
    "--only",
    "encryption",
    "--only",
    "events",
    "--only",
    "queues",
    "--only",
    "quotas",
    "--only",
    "store-quota",
];

/// An AWS for runs whose answers do not matter. Small objects: an unoptimised simulation computes the
/// checksum of each.
const ANY: &str = "base = \"aws\"\n[settings.ec2]\nstored_percent = 1\n";

/// What needs a service that the simulated AWS lacks.
const LACKING: [&str; 2] = ["revoked-session", "key-trail"];

/// Settings that are measured in time: no run can see them shorter than they are.
const MEASURED: [&str; 3] = ["ec2.deregistered_listed", "ec2.name_release", "kms.grant_delay"];

fn script(python: &Path, arguments: &[&OsStr]) -> Output {
    let script = root().join("tests/conformance/sandboxed.py");
    Command::new(python).arg(script).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn complaint(run: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&run.stdout), text(&run.stderr))
}

/// A simulated AWS that plays a scenario, and the folder in which it stands.
fn simulator(scenario: &str) -> (Simulator, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    (Simulator::start_with(&["--scenario".as_ref(), file.as_os_str()]), folder)
}

/// Asks a simulated AWS that was started with a scenario; gives what was printed and the report.
fn asked(python: &Path, scenario: &str, arguments: &[&str], status: i32) -> (String, Value) {
    let (simulator, folder) = simulator(scenario);
    let fixed = ["ask".as_ref(), simulator.endpoint.as_ref(), folder.path().as_os_str()];
    let more = arguments.iter().map(|argument| OsStr::new(*argument));
    let run = script(python, &fixed.into_iter().chain(more).collect::<Vec<_>>());
    assert_eq!(run.status.code(), Some(status), "{}", complaint(&run));
    let answers = folder.path().join("answers");
    let read = |name: &str| std::fs::read_to_string(answers.join(name)).unwrap();
    let printed = String::from_utf8(run.stdout).unwrap();
    assert_eq!(printed, read("settings.toml"));
    (printed, serde_json::from_str(&read("report.json")).unwrap())
}

fn settings_of(scenario: &str) -> Settings {
    Scenario::parse(scenario, "the scenario").unwrap().settings
}

/// The settings that a scenario names, as `ec2.codes.quota`.
fn named(scenario: &str) -> BTreeSet<String> {
    fn walk(table: &toml::Table, path: &str, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => walk(inner, &format!("{path}{key}."), found),
                _ => {
                    found.insert(format!("{path}{key}"));
                }
            }
        }
    }
    let table: toml::Table = scenario.parse().unwrap();
    let mut found = BTreeSet::new();
    if let Some(settings) = table.get("settings").and_then(toml::Value::as_table) {
        walk(settings, "", &mut found);
    }
    found
}

fn at<'v>(settings: &'v Value, path: &str) -> &'v Value {
    settings.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null)
}

/// Compares what was seen with what the simulated AWS was started with, setting by setting.
fn assert_seen(printed: &str, started: &str) {
    // A printed file is a scenario: the simulated AWS can be started with it.
    let (seen, meant) = (settings_of(printed), settings_of(started));
    let json = |settings: &Settings| serde_json::to_value(settings).unwrap();
    let (seen_json, meant_json) = (json(&seen), json(&meant));
    for path in named(printed) {
        let (a, b) = (at(&seen_json, &path), at(&meant_json, &path));
        if MEASURED.contains(&path.as_str()) && a != b {
            continue;
        }
        assert_eq!(a, b, "{path}, started with\n{started}\nprinted\n{printed}");
    }
    assert!(seen.ec2.name_release >= meant.ec2.name_release, "{printed}");
    assert!(seen.ec2.deregistered_listed >= meant.ec2.deregistered_listed, "{printed}");
    assert!(seen.kms.grant_delay >= meant.kms.grant_delay, "{printed}");
}

/// What the report says was not answered.
fn unanswered(report: &Value) -> BTreeSet<&str> {
    let questions = report["questions"].as_array().unwrap().iter();
    let open = questions.filter(|question| question["status"] != "answered");
    open.map(|question| question["id"].as_str().unwrap()).collect()
}

/// Every setting that the questions can set.
fn switches(python: &Path) -> BTreeSet<String> {
    let run = script(python, &["switches".as_ref()]);
    assert!(run.status.success(), "{}", complaint(&run));
    String::from_utf8(run.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn without(all: &BTreeSet<String>, but: &[&str]) -> BTreeSet<String> {
    all.iter().filter(|path| !but.contains(&path.as_str())).cloned().collect()
}

#[test]
fn the_sandbox_script_sees_opposite_settings_and_leaves_nothing() {
    let Some(python) = python_for("the_sandbox_script_sees_opposite_settings") else { return };
    let (printed, report) = asked(&python, OPPOSITE, EVERYTHING, 3);
    assert_seen(&printed, OPPOSITE);
    assert_eq!(unanswered(&report), BTreeSet::from(LACKING));
    // An empty image has no size to compare.
    assert_eq!(named(&printed), without(&switches(&python), &["ec2.stored_percent"]));
}

#[test]
fn the_sandbox_script_sees_the_default_settings_and_leaves_nothing() {
    let Some(python) = python_for("the_sandbox_script_sees_the_default_settings") else { return };
    let with_image = [EVERYTHING, &["--image", "full"]].concat();
    let (printed, report) = asked(&python, DEFAULT, &with_image, 3);
    assert_seen(&printed, DEFAULT);
    assert_eq!(unanswered(&report), BTreeSet::from(LACKING));
    // No key is refused at the call.
    let expected = without(&switches(&python), &["ec2.codes.key_inaccessible"]);
    assert_eq!(named(&printed), expected);
}

#[test]
fn the_sandbox_script_sees_an_aws_that_refuses_nothing() {
    let Some(python) = python_for("the_sandbox_script_sees_an_aws_that_refuses_nothing") else {
        return;
    };
    let only = ["stored-object", "second-copy", "task-permissions"];
    let arguments: Vec<&str> = only.iter().flat_map(|one| ["--only", one]).collect();
    let (printed, _) = asked(&python, LAX, &arguments, 0);
    assert_seen(&printed, LAX);
    let expected = ["ec2.one_copy", "ec2.stored_checksum", "ec2.task_permissions"];
    assert_eq!(named(&printed), expected.map(str::to_owned).into_iter().collect());
}

#[test]
fn every_setting_of_the_sandbox_script_is_one_of_the_simulated_aws() {
    let Some(python) = python_for("every_setting_of_the_sandbox_script_is_one") else { return };
    let settings = serde_json::to_value(Settings::default()).unwrap();
    let unknown: Vec<String> =
        switches(&python).into_iter().filter(|path| at(&settings, path).is_null()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn an_interrupted_sandbox_run_leaves_nothing_or_what_a_second_command_finds() {
    let Some(python) = python_for("an_interrupted_sandbox_run_leaves_nothing") else { return };
    drives(&python, "interrupts");
}

#[test]
fn the_plan_of_the_sandbox_script_calls_nothing() {
    let Some(python) = python_for("the_plan_of_the_sandbox_script_calls_nothing") else { return };
    drives(&python, "plan");
}

#[test]
fn the_sandbox_script_refuses_other_accounts_endpoints_and_costs() {
    let Some(python) = python_for("the_sandbox_script_refuses_other_accounts") else { return };
    drives(&python, "refusals");
}

/// Runs a part of `sandboxed.py` that judges for itself.
fn drives(python: &Path, part: &str) {
    let (simulator, folder) = simulator(ANY);
    let arguments = [part.as_ref(), simulator.endpoint.as_ref(), folder.path().as_os_str()];
    let run = script(python, &arguments);
    assert!(run.status.success(), "{}", complaint(&run));
}

#[test]
fn the_sandbox_script_asks_moto_what_moto_can_answer() {
    let Some(python) = python_for("the_sandbox_script_asks_moto_what_moto_can_answer") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let run = script(&python, &["moto".as_ref(), folder.path().as_os_str()]);
    say(&String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", complaint(&run));
}

#[test]
fn the_sandbox_script_passes_its_unit_tests() {
    let Some(python) = python_for("the_sandbox_script_passes_its_unit_tests") else { return };
    for name in ["sandbox_pure.py", "sandbox_stubbed.py"] {
        let script = root().join("tests/conformance").join(name);
        let run = Command::new(&python).arg(script).stdin(Stdio::null()).output().unwrap();
        assert!(run.status.success(), "{name}: {}", complaint(&run));
    }
}
