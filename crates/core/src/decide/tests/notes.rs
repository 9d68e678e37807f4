//! What stands for a source image that EC2 does not show: which notes are believed, and what follows.

use serde_json::{Value, json};

use super::fixture::*;
use super::scene::{Scene, scene};
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{Effect, LossKind, ManifestFact, NoteFact, Observed, judge, terms};
use crate::manifest::{LARGEST_NOTE, Note, SourceRecord, Teller, Unseen, WhyUnseen};
use crate::model::{Image, ImageState};
use crate::policy::Tier;
use crate::ports::SmallObject;

/// What the ordinary image's note says.
fn note(told_by: Teller) -> Note {
    Note::of(&image(), &source(), ("daily", "shop", Tier::Ready), told_by, now())
}

fn kept() -> NoteFact {
    NoteFact::Kept(Box::new(note(Teller::Vault)))
}

fn left() -> NoteFact {
    NoteFact::Staged(Box::new(note(Teller::Source)))
}

/// The note that the source left, with one thing changed.
fn left_with(change: impl FnOnce(&mut Note)) -> NoteFact {
    NoteFact::Staged(Box::new(note(Teller::Source).with(change)))
}

fn garbage() -> NoteFact {
    NoteFact::Unreadable("it is no note".to_owned())
}

/// How the source answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Shows,
    IsGone,
    IsSilent,
}

use Source::{IsGone, IsSilent, Shows};

fn seen_with(seen: Observed, source: Source, note: NoteFact) -> Scene {
    scene(seen).seen(|seen| {
        seen.source = seen.source.take().filter(|_| source == Shows);
        seen.source_asked = source != IsSilent;
        seen.note = note;
    })
}

#[test]
fn each_state_of_source_note_and_vault_has_its_one_next_step() {
    let contradicting = || left_with(|note| note.policy = "weekly".to_owned());
    let staged = || observed().staged();
    let copied = || staged().copied();
    let restored = || copied().restored();
    for (seen, steps) in [
        // In the order: no note, the vault's, the source's, garbage, one that contradicts itself.
        (observed(), ["image_gone"; 5].map(ineligible)),
        (
            staged(),
            [
                ineligible("image_gone"),
                "act copy".to_owned(),
                "act copy".to_owned(),
                ineligible("note_unusable"),
                ineligible("note_unusable"),
            ],
        ),
        (copied(), steps("act restore 1")),
        (restored(), steps("act protect")),
        (restored().protected(), steps("act record")),
        (Observed::complete(Tier::Ready), ["done complete"; 5].map(str::to_owned)),
    ] {
        let notes = [NoteFact::Absent, kept(), left(), garbage(), contradicting()];
        for (note, step) in notes.into_iter().zip(steps) {
            let gone = seen_with(seen.clone(), IsGone, note.clone());
            assert_eq!(gone.decide().in_words(), step, "{note:?} of {seen:?}");
            assert!(kind_fits(&gone.decide()), "{:?}", gone.decide());
            assert_eq!(gone.needed().decide(), gone.decide(), "without the rest");
            // A source that does not answer may have anything: nothing is left out because of that, and
            // only the vault's own note of what it has copied is believed.
            let silent = seen_with(seen.clone(), IsSilent, note.clone());
            let is_recorded = seen.manifest != ManifestFact::Absent;
            let is_kept = matches!(note, NoteFact::Kept(_)) && seen.object.is_some();
            let expected = if is_recorded || is_kept { step.as_str() } else { "park failing" };
            assert_eq!(silent.decide().in_words(), expected, "silent, {note:?} of {seen:?}");
            // What the source shows is asked for no note, and believes none.
            let shown = seen_with(seen.clone(), Shows, note);
            let without_note = seen_with(seen.clone(), Shows, NoteFact::Absent);
            assert_eq!(shown.decide(), without_note.decide(), "the image is there");
        }
    }
}

fn ineligible(code: &str) -> String {
    format!("ineligible {code}")
}

