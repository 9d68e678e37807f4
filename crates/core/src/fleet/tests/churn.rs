//! Images that come and go, and images made again of old snapshots: neither makes a family younger.

use super::*;
use crate::decide::vault::NoteFact;
use crate::manifest::{Note, Teller};
use crate::policy::Tier;
use crate::rpo::RpoState;

fn source_place() -> Place {
    Place::Source(source())
}

/// The state of the only family, under an RPO of a day, and since when it is measured.
fn standing(fleet: &Fleet, second: i64) -> (RpoState, Option<Timestamp>) {
    let tallies = fleet.tallies(at(second));
    let members = tallies.values().next().unwrap().members;
    (members.state(Some(policies().0[0].rpo), at(second)), members.measured_from())
}

/// A walk over the source that meets an image, created when the walk begins, and a look at it.
fn comes(fleet: &mut Fleet, number: u32, second: i64) {
    walk(fleet, &source_place(), &[number], second);
    look(fleet, number, second + 1, |seen| {
        if let Some(image) = &mut seen.source {
            image.created = at(second);
        }
    });
}

const HOUR: i64 = 3_600;

#[test]
fn images_that_come_and_go_do_not_renew_the_grace_of_a_family_that_was_never_complete() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[], 0);
    for hour in 0..24 {
        comes(&mut fleet, u32::try_from(hour).unwrap(), hour * HOUR);
        assert_eq!(fleet.points().count(), 1, "the one before is gone");
        assert_eq!(standing(&fleet, hour * HOUR + 2), (RpoState::Pending, Some(at(0))));
    }
    comes(&mut fleet, 24, 24 * HOUR);
    assert_eq!(standing(&fleet, 24 * HOUR + 2), (RpoState::Unprotected, Some(at(0))));
}

#[test]
fn an_image_that_a_look_finds_gone_before_the_walk_does_counts_as_well() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[], 0);
    comes(&mut fleet, 1, 0);
    look(&mut fleet, 1, HOUR, |seen| seen.source = None);
    comes(&mut fleet, 2, 2 * HOUR);
    assert_eq!(standing(&fleet, 25 * HOUR), (RpoState::Unprotected, Some(at(0))));
}

#[test]
fn an_image_that_its_owner_gives_to_another_family_stays_in_the_count_of_the_first() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[], 0);
    comes(&mut fleet, 1, 0);
    look(&mut fleet, 1, HOUR, |seen| {
        let image = seen.source.take().map(|image| image.tagged("app", "other"));
        seen.source = image;
    });
    let first = FamilyId { source: source(), policy: "daily".into(), name: "shop".into() };
    assert_eq!(fleet.unfinished().collect::<Vec<_>>(), [(&first, at(0))]);
}

#[test]
fn a_family_that_became_complete_or_had_no_image_for_a_week_begins_again() {
    let complete = Observed::complete(Tier::Ready);
    for (gap, is_complete, expected) in [
        (6 * 24, false, RpoState::Unprotected),
        (8 * 24, false, RpoState::Pending),
        (30, true, RpoState::Pending),
    ] {
        let mut fleet = fleet();
        walk(&mut fleet, &Place::Vault, &[], 0);
        comes(&mut fleet, 1, 0);
        walk(&mut fleet, &source_place(), &[], HOUR);
        assert_eq!(fleet.rows().count(), 0);
        if is_complete {
            fleet.met(&source_place(), &complete.id);
            let judged = judge(&policies(), &vault(), &complete, PACE, at(2 * HOUR));
            fleet.observed(&complete, &judged, at(2 * HOUR));
            assert_eq!(fleet.points().next().unwrap().1.state, State::Complete);
        }
        walk(&mut fleet, &Place::Vault, &[], gap * HOUR);
        walk(&mut fleet, &source_place(), &[], gap * HOUR);
        comes(&mut fleet, 3, gap * HOUR + 1);
        assert_eq!(standing(&fleet, gap * HOUR + 3).0, expected, "{gap} {is_complete}");
    }
}

