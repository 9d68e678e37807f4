//! What holds for every fleet: the order depends on nothing but what waits, and everything gets its
//! turn.

use proptest::prelude::*;

use super::*;

prop_compose! {
    fn row()(
        family in 0_usize..6, hours in 0_i64..60, size_gb in 0_u64..3_000, kind in 0_u8..6,
    ) -> Row {
        let standing = match kind {
            0 => Standing::Complete,
            1 => Standing::Begun,
            2 => Standing::Elsewhere,
            3 => Standing::Waits { failures: 2 },
            _ => WAITS,
        };
        (family, hours, size_gb, standing)
    }
}

fn promises() -> Vec<Promise> {
    let one = |family: usize| Promise {
        source: family % 3,
        priority: if family.is_multiple_of(2) { 5 } else { 0 },
        rpo: Span::from_secs(3_600 * (4 + 4 * family as u64)),
        backfill: Backfill::All,
    };
    (0..6).map(one).collect()
}

proptest! {
    #[test]
    fn everything_that_waits_is_planned_once_and_nothing_else(
        rows in prop::collection::vec(row(), 0..40),
    ) {
        let mut line = order(&rows, &promises());
        line.sort_unstable();
        let waits = |row: &Row| matches!(row.3, Standing::Waits { .. });
        let expected: Vec<usize> = (0..rows.len()).filter(|index| waits(&rows[*index])).collect();
        prop_assert_eq!(line, expected);
    }

    #[test]
    fn the_order_in_which_images_are_listed_does_not_matter(
        (rows, listed) in prop::collection::vec(row(), 0..30).prop_flat_map(|rows| {
            let listed: Vec<usize> = (0..rows.len()).collect();
            (Just(rows), Just(listed).prop_shuffle())
        }),
        // Few of these times, so that images of a family share one.
        hours_apart in 1_i64..30,
        backfill in prop_oneof![Just(Backfill::All), (0_u32..4).prop_map(Backfill::Newest)],
    ) {
        let keys: Vec<usize> = (0..rows.len()).collect();
        let member = |key: usize| {
            let (family, hours, size_gb, standing) = rows[key];
            let created = hours_ago(hours / hours_apart * hours_apart);
            Member { key: &keys[key], family, created, size_gb, standing }
        };
        let promises: Vec<Promise> =
            promises().into_iter().map(|promise| Promise { backfill, ..promise }).collect();
        let line = |listed: &[usize]| -> Vec<(usize, Why)> {
            let members: Vec<Member<'_, usize>> = listed.iter().copied().map(member).collect();
            let planned = plan(&members, &promises, &[], &mut Turns::default(), now());
            planned.into_iter().map(|planned| (*planned.key, planned.why)).collect()
        };
        prop_assert_eq!(line(&listed), line(&keys));
    }

    #[test]
    fn a_healthy_image_never_waits_for_a_failing_one(
        rows in prop::collection::vec(row(), 0..40),
    ) {
        let line = order(&rows, &promises());
        let fails = |key: &usize| matches!(rows[*key].3, Standing::Waits { failures: 1.. });
        let first = line.iter().position(fails).unwrap_or(line.len());
        prop_assert!(line[first..].iter().all(fails));
    }

    #[test]
    fn no_source_waits_for_two_turns_of_another(
        rows in prop::collection::vec(row(), 0..40),
    ) {
        let line = order(&rows, &promises());
        let healthy: Vec<usize> = line
            .into_iter()
            .filter(|key| rows[*key].3 == WAITS)
            .map(|key| promises()[rows[key].0].source)
            .collect();
        for (place, source) in healthy.iter().enumerate() {
            let before = |of: usize| healthy[..place].iter().filter(|other| **other == of).count();
            for other in (0..3).filter(|other| other != source) {
                prop_assert!(before(other) <= before(*source) + 1, "{healthy:?}");
            }
        }
    }
}

/// The sources that wait in every round: how much each has ready, and its weight.
fn rivals() -> impl Strategy<Value = Vec<(usize, u32)>> {
    prop::collection::vec((1_usize..30, 1_u32..5), 2..6)
}

/// Families that get a new image every hour: its GB, and their RPO in hours.
fn busy_families() -> impl Strategy<Value = Vec<(u64, i64)>> {
    prop::collection::vec((1_u64..300, 1_i64..5), 2..9)
}

