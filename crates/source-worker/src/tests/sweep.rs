//! What a sweep asks and finds, what it knows of the vaults, and what follows for an image whose
//! staged object is gone; and which images a message names.

use amiferry_core::event::RejectCode;
use amiferry_core::fault::FaultClass;
use amiferry_core::ids::ObjectKey;
use amiferry_core::model::{ImageState, StoreTaskState};
use amiferry_core::plan::ledger::LISTING_LAG;
use amiferry_core::ports::{Listing, Unreadable};
use amiferry_service::reconcile::Role;
use jiff::SignedDuration;

use super::ports::fault;
use super::world::*;

/// The keys under which a vault shows these entries of image 1.
fn kept(entries: &[&str]) -> Vec<ObjectKey> {
    let key = |entry: &&str| {
        let folder = "amiferry/111111111111/us-east-1/ami-00000001";
        format!("{folder}/{entry}").parse().unwrap()
    };
    entries.iter().map(key).collect()
}

/// A source with these images, of which nothing is staged, and empty vaults.
fn world(images: Vec<amiferry_core::model::Image>) -> World {
    let world = World::of(images.clone());
    world.source.page.is(page(images));
    world.source.list.is(page([]));
    world.vaults.list.is(page([]));
    world
}

const WHOLE: [&str; 2] = ["image.bin", "manifest.json"];

#[tokio::test]
async fn a_sweep_finds_what_is_to_be_looked_at_and_leaves_the_rest_in_silence() {
    let world = world(vec![
        image(1),
        image_with(2, |image| image.tags.clear()),
        image_with(3, |image| image.state = ImageState::Pending),
        image(4),
        image_with(5, |image| image.state = ImageState::Failed),
    ]);
    world.source.list.is(page([staged_key(4).parse().unwrap(), "amiferry/else".parse().unwrap()]));
    assert_eq!(world.sweep().await.unwrap(), [1, 3, 5].map(id));
    assert_eq!(world.source.calls(), [&format!("list {STAGED}"), "page", "running"]);
    assert_eq!(world.vaults.calls(), [IN_WEST, IN_EUROPE].map(|keys| format!("list {keys}")));
}

#[tokio::test]
async fn a_sweep_takes_every_page() {
    let world = world(vec![]);
    let (first, second) = (vec![image(1)].into(), vec![image(2)].into());
    world.source.page.about("", Ok((first, Some("more".to_owned()))));
    world.source.page.about("more", Ok((second, None)));
    let keys = vec![staged_key(2).parse().unwrap()];
    world.source.list.about(STAGED, Ok((Listing::default(), Some("next".to_owned()))));
    world.source.list.about("next", Ok((keys.into(), None)));
    assert_eq!(world.sweep().await.unwrap(), [id(1)]);
    let calls = [&format!("list {STAGED}"), "list next", "page", "page more", "running"];
    assert_eq!(world.source.calls(), calls);
}

#[tokio::test]
async fn a_policy_that_selects_nothing_costs_a_sweep_its_pages_and_a_list_of_tasks() {
    let images = (0..100).map(|number| image_with(number, |image| image.tags.clear()));
    let world = world(images.collect());
    assert_eq!(world.sweep().await.unwrap(), []);
    assert_eq!(world.source.calls(), [&format!("list {STAGED}"), "page", "running"]);
}

#[tokio::test]
async fn an_image_that_cannot_be_read_takes_no_other_from_a_sweep() {
    let world = world(vec![]);
    let unreadable = vec![Unreadable::new(Some("ami-00000002"), "it has no volumeSize")];
    world.source.page.is(Ok((Listing { items: vec![image(1)], unreadable }, None)));
    assert_eq!(world.sweep().await.unwrap(), [id(1)]);
}

