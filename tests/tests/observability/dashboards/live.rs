//! Every query of every panel and variable, asked of a real Prometheus that scrapes a real demo.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::board::{Board, Query, list, text};
use super::preview;
use crate::prometheus::{Prometheus, encoded};
use crate::support::simulator::bare;
use crate::support::{Process, wait};
use crate::tools::root;

/// What is shown, in seconds up to now: all that the demo has done.
const SHOWN: u32 = 900;

/// How far apart the points of a line are, in seconds: what Grafana would choose for `SHOWN`.
const STEP: u32 = 3;

/// The values of Grafana's variables, as it gives them to queries: `$__rate_interval` is four times
/// between two scrapes, which are two seconds apart.
struct Values(BTreeMap<String, String>);

impl Values {
    fn new() -> Self {
        let macros = [("__range", format!("{SHOWN}s")), ("__rate_interval", "8s".to_owned())];
        Self(macros.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A text with every `$name` in it replaced.
    fn fill(&self, text: &str) -> String {
        let mut parts = text.split('$');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let (name, rest) = part.split_at(part.find(end).unwrap_or(part.len()));
            let value = self.0.get(name).unwrap_or_else(|| panic!("{text}: nothing is ${name}"));
            filled.push_str(value);
            filled.push_str(rest);
        }
        filled
    }
}

/// A Prometheus with the rules that are shipped, and the demo that it scrapes.
struct Watched {
    prometheus: Prometheus,
    _demo: Process,
    _folder: tempfile::TempDir,
}

impl Watched {
    fn start() -> Option<Self> {
        let rules = root().join("deploy/prometheus/amiferry.rules.yml");
        let prometheus = Prometheus::start(&fs::read_to_string(rules).unwrap())?;
        let folder = tempfile::tempdir().unwrap();
        let mut command = bare(folder.path());
        let demo = Process::start("demo", folder.path(), command.args(["demo", "--keep"]));
        // Both workers are in one process, so either page has the metrics of both.
        let address = demo.until("the address of the demo's metrics", |demo| {
            let said = demo.stderr();
            let (before, _) = said.split_once("/metrics")?;
            Some(before.rsplit_once("http://")?.1.to_owned())
        });
        prometheus.scrape(&[("amiferry-demo", &address)]);
        Some(Self { prometheus, _demo: demo, _folder: folder })
    }

    /// The labels of all series that a query gives with at least one number in the time that is shown.
    fn ask(&self, query: &str, is_range: bool) -> Vec<Value> {
        let now = self.prometheus.query("vector(time())")[0].value;
        let query = encoded(query);
        let path = if is_range {
            let start = now - f64::from(SHOWN);
            format!("query_range?query={query}&start={start}&end={now}&step={STEP}")
        } else {
            format!("query?query={query}&time={now}")
        };
        let answer = self.prometheus.api(&format!("/api/v1/{path}"));
        assert_eq!(answer["status"], "success", "{query}: {answer:#}");
        let series = list(&answer["data"], "result").iter();
        let is_number = |point: &Value| {
            let value: f64 = point[1].as_str().unwrap().parse().unwrap();
            value.is_finite()
        };
        let has_number = |series: &&Value| {
            list(series, "values").iter().any(is_number)
                || series.get("value").is_some_and(is_number)
        };
        series.filter(has_number).map(|series| series["metric"].clone()).collect()
    }

    /// What can be chosen as a variable.
    fn options(&self, variable: &Value, values: &Values) -> Vec<String> {
        let query = values.fill(text(&variable["query"], "query"));
        let (function, inner) = query.split_once('(').unwrap();
        let inner = inner.strip_suffix(')').unwrap();
        match function {
            "label_values" => {
                let (series, label) = inner.rsplit_once(',').unwrap();
                let path = format!("label/{}/values?match[]={}", label.trim(), encoded(series));
                let answer = self.prometheus.api(&format!("/api/v1/{path}"));
                list(&answer, "data").iter().map(|v| v.as_str().unwrap().to_owned()).collect()
            }
            "query_result" => {
                // The one form of expression that is in use: a label between its quotes.
                let regex = text(variable, "regex");
                let label =
                    regex.strip_prefix('/').and_then(|regex| regex.strip_suffix("=\"([^\"]+)\"/"));
                let label = label.unwrap_or_else(|| panic!("{regex} cannot be read here"));
                let labels = self.ask(inner, false);
                labels.iter().map(|labels| text(labels, label).to_owned()).collect()
            }
            other => panic!("{other} cannot be asked here"),
        }
    }

    /// The values of a dashboard's variables when it is opened: all, or the first that there is.
    fn open(&self, board: &Board) -> Values {
        let mut values = Values::new();
        for variable in board.variables().iter().filter(|variable| variable["type"] == "query") {
            let name = text(variable, "name");
            let mut options = wait::until(&format!("{}: {name}", board.name), || {
                let options = self.options(variable, &values);
                (!options.is_empty()).then_some(options)
            });
            options.sort();
            let all = variable["includeAll"] == true;
            let value = if all { text(variable, "allValue") } else { &options[0] };
            values.0.insert(name.to_owned(), value.to_owned());
        }
        values
    }

    /// Waits until a query of a panel gives data, with the labels that its legend names.
    fn assert_shown(&self, board: &Board, query: &Query<'_>, values: &Values) {
        let Query { panel, index, expression, legend, is_range } = query;
        let filled = values.fill(expression);
        let what = format!("{}, {panel}, query {index}: {filled}", board.name);
        let series = wait::until(&what, || {
            let series = self.ask(&filled, *is_range);
            (!series.is_empty()).then_some(series)
        });
        for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            let has_label = |labels: &Value| !text(labels, label).is_empty();
            assert!(series.iter().all(has_label), "{what}: no {label} in {series:?}");
        }
    }
}

#[test]
fn every_query_of_every_dashboard_gives_data_in_a_prometheus_that_scrapes_a_demo() {
    let Some(watched) = Watched::start() else { return };
    let mut asked = 0;
    for board in Board::all() {
        let values = watched.open(&board);
        for query in board.queries() {
            watched.assert_shown(&board, &query, &values);
            asked += 1;
        }
        for annotation in list(&board.json["annotations"], "list") {
            // Nothing fires in a healthy demo, but Prometheus understands the question.
            watched.ask(&values.fill(text(annotation, "expr")), true);
        }
    }
    assert!(asked >= 60, "only {asked} queries: are they read?");
    preview::assert_drawn_from(&watched.prometheus.url());
}

#[test]
fn variables_are_filled_in_as_grafana_does() {
    let mut values = Values::new();
    values.0.insert("job".to_owned(), ".+".to_owned());
    let filled = values.fill("rate(a{job=~\"$job\"}[$__rate_interval]) / b[$__range]");
    assert_eq!(filled, "rate(a{job=~\".+\"}[8s]) / b[900s]");
}
