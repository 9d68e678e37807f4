//! Objects that S3 has to retrieve before they are read: where the owner wants them, they are complete,
//! and only a restore waits.

use super::fixture::*;
use super::scene::{Scene, scene};
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{Effect, Judged, LossKind, ManifestFact, Observed, Recovery, judge};
use crate::model::Archived;
use crate::policy::{StorageClass, Tier};
use crate::recovery::next::{Next, next};

const GLACIER: &str = "GLACIER";
const DEEP: &str = "DEEP_ARCHIVE";

/// The classes of a policy: at the copy, and the coldest one later.
type Classes = (StorageClass, Option<StorageClass>);

const NEVER: Classes = (StorageClass::Standard, None);
const LATER_FLEXIBLE: Classes = (StorageClass::Standard, Some(StorageClass::FlexibleRetrieval));
const LATER_DEEP: Classes = (StorageClass::Standard, Some(StorageClass::DeepArchive));
const AT_ONCE_FLEXIBLE: Classes = (StorageClass::FlexibleRetrieval, None);
const AT_ONCE_DEEP: Classes = (StorageClass::DeepArchive, None);

/// A recovery point whose policies have these classes, with its object in an archive.
fn kept(seen: Observed, classes: Classes, place: &str) -> Scene {
    let mut scene = scene(seen).seen(|seen| archive(seen, Some(Archived::in_place(place))));
    for policy in &mut scene.policies.0 {
        (policy.storage_class, policy.lifecycle_class) = classes;
    }
    scene
}

fn archive(seen: &mut Observed, archived: Option<Archived>) {
    seen.object.as_mut().unwrap().archived = archived;
}

/// Complete, of a tier.
fn complete(tier: Tier) -> Observed {
    let mut seen = observed().staged().copied().restored().protected().recorded();
    if tier == Tier::Archive {
        let ManifestFact::Present(manifest) = &mut seen.manifest else { panic!("no manifest") };
        (manifest.tier, manifest.restored) = (Tier::Archive, None);
        seen.restored.clear();
        seen.snapshots.clear();
    }
    seen
}

/// Complete of tier `ready`, but for its AMI, which is gone.
fn without_image() -> Observed {
    let mut seen = complete(Tier::Ready);
    seen.restored.clear();
    seen.snapshots.clear();
    seen
}

fn judged(scene: &Scene) -> Judged {
    judge(&scene.policies, &scene.vault, &scene.seen, PACE, now())
}

#[test]
fn an_archived_object_is_complete_as_deep_as_the_owner_wants_it_and_unusable_below() {
    for tier in [Tier::Archive, Tier::Ready] {
        for (classes, place, is_complete) in [
            (NEVER, GLACIER, false),
            (NEVER, DEEP, false),
            (LATER_FLEXIBLE, GLACIER, true),
            (LATER_FLEXIBLE, "ARCHIVE_ACCESS", true),
            (LATER_FLEXIBLE, DEEP, false),
            (LATER_DEEP, GLACIER, true),
            (LATER_DEEP, DEEP, true),
            (LATER_DEEP, "DEEP_ARCHIVE_ACCESS", true),
            (AT_ONCE_FLEXIBLE, GLACIER, true),
            (AT_ONCE_FLEXIBLE, DEEP, false),
            (AT_ONCE_DEEP, DEEP, true),
            ((StorageClass::IntelligentTiering, None), "ARCHIVE_ACCESS", false),
        ] {
            let judged = judged(&kept(complete(tier), classes, place));
            let why = format!("{tier:?} {classes:?} {place}: {judged:?}");
            match is_complete {
                true => {
                    assert_eq!(judged.decision, Decision::Done(Code::Complete), "{why}");
                    assert_eq!((judged.loss, judged.finding), (None, None), "{why}");
                }
                false => {
                    let loss = judged.loss.unwrap();
                    assert_eq!((loss.kind, loss.code), (LossKind::Unusable, Code::ObjectArchived));
                    assert!(loss.detail.contains(place), "{why}");
                }
            }
        }
    }
}

#[test]
fn what_was_recorded_in_an_archive_stays_complete_there_whatever_the_policy_says_now() {
    let mut seen = complete(Tier::Archive);
    let ManifestFact::Present(manifest) = &mut seen.manifest else { panic!("no manifest") };
    manifest.vault_object.class = Some(GLACIER.to_owned());
    assert_eq!(kept(seen.clone(), NEVER, GLACIER).decide(), Decision::Done(Code::Complete));
    let deeper = judged(&kept(seen, NEVER, DEEP));
    assert_eq!(deeper.loss.map(|loss| loss.code), Some(Code::ObjectArchived));
}