#[test]
fn one_source_can_have_only_so_many_families_remembered_and_the_first_ones_stay() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, &[], 0);
    for number in 0..1_100 {
        let place = source_place();
        fleet.met(&place, &id(number));
        look(&mut fleet, number, 1, |seen| {
            let image = seen.source.take();
            seen.source = image.map(|image| image.tagged("app", &format!("family-{number:04}")));
        });
        look(&mut fleet, number, 2, |seen| seen.source = None);
    }
    let names: Vec<String> =
        fleet.unfinished().map(|(family, _)| family.name.to_string()).collect();
    assert_eq!(names.len(), 1_000);
    assert_eq!(names[0], "family-0000");
}

#[test]
fn a_complete_image_made_of_the_snapshots_of_an_older_one_makes_its_family_no_younger() {
    let complete = Observed::complete(Tier::Ready);
    let mut fleet = fleet();
    for (number, created, of) in [(1, -30 * HOUR, 1), (2, -2 * HOUR, 1)] {
        let seen = complete.clone().with(|seen| {
            seen.id = id(number);
            own_snapshots(seen, of);
            let ManifestFact::Present(manifest) = &mut seen.manifest else { panic!("none") };
            manifest.recovery_point = id(number);
            manifest.source.created_at = at(created);
            let image = seen.source.as_mut().unwrap();
            image.created = at(created);
            manifest.source.snapshots = image.snapshots().cloned().collect();
        });
        let judged = judge(&policies(), &vault(), &seen, PACE, at(0));
        let judged = Judged { decision: Decision::Done(Code::Complete), loss: None, ..judged };
        fleet.met(&source_place(), &id(number));
        fleet.observed(&seen, &judged, at(0));
    }
    let repeat = fleet.repeat(&id(2)).unwrap();
    assert_eq!((&repeat.original, repeat.data_from), (&id(1), at(-30 * HOUR)));
    assert_eq!(fleet.repeat(&id(1)), None);
    assert_eq!(standing(&fleet, 0), (RpoState::Breached, Some(at(-30 * HOUR))));
    let tallies = fleet.tallies(at(0));
    let newest = tallies.values().next().unwrap().newest.unwrap();
    assert_eq!(newest.2, &id(1).source_image_id, "the original is named");

    // What became of the older one changes nothing until neither side has it.
    look(&mut fleet, 2, 1, |seen| seen.source = None);
    walk(&mut fleet, &Place::Vault, &[2], 2);
    walk(&mut fleet, &source_place(), &[2], 2);
    assert_eq!(fleet.repeat(&id(2)), None);
}

#[test]
fn a_note_that_names_thousands_of_snapshots_takes_no_room() {
    let many = |count: u32| (0..count).map(|number| format!("snap-{number:08x}").parse().unwrap());
    for (count, kept) in [(0, 0), (1, 1), (128, 128), (129, 0), (10_000, 0)] {
        let mut fleet = fleet();
        let seen = observed().staged().copied().with(|seen| {
            let governed = ("daily", "shop", Tier::Ready);
            let mut note = Note::of(&image(), &source(), governed, Teller::Vault, now());
            note.source.snapshots = many(count).collect();
            seen.note = NoteFact::Kept(Box::new(note));
            seen.source = None;
        });
        fleet.met(&Place::Vault, &seen.id);
        let judged = judge(&policies(), &vault(), &seen, PACE, now());
        fleet.observed(&seen, &judged, now());
        let row = fleet.row(&seen.id).unwrap();
        assert!(row.point().is_some());
        assert_eq!(row.snapshots.len(), kept, "of {count}");
    }
}

#[test]
fn a_snapshot_takes_sixteen_bytes_of_a_row() {
    assert_eq!(size_of::<crate::repeats::Snap>(), 16);
    assert!(size_of::<Row>() <= 256, "{} bytes", size_of::<Row>());
    assert!(size_of::<Point>() <= 256, "{} bytes", size_of::<Point>());
}
