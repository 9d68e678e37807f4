//! The one effect: what is asked of EC2, and what each answer of EC2 leads to.

use amiferry_core::fault::FaultClass;
use amiferry_core::manifest::{Note, SourceRecord, Teller};
use amiferry_core::model::StoreTaskState;
use amiferry_core::plan::ledger::LISTING_LAG;
use amiferry_core::ports::{NewUpload, StoreRequest, WriteOutcome};

use super::ports::fault;
use super::world::*;

#[tokio::test]
async fn a_store_names_image_bucket_path_and_where_it_belongs() {
    let world = World::of(vec![image(1)]);
    world.source.start_store.is(Ok(staged_key(1)));
    world.store(1).await.unwrap();
    let calls = world.source.calls();
    assert_eq!(calls[calls.len() - 2..], ["create ami-00000001.json", "start 1"]);
    let tags = [
        ("amiferry:managed", "true"),
        ("amiferry:source-account", "111111111111"),
        ("amiferry:source-image", "ami-00000001"),
        ("amiferry:policy", "daily"),
    ];
    let expected = StoreRequest {
        image: id(1),
        bucket: "staging".parse().unwrap(),
        path: "amiferry/us-east-1".to_owned(),
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
    };
    assert_eq!(*world.source.requested.lock().unwrap(), Some(expected));
}

#[tokio::test]
async fn a_note_of_the_image_is_left_with_its_store_and_one_that_fails_stops_no_store() {
    for answer in [
        Ok(WriteOutcome::Written(None)),
        Ok(WriteOutcome::AlreadyThere),
        Err(fault(FaultClass::Denied)),
        Err(fault(FaultClass::Unavailable)),
    ] {
        let world = World::of(vec![image(1)]);
        world.source.create.is(answer);
        world.source.start_store.is(Ok(staged_key(1)));
        world.store(1).await.unwrap();
        let (body, settings) = world.source.noted.lock().unwrap().take().unwrap();
        let note = Note::from_json(&body, &recovery_point(1)).unwrap();
        assert_eq!((note.policy.as_str(), note.told_by), ("daily", Teller::Source));
        assert_eq!(note.source, SourceRecord::of(&image(1)));
        // Key and retention are those of the staging bucket.
        let content_type = Some("application/json".to_owned());
        assert_eq!(settings, NewUpload { content_type, ..NewUpload::default() });
        assert_eq!(world.look(&[1]).await.0, "wait settling");
    }
}

/// What the call answers; whether it is a fault; the decision at once; the decision after 30 seconds,
/// and after what a listing may lag, while EC2 shows nothing of it.
type Case = (Option<FaultClass>, &'static str, &'static str, &'static str);

#[tokio::test]
async fn each_answer_to_the_call_says_what_the_next_looks_do() {
    const CASES: [Case; 9] = [
        (None, "wait settling", "wait settling", "act store"),
        (Some(FaultClass::OutcomeUnknown), "wait settling", "wait settling", "act store"),
        (Some(FaultClass::Conflict), "wait settling", "wait settling", "act store"),
        (Some(FaultClass::QuotaFull), "wait quota_full", "act store", "act store"),
        (Some(FaultClass::Throttled), "wait paced", "act store", "act store"),
        (Some(FaultClass::Unavailable), "act store", "act store", "act store"),
        (Some(FaultClass::Denied), "act store", "act store", "act store"),
        (Some(FaultClass::Invalid), "act store", "act store", "act store"),
        (Some(FaultClass::KeyUnusable), "act store", "act store", "act store"),
    ];
    for (class, at_once, soon, later) in CASES {
        let world = World::of(vec![image(1)]);
        world.source.start_store.is(class.map_or(Ok(staged_key(1)), |class| Err(fault(class))));
        let ended = world.store(1).await.map_err(|fault| fault.class);
        assert_eq!(ended, class.map_or(Ok(()), Err));
        assert_eq!(world.look(&[1]).await.0, at_once, "{class:?}");
        world.clock.pass(30);
        assert_eq!(world.look(&[1]).await.0, soon, "{class:?}, soon");
        world.clock.pass(LISTING_LAG.as_secs() - 30);
        assert_eq!(world.look(&[1]).await.0, later, "{class:?}, later");
    }
}

#[tokio::test]
async fn a_call_whose_outcome_is_unknown_counts_for_the_quota_until_ec2_shows_what_came_of_it() {
    let world = World::of(vec![of_gib(image(1), 600), image(2)]);
    world.source.start_store.is(Err(fault(FaultClass::OutcomeUnknown)));
    assert!(world.store(1).await.is_err());
    assert_eq!(world.look(&[2]).await.0, "wait quota_full", "it may run");
    world.source.running.is(Ok(vec![task(1, StoreTaskState::InProgress, 0)].into()));
    assert_eq!(world.look(&[1, 2]).await.0, "wait store_running, wait quota_full");
    world.source.running.is(Ok(vec![].into()));
    world.source.head.about(&staged_key(1), Ok(Some(staged(1, 9))));
    assert_eq!(world.look(&[1]).await, ("done staged".to_owned(), vec![id(2)]));
}

#[tokio::test]
async fn a_failed_task_is_waited_out_longer_each_time() {
    let world = World::of(vec![image(1)]);
    world.source.start_store.is(Ok(staged_key(1)));
    // Ten minutes, doubled for each failure in a row, up to a day.
    for wait in [600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 76_800, 86_400, 86_400] {
        let failed = StoreTaskState::Failed;
        let mut task = task(1, failed, 0);
        task.started = Some(world.now());
        world.source.newest.is(Ok(vec![task].into()));
        world.clock.pass(LISTING_LAG.as_secs());
        assert_eq!(world.look(&[1]).await.0, "park store_failed");
        world.clock.pass(wait - 1);
        assert_eq!(world.look(&[1]).await.0, "park store_failed", "a second before {wait} s");
        world.clock.pass(1);
        world.store(1).await.unwrap();
    }
}
