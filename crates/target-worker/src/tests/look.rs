//! What one look at a recovery point asks and decides, for each thing that AWS may say about it, and
//! how the fleet shows it then.

use amiferry_core::fault::FaultClass;
use amiferry_core::model::{ImageState, SnapshotState};
use amiferry_core::policy::Tier;
use amiferry_core::ports::Listing;

use super::cases::*;
use super::facts::*;
use super::ports::fault;
use super::world::*;

const ON_THE_WAY: &[Case] = &[
    ("nothing is there", nothing, "wait not_staged", "in_progress not_staged", STAGED),
    (
        "the staged object is empty so far",
        || but(nothing(), |w| w.source.head.is(Ok(Some(with(staged(1), |o| o.size = 0))))),
        "wait not_staged",
        "in_progress not_staged",
        KEY,
    ),
    ("it is staged", is_staged, "act copy", "in_progress in_turn", KEY),
    (
        "it is staged without a KMS key",
        || but(nothing(), |w| w.source.head.is(Ok(Some(with(staged(1), |o| o.key = None))))),
        "act copy",
        "in_progress in_turn",
        STAGED,
    ),
    ("it is copied", || is_copied(vec![]), "act restore", "in_progress in_turn", COUNTED),
    (
        "it is copied with too short a lock",
        || {
            but(is_copied(vec![]), |w| {
                let short = with(copied(1), |object| {
                    object.retention.as_mut().unwrap().until = at(30 * 86_400);
                });
                w.vault.head.about("1/image.bin", Ok(Some(short)));
            })
        },
        "act lock",
        "in_progress in_turn",
        NAMED,
    ),
    (
        "the vault has another object there",
        || {
            but(is_copied(vec![]), |w| {
                let other =
                    with(copied(1), |object| (object.size, object.metadata) = (9, [].into()));
                w.vault.head.about("1/image.bin", Ok(Some(other)));
                w.source.head.is(Ok(Some(staged(1))));
            })
        },
        "park vault_object_mismatch",
        "tampered vault_object_mismatch",
        &[
            "source describe 1",
            "vault head 1/image.bin",
            "vault read 1/manifest.json",
            "source head 1.bin",
            "vault named 1",
        ],
    ),
    (
        "its restore is pending",
        || is_copied(vec![in_state(restored(1, 1), ImageState::Pending)]),
        "wait restore_running",
        "in_progress restore_running",
        SNAPSHOTS,
    ),
    (
        "its restore failed",
        || failed(1),
        "act restore again",
        "in_progress in_turn",
        &[
            "source describe 1",
            "vault head 1/image.bin",
            "vault read 1/manifest.json",
            "vault named 1",
            "vault snapshots 11",
            "vault encryption",
            "vault examine bucket",
            "vault examine ebs",
            "vault pending",
        ],
    ),
    (
        "its restore failed three times",
        || failed(3),
        "park restore_failed",
        "parked restore_failed",
        &[
            "source describe 1",
            "vault head 1/image.bin",
            "vault read 1/manifest.json",
            "vault named 1",
            "vault snapshots 13",
            "vault encryption",
            "vault examine bucket",
            "vault examine ebs",
        ],
    ),
    ("it is restored", is_restored, "act protect", "in_progress in_turn", RESTORED),
    (
        "its restored image is available, and a snapshot is not whole",
        || {
            but(is_restored(), |w| {
                let pending = with(snapshots(&[restored(1, 1)]), |all| {
                    (all[0].state, all[0].progress) = (SnapshotState::Pending, 30);
                });
                w.vault.snapshots.is(Ok(pending.into()));
            })
        },
        "wait restore_running",
        "in_progress restore_running",
        RESTORED,
    ),
    (
        "its source demands IMDSv2 by now",
        || {
            but(is_restored(), |w| {
                let strict = with(image(1), |image| image.imds_support = Some("v2.0".to_owned()));
                w.source.describe.is(Ok(vec![strict].into()));
            })
        },
        "act demand",
        "in_progress in_turn",
        RESTORED,
    ),
    (
        "it is protected",
        || is_copied(vec![protected(restored(1, 1))]),
        "act record",
        "in_progress in_turn",
        RESTORED,
    ),
    (
        "one call of EC2 does not know the new image yet",
        || but(is_restored(), |w| w.vault.launch_permissions.is(Err(fault(FaultClass::NotFound)))),
        "wait settling",
        "in_progress settling",
        RESTORED,
    ),
    (
        "its restored image is shared",
        || but(is_restored(), |w| w.vault.launch_permissions.is(Ok(vec![OTHER.into()].into()))),
        "park shared",
        "parked shared",
        RESTORED,
    ),
    (
        "a stranger has its name",
        || is_copied(vec![with(restored(1, 1), |image| image.tags.clear())]),
        "park name_taken",
        "parked name_taken",
        RESTORED,
    ),
    (
        "the tier archive rests with its copy",
        || {
            let world = is_copied(vec![]);
            world.source.describe.is(Ok(vec![archived(1)].into()));
            world
        },
        "act record",
        "in_progress in_turn",
        BEFORE,
    ),
];

