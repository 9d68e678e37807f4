//! What was given up and is gone is read once.

use super::*;

/// A look at something that was given up, of which the walk saw a manifest and a record that ends it.
fn look_at_given_up(fleet: &mut Fleet, second: i64, change: impl FnOnce(&mut Observed)) {
    let mut seen = observed().staged().copied().restored().protected().recorded();
    let ManifestFact::Present(manifest) = seen.manifest else { panic!("no manifest") };
    seen.manifest = ManifestFact::Pruned(manifest);
    (seen.id, seen.object, seen.source) = (id(1), None, None);
    (seen.manifests, seen.endings) = (1, 1);
    change(&mut seen);
    let judged = judge(&policies(), &vault(), &seen, PACE, at(second));
    fleet.observed(&seen, &judged, at(second));
}

/// A walk over the vault that meets these files of it. Returns whether it may rest, and does.
fn walk_meets(fleet: &mut Fleet, second: i64, files: &[Once]) -> (bool, bool) {
    fleet.walk_began(&Place::Vault, at(second));
    fleet.met(&Place::Vault, &id(1));
    let may_rest = fleet.may_rest(&id(1));
    files.iter().for_each(|file| fleet.met_version(&id(1), *file));
    fleet.walked(&Place::Vault);
    (may_rest, fleet.rests(&id(1)))
}

const LEFT: [Once; 2] = [Once::Manifest, Once::Ending];

#[test]
fn what_was_given_up_and_is_gone_needs_no_look_while_walks_meet_the_same_files() {
    let mut fleet = fleet();
    walk(&mut fleet, &Place::Source(source()), &[], 90);
    assert_eq!(walk_meets(&mut fleet, 10, &LEFT), (false, false), "no look has seen it");
    look_at_given_up(&mut fleet, 20, |_| {});
    assert_eq!(walk_meets(&mut fleet, 30, &LEFT), (true, true));
    assert_eq!(walk_meets(&mut fleet, 40, &LEFT), (true, true));
    assert_eq!(fleet.known_at(), Some(at(40)), "the walk is as good as a look");
    for other in [
        &[Once::Object, Once::Manifest, Once::Ending][..],
        &[Once::Manifest, Once::Ending, Once::Ending],
        &[Once::Manifest, Once::Ending, Once::Note],
        &[Once::Ending],
    ] {
        assert_eq!(walk_meets(&mut fleet, 50, other), (true, false), "{other:?}");
    }
    assert_eq!(walk_meets(&mut fleet, 60, &LEFT), (true, true));
    fleet.unobserved(&id(1), "S3 did not answer", None);
    assert_eq!(walk_meets(&mut fleet, 70, &LEFT), (false, false), "it is not assessed");
    look_at_given_up(&mut fleet, 80, |_| {});
    // A walk that does not meet it leaves it to the source: its image may be stored again.
    walk(&mut fleet, &Place::Vault, &[], 85);
    assert!(!fleet.may_rest(&id(1)));
}

#[test]
fn what_has_an_object_or_was_not_given_up_is_looked_at_each_time() {
    let mut fleet = fleet();
    let object = observed().staged().copied().object;
    walk_meets(&mut fleet, 10, &LEFT);
    look_at_given_up(&mut fleet, 20, |seen| seen.object = object);
    assert_eq!(walk_meets(&mut fleet, 30, &LEFT), (false, false));
    look_at_given_up(&mut fleet, 40, |seen| {
        let ManifestFact::Pruned(manifest) = seen.manifest.clone() else { panic!("no manifest") };
        seen.manifest = ManifestFact::Present(manifest);
    });
    assert_eq!(walk_meets(&mut fleet, 50, &LEFT), (false, false));
}
