//! What no number of images may make of a fleet: one family of ten thousand is read like any other.

use super::*;
use crate::fleet::tally::Progress;
use crate::pacing::{CallBudget, CallRate};
use crate::plan::{Ended, Line, Placed, Turn, Turns, Why, plan};
use crate::policy::Policies;
use crate::rpo;

const IMAGES: u32 = 10_000;

/// Ten thousand images of one family, an hour apart, of which every tenth is copied and all others
/// are staged; the oldest is the first.
fn crowd() -> Fleet {
    let mut fleet = fleet();
    let [staged, copied] = [observed().staged(), observed().staged().copied()];
    walk(&mut fleet, &Place::Vault, &[], 0);
    fleet.walk_began(&Place::Source(source()), at(0));
    let policies = unlimited();
    for number in 0..IMAGES {
        let mut seen = if number % 10 == 0 { copied.clone() } else { staged.clone() };
        seen.id = id(number);
        own_snapshots(&mut seen, number);
        if let Some(image) = &mut seen.source {
            image.id = seen.id.source_image_id.clone();
            image.created = now() - SignedDuration::from_hours((IMAGES - number).into());
        }
        fleet.met(&Place::Source(source()), &seen.id);
        let judged = judge(&policies, &vault(), &seen, PACE, now());
        fleet.observed(&seen, &judged, now());
    }
    fleet.walked(&Place::Source(source()));
    fleet
}

/// The ordinary policies, which take images of any age.
fn unlimited() -> Policies {
    let mut policies = policies();
    policies.0.iter_mut().for_each(|policy| policy.max_age = None);
    policies
}

#[test]
fn ten_thousand_images_of_one_family_are_one_family_in_every_reading() {
    let fleet = crowd();
    let policies = unlimited();
    assert_eq!(fleet.rows().count(), 10_000);
    assert_eq!(fleet.promises(&policies, &[source()]).len(), 1, "one promise");

    let tallies = fleet.tallies(now());
    assert_eq!(tallies.len(), 1);
    let tally = tallies.values().next().unwrap();
    let count = |progress| {
        let position = Progress::ALL.iter().position(|each| *each == progress).unwrap();
        tally.by_progress[position]
    };
    assert_eq!((count(Progress::InProgress), count(Progress::Complete)), (10_000, 0));
    assert_eq!((tally.in_source, tally.unprotected), (10_000, 10_000));
    assert_eq!(tally.newest_stored, Some(now() - SignedDuration::from_hours(10)));
    let state = tally.members.state(Some(policies.0[0].rpo), now());
    assert_eq!(state, rpo::RpoState::Unprotected);
    assert_eq!(fleet.assessed(), Some(Assessed { oldest: Some(at(0)), not_assessed: 0 }));
}

#[test]
fn of_ten_thousand_images_the_newest_goes_first_and_the_others_follow_newest_first() {
    let fleet = crowd();
    let promises = fleet.promises(&unlimited(), &[source()]);
    let members = fleet.members(Step::Copy, now());
    let line = plan(&members, &promises, &[], &mut Turns::default(), now());
    assert_eq!(line.len(), 9_000);
    assert!(matches!(line[0].why, Why::Breaks(_)));
    assert!(line[1..].iter().all(|planned| planned.why == Why::Older));
    // Ids grow as times do.
    assert!(line.is_sorted_by(|one, other| one.key > other.key));

    let members = fleet.members(Step::Restore, now());
    let calls = CallBudget::full(CallRate::default(), now());
    let mut restores = Line::new(600, calls, Vec::new());
    let (placed, superseded) = restores.answers(&members, &promises, now());
    assert_eq!((placed.len(), superseded.len()), (1_000, 0));
    // Of 108 GB each, six reach the quota; the sixth is called after the others.
    let go = |placed: &[Placed<'_, RecoveryPointId>]| {
        placed.iter().filter(|placed| placed.turn == Turn::Now).count()
    };
    assert_eq!((go(&placed), restores.due(&placed).len()), (5, 5));
    for number in (IMAGES - 50..IMAGES).filter(|number| number % 10 == 0) {
        restores.ledger.reserve(id(number), 108, now());
        restores.ledger.called(id(number), 108, Ended::Begun, now());
    }
    let (placed, _) = restores.answers(&members, &promises, now());
    assert_eq!((go(&placed), restores.due(&placed).len()), (6, 1));
}
