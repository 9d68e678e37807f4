//! What the dashboards say about unhealthy states: `promtool` runs their queries on invented
//! series, case by case.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::board::{Board, list, text};
use crate::tools::{root, run, tool};

/// Series, each with the value that it has.
type Series = Vec<(String, f64)>;

/// The text that a panel gives to a value: that of its value or range mapping.
fn named(mappings: &[Value], value: f64) -> Option<&str> {
    mappings.iter().find_map(|mapping| {
        let options = &mapping["options"];
        match text(mapping, "type") {
            "value" => options[value.to_string()]["text"].as_str(),
            "range" => {
                let bound = |bound: &str| options[bound].as_f64().unwrap();
                let within = (bound("from")..=bound("to")).contains(&value);
                within.then(|| options["result"]["text"].as_str().unwrap())
            }
            _ => None,
        }
    })
}

/// What promtool says when a query of these series is to give this value, or nothing; `None` when
/// it does.
fn objection(promtool: &Path, query: &str, series: &Series, value: Option<f64>) -> Option<String> {
    // Whatever is chosen in the dashboard is all that there is here.
    let query = ["policy", "source_account", "target_region", "family"]
        .iter()
        .fold(query.to_owned(), |query, variable| query.replace(&format!("${variable}"), ".+"))
        .replace("=\".+\"", "=~\".+\"");
    let series: Vec<Value> = series
        .iter()
        .map(|(series, value)| json!({ "series": series, "values": value.to_string() }))
        .collect();
    let samples: Vec<Value> =
        value.map(|v| json!({ "labels": "{}", "value": v })).into_iter().collect();
    let test = json!({ "tests": [{
        "interval": "1m", "input_series": series,
        "promql_expr_test": [{ "expr": query, "eval_time": "0m", "exp_samples": samples }],
    }] });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.yml");
    fs::write(&file, test.to_string()).unwrap();
    let (content, said) = run(promtool, &["test", "rules", file.to_str().unwrap()], "");
    (!content).then_some(said)
}

/// Checks that the query gives each case a value that has this name, or nothing.
fn assert_said(query: &str, mappings: &[Value], cases: &[(Series, Option<&str>)]) {
    let Some(promtool) = tool("promtool") else { return };
    for (series, name) in cases {
        let values: Vec<Option<f64>> = match name {
            Some(_) => {
                (0..64).map(f64::from).filter(|v| named(mappings, *v) == *name).map(Some).collect()
            }
            None => vec![None],
        };
        assert!(!values.is_empty(), "no value is called {name:?}");
        let objections: Option<Vec<String>> =
            values.iter().map(|value| objection(&promtool, query, series, *value)).collect();
        if let Some(objections) = objections {
            panic!("not {name:?} of {series:?}: {}", objections.join("\n"));
        }
    }
}

/// The panel of this title.
fn panel<'b>(board: &'b Board, title: &str) -> &'b Value {
    board.panels().iter().find(|panel| text(panel, "title") == title).unwrap()
}

fn query(panel: &Value) -> &str {
    text(&list(panel, "targets")[0], "expr")
}

fn posture() -> Board {
    Board::all().into_iter().find(|board| board.name == "dr-posture").unwrap()
}

/// An estate of which the last look is this old, with families and recovery points in these states.
fn estate(age: f64, not_assessed: f64, families: &[(&str, f64)]) -> Series {
    let place = "target_account=\"2\", target_region=\"r\"";
    let mut series = vec![
        (format!("target:amiferry_inventory_age_seconds:min{{{place}}}"), age),
        ("worker:amiferry_sweep_patience_seconds:max{worker=\"target\"}".to_owned(), 1800.0),
        (format!("amiferry_inventory_not_assessed{{{place}}}"), not_assessed),
    ];
    for state in ["within_rpo", "pending", "not_assessed", "breached", "unprotected", "lost"] {
        let count = families.iter().find(|(found, _)| *found == state).map_or(0.0, |f| f.1);
        let labels = format!("policy=\"p\", source_account=\"1\", {place}, state=\"{state}\"");
        series.push((format!("amiferry_families{{{labels}}}"), count));
    }
    for state in ["lost", "tampered", "unusable"] {
        series.push((format!("amiferry_recovery_points_lost{{{place}, state=\"{state}\"}}"), 0.0));
    }
    series
}

/// The same with one recovery point of a family that has others.
fn with_one_tampered_with(mut estate: Series) -> Series {
    let (_, count) = estate.iter_mut().find(|(series, _)| series.contains("tampered")).unwrap();
    *count = 1.0;
    estate
}

