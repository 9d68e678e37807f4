//! The rules in tables, one guard a test.

use jiff::{SignedDuration, Timestamp};

use super::forecast::{Coming, forecast};
use super::next::{Obstacle, Remains, Seen, Step, Version, next, obstacle};
use super::*;
use crate::decide::tests::fixture::{With, image, now, recovery_point, restored_image};
use crate::model::{DeregistrationProtection, ObjectVersion, Retention, RetentionMode};
use crate::span::Span;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn span(days: u64) -> Span {
    Span::from_secs(days * 86_400)
}

/// Which of these times the rules keep, by their positions; the times stand in descending order.
fn kept(keep: Keep, times: &[&str], now: &str) -> Vec<usize> {
    let times: Vec<Timestamp> = times.iter().map(|text| time(text)).collect();
    let chosen = keep.choose(&times, time(now));
    (0..times.len()).filter(|at| chosen[*at].is_some()).collect()
}

#[test]
fn each_rule_keeps_what_it_says() {
    let times = [
        "2027-01-04T10:00:00Z", // Monday of week 1
        "2027-01-04T09:00:00Z",
        "2027-01-03T23:59:59Z", // Sunday of week 53 of 2026
        "2026-12-31T12:00:00Z", // the same week
        "2026-12-28T12:00:00Z", // its Monday
        "2026-11-30T12:00:00Z",
        "2024-02-29T12:00:00Z",
    ];
    let none = Keep::default();
    for (keep, expected, why) in [
        (Keep { last: 2, ..none }, &[0, 1][..], "the newest two"),
        (Keep { daily: 3, ..none }, &[0, 2, 3], "the newest of each of three days that have one"),
        (Keep { weekly: 2, ..none }, &[0, 2], "weeks begin on Monday, also over a year's end"),
        (Keep { monthly: 3, ..none }, &[0, 3, 5], "months without any do not count"),
        (Keep { yearly: 9, ..none }, &[0, 3, 6], "years likewise"),
        (Keep { within: Some(span(1)), ..none }, &[0, 1, 2], "younger than a day"),
        (Keep { last: 1, yearly: 2, ..none }, &[0, 3], "one that two rules keep stands for both"),
        (none, &[], "no rule"),
    ] {
        assert_eq!(kept(keep, &times, "2027-01-04T12:00:00Z"), expected, "{why}");
    }
    assert!(none.keeps_nothing() && Keep { minimum: Some(3), ..none }.keeps_nothing());
    assert!(Keep { within: Some(span(0)), ..none }.keeps_nothing());
    assert!(!Keep { yearly: 1, ..none }.keeps_nothing());
}

fn at(hours: i64) -> Point {
    let created = now() - SignedDuration::from_hours(hours);
    Point { created, data_from: created, completed: created, verified: false, has_image: true }
}

/// Nothing that is older than an hour stays by a rule.
fn hour() -> Rules {
    let keep = Keep { within: Some(Span::from_secs(3_600)), ..Keep::default() };
    Rules { object: Some(keep), image: None, floor: Span::from_secs(3_600) }
}

fn fates(rules: &Rules, points: &[Point]) -> Vec<Fate> {
    judge(rules, points, now()).into_iter().map(|fates| fates.point).collect()
}

