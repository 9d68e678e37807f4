//! What the fleet keeps, forgets and says of itself; `plans` and `stores` say what the plan makes of it.

mod churn;
mod large;
mod newest;
mod plans;
mod rest;
mod stores;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::tests::fixture::{
    PACE, VAULT, With, image, now, observed, policies, source, vault,
};
use crate::decide::vault::{ManifestFact, judge};
use crate::plan::{Spent, Standing};

fn at(second: i64) -> Timestamp {
    now() + SignedDuration::from_secs(second)
}

fn id(number: u32) -> RecoveryPointId {
    RecoveryPointId {
        source_account: source().account,
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: format!("ami-{number:08x}").parse().unwrap(),
        target_account: VAULT.parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
    }
}

fn fleet() -> Fleet {
    Fleet::new([source()])
}

/// A whole walk over a place that meets these.
fn walk(fleet: &mut Fleet, place: &Place, numbers: &[u32], began: i64) {
    fleet.walk_began(place, at(began));
    for number in numbers {
        fleet.met(place, &id(*number));
    }
    fleet.walked(place);
}

/// A look that observes this of an image, changed.
fn look(fleet: &mut Fleet, number: u32, second: i64, change: impl FnOnce(&mut Observed)) {
    let mut seen = observed();
    seen.id = id(number);
    own_snapshots(&mut seen, number);
    change(&mut seen);
    let judged = judge(&policies(), &vault(), &seen, PACE, at(second));
    fleet.observed(&seen, &judged, at(second));
}

/// Gives its image snapshots of its own.
fn own_snapshots(seen: &mut Observed, number: u32) {
    let devices = seen.source.iter_mut().flat_map(|image| &mut image.devices);
    for (place, ebs) in devices.filter_map(|device| device.ebs.as_mut()).enumerate() {
        ebs.snapshot = Some(format!("snap-{place:09x}{number:08x}").parse().unwrap());
    }
}

fn nothing(_: &mut Observed) {}

#[test]
fn nothing_is_known_before_every_place_answered_and_all_that_was_met_was_looked_at() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[1], 10);
    assert_eq!(fleet.known_at(), None, "the source did not answer yet");
    walk(&mut fleet, &Place::Source(source()), &[1, 2], 11);
    look(&mut fleet, 1, 12, nothing);
    assert_eq!(fleet.known_at(), None);
    look(&mut fleet, 2, 13, nothing);
    assert_eq!(fleet.known_at(), Some(at(10)), "the walk over the vault");
    walk(&mut fleet, &Place::Vault, &[1], 20);
    assert_eq!(fleet.known_at(), Some(at(11)), "the walk over the source");
}

#[test]
fn a_new_image_does_not_make_what_was_known_unknown() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[], 10);
    walk(&mut fleet, &Place::Source(source()), &[1], 10);
    look(&mut fleet, 1, 11, nothing);
    walk(&mut fleet, &Place::Source(source()), &[1, 2], 20);
    assert_eq!(fleet.known_at(), Some(at(10)));
    look(&mut fleet, 2, 21, nothing);
    look(&mut fleet, 1, 22, nothing);
    walk(&mut fleet, &Place::Vault, &[], 23);
    assert_eq!(fleet.known_at(), Some(at(20)));
}

#[test]
fn what_neither_side_has_is_forgotten_and_what_one_side_has_is_not() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[1], 10);
    walk(&mut fleet, &Place::Source(source()), &[2, 3], 10);
    for number in [1, 2, 3] {
        look(&mut fleet, number, 11, nothing);
    }
    walk(&mut fleet, &Place::Source(source()), &[2], 20);
    walk(&mut fleet, &Place::Vault, &[1], 20);
    let left: Vec<_> = fleet.rows().map(|(id, _)| id.clone()).collect();
    assert_eq!(left, [id(1), id(2)]);
}

#[test]
fn what_was_observed_since_a_walk_began_outlives_it() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[], 10);
    fleet.walk_began(&Place::Source(source()), at(20));
    look(&mut fleet, 1, 25, nothing);
    fleet.walked(&Place::Source(source()));
    assert!(fleet.row(&id(1)).is_some());
}