#[test]
fn a_copy_asks_for_the_class_of_its_policy_and_the_record_says_which_it_has() {
    let mut scene = scene(observed().staged());
    scene.policies.0[0].storage_class = StorageClass::InstantRetrieval;
    let Decision::Act(Effect::Copy(order)) = scene.decide() else { panic!("no copy") };
    assert_eq!(order.class, StorageClass::InstantRetrieval);
    let seen = observed().staged().copied().restored().protected();
    let recorded = super::scene::scene(seen).seen(|seen| {
        seen.object.as_mut().unwrap().class = Some("GLACIER_IR".to_owned());
    });
    let Decision::Act(Effect::Record(manifest)) = recorded.decide() else { panic!("no record") };
    assert_eq!(manifest.vault_object.class.as_deref(), Some("GLACIER_IR"));
    assert_eq!(manifest.vault_object.depth(), None, "it is read at once");
}

#[test]
fn an_image_that_is_gone_is_lost_and_waits_for_a_person_while_its_object_is_archived() {
    let scene = kept(without_image(), LATER_DEEP, DEEP);
    let found = judged(&scene);
    let Decision::Park { code, detail, .. } = &found.decision else { panic!("{found:?}") };
    assert_eq!((*code, detail.as_str()), (Code::ObjectArchived, "S3 has it in DEEP_ARCHIVE"));
    let loss = found.loss.unwrap();
    assert_eq!((loss.kind, loss.code), (LossKind::Lost, Code::RestoredImageLost));
    assert!(loss.detail.contains("object_archived: S3 has it in DEEP_ARCHIVE"), "{}", loss.detail);
    // After any retrieval the worker goes on by itself.
    let readable = scene.seen(|seen| archive(seen, None));
    assert!(matches!(readable.decide(), Decision::Act(Effect::Restore(_))));
}

#[test]
fn nothing_is_restored_from_an_archive_and_a_restore_that_runs_is_followed() {
    let early = kept(observed().staged().copied(), LATER_DEEP, GLACIER);
    let judged = judged(&early);
    let Decision::Park { code, .. } = judged.decision else { panic!("{judged:?}") };
    assert_eq!(code, Code::ObjectArchived, "a rule moved it before its image was complete");
    let whole = observed().staged().copied().restored().protected();
    let whole = kept(whole, LATER_DEEP, GLACIER);
    assert!(matches!(whole.decide(), Decision::Act(Effect::Record(_))), "{:?}", whole.decide());
}

/// What `amiferry restore` does next about it.
fn for_a_person(scene: Scene) -> Next {
    let scene = scene.seen(|seen| seen.recovery = Some(Recovery::default()));
    next(&judged(&scene), &scene.seen)
}

#[test]
fn a_person_has_an_archived_object_retrieved_and_waits_for_it_whatever_the_policy_allows() {
    for classes in [NEVER, LATER_DEEP] {
        for seen in [complete(Tier::Archive), without_image()] {
            let mut scene = kept(seen, classes, DEEP);
            let at = scene.seen.object.as_ref().unwrap().at.clone();
            let deep = Archived::in_place(DEEP);
            assert_eq!(for_a_person(scene.clone()), Next::Retrieve(at, deep.clone()));
            let running = Archived { retrieving: true, ..deep };
            archive(&mut scene.seen, Some(running.clone()));
            let Next::Retrieving(until, found) = for_a_person(scene.clone()) else {
                panic!("it is not awaited")
            };
            assert_eq!((until, found), (PACE.park.after(now()), running));
            archive(&mut scene.seen, None);
            assert!(matches!(for_a_person(scene), Next::Restore(_)));
        }
        let there = kept(complete(Tier::Ready), classes, DEEP);
        assert!(matches!(for_a_person(there), Next::There(_)), "its image is all that is wanted");
    }
}

#[test]
fn what_else_stands_in_the_way_of_a_restore_is_said_before_the_retrieval_is_paid() {
    let scene = kept(complete(Tier::Archive), LATER_DEEP, DEEP);
    let scene = scene.vault(|vault| {
        vault.default_encryption = crate::decide::vault::DefaultEncryption::Off;
    });
    let Next::Impossible(code, _) = for_a_person(scene) else { panic!("it is retrieved") };
    assert_eq!(code, Code::EncryptionByDefaultOff);
}
