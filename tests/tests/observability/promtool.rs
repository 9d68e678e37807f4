//! Prometheus' own checks of the files in `deploy/prometheus`.

use std::fs;

use crate::tools::{root, run, tool};

fn content(program: &str, arguments: &[&str]) {
    let Some(program) = tool(program) else { return };
    let (content, said) = run(&program, arguments, "");
    assert!(content, "{arguments:?}: {said}");
}

#[test]
fn the_rules_are_well_formed() {
    content(
        "promtool",
        &["check", "rules", "--lint-fatal", "deploy/prometheus/amiferry.rules.yml"],
    );
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    content("promtool", &["test", "rules", "deploy/prometheus/amiferry.test.yml"]);
}

#[test]
fn the_example_for_prometheus_is_well_formed() {
    // The operator's own file lies beside it.
    let folder = tempfile::tempdir().unwrap();
    for file in ["prometheus.example.yml", "amiferry.rules.yml"] {
        fs::copy(root().join("deploy/prometheus").join(file), folder.path().join(file)).unwrap();
    }
    fs::write(folder.path().join("amiferry-token"), "0123456789abcdef").unwrap();
    let example = folder.path().join("prometheus.example.yml");
    content("promtool", &["check", "config", example.to_str().unwrap()]);
}

#[test]
fn the_example_for_alertmanager_is_well_formed() {
    content("amtool", &["check-config", "deploy/prometheus/alertmanager.example.yml"]);
}