/// What follows of each kind of note once the vault has the data.
fn steps(step: &str) -> [String; 5] {
    let unusable = ineligible("note_unusable");
    [ineligible("image_gone"), step.to_owned(), step.to_owned(), unusable.clone(), unusable]
}

#[test]
fn a_second_version_of_the_vaults_note_is_tampering_whatever_the_source_says_and_finishes_nothing()
{
    let copied = || observed().staged().copied();
    for seen in [copied(), copied().restored().protected(), Observed::complete(Tier::Ready)] {
        for source in [Shows, IsGone, IsSilent] {
            for note in [NoteFact::Absent, kept(), left()] {
                let scene = seen_with(seen.clone(), source, note.clone()).seen(|s| s.notes = 2);
                let Scene { policies, vault, seen } = &scene;
                let judged = judge(policies, vault, seen, PACE, now());
                assert_eq!(judged.decision.in_words(), "park note_rewritten");
                let loss = judged.loss.unwrap();
                assert_eq!((loss.kind, loss.code), (LossKind::Tampered, Code::NoteRewritten));
                assert!(judged.promised.is_some(), "{source:?} {note:?}: it is a recovery point");
                let one = scene.seen(|seen| seen.notes = 1).decide();
                assert_ne!(one.in_words(), "park note_rewritten");
            }
        }
    }
    let unheld = seen_with(observed().staged(), Shows, NoteFact::Absent).seen(|s| s.notes = 2);
    assert_eq!(unheld.decide().in_words(), "act copy", "the vault holds nothing of it yet");
}

#[test]
fn what_the_source_shows_is_believed_before_any_note() {
    let retagged = |seen: Observed| {
        seen.with(|seen| seen.source = seen.source.take().map(|i| i.tagged("backup", "weekly")))
    };
    let seen = seen_with(retagged(observed().staged().copied()), Shows, kept());
    assert_eq!(seen.decide().in_words(), "act record", "its tier is that of its tags now");
    let terms = terms(&seen.policies, &seen.seen, now()).unwrap();
    assert_eq!((terms.policy.as_str(), terms.source.unseen), ("weekly", None));
}

#[test]
fn an_image_that_ec2_shows_as_deregistered_is_gone() {
    let seen = observed().staged().copied().with(|seen| {
        seen.source = seen.source.take().map(|i| i.in_state(ImageState::Deregistered));
        seen.note = kept();
    });
    assert_eq!(seen.decide().in_words(), "act restore 1");
}

#[test]
fn a_record_says_why_its_image_was_not_seen_and_who_described_it() {
    let seen = |source, note| {
        let seen = observed().staged().copied().restored().protected();
        let Decision::Act(Effect::Record(manifest)) = seen_with(seen, source, note).decide() else {
            panic!("no record")
        };
        *manifest
    };
    let whole = seen(Shows, NoteFact::Absent);
    assert_eq!(whole.source.unseen, None);
    for (source, note, why, told_by) in [
        (IsGone, kept(), WhyUnseen::Gone, Teller::Vault),
        (IsSilent, kept(), WhyUnseen::NotAsked, Teller::Vault),
        (IsGone, left(), WhyUnseen::Gone, Teller::Source),
    ] {
        let manifest = seen(source, note);
        assert_eq!(manifest.source.unseen, Some(Unseen { why, told_by }));
        // In all else it is the record that was written anyway.
        assert_eq!(manifest.with(|manifest| manifest.source.unseen = None), whole);
    }
}

#[test]
fn a_restored_image_is_compared_with_what_was_noted() {
    let seen = observed().staged().copied().restored();
    for (note, expected) in [
        (kept(), "act protect"),
        (left(), "act protect"),
        (left_with(|note| note.source.shape.boot_mode = None), "park metadata_mismatch"),
        (
            left_with(|note| note.source.shape.architecture = "arm64".into()),
            "park metadata_mismatch",
        ),
    ] {
        assert_eq!(seen_with(seen.clone(), IsGone, note).decide().in_words(), expected);
    }
}

