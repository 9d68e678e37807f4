//! When effects run, how many at once, and what follows a fault.

use amiferry_core::code::Code;
use amiferry_core::fault::FaultClass;

use super::fakes::{Bench, Deed, Say};
use super::secs;

#[tokio::test(start_paused = true)]
async fn a_key_is_looked_at_again_right_after_its_effect() {
    let bench = Bench::start(|queue, script, _| {
        let act = Say::Act(Deed::Take(secs(1)));
        script.says.insert(1, [act, act, act, Say::Done].into());
        queue.send("1");
    });
    bench.pass(secs(10)).await;
    assert_eq!((bench.performed(), bench.looks(1)), (vec![1, 1, 1], 4));
    assert_eq!(bench.snapshot().tracked, 0);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_aws_never_shows_is_repeated_ever_less_often() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Act(Deed::Take(secs(0)))].into());
        queue.send("1");
    });
    bench.pass(secs(3600)).await;
    let performed = bench.performed().len();
    assert!((20..=80).contains(&performed), "{performed} times in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_parked_key_is_shown_looked_at_again_and_forgotten_when_done() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Park(Code::KeyUnusable, 300), Say::Ineligible].into());
        queue.send("1");
    });
    bench.pass(secs(299)).await;
    assert_eq!(bench.looks(1), 1);
    assert_eq!(bench.snapshot().parked.get(&Code::KeyUnusable), Some(&1));
    bench.pass(secs(2)).await;
    assert_eq!(bench.looks(1), 2);
    assert!(bench.snapshot().parked.is_empty());
    assert_eq!(bench.snapshot().tracked, 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_fault_the_class_decides_how_often_an_hour_sees_a_repetition() {
    for (class, parked, least, most) in [
        (FaultClass::Throttled, false, 15, 60),
        (FaultClass::Unavailable, false, 15, 60),
        (FaultClass::Credentials, false, 15, 60),
        (FaultClass::Bug, false, 15, 60),
        (FaultClass::QuotaFull, false, 6, 40),
        (FaultClass::KeyUnusable, true, 6, 40),
        (FaultClass::Denied, true, 6, 40),
        (FaultClass::Invalid, true, 6, 40),
        (FaultClass::Conflict, false, 60, 240),
        (FaultClass::OutcomeUnknown, false, 60, 240),
        (FaultClass::NotFound, false, 60, 240),
    ] {
        let bench = Bench::start(|queue, script, _| {
            script.says.insert(1, [Say::Act(Deed::Fail(class))].into());
            queue.send("1");
        });
        bench.pass(secs(3600)).await;
        let looks = bench.looks(1);
        assert!((least..=most).contains(&looks), "{class}: {looks} looks");
        let snapshot = bench.snapshot();
        assert_eq!(snapshot.parked.len(), usize::from(parked), "{class}: {snapshot:?}");
        assert_eq!(snapshot.waiting.len(), usize::from(!parked), "{class}: {snapshot:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_do_not_get_around_the_backoff() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Act(Deed::Fail(FaultClass::Throttled))].into());
        queue.send("1");
    });
    for _ in 0..3600 {
        bench.pass(secs(1)).await;
        bench.queue.send("1");
    }
    assert!(bench.looks(1) < 60, "{} looks", bench.looks(1));
}

#[tokio::test(start_paused = true)]
async fn lanes_bound_how_many_effects_run_and_long_ones_do_not_hold_up_short_ones() {
    let bench = Bench::start(|_, script, settings| {
        settings.long_effects = 2.try_into().unwrap();
        settings.short_effects = 3.try_into().unwrap();
        script.scope = (0..20).collect();
        let act = Say::Act(Deed::Long(secs(600)));
        for key in 0..10 {
            // All but the first two wait so long for a slot that they are decided twice.
            let acts = vec![act; if key < 2 { 1 } else { 2 }];
            script.says.insert(key, acts.into_iter().chain([Say::Done]).collect());
        }
        for key in 10..20 {
            script.says.insert(key, [Say::Act(Deed::Take(secs(1))), Say::Done].into());
        }
    });
    bench.pass(secs(60)).await;
    let mut short = bench.performed();
    short.sort_unstable();
    assert_eq!(short, (10..20).collect::<Vec<_>>());
    assert_eq!(bench.script.state().busy_most, 5);
    bench.pass(secs(3100)).await;
    assert_eq!(bench.performed().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_waited_long_for_its_slot_is_decided_again() {
    let bench = Bench::start(|_, script, settings| {
        settings.long_effects = 1.try_into().unwrap();
        script.scope = vec![1, 2];
        script.says.insert(1, [Say::Act(Deed::Long(secs(600))), Say::Done].into());
        script.says.insert(2, [Say::Act(Deed::Long(secs(600))), Say::Done].into());
    });
    bench.pass(secs(700)).await;
    assert_eq!((bench.performed(), bench.looks(2)), (vec![1], 2));
    assert_eq!(bench.snapshot().tracked, 0);
}

#[tokio::test(start_paused = true)]
async fn one_key_that_spoils_a_look_does_not_keep_the_others_from_theirs() {
    let bench = Bench::start(|_, script, _| {
        script.scope = (0..100).collect();
        script.bad_key = Some((50, FaultClass::Invalid));
    });
    bench.pass(secs(1800)).await;
    let snapshot = bench.snapshot();
    assert_eq!(snapshot.tracked, 1, "{snapshot:?}");
    assert_eq!(snapshot.parked.get(&Code::Failing), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_look_keeps_only_its_own_keys_waiting() {
    let bench = Bench::start(|queue, script, _| {
        script.bad_key = Some((1, FaultClass::Throttled));
        script.says.insert(1, [Say::Done].into());
        queue.send("1");
    });
    // By now the key waits minutes between its looks.
    bench.pass(secs(1800)).await;
    for key in 100..130 {
        bench.queue.send(&key.to_string());
        bench.pass(secs(12)).await;
        assert_eq!(bench.looks(key), 1, "{key}");
    }
    assert_eq!(bench.snapshot().tracked, 1);
}

#[tokio::test(start_paused = true)]
async fn a_fault_about_one_key_of_a_look_is_no_concern_of_the_others() {
    for class in [FaultClass::Throttled, FaultClass::Unavailable, FaultClass::Denied] {
        let bench = Bench::start(|_, script, _| {
            script.scope = (0..50).collect();
            script.says.insert(7, [Say::Fault(class), Say::Fault(class), Say::Done].into());
        });
        bench.pass(secs(1)).await;
        assert_eq!(bench.snapshot().tracked, 1, "{class}");
        assert_eq!((bench.looks(6), bench.looks(7)), (1, 1), "{class}");
        bench.pass(secs(120)).await;
        assert_eq!((bench.snapshot().tracked, bench.looks(7)), (0, 3), "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_rest_fall_into_step_and_share_their_looks() {
    let bench = Bench::start(|_, script, _| {
        for key in 0..10 {
            script.says.insert(key, [Say::Wait(Code::StoreRunning, 30)].into());
        }
    });
    for key in 0..10 {
        bench.queue.send(&key.to_string());
        bench.pass(secs(3)).await;
    }
    bench.pass(secs(60)).await;
    let before = bench.script.state().calls;
    bench.pass(secs(600)).await;
    let calls = bench.script.state().calls - before;
    let looks = bench.looks(0);
    assert!(calls <= 42, "{calls} looks at ten keys in ten minutes");
    assert!((18..=46).contains(&looks), "{looks} looks at one key, one in 15 to 30 s asked for");
}