#[test]
fn each_guard_keeps_what_no_rule_keeps() {
    use Fate::{Goes, Stays};
    let with = |point: Point, change: fn(&mut Point)| {
        let mut point = point;
        change(&mut point);
        point
    };
    let verified = with(at(60), |point| point.verified = true);
    let young = with(at(70), |point| point.completed = now());
    let ahead = with(at(-9), |_| {});
    let repeat = with(at(30), |point| point.data_from = now() - days(40));
    for (points, expected, why) in [
        (vec![at(50), at(40)], vec![Goes, Stays(Kept::Newest)], "the newest"),
        (
            vec![at(50), at(40), repeat],
            vec![Goes, Stays(Kept::Newest), Stays(Kept::Newest)],
            "the newest by its data, and the newest by its creation",
        ),
        (
            vec![at(50), verified, at(40)],
            vec![Goes, Stays(Kept::NewestVerified), Stays(Kept::Newest)],
            "the newest verified one",
        ),
        (
            vec![young, at(40)],
            vec![Stays(Kept::Young), Stays(Kept::Newest)],
            "younger than the floor",
        ),
        (
            vec![at(50), at(40), ahead],
            vec![Goes, Stays(Kept::Newest), Stays(Kept::InFuture)],
            "one from the future takes no one's place",
        ),
        (vec![], vec![], "nothing"),
    ] {
        assert_eq!(fates(&hour(), &points), expected, "{why}");
    }
    let mut three = hour();
    three.object = three.object.map(|keep| Keep { minimum: Some(3), ..keep });
    let four = [at(70), at(60), at(50), at(40)];
    let least = Stays(Kept::Minimum);
    assert_eq!(fates(&three, &four), [Goes, least, least, Stays(Kept::Newest)]);
    let none = Rules { object: None, ..hour() };
    assert_eq!(fates(&none, &four), [Stays(Kept::NoRule); 4]);
}

#[test]
fn an_ami_goes_by_its_own_rules_and_never_stays_longer_than_its_recovery_point() {
    let week = |image: Option<Keep>| Rules {
        object: Some(Keep { within: Some(span(10)), ..Keep::default() }),
        image,
        floor: Span::from_secs(3_600),
    };
    let points = [at(24 * 20), at(24 * 5), at(24 * 2), at(24)];
    let images = |rules: &Rules, points: &[Point]| -> Vec<Option<bool>> {
        let fates = judge(rules, points, now()).into_iter();
        fates.map(|fates| fates.image.map(|fate| fate == Fate::Goes)).collect()
    };
    let own = week(Some(Keep { within: Some(span(3)), ..Keep::default() }));
    let (goes, stays) = (Some(true), Some(false));
    assert_eq!(images(&own, &points), [goes, goes, stays, stays]);
    assert_eq!(images(&week(None), &points), [goes, stays, stays, stays]);
    let archived = points.map(|point| Point { has_image: false, ..point });
    assert_eq!(images(&own, &archived), [None; 4]);
    // The newest recovery point keeps its AMI, whatever the rules of AMIs say.
    let other = week(Some(Keep { within: Some(Span::from_secs(60)), ..Keep::default() }));
    assert_eq!(images(&other, &points), [goes, goes, goes, stays]);
}

#[test]
fn what_a_record_gave_up_goes_only_with_what_the_rules_give_up() {
    let complete = [at(50), at(40)];
    let goes = |point: Point| {
        let among: Vec<Point> = complete.iter().copied().chain([point]).collect();
        judge_given_up(&hour(), &among, 2, true, now()).goes()
    };
    assert!(goes(at(60)));
    assert!(!goes(at(30)), "it would be the newest");
    assert!(!judge_given_up(&hour(), &[at(60)], 0, true, now()).goes(), "it is the only one");
}

#[test]
fn the_brake_counts_both_and_rounds_up() {
    let brake = Brake { most: 10, most_percent: 25 };
    for (of, allowed) in [(0, 0), (1, 1), (4, 1), (5, 2), (100, 10)] {
        assert_eq!(brake.allows(of), allowed, "{of}");
        assert!(!brake.stops(allowed, of) && brake.stops(allowed + 1, of), "{of}");
    }
}

/// An AMI that is there, made so many days ago.
fn seen(change: impl FnOnce(&mut Seen)) -> Remains {
    let image = restored_image(&image(), 1).with(|image| {
        image.created = now() - days(30);
        image.deregistration_protection = DeregistrationProtection::Enabled;
    });
    let snapshots = image.snapshots().map(|id| (id.clone(), false)).collect();
    let mut seen = Seen { image, shared_with: Vec::new(), references: Vec::new() };
    change(&mut seen);
    let at = ObjectVersion {
        bucket: "vault-us-west-2".parse().unwrap(),
        key: "amiferry/image.bin".parse().unwrap(),
        version: Some("v".to_owned()),
    };
    let object = Some(Version { at, retention: None, hold: false });
    Remains { whole: true, recorded: false, images: vec![seen], snapshots, object }
}

