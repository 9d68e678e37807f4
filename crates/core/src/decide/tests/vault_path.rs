//! The way of one recovery point from nothing to complete, step by step.

use jiff::SignedDuration;

use super::fixture::*;
use crate::decide::Decision;
use crate::decide::vault::{COPIED_CHECKSUM, Effect, ManifestFact, Observed, finding};
use crate::model::{ImageState, RetentionMode, StoredObject};
use crate::names::{RecordKind, tag};
use crate::policy::Tier;

/// Decides and lets each effect happen until nothing is left to do; waiting lets EC2 finish.
fn walk(mut seen: Observed) -> (Vec<String>, Observed) {
    let mut transcript = Vec::new();
    for _ in 0..12 {
        let decision = seen.decide();
        transcript.push(decision.in_words());
        seen = match decision {
            Decision::Act(effect) => seen.after(&effect),
            Decision::Wait { .. } if seen.staged.is_none() => seen.staged(),
            Decision::Wait { .. } => seen.later(),
            Decision::Park { .. } | Decision::Ineligible { .. } | Decision::Done(_) => break,
        };
    }
    (transcript, seen)
}

#[test]
fn a_ready_recovery_point_is_copied_restored_protected_and_recorded() {
    let (transcript, end) = walk(observed());
    assert_eq!(
        transcript,
        [
            "wait not_staged",
            "act copy",
            "act restore 1",
            "wait restore_running",
            "act protect",
            "act record",
            "done complete"
        ]
    );
    assert_eq!(end, Observed::complete(Tier::Ready));
}

#[test]
fn an_archived_recovery_point_is_copied_and_recorded() {
    let (transcript, end) = walk(weekly());
    assert_eq!(transcript, ["wait not_staged", "act copy", "act record", "done complete"]);
    assert_eq!(end, Observed::complete(Tier::Archive));
}

#[test]
fn what_was_observed_at_any_step_reads_back_as_it_was_written() {
    let unreadable = ManifestFact::Unreadable("no JSON".to_owned());
    let paravirtual = image().paravirtual().instance_store();
    let odd = paravirtual.in_state(ImageState::Other("wanting".to_owned()));
    for seen in [
        observed(),
        observed().staged(),
        observed().staged().copied().restoring(),
        observed().staged().copied().failed(2).restored(),
        Observed::complete(Tier::Ready),
        Observed::complete(Tier::Archive),
        Observed { source: Some(odd), staged_key: Some(unusable()), ..observed().staged() },
        Observed { source: None, manifest: unreadable, settling: true, ..observed().staged() },
    ] {
        let written = serde_json::to_vec(&seen).unwrap();
        assert_eq!(serde_json::from_slice::<Observed>(&written).unwrap(), seen);
    }
}

#[test]
fn a_worker_that_died_at_any_step_goes_on_from_what_it_sees() {
    for (seen, remaining) in [
        (observed().staged(), 6),
        (observed().staged().copied(), 5),
        (observed().staged().copied().restoring(), 4),
        (observed().staged().copied().restored(), 3),
        (observed().staged().copied().restored().protected(), 2),
        (Observed::complete(Tier::Ready), 1),
    ] {
        let (transcript, end) = walk(seen);
        assert_eq!(transcript.len(), remaining, "{transcript:?}");
        assert_eq!(end, Observed::complete(Tier::Ready));
    }
}

#[test]
fn a_failed_restore_is_tried_again_under_the_next_name_after_a_pause_that_grows() {
    let copied = || observed().staged().copied();
    for (seen, expected) in [
        (copied(), "act restore 1"),
        (copied().failed(1), "act restore 2"),
        (copied().failed(2), "act restore 3"),
        (copied().failed(3), "act restore 4"),
        (copied().failed(4), "park restore_failed"),
        // It was deregistered: EC2 shows it for a while, and its name is still taken.
        (copied().failed(1).newest(|i| i.state = ImageState::Deregistered), "act restore 2"),
        // The first is no longer shown; the name of the second still tells.
        (copied().failed(2).with(|seen| drop(seen.restored.remove(0))), "act restore 3"),
    ] {
        assert_eq!(seen.decide().in_words(), expected);
    }
    let Decision::Park { until, detail, .. } = copied().failed(4).decide() else {
        panic!("not parked")
    };
    let images = "ami-0ccccccccccccccc4, ami-0ccccccccccccccc3, ami-0ccccccccccccccc2 and 1 older";
    assert_eq!(detail, format!("failed 4 times: internal error; left over: {images}"));
    // The fourth pause is two hours, and the restore began an hour ago.
    assert_eq!(until, now() + SignedDuration::from_hours(1));
}