#[test]
fn the_verdict_is_the_worst_that_is_known_in_the_words_of_the_status_page() {
    let all: &[(&str, f64)] =
        &[("within_rpo", 5.0), ("pending", 1.0), ("not_assessed", 1.0), ("unprotected", 1.0)];
    let cases = [
        (estate(60.0, 0.0, &[("within_rpo", 5.0)]), Some("Every RPO is kept")),
        (estate(60.0, 0.0, &[("within_rpo", 5.0), ("pending", 2.0)]), Some("No RPO is broken")),
        (estate(60.0, 0.0, &all[..3]), Some("Not everything could be assessed")),
        (estate(60.0, 3.0, &all[..2]), Some("Not everything could be assessed")),
        (estate(60.0, 3.0, all), Some("An RPO is broken")),
        (estate(60.0, 0.0, &[("breached", 1.0)]), Some("An RPO is broken")),
        (estate(60.0, 3.0, &[("lost", 1.0), ("breached", 1.0)]), Some("A recovery point is lost")),
        (
            with_one_tampered_with(estate(60.0, 0.0, &[("within_rpo", 5.0)])),
            Some("A recovery point is lost"),
        ),
        (with_one_tampered_with(estate(1801.0, 3.0, all)), Some("Out of date")),
        (estate(1801.0, 3.0, all), Some("Out of date")),
        (estate(1801.0, 0.0, &[("within_rpo", 5.0)]), Some("Out of date")),
        (estate(60.0, 0.0, &[]), Some("Nothing is promised")),
        (estate(60.0, 1.0, &[]), Some("Not everything could be assessed")),
        // Then Grafana shows the words for an empty answer.
        (Vec::new(), None),
    ];
    let board = posture();
    let verdict = panel(&board, "Verdict");
    let defaults = &verdict["fieldConfig"]["defaults"];
    assert_said(query(verdict), list(defaults, "mappings"), &cases);
    assert_eq!(defaults["noValue"], "Nothing is known yet");
    let page = fs::read_to_string(root().join("crates/audit/src/page/view.rs")).unwrap();
    let says = cases.iter().filter_map(|(_, says)| *says).chain(["Nothing is known yet"]);
    let counted = ["An RPO is broken", "A recovery point is lost"];
    for words in says.filter(|words| !counted.contains(words)) {
        assert!(page.contains(words), "the status page does not say {words}");
    }
}

#[test]
fn a_family_has_the_state_that_the_audit_gives_it() {
    let with_lost = |time: f64, margin: f64, lost: f64| {
        let labels = "policy=\"p\", family=\"f\", source_account=\"1\", target_region=\"r\"";
        let series = |name: &str| format!("family:amiferry_{name}:min{{{labels}}}");
        vec![
            (series("recovery_point_timestamp_seconds"), time),
            (series("rpo_margin_seconds"), margin),
            (format!("amiferry_recovery_points{{{labels}, state=\"lost\"}}"), lost),
        ]
    };
    let family = |time: f64, margin: f64| with_lost(time, margin, 0.0);
    let cases = [
        (family(1.8e9, 3600.0), Some("within RPO")),
        (family(0.0, 3600.0), Some("pending")),
        (family(1.8e9, -1.0), Some("breached")),
        (family(0.0, -1.0), Some("unprotected")),
        (with_lost(0.0, 3600.0, 1.0), Some("lost")),
        (with_lost(0.0, -1.0, 2.0), Some("lost")),
        (with_lost(1.8e9, 3600.0, 1.0), Some("within RPO")),
        (with_lost(1.8e9, -1.0, 1.0), Some("breached")),
        // The rest of a policy that lists all its families.
        (family(f64::NAN, f64::NAN), None),
    ];
    let boards = Board::all();
    let board = boards.iter().find(|board| board.name == "recovery-point").unwrap();
    let state = panel(board, "State");
    let mappings = list(&state["fieldConfig"]["defaults"], "mappings");
    assert_said(query(state), mappings, &cases);
    // The table of all families says the same.
    let board = posture();
    let table = panel(&board, "Families");
    let of_table = text(&list(table, "targets")[3], "expr");
    let overridden = list(&table["fieldConfig"], "overrides").iter();
    let of_state =
        overridden.flat_map(|one| list(one, "properties")).find(|p| p["id"] == "mappings");
    assert_eq!(of_state.unwrap()["value"].as_array().unwrap(), mappings);
    assert_said(&format!("min({of_table})"), mappings, &cases);
}

#[test]
fn the_share_within_the_rpo_is_rounded_down() {
    let board = posture();
    let share = panel(&board, "Families within RPO");
    let Some(promtool) = tool("promtool") else { return };
    let shares = [(4999.0, 1.0, 0.999), (5000.0, 0.0, 1.0), (0.0, 2.0, 0.0)];
    for (within, broken, shown) in shares {
        let series = estate(60.0, 0.0, &[("within_rpo", within), ("breached", broken)]);
        assert_eq!(objection(&promtool, query(share), &series, Some(shown)), None);
    }
}
