//! The short steps: what is asked of AWS, what each answer leads to, and what the fleet is told.

use amiferry_core::decide::vault::Effect;
use amiferry_core::fault::FaultClass;
use amiferry_core::fleet::Step;
use amiferry_core::manifest::Manifest;
use amiferry_core::model::ImageState;
use amiferry_core::plan::Standing;
use amiferry_core::plan::ledger::LISTING_LAG;
use amiferry_core::policy::Tier;
use amiferry_core::ports::{Listing, RestoreRequest, WriteOutcome};
use amiferry_service::reconcile::{Consistency, Lane, Role};

use super::cases::{is_copied, is_restored, is_staged};
use super::facts::*;
use super::ports::fault;
use super::world::*;

#[tokio::test]
async fn a_restore_names_object_image_and_where_it_comes_from() {
    let world = is_copied(vec![]);
    world.vault.start_restore.is(Ok("ami-00000011".parse().unwrap()));
    world.step(1).await.unwrap();
    assert_eq!(world.last_call(), "vault restore 1/image.bin");
    let ours = [
        ("managed", "true"),
        ("source-account", SOURCE),
        ("source-region", "us-east-1"),
        ("source-image", "ami-00000001"),
        ("source-created", "2026-01-15T11:00:00Z"),
        ("source-name", "web-1"),
        ("policy", "daily"),
        ("family", "1"),
        ("manifest", "s3://vault/amiferry/111111111111/us-east-1/ami-00000001/manifest.json"),
        ("object-version", "vault-1"),
    ];
    let snapshot_tags: amiferry_core::model::Tags =
        ours.map(|(key, value)| (format!("amiferry:{key}"), value.to_owned())).into();
    let mut image_tags = snapshot_tags.clone();
    image_tags.extend(image(1).tags);
    let expected = RestoreRequest {
        bucket: "vault".parse().unwrap(),
        key: vault_key(1, "image.bin"),
        name: "amiferry/111111111111/us-east-1/ami-00000001".to_owned(),
        image_tags,
        snapshot_tags,
    };
    assert_eq!(world.vault.sent.lock().unwrap().restore, Some(expected));
}

#[tokio::test]
async fn the_fleet_knows_whether_a_step_failed_because_of_the_image() {
    let standing = |world: &World| {
        let fleet = world.role.fleet();
        fleet.members(Step::Restore, noon())[0].standing
    };
    for (class, failures) in [
        (FaultClass::Denied, 1),
        (FaultClass::NotFound, 1),
        (FaultClass::Invalid, 1),
        (FaultClass::KeyUnusable, 1),
        (FaultClass::Bug, 1),
        (FaultClass::Throttled, 0),
        (FaultClass::QuotaFull, 0),
        (FaultClass::Conflict, 0),
        (FaultClass::OutcomeUnknown, 0),
        (FaultClass::Unavailable, 0),
        (FaultClass::Credentials, 0),
    ] {
        let world = is_copied(vec![]);
        world.vault.start_restore.is(Err(fault(class)));
        assert_eq!(world.step(1).await, Err(fault(class)));
        assert_eq!(standing(&world), Standing::Waits { failures }, "{class:?}");
    }
    let world = is_copied(vec![]);
    world.vault.start_restore.is(Err(fault(FaultClass::Invalid)));
    assert!(world.step(1).await.is_err() && world.step(1).await.is_err());
    assert_eq!(standing(&world), Standing::Waits { failures: 2 });
    world.vault.start_restore.is(Ok("ami-00000011".parse().unwrap()));
    world.step(1).await.unwrap();
    assert_eq!(standing(&world), Standing::Begun);
    // EC2 shows nothing of it for as long as a listing may lag.
    world.clock.pass(LISTING_LAG.as_secs());
    assert_eq!(world.look(&[1]).await.0, "act restore");
    assert_eq!(standing(&world), Standing::Waits { failures: 0 }, "a success ends the row");
}

#[tokio::test]
async fn a_lock_that_is_too_short_is_lengthened_on_that_version() {
    for answer in [Ok(()), Err(fault(FaultClass::Denied))] {
        let world = is_copied(vec![]);
        let short = with(copied(1), |object| {
            object.retention.as_mut().unwrap().until = at(30 * 86_400);
        });
        world.vault.head.about("1/image.bin", Ok(Some(short)));
        world.vault.lock.is(answer.clone());
        assert_eq!(world.step(1).await, answer);
        assert_eq!(world.last_call(), "vault lock 1/image.bin");
        let expected = Some((copied(1).at, retention()));
        assert_eq!(world.vault.sent.lock().unwrap().lock, expected, "from when it was written");
    }
}

#[tokio::test]
async fn a_restored_image_is_hardened_by_its_id() {
    for answer in [Ok(()), Err(fault(FaultClass::Denied))] {
        let world = is_restored();
        world.vault.protect.is(answer.clone());
        assert_eq!(world.step(1).await, answer);
        assert_eq!(world.last_call(), "vault protect 11");
    }
    for answer in [Ok(()), Err(fault(FaultClass::Throttled))] {
        let world = is_restored();
        let strict = with(image(1), |image| image.imds_support = Some("v2.0".to_owned()));
        world.source.describe.is(Ok(vec![strict].into()));
        world.vault.demand_imds_v2.is(answer.clone());
        assert_eq!(world.step(1).await, answer);
        assert_eq!(world.last_call(), "vault demand 11");
    }
}

