//! A crash at every call of the golden path, of either worker, in every way to die at a call.

use std::time::Duration;

use crate::stage::{Fault, Mishap, Options, Role, hours, minutes, run_test, spec};

/// Runs one image to its end with a process that dies at its call number `index`; whether it got
/// that far before the image was recorded and the queues were empty.
fn dies_at(role: Role, index: usize, mishap: Mishap) -> bool {
    // Faster than the real AWS, because the plays are many: the calls are the same.
    let mut options = Options::with(|settings| {
        for pace in [&mut settings.ec2.store, &mut settings.ec2.restore] {
            pace.start_up = Duration::from_secs(10);
            pace.megabytes_per_second = 1_000;
        }
    });
    options.configure = |config| config.workers.part_size_mib = 4_096.try_into().ok();
    options.logged = false;
    run_test(options, async |stage| {
        stage.image(spec("web", "web-1", &[2]));
        let containing = String::new();
        let any = Fault { operation: None, containing, after: index, times: 1, mishap };
        stage.wire.upset(role.as_str(), any);
        stage.start_both();
        let id = stage.expected().keys().next().unwrap().clone();
        let begun = stage.world.now();
        let mut died = false;
        while !died && stage.world.now().duration_since(begun).as_mins() < 30 {
            stage.pass(Duration::from_secs(1)).await;
            died = stage.wire.died(role.as_str());
            let recorded = crate::stage::truth::is_recorded(stage, &id);
            if recorded && crate::stage::truth::queues_are_empty(stage) {
                break;
            }
        }
        if died {
            stage.kill(role);
            stage.pass(minutes(1)).await;
            stage.start(role);
        }
        stage.wire.mend();
        stage.complete_within(hours(1)).await;
        for operation in ["CreateStoreImageTask", "CreateRestoreImageTask"] {
            let done = stage.wire.calls(operation).iter().filter(|call| call.succeeded()).count();
            assert_eq!(done, 1, "{operation}, {role:?} dying at call {index}: {mishap:?}");
        }
        died
    })
}

/// Every call that a worker makes until the image is complete.
fn dies_at_every_call(role: Role, mishap: Mishap) {
    let calls = (0..).take_while(|index| dies_at(role, *index, mishap)).count();
    assert!(calls > 15, "only {calls} calls of {role:?} are on the golden path");
}

#[test]
fn a_source_worker_may_die_before_any_of_its_calls() {
    dies_at_every_call(Role::Source, Mishap::DiesBefore);
}

#[test]
fn a_source_worker_may_die_after_any_of_its_calls_and_before_the_answer() {
    dies_at_every_call(Role::Source, Mishap::DiesAfter);
}

#[test]
fn a_source_worker_may_die_with_any_answer_in_its_hands() {
    dies_at_every_call(Role::Source, Mishap::DiesAnswered);
}

#[test]
fn a_target_worker_may_die_before_any_of_its_calls() {
    dies_at_every_call(Role::Target, Mishap::DiesBefore);
}

#[test]
fn a_target_worker_may_die_after_any_of_its_calls_and_before_the_answer() {
    dies_at_every_call(Role::Target, Mishap::DiesAfter);
}

#[test]
fn a_target_worker_may_die_with_any_answer_in_its_hands() {
    dies_at_every_call(Role::Target, Mishap::DiesAnswered);
}
