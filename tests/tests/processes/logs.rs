//! The log of real workers: every line is JSON with the fields of the page about logs, the commands
//! of that page find what they promise, and invalid formats and filters are refused.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use amiferry_service::telemetry::FIELDS;
use serde_json::{Value, json};

use crate::support::image::text;
use crate::support::{Account, Process, Role, Simulator};

const PAGE: &str = include_str!("../../../docs/logs.md");

/// The commands of the page that read a log, without their prompt.
fn commands() -> Vec<&'static str> {
    let commands: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    assert!(commands.iter().all(|command| command.starts_with("jq ")), "{commands:?}");
    commands
}

/// Whether there is a program to run them with.
fn has_jq() -> bool {
    let found = Command::new("jq").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        let _ = writeln!(std::io::stderr(), "SKIPPED: the commands of docs/logs.md need jq");
    }
    found
}

/// What a command of the page prints, run in a folder with a log.
fn printed(folder: &Path, command: &str) -> String {
    let ended = Command::new("sh").args(["-c", command]).current_dir(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && errors.is_empty(), "{command}\n{errors}");
    String::from_utf8(ended.stdout).unwrap()
}

/// A line as JSON, held to the table if it is one of amiferry's own.
fn sound(line: &str) -> Value {
    let known: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
    let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let fields = line.as_object().unwrap();
    if text(&line["target"]).starts_with("amiferry") {
        for name in fields.keys() {
            assert!(known.contains(name.as_str()), "{name} is in no table: {line:#}");
        }
        assert!(fields.contains_key("amiferry.worker"), "{line:#}");
    }
    line
}

/// The images about which nothing is left to do, as a worker's log has it.
fn done(log: &[Value]) -> BTreeSet<String> {
    let ends = log.iter().filter(|line| line["message"] == "recovery point done");
    ends.map(|line| text(&line["amiferry.image.id"])).collect()
}

#[test]
fn every_line_of_real_workers_is_json_with_known_fields_and_the_commands_of_the_page_find_them() {
    let Some(simulator) = Simulator::with_images() else { return };
    // Not repeated by the SDK, so each is a failed attempt.
    let conflict = json!({ "status": 409, "code": "OperationAborted", "message": "Try again." });
    let fault = json!({
        "service": "s3", "operation": "CreateMultipartUpload", "when": { "at-most": 7 },
        "effect": { "refuse": conflict },
    });
    simulator.steer("faults", &json!({ "fault": fault }));
    let config = simulator.config();
    let workers = [Role::Source, Role::Target].map(|role| simulator.worker(role, &config));
    simulator.send(Account::Vault, "this is no JSON");
    let report = simulator.until_complete(12);
    let images: BTreeSet<String> = report["recovery_points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| text(&point["source_image_id"]))
        .collect();
    // What AWS has, a worker says only when it has looked there again.
    for worker in &workers {
        worker.until("a line of its own about the end of each recovery point", |worker| {
            images.is_subset(&done(&worker.log())).then_some(())
        });
    }
    let [_, target] = &workers;
    target.until("the record of the refused message", |target| {
        let log = target.log();
        log.iter().any(|line| line["message"] == "message quarantined").then_some(())
    });
    let [source, target] = workers.map(Process::terminate);
    for (worker, ended) in [("source", &source), ("target", &target)] {
        assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{ended:#?}");
        let lines: Vec<Value> = ended.stderr.lines().map(sound).collect();
        for id in &images {
            let about = |line: &&Value| line["amiferry.image.id"] == id.as_str();
            let done = lines.iter().filter(about).filter(|line| {
                line["message"] == "recovery point done" && line["amiferry.worker"] == worker
            });
            // A sweep that listed the staging bucket just before may name an image once more.
            assert!((1..=2).contains(&done.count()), "{id} of the {worker} worker");
        }
    }
    if !has_jq() {
        return;
    }
    fs::write(simulator.folder().join("target.log"), &target.stderr).unwrap();
    let image = images.first().unwrap();
    for command in commands() {
        let printed = printed(simulator.folder(), &command.replace("IMAGE", image));
        assert!(printed.trim().len() > 10, "{command} prints {printed:?}");
    }
}

#[test]
fn the_form_for_people_says_what_happened_in_plain_lines_where_no_terminal_is() {
    let Some(simulator) = Simulator::with_images() else { return };
    let mut command = simulator.command(Account::Source);
    command.args(["source", "run", "--log-format", "human", "--config"]).arg(simulator.config());
    let worker = simulator.spawn("source", &mut command);
    worker.until("a stored image", |worker| {
        worker.stderr().contains("recovery point done").then_some(())
    });
    let ended = worker.terminate();
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""), "{ended:#?}");
    assert!(!ended.stderr.contains('\u{1b}'), "{ended:#?}");
    for line in ended.stderr.lines() {
        let mut words = line.split_whitespace();
        assert!(words.next().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{line}");
        assert!(matches!(words.next(), Some("INFO" | "WARN")), "{line}");
        assert!(line.contains(" worker=source") && !line.contains("amiferry.image"), "{line}");
    }
}

#[test]
fn a_form_or_a_filter_that_cannot_be_is_refused_with_what_would_do() {
    let Some(simulator) = Simulator::start() else { return };
    let config = simulator.config();
    let run = |filter: &str, form: &str| {
        let mut command = simulator.command(Account::Source);
        command.env("AMIFERRY_LOG", filter);
        command.args(["source", "run", "--log-format", form, "--config"]).arg(&config);
        simulator.spawn("source", &mut command).finish()
    };
    let form = run("info", "xml");
    assert_eq!(form.status, 2, "{form:#?}");
    for word in ["xml", "--log-format", "auto", "human", "json"] {
        assert!(form.stderr.contains(word), "{word} is not in {form:#?}");
    }
    for filter in ["inof", "amiferry_service=loud"] {
        let refused = run(filter, "json");
        assert_eq!(refused.status, 10, "{refused:#?}");
        for word in [filter, "AMIFERRY_LOG", "info"] {
            assert!(refused.stderr.contains(word), "{word} is not in {refused:#?}");
        }
    }
}
