//! What the metrics say after a run is what is true in the world.

use jiff::SignedDuration;

use crate::stage::{Options, hours, minutes, run_test, spec};

/// The value of the one series that starts with this name and contains all of these labels.
fn value(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let series = metrics.lines().find(|line| {
        line.split(['{', ' ']).next() == Some(name)
            && labels.iter().all(|label| line.contains(label))
    });
    let series = series.unwrap_or_else(|| panic!("no {name} with {labels:?} in\n{metrics}"));
    series.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_recovery_point_timestamp_is_the_creation_of_the_newest_complete_source_image() {
    run_test(Options::default(), async |stage| {
        let now = stage.world.now();
        let mut created = Vec::new();
        for (name, age) in [("orders-db-1", 20), ("orders-db-2", 3), ("orders-db-3", 9)] {
            let mut spec = spec("orders-db", name, &[8]);
            spec.created = Some(now - SignedDuration::from_hours(age));
            created.push(spec.created.unwrap());
            stage.image(spec);
        }
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.pass(minutes(20)).await;
        let metrics = stage.metrics();
        let newest = created.iter().max().unwrap().as_second();
        let shown = value(
            &metrics,
            "amiferry_recovery_point_timestamp_seconds",
            &["policy=\"gold\"", "source_account=\"111111111111\""],
        );
        assert_eq!(shown, newest as f64);
        for (name, labels, expected) in [
            ("amiferry_policy_rpo_seconds", "policy=\"gold\"", 86_400.0),
            ("amiferry_images_in_scope", "policy=\"gold\"", 3.0),
            ("amiferry_images_unprotected", "policy=\"gold\"", 0.0),
        ] {
            assert_eq!(value(&metrics, name, &[labels]), expected, "{name}");
        }
        for stage in ["store", "copy", "restore", "protect", "manifest"] {
            let labels = [format!("stage=\"{stage}\""), "outcome=\"succeeded\"".to_owned()];
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            assert_eq!(value(&metrics, "amiferry_stage_total", &labels), 3.0, "{stage}");
        }
    });
}

#[test]
fn a_policy_of_which_nothing_is_complete_shows_a_recovery_point_of_1970() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.pass(minutes(2)).await;
        let metrics = stage.metrics();
        let labels = ["policy=\"gold\""];
        assert_eq!(value(&metrics, "amiferry_recovery_point_timestamp_seconds", &labels), 0.0);
        assert_eq!(value(&metrics, "amiferry_images_unprotected", &labels), 1.0);
    });
}
