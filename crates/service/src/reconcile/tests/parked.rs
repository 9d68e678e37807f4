//! How long failed work waits, and how the loop notices a repair.

use amiferry_core::code::Code;
use amiferry_core::fault::FaultClass;
use jiff::SignedDuration;

use super::fakes::{Bench, Deed, Mood, Say};
use super::secs;

const DAY: u64 = 24 * 60 * 60;

#[tokio::test(start_paused = true)]
async fn the_role_is_told_of_each_fault_how_often_since_when_and_until_when() {
    let start = "2030-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    for (class, parked) in [(FaultClass::Denied, true), (FaultClass::Throttled, false)] {
        let bench = Bench::start(|queue, script, _| {
            let fail = Say::Act(Deed::Fail(class));
            let wait = Say::Wait(Code::Paced, 5);
            script.says.insert(1, [fail, fail, wait, fail, Say::Done].into());
            queue.send("1");
        });
        bench.pass(secs(3 * 3_600)).await;
        let failed = bench.script.state().failed.clone();
        let told: Vec<_> = failed.iter().map(|(key, attempts, ..)| (*key, *attempts)).collect();
        assert_eq!(told, [(1, 1), (1, 2), (1, 3)], "{class}: waiting for a turn repairs nothing");
        for (_, _, is_parked, since, retry_at) in failed {
            assert_eq!((is_parked, since), (parked, start), "{class}");
            assert!(retry_at > since, "{class}");
        }
        assert_eq!(bench.snapshot().tracked, 0, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_parked_keys_one_at_a_time_is_tried_and_once_it_works_all_are() {
    for look in [true, false] {
        let fails = |class| if look { Say::Fault(class) } else { Say::Act(Deed::Fail(class)) };
        let bench = Bench::start(|queue, script, _| {
            for key in 0..200 {
                script.says.insert(key, [fails(FaultClass::Denied)].into());
                queue.send(&key.to_string());
            }
        });
        bench.pass(secs(3 * DAY)).await;
        let before = bench.script.state().looks.values().sum::<usize>();
        bench.pass(secs(DAY)).await;
        let looks = bench.script.state().looks.values().sum::<usize>() - before;
        // One each ten minutes, and each of the others once or twice a day.
        assert!((144..=600).contains(&looks), "{looks} looks at 200 parked keys in a day");
        {
            let mut state = bench.script.state();
            let deed = Say::Act(Deed::Take(secs(1)));
            let says = if look { vec![Say::Done] } else { vec![deed, Say::Done] };
            state.says.values_mut().for_each(|script| *script = says.clone().into());
        }
        bench.pass(secs(700)).await;
        assert_eq!(bench.snapshot().tracked, 0, "look: {look}");
        assert_eq!(bench.deleted().len(), 200, "look: {look}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_about_a_parked_key_makes_it_due_once_a_minute() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Act(Deed::Fail(FaultClass::Invalid))].into());
        queue.send("1");
    });
    // Long after it last failed, and then all the time.
    bench.pass(secs(DAY)).await;
    bench.pass(secs(120)).await;
    let before = bench.looks(1);
    bench.queue.send("1");
    bench.pass(secs(1)).await;
    assert!(bench.looks(1) <= before + 1);
    for _ in 0..3_600 {
        bench.queue.send("1");
        bench.pass(secs(1)).await;
    }
    let looks = bench.looks(1) - before;
    assert!((58..=63).contains(&looks), "{looks} looks in an hour of events");
    assert_eq!(bench.snapshot().parked.get(&Code::Failing), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_a_person_names_is_due_at_once_whatever_failed_but_not_at_each_of_many_messages()
{
    for class in [FaultClass::Denied, FaultClass::Unavailable, FaultClass::QuotaFull] {
        for fail in [Say::Fault(class), Say::Act(Deed::Fail(class))] {
            let bench = Bench::start(|queue, script, _| {
                script.says.insert(1, [fail].into());
                queue.send("1");
            });
            bench.pass(secs(DAY)).await;
            let before = bench.looks(1);
            for _ in 0..60 {
                bench.queue.send("please 1");
                bench.pass(secs(1)).await;
            }
            let looks = bench.looks(1) - before;
            assert!((11..=13).contains(&looks), "{class}: {looks} looks in a minute of messages");
            bench.script.state().says.insert(1, [Say::Done].into());
            bench.queue.send("please 1");
            bench.pass(secs(6)).await;
            assert_eq!(bench.snapshot().tracked, 0, "{class}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_ends_the_pause_of_a_party_that_is_apart_and_a_wish_during_a_look_is_not_lost() {
    let bench = Bench::start(|queue, script, _| {
        script.moods.insert(1, Mood::Silent(secs(3)));
        queue.send("1001");
    });
    bench.pass(secs(DAY)).await;
    while bench.script.state().busy.is_empty() {
        bench.pass(secs(1)).await;
    }
    let before = bench.looks(1001);
    bench.queue.send("please 1001");
    bench.pass(secs(12)).await;
    assert_eq!(bench.looks(1001), before + 1);
    bench.script.state().moods.clear();
    bench.pass(secs(5)).await;
    bench.queue.send("please 1001");
    bench.pass(secs(6)).await;
    assert_eq!(bench.snapshot().tracked, 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_reason_to_wait_for_a_day_when_something_else_fails_after_it() {
    let bench = Bench::start(|queue, script, _| {
        script.says.insert(1, [Say::Fault(FaultClass::Unavailable)].into());
        queue.send("1");
    });
    bench.pass(secs(3_600)).await;
    let refused = Say::Fault(FaultClass::Invalid);
    bench.script.state().says.insert(1, [refused, refused, Say::Done].into());
    bench.pass(secs(300 + 30 + 60 + 1)).await;
    assert_eq!(bench.snapshot().tracked, 0);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_itself_waits_longer_each_time_and_shows_until_when() {
    let bench = Bench::start(|queue, script, _| {
        // The probe is another one, which keeps failing, too.
        for key in [1, 2, 3] {
            script.says.insert(key, [Say::Fault(FaultClass::KeyUnusable)].into());
        }
        queue.send("1,2,3");
    });
    bench.pass(secs(4 * DAY)).await;
    let state = bench.script.state();
    let waits: Vec<SignedDuration> = state
        .failed
        .iter()
        .filter(|(key, ..)| *key == 3)
        .zip(state.rounds.iter().filter(|(_, keys)| keys.contains(&3)))
        .map(|((.., since, retry_at), (at, _))| {
            let first = state.rounds[0].0;
            let now = *since + SignedDuration::try_from(at.duration_since(first)).unwrap();
            retry_at.duration_since(now)
        })
        .collect();
    assert!(waits[..5].is_sorted(), "{waits:?}");
    let day = SignedDuration::from_hours(24);
    assert!(waits.iter().all(|wait| *wait <= day), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_keys_that_only_messages_named_are_forgotten_with_them_and_the_queue_stays_open() {
    let bench = Bench::start(|queue, script, settings| {
        settings.message_bytes = 300 * 200;
        script.moods.insert(1, Mood::Refuses(FaultClass::Denied));
        script.scope = vec![1_999];
        (1_000..1_900).for_each(|key| queue.send(&key.to_string()));
    });
    bench.pass(secs(3_600)).await;
    let snapshot = bench.snapshot();
    assert!((50..=110).contains(&snapshot.messages), "{snapshot:?}");
    assert!(snapshot.tracked <= snapshot.messages + 101, "{snapshot:?}");
    assert!(bench.queue.state().came_again > 0, "what was let go comes again");
    bench.queue.send("5");
    bench.pass(secs(60)).await;
    assert_eq!(bench.looks(5), 1, "the queue is closed");
    assert!(bench.looks(1_999) > 0);
    bench.script.state().moods.clear();
    bench.pass(secs(2 * 3_600)).await;
    assert_eq!(bench.snapshot().tracked, 0);
    assert_eq!(bench.deleted().len(), 901);
}
