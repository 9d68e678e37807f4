//! The target worker's next step: what yields each code, and what does not.

use super::fixture::*;
use super::scene::{Scene, scene};
use super::vault_before::before_the_copy;
use super::vault_restores::about_restores;
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{COPIED_CHECKSUM, DefaultEncryption, ManifestFact, Observed};
use crate::model::{
    Archived, DeregistrationProtection, ImageState, KeyVerdict, RetentionMode, SnapshotState,
};
use crate::policy::Tier;
use crate::span::Span;

pub(super) fn nothing() -> Scene {
    scene(observed())
}

pub(super) fn staged_only() -> Scene {
    scene(observed().staged())
}

pub(super) fn copied() -> Scene {
    scene(observed().staged().copied())
}

pub(super) fn restored() -> Scene {
    scene(observed().staged().copied().restored())
}

fn complete() -> Scene {
    scene(Observed::complete(Tier::Ready))
}

pub(super) type Row = (Scene, &'static str, &'static str);

/// The object in the vault.
fn about_the_object() -> Vec<Row> {
    let object = |change: fn(&mut crate::model::StoredObject)| {
        copied().seen(|seen| change(seen.object.as_mut().unwrap()))
    };
    // A copy of what was staged before, as its own metadata says.
    let marked = |scene: Scene| {
        scene.seen(|seen| {
            let object = seen.object.as_mut().unwrap();
            object.metadata.insert(COPIED_CHECKSUM.to_owned(), "b3RoZXIh".to_owned());
        })
    };
    let other_bytes = || object(|o| *o = o.clone().with_checksum("b3RoZXIh"));
    vec![
        (copied(), "act restore 1", "all as it should be"),
        (object(|o| o.checksum = None), "park vault_object_mismatch", "no checksum to compare"),
        (object(|o| o.size -= 1), "park vault_object_mismatch", "a byte less than staged"),
        (
            object(|o| *o = o.clone().with_checksum("b3RoZXIh")),
            "park vault_object_mismatch",
            "other bytes than staged",
        ),
        (
            marked(other_bytes()).seen(|seen| seen.staged.as_mut().unwrap().size += 1),
            "act restore 1",
            "it was staged again, and ours is a copy of the one before",
        ),
        (
            marked(other_bytes()).seen(|seen| seen.staged = None),
            "act restore 1",
            "it expired since",
        ),
        (
            marked(other_bytes()).seen(|seen| {
                let object = seen.object.as_mut().unwrap();
                object.metadata.insert(COPIED_CHECKSUM.to_owned(), "AAAAAAAAAAA=".to_owned());
            }),
            "park vault_object_mismatch",
            "it says to be a copy of other bytes than it has",
        ),
        (
            copied().seen(|seen| seen.staged.as_mut().unwrap().checksum = None),
            "park staged_without_checksum",
            "nothing to compare it with",
        ),
        (
            copied().seen(|seen| seen.staged = None),
            "park staged_object_unverifiable",
            "without manifest and staged object nothing says what it should be",
        ),
        (
            copied().seen(|seen| seen.staged.as_mut().unwrap().size = 0),
            "wait not_staged",
            "it is being staged again",
        ),
        (
            object(|o| o.archived = Some(Archived::in_place("GLACIER"))),
            "park object_archived",
            "EC2 could not read it",
        ),
        (object(|o| o.key = None), "park vault_object_unprotected", "no KMS key"),
        (
            object(|o| o.key = Some(SOURCE_KEY.to_owned())),
            "park vault_object_unprotected",
            "a key of others",
        ),
        (object(|o| o.retention = None), "park vault_object_unprotected", "not locked"),
        (
            object(|o| o.retention.as_mut().unwrap().mode = RetentionMode::Governance),
            "park vault_object_unprotected",
            "locked more weakly than configured",
        ),
        (
            object(|o| o.retention.as_mut().unwrap().mode = RetentionMode::Governance)
                .vault(|v| v.lock_mode = RetentionMode::Governance),
            "act restore 1",
            "locked as configured",
        ),
        (
            copied().vault(|v| v.lock_mode = RetentionMode::Governance),
            "act restore 1",
            "locked more strongly than configured",
        ),
        (
            object(|o| o.retention.as_mut().unwrap().until = at("2026-02-17T12:00:00Z")),
            "act restore 1",
            "35 days, counted from 48 hours before its last byte",
        ),
        (
            object(|o| o.retention.as_mut().unwrap().until = at("2026-02-17T11:59:59Z")),
            "act lock 2026-02-19T12:00:00Z",
            "a second less, as under a policy that it was not copied under: 35 days from its writing",
        ),
        (
            object(|o| o.retention = None).with(|scene| scene.policies.0[0].retention = None),
            "act restore 1",
            "the policy leaves retention to the bucket",
        ),
        (copied().vault(|v| v.key_verdict = unusable()), "park key_unusable", "key turned off"),
    ]
}

