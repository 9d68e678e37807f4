//! What a forecast says, in cases that can be computed by hand, and what holds in all of them.

mod breaches;
mod properties;

use jiff::{SignedDuration, Timestamp};

use super::rate::Example;
use super::*;
use crate::plan::Promise;
use crate::policy::Backfill;
use crate::span::Span;

fn now() -> Timestamp {
    Timestamp::from_second(2_000_000_000).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn promise() -> Promise {
    let rpo = Span::from_secs(24 * 3_600);
    Promise { source: 0, priority: 0, rpo, backfill: Backfill::All }
}

fn job(family: usize, size_gb: u64, progress: Progress) -> Job {
    Job { family, created: at(-600), size_gb, ready: true, progress, failures: 0 }
}

const STORE: Progress = Progress::Waits(Stage::Store);

/// One source with EC2's own quotas.
fn capacity() -> Capacity {
    let quota = |limit_gb| Quota { limit_gb, calls: CallRate::default() };
    Capacity {
        sources: vec![SourceCapacity {
            stores: quota(1_200),
            weight: 1,
            budget: Budget { images: 1_000, gb: 100_000 },
            copied: Vec::new(),
        }],
        copies: 2,
        restores: quota(600),
    }
}

/// A minute and 10 s a GB for tasks, 10 s for a copy, and nothing between.
fn rates() -> Rates {
    let copy = Rate { start_up: SignedDuration::from_secs(10), per_gb: SignedDuration::ZERO };
    Rates { copy, between: SignedDuration::ZERO, ..Rates::default() }
}

fn forecast(jobs: &[Job]) -> Vec<Option<Planned>> {
    let promises: Vec<Promise> = jobs.iter().map(|_| promise()).collect();
    run(jobs, &promises, &capacity(), &rates(), now())
}

/// When each finishes, in seconds from now.
fn finishes(planned: &[Option<Planned>]) -> Vec<Option<i64>> {
    let from_now = |planned: &Planned| planned.finishes.duration_since(now()).as_secs();
    planned.iter().map(|planned| planned.as_ref().map(from_now)).collect()
}

#[test]
fn one_image_takes_each_step_after_the_other() {
    let planned = forecast(&[job(0, 10, STORE)])[0].unwrap();
    let step = |from, to| Some(Step { starts: at(from), ends: at(to) });
    assert_eq!(planned.store, step(0, 160));
    assert_eq!(planned.copy, step(160, 170));
    assert_eq!(planned.restore, step(170, 330));
    assert_eq!((planned.finishes, planned.wave, planned.starts()), (at(330), 1, Some(now())));
    let archive = Job { ready: false, ..job(0, 10, STORE) };
    let planned = forecast(&[archive])[0].unwrap();
    assert_eq!((planned.restore, planned.finishes), (None, at(170)));
    let recorded = forecast(&[job(0, 10, Progress::Record)])[0].unwrap();
    assert_eq!((recorded.starts(), recorded.finishes), (None, now()));
}

#[test]
fn what_runs_ends_when_it_should_and_what_is_overdue_soon() {
    let runs = |since: i64| job(0, 10, Progress::Runs(Stage::Restore, Some(at(-since))));
    assert_eq!(finishes(&forecast(&[runs(100)])), [Some(60)]);
    assert_eq!(finishes(&forecast(&[runs(1_000)])), [Some(16)], "a tenth of the usual 160 s");
    let unknown = job(0, 10, Progress::Runs(Stage::Restore, None));
    assert_eq!(finishes(&forecast(&[unknown])), [Some(160)]);
}

#[test]
fn a_quota_admits_any_size_while_less_than_it_is_in_progress() {
    // 400 + 400 = 800 < 1,200 admits a third; 1,200 is not less than 1,200.
    let archive = |size_gb| Job { ready: false, ..job(0, size_gb, STORE) };
    let jobs: Vec<Job> = (0..4).map(|family| Job { family, ..archive(400) }).collect();
    let planned = forecast(&jobs);
    let starts: Vec<i64> = planned
        .iter()
        .map(|planned| planned.unwrap().store.unwrap().starts.duration_since(now()).as_secs())
        .collect();
    assert_eq!(starts, [0, 0, 0, 4_060]);
    assert_eq!(
        planned.iter().map(|planned| planned.unwrap().wave).collect::<Vec<_>>(),
        [1, 1, 1, 2]
    );
}

#[test]
fn create_calls_and_copies_have_their_own_limits() {
    let slow = CallRate { burst: 2, refill: Span::from_secs(600) };
    let mut capacity = capacity();
    capacity.sources[0].stores.calls = slow;
    let jobs: Vec<Job> = (0..4).map(|family| job(family, 1, STORE)).collect();
    let promises = vec![promise(); 4];
    let planned = run(&jobs, &promises, &capacity, &rates(), now());
    let store = |planned: &Option<Planned>| {
        planned.unwrap().store.unwrap().starts.duration_since(now()).as_secs()
    };
    let starts: Vec<i64> = planned.iter().map(store).collect();
    // A full bucket begins to fill a second after its first call.
    assert_eq!(starts, [0, 0, 601, 1_201]);

    capacity.copies = 1;
    let copies: Vec<Job> =
        (0..3).map(|family| job(family, 1, Progress::Waits(Stage::Copy))).collect();
    let planned = run(&copies, &promises, &capacity, &rates(), now());
    let ends: Vec<i64> = planned
        .iter()
        .map(|planned| planned.unwrap().copy.unwrap().ends.duration_since(now()).as_secs())
        .collect();
    assert_eq!(ends, [10, 20, 30]);
}

#[test]
fn copies_wait_for_the_daily_budget_of_their_source_and_others_go_on() {
    let mut capacity = capacity();
    let one = &mut capacity.sources[0];
    (one.budget.images, one.copied) = (2, vec![(at(-3_600), 1)]);
    let other = SourceCapacity { copied: Vec::new(), ..one.clone() };
    capacity.sources.push(other);
    let copy = |family| job(family, 1, Progress::Waits(Stage::Copy));
    let elsewhere = Promise { source: 1, ..promise() };
    let promises = [promise(), promise(), promise(), elsewhere];
    let jobs = [copy(0), copy(1), copy(2), copy(3)];
    let starts = |capacity: &Capacity| -> Vec<i64> {
        let planned = run(&jobs, &promises, capacity, &rates(), now());
        let copies = planned.iter().map(|planned| planned.unwrap().copy.unwrap());
        copies.map(|copy| copy.starts.duration_since(now()).as_secs()).collect()
    };
    let day = 24 * 3_600;
    // The copy of an hour ago counts for 23 hours more, and the first one from its end on.
    assert_eq!(starts(&capacity), [0, day - 3_600, day + 10, 0]);
    capacity.sources[0].budget = Budget { images: 9, gb: 2 };
    assert_eq!(starts(&capacity), [0, day - 3_600, day + 10, 0], "by gigabytes");
    capacity.sources[0].copied = vec![(at(-day), 1), (at(-3_600), 900)];
    assert_eq!(starts(&capacity)[0], day - 3_600, "it may end above the budget, not begin there");
}

#[test]
fn the_order_is_that_of_the_plan() {
    let gold = Promise { priority: 5, ..promise() };
    let promises = [promise(), gold, promise()];
    let full = job(2, 1_300, Progress::Runs(Stage::Store, Some(now())));
    let jobs = [
        Job { created: at(-60), ..job(0, 1_300, STORE) },
        Job { created: at(-90), ..job(1, 1_300, STORE) },
        full,
    ];
    let planned = run(&jobs, &promises, &capacity(), &rates(), now());
    let first = planned[1].unwrap().store.unwrap().starts;
    assert_eq!(first, planned[2].unwrap().store.unwrap().ends);
    assert_eq!(planned[0].unwrap().store.unwrap().starts, planned[1].unwrap().store.unwrap().ends);
    assert_eq!([planned[2], planned[1], planned[0]].map(|one| one.unwrap().wave), [1, 2, 3]);
}

#[test]
fn what_cannot_be_planned_has_no_forecast() {
    let done = job(0, 10, Progress::Complete);
    let parked = job(0, 10, Progress::Unplanned);
    assert_eq!(forecast(&[done, parked]), [None, None]);
    let elsewhere = Promise { source: 7, ..promise() };
    let stored = run(&[job(0, 10, STORE)], &[elsewhere], &capacity(), &rates(), now());
    assert_eq!(stored, [None], "no such source");
    let copied = job(0, 10, Progress::Waits(Stage::Copy));
    let copied = run(&[copied], &[elsewhere], &capacity(), &rates(), now());
    assert!(copied[0].is_some(), "what is staged needs its source no more");
    let mut nothing = capacity();
    nothing.restores.limit_gb = 0;
    assert_eq!(run(&[job(0, 10, STORE)], &[promise()], &nothing, &rates(), now()), [None]);
    let newest = Promise { backfill: Backfill::Newest(0), ..promise() };
    let jobs = [Job { created: at(-900), ..job(0, 10, STORE) }, job(0, 10, STORE)];
    let planned = run(&jobs, &[newest], &capacity(), &rates(), now());
    assert!(planned[0].is_none() && planned[1].is_some(), "superseded: {planned:?}");
}

/// A restore that took so many seconds.
fn example(number: i64, store: i64, restore: i64) -> Example {
    let written = at(number - 90_000);
    Example {
        size_gb: 10,
        stored_from: written - SignedDuration::from_secs(store),
        waited: true,
        written,
        restored: Some((written, written + SignedDuration::from_secs(restore))),
    }
}

/// How long a copy and the pause before it are taken to last, in seconds.
fn rates_of_copy(size_gb: u64) -> i64 {
    let usual = Rates::default();
    usual.copy.time_for(size_gb).saturating_add(usual.between).as_secs()
}

#[test]
fn rates_are_learned_from_what_became_complete() {
    assert_eq!(Rates::learned([]), Rates::default());
    assert_eq!(Rates::learned([example(0, 999, 999)]).restore, Rate::default(), "one is no rate");
    // 322 s with the pause after it is twice the usual 160 s.
    let slow: Vec<Example> = (0..9).map(|number| example(number, 5_000, 322)).collect();
    let learned = Rates::learned(slow.clone());
    assert_eq!(learned.restore, Rate::default().scaled(2_000));
    assert_eq!(learned.store, learned.restore, "stores that waited are no slower than restores");
    assert_eq!(learned.learned_from, 9);
    // A store of 80 s and a copy of 7 s with their pause.
    let quick = slow.into_iter().chain((9..19).map(|number| example(number, 89, 322)));
    assert_eq!(Rates::learned(quick).store, Rate::default().scaled(500));
    // Half a minute and 4 s a GB, whatever the sizes; one that waited moves nothing.
    let of_size = |(number, size_gb): (i64, u64)| {
        let took = 30 + 4 * i64::try_from(size_gb).unwrap();
        let waited = if number == 3 { 5_000 } else { 0 };
        let copied = rates_of_copy(size_gb);
        Example { size_gb, ..example(number, took + copied + waited, took + 2) }
    };
    let sized = (0..).zip([8, 500, 20, 90, 250, 34, 120, 64]).map(of_size);
    let found = Rates::learned(sized);
    let expected =
        Rate { start_up: SignedDuration::from_secs(30), per_gb: SignedDuration::from_secs(4) };
    assert_eq!((found.store, found.restore), (expected, expected));
    // Where the beginnings of stores are known, the others do not count.
    let known = (9..12).map(|number| Example { waited: false, ..example(number, 329, 322) });
    let found = Rates::learned((0..9).map(|number| example(number, 89, 322)).chain(known));
    assert_eq!(found.store, Rate::default().scaled(2_000));
    let odd = (0..9).map(|number| example(number, -5, 10_000_000));
    assert_eq!(Rates::learned(odd), Rates::default(), "impossible times show nothing");
}

#[test]
fn images_that_a_person_thinks_of_are_read_or_refused_with_a_reason() {
    let read = |text: &str| text.parse::<WhatIf>().map(|read| read.to_string());
    for text in ["40 x 200GiB gold", "40x200 GB gold", " 40 × 200GiB  gold "] {
        assert_eq!(read(text).as_deref(), Ok("40 x 200GiB gold"), "{text}");
    }
    assert_eq!(read("1 x 2TiB a-1_b").as_deref(), Ok("1 x 2048GiB a-1_b"));
    for (text, why) in [
        ("", "no x"),
        ("40 200GiB gold", "no x"),
        ("0 x 200GiB gold", "the count \"0\""),
        ("-1 x 200GiB gold", "the count \"-1\""),
        ("many x 200GiB gold", "the count \"many\""),
        ("999999 x 1GiB gold", "from 1 to 100000"),
        ("4 x 200 gold", "no unit"),
        ("4 x 200MiB gold", "no unit"),
        ("4 x 0GiB gold", "1 to 5000 GB"),
        ("4 x 6TiB gold", "1 to 5000 GB"),
        ("4 x 99999999999999999999GiB gold", "1 to 5000 GB"),
        ("4 x 200GiB", "one policy"),
        ("4 x 200GiBgold", "one policy"),
        ("4 x 200GiB gold silver", "one policy"),
    ] {
        let refused = read(text).unwrap_err().to_string();
        assert!(refused.contains(why), "{text}: {refused}");
        assert!(refused.ends_with("such as 40 x 200GiB gold"), "{refused}");
    }
}