#[test]
fn the_note_of_a_copy_describes_the_image_or_repeats_what_was_noted_of_it() {
    let order = |source, note| {
        let Decision::Act(Effect::Copy(order)) =
            seen_with(observed().staged(), source, note).decide()
        else {
            panic!("no copy")
        };
        order.note.unwrap()
    };
    assert_eq!(order(Shows, NoteFact::Absent), note(Teller::Vault));
    assert_eq!(order(IsGone, left()), note(Teller::Source), "who told it stays known");
    assert_eq!(order(IsGone, kept()), note(Teller::Vault));
}

#[test]
fn a_note_of_the_source_is_not_believed_against_what_it_tells_or_what_s3_shows() {
    let decide = |note| seen_with(observed().staged(), IsGone, note).decide();
    for (note, expected) in [
        (left(), "act copy"),
        (left_with(|note| note.policy = "weekly".to_owned()), "ineligible note_unusable"),
        (left_with(|note| note.family = "bank".to_owned()), "ineligible note_unusable"),
        // Who changes the tags, too, says no more than an owner may say of an image.
        (
            left_with(|note| {
                note.tags.insert("app".to_owned(), "bank".to_owned());
                note.family = "bank".to_owned();
            }),
            "act copy",
        ),
        (left_with(|note| drop(note.tags.remove("backup"))), "ineligible no_policy"),
        // Stored at one o'clock.
        (left_with(|note| note.source.created_at = at("2026-01-15T02:00:00Z")), "act copy"),
        (
            left_with(|note| note.source.created_at = at("2026-01-15T02:00:01Z")),
            "ineligible note_unusable",
        ),
        (
            left_with(|note| note.source.created_at = at("2025-01-01T00:00:00Z")),
            "ineligible too_old",
        ),
    ] {
        assert_eq!(decide(note.clone()).in_words(), expected, "{note:?}");
    }
    // The vault's own may be of a policy of before.
    let renamed = NoteFact::Kept(Box::new(note(Teller::Vault).under(("old", "shop", Tier::Ready))));
    assert_eq!(decide(renamed).in_words(), "act copy");
}

#[test]
fn a_note_changes_nothing_that_is_recorded() {
    let forged = left_with(|note| {
        note.family = "bank".to_owned();
        note.source.created_at = now();
    });
    for seen in [
        Observed::complete(Tier::Ready),
        Observed::complete(Tier::Archive),
        Observed::complete(Tier::Ready).with(|seen| seen.object = None),
        observed().staged().copied().with(|seen| {
            seen.manifest = ManifestFact::Unreadable("{".to_owned());
        }),
    ] {
        for source in [IsGone, IsSilent] {
            let with = seen_with(seen.clone(), source, forged.clone());
            let without = seen_with(seen.clone(), source, NoteFact::Absent);
            assert_eq!(with.decide(), without.decide(), "{seen:?}");
            let judged = |scene: &Scene| terms(&scene.policies, &scene.seen, now()).ok();
            assert_eq!(judged(&with), judged(&without));
        }
    }
}

fn found(bytes: Vec<u8>) -> Option<SmallObject> {
    Some(SmallObject { bytes, written: None })
}

