//! The order of all that waits, as tables of small fleets; `properties` says what holds for every one.

mod properties;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::fault::FaultClass;
use crate::pacing::{CallBudget, CallRate};
use crate::policy::Backfill;
use crate::span::Span;

fn now() -> Timestamp {
    Timestamp::from_second(2_000_000_000).unwrap()
}

fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

/// Eight hours of RPO for a family of source 0.
fn promise() -> Promise {
    let rpo = Span::from_secs(8 * 3_600);
    Promise { source: 0, priority: 0, rpo, backfill: Backfill::All }
}

const WAITS: Standing = Standing::Waits { failures: 0 };

/// Family, hours since its creation, GB, standing.
type Row = (usize, i64, u64, Standing);

/// The positions of the rows in their order.
fn order(rows: &[Row], promises: &[Promise]) -> Vec<usize> {
    planned(rows, promises, &[], &mut Turns::default()).into_iter().map(|(key, _)| key).collect()
}

fn planned(
    rows: &[Row],
    promises: &[Promise],
    weights: &[u32],
    turns: &mut Turns,
) -> Vec<(usize, Why)> {
    let keys: Vec<usize> = (0..rows.len()).collect();
    let line = plan(&members(rows, &keys), promises, weights, turns, now());
    line.into_iter().map(|planned| (*planned.key, planned.why)).collect()
}

fn members<'k>(rows: &[Row], keys: &'k [usize]) -> Vec<Member<'k, usize>> {
    let member = |(&(family, hours, size_gb, standing), key)| {
        let created = hours_ago(hours);
        Member { key, family, created, size_gb, standing }
    };
    rows.iter().zip(keys).map(member).collect()
}

#[test]
fn the_newest_image_of_a_family_goes_first_and_its_older_ones_last() {
    let rows = [(0, 30, 10, WAITS), (0, 20, 10, WAITS), (0, 2, 10, WAITS), (1, 40, 10, WAITS)];
    assert_eq!(order(&rows, &[promise(), promise()]), [3, 2, 1, 0]);
}

#[test]
fn an_image_that_is_older_than_what_is_complete_or_begun_helps_no_promise() {
    for taken in [Standing::Complete, Standing::Begun] {
        let rows = [(0, 1, 10, taken), (0, 3, 10, WAITS), (1, 7, 500, WAITS)];
        let line = planned(&rows, &[promise(), promise()], &[], &mut Turns::default());
        assert_eq!(line[1], (1, Why::Older), "{taken:?}");
    }
}

#[test]
fn families_that_can_keep_their_rpo_go_in_the_order_in_which_they_break_it() {
    // Measured from the newest complete image, not from the one that waits.
    let rows = [
        (0, 7, 10, Standing::Complete),
        (0, 1, 10, WAITS),
        (1, 3, 10, Standing::Complete),
        (1, 2, 10, WAITS),
        (2, 5, 10, WAITS),
    ];
    assert_eq!(order(&rows, &[promise(); 3]), [1, 4, 3]);
}

#[test]
fn of_families_over_their_rpo_the_smallest_goes_first_until_lateness_outweighs_size() {
    let rows = [(0, 20, 900, WAITS), (1, 20, 20, WAITS), (2, 19, 100, WAITS)];
    assert_eq!(order(&rows, &[promise(); 3]), [1, 2, 0]);
    let weeks = [(0, 24 * 14, 900, WAITS), (1, 20, 20, WAITS), (2, 19, 100, WAITS)];
    assert_eq!(order(&weeks, &[promise(); 3]), [0, 1, 2]);
}

#[test]
fn a_family_that_is_about_to_break_goes_before_a_large_one_that_is_long_over() {
    let rows = [(0, 20, 2_000, WAITS), (1, 7, 20, WAITS)];
    assert_eq!(order(&rows, &[promise(), promise()]), [1, 0]);
}

#[test]
fn priority_goes_before_everything_within_a_source() {
    let gold = Promise { priority: 5, ..promise() };
    let rows = [(0, 20, 1, WAITS), (1, 1, 5_000, WAITS), (1, 9, 1, WAITS)];
    assert_eq!(order(&rows, &[promise(), gold]), [1, 2, 0]);
}

#[test]
fn what_fails_goes_behind_what_is_healthy_and_what_fails_often_last() {
    let failing = |failures| Standing::Waits { failures };
    let rows = [(0, 1, 1, failing(3)), (1, 90, 900, WAITS), (2, 1, 1, failing(1))];
    let line = planned(&rows, &[promise(); 3], &[], &mut Turns::default());
    let failed = [(2, Why::Failing(1)), (0, Why::Failing(3))];
    assert_eq!(line[0].0, 1);
    assert_eq!(line[1..], failed);
}

#[test]
fn a_failing_newest_image_does_not_keep_the_one_before_it_from_helping() {
    let rows = [(0, 1, 1, Standing::Waits { failures: 2 }), (0, 3, 1, WAITS)];
    let line = planned(&rows, &[promise()], &[], &mut Turns::default());
    assert!(matches!(line[0], (1, Why::Breaks(_))), "{line:?}");
}

