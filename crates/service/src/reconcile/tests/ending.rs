//! How the loop ends: drained, out of grace, aborted, or by a panic.

use amiferry_core::code::Code;
use amiferry_core::fault::FaultClass;

use super::fakes::{Bench, Deed, Say};
use super::secs;
use crate::stop::Ended;

/// A loop with one effect of this length running, one more waiting for its slot, and a message
/// that cannot be looked at.
async fn busy(effect: u64) -> Bench {
    let bench = Bench::start(|queue, script, settings| {
        settings.long_effects = 1.try_into().unwrap();
        for key in [1, 2] {
            script.says.insert(key, [Say::Act(Deed::Long(secs(effect))), Say::Done].into());
        }
        queue.send("1,2");
    });
    bench.pass(secs(1)).await;
    bench.script.state().look_fault = Some(FaultClass::Denied);
    bench.queue.send("3");
    bench.pass(secs(1)).await;
    bench
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_what_runs_begins_nothing_and_releases_messages() {
    let bench = busy(10).await;
    bench.stopper.drain();
    bench.pass(secs(1)).await;
    assert_eq!(bench.snapshot().ready(), Err("draining"));
    bench.queue.send("4");
    let (ended, queue, script) = bench.ended().await;
    assert_eq!(ended, Ended::Drained);
    assert_eq!(script.state().performed, [1]);
    assert_eq!(script.state().looks.get(&4), None);
    assert_eq!(queue.state().deleted, ["1,2"]);
    assert_eq!(queue.state().released, ["3"]);
    assert_eq!(queue.state().visible.len(), 1, "the late message is not taken");
}

#[tokio::test(start_paused = true)]
async fn an_idle_loop_drains_at_once() {
    let bench = Bench::start(|_, _, _| {});
    bench.pass(secs(5)).await;
    let start = tokio::time::Instant::now();
    bench.stopper.drain();
    assert_eq!(bench.ended().await.0, Ended::Drained);
    assert_eq!(start.elapsed(), secs(0));
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_outlasts_the_grace_period_is_dropped() {
    let bench = busy(3600).await;
    let start = tokio::time::Instant::now();
    bench.stopper.drain();
    let (ended, queue, script) = bench.ended().await;
    assert_eq!(ended, Ended::GraceExceeded(1));
    assert_eq!(start.elapsed(), secs(25));
    assert_eq!(queue.state().released, ["3"]);
    assert!(script.state().busy.is_empty(), "the effect was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_at_once() {
    let bench = busy(3600).await;
    let start = tokio::time::Instant::now();
    bench.stopper.drain();
    bench.pass(secs(3)).await;
    bench.stopper.abort();
    let (ended, _, script) = bench.ended().await;
    assert_eq!(ended, Ended::Aborted);
    assert_eq!(start.elapsed(), secs(3));
    assert!(script.state().busy.is_empty(), "the effect was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_the_worker_with_its_message_and_releases_the_rest() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Act(Deed::Long(secs(5))), Say::Done].into());
        script.says.insert(2, [Say::Act(Deed::Panic)].into());
        script.says.insert(3, [Say::Nothing].into());
        for body in ["1", "2", "3"] {
            queue.send(body);
        }
    });
    let (ended, queue, script) = bench.ended().await;
    assert_eq!(ended, Ended::Failed("store of 2 panicked: as the test asks".to_owned()));
    assert_eq!(queue.state().released, ["3"]);
    assert!(script.state().busy.is_empty(), "the other effect was dropped");
}

#[test]
fn each_end_has_its_exit_status() {
    for (ended, status) in [
        (Ended::Drained, 0),
        (Ended::GraceExceeded(1), 3),
        (Ended::Aborted, 130),
        (Ended::Failed(String::new()), 1),
    ] {
        assert_eq!(ended.exit_status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_by_itself_does_what_can_be_done_now_and_leaves_what_waits() {
    let start = tokio::time::Instant::now();
    let bench = Bench::start_once(|queue, script, _| {
        script.scope = vec![1, 2, 3];
        script.says.insert(1, [Say::Act(Deed::Long(secs(90))), Say::Done].into());
        script.says.insert(2, [Say::Wait(Code::QuotaFull, 600)].into());
        script.says.insert(3, [Say::Fault(FaultClass::Denied)].into());
        script.says.insert(4, [Say::Act(Deed::Take(secs(1))), Say::Done].into());
        queue.send("4,5");
    });
    bench.pass(secs(30)).await;
    bench.queue.send("6");
    let (ended, queue, script) = bench.ended().await;
    assert_eq!(ended, Ended::Parked(1), "the denied key waits for a person");
    assert_eq!(script.state().performed, [4, 1]);
    assert_eq!(queue.state().deleted, ["4,5", "6"]);
    assert_eq!(script.state().sweeps, 1);
    assert!(start.elapsed() >= secs(90) && start.elapsed() < secs(180), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_by_itself_waits_for_a_sweep_and_fails_if_none_succeeds() {
    let later = Bench::start_once(|_, script, _| {
        script.sweep_faults = [FaultClass::Unavailable, FaultClass::Throttled].into();
    });
    let (ended, _, script) = later.ended().await;
    assert_eq!((ended, script.state().sweeps), (Ended::Drained, 3));
    let never = Bench::start_once(|_, script, _| {
        script.sweep_faults = vec![FaultClass::Denied; 1_000].into();
    });
    let (ended, ..) = never.ended().await;
    let why = "no sweep has succeeded for too long".to_owned();
    assert_eq!(ended, Ended::Failed(why));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_by_itself_ends_on_a_signal_before() {
    let bench = Bench::start_once(|_, script, _| script.sweep_takes = secs(500));
    bench.pass(secs(5)).await;
    bench.stopper.drain();
    assert_eq!(bench.ended().await.0, Ended::Drained);
}
