//! What a person wants of a recorded recovery point beyond what is promised.

use std::collections::BTreeSet;

use super::fixture::*;
use super::scene::{Scene, scene};
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{
    Effect, ManifestFact, Observed, Recovery, needs_records, needs_restored,
};
use crate::ids::AccountId;
use crate::manifest::{Manifest, RestoredRecord};
use crate::model::DeregistrationProtection;
use crate::names::RecordKind;
use crate::policy::Tier;

const OTHER: &str = "999999999999";

/// A complete recovery point whose source does not answer.
fn complete(tier: Tier) -> Scene {
    let with_image = observed().staged().copied().restored().protected().recorded();
    scene(with_image).seen(|seen| {
        seen.source = None;
        seen.source_asked = false;
        if tier == Tier::Archive {
            change(seen, |manifest| {
                manifest.tier = Tier::Archive;
                manifest.restored = None;
            });
            seen.restored.clear();
            seen.snapshots.clear();
            seen.launch_permissions = None;
        }
    })
}

/// The same, given up by a record.
fn pruned(scene: Scene) -> Scene {
    scene.seen(|seen| {
        let ManifestFact::Present(manifest) = &seen.manifest else { panic!("no manifest") };
        seen.manifest = ManifestFact::Pruned(manifest.clone());
    })
}

#[test]
fn what_was_given_up_is_left_out_and_never_lost_whatever_is_left_of_it() {
    for tier in [Tier::Ready, Tier::Archive] {
        let whole = pruned(complete(tier));
        let living = whole.clone().seen(|seen| {
            (seen.source, seen.source_asked) = (Some(image()), true);
        });
        let gone = living.clone().seen(|seen| {
            (seen.object, seen.restored) = (None, Vec::new());
            seen.snapshots.clear();
        });
        let again = gone.clone().seen(|seen| seen.staged = observed().staged().staged);
        for scene in [whole, living, gone, again] {
            let seen = &scene.seen;
            let judged =
                crate::decide::vault::judge(&scene.policies, &scene.vault, seen, PACE, now());
            let Decision::Ineligible { code, .. } = judged.decision else { panic!("{judged:?}") };
            assert_eq!((code, judged.loss, judged.promised), (Code::Pruned, None, None));
            assert!(!needs_restored(&scene.policies, seen));
        }
    }
}

#[test]
fn records_are_read_where_a_walk_saw_one_that_gives_up_and_where_an_image_is_unprotected() {
    let scene = complete(Tier::Ready);
    assert!(!needs_records(&scene.seen));
    assert!(needs_records(&scene.clone().seen(|seen| seen.endings = 1).seen));
    let off = scene.seen(|seen| {
        seen.restored[0].deregistration_protection = DeregistrationProtection::Disabled;
    });
    assert!(needs_records(&off.seen));
}

fn change(seen: &mut Observed, change: impl FnOnce(&mut Manifest)) {
    let ManifestFact::Present(manifest) = &mut seen.manifest else { panic!("no manifest") };
    change(manifest);
}

fn wanted(scene: Scene, share_with: &[&str]) -> Scene {
    let share_with = share_with.iter().map(|account| account.parse().unwrap()).collect();
    scene.seen(|seen| seen.recovery = Some(Recovery { share_with, original_name: false }))
}

/// The image as its restore makes it, protected.
fn with_image(scene: Scene) -> Scene {
    let ready = complete(Tier::Ready).seen;
    scene.seen(|seen| {
        seen.restored = ready.restored;
        seen.snapshots = ready.snapshots;
        seen.launch_permissions = ready.launch_permissions;
        seen.restored[0].deregistration_protection = DeregistrationProtection::Enabled;
    })
}

fn recorded(scene: &Scene) -> (RecordKind, RestoredRecord) {
    match scene.decide() {
        Decision::Act(Effect::RecordAgain(record)) => (record.kind, record.restored.unwrap()),
        other => panic!("{other:?}"),
    }
}

/// The accounts that a record lets launch the image.
fn launches(record: &RestoredRecord) -> Vec<&str> {
    record.shared_with.iter().map(AccountId::as_str).collect()
}