#[test]
fn a_second_generation_that_succeeds_completes_the_recovery_point() {
    let second = restored_image(&image(), 2);
    let seen = observed().staged().copied().failed(1).with(|seen| {
        seen.snapshots = snapshots_of(&second);
        seen.restored.push(second);
    });
    let (transcript, end) = walk(seen);
    assert_eq!(transcript, ["act protect", "act record", "done complete"]);
    let ManifestFact::Present(manifest) = end.manifest else { panic!("no manifest") };
    assert!(manifest.restored.unwrap().name.ends_with("/2"));
}

/// A recovery point whose restored image of this generation was deregistered after its record.
fn restored_image_lost() -> Observed {
    Observed::complete(Tier::Ready).with(|seen| {
        seen.restored.clear();
        seen.snapshots.clear();
    })
}

#[test]
fn a_restored_image_that_was_lost_after_its_record_is_restored_again_and_recorded_further() {
    for source in [true, false] {
        let seen = restored_image_lost().with(|seen| {
            seen.source = seen.source.take().filter(|_| source);
        });
        let Decision::Act(Effect::Restore(order)) = seen.decide() else { panic!("no restore") };
        assert_eq!(order.name, restored_image(&image(), 1).name, "the name is free again");
        let again = restored_image(&image(), 2).with(|image| {
            image.id = "ami-0ddddddddddddddd1".parse().unwrap();
            image.name = order.name;
        });
        let seen = seen.with(|seen| {
            seen.snapshots = snapshots_of(&again);
            seen.restored.push(again);
        });
        let (transcript, end) = walk(seen);
        assert_eq!(transcript, ["act protect", "act record 1", "done complete"]);
        let ManifestFact::Present(manifest) = end.manifest else { panic!("no manifest") };
        assert_eq!(manifest.restored.unwrap().image_id.as_str(), "ami-0ddddddddddddddd1");
        assert_eq!(end.newest_record, Some((1, RecordKind::Restored)));
    }
}

#[test]
fn an_image_beside_the_recorded_one_is_never_recorded_in_its_place() {
    let seen = Observed::complete(Tier::Ready).with(|seen| {
        let second = restored_image(&image(), 2);
        seen.snapshots = snapshots_of(&second);
        seen.restored.push(second);
    });
    assert_eq!(seen.protected().decide().in_words(), "park manifest_mismatch");
}

#[test]
fn a_record_that_its_image_contradicts_leads_to_no_further_record() {
    let relabelled = |seen: Observed| {
        seen.newest(|image| {
            image.tags.insert(tag::FAMILY.to_owned(), "another".to_owned());
        })
    };
    assert_eq!(relabelled(replaced("vault-2")).decide().in_words(), "park manifest_mismatch");
}

/// A complete recovery point whose object was replaced by this version.
fn replaced(version: &str) -> Observed {
    Observed::complete(Tier::Ready).with(|seen| {
        seen.object.as_mut().unwrap().at.version = Some(version.to_owned());
    })
}

#[test]
fn an_object_that_was_lost_after_its_record_is_copied_again_while_its_source_lives() {
    let lost = || Observed::complete(Tier::Ready).with(|seen| seen.object = None);
    assert_eq!(lost().decide().in_words(), "act copy");
    for (seen, why) in [
        (lost().with(|seen| seen.source = None), "the source is gone"),
        (lost().with(|seen| seen.staged = None), "it is not stored again yet"),
    ] {
        assert_eq!(seen.decide().in_words(), "park object_lost", "{why}");
    }
    let (transcript, end) = walk(replaced("vault-2"));
    assert_eq!(transcript, ["act record 1", "done complete"]);
    assert_eq!(end.newest_record, Some((1, RecordKind::Stored)));
    let ManifestFact::Present(manifest) = end.manifest else { panic!("no manifest") };
    assert_eq!(manifest.vault_object.at.version.as_deref(), Some("vault-2"));
    assert_eq!(manifest.restored.unwrap().image_id, restored_image(&image(), 1).id);
}

