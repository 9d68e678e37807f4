//! Metrics, rules, runbooks and dashboards use the same names.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::{Code, Kind};
use amiferry_service::metrics;

use crate::crates::crate_names;
use crate::repository::{files, read, root};

/// The rules that everything else is made from or compared with.
pub const RULES: &str = "deploy/prometheus/amiferry.rules.yml";

/// The words of a text that could be metrics: ours, or those of a process.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| word.contains("amiferry_") || word.starts_with("process_"))
        .collect()
}

/// The series that a metric makes.
fn registered() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for metric in metrics::ALL {
        names.insert(metric.name.to_owned());
        if metric.kind == metrics::Kind::Histogram {
            names.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name)));
        }
    }
    names
}

/// What the rules record.
fn recorded() -> BTreeSet<String> {
    let rules = read(RULES);
    let records = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    records.map(str::to_owned).collect()
}

/// Files below a folder, none where there is no such folder.
fn files_if_any(folder: &str, extension: &str) -> Vec<String> {
    if root().join(folder).exists() { files(folder, extension) } else { Vec::new() }
}

#[test]
fn every_metric_that_a_rule_a_dashboard_or_a_page_names_is_registered_or_recorded() {
    let known: BTreeSet<String> = registered().into_iter().chain(recorded()).collect();
    let crates = crate_names();
    let mut checked = 0;
    let queries = [
        files_if_any("deploy", "yml"),
        files_if_any("deploy", "yaml"),
        files_if_any("dashboards", "json"),
    ];
    let pages = files("", "md");
    for file in queries.concat().into_iter().chain(pages) {
        let text = read(&file);
        for word in words(&text) {
            // In prose these are targets of the log or folders.
            let top = word.split("::").next().unwrap_or(word);
            let other =
                file.ends_with(".md") && (crates.contains(top) || word.starts_with("process_"));
            assert!(other || known.contains(word), "{file} names {word}, which nothing exposes");
            checked += usize::from(!other);
        }
    }
    assert!(checked > 100, "only {checked} names: are files read?");
}

#[test]
fn every_recorded_series_is_used_or_shown() {
    let rules = read(RULES);
    let dashboards: String =
        files_if_any("dashboards", "json").iter().map(|file| read(file)).collect();
    for name in recorded() {
        let used = rules.matches(&name).count() > 1 || dashboards.contains(&name);
        assert!(used, "{name} is recorded and used nowhere");
    }
}

/// Each alert with its lines, by name.
pub fn alerts() -> BTreeMap<String, String> {
    let rules = read(RULES);
    let mut alerts = BTreeMap::new();
    for part in rules.split("      - alert: ").skip(1) {
        let part = part.split("\n  - name: ").next().unwrap();
        let (name, body) = part.split_once('\n').unwrap();
        assert!(alerts.insert(name.to_owned(), format!("{body}\n")).is_none(), "{name} twice");
    }
    assert!(alerts.len() >= 15, "only {} alerts: are the rules read?", alerts.len());
    alerts
}

#[test]
fn every_alert_has_severity_summary_description_runbook_and_cases() {
    let cases = read("deploy/prometheus/amiferry.test.yml");
    for (name, body) in alerts() {
        assert!(name.starts_with("Amiferry"), "{name}");
        let severity = ["critical", "warning", "info"]
            .into_iter()
            .find(|severity| body.contains(&format!("severity: {severity}\n")))
            .unwrap_or_else(|| panic!("{name} has no severity"));
        for line in ["summary: ", "description: ", "runbook_url: "] {
            assert!(body.contains(line), "{name} has no {line}");
        }
        let runbook = format!("docs/runbooks/{name}.md");
        assert!(body.contains(&format!("runbook_url: {runbook}\n")), "{name}");
        let page = read(&runbook);
        assert!(page.starts_with(&format!("# {name}\n\nSeverity: {severity}. ")), "{runbook}");
        let row = format!("| [{name}]({name}.md) | {severity} | ");
        assert!(read("docs/runbooks/README.md").contains(&row), "no row {row}");
        let case = format!("count(ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}})");
        let all: Vec<bool> = cases
            .split(&case)
            .skip(1)
            .map(|rest| rest.split("- expr:").next().unwrap().contains("exp_samples:\n"))
            .collect();
        assert!(all.contains(&true), "{name} has no case in which it fires");
        assert!(all.contains(&false), "{name} has no case in which it does not");
    }
}