#[tokio::test]
async fn a_sweep_fails_with_the_source_and_goes_on_without_a_vault() {
    for class in [FaultClass::Denied, FaultClass::Unavailable, FaultClass::Bug] {
        let silent = world(vec![image(1)]);
        silent.source.page.is(Err(fault(class)));
        assert_eq!(silent.sweep().await, Err(fault(class)));
        let silent = world(vec![image(1)]);
        silent.source.list.is(Err(fault(class)));
        assert_eq!(silent.sweep().await, Err(fault(class)));
        assert_eq!(silent.vaults.calls().len(), 0);

        let world = world(vec![image(1)]);
        world.vaults.list.is(Err(fault(class)));
        assert_eq!(world.sweep().await, Ok(vec![id(1)]));
        assert_eq!(world.look(&[1]).await.0, "act store");
    }
}

/// What the vault that the policy demands shows, what the other one shows, and what a sweep finds and
/// a look decides of an image whose staged object is gone for long.
type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

#[tokio::test]
async fn a_lost_staged_object_matters_until_every_demanded_vault_is_complete() {
    const CASES: [Case; 7] = [
        ("the vault is complete", &WHOLE, &[], "done complete"),
        ("the object is there and not recorded", &["image.bin"], &[], "act store"),
        ("it is recorded, and the object is gone", &["manifest.json"], &[], "act store"),
        ("the vault has nothing", &[], &[], "act store"),
        ("another vault, which is not asked for, is complete", &[], &WHOLE, "act store"),
        (
            "a later record says that it is lost",
            &["image.bin", "manifest.json", "record-0001-lost.json"],
            &[],
            "act store",
        ),
        (
            "and a later one that it is back",
            &["image.bin", "manifest.json", "record-0001-lost.json", "record-0002-restored.json"],
            &[],
            "done complete",
        ),
    ];
    for (what, west, europe, expected) in CASES {
        let world = world(vec![image(1)]);
        world.source.newest.is(Ok(vec![task(1, StoreTaskState::Completed, 86_400)].into()));
        world.vaults.list.about(IN_WEST, page(kept(west)));
        world.vaults.list.about(IN_EUROPE, page(kept(europe)));
        let is_done = expected == "done complete";
        let found = world.sweep().await.unwrap();
        assert_eq!(found.is_empty(), is_done, "{what}");
        world.source.calls();
        assert_eq!(world.look(&[1]).await.0, expected, "{what}");
        let asked: &[&str] = if is_done {
            &["running", "describe 1"]
        } else {
            &["running", "describe 1", "newest 1", "head amiferry/us-east-1/ami-00000001.bin"]
        };
        assert_eq!(world.source.calls(), asked, "{what}");
    }
}

#[tokio::test]
async fn what_was_complete_stays_so_while_its_vault_is_silent_and_is_stored_again_once_it_is_lost()
{
    let world = world(vec![image(1)]);
    world.vaults.list.about(IN_WEST, page(kept(&WHOLE)));
    assert_eq!(world.sweep().await, Ok(vec![]));
    world.vaults.list.about(IN_WEST, Err(fault(FaultClass::Unavailable)));
    assert_eq!(world.sweep().await, Ok(vec![]));
    assert_eq!(world.look(&[1]).await.0, "done complete");
    world.vaults.list.about(IN_WEST, page([]));
    assert_eq!(world.sweep().await, Ok(vec![id(1)]));
    assert_eq!(world.look(&[1]).await.0, "act store");
}

#[tokio::test]
async fn an_image_older_than_the_worker_waits_an_hour_for_a_vault_that_has_not_answered() {
    let old = image_with(1, |image| image.created = noon() - SignedDuration::from_hours(1));
    let world = world(vec![old]);
    world.vaults.list.about(IN_WEST, Err(fault(FaultClass::Unavailable)));
    assert_eq!(world.look(&[1]).await.0, "wait vault_unknown", "no sweep came by yet");
    assert_eq!(world.sweep().await, Ok(vec![id(1)]));
    world.clock.pass(3_599);
    assert_eq!(world.look(&[1]).await.0, "wait vault_unknown");
    world.clock.pass(1);
    assert_eq!(world.look(&[1]).await.0, "act store");
}

#[tokio::test]
async fn an_event_before_the_first_sweep_finds_what_is_complete() {
    let old = image_with(1, |image| image.created = noon() - SignedDuration::from_hours(1));
    let world = world(vec![old]);
    world.vaults.list.about(IN_WEST, page(kept(&WHOLE)));
    assert_eq!(world.look(&[1]).await.0, "done complete");
    let listings = world.vaults.calls().len();
    world.look(&[1]).await;
    assert_eq!((listings, world.vaults.calls().len()), (2, 0), "each vault is listed once");
}