#[test]
fn a_source_that_fails_takes_nothing_away_and_makes_nothing_else_old() {
    let mut fleet = fleet();
    let silent = SourceId { account: VAULT.parse().unwrap(), region: "eu-west-1".parse().unwrap() };
    fleet.places.insert(Place::Source(silent.clone()), Walks::default());
    walk(&mut fleet, &Place::Vault, &[], 10);
    walk(&mut fleet, &Place::Source(source()), &[1], 10);
    look(&mut fleet, 1, 11, nothing);
    assert_eq!(fleet.known_at(), None);
    let place = Place::Source(silent);
    fleet.walk_began(&place, at(12));
    fleet.walk_failed(&place, "AccessDenied", at(13));
    assert_eq!(fleet.assessed(), Some(Assessed { oldest: Some(at(10)), not_assessed: 1 }));
    fleet.walk_failed(&place, "AccessDenied", at(30));
    let (_, walks) = fleet.places().find(|(each, _)| **each == place).unwrap();
    assert_eq!(walks.fault().map(|fault| fault.since), Some(at(13)), "since the first failure");
    walk(&mut fleet, &place, &[], 40);
    assert_eq!(fleet.assessed().map(|assessed| assessed.not_assessed), Some(0));
}

#[test]
fn a_row_that_cannot_be_observed_is_not_assessed_and_holds_nothing_else_back() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[1, 2], 10);
    walk(&mut fleet, &Place::Source(source()), &[], 10);
    look(&mut fleet, 1, 11, nothing);
    fleet.unobserved(&id(2), "AccessDenied", None);
    assert_eq!(fleet.assessed(), Some(Assessed { oldest: Some(at(10)), not_assessed: 1 }));
    look(&mut fleet, 2, 12, nothing);
    assert_eq!(fleet.assessed().map(|assessed| assessed.not_assessed), Some(0));
}

#[test]
fn an_item_that_cannot_be_read_is_not_assessed_until_a_walk_reads_it() {
    let mut fleet = fleet();
    let place = Place::Source(source());
    walk(&mut fleet, &Place::Vault, &[], 10);
    fleet.walk_began(&place, at(10));
    fleet.met_unreadable(&place, Some("ami-x"), "no volumeSize");
    fleet.walked(&place);
    assert_eq!(fleet.assessed().map(|assessed| assessed.not_assessed), Some(1));
    walk(&mut fleet, &place, &[], 20);
    assert_eq!(fleet.assessed().map(|assessed| assessed.not_assessed), Some(0));
}

#[test]
fn what_is_neither_promised_nor_met_is_kept_out_however_often_it_is_named() {
    let mut fleet = fleet();
    look(&mut fleet, 1, 10, |seen| seen.source = None);
    assert_eq!(fleet.rows().count(), 0);
}

#[test]
fn what_the_loop_parked_is_shown_as_parked_until_it_is_observed_again() {
    let mut fleet = fleet();
    look(&mut fleet, 1, 10, nothing);
    let failure = Failure {
        code: Code::Denied,
        detail: "ec2:CreateRestoreImageTask".into(),
        parked: true,
        attempts: 1,
        since: at(11),
        retry_at: at(41),
    };
    fleet.failed(&id(1), failure);
    let shown = |fleet: &Fleet| {
        let (_, shown) = fleet.points().next().unwrap();
        (shown.state, shown.code, shown.detail.to_owned())
    };
    let parked = (State::Parked, Code::Denied, "ec2:CreateRestoreImageTask".to_owned());
    assert_eq!(shown(&fleet), parked);
    look(&mut fleet, 1, 50, nothing);
    assert_eq!(shown(&fleet).1, Code::NotStaged);
}

#[test]
fn a_recovery_point_whose_source_is_silent_keeps_what_is_known_of_its_image() {
    let mut fleet = fleet();
    look(&mut fleet, 1, 10, nothing);
    let in_source = |fleet: &Fleet| fleet.points().next().map(|(_, shown)| shown.point.in_source);
    assert_eq!(in_source(&fleet), Some(true));
    look(&mut fleet, 1, 20, |seen| (seen.source, seen.source_asked) = (None, false));
    assert_eq!(in_source(&fleet), Some(true));
    assert!(fleet.row(&id(1)).unwrap().unobserved().is_some(), "gone is said after an answer only");
}

#[test]
fn families_that_no_row_names_any_more_are_forgotten_and_the_others_keep_their_names() {
    let mut fleet = fleet();
    let place = Place::Source(source());
    walk(&mut fleet, &Place::Vault, &[], 1);
    for (number, name) in [(1, "one"), (2, "two"), (3, "three")] {
        look(&mut fleet, number, 2, |seen| {
            seen.source = Some(image().with(|i| drop(i.tags.insert("app".into(), name.into()))));
        });
    }
    assert_eq!(fleet.families.all().len(), 3);
    walk(&mut fleet, &place, &[1, 3], 10);
    let names: Vec<_> = [1, 3].map(|number| fleet.governed(&id(number)).unwrap().1).into();
    assert_eq!((fleet.families.all().len(), names), (2, vec!["one".into(), "three".into()]));
}

