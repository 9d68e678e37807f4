//! Which recovery points must stay as the newest of their families.

use std::collections::BTreeSet;

use super::*;
use crate::manifest::Manifest;

/// A complete recovery point of a family whose image was created at this second.
fn complete(fleet: &mut Fleet, number: u32, second: i64, family: &str) {
    put(fleet, number, second, family, nothing);
}

/// The same, changed.
fn put(
    fleet: &mut Fleet,
    number: u32,
    second: i64,
    family: &str,
    change: impl FnOnce(&mut Observed),
) {
    let mut seen = observed().staged().copied().restored().protected().recorded();
    seen.source = None;
    let policy = policies();
    let ManifestFact::Present(manifest) = &mut seen.manifest else { panic!("no manifest") };
    manifest.recovery_point = id(number);
    manifest.tier = crate::policy::Tier::Archive;
    manifest.restored = None;
    manifest.policy = policy.0[0].name.to_string();
    manifest.family = family.to_owned();
    manifest.source.created_at = at(second);
    (seen.id, seen.restored) = (id(number), Vec::new());
    change(&mut seen);
    let judged = judge(&policy, &vault(), &seen, PACE, at(9_000));
    fleet.observed(&seen, &judged, at(9_000));
}

fn recorded(seen: &Observed) -> Box<Manifest> {
    let ManifestFact::Present(manifest) = &seen.manifest else { panic!("no manifest") };
    manifest.clone()
}

fn given_up(seen: &mut Observed) {
    seen.manifest = ManifestFact::Pruned(recorded(seen));
}

fn unreadable(seen: &mut Observed) {
    seen.doubted = Some(recorded(seen));
    seen.manifest = ManifestFact::Unreadable("a record of another object".to_owned());
}

fn stay(fleet: &Fleet) -> Vec<RecoveryPointId> {
    let stay: BTreeSet<_> = fleet.must_stay();
    stay.into_iter().collect()
}

/// A fleet whose vault holds these, and whose source has none of their images any more.
fn holding(numbers: &[u32]) -> Fleet {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Vault, numbers, 10);
    walk(&mut fleet, &Place::Source(source()), &[], 10);
    fleet
}

#[test]
fn the_newest_complete_one_of_each_family_must_stay() {
    let mut fleet = holding(&[1, 2, 3]);
    complete(&mut fleet, 1, 100, "web");
    complete(&mut fleet, 2, 50, "web");
    complete(&mut fleet, 3, 70, "db");
    assert_eq!(stay(&fleet), [id(1), id(3)]);
}

#[test]
fn what_a_record_gives_up_or_makes_unreadable_must_stay_while_its_object_is_there_and_nothing_newer_stands()
 {
    for ends in [given_up as fn(&mut Observed), unreadable] {
        let mut fleet = holding(&[1, 2, 3]);
        put(&mut fleet, 1, 100, "web", ends);
        complete(&mut fleet, 2, 50, "web");
        put(&mut fleet, 3, 20, "web", ends);
        assert_eq!(stay(&fleet), [id(1), id(2)], "and the newest complete one");
        put(&mut fleet, 2, 50, "web", ends);
        assert_eq!(stay(&fleet), [id(1)], "of all that are in dispute the newest");
        put(&mut fleet, 1, 100, "web", |seen| {
            ends(seen);
            seen.object = None;
        });
        assert_eq!(stay(&fleet), [id(2)], "its object is gone");
        complete(&mut fleet, 3, 70, "web");
        assert_eq!(stay(&fleet), [id(3)], "a newer one is complete");
        complete(&mut fleet, 3, 70, "db");
        assert_eq!(stay(&fleet), [id(2), id(3)], "that of another family says nothing");
        // Families are forgotten and numbered again; those in dispute keep theirs.
        walk(&mut fleet, &Place::Vault, &[2], 20_000);
        assert_eq!(stay(&fleet), [id(2)]);
    }
}