#[tokio::test]
async fn an_image_older_than_the_worker_is_stored_once_every_demanded_vault_has_answered() {
    let old = image_with(1, |image| image.created = noon() - SignedDuration::from_hours(1));
    let world = world(vec![old]);
    world.vaults.list.about(IN_EUROPE, Err(fault(FaultClass::Denied)));
    assert_eq!(world.sweep().await, Ok(vec![id(1)]));
    assert_eq!(world.look(&[1]).await.0, "act store", "the other vault is not demanded");
}

#[tokio::test]
async fn a_vault_with_a_key_that_cannot_be_read_takes_nothing_back() {
    let world = world(vec![image(1)]);
    world.vaults.list.about(IN_WEST, page(kept(&WHOLE)));
    assert_eq!(world.sweep().await, Ok(vec![]));
    let unreadable = vec![Unreadable::new(Some("amiferry/\u{1}"), "no key")];
    let odd = Listing { items: kept(&["image.bin"]), unreadable };
    world.vaults.list.about(IN_WEST, Ok((odd, None)));
    assert_eq!(world.sweep().await, Ok(vec![]), "its manifest may be that key");
    assert_eq!(world.look(&[1]).await.0, "done complete");
}

#[tokio::test]
async fn with_an_incomplete_vault_a_lost_object_is_stored_again_after_growing_waits() {
    let world = world(vec![image(1)]);
    world.vaults.list.about(IN_WEST, page(kept(&["image.bin"])));
    world.sweep().await.unwrap();
    world.source.start_store.is(Ok(staged_key(1)));
    // A quarter of an hour from the start of the store, doubled for each loss, up to a day.
    for wait in [900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 86_400] {
        let mut lost = task(1, StoreTaskState::Completed, 0);
        lost.started = Some(world.now());
        world.source.newest.is(Ok(vec![lost].into()));
        world.clock.pass(LISTING_LAG.as_secs());
        assert_eq!(world.look(&[1]).await.0, "wait staged_lost");
        world.clock.pass(wait - LISTING_LAG.as_secs() - 1);
        assert_eq!(world.look(&[1]).await.0, "wait staged_lost", "a second before {wait} s");
        world.clock.pass(1);
        world.store(1).await.unwrap();
    }
    let starts = world.source.calls().iter().filter(|call| *call == "start 1").count();
    assert_eq!(starts, 9);
}

#[test]
fn a_message_names_an_image_of_the_source_or_is_refused() {
    let state = |account: &str, region: &str, state: &str| {
        format!(
            r#"{{"version": "0", "id": "1", "detail-type": "EC2 AMI State Change",
            "source": "aws.ec2", "account": "{account}", "time": "2026-01-15T12:00:00Z",
            "region": "{region}", "resources": [],
            "detail": {{"ImageId": "ami-00000001", "State": "{state}", "ErrorMessage": "",
            "RequestId": "1"}}}}"#
        )
    };
    let world = World::new();
    let role = &world.role;
    for (body, keys, rejected) in [
        (state("111111111111", "us-east-1", "available"), vec![id(1)], vec![]),
        (state("111111111111", "us-east-1", "deregistered"), vec![], vec![]),
        (state("333333333333", "us-east-1", "available"), vec![], vec![RejectCode::ForeignAccount]),
        (state("111111111111", "eu-west-1", "available"), vec![], vec![RejectCode::ForeignRegion]),
        (r#"{"image_id": "ami-00000001", "region": "us-east-1"}"#.to_owned(), vec![id(1)], vec![]),
        ("{".to_owned(), vec![], vec![RejectCode::NotJson]),
    ] {
        let interpreted = role.interpret(&body);
        let codes: Vec<RejectCode> =
            interpreted.rejected.iter().map(|reject| reject.code).collect();
        assert_eq!((interpreted.keys, codes), (keys, rejected), "{body}");
    }
    assert_eq!(world.source.calls().len(), 0, "a message leads to no call");
}
