//! After a run the metrics agree with the state of the world.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use amiferry_core::ports::Clock;
use amiferry_service::metrics::Exporter;
use jiff::{SignedDuration, Timestamp};

use crate::stage::{Fault, Mishap, Options, Role, hours, minutes, run_test, spec};

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

/// The series that speak of recovery points, without those that say when they were taken.
fn inventory(metrics: &str) -> Vec<&str> {
    let names = [
        "amiferry_recovery_point_timestamp_seconds",
        "amiferry_recovery_point_stored_timestamp_seconds",
        "amiferry_rpo_start_timestamp_seconds",
        "amiferry_recovery_points",
        "amiferry_vault_object_bytes",
        "amiferry_families",
        "amiferry_policy_rpo_seconds",
        "amiferry_images_in_scope",
        "amiferry_images_unprotected",
    ];
    let mut series: Vec<&str> = metrics
        .lines()
        .filter(|line| line.split_once('{').is_some_and(|(name, _)| names.contains(&name)))
        .collect();
    series.sort_unstable();
    series
}

#[test]
fn a_restart_moves_no_series_of_the_inventory() {
    run_test(Options::default(), async |stage| {
        for name in ["orders-db-1", "orders-db-2"] {
            stage.image(spec("orders-db", name, &[8]));
        }
        stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.pass(minutes(20)).await;
        let before = stage.metrics();
        assert!(inventory(&before).len() > 40, "{before}");
        stage.kill(Role::Target);
        // A new process begins with metrics of its own.
        let (recorder, exporter) = Exporter::build().unwrap();
        let _metrics = metrics::set_default_local_recorder(&recorder);
        assert_eq!(inventory(&exporter.render()), Vec::<&str>::new());
        stage.start(Role::Target);
        stage.pass(minutes(5)).await;
        assert_eq!(inventory(&exporter.render()), inventory(&before));
    });
}

#[test]
fn while_looks_fail_the_last_good_values_stay_and_say_how_old_they_are() {
    let taken = "amiferry_inventory_last_success_timestamp_seconds";
    run_test(Options::default(), async |stage| {
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.pass(minutes(20)).await;
        let before = stage.metrics();
        let all = Fault::every(Mishap::RequestLost);
        stage.wire.upset("target", all);
        stage.pass(hours(3)).await;
        let during = stage.metrics();
        assert_eq!(inventory(&during), inventory(&before));
        let (then, now) = (value(&before, taken, &[]), value(&during, taken, &[]));
        assert!(now - then < 3_600.0, "nothing was observed since {then}, yet it says {now}");
        stage.wire.mend();
        stage.pass(hours(1)).await;
        let after = value(&stage.metrics(), taken, &[]);
        assert!(after - then > 3.0 * 3_600.0, "{after}");
    });
}

/// The clock of a machine, which a test can set.
#[derive(Debug)]
struct Set {
    right: Arc<dyn Clock>,
    minutes_ahead: AtomicI64,
}

impl Clock for Set {
    fn now(&self) -> Timestamp {
        self.right.now() + SignedDuration::from_mins(self.minutes_ahead.load(Ordering::Relaxed))
    }
}

#[test]
fn a_clock_that_jumps_and_comes_back_moves_no_family_and_leaves_no_time_of_the_future() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.image(spec("web", "web-1", &[8]));
        let clock = Arc::new(Set { right: stage.clock(), minutes_ahead: AtomicI64::new(0) });
        stage.start(Role::Source);
        stage.start_as(Role::Target, "target", Arc::<Set>::clone(&clock));
        stage.complete_within(hours(1)).await;
        stage.pass(minutes(20)).await;
        let before = stage.metrics();
        // As far as AWS still takes its signatures.
        for ahead in [14, -14, 0] {
            clock.minutes_ahead.store(ahead, Ordering::Relaxed);
            stage.pass(minutes(40)).await;
            assert_eq!(inventory(&stage.metrics()), inventory(&before), "{ahead} minutes ahead");
        }
        let name = "amiferry_inventory_last_success_timestamp_seconds";
        let (taken, now) = (value(&stage.metrics(), name, &[]), stage.world.now().as_second());
        let age = now as f64 - taken;
        assert!((0.0..3_600.0).contains(&age), "the inventory is {age} seconds old");
    });
}

#[test]
fn hostile_images_and_messages_add_no_series() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.pass(minutes(20)).await;
        let names = |metrics: &str| -> std::collections::BTreeSet<String> {
            let series = metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            series.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
        };
        let before = names(&stage.metrics());
        for number in 0..40 {
            let workload = format!("EVIL{number}\"}} 1\namiferry_up 1\u{202e}");
            stage.image(spec(&workload, &format!("EVIL-{number}"), &[1]));
            let body = format!("{{\"EVIL{number}\": \"{number}\"}}");
            stage.send(Role::Source, body.clone());
            stage.send(Role::Target, body);
        }
        stage.complete_within(hours(3)).await;
        stage.pass(minutes(20)).await;
        let page = stage.metrics();
        assert!(!page.contains("EVIL"), "{page}");
        let after = names(&page);
        let added: Vec<_> = after.difference(&before).collect();
        // Only what is counted for the first time, with labels of closed sets.
        assert!(added.len() < 40, "{added:#?}");
        let labels = ["policy=\"archive\"", "family=\"_other\"", "state=\"complete\""];
        assert_eq!(value(&page, "amiferry_recovery_points", &labels), 40.0);
    });
}

#[test]
fn calls_to_aws_are_counted_with_service_operation_and_outcome_and_timed() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let metrics = stage.metrics();
        for (worker, service, operation) in [
            ("source", "ec2", "CreateStoreImageTask"),
            ("source", "sqs", "ReceiveMessage"),
            ("target", "s3", "UploadPartCopy"),
            ("target", "kms", "DescribeKey"),
            ("target", "sts", "AssumeRole"),
        ] {
            let labels = [
                format!("worker=\"{worker}\""),
                format!("service=\"{service}\""),
                format!("operation=\"{operation}\""),
            ];
            let mut labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let timed = value(&metrics, "amiferry_aws_api_duration_seconds_count", &labels);
            labels.push("outcome=\"ok\"");
            let counted = value(&metrics, "amiferry_aws_api_requests_total", &labels);
            assert!(counted >= 1.0 && timed >= counted, "{operation}: {counted}, {timed}");
        }
    });
}

#[test]
fn the_tasks_of_ec2_are_timed_from_outside() {
    run_test(Options::default(), async |stage| {
        stage.image(spec("orders-db", "orders-db-1", &[100]));
        stage.start_both();
        stage.complete_within(hours(3)).await;
        stage.pass(minutes(1)).await;
        let metrics = stage.metrics();
        for stage in ["store_task", "restore_task"] {
            let label = format!("stage=\"{stage}\"");
            let labels = [label.as_str(), "outcome=\"succeeded\""];
            let seconds = value(&metrics, "amiferry_stage_duration_seconds_sum", &labels);
            assert!(seconds > 60.0, "{stage}: {seconds}");
            assert_eq!(value(&metrics, "amiferry_tasks_running", &[&label]), 0.0, "{stage}");
        }
        let lag = value(&metrics, "amiferry_recovery_point_completion_seconds_sum", &["gold"]);
        assert!(lag > 120.0, "{lag}");
    });
}