#[test]
fn what_holds_it_is_named() {
    let named = |remains: &Remains| {
        let obstacle = obstacle(&recovery_point(), remains, span(1), now());
        obstacle.map(|obstacle| match obstacle {
            Obstacle::Locked(_) => "locked",
            Obstacle::Held => "held",
            Obstacle::InUse(..) => "in use",
            Obstacle::SharedWith(..) => "shared",
            Obstacle::NotOurs(_) => "not ours",
            Obstacle::Young(_) => "young",
            Obstacle::Unready(_) => "unready",
        })
    };
    let locked = |until, hold| {
        let mut remains = seen(|_| {});
        let object = remains.object.as_mut().unwrap();
        object.retention = Some(Retention { mode: RetentionMode::Governance, until });
        object.hold = hold;
        remains
    };
    for (remains, expected) in [
        (seen(|_| {}), None),
        (seen(|seen| seen.references.push("arn".to_owned())), Some("in use")),
        (seen(|seen| seen.shared_with.push("999999999999".to_owned())), Some("shared")),
        (seen(|seen| seen.image.tags.clear()), Some("not ours")),
        (seen(|seen| seen.image.owner = "999999999999".parse().unwrap()), Some("not ours")),
        (seen(|seen| seen.image.created = now()), Some("young")),
        (seen(|seen| seen.image.state = crate::model::ImageState::Pending), Some("unready")),
        (locked(now() + days(1), false), Some("locked")),
        (locked(now(), false), None),
        (locked(now() - days(1), true), Some("held")),
        (Remains { whole: false, ..locked(now() + days(1), true) }, None),
    ] {
        assert_eq!(named(&remains), expected, "{remains:#?}");
    }
}

#[test]
fn the_steps_come_in_their_order_and_the_object_goes_last() {
    let mut remains = seen(|_| {});
    let mut retiring = std::collections::BTreeSet::new();
    let ami = remains.images[0].image.id.clone();
    assert_eq!(next(&remains, &retiring), Step::Record);
    remains.recorded = true;
    assert_eq!(next(&remains, &retiring), Step::Unprotect(ami.clone()));
    remains.images[0].image.deregistration_protection = DeregistrationProtection::Disabled;
    assert_eq!(next(&remains, &retiring), Step::Deregister(ami.clone()));
    retiring.insert(ami.clone());
    assert_eq!(next(&remains, &retiring), Step::Retiring(ami));
    remains.images.clear();
    let (used, free) = (remains.snapshots[0].0.clone(), remains.snapshots[1].0.clone());
    remains.snapshots[0] = (used, true);
    assert_eq!(next(&remains, &retiring), Step::DeleteSnapshot(free));
    remains.snapshots.pop();
    assert!(matches!(next(&remains, &retiring), Step::DeleteObject(_)));
    remains.whole = false;
    assert_eq!(next(&remains, &retiring), Step::Done);
}

#[test]
fn the_future_lets_each_go_when_newer_ones_take_its_place() {
    let rules = Rules { object: Some(Keep { last: 2, ..Keep::default() }), ..hour() };
    let points = [at(24 * 3), at(24 * 2), at(24)];
    let coming = Coming { every: span(1), ends: None };
    let gone = forecast(&rules, coming, &points, now(), now() + days(9));
    let order: Vec<(usize, i64)> = gone
        .iter()
        .map(|gone| (gone.at, gone.when.duration_since(now()).as_hours() / 24))
        .collect();
    assert_eq!(order, [(0, 0), (1, 1), (2, 2)]);
    assert!(gone.iter().all(|gone| gone.whole));
    assert!(forecast(&rules, coming, &[], now(), now() + days(9)).is_empty());
}

#[test]
fn nothing_new_comes_to_a_retired_family_and_its_last_ones_stay() {
    let rules = Rules { object: Some(Keep { last: 2, ..Keep::default() }), ..hour() };
    let points = [at(24 * 2), at(24)];
    for (ends, expected) in [(-30, 0), (0, 0), (2, 1), (5, 2)] {
        let coming = Coming { every: span(1), ends: Some(now() + days(ends)) };
        let gone = forecast(&rules, coming, &points, now(), now() + days(90));
        assert_eq!(gone.len(), expected, "retired after {ends} days: {gone:?}");
    }
}