#[test]
fn a_source_with_many_urgent_images_does_not_hold_the_one_of_another() {
    let gold = Promise { priority: 9, ..promise() };
    let silver = Promise { source: 1, ..promise() };
    let mut rows: Vec<Row> = (0..120).map(|_| (0, 20, 1, WAITS)).collect();
    rows.push((1, 1, 1, WAITS));
    let place = order(&rows, &[gold, silver]).iter().position(|key| *key == 120);
    assert_eq!(place, Some(1));
}

#[test]
fn turns_are_shared_by_weight_over_many_plans() {
    let other = Promise { source: 1, ..promise() };
    let rows: Vec<Row> = (0..40).map(|index| (index % 2, 20, 1, WAITS)).collect();
    let weights = [1, 3];
    let mut turns = Turns::default();
    let mut served = [0, 0];
    for _ in 0..20 {
        let (first, _) = planned(&rows, &[promise(), other], &weights, &mut turns)[0];
        let source = first % 2;
        served[source] += 1;
        turns.taken(source, weights[source]);
    }
    assert_eq!(served, [5, 15]);
}

#[test]
fn a_source_that_was_away_has_saved_up_no_turns() {
    let other = Promise { source: 1, ..promise() };
    let alone: Vec<Row> = (0..9).map(|_| (0, 20, 1, WAITS)).collect();
    let mut turns = Turns::default();
    for _ in 0..100 {
        planned(&alone, &[promise(), other], &[], &mut turns);
        turns.taken(0, 1);
    }
    let both: Vec<Row> = (0..8).map(|index| (index % 2, 20, 1, WAITS)).collect();
    let line: Vec<usize> = planned(&both, &[promise(), other], &[], &mut turns)
        .iter()
        .map(|(key, _)| key % 2)
        .collect();
    assert_eq!(line, [0, 1, 0, 1, 0, 1, 0, 1]);
}

#[test]
fn a_backfill_counts_the_newer_images_of_a_family_whatever_they_are() {
    let some = |backfill| Promise { backfill, ..promise() };
    let rows = [
        (0, 1, 1, Standing::Complete),
        (0, 2, 1, WAITS),
        (0, 3, 1, WAITS),
        (0, 4, 1, WAITS),
        (0, 5, 1, Standing::Complete),
    ];
    for (backfill, expected) in [
        (Backfill::All, [Why::Older, Why::Older, Why::Older]),
        (Backfill::Newest(2), [Why::Older, Why::Older, Why::Superseded]),
        (Backfill::Newest(0), [Why::Superseded, Why::Superseded, Why::Superseded]),
    ] {
        let line = planned(&rows, &[some(backfill)], &[], &mut Turns::default());
        let whys: Vec<Why> = line.iter().map(|(_, why)| *why).collect();
        assert_eq!(whys, expected, "{backfill:?}");
    }
}

fn ledger(limit_gb: u64, calls: u32) -> Ledger<usize> {
    let mut ledger = Ledger::new(limit_gb, CallBudget::full(CallRate::default(), now()));
    // A tenth of a second a call, so that no token grows meanwhile.
    for key in 0..50 - calls as usize {
        ledger.reserve(1_000 + key, 0, now());
        ledger.called(1_000 + key, 0, Ended::Refused(FaultClass::Invalid), now());
    }
    ledger
}

/// The answers to tasks of these sizes.
fn turns_of(ledger: &mut Ledger<usize>, sizes: &[u64]) -> Vec<Turn> {
    let keys: Vec<usize> = (0..sizes.len()).collect();
    ledger.turns(keys.iter().zip(sizes.iter().copied()), now())
}

#[test]
fn the_rule_is_that_what_runs_must_be_less_than_the_limit() {
    for (limit, running, admitted) in [
        (1_200, 0, true),
        (1_200, 1_199, true),
        (1_200, 1_200, false),
        (600, 800, false),
        (0, 0, false),
    ] {
        let mut ledger = ledger(limit, 50);
        ledger.shown([(None, running)], now());
        let turn = turns_of(&mut ledger, &[5_000])[0];
        assert_eq!(turn == Turn::Now, admitted, "{running} of {limit}: {turn:?}");
    }
}

#[test]
fn the_first_go_while_there_is_room_and_the_others_know_their_position() {
    let full = |position| Turn::QuotaFull { in_progress_gb: 1_300, limit_gb: 1_200, position };
    let turns = turns_of(&mut ledger(1_200, 50), &[1_300, 200, 1]);
    assert_eq!(turns, [Turn::Now, full(0), full(1)]);
}

