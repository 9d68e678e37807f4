//! What a look asks for after a step, after a message, and where the vault is known to hold nothing.

use amiferry_core::decide::vault::observation::COUNTS_FOR;
use amiferry_core::event;
use amiferry_core::model::ImageState;
use amiferry_core::policy::Tier;
use amiferry_core::ports::{Listing, WriteOutcome};
use amiferry_service::reconcile::Role;

use super::cases::*;
use super::facts::*;
use super::world::*;

/// A look at image 1, and the calls about it.
async fn look(world: &World) -> (String, Vec<String>) {
    world.calls();
    let (decision, _) = world.look(&[1]).await;
    let mut calls = world.calls();
    calls.retain(|call| !VAULT_FACTS.contains(&call.as_str()));
    (decision, calls)
}

fn with_answers(world: World) -> World {
    world.vault.in_progress.is(Ok(Listing::default()));
    world.vault.create.is(Ok(WriteOutcome::Written(None)));
    world.vault.protect.is(Ok(()));
    world
}

#[tokio::test]
async fn a_restored_image_is_protected_and_recorded_on_one_observation() {
    let world = with_answers(is_restored());
    assert_eq!(world.look(&[1]).await.0, "act protect");
    for (step, next) in [("vault protect 11", "act record"), ("vault create 1/manifest.json", "-")]
    {
        world.step(1).await.unwrap();
        assert_eq!(world.last_call(), step);
        let expected = if next == "-" { "done complete" } else { next };
        assert_eq!(look(&world).await, (expected.to_owned(), vec![]));
    }
    assert_eq!(world.standing(1), "complete complete");
    assert_eq!(look(&world).await.1, RESTORED, "the next look asks for all of it");
}

#[tokio::test]
async fn what_another_worker_recorded_first_is_read() {
    let world = with_answers(is_copied(vec![protected(restored(1, 1))]));
    world.vault.create.is(Ok(WriteOutcome::AlreadyThere));
    world.step(1).await.unwrap();
    world.vault.read.is(Ok(Some(manifest(1, Tier::Ready).to_json())));
    assert_eq!(look(&world).await.0, "done complete");
}

#[tokio::test]
async fn half_a_minute_later_everything_is_asked_for_again_but_a_missing_record() {
    let world = with_answers(is_restored());
    world.step(1).await.unwrap();
    world.clock.pass(COUNTS_FOR.as_secs());
    let mut asked = RESTORED.owned();
    asked.retain(|call| call != "vault read 1/manifest.json");
    assert_eq!(look(&world).await, ("act protect".to_owned(), asked));
}

#[tokio::test]
async fn a_message_has_what_it_names_asked_for_again() {
    let changed = r#"{"detail-type": "EC2 AMI State Change", "source": "aws.ec2",
        "account": "111111111111", "region": "us-east-1",
        "detail": {"ImageId": "ami-00000001", "State": "available"}}"#;
    let world = with_answers(is_restored());
    world.step(1).await.unwrap();
    assert_eq!(world.role.interpret(changed).keys, [point(1)]);
    let expected =
        ["source describe 1", "vault named 1", "vault snapshots 11", "vault permissions 11"];
    assert_eq!(look(&world).await, ("act protect".to_owned(), expected.owned()));
}

#[tokio::test]
async fn a_person_has_everything_asked_for_again() {
    let world = with_answers(is_restored());
    world.step(1).await.unwrap();
    let asks = event::operator(&point(1).source(), &point(1).source_image_id);
    assert_eq!(world.role.interpret(&asks).keys, [point(1)]);
    assert_eq!(look(&world).await, ("act protect".to_owned(), RESTORED.owned()));
}

#[tokio::test]
async fn the_vault_is_not_asked_about_what_it_does_not_hold_until_a_copy_has_begun() {
    let world = nothing();
    world.walked(&[1], &[]);
    let asked = ["source describe 1", "source head 1.bin"].owned();
    assert_eq!(look(&world).await, ("wait not_staged".to_owned(), asked.clone()));
    world.source.head.is(Ok(Some(staged(1))));
    world.vault.create.about("1/source.json", Ok(WriteOutcome::Written(None)));
    let (decision, calls) = look(&world).await;
    assert_eq!((decision.as_str(), &calls[..2]), ("act copy", &asked[..]));
    assert!(!calls.iter().any(|call| call.contains("image.bin")), "{calls:?}");

    // Another worker has copied since the walk: the copy finds that, and the next look asks.
    world.vault.head.is(Ok(Some(copied(1))));
    world.vault.create.about("1/source.json", Ok(WriteOutcome::AlreadyThere));
    world.step(1).await.unwrap();
    assert_eq!(world.last_call(), "vault head 1/image.bin");
    world.vault.named.is(Ok(Listing::default()));
    world.vault.pending.is(Ok(Listing::default()));
    let (decision, calls) = look(&world).await;
    let expected = [
        "source describe 1",
        "vault head 1/image.bin",
        "vault read 1/manifest.json",
        "vault named 1",
        "vault pending",
    ];
    assert_eq!((decision.as_str(), calls), ("act restore", expected.owned()));
}

#[tokio::test]
async fn what_this_worker_copied_is_restored_after_one_look_at_the_object() {
    let world = nothing();
    world.walked(&[1], &[]);
    world.source.head.is(Ok(Some(staged(1))));
    world.vault.create.about("1/source.json", Ok(WriteOutcome::Written(None)));
    world.vault.begin.is(Ok("own".to_owned()));
    world.vault.in_progress.is(Ok(vec![upload("own", 0)].into()));
    world.vault.held.is(Ok(Listing::default()));
    for number in 1..=3 {
        world.vault.copy.about(&format!("own {number}"), Ok(part(number, 0)));
    }
    world.vault.complete.is(Ok(WriteOutcome::Written(Some("1".to_owned()))));
    world.step(1).await.unwrap();
    world.vault.head.is(Ok(Some(copied(1))));
    world.vault.pending.is(Ok(Listing::default()));
    let expected = ["vault head 1/image.bin", "vault pending"];
    assert_eq!(look(&world).await, ("act restore".to_owned(), expected.owned()));
}

#[tokio::test]
async fn a_restore_that_ends_has_its_details_asked_for_and_its_manifest_taken_as_absent() {
    let world = is_copied(vec![]);
    world.vault.start_restore.is(Ok("ami-00000011".parse().unwrap()));
    world.step(1).await.unwrap();
    let pending = in_state(restored(1, 1), ImageState::Pending);
    world.vault.named.is(Ok(vec![pending].into()));
    world.clock.pass(60);
    assert_eq!(look(&world).await, ("wait restore_running".to_owned(), ["vault named 1"].owned()));
    world.vault.named.is(Ok(vec![restored(1, 1)].into()));
    world.vault.snapshots.is(Ok(snapshots(&[restored(1, 1)]).into()));
    world.clock.pass(600);
    let expected = [
        "vault named 1",
        "source describe 1",
        "vault head 1/image.bin",
        "vault snapshots 11",
        "vault permissions 11",
    ];
    assert_eq!(look(&world).await, ("act protect".to_owned(), expected.owned()));
}

trait Owned {
    fn owned(&self) -> Vec<String>;
}

impl Owned for [&str] {
    fn owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}