/// An image of the tier archive that is copied, so that only its record is missing.
fn to_record() -> World {
    let world = is_copied(vec![]);
    world.source.describe.is(Ok(vec![archived(1)].into()));
    world.vault.in_progress.is(Ok(Listing::default()));
    world
}

#[tokio::test]
async fn a_record_is_written_once_beside_its_object_under_the_same_lock_and_key() {
    for outcome in [WriteOutcome::Written(Some("1".to_owned())), WriteOutcome::AlreadyThere] {
        let world = to_record();
        world.vault.create.is(Ok(outcome));
        world.step(1).await.unwrap();
        let calls = world.calls();
        let written = ["vault uploads 1/image.bin", "vault create 1/manifest.json"];
        assert_eq!(calls[calls.len() - 2..], written);
        let sent = std::mem::take(&mut world.vault.sent.lock().unwrap().create);
        let (key, body, settings) = sent.unwrap();
        assert_eq!(key, vault_key(1, "manifest.json"));
        assert_eq!(Manifest::from_json(&body), Ok(manifest(1, Tier::Archive)));
        assert_eq!(settings.content_type.as_deref(), Some("application/json"));
        assert_eq!(settings.key.as_deref(), Some(BUCKET_KEY));
        assert_eq!(settings.retention, Some(retention()));
    }
}

#[tokio::test]
async fn uploads_that_can_never_be_completed_are_gone_before_a_record_is_written() {
    let with_uploads = |aborted| {
        let world = to_record();
        let longer = with(upload("u-3", 0), |upload| upload.key = vault_key(1, "image.bin.old"));
        world.vault.in_progress.is(Ok(vec![upload("u-1", 0), upload("u-2", 0), longer].into()));
        world.vault.create.is(Ok(WriteOutcome::Written(None)));
        world.vault.abort.is(aborted);
        world
    };
    let world = with_uploads(Ok(()));
    world.step(1).await.unwrap();
    let calls = world.calls();
    let expected = [
        "vault uploads 1/image.bin",
        "vault abort u-1",
        "vault abort u-2",
        "vault create 1/manifest.json",
    ];
    assert_eq!(calls[calls.len() - 4..], expected);
    let world = with_uploads(Err(fault(FaultClass::Denied)));
    assert_eq!(world.step(1).await, Err(fault(FaultClass::Denied)), "and without that none is");
    assert_eq!(world.last_call(), "vault abort u-1");
}

#[tokio::test]
async fn a_record_whose_outcome_is_unknown_is_found_by_the_next_look() {
    for (found, expected) in
        [(None, "act record"), (Some(manifest(1, Tier::Archive)), "done complete")]
    {
        let world = to_record();
        world.vault.create.is(Err(fault(FaultClass::OutcomeUnknown)));
        assert_eq!(world.step(1).await, Err(fault(FaultClass::OutcomeUnknown)));
        world.vault.read.is(Ok(found.map(|manifest| manifest.to_json())));
        assert_eq!(world.look(&[1]).await.0, expected);
    }
}

#[tokio::test]
async fn steps_that_wait_for_data_take_the_long_lane_and_all_others_the_short_one() {
    for (world, lane, consistency) in [
        (is_staged(), Lane::Long, Consistency::Strong),
        (is_copied(vec![]), Lane::Short, Consistency::Announced),
        (is_restored(), Lane::Short, Consistency::Strong),
        (to_record(), Lane::Short, Consistency::Strong),
    ] {
        let effect: Effect = world.effect(1).await;
        assert_eq!(
            (world.role.lane(&effect), world.role.consistency(&effect)),
            (lane, consistency)
        );
    }
}

#[tokio::test]
async fn a_restore_is_awaited_from_its_call_and_from_the_look_that_sees_it() {
    let world = is_copied(vec![]);
    world.vault.start_restore.is(Ok("ami-00000011".parse().unwrap()));
    let event = r#"{"image_id": "ami-00000011", "account": "222222222222", "region": "us-west-2"}"#;
    let named = |world: &World| world.role.interpret(event).keys;
    assert_eq!(named(&world), []);
    world.step(1).await.unwrap();
    assert_eq!(named(&world), [point(1)]);
    let pending = in_state(restored(1, 1), ImageState::Pending);
    world.vault.named.is(Ok(vec![pending].into()));
    world.vault.snapshots.is(Ok(snapshots(&[restored(1, 1)]).into()));
    world.look(&[1]).await;
    assert_eq!(named(&world), [point(1)]);
    world.vault.named.is(Ok(vec![restored(1, 1)].into()));
    world.vault.launch_permissions.is(Ok(Listing::default()));
    world.look(&[1]).await;
    assert_eq!(named(&world), [], "its end was seen");
}
