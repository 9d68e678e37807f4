//! No party waits for another, even if that one has many, refused or silent keys.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::fault::FaultClass;
use tokio::time::Instant;

use super::fakes::{Bench, Deed, Mood, Say, party};
use super::secs;

/// Sends a message about each of these keys, one a second, and answers the longest time until one
/// was looked at.
async fn longest_wait(bench: &Bench, keys: std::ops::Range<u32>) -> Duration {
    let mut sent = BTreeMap::new();
    for key in keys {
        bench.queue.send(&key.to_string());
        sent.insert(key, Instant::now());
        bench.pass(secs(1)).await;
    }
    bench.pass(secs(5)).await;
    let state = bench.script.state();
    let waited = sent.iter().map(|(key, sent)| {
        let mut rounds = state.rounds.iter().filter(|(_, keys)| keys.contains(key));
        rounds.next().map_or(Duration::MAX, |(at, _)| at.duration_since(*sent))
    });
    waited.max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn thousands_of_refused_keys_of_one_party_stop_neither_the_queue_nor_the_sweep_of_others() {
    for class in [FaultClass::Denied, FaultClass::Unavailable, FaultClass::Invalid] {
        let bench = Bench::start(|queue, script, _| {
            script.moods.insert(1, Mood::Refuses(class));
            script.scope = (1_000..1_600).chain(0..10).collect();
            (1_000..2_000).for_each(|key| queue.send(&key.to_string()));
        });
        // The first look that meets the party tells that it is to be apart.
        bench.pass(secs(2)).await;
        let waited = longest_wait(&bench, 100..400).await;
        assert!(waited <= secs(1), "{class}: {waited:?}");
        assert!((0..10).all(|key| bench.looks(key) > 0), "{class}");
        let snapshot = bench.snapshot();
        assert!(snapshot.swept_at.is_some() && snapshot.apart == 1, "{class}: {snapshot:?}");
        assert_eq!(bench.deleted().len(), 300, "{class}: those of refused keys are kept");
        bench.pass(secs(3_600)).await;
        assert_eq!(bench.snapshot().ready(), Ok(()), "{class}");
        assert!(bench.script.state().sweeps >= 4, "{class}");
        assert_eq!(bench.queue.state().came_again, 0, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_keys_that_are_not_apart_share_looks_and_delay_no_other_party() {
    let bench = Bench::start(|queue, script, _| {
        for key in 1_000..2_000 {
            script.says.insert(key, [Say::Fault(FaultClass::Throttled)].into());
            queue.send(&key.to_string());
        }
    });
    bench.pass(secs(2)).await;
    let waited = longest_wait(&bench, 100..400).await;
    assert!(waited <= secs(1), "{waited:?}");
    assert!((1_000..2_000).all(|key| bench.looks(key) >= 3), "they are looked at again");
}

#[tokio::test(start_paused = true)]
async fn a_silent_party_delays_one_look_at_most_and_is_asked_ever_less_often() {
    let bench = Bench::start(|queue, script, _| {
        script.moods.insert(1, Mood::Silent(secs(60)));
        (1_000..1_200).for_each(|key| queue.send(&key.to_string()));
    });
    bench.pass(secs(70)).await;
    let waited = longest_wait(&bench, 100..900).await;
    assert!(waited <= secs(1), "{waited:?}");
    bench.pass(secs(2 * 3_600)).await;
    let before = bench.script.state().rounds.len();
    bench.pass(secs(3_600)).await;
    let looks = bench.script.state().rounds.len() - before;
    assert!((8..=60).contains(&looks), "{looks} looks at a silent party in an hour");
    // It answers again: so does everything about it, within the longest pause.
    bench.script.state().moods.clear();
    bench.pass(secs(370)).await;
    let snapshot = bench.snapshot();
    assert_eq!((snapshot.tracked, snapshot.apart), (0, 0), "{snapshot:?}");
    assert_eq!(bench.deleted().len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn parties_apart_are_looked_at_by_themselves_one_look_each_and_four_at_once() {
    let bench = Bench::start(|_, script, _| {
        for silent in 1..=9 {
            script.moods.insert(silent, Mood::Silent(secs(60)));
            script.scope.extend(silent * 1_000..silent * 1_000 + 20);
        }
    });
    // Two looks at all parties find out who is silent.
    bench.pass(secs(130)).await;
    for key in 0..600 {
        bench.queue.send(&key.to_string());
        bench.pass(secs(1)).await;
    }
    let state = bench.script.state();
    let apart: Vec<_> = state.rounds.iter().skip(2).filter(|(_, keys)| keys[0] >= 1_000).collect();
    assert!(apart.len() > 20, "{}", apart.len());
    for (began, keys) in &apart {
        assert!(keys.iter().all(|key| party(*key) == party(keys[0])), "{keys:?}");
        let meanwhile = |(other, _): &&&(Instant, Vec<u32>)| {
            other <= began && began.duration_since(*other) < secs(60)
        };
        let at_once: Vec<u32> = apart.iter().filter(meanwhile).map(|(_, k)| party(k[0])).collect();
        assert!(at_once.len() <= 4, "{at_once:?}");
        let same = at_once.iter().filter(|other| **other == party(keys[0]));
        assert_eq!(same.count(), 1, "{at_once:?}");
    }
    let of_each: Vec<usize> =
        (1..=9).map(|p| apart.iter().filter(|(_, keys)| party(keys[0]) == p).count()).collect();
    assert!(of_each.iter().all(|looks| *looks > 1), "one of them starves: {of_each:?}");
}

#[tokio::test(start_paused = true)]
async fn a_party_with_thousands_of_due_keys_leaves_the_others_their_places_in_each_look() {
    let bench = Bench::start(|queue, script, _| {
        // All of these are held up by one look, so that all are due at its end.
        script.look_takes = secs(5);
        queue.send("900");
        script.scope = (1_000..1_400).collect();
        (2_000..2_500).chain(3_000..3_010).for_each(|key| queue.send(&key.to_string()));
    });
    bench.pass(secs(1)).await;
    bench.queue.send("4000");
    bench.pass(secs(30)).await;
    let state = bench.script.state();
    let later = &state.rounds[1].1;
    assert!(later.contains(&4_000), "{later:?}");
    assert!((3_000..3_010).all(|key| later.contains(&key)), "{later:?}");
    assert!(later.iter().any(|key| party(*key) == 1), "what sweeps found has no place: {later:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_whose_turn_a_look_found_to_have_come_are_looked_at_next_and_first() {
    let bench = Bench::start(|queue, script, settings| {
        settings.batch = 10.try_into().unwrap();
        for key in 0..500 {
            script.says.insert(key, [Say::Wait(Code::QuotaFull, 600), Say::Done].into());
            queue.send(&key.to_string());
        }
        script.says.insert(700, [Say::Fault(FaultClass::Denied)].into());
        queue.send("700");
    });
    bench.pass(secs(60)).await;
    bench.script.state().due.insert(900, vec![7, 400, 3, 700, 5_000]);
    bench.queue.send("900");
    bench.pass(secs(0)).await;
    for key in 1_000..1_200 {
        bench.queue.send(&key.to_string());
    }
    bench.pass(secs(1)).await;
    let state = bench.script.state();
    let at = state.rounds.iter().position(|(_, keys)| keys.contains(&900)).unwrap();
    let next = &state.rounds[at + 1].1;
    assert_eq!(next[..4], [7, 400, 3, 5_000], "in the order of their turns");
    assert!(!next.contains(&700), "what failed keeps its time");
}

#[tokio::test(start_paused = true)]
async fn effects_of_parties_take_turns_for_slots_unless_the_role_chooses() {
    for preferred in [None, Some(1_003)] {
        let bench = Bench::start(|queue, script, settings| {
            settings.short_effects = 1.try_into().unwrap();
            let keys: Vec<u32> = (1_000..1_005).chain([2_000, 2_001, 3_000]).collect();
            for key in &keys {
                script.says.insert(*key, [Say::Act(Deed::Take(secs(1))), Say::Done].into());
            }
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            queue.send(&keys.join(","));
            script.preferred.extend(preferred);
        });
        bench.pass(secs(30)).await;
        let expected = match preferred {
            None => [1_000, 2_000, 3_000, 1_001, 2_001, 1_002, 1_003, 1_004],
            Some(_) => [1_003, 2_000, 3_000, 1_000, 2_001, 1_001, 1_002, 1_004],
        };
        assert_eq!(bench.performed(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn effects_that_wait_longer_than_they_stay_fresh_all_start_in_the_end() {
    let bench = Bench::start(|_, script, settings| {
        settings.long_effects = 2.try_into().unwrap();
        script.scope = (1..=40).map(|party| party * 1_000).collect();
        for key in script.scope.clone() {
            script.says.insert(key, [Say::Act(Deed::Long(secs(40)))].into());
        }
    });
    bench.pass(secs(40 * 21)).await;
    let mut performed = bench.performed();
    performed.sort_unstable();
    performed.dedup();
    assert_eq!(performed.len(), 40, "{performed:?}");
}
