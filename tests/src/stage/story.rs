//! Whether the workers' logs are as the page about logs promises: known fields, ids on every line
//! about a recovery point, and each failed attempt once.

use std::collections::BTreeSet;

use amiferry_core::code::Code;
use amiferry_service::telemetry::{FIELDS, Given};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Stage;

/// The crates of the workers: what they say is amiferry's log.
const OURS: [&str; 4] =
    ["amiferry_aws", "amiferry_service", "amiferry_source_worker", "amiferry_target_worker"];

/// What a line says of a recovery point.
const STORY: [&str; 15] = [
    "recovery point seen",
    "attempt begins",
    "attempt failed",
    "store started",
    "copy started",
    "copy completed",
    "restore started",
    "protection set",
    "manifest in place",
    "waiting",
    "no longer waiting",
    "parked",
    "no longer parked",
    "recovery point done",
    "abandoned upload aborted",
];

/// One line.
pub type Line = Map<String, Value>;

/// What the workers logged, line by line, up to `debug`.
pub fn lines(stage: &Stage) -> Vec<Line> {
    let logged = stage.logged();
    let all = logged.lines().map(|line| -> Line {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    all.filter(|line| OURS.iter().any(|name| text(line, "target").starts_with(name))).collect()
}

/// The text of a field; empty without it.
pub fn text<'a>(line: &'a Line, name: &str) -> &'a str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The number of a field; 0 without it.
pub fn number(line: &Line, name: &str) -> u64 {
    line.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// Whether the log shows a line without being asked for more.
pub fn is_shown(line: &Line) -> bool {
    text(line, "level") != "DEBUG"
}

/// The lines with a text.
pub fn with_message<'a>(lines: &'a [Line], message: &str) -> Vec<&'a Line> {
    lines.iter().filter(|line| text(line, "message") == message).collect()
}

/// What is wrong with the log of a stage, if it is kept.
pub fn wrongs(stage: &Stage) -> Vec<String> {
    let lines = lines(stage);
    if lines.is_empty() {
        return Vec::new();
    }
    let mut wrongs: Vec<String> =
        lines.iter().filter_map(|line| Some(format!("{}: {line:?}", wrong(line)?))).collect();
    let steps = with_message(&lines, "attempt failed").into_iter();
    let told = steps.filter(|line| line.contains_key("amiferry.stage")).count() as u64;
    let counted = failed_steps(&stage.metrics());
    if told != counted {
        wrongs.push(format!("{counted} steps failed, {told} are logged"));
    }
    wrongs
}

/// What is wrong with one line.
fn wrong(line: &Line) -> Option<String> {
    let known: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
    if let Some(name) = line.keys().find(|name| !known.contains(name.as_str())) {
        return Some(format!("{name} is in no table"));
    }
    let always = FIELDS.iter().filter(|field| field.given == Given::Always);
    let mut needed: Vec<&str> = always.map(|field| field.name).collect();
    // The audits of a play ask AWS too, outside of any worker.
    if !text(line, "target").starts_with("amiferry_aws") {
        needed.push("amiferry.worker");
    }
    let message = text(line, "message");
    let is_story = STORY.contains(&message);
    if is_story {
        needed.extend([
            "amiferry.source.account.id",
            "amiferry.source.region",
            "amiferry.image.id",
        ]);
    }
    // What tells of a failure tells all of it.
    if line.contains_key("error.type") {
        needed.extend(["rpc.service", "rpc.method", "amiferry.error.code", "amiferry.resource"]);
    }
    if let Some(name) = needed.iter().find(|name| text(line, name).is_empty()) {
        return Some(format!("no {name}"));
    }
    let time =
        |name| text(line, name).parse::<Timestamp>().is_ok_and(|_| text(line, name).len() == 24);
    let checks = [
        (time("timestamp"), "a time in another form"),
        (!is_story || number(line, "amiferry.attempt") >= 1, "no attempt"),
        (message != "attempt failed" || time("amiferry.retry.at"), "no time of the next try"),
        (message != "attempt failed" || is_reason(line), "no reason"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what.to_owned())
}

fn is_reason(line: &Line) -> bool {
    text(line, "amiferry.reason").parse::<Code>().is_ok()
}

/// How many steps failed, as the metrics have it. Tasks of EC2 are no steps.
fn failed_steps(metrics: &str) -> u64 {
    let failed = metrics.lines().filter(|line| {
        line.starts_with("amiferry_stage_total{")
            && line.contains("outcome=\"failed\"")
            && !line.contains("_task\"")
    });
    failed.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