/// The restore and the image it makes.
fn about_the_image() -> Vec<Row> {
    let image = |change: fn(&mut crate::model::Image)| {
        restored().seen(|seen| change(seen.restored.last_mut().unwrap()))
    };
    let snapshot = |change: fn(&mut crate::model::Snapshot)| {
        restored().seen(|seen| change(&mut seen.snapshots[1]))
    };
    vec![
        (restored(), "act protect", "all as it should be"),
        (
            copied().vault(|v| v.default_encryption = DefaultEncryption::Off),
            "park encryption_by_default_off",
            "it would be plaintext",
        ),
        (
            copied().vault(|v| v.default_encryption = DefaultEncryption::Off).accepting_plaintext(),
            "act restore 1",
            "plaintext is accepted",
        ),
        (
            copied().vault(|v| v.default_encryption = ebs(unusable())),
            "park key_unusable",
            "EBS could not encrypt with it",
        ),
        (
            copied().vault(|v| {
                v.default_encryption = ebs(KeyVerdict::Unknown("denied".to_owned()));
            }),
            "act restore 1",
            "unknown forbids nothing",
        ),
        (copied().seen(|seen| seen.settling = true), "wait settling", "just started"),
        (restored().seen(|seen| seen.settling = true), "act protect", "started and already shown"),
        (
            restored().seen(|seen| seen.launch_permissions = None),
            "wait settling",
            "shown by one call of EC2 and not by another",
        ),
        (scene(observed().staged().copied().restoring()), "wait restore_running", "EC2 is at it"),
        (
            image(|i| i.state = ImageState::Other("transient".to_owned())),
            "wait restore_running",
            "a state of tomorrow is not known to be ready",
        ),
        (image(|i| i.state = ImageState::Disabled), "park restore_failed", "disabled by someone"),
        (image(|i| i.owner = SOURCE.parse().unwrap()), "park name_taken", "of another account"),
        (image(|i| i.tags.clear()), "park name_taken", "our name without our tags"),
        (
            image(|i| i.created = now() - jiff::SignedDuration::from_secs(61)),
            "park name_taken",
            "all our tags, and older than the object that it would be a restore of",
        ),
        (
            image(|i| i.created = now() - jiff::SignedDuration::from_secs(60)),
            "act protect",
            "the clocks of S3 and EC2 differ",
        ),
        (
            image(|i| i.source_image = Some(("us-east-1".parse().unwrap(), i.id.clone()))),
            "park name_taken",
            "all our tags, and made of another image",
        ),
        (image(|i| i.source_image = None), "act protect", "EC2 does not show what it is made of"),
        (
            image(|i| drop(i.tags.remove("amiferry:managed"))),
            "park name_taken",
            "not marked as ours",
        ),
        (
            image(|i| drop(i.tags.insert("amiferry:source-image".into(), "ami-0abcdef1".into()))),
            "park name_taken",
            "of another source image",
        ),
        (
            image(|i| {
                let elsewhere = "s3://vault-of-another/manifest.json";
                drop(i.tags.insert("amiferry:manifest".into(), elsewhere.into()));
            }),
            "park name_taken",
            "with a manifest elsewhere: restored from another object",
        ),
        (
            restored().seen(|seen| drop(seen.snapshots.pop())),
            "wait settling",
            "EC2 does not show the second snapshot yet",
        ),
        (snapshot(|s| s.state = SnapshotState::Pending), "wait restore_running", "data arriving"),
        (snapshot(|s| s.state = SnapshotState::Error), "park restore_failed", "data lost"),
        (
            snapshot(|s| s.state = SnapshotState::Error).seen(|seen| {
                let then = now() - jiff::SignedDuration::from_mins(15);
                seen.restored[0].created = then;
                seen.object.as_mut().unwrap().last_modified = Some(then);
            }),
            "act restore 2",
            "data lost some time ago",
        ),
        (snapshot(|s| s.state = SnapshotState::Recycled), "park restore_failed", "in the bin"),
        (
            snapshot(|s| s.state = SnapshotState::Other("thawing".into())),
            "wait restore_running",
            "a state of tomorrow is not known to be complete",
        ),
        (
            snapshot(|s| (s.encrypted, s.key) = (false, None)),
            "park snapshots_unencrypted",
            "plaintext",
        ),
        (
            snapshot(|s| (s.encrypted, s.key) = (false, None)).accepting_plaintext(),
            "act protect",
            "accepted plaintext",
        ),
        (
            snapshot(|s| s.key = Some(SOURCE_KEY.to_owned())),
            "park snapshots_unencrypted",
            "a key of the source, which could take it away",
        ),
        (
            snapshot(|s| s.key = Some(SOURCE_KEY.to_owned())).accepting_plaintext(),
            "park snapshots_unencrypted",
            "accepting plaintext accepts no key of others",
        ),
        (snapshot(|s| s.key = None), "park snapshots_unencrypted", "encrypted with an unknown key"),
        (snapshot(|s| s.key = Some("ebs".into())), "park snapshots_unencrypted", "no ARN"),
        (
            snapshot(|s| s.key = Some(VAULT_KEY.to_owned())),
            "act protect",
            "another key of the vault",
        ),
        (
            restored().vault(|v| v.default_encryption = ebs(unusable())),
            "park key_unusable",
            "its snapshots cannot be read",
        ),
        (
            restored().vault(|v| v.default_encryption = DefaultEncryption::Off),
            "act protect",
            "switched off after the restore",
        ),
        (image(|i| i.boot_mode = None), "park metadata_mismatch", "would boot differently"),
        (
            image(|i| i.imds_support = None),
            "act demand IMDSv2",
            "the source's owner demanded it after the store",
        ),
        (
            image(|i| (i.imds_support, i.boot_mode) = (None, None)),
            "park metadata_mismatch",
            "what cannot be mended is said",
        ),
        (
            restored().seen(|seen| seen.source.as_mut().unwrap().imds_support = None),
            "park metadata_mismatch",
            "only the restored image requires IMDSv2, which cannot be undone",
        ),
        (
            restored().seen(|seen| {
                let tags = &mut seen.source.as_mut().unwrap().tags;
                tags.extend([("app", "new"), ("more", "1")].map(|(k, v)| (k.into(), v.into())));
            }),
            "act protect",
            "the source was tagged after the restore began",
        ),
        (image(|i| i.public = true), "park shared", "with everyone"),
        (
            image(|i| (i.public, i.boot_mode) = (true, None)),
            "park shared",
            "and different: what gives data away is said first",
        ),
        (
            restored().seen(|seen| seen.launch_permissions = Some(vec!["333333333333".to_owned()])),
            "park shared",
            "with one account",
        ),
        (
            image(|i| i.deregistration_protection = DeregistrationProtection::EnabledWithCooldown),
            "act record",
            "protected, and with a cooldown too",
        ),
        (
            image(|i| i.deregistration_protection = DeregistrationProtection::Enabled),
            "act record",
            "protected",
        ),
        (
            image(|i| i.deregistration_protection = DeregistrationProtection::Enabled)
                .seen(|seen| seen.source.as_mut().unwrap().created = at("2026-01-15T13:00:01Z")),
            "park created_in_future",
            "its creation is an hour and a second away",
        ),
        (
            image(|i| i.deregistration_protection = unknown_protection()),
            "wait settling",
            "a setting of tomorrow is not known to protect",
        ),
    ]
}

