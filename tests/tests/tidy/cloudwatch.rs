//! What `CloudWatch`'s alarms choose from is what workers expose. `tests/conformance/alarms.py` makes the
//! alarms and tries them; these checks need no Python.

use std::collections::BTreeSet;

use ::toml::{Table, Value};
use amiferry_core::rpo::RpoState;
use amiferry_service::metrics::{ALL, KeyUse, Kind, Stage};

use crate::alerts::alerts;
use crate::repository::{read, toml};

const ALARMS: &str = "deploy/cloudwatch/alarms.toml";

fn tables(name: &str) -> Vec<Table> {
    let file = toml(ALARMS);
    let tables = file[name].as_array().unwrap();
    tables.iter().map(|table| table.as_table().unwrap().clone()).collect()
}

/// The metrics of all alarms.
fn chosen() -> Vec<Table> {
    let metrics = |alarm: &Table| alarm.get("metrics").and_then(Value::as_table).cloned();
    let metrics = tables("alarm").into_iter().filter_map(|alarm| metrics(&alarm));
    metrics
        .flat_map(|each| each.into_iter().map(|(_, one)| one.as_table().unwrap().clone()))
        .collect()
}

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key).and_then(Value::as_str)
}

#[test]
fn every_alert_has_an_alarm_in_cloudwatch_or_a_reason_why_not() {
    let alarms = tables("alarm");
    let template = read("deploy/cloudformation/alarms.yaml");
    let mut said = BTreeSet::new();
    for alarm in &alarms {
        let alert = text(alarm, "alert").unwrap();
        let reason = text(alarm, "never").or_else(|| text(alarm, "stack"));
        let is_made = template.contains(&format!("\n  {}", alert.trim_start_matches("Amiferry")));
        assert!(reason.is_some_and(|reason| !reason.is_empty()) != is_made, "{alert}");
        said.insert(alert.to_owned());
    }
    let known: BTreeSet<String> = alerts().into_keys().collect();
    assert_eq!(said, known);
}

#[test]
fn alarms_choose_among_the_labels_and_values_that_workers_expose() {
    let labels = |name: &str| ALL.iter().find(|metric| metric.name == name).map(|one| one.labels);
    for metric in chosen() {
        let name = text(&metric, "name").unwrap();
        // Prometheus makes this one itself.
        let Some(labels) = labels(name) else {
            assert_eq!(name, "up");
            continue;
        };
        for key in ["use", "stage", "service"] {
            assert!(!metric.contains_key(key) || labels.contains(&key), "{name} has no {key}");
        }
        let kind = ALL.iter().find(|metric| metric.name == name).unwrap().kind;
        let is_sum = text(&metric, "stat") == Some("Sum");
        assert_eq!(is_sum, kind == Kind::Counter, "{name}: what a counter grew by is a sum");
    }
    let states: BTreeSet<&str> = RpoState::ALL.iter().map(|state| state.as_str()).collect();
    for select in tables("select") {
        let name = text(&select, "metric").unwrap();
        let of = match &select["label"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => vec![one.as_str().unwrap()],
        };
        let labels = labels(name).unwrap_or_else(|| panic!("{name}"));
        assert!(of.iter().all(|label| labels.contains(label)), "{name} has not all of {of:?}");
        if name == "amiferry_families" {
            for state in text(&select, "regex").unwrap().split('|') {
                assert!(states.contains(state), "{state} is no state of a family");
            }
        }
    }
}

#[test]
fn alarms_leave_out_no_stage_and_no_key() {
    let values = |key: &str| -> BTreeSet<String> {
        chosen().iter().filter_map(|metric| text(metric, key).map(str::to_owned)).collect()
    };
    assert_eq!(values("stage"), Stage::ALL.iter().map(ToString::to_string).collect());
    assert_eq!(values("use"), KeyUse::ALL.iter().map(ToString::to_string).collect());
}