/// The hours after which a family of images of so many GB has had its turn, where one image is
/// taken an hour and each of `others` has a new one every hour: it becomes late, outweighs its size,
/// and from then on no other family can go before it twice.
fn patience(size_gb: u64, rpo: i64, others: usize) -> i64 {
    let task = i64::try_from(size_gb).unwrap() * order::SECONDS_PER_GB + order::SECONDS_PER_TASK;
    rpo + order::AGEING * task / 3_600 + i64::try_from(others).unwrap() + 2
}

proptest! {
    #[test]
    fn without_arrivals_everything_that_is_asked_for_gets_its_turn(
        rows in prop::collection::vec(row(), 0..30),
    ) {
        let mut rows = rows;
        let mut waiting = rows.iter().filter(|row| matches!(row.3, Standing::Waits { .. })).count();
        let mut turns = Turns::default();
        while let Some((first, _)) = planned(&rows, &promises(), &[], &mut turns).first() {
            let waits = matches!(rows[*first].3, Standing::Waits { .. });
            prop_assert!(waits);
            turns.taken(promises()[rows[*first].0].source, 1);
            rows[*first].3 = Standing::Begun;
            waiting -= 1;
        }
        prop_assert_eq!(waiting, 0);
    }

    #[test]
    fn a_family_gets_its_turn_however_many_smaller_ones_are_renewed_meanwhile(
        families in busy_families(),
    ) {
        let promise = |&(_, rpo): &(u64, i64)| {
            Promise { rpo: Span::from_secs(rpo.unsigned_abs() * 3_600), ..promise() }
        };
        let promises: Vec<Promise> = families.iter().map(promise).collect();
        let keys: Vec<usize> = (0..families.len()).collect();
        let mut complete = vec![0; families.len()];
        for hour in 1..350 {
            let at = |hour: i64| now() + SignedDuration::from_hours(hour);
            let of_family = |key| {
                let newest = Member {
                    key,
                    family: *key,
                    created: at(hour),
                    size_gb: families[*key].0,
                    standing: WAITS,
                };
                let complete = at(complete[*key]);
                [Member { created: complete, standing: Standing::Complete, ..newest }, newest]
            };
            let members: Vec<Member<'_, usize>> = keys.iter().flat_map(of_family).collect();
            let line = plan(&members, &promises, &[], &mut Turns::default(), at(hour));
            complete[*line[0].key] = hour;
            for (&(size_gb, rpo), complete) in families.iter().zip(&complete) {
                let waited = hour - complete;
                let patience = patience(size_gb, rpo, families.len() - 1);
                prop_assert!(waited <= patience, "{size_gb} GB waited {waited} h of {patience}");
            }
        }
    }

    #[test]
    fn each_source_has_its_share_of_all_turns_whatever_the_others_have_ready(
        rivals in rivals(),
    ) {
        let promises: Vec<Promise> = (0..rivals.len())
            .map(|source| Promise { source, priority: source as i32, ..promise() })
            .collect();
        let ready = rivals.iter().enumerate();
        let rows: Vec<Row> =
            ready.flat_map(|(source, (ready, _))| vec![(source, 20, 1, WAITS); *ready]).collect();
        let weights: Vec<u32> = rivals.iter().map(|(_, weight)| *weight).collect();
        let all = f64::from(weights.iter().sum::<u32>());
        let mut turns = Turns::default();
        let mut served = vec![0_u32; rivals.len()];
        for round in 1..60 {
            let (first, _) = planned(&rows, &promises, &weights, &mut turns)[0];
            let source = rows[first].0;
            served[source] += 1;
            turns.taken(source, weights[source]);
            for (served, weight) in served.iter().zip(&weights) {
                let due = f64::from(round) * f64::from(*weight) / all;
                prop_assert!(f64::from(*served) > due - 2.0, "{served} of {due} turns");
            }
        }
    }

    #[test]
    fn what_is_healthy_has_a_turn_before_anything_that_fails_has_one(
        rows in prop::collection::vec(row(), 1..30), limit_gb in 0_u64..9_000, calls in 0_u32..9,
    ) {
        let keys: Vec<usize> = (0..rows.len()).collect();
        let members: Vec<Member<'_, usize>> = members(&rows, &keys);
        let mut line = Line::new(limit_gb, CallBudget::full(CallRate::default(), now()), Vec::new());
        line.ledger = ledger(limit_gb, calls);
        let (placed, _) = line.answers(&members, &promises(), now());
        let goes = |fails: bool| {
            let of = placed.iter().filter(move |placed| fails == matches!(placed.why, Why::Failing(_)));
            of.map(|placed| placed.turn == Turn::Now)
        };
        if goes(true).any(|goes| goes) {
            prop_assert!(goes(false).all(|goes| goes), "{placed:?}");
        }
    }
}