#[test]
fn an_archived_point_is_restored_and_recorded_only_where_a_person_wants_it() {
    let archived = complete(Tier::Archive);
    assert_eq!(archived.decide(), Decision::Done(Code::Complete));
    assert!(!needs_restored(&archived.policies, &archived.seen));
    let wanted = wanted(archived, &[]);
    assert!(needs_restored(&wanted.policies, &wanted.seen) && needs_records(&wanted.seen));
    assert!(matches!(wanted.decide(), Decision::Act(Effect::Restore(_))), "{:?}", wanted.decide());
    let (kind, record) = recorded(&with_image(wanted));
    assert_eq!((kind, launches(&record)), (RecordKind::Restored, vec![]));
}

#[test]
fn once_a_further_record_names_the_image_of_an_archived_point_it_is_complete_with_and_without_it() {
    let named = |scene: Scene| {
        let record = complete(Tier::Ready).seen.restored[0].clone();
        scene.seen(|seen| {
            change(seen, |manifest| {
                manifest.restored = Some(RestoredRecord {
                    image_id: record.id.clone(),
                    name: record.name.clone(),
                    snapshots: Vec::new(),
                    keys: BTreeSet::new(),
                    accepted_differences: Vec::new(),
                    shared_with: BTreeSet::new(),
                });
            });
            seen.newest_record = Some((1, RecordKind::Restored));
        })
    };
    let archived = named(complete(Tier::Archive));
    assert_eq!(archived.decide(), Decision::Done(Code::Complete), "no one asks for the image");
    let there = with_image(wanted(archived.clone(), &[]));
    assert_eq!(there.decide(), Decision::Done(Code::Complete));
    let gone = wanted(archived.clone(), &[]);
    assert!(matches!(gone.decide(), Decision::Act(Effect::Restore(_))), "{:?}", gone.decide());
    // A manifest that names an image by itself is none of ours.
    let forged = archived.seen(|seen| seen.newest_record = None);
    for scene in [forged.clone(), with_image(wanted(forged, &[]))] {
        let decided = scene.decide();
        let is_mismatch = matches!(decided, Decision::Park { code: Code::ManifestMismatch, .. });
        assert!(is_mismatch, "{decided:?}");
    }
}

#[test]
fn sharing_is_recorded_first_and_sharing_with_another_account_is_tampering() {
    let ready = complete(Tier::Ready);
    let (kind, record) = recorded(&wanted(ready.clone(), &[OTHER]));
    assert_eq!((kind, launches(&record)), (RecordKind::Shared, vec![OTHER]));
    let shared = ready.seen(|seen| {
        seen.launch_permissions = Some(vec![OTHER.to_owned()]);
    });
    assert!(needs_records(&shared.seen), "a record may say so");
    let decided = shared.decide();
    assert!(matches!(decided, Decision::Park { code: Code::Shared, .. }), "{decided:?}");
    let allowed = shared.seen(|seen| {
        let other: AccountId = OTHER.parse().unwrap();
        change(seen, |manifest| manifest.restored.as_mut().unwrap().shared_with = [other].into());
        seen.newest_record = Some((1, RecordKind::Shared));
    });
    assert!(!needs_records(&allowed.seen));
    assert_eq!(allowed.decide(), Decision::Done(Code::Complete));
    assert_eq!(
        wanted(allowed.clone(), &[]).decide(),
        Decision::Done(Code::Complete),
        "and stays so"
    );
    for beyond in ["888888888888", "all"] {
        let more = allowed.clone().seen(|seen| {
            seen.launch_permissions = Some(vec![OTHER.to_owned(), beyond.to_owned()]);
        });
        let decided = more.decide();
        assert!(matches!(decided, Decision::Park { code: Code::Shared, .. }), "{decided:?}");
    }
}

#[test]
fn the_source_images_name_is_used_only_where_it_is_wanted_and_not_ours() {
    let named = |name: &str, original_name: bool| {
        let archived = complete(Tier::Archive).seen(|seen| {
            change(seen, |manifest| manifest.source.name = name.to_owned());
            seen.recovery = Some(Recovery { share_with: BTreeSet::new(), original_name });
        });
        match archived.decide() {
            Decision::Act(Effect::Restore(order)) => order.name,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(named("web-1", true), "web-1");
    let derived = named("web-1", false);
    assert!(derived.starts_with("amiferry/"), "{derived}");
    // The source chose the name, and may have chosen that of another image of ours.
    for name in ["", "amiferry/111111111111/us-east-1/ami-0abcdef1"] {
        assert_eq!(named(name, true), derived, "{name}");
    }
}
