//! Workers that die at any moment and are started again, and several workers at once. The swarm
//! makes them die at every single call.

use std::time::Duration;

use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec};

/// A few images of every kind.
fn load(stage: &mut Stage) {
    stage.image(spec("web", "web-1", &[8]));
    stage.image(spec("orders-db", "orders-db-1", &[20, 200]));
    stage.image(spec("orders-db", "orders-db-2", &[20, 220]));
    stage.image(spec("analytics", "analytics-1", &[30]));
}

/// An AWS that is faster than the real one, because these plays are many.
fn hurried(seed: u64) -> Options {
    let mut options = Options::with(|settings| {
        settings.ec2.store.start_up = Duration::from_secs(10);
        settings.ec2.store.megabytes_per_second = 1_000;
        settings.ec2.restore.start_up = Duration::from_secs(10);
        settings.ec2.restore.megabytes_per_second = 1_000;
    });
    options.configure = |config| config.workers.part_size_mib = 4_096.try_into().ok();
    options.seed = seed;
    options
}

/// Counts an effect that must happen once for each of `images`.
fn assert_once_each(stage: &Stage, operation: &str, images: usize) {
    let done = stage.wire.calls(operation).iter().filter(|call| call.succeeded()).count();
    assert_eq!(done, images, "{operation} succeeded {done} times");
}

#[test]
fn killed_at_random_moments_and_started_again_each_image_completes_once() {
    for seed in 0..20 {
        run_test(hurried(seed), async |stage| {
            let mut dice = fastrand::Rng::with_seed(seed);
            load(stage);
            stage.start_both();
            for _ in 0..3 {
                stage.pass(Duration::from_millis(dice.u64(..150_000))).await;
                let victims: &[Role] = match dice.u8(..3) {
                    0 => &[Role::Source],
                    1 => &[Role::Target],
                    _ => &[Role::Source, Role::Target],
                };
                for role in victims {
                    stage.kill(*role);
                }
                stage.pass(Duration::from_secs(dice.u64(..120))).await;
                for role in victims {
                    stage.start(*role);
                }
            }
            stage.complete_within(hours(12)).await;
            assert_once_each(stage, "CreateStoreImageTask", 4);
            assert_once_each(stage, "CreateRestoreImageTask", 3);
        });
    }
}

#[test]
fn two_replicas_of_each_worker_on_one_queue_make_one_image_each() {
    for seed in 0..4 {
        run_test(hurried(seed), async |stage| {
            stage.start_both();
            stage.start_both();
            stage.pass(minutes(2)).await;
            load(stage);
            stage.complete_within(hours(12)).await;
            assert_once_each(stage, "CreateStoreImageTask", 4);
            assert_once_each(stage, "CreateRestoreImageTask", 3);
        });
    }
}

#[test]
fn workers_that_are_stopped_give_their_messages_back_and_leave_the_rest_to_the_next() {
    run_test(hurried(1), async |stage| {
        load(stage);
        for _ in 0..4 {
            stage.start_both();
            stage.pass(Duration::from_secs(45)).await;
            for role in [Role::Source, Role::Target] {
                for ended in stage.stop(role).await {
                    assert!(matches!(ended.exit_status(), 0 | 3), "{ended}");
                }
            }
        }
        stage.start_both();
        stage.complete_within(hours(12)).await;
    });
}
