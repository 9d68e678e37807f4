//! Which messages are deleted when, and what a sweep finds without them.

use amiferry_core::code::Code;
use amiferry_core::fault::FaultClass;

use super::fakes::{Bench, Deed, Say};
use super::secs;
use crate::metrics::Exporter;

#[tokio::test(start_paused = true)]
async fn duplicates_collapse_into_one_look_and_are_all_deleted() {
    let bench = Bench::start(|queue, _, _| (0..10).for_each(|_| queue.send("1")));
    bench.pass(secs(1)).await;
    assert_eq!(bench.looks(1), 1);
    assert_eq!(bench.deleted(), ["1"; 10]);
}

#[tokio::test(start_paused = true)]
async fn poison_is_deleted_and_the_good_records_beside_it_are_used() {
    let bench = Bench::start(|queue, _, _| {
        for body in ["junk", "1,junk,2", ""] {
            queue.send(body);
        }
    });
    bench.pass(secs(21)).await;
    assert_eq!((bench.looks(1), bench.looks(2)), (1, 1));
    let mut deleted = bench.deleted();
    deleted.sort();
    assert_eq!(deleted, ["", "1,junk,2", "junk"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_while_looks_fail_and_goes_when_one_succeeds() {
    for class in [FaultClass::Unavailable, FaultClass::Denied, FaultClass::Conflict] {
        let bench = Bench::start(|queue, script, _| {
            queue.send("1");
            script.look_fault = Some(class);
        });
        bench.pass(secs(600)).await;
        assert!(bench.looks(1) > 1, "{class}");
        assert_eq!(bench.deleted(), [""; 0], "{class}");
        bench.script.state().look_fault = None;
        bench.pass(secs(900)).await;
        assert_eq!(bench.deleted(), ["1"], "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_of_several_keys_goes_only_after_the_last_look() {
    let bench = Bench::start(|queue, script, _| {
        queue.send("1,2");
        script.says.insert(2, [Say::Nothing, Say::Nothing, Say::Done].into());
    });
    bench.pass(secs(0)).await;
    tokio::task::yield_now().await;
    assert_eq!(bench.deleted(), [""; 0]);
    bench.pass(secs(60)).await;
    assert_eq!(bench.looks(2), 3);
    assert_eq!(bench.deleted(), ["1,2"]);
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_replaces_the_receipt_that_is_deleted() {
    let bench = Bench::start(|queue, script, _| {
        queue.send("1");
        script.look_fault = Some(FaultClass::Unavailable);
    });
    bench.pass(secs(5)).await;
    bench.queue.redeliver();
    bench.pass(secs(5)).await;
    assert_eq!(bench.snapshot().messages, 1);
    bench.script.state().look_fault = None;
    bench.pass(secs(60)).await;
    assert_eq!(bench.deleted(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn deletions_wait_twenty_seconds_for_others_and_not_at_all_once_a_call_is_full() {
    let bench = Bench::start(|queue, _, _| {
        for _ in 0..12 {
            queue.send("1");
        }
    });
    // From the first look on.
    bench.pass(secs(19)).await;
    assert_eq!(bench.deleted().len(), 10);
    bench.pass(secs(2)).await;
    assert_eq!(bench.deleted().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn an_event_during_a_look_leads_to_another_look() {
    let bench = Bench::start(|queue, script, _| {
        script.look_takes = secs(10);
        queue.send("1");
    });
    bench.pass(secs(5)).await;
    bench.queue.send("1");
    bench.pass(secs(7)).await;
    assert_eq!((bench.looks(1), bench.deleted().len()), (2, 0));
    bench.pass(secs(25)).await;
    assert_eq!((bench.looks(1), bench.deleted().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_event_during_a_long_effect_is_deleted_at_once_and_looked_at_after() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Act(Deed::Long(secs(3600))), Say::Done].into());
        queue.send("1");
    });
    bench.pass(secs(60)).await;
    bench.queue.send("1");
    bench.pass(secs(21)).await;
    assert_eq!((bench.looks(1), bench.deleted().len()), (1, 2));
    bench.pass(secs(3600)).await;
    assert_eq!(bench.looks(1), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_wakes_a_key_that_waits() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Wait(Code::StoreRunning, 3600), Say::Done].into());
        queue.send("1");
    });
    bench.pass(secs(60)).await;
    assert_eq!(bench.snapshot().waiting.get(&Code::StoreRunning), Some(&1));
    bench.queue.send("1");
    bench.pass(secs(1)).await;
    assert_eq!(bench.looks(1), 2);
    assert!(bench.snapshot().waiting.is_empty());
    assert_eq!(bench.snapshot().tracked, 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_alone_finds_work_at_start_and_again_at_every_interval() {
    let bench = Bench::start(|_, script, _| {
        script.scope = vec![1, 2];
        script.says.insert(2, [Say::Act(Deed::Take(secs(1))), Say::Done].into());
    });
    bench.pass(secs(10)).await;
    assert_eq!(bench.performed(), [2]);
    assert!(bench.snapshot().swept_at.is_some());
    assert_eq!(bench.snapshot().ready(), Ok(()));
    bench.script.state().scope = vec![3];
    bench.pass(secs(901)).await;
    assert_eq!((bench.looks(1), bench.looks(3)), (1, 1));
    assert_eq!(bench.script.state().sweeps, 2);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_is_repeated_and_one_that_lasts_is_not_doubled() {
    let bench = Bench::start(|_, script, _| {
        script.sweep_faults = [FaultClass::Throttled, FaultClass::Denied].into();
        script.sweep_takes = secs(2000);
    });
    bench.pass(secs(3000)).await;
    assert!(bench.snapshot().ready().is_err(), "no sweep succeeded");
    bench.pass(secs(3600)).await;
    assert_eq!(bench.script.state().sweeps, 3);
    assert_eq!(bench.snapshot().ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_while_looks_fail() {
    let bench = Bench::start(|queue, script, settings| {
        settings.backlog = 50.try_into().unwrap();
        script.look_fault = Some(FaultClass::Unavailable);
        script.scope = (10_000..20_000).collect();
        (0..5_000).for_each(|key| queue.send(&key.to_string()));
    });
    bench.pass(secs(3600)).await;
    let snapshot = bench.snapshot();
    assert!(snapshot.messages <= 70, "{snapshot:?}");
    // Half of the backlog for each of ten parties, and what came in before the first look failed.
    assert!(snapshot.tracked <= 300, "{snapshot:?}");
    bench.script.state().look_fault = None;
    bench.pass(secs(3600)).await;
    assert_eq!(bench.deleted().len(), 5_000);
    assert_eq!(bench.snapshot().tracked, 0);
    assert_eq!(bench.script.state().looks.len(), 15_000);
}

#[tokio::test(start_paused = true)]
async fn nothing_spins_while_there_is_nothing_to_do() {
    let bench = Bench::start(|queue, script, _| {
        queue.state().impatient = true;
        script.scope = vec![1];
        script.says.insert(1, [Say::Wait(Code::StoreRunning, -5)].into());
    });
    bench.pass(secs(3600)).await;
    let (looks, receives) = (bench.looks(1), bench.queue.state().receives);
    assert!((3000..=3601).contains(&looks), "{looks} looks in an hour, one a second asked for");
    assert!(receives <= 3601, "{receives} receives in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_received_from_several_times_at_once_and_an_empty_one_once() {
    let bench = Bench::start(|queue, _, _| {
        queue.state().receive_takes = secs(1);
        (0..2_000).for_each(|message| queue.send(&(message % 15).to_string()));
    });
    bench.pass(secs(45)).await;
    assert_eq!(bench.deleted().len(), 2_000, "200 receives of a second each");
    bench.pass(secs(60)).await;
    let before = bench.queue.state().receives;
    bench.pass(secs(3_600)).await;
    let receives = bench.queue.state().receives - before;
    assert!(receives <= 3_600 / 20, "{receives} receives of an empty queue in an hour");
}

#[tokio::test(start_paused = true)]
async fn messages_about_what_is_known_to_be_refused_do_not_close_the_queue_while_one_look_fails() {
    let bench = Bench::start(|queue, script, _| {
        for key in 1_000..2_100 {
            script.says.insert(key, [Say::Fault(FaultClass::Denied)].into());
            queue.send(&key.to_string());
        }
    });
    bench.pass(secs(60)).await;
    assert_eq!(bench.snapshot().messages, 1_100);
    for class in [FaultClass::Denied, FaultClass::Throttled] {
        bench.script.state().bad_key = Some((1, class));
        bench.queue.send("1");
        bench.pass(secs(1_200)).await;
        for key in 100..110 {
            bench.queue.send(&key.to_string());
            bench.pass(secs(30)).await;
            assert!(bench.looks(key) > 0, "{class}: {key}");
        }
        bench.script.state().looks.clear();
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_received_from_is_asked_ever_less_often() {
    let bench = Bench::start(|queue, _, _| {
        queue.state().receive_fault = Some(FaultClass::Denied);
    });
    bench.pass(secs(3600)).await;
    assert!(bench.queue.state().receives < 60);
    assert_eq!(bench.snapshot().ready(), Err("receiving from the queue fails"));
    bench.queue.state().receive_fault = None;
    bench.pass(secs(660)).await;
    assert_eq!(bench.snapshot().ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn messages_and_what_only_a_sweep_found_are_counted() {
    let (recorder, exporter) = Exporter::build().unwrap();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let act = [Say::Act(Deed::Take(secs(1))), Say::Done];
    let bench = Bench::start(|queue, script, _| {
        for body in ["junk,junk", "1", "2", ""] {
            queue.send(body);
        }
        script.scope = vec![3, 4];
        script.says.insert(1, act.into());
        script.says.insert(3, act.into());
    });
    bench.pass(secs(10)).await;
    let text = exporter.render();
    for line in [
        "amiferry_quarantined_messages_total{worker=\"source\",reason=\"bad_field\"} 2",
        "amiferry_events_total{worker=\"source\",kind=\"ami_state_change\",outcome=\"quarantined\"} 1",
        "amiferry_events_total{worker=\"source\",kind=\"ami_state_change\",outcome=\"accepted\"} 2",
        "amiferry_events_total{worker=\"source\",kind=\"ami_state_change\",outcome=\"ignored\"} 1",
        "amiferry_found_by_sweep_total{worker=\"source\"} 1",
        "amiferry_stage_total{stage=\"store\",outcome=\"succeeded\",reason=\"\"} 2",
        "amiferry_in_flight_effects{worker=\"source\",stage=\"store\"} 0",
        "amiferry_queue_messages{worker=\"source\",state=\"waiting\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}