fn unknown_protection() -> DeregistrationProtection {
    DeregistrationProtection::Other("enabling".to_owned())
}

fn about_the_manifest() -> Vec<Row> {
    let manifest = |change: fn(&mut crate::manifest::Manifest)| {
        complete().seen(|seen| match &mut seen.manifest {
            ManifestFact::Present(manifest) => change(manifest),
            other => panic!("{other:?}"),
        })
    };
    vec![
        (complete(), "done complete", "all as it should be"),
        (complete().seen(|seen| seen.source = None), "done complete", "the source is gone since"),
        (
            complete().with(|scene| {
                let age = now().duration_since(image().created);
                scene.policies.0[0].max_age =
                    Some(Span::from_secs(age.as_secs().unsigned_abs() - 1));
            }),
            "done complete",
            "its image is too old by now, and what is complete stays so",
        ),
        (
            nothing().seen(|seen| seen.manifest = ManifestFact::Unreadable("{".to_owned())),
            "park manifest_unreadable",
            "something else lies under its key",
        ),
        (complete().seen(|seen| seen.notes = 2), "park note_rewritten", "its note is rewritten"),
        (
            complete().seen(|seen| seen.object = None),
            "act copy",
            "its object is gone, and the source has the image",
        ),
        (
            complete().seen(|seen| (seen.object, seen.source) = (None, None)),
            "park object_lost",
            "its object is gone, and so is the image",
        ),
        (manifest(|m| m.vault_object.size += 1), "park manifest_mismatch", "other bytes"),
        (
            manifest(|m| m.vault_object.at.version = Some("vault-0".to_owned())),
            "act record 1",
            "another version, with the bytes that are staged",
        ),
        (
            manifest(|m| m.vault_object.at.version = Some("vault-0".to_owned()))
                .seen(|seen| seen.staged = None),
            "park manifest_mismatch",
            "another version that nothing proves",
        ),
        (
            manifest(|m| m.recovery_point.source_image_id = "ami-0abcdef1".parse().unwrap()),
            "park manifest_mismatch",
            "another recovery point",
        ),
        (
            manifest(|m| m.restored.as_mut().unwrap().image_id = "ami-0abcdef1".parse().unwrap()),
            "act record 1",
            "the recorded image is gone, and this one was restored in its place",
        ),
        (
            manifest(|m| m.restored.as_mut().unwrap().image_id = "ami-0abcdef1".parse().unwrap())
                .seen(|seen| {
                    let other = ("us-east-1".parse().unwrap(), "ami-0abcdef1".parse().unwrap());
                    seen.restored.last_mut().unwrap().source_image = Some(other);
                }),
            "park manifest_mismatch",
            "and it was made of another image than ours",
        ),
        (
            manifest(|m| {
                m.vault_object.retention.as_mut().unwrap().until = at("2027-01-01T00:00Z")
            }),
            "park vault_object_unprotected",
            "its retention was shortened since",
        ),
        (
            manifest(|m| {
                m.vault_object.retention.as_mut().unwrap().until = at("2026-02-01T00:00Z")
            }),
            "done complete",
            "its retention was lengthened since",
        ),
    ]
}

