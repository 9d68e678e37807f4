//! The rules of Grafana's dashboard-linter, under its names, with its exceptions:
//! `dashboards/.lint` lists them with their reasons, where the linter itself would look for them.
//! Its two rules for `LogQL` are left out, because no dashboard queries Loki. `live` asks
//! Prometheus itself whether the queries are valid.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::board::{Board, list, text};
use super::promql::{Selector, selectors};
use crate::tools::root;

/// Units of Grafana's list that are in use. A new one belongs here once it was looked up there.
const UNITS: &[&str] = &[
    "none",
    "percentunit",
    "s",
    "opm",
    "reqps",
    "bytes",
    "decbytes",
    "Bps",
    "dateTimeAsIso",
    "dateTimeFromNow",
];

/// Functions of Grafana that fill a variable from Prometheus.
const VARIABLE_FUNCTIONS: &[&str] = &["label_names", "label_values", "metrics", "query_result"];

/// Where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    rule: &'static str,
    panel: Option<String>,
    what: String,
}

fn finding(rule: &'static str, panel: Option<&str>, what: impl ToString) -> Finding {
    Finding { rule, panel: panel.map(str::to_owned), what: what.to_string() }
}

/// Everything that breaks a rule in a dashboard.
fn findings(board: &Board) -> Vec<Finding> {
    let mut found = variables(board);
    if board.json["editable"] != false {
        found.push(finding("uneditable-dashboard-rule", None, "its file is where it is edited"));
    }
    for panel in board.panels() {
        let title = Some(text(panel, "title"));
        let mut say = |rule, what: &str| found.push(finding(rule, title, what));
        if panel["datasource"]["uid"] != "${datasource}" {
            say("panel-datasource-rule", "it has a data source of its own");
        }
        if title == Some("") || text(panel, "description").is_empty() {
            say("panel-title-description-rule", "title or description is missing");
        }
        if !UNITS.contains(&text(&panel["fieldConfig"]["defaults"], "unit")) {
            say("panel-units-rule", "its unit is missing or not known");
        }
        if list(panel, "targets").is_empty() {
            say("panel-no-targets-rule", "it asks nothing");
        }
    }
    for query in board.queries() {
        for selector in selectors(query.expression) {
            let broken = target(&selector);
            found.extend(broken.map(|rule| finding(rule, Some(query.panel), selector.metric)));
        }
    }
    found
}

/// The rules that a selected series breaks.
fn target(selector: &Selector<'_>) -> impl Iterator<Item = &'static str> {
    let is_rate = matches!(selector.function, Some("rate" | "irate"));
    let counted = is_rate || selector.function == Some("increase");
    let rules = [
        ("target-rate-interval-rule", is_rate && selector.range != Some("$__rate_interval")),
        ("target-counter-agg-rule", selector.metric.ends_with("_total") && !counted),
        ("target-job-rule", !selector.matches("job=~\"$job\"")),
        ("target-instance-rule", !selector.matches("instance=~\"$instance\"")),
    ];
    rules.into_iter().filter_map(|(rule, broken)| broken.then_some(rule))
}

fn variables(board: &Board) -> Vec<Finding> {
    let mut found = Vec::new();
    let of_type = |kind| board.variables().iter().filter(move |variable| variable["type"] == kind);
    let sources: Vec<&Value> = of_type("datasource").collect();
    let is_right = |source: &Value| {
        source["name"] == "datasource"
            && source["label"] == "Data source"
            && source["query"] == "prometheus"
    };
    if sources.len() != 1 || !is_right(sources[0]) {
        found.push(finding("template-datasource-rule", None, "not one, named datasource"));
    }
    for (rule, name) in [("template-job-rule", "job"), ("template-instance-rule", "instance")] {
        let is_right = |variable: &Value| {
            variable["label"] == name
                && variable["type"] == "query"
                && variable["datasource"]["uid"] == "${datasource}"
                && variable["multi"] == true
                && variable["allValue"] == ".+"
        };
        if !board.variable(name).is_some_and(is_right) {
            found.push(finding(rule, None, name));
        }
    }
    for variable in of_type("query") {
        let name = text(variable, "name");
        let function = text(&variable["query"], "query").split('(').next().unwrap();
        if !VARIABLE_FUNCTIONS.contains(&function) {
            found.push(finding("template-label-promql-rule", None, name));
        }
        if variable["refresh"] != 2 {
            found.push(finding("template-on-time-change-reload-rule", None, name));
        }
    }
    found
}

/// What `.lint` excuses: a rule, a dashboard, and a panel where not all are meant.
fn excuses() -> Vec<(String, String, Option<String>)> {
    let file = fs::read_to_string(root().join("dashboards/.lint")).unwrap();
    // It is YAML to the linter, of which JSON is a part.
    let file: Value = serde_json::from_str(&file).unwrap();
    let mut excuses = Vec::new();
    for (rule, excused) in file["exclusions"].as_object().unwrap() {
        assert!(text(excused, "reason").len() > 20, "{rule} is excused without a reason");
        for entry in list(excused, "entries") {
            let panel = entry["panel"].as_str().map(str::to_owned);
            excuses.push((rule.clone(), text(entry, "dashboard").to_owned(), panel));
        }
    }
    excuses
}

#[test]
fn the_rules_of_the_dashboard_linter_hold_but_for_what_is_excused() {
    let excuses = excuses();
    let mut used = BTreeSet::new();
    for board in Board::all() {
        for found in findings(&board) {
            let excused = excuses.iter().position(|(rule, dashboard, panel)| {
                rule == found.rule
                    && dashboard == board.title()
                    && (panel.is_none() || *panel == found.panel)
            });
            used.extend(excused);
            assert!(excused.is_some(), "{}: {found:?}", board.title());
        }
    }
    for (index, excuse) in excuses.iter().enumerate() {
        assert!(used.contains(&index), "{excuse:?} excuses nothing");
    }
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let text = r#"{
        "editable": true, "title": "t", "templating": {"list": [
            {"name": "ds", "type": "datasource", "label": "Data source", "query": "prometheus"},
            {"name": "x", "type": "query", "refresh": 1, "query": {"query": "values(x, y)"}}]},
        "panels": [
            {"title": "a", "datasource": {"uid": "P1809F7CD0C75ACF3"}, "targets": []},
            {"title": "b", "datasource": {"uid": "${datasource}"}, "description": "d",
             "fieldConfig": {"defaults": {"unit": "parsec"}},
             "targets": [{"expr": "rate(a{job=~\"$job\"}[5m]) + b_total{instance=~\"$instance\"}"}]}]}"#;
    let json = serde_json::from_str(text).unwrap();
    let board = Board { name: "t".to_owned(), text: text.to_owned(), json };
    let rules: Vec<(&str, Option<&str>)> = [
        ("template-datasource-rule", None),
        ("template-job-rule", None),
        ("template-instance-rule", None),
        ("template-label-promql-rule", None),
        ("template-on-time-change-reload-rule", None),
        ("uneditable-dashboard-rule", None),
        ("panel-datasource-rule", Some("a")),
        ("panel-title-description-rule", Some("a")),
        ("panel-units-rule", Some("a")),
        ("panel-no-targets-rule", Some("a")),
        ("panel-units-rule", Some("b")),
        ("target-rate-interval-rule", Some("b")),
        ("target-instance-rule", Some("b")),
        ("target-counter-agg-rule", Some("b")),
        ("target-job-rule", Some("b")),
    ]
    .to_vec();
    let found = findings(&board);
    let found: Vec<_> = found.iter().map(|found| (found.rule, found.panel.as_deref())).collect();
    assert_eq!(found, rules);
}