const RECORDED: &[Case] = &[
    ("it is recorded", || is_recorded(|_| {}), "done complete", "complete complete", RESTORED),
    (
        "the tier archive is recorded",
        || {
            let world = is_copied(vec![]);
            world.source.describe.is(Ok(vec![archived(1)].into()));
            world.vault.read.is(Ok(Some(manifest(1, Tier::Archive).to_json())));
            world
        },
        "done complete",
        "complete complete",
        BEFORE,
    ),
    (
        "its manifest is about another recovery point",
        || is_recorded(|manifest| manifest.recovery_point = point(2)),
        "park manifest_mismatch",
        "tampered manifest_mismatch",
        RESTORED,
    ),
    (
        "its manifest names an image that is gone",
        || is_recorded(|manifest| manifest.restored.as_mut().unwrap().image_id = image_id(2)),
        "act record again",
        "lost restored_image_lost",
        RESTORED,
    ),
    (
        "something else lies under its manifest's key",
        || but(is_restored(), |w| w.vault.read.is(Ok(Some(b"<html>".to_vec())))),
        "park manifest_unreadable",
        "tampered manifest_unreadable",
        RESTORED,
    ),
    (
        "a later version wrote its manifest",
        || but(is_restored(), |w| w.vault.read.is(Ok(Some(br#"{"schema_version": 2}"#.to_vec())))),
        "park manifest_unreadable",
        "tampered manifest_unreadable",
        RESTORED,
    ),
    (
        "its object is gone, and its source, too",
        || {
            but(is_recorded(|_| {}), |w| {
                w.vault.head.about("1/image.bin", Ok(None));
                w.source.describe.is(Ok(Listing::default()));
            })
        },
        "park object_lost",
        "lost object_lost",
        RESTORED,
    ),
    (
        "its restored image is gone",
        || but(is_recorded(|_| {}), |w| w.vault.named.is(Ok(Listing::default()))),
        "act restore",
        "lost restored_image_lost",
        COUNTED,
    ),
    (
        "its source image was deregistered",
        || but(is_recorded(|_| {}), |w| w.source.describe.is(Ok(Listing::default()))),
        "done complete",
        "complete complete",
        RESTORED,
    ),
    (
        "its source refuses, and what is recorded stands",
        || but(is_recorded(|_| {}), |w| w.source.describe.is(Err(fault(FaultClass::Denied)))),
        "done complete",
        "complete complete",
        RESTORED,
    ),
];

const LEFT_OUT: &[Case] = &[
    (
        "no policy selects it",
        || World::of(vec![with(image(1), |image| image.tags.clear())]),
        "ineligible no_policy",
        "-",
        STAGED,
    ),
    (
        "it is larger than EC2 stores",
        || World::of(vec![of_gib(image(1), 5_001)]),
        "ineligible too_large",
        "left out too_large",
        STAGED,
    ),
    (
        "EC2 is making it",
        || World::of(vec![in_state(image(1), ImageState::Pending)]),
        "wait image_pending",
        "in_progress image_pending",
        STAGED,
    ),
    ("it is gone", || World::of(vec![]), "ineligible image_gone", "-", STAGED),
    (
        "it is gone, and a walk met nothing of it in the vault",
        || but(World::of(vec![]), |w| w.walked(&[], &[])),
        "ineligible image_gone",
        "-",
        &["source describe 1", "source head 1.bin"],
    ),
];

#[tokio::test]
async fn each_answer_of_aws_has_its_one_decision_standing_and_no_call_too_many() {
    for cases in [ON_THE_WAY, RECORDED, LEFT_OUT] {
        check(cases).await;
    }
}

#[tokio::test]
async fn without_encryption_by_default_the_copy_is_made_and_the_restore_is_parked() {
    for (world, expected) in [
        (is_staged(), "act copy"),
        (is_copied(vec![]), "park encryption_by_default_off"),
        (is_copied(vec![in_state(restored(1, 1), ImageState::Pending)]), "wait restore_running"),
    ] {
        world.vault.default_encryption.is(Ok(None));
        assert_eq!(world.look(&[1]).await.0, expected);
        assert_eq!(world.calls()[..2], ["vault encryption", "vault examine bucket"]);
    }
}

#[tokio::test]
async fn facts_about_the_vault_count_for_half_an_hour_and_a_staging_key_that_works_for_longer() {
    let world = World::of(vec![image(1), image(2)]);
    for number in [1, 2] {
        world.source.head.about(&format!("{number}.bin"), Ok(Some(staged(number))));
    }
    assert_eq!(world.look(&[1, 2]).await.0, "act copy, act copy");
    let asked = |calls: Vec<String>| -> Vec<String> {
        calls.into_iter().filter(|call| call.contains("examine")).collect()
    };
    let all = ["vault examine bucket", "vault examine ebs", "vault examine staging"];
    assert_eq!(asked(world.calls()), all, "once for both");
    world.clock.pass(1_799);
    world.look(&[1]).await;
    assert_eq!(asked(world.calls()).len(), 0);
    world.clock.pass(1);
    world.look(&[1]).await;
    assert_eq!(asked(world.calls()), all[..2]);
}
