//! A message stays hidden from other consumers while its keys wait for a look, and no longer.

use amiferry_core::fault::FaultClass;

use super::fakes::{Bench, Say};
use super::secs;

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_while_looks_fail_and_never_comes_again() {
    for class in [FaultClass::Unavailable, FaultClass::Denied, FaultClass::Conflict] {
        let bench = Bench::start(|queue, script, _| {
            queue.send("1");
            script.look_fault = Some(class);
        });
        bench.pass(secs(3600)).await;
        assert_eq!(bench.queue.state().came_again, 0, "{class}");
        bench.script.state().look_fault = None;
        bench.pass(secs(900)).await;
        assert_eq!(bench.deleted(), ["1"], "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_look_takes_long_is_hidden_until_it_ends() {
    let bench = Bench::start(|queue, script, _| {
        queue.send("1");
        script.look_takes = secs(300);
    });
    bench.pass(secs(299)).await;
    let extended = bench.queue.state().extended;
    assert!((2..=6).contains(&extended), "{extended} times");
    bench.pass(secs(301)).await;
    let state = bench.queue.state();
    assert_eq!((state.came_again, state.deleted.as_slice()), (0, &["1".to_owned()][..]));
    assert_eq!(state.extended, extended, "not after its end");
}

#[tokio::test(start_paused = true)]
async fn no_timeout_is_extended_for_work_that_a_look_has_answered() {
    let bench = Bench::start(|queue, script, _| {
        queue.send("1");
        queue.send("2");
        script.says.insert(2, [Say::Park(amiferry_core::code::Code::KeyUnusable, 30)].into());
    });
    bench.pass(secs(3600)).await;
    assert_eq!(bench.queue.state().extended, 0);
    assert_eq!(bench.deleted(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn many_timeouts_are_extended_in_batches_and_no_message_comes_again() {
    let bench = Bench::start(|queue, script, _| {
        (0..95).for_each(|key| queue.send(&key.to_string()));
        script.look_fault = Some(FaultClass::Unavailable);
    });
    bench.pass(secs(600)).await;
    assert_eq!(bench.queue.state().came_again, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_timeout_cannot_be_extended_comes_again_and_is_not_retried_each_time() {
    // Refused for good, as beyond 12 hours; and for now.
    for (class, most) in [(FaultClass::Invalid, 12), (FaultClass::Throttled, 200)] {
        let bench = Bench::start(|queue, script, _| {
            queue.send("1");
            queue.state().hide_fault = Some(class);
            script.look_fault = Some(FaultClass::Unavailable);
        });
        bench.pass(secs(600)).await;
        {
            let state = bench.queue.state();
            assert!(state.came_again >= 5, "{class}: {}", state.came_again);
            assert!((1..=most).contains(&state.extended), "{class}: {}", state.extended);
        }
        bench.script.state().look_fault = None;
        bench.pass(secs(900)).await;
        assert_eq!(bench.deleted(), ["1"], "{class}");
    }
}
