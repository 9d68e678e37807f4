//! When a sweep counts, and what it waits for.

use amiferry_core::fault::FaultClass;

use super::fakes::{Bench, Mood};
use super::secs;

#[tokio::test(start_paused = true)]
async fn a_sweep_whose_finds_are_not_taken_has_not_succeeded() {
    let bench = Bench::start(|queue, script, settings| {
        settings.backlog = 10.try_into().unwrap();
        script.look_fault = Some(FaultClass::Unavailable);
        // So few that the channel to the loop has room for all.
        script.scope = (0..200).collect();
        (1_000..1_010).for_each(|key| queue.send(&key.to_string()));
        settings.sweep_interval = secs(60);
    });
    bench.pass(secs(400)).await;
    let snapshot = bench.snapshot();
    assert_eq!((snapshot.swept_at, bench.script.state().sweeps), (None, 1), "{snapshot:?}");
    assert_eq!(snapshot.ready(), Err("the first sweep has not succeeded yet"));
    bench.script.state().look_fault = None;
    bench.pass(secs(300)).await;
    assert_eq!(bench.snapshot().ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_sweeps_have_not_succeeded_for_long_is_not_ready_until_one_does() {
    let bench = Bench::start(|_, script, settings| {
        settings.sweep_interval = secs(600);
        script.scope = vec![1];
    });
    bench.pass(secs(10)).await;
    assert_eq!(bench.snapshot().ready(), Ok(()));
    bench.script.state().sweep_faults = [FaultClass::Denied; 1_000].into();
    bench.pass(secs(2_600)).await;
    assert_eq!(bench.snapshot().ready(), Ok(()), "three sweeps and their time are not over");
    bench.pass(secs(200)).await;
    assert_eq!(bench.snapshot().ready(), Err("no sweep has succeeded for too long"));
    bench.script.state().sweep_faults.clear();
    bench.pass(secs(601)).await;
    assert_eq!(bench.snapshot().ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_place_with_more_than_enough_holds_up_no_other_place_of_the_sweep() {
    let bench = Bench::start(|_, script, settings| {
        settings.backlog = 100.try_into().unwrap();
        script.scope = (1_000..2_000).chain([9]).collect();
        script.other_scope = (2_000..2_010).collect();
        script.look_takes = secs(5);
    });
    bench.pass(secs(11)).await;
    assert!((2_000..2_010).all(|key| bench.looks(key) == 1), "the other place waits");
    assert_eq!((bench.looks(9), bench.snapshot().swept_at), (0, None));
    // Half of the backlog of the one place, what was on its way, and the other place.
    assert!(bench.snapshot().unlooked <= 50 + 64 + 10, "{:?}", bench.snapshot());
    bench.pass(secs(200)).await;
    assert_eq!(bench.looks(9), 1);
    assert!(bench.snapshot().swept_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_party_that_is_apart_holds_up_no_sweep_however_much_is_found_of_it() {
    let bench = Bench::start(|_, script, settings| {
        settings.backlog = 100.try_into().unwrap();
        script.moods.insert(1, Mood::Silent(secs(60)));
        script.scope = (1_000..2_000).chain(0..10).collect();
    });
    bench.pass(secs(300)).await;
    assert!((0..10).all(|key| bench.looks(key) > 0));
    assert!(bench.snapshot().swept_at.is_some());
}
