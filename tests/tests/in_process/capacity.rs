//! EC2's quotas and rates: workers stay within them without refusals, and urgent images go first.

use amiferry_core::ids::ImageId;
use amiferry_core::pacing::CallRate;
use jiff::SignedDuration;

use crate::stage::images::But;
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// More gigabytes than both quotas admit at once, a single one larger than the restore quota.
fn fill(stage: &mut Stage) -> usize {
    for n in 0..6 {
        stage.image(spec("orders-db", &format!("orders-db-{n}"), &[50, 350]).unannounced());
    }
    stage.image(spec("orders-db", "orders-db-large", &[50, 650]).unannounced());
    7
}

fn roomy() -> Options {
    let mut options = Options::with(|settings| {
        settings.ec2.store.megabytes_per_second = 1_000;
        settings.ec2.restore.megabytes_per_second = 1_000;
    });
    options.configure = |config| config.workers.part_size_mib = 4_096.try_into().ok();
    options
}

#[test]
fn alone_in_the_account_no_task_is_ever_refused_for_the_quota() {
    run_test(roomy(), async |stage| {
        let images = fill(stage);
        stage.start_both();
        stage.complete_within(hours(24)).await;
        for operation in ["CreateStoreImageTask", "CreateRestoreImageTask"] {
            let calls = stage.wire.calls(operation);
            assert_eq!(calls.len(), images, "{operation}");
            assert!(calls.iter().all(super::stage::wire::Call::succeeded), "{operation}");
        }
        let spread = |operation: &str| {
            let calls = stage.wire.calls(operation);
            calls.last().unwrap().at.duration_since(calls[0].at)
        };
        // It did have to wait: the load was larger than the quota.
        assert!(spread("CreateStoreImageTask") > SignedDuration::from_mins(10));
        assert!(spread("CreateRestoreImageTask") > SignedDuration::from_mins(20));
    });
}

#[test]
fn the_quota_is_filled_to_the_rule_of_aws_and_not_to_less() {
    run_test(roomy(), async |stage| {
        fill(stage);
        stage.start(Role::Source);
        stage.pass(minutes(1)).await;
        // 400 + 400 = 800 < 1,200 admits a third; 1,200 is not less than 1,200.
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 3);
    });
}

#[test]
fn priority_goes_first_and_then_the_newest_image_of_each_family() {
    run_test(roomy(), async |stage| {
        // The quota is full when the five appear, so that all of them wait for it.
        let plug = stage.image(spec("analytics", "analytics-0", &[1_300]).unannounced());
        stage.start(Role::Source);
        stage.pass(minutes(1)).await;
        assert!(stage.wire.calls("CreateStoreImageTask")[0].text.contains(plug.as_str()));
        let now = stage.world.now();
        let mut add = |workload: &str, name: &str, hours: i64| -> ImageId {
            let mut spec = spec(workload, name, &[1_250]).unannounced();
            spec.created = Some(now - SignedDuration::from_hours(hours));
            stage.image(spec)
        };
        // Policies: gold has priority 10 and an RPO of 24 h, silver 24 h, archive 7 days.
        let expected = {
            let (archive, silver) = (add("analytics", "analytics-1", 30), add("web", "web-1", 3));
            let silver_older = add("web", "web-2", 20);
            let (gold, gold_older) =
                (add("orders-db", "orders-db-1", 1), add("orders-db", "orders-db-2", 2));
            [gold, gold_older, silver, silver_older, archive]
        };
        stage
            .until("all are stored", hours(24), |stage| {
                stage.wire.calls("CreateStoreImageTask").len() > expected.len()
            })
            .await;
        let stored = stage.wire.calls("CreateStoreImageTask");
        let order: Vec<usize> = expected
            .iter()
            .map(|id| stored.iter().position(|call| call.text.contains(id.as_str())).unwrap())
            .collect();
        assert_eq!(order, [1, 2, 3, 4, 5], "{expected:?}\n{stored:#?}");
    });
}

#[test]
fn others_who_fill_the_quota_delay_us_and_nothing_more() {
    run_test(roomy(), async |stage| {
        // The configuration believes in twice the quota that the account has.
        stage.config.sources[0].store_quota_gb = 2_400.try_into().unwrap();
        stage.config.vaults[0].restore_quota_gb = 1_200.try_into().unwrap();
        let images = fill(stage);
        stage.start_both();
        stage.complete_within(hours(24)).await;
        for operation in ["CreateStoreImageTask", "CreateRestoreImageTask"] {
            let calls = stage.wire.calls(operation);
            let done = calls.iter().filter(|call| call.succeeded()).count();
            assert_eq!(done, images, "{operation}");
            assert!(calls.len() < images * 30, "{operation} was asked {} times", calls.len());
        }
    });
}

#[test]
fn two_hundred_small_images_take_a_bounded_number_of_calls_each() {
    const IMAGES: usize = 200;
    run_test(Options::default(), async |stage| {
        let mut ids = Vec::new();
        for n in 0..IMAGES {
            let workload = if n % 2 == 0 { "web" } else { "analytics" };
            ids.push(stage.image(spec(workload, &format!("{workload}-{n}"), &[1])));
        }
        stage.start_both();
        stage.complete_within(hours(8)).await;
        let calls = stage.wire.all().iter().filter(|call| call.who != "audit").count();
        let each = calls / IMAGES;
        // No other caller uses the account: pacing and admission leave EC2 nothing to refuse.
        let stores = stage.wire.calls("CreateStoreImageTask");
        assert_eq!(stores.len(), IMAGES);
        assert!(each <= 70, "{each} calls for each recovery point");
        assert!(ids.iter().all(|id| truth::is_recorded(stage, id)));
    });
}

#[test]
fn create_calls_keep_the_configured_rate() {
    let mut options = roomy();
    options.configure = |config| {
        let rate = CallRate { burst: 2, refill: "10m".parse().unwrap() };
        config.sources[0].store_calls = rate;
        config.vaults[0].restore_calls = rate;
    };
    run_test(options, async |stage| {
        for n in 0..5 {
            stage.image(spec("web", &format!("web-{n}"), &[8]));
        }
        stage.start_both();
        stage.pass(minutes(5)).await;
        assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 2, "no more at once");
        stage.complete_within(hours(4)).await;
        for operation in ["CreateStoreImageTask", "CreateRestoreImageTask"] {
            let calls = stage.wire.calls(operation);
            assert_eq!(calls.len(), 5, "{operation}");
            let times: Vec<_> = calls.iter().map(|call| call.at).collect();
            for (first, third) in times.iter().zip(&times[2..]) {
                assert!(third.duration_since(*first) >= SignedDuration::from_mins(10), "{times:?}");
            }
        }
    });
}