/// Every choice of reasons that a text makes among the series of a metric: the operator, and the
/// reasons that it names.
fn reasons<'a>(text: &'a str, metric: &str) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut found = Vec::new();
    for selector in text.split(&format!("{metric}{{")).skip(1) {
        let selector = selector.split('}').next().unwrap();
        let Some((_, matcher)) = selector.split_once("reason") else { continue };
        let (operator, names) = matcher.split_once('"').unwrap();
        found.push((operator, names.split(['"', '\\']).next().unwrap().split('|').collect()));
    }
    found
}

#[test]
fn the_reasons_that_rules_and_dashboards_name_are_codes_of_what_their_metric_counts() {
    let queries = [files("deploy", "yml"), files("deploy", "yaml"), files("dashboards", "json")];
    let mut checked = 0;
    for file in queries.concat() {
        let text = read(&file).replace("\\\"", "\"");
        let named = |metric| reasons(&text, metric).into_iter().flat_map(|(_, names)| names);
        let parked = named("amiferry_parked").map(|name| (name, true));
        for (name, is_parked) in parked.chain(named("amiferry_waiting").map(|name| (name, false))) {
            let code: Code = name.parse().unwrap_or_else(|_| panic!("{file}: {name}"));
            let fits =
                if is_parked { code.kind().is_parked() } else { code.kind() == Kind::Waiting };
            assert!(fits, "{file}: {name} is of the kind {:?}", code.kind());
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} reasons: are files read?");
}

#[test]
fn the_alerts_of_parked_work_part_it_by_the_kind_of_its_code() {
    let of = |wanted: fn(Kind) -> bool| -> Vec<&str> {
        let codes = Code::ALL.iter().filter(|code| wanted(code.kind()));
        codes.map(|code| code.as_str()).collect()
    };
    let alerts = alerts();
    // What is lost has an alert of its own, which counts recovery points and not work.
    for (alert, operator, codes) in [
        ("AmiferryCopyMismatch", "=~", of(|kind| kind == Kind::Mismatch)),
        ("AmiferryWorkParked", "!~", of(|kind| kind == Kind::Mismatch || kind.is_loss())),
    ] {
        let expected = vec![(operator, codes)];
        assert_eq!(reasons(&alerts[alert], "amiferry_parked"), expected, "{alert}");
    }
}

#[test]
fn every_runbook_is_that_of_an_alert() {
    let alerts = alerts();
    for page in files("docs/runbooks", "md") {
        let name = page.rsplit('/').next().unwrap().trim_end_matches(".md");
        assert!(name == "README" || alerts.contains_key(name), "{page} is of no alert");
    }
}

/// The rules as a resource of the Prometheus operator.
pub fn prometheus_rule() -> String {
    let rules = read(RULES);
    let (_, groups) = rules.split_once("\ngroups:\n").unwrap();
    let mut resource = String::from(
        "# Made from amiferry.rules.yml by tests/tests/tidy/generated.rs.\n\
         apiVersion: monitoring.coreos.com/v1\n\
         kind: PrometheusRule\n\
         metadata:\n  name: amiferry\n  labels:\n    app.kubernetes.io/name: amiferry\n\
         spec:\n  groups:\n",
    );
    for line in groups.lines() {
        let indent = if line.is_empty() { "" } else { "  " };
        resource.push_str(&format!("{indent}{line}\n"));
    }
    resource
}