/// The ordinary note as JSON with the value at a pointer replaced.
fn json_with(pointer: &str, value: Value) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(&note(Teller::Vault).to_json()).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn a_note_reads_back_and_whatever_it_says_the_source_wrote_what_lies_beside_the_staged_object() {
    let id = recovery_point();
    let written = found(note(Teller::Vault).to_json());
    assert_eq!(NoteFact::kept(written.as_ref(), &id), kept());
    assert_eq!(NoteFact::staged(written.as_ref(), &id), left());
    assert_eq!(NoteFact::kept(None, &id), NoteFact::Absent);
    assert_eq!(note(Teller::Vault).source, SourceRecord::of(&image()));
    let json: Value = serde_json::from_slice(&note(Teller::Vault).to_json()).unwrap();
    for (pointer, expected) in [
        ("/schema_version", json!(1)),
        ("/source_image_id", json!(IMAGE)),
        ("/told_by", json!("vault")),
        ("/source/created_at", json!("2026-01-15T00:00:00Z")),
        ("/tags/backup", json!("daily")),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
    // Versions before did not name the snapshots.
    let mut older = json;
    assert!(older["source"].as_object_mut().unwrap().remove("snapshots").is_some());
    let read = NoteFact::kept(found(serde_json::to_vec(&older).unwrap()).as_ref(), &id);
    let without = note(Teller::Vault).with(|note| note.source.snapshots.clear());
    assert_eq!(read, NoteFact::Kept(Box::new(without)));
    // A field of tomorrow changes nothing.
    let newer = String::from_utf8(note(Teller::Vault).to_json()).unwrap();
    let newer = newer.replacen('{', "{ \"more\": [1],", 1);
    assert_eq!(NoteFact::kept(found(newer.into_bytes()).as_ref(), &id), kept());
}

#[test]
fn what_is_no_note_of_this_image_is_unusable_and_says_why() {
    let text = String::from_utf8(note(Teller::Vault).to_json()).unwrap();
    let mut long = note(Teller::Vault).to_json();
    long.resize(usize::try_from(LARGEST_NOTE).unwrap() + 1, b' ');
    let huge = json!([{"name": "/dev/xvda", "virtual_name": null, "from_snapshot": true,
        "size_gib": u64::MAX, "volume_type": null, "iops": null, "throughput": null,
        "delete_on_termination": true}]);
    for (bytes, why) in [
        (b"".to_vec(), "no note"),
        (b"{}".to_vec(), "no note"),
        (b"\xff".to_vec(), "no note"),
        (vec![b'['; 100_000], "no note"),
        (manifest(&image(), None).to_json(), "no note"),
        (long, "bytes, of at most"),
        (json_with("/schema_version", json!(2)), "schema version 2"),
        (json_with("/source_image_id", json!("ami-0abcdef1")), "another image"),
        (json_with("/source_account", json!(VAULT)), "another image"),
        (json_with("/source_region", json!("eu-west-1")), "another image"),
        (json_with("/tags/backup", json!("weekly")), "the tags twice"),
        (json_with("/source/size_gib", json!(1)), "its size"),
        (json_with("/source/shape/devices", huge), "its size"),
        (
            json_with(
                "/source/snapshots",
                json!(["snap-00000001", "snap-00000002", "snap-00000003", "snap-00000004"]),
            ),
            "more snapshots than volumes",
        ),
        (
            text.replacen("\"tags\": {", "\"tags\": {\"app\": \"forged\",", 1).into_bytes(),
            "no note",
        ),
    ] {
        let NoteFact::Unreadable(said) = NoteFact::kept(found(bytes).as_ref(), &recovery_point())
        else {
            panic!("it was read, not refused: {why}")
        };
        assert!(said.contains(why), "{said}, not {why}");
        assert!(said.chars().count() < 400, "{said}");
    }
}

#[test]
fn the_image_of_a_note_is_selected_and_grouped_as_the_image_itself() {
    let of_instance = image().with(|i| i.source_instance = Some("i-0123456789abcdef0".to_owned()));
    let awkward = image().tagged("aws:cloudformation:stack-name", "web").tagged("amiferry:x", "y");
    for image in [image(), of_instance, awkward, image().tagged("backup", "weekly")] {
        let told =
            Note::of(&image, &source(), ("", "", Tier::Ready), Teller::Source, now()).image();
        let facts = |image: &Image| {
            (image.name.clone(), image.tags.clone(), image.created, image.source_instance.clone())
        };
        assert_eq!(facts(&told), facts(&image));
        assert_eq!((told.size_gib(), told.owner.as_str()), (image.size_gib(), SOURCE));
        let governs = |image: &Image| {
            policies().governing(&source(), image).map(|policy| policy.name.clone())
        };
        assert_eq!(governs(&told), governs(&image));
    }
}