#[test]
fn an_object_in_place_of_the_recorded_one_must_be_proven_whatever_it_says_of_itself() {
    let other = |change: fn(&mut StoredObject)| {
        replaced("vault-2").with(|seen| change(seen.object.as_mut().unwrap()))
    };
    for (seen, expected) in [
        (replaced("vault-2").with(|seen| seen.staged = None), "park manifest_mismatch"),
        (
            other(|object| {
                *object = object.clone().with_checksum("b3RoZXIh");
                object.metadata.insert(COPIED_CHECKSUM.to_owned(), "b3RoZXIh".to_owned());
            }),
            "park manifest_mismatch",
        ),
        (other(|object| object.retention = None), "park vault_object_unprotected"),
        (other(|object| object.key = Some(SOURCE_KEY.to_owned())), "park vault_object_unprotected"),
    ] {
        assert_eq!(seen.decide().in_words(), expected);
    }
}

#[test]
fn while_a_restore_settles_no_other_is_started() {
    for failed in 0..3 {
        let seen = observed().staged().copied().failed(failed).with(|seen| seen.settling = true);
        assert_eq!(seen.decide().in_words(), "wait settling", "after {failed} failures");
    }
}

#[test]
fn a_running_restore_is_looked_at_after_as_long_again_as_it_has_run() {
    for (ran, rest) in [(-9, 60), (0, 60), (60, 60), (480, 480), (7_200, 900), (90_000, 900)] {
        let started = now() - SignedDuration::from_secs(ran);
        let seen = observed().staged().copied().restoring().newest(|i| i.created = started);
        let Decision::Wait { until, .. } = seen.decide() else { panic!("not a wait") };
        assert_eq!(until.duration_since(now()).as_secs(), rest, "after {ran} s");
    }
}

#[test]
fn a_copy_is_pinned_and_locked_from_now_on() {
    let Decision::Act(Effect::Copy(order)) = observed().staged().decide() else {
        panic!("not a copy")
    };
    assert_eq!(order.staged, staged());
    assert_eq!(Some(order.checksum), staged().checksum);
    let retention = order.retention.unwrap();
    assert_eq!(retention.mode, RetentionMode::Compliance);
    assert_eq!(retention.until, at("2026-02-19T12:00:00Z"), "35 days from now");
}

#[test]
fn a_restore_carries_the_sources_tags_and_ours_and_its_snapshots_only_ours() {
    let Decision::Act(Effect::Restore(order)) = observed().staged().copied().decide() else {
        panic!("not a restore")
    };
    let expected = restored_image(&image(), 1);
    assert_eq!(order.name, expected.name);
    assert_eq!(order.image_tags, expected.tags);
    let ours = expected.tags.into_iter().filter(|(key, _)| key.starts_with("amiferry:")).collect();
    assert_eq!(order.snapshot_tags, ours);
    assert_eq!(order.size_gb, 108);
}

#[test]
fn what_its_image_shows_otherwise_after_an_odd_answer_is_a_finding_about_a_complete_point() {
    let seen = Observed::complete(Tier::Archive).with(|seen| {
        let ManifestFact::Present(manifest) = &mut seen.manifest else { unreachable!() };
        manifest.source.shape.architecture = "unheard-of".to_owned();
    });
    assert_eq!(seen.decide().in_words(), "done complete");
    let said = finding(&policies(), &seen, now());
    let expected = "recorded with architecture \"unheard-of\"; its image shows \"x86_64\" now";
    assert_eq!(said.as_deref(), Some(expected));
    // A restored image is compared with the record.
    let restored = Observed::complete(Tier::Ready).with(|seen| {
        let ManifestFact::Present(manifest) = &mut seen.manifest else { unreachable!() };
        manifest.source.shape.architecture = "unheard-of".to_owned();
    });
    assert_eq!(restored.decide().in_words(), "park metadata_mismatch");
}
