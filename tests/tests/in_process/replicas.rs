//! Several replicas of each worker on one queue: they share the work instead of doing it twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::ports::Clock;
use amiferry_simulator::faults::{Effect, FaultPlan, Rule, When};
use amiferry_simulator::sqs;
use jiff::SignedDuration;

use crate::stage::images::But;
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec};

const SOURCES: [&str; 4] = ["source-1", "source-2", "source-3", "source-4"];
const TARGETS: [&str; 4] = ["target-1", "target-2", "target-3", "target-4"];

/// Sizes of volumes in GiB: objects from one part to hundreds.
const SIZES: [u32; 8] = [1, 2, 4, 8, 12, 20, 30, 45];

/// 40 images of both tiers, every second one for a sweep to find.
fn fleet(stage: &mut Stage) {
    for n in 0..40 {
        let workload = if n % 3 == 0 { "web" } else { "analytics" };
        let spec = spec(workload, &format!("{workload}-{n}"), &[SIZES[n % SIZES.len()]]);
        stage.image(if n % 2 == 0 { spec } else { spec.unannounced() });
    }
}

/// Parts as large as in production.
pub fn at_real_size(seed: u64) -> Options {
    let mut options = Options::seeded(seed);
    options.configure = |config| config.workers.part_size_mib = None;
    options.logged = false;
    options
}

/// Every call takes as long as a near Region does, some of them longer.
pub fn distance() -> FaultPlan {
    let slow = Effect::DelayRequest(Duration::from_millis(150));
    FaultPlan::new()
        .fault(Rule::new(slow).when(When::probability(0.2)))
        .fault(Rule::new(Effect::DelayResponse(Duration::from_millis(30))))
}

fn start(stage: &mut Stage, role: Role, names: &[&'static str]) {
    for who in names {
        let clock: Arc<dyn Clock> = Arc::new(stage.world.clock().clone());
        stage.start_as(role, who, clock);
    }
}

/// How many copies of parts were asked for, and how many different ones.
fn parts(stage: &Stage) -> (usize, usize) {
    let calls = stage.wire.calls("UploadPartCopy");
    let part = |text: &str| {
        let (key, query) = text.split_once('?').unwrap();
        let number = query.split('&').find(|pair| pair.starts_with("partNumber=")).unwrap();
        format!("{key} {}", number.trim())
    };
    let different: BTreeSet<String> = calls.iter().map(|call| part(&call.text)).collect();
    (calls.len(), different.len())
}

/// No more than 5 % of the parts were sent more than once.
fn assert_shared(stage: &Stage) {
    let (sent, different) = parts(stage);
    eprintln!("{sent} parts were sent, {different} different ones");
    assert!(different > 1_000, "{different} parts show little");
    assert!((sent - different) * 20 <= different, "{sent} parts were sent, {different} different");
}

#[test]
fn four_replicas_of_each_worker_send_few_parts_twice() {
    for seed in 0..2 {
        run_test(at_real_size(seed), async |stage| {
            stage.world.faults().install(distance()).unwrap();
            fleet(stage);
            start(stage, Role::Source, &SOURCES);
            start(stage, Role::Target, &TARGETS);
            stage.complete_within(hours(24)).await;
            assert_shared(stage);
        });
    }
}

#[test]
fn redelivered_messages_and_a_crash_make_them_send_few_parts_twice() {
    for seed in 0..2 {
        run_test(at_real_size(seed), async |stage| {
            let throttled = Rule::new(Effect::Throttle).when(When::probability(0.01));
            let lost = Rule::new(Effect::ResponseLost).when(When::probability(0.002));
            stage.world.faults().install(FaultPlan::new().fault(throttled).fault(lost)).unwrap();
            stage.world.faults().install(distance()).unwrap();
            fleet(stage);
            start(stage, Role::Source, &SOURCES);
            start(stage, Role::Target, &TARGETS);
            stage.until("copies are under way", hours(2), |stage| parts(stage).0 > 500).await;
            let victim = stage.wire.calls("UploadPartCopy").last().unwrap().who;
            stage.kill_named(victim);
            for _ in 0..10 {
                for role in [Role::Source, Role::Target] {
                    let queue = stage.queue(role);
                    sqs::redeliver(&mut stage.world.lock(), stage.world.now(), &queue);
                }
                stage.pass(minutes(1)).await;
            }
            start(stage, Role::Target, &[victim]);
            stage.complete_within(hours(24)).await;
            assert_shared(stage);
        });
    }
}

/// How long so many target workers need for images that are staged and need no restore.
fn time_to_copy(targets: &[&'static str]) -> SignedDuration {
    run_test(at_real_size(1), async |stage| {
        stage.world.faults().install(distance()).unwrap();
        for n in 0..24 {
            let name = format!("analytics-{n}");
            stage.image(spec("analytics", &name, &[SIZES[n % SIZES.len()]]).unannounced());
        }
        start(stage, Role::Source, &SOURCES[..1]);
        stage.pass(hours(6)).await;
        let began = stage.world.now();
        start(stage, Role::Target, targets);
        stage.complete_within(hours(24)).await;
        let copies = stage.wire.calls("CompleteMultipartUpload");
        copies.last().unwrap().at.duration_since(began)
    })
}

#[test]
fn four_target_workers_copy_in_less_than_half_the_time_of_one() {
    let (one, four) = (time_to_copy(&TARGETS[..1]), time_to_copy(&TARGETS));
    eprintln!("one: {one:#}, four: {four:#}");
    assert!(four * 2 < one, "one takes {one:#}, four take {four:#}");
}