#[test]
fn what_waits_for_a_turn_waits_in_the_plan_of_its_step_alone() {
    let mut fleet = fleet();
    look(&mut fleet, 1, 10, nothing);
    let standing = |fleet: &Fleet, step| fleet.members(step, at(20))[0].standing;
    assert_eq!(standing(&fleet, Step::Copy), Standing::Elsewhere, "nothing is staged");
    let copying = observed().staged();
    let restoring = observed().staged().copied();
    for (step, seen) in [(Step::Copy, copying), (Step::Restore, restoring)] {
        let judged = judge(&policies(), &vault(), &seen, PACE, at(10));
        let mut fleet = self::fleet();
        fleet.observed(&seen, &judged, at(10));
        assert_eq!(standing(&fleet, step), Standing::Waits { failures: 0 });
        fleet.began(&seen.id, step);
        assert_eq!(standing(&fleet, step), Standing::Begun);
        fleet.ended(&seen.id, Some(false));
        assert_eq!(standing(&fleet, step), Standing::Waits { failures: 1 });
    }
}

#[test]
fn what_waits_is_recalled_for_less_than_an_hour() {
    let mut fleet = fleet();
    look(&mut fleet, 1, 0, nothing);
    let recalled = |seconds| fleet.recall(&id(1), at(seconds)).map(|seen| seen.source);
    assert_eq!(recalled(3_599), Some(None), "without what a cheap look asks for again");
    assert_eq!(recalled(3_600), None);
    let seen = observed().with(|seen| seen.id = id(1));
    let judged = judge(&policies(), &vault(), &seen, PACE, at(1_800));
    fleet.observed_in_part(&seen, &judged, at(1_800));
    let recalled = |seconds| fleet.recall(&id(1), at(seconds)).is_some();
    assert_eq!([3_599, 3_600].map(recalled), [true, false], "a cheap look makes nothing younger");
}

#[test]
fn an_hour_old_object_counts_against_the_budget_of_its_source_and_an_old_one_does_not() {
    let mut fleet = fleet();
    let restoring = observed().staged().copied();
    for (number, written) in [(1, -3_600), (2, -90_000)] {
        let mut seen = restoring.clone();
        seen.id = id(number);
        seen.object.as_mut().unwrap().last_modified = Some(at(written));
        let judged = judge(&policies(), &vault(), &seen, PACE, at(0));
        fleet.observed(&seen, &judged, at(0));
    }
    let spent = fleet.spent(at(0));
    assert_eq!(spent[&source()], Spent { images: 1, gb: 108 });
    let day = SignedDuration::from_hours(24);
    assert!(fleet.spent(at(0) + day).is_empty());
}

#[test]
fn a_walk_over_one_source_forgets_its_own_rows_and_no_others() {
    let of = |account: &str, region: &str, number: u32| RecoveryPointId {
        source_account: account.parse().unwrap(),
        source_region: region.parse().unwrap(),
        ..id(number)
    };
    let sources = [
        ("111111111111", "us-east-1"),
        ("111111111111", "us-east-2"),
        ("111111111112", "us-east-1"),
    ];
    let places = sources.map(|(account, region)| Place::Source(of(account, region, 0).source()));
    for emptied in 0..sources.len() {
        let mut fleet =
            Fleet::new(sources.map(|(account, region)| of(account, region, 0).source()));
        walk(&mut fleet, &Place::Vault, &[], 0);
        for (place, (account, region)) in places.iter().zip(sources) {
            fleet.walk_began(place, at(1));
            // The first and the last id that there may be.
            for number in [0, u32::MAX] {
                fleet.met(place, &of(account, region, number));
            }
            fleet.walked(place);
        }
        assert_eq!(fleet.rows().count(), 6);
        walk(&mut fleet, &places[emptied], &[], 2);
        let left: Vec<Place> = fleet.rows().map(|(id, _)| Place::Source(id.source())).collect();
        assert!(!left.contains(&places[emptied]), "{emptied}");
        assert_eq!(left.len(), 4, "{emptied}");
    }
}