#[test]
fn the_task_that_fills_the_quota_is_called_after_all_that_go_before_it() {
    let later = |seconds| now() + SignedDuration::from_secs(seconds);
    let full = |position| Turn::QuotaFull { in_progress_gb: 1_300, limit_gb: 1_200, position };
    let behind = |seconds| Turn::Paced { position: 0, at: later(seconds) };
    let mut ledger = ledger(1_200, 50);
    let turns = turns_of(&mut ledger, &[1_100, 200, 1]);
    assert_eq!(turns, [Turn::Now, behind(2), full(1)]);

    let (keys, sizes) = ([1, 2], [200, 1]);
    let after =
        |ledger: &mut Ledger<usize>, seconds| ledger.turns(keys.iter().zip(sizes), later(seconds));
    ledger.reserve(0, 1_100, now());
    assert_eq!(after(&mut ledger, 2), [behind(4), full(1)], "the call is still to be made");
    ledger.called(0, 1_100, Ended::Begun, later(3));
    assert_eq!(after(&mut ledger, 4), [Turn::Now, full(0)]);
}

#[test]
fn without_calls_the_others_wait_for_their_tokens_in_groups_of_three() {
    let at = |seconds| now() + SignedDuration::from_secs(seconds);
    let paced = |position, seconds| Turn::Paced { position, at: at(seconds) };
    for (burst, waiting, expected) in [
        (1, 2, vec![paced(0, 11), paced(1, 11)]),
        (2, 3, vec![paced(0, 11), paced(1, 11), paced(2, 11)]),
        (3, 4, vec![Turn::Now, Turn::Now, Turn::Now, paced(0, 11)]),
        (
            3,
            8,
            vec![
                Turn::Now,
                Turn::Now,
                Turn::Now,
                paced(0, 31),
                paced(1, 31),
                paced(2, 31),
                paced(3, 51),
                paced(4, 51),
            ],
        ),
    ] {
        let mut ledger = ledger(1_200, burst);
        assert_eq!(turns_of(&mut ledger, &vec![1; waiting]), expected, "{burst}, {waiting}");
    }
    for (burst, refill, expected, what) in [
        (2, 10, [Turn::Now, Turn::Now, paced(0, 20), paced(1, 20)], "a smaller bucket"),
        (2, 600, [Turn::Now, Turn::Now, paced(0, 600), paced(1, 1_200)], "one that fills slowly"),
    ] {
        let rate = CallRate { burst, refill: Span::from_secs(refill) };
        let mut ledger = Ledger::new(1_200, CallBudget::full(rate, now()));
        assert_eq!(turns_of(&mut ledger, &[1; 4]), expected, "{what}");
    }
}

#[test]
fn a_task_counts_from_its_turn_until_aws_shows_it_or_its_call_is_refused() {
    let mut ledger = ledger(100, 50);
    ledger.reserve(7, 100, now());
    assert_eq!(ledger.in_progress_gb(), 100);
    assert!(!ledger.is_settling(&7, now()), "its call is still to be made");
    ledger.reconsider(&7);
    assert_eq!(ledger.in_progress_gb(), 0, "its turn was not used");
    ledger.called(7, 100, Ended::Begun, now());
    ledger.reconsider(&7);
    assert_eq!(ledger.in_progress_gb(), 100, "a call that was made stays made");
    assert!(ledger.is_settling(&7, now()));
    ledger.shown([(Some(7), 100)], now());
    assert_eq!(ledger.in_progress_gb(), 100, "shown, and not twice");
    ledger.ended(&7);
    assert_eq!(ledger.in_progress_gb(), 0, "its end is known before the next list");
    ledger.called(7, 100, Ended::Begun, now());
    ledger.ended(&7);
    assert_eq!(ledger.in_progress_gb(), 0, "it ended before it was shown");
    ledger.called(7, 100, Ended::Begun, now());
    for _ in 0..2 {
        ledger.runs(&7, 60);
        assert_eq!(ledger.in_progress_gb(), 60, "as EC2 counts it");
    }
    ledger.ended(&7);
    assert_eq!(ledger.in_progress_gb(), 0);
    ledger.called(8, 100, Ended::of(Some(FaultClass::OutcomeUnknown)), now());
    assert_eq!(ledger.in_progress_gb(), 100, "it may run");
    ledger.called(8, 100, Ended::of(Some(FaultClass::Denied)), now());
    assert_eq!(ledger.in_progress_gb(), 0);
    ledger.called(9, 100, Ended::Begun, now());
    ledger.shown([], now() + ledger::LISTING_LAG);
    assert_eq!(ledger.in_progress_gb(), 0, "a listing never lags so long");
}

#[test]
fn a_refusal_for_the_quota_closes_it_for_a_while_and_one_for_the_rate_empties_the_calls() {
    let mut ledger = ledger(100, 50);
    ledger.called(7, 1, Ended::Refused(FaultClass::QuotaFull), now());
    let keys = [1];
    let mut answer = |seconds| {
        let later = now() + SignedDuration::from_secs(seconds);
        ledger.turns(keys.iter().map(|key| (key, 1)), later)[0]
    };
    assert!(matches!(answer(0), Turn::QuotaFull { .. }));
    assert_eq!(answer(30), Turn::Now);
    ledger.called(7, 1, Ended::Refused(FaultClass::Throttled), now());
    assert!(matches!(turns_of(&mut ledger, &[1])[0], Turn::QuotaFull { .. } | Turn::Paced { .. }));
}