fn table() -> Vec<Row> {
    let before = [before_the_copy(), about_the_object(), about_restores()];
    [before.concat(), about_the_image(), about_the_manifest()].concat()
}

#[test]
fn each_observation_has_its_one_next_step() {
    for (scene, expected, comment) in table() {
        assert_eq!(scene.decide().in_words(), expected, "{comment}: {:?}", scene.decide());
        assert!(kind_fits(&scene.decide()), "{comment}: {:?}", scene.decide());
        assert_eq!(scene.needed().decide(), scene.decide(), "{comment}, without the rest");
    }
}

#[test]
fn the_table_has_every_code_that_the_target_worker_can_decide() {
    use Code::*;
    let elsewhere = [
        QuotaFull,
        Paced,
        InTurn,
        Denied,
        RegionOff,
        AccountOff,
        StagedArchived,
        ObjectLocked,
        EndpointOfOneRegion,
        StoreRunning,
        StoreFailed,
        StoredElsewhere,
        // Of the whole vault.
        KeyUnproven,
        RestoresPaused,
        StagedLost,
        VaultUnknown,
        OverBudget,
        Staged,
        Superseded,
        // Only what a recovery point has lost is called so.
        RestoredImageLost,
        ImageUnprotected,
    ];
    let expected = Code::ALL.iter().copied().filter(|code| !elsewhere.contains(code)).collect();
    assert_eq!(codes_in(table().iter().map(|row| row.1)), expected);
}

#[test]
fn what_waits_is_looked_at_after_a_poll_and_what_is_parked_after_a_park() {
    for (scene, _, comment) in table() {
        match scene.decide() {
            // The source worker's work ends with an event.
            Decision::Wait { until, code: Code::NotStaged, .. } => {
                assert_eq!(until, PACE.park.after(now()), "{comment}");
            }
            Decision::Wait { until, .. } => assert_eq!(until, PACE.poll.after(now()), "{comment}"),
            // Its pauses have tests of their own.
            Decision::Park { code: Code::RestoreFailed, until, .. } => {
                assert!(until >= PACE.poll.after(now()), "{comment}");
            }
            Decision::Park { until, detail, .. } => {
                assert_eq!(until, PACE.park.after(now()), "{comment}");
                assert!(!detail.is_empty(), "{comment}");
            }
            Decision::Act(_) | Decision::Ineligible { .. } | Decision::Done(_) => {}
        }
    }
}
