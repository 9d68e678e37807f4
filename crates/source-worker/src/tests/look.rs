//! What one look at an image asks and decides, for each thing that AWS may say about it.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::model::{Image, ImageState, StoreTask, StoreTaskState, Virtualization};
use amiferry_core::ports::{Listing, Unreadable};

use super::ports::fault;
use super::world::*;

/// What AWS says, the decision about image 1, and the calls that lead to it.
type Case = (&'static str, fn() -> World, &'static str, &'static [&'static str]);

const HEAD: &str = "head amiferry/us-east-1/ami-00000001.bin";

fn ordinary() -> World {
    World::of(vec![image(1)])
}

fn of(change: impl FnOnce(&mut Image)) -> World {
    World::of(vec![image_with(1, change)])
}

fn running(tasks: Vec<StoreTask>) -> World {
    let world = World::of(vec![image(1), of_gib(image(2), 700)]);
    world.source.running.is(Ok(tasks.into()));
    world
}

fn ended(state: StoreTaskState, ago: i64) -> World {
    let world = ordinary();
    world.source.newest.is(Ok(vec![task(1, state, ago)].into()));
    world
}

fn unreadable<T>(id: Option<&str>) -> Listing<T> {
    Listing { items: Vec::new(), unreadable: vec![Unreadable::new(id, "it has no volumeSize")] }
}

const CASES: &[Case] = &[
    ("nothing is there", ordinary, "act store", &["running", "describe 1", HEAD, "newest 1"]),
    (
        "EC2 does not show the image",
        || World::of(vec![]),
        "wait settling",
        &["running", "describe 1"],
    ),
    (
        "its task is in progress",
        || running(vec![task(1, StoreTaskState::InProgress, 60)]),
        "wait store_running",
        &["running", "describe 1"],
    ),
    (
        "a task of others stores it elsewhere, and EC2 runs one at a time",
        || running(vec![foreign_task(1)]),
        "wait store_running",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "a task of others fills the quota",
        || running(vec![foreign_task(2)]),
        "wait quota_full",
        &["running", "describe 1 2"],
    ),
    (
        "the staged object is there",
        || {
            let world = ordinary();
            world.source.head.is(Ok(Some(staged(1, 9))));
            world
        },
        "done staged",
        &["running", "describe 1", HEAD],
    ),
    (
        "the staged object is empty",
        || {
            let world = ordinary();
            world.source.head.is(Ok(Some(staged(1, 0))));
            world
        },
        "act store",
        &["running", "describe 1", HEAD],
    ),
    (
        "its task failed",
        || ended(StoreTaskState::Failed, 60),
        "park store_failed",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "its task ended well, and the object is gone",
        || ended(StoreTaskState::Completed, 899),
        "wait staged_lost",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "its object is gone for a while",
        || ended(StoreTaskState::Completed, 900),
        "act store",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "its task is in a state of tomorrow",
        || ended(StoreTaskState::Other("resting".into()), 60),
        "wait store_running",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "the newest task wrote elsewhere",
        || {
            let world = ordinary();
            let ended = StoreTask { state: StoreTaskState::Completed, ..foreign_task(1) };
            world.source.newest.is(Ok(vec![ended].into()));
            world
        },
        "act store",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "no policy selects it",
        || of(|image| image.tags.clear()),
        "ineligible no_policy",
        &["running", "describe 1"],
    ),
    (
        "EC2 is making it",
        || of(|image| image.state = ImageState::Pending),
        "wait image_pending",
        &["running", "describe 1"],
    ),
    (
        "it was deregistered",
        || of(|image| image.state = ImageState::Deregistered),
        "ineligible image_gone",
        &["running", "describe 1"],
    ),
    (
        "EC2 cannot store it",
        || of(|image| image.virtualization = Virtualization::Paravirtual),
        "ineligible paravirtual",
        &["running", "describe 1"],
    ),
    (
        "it is a restore of ours",
        || {
            of(|image| {
                image.name = "amiferry/x".into();
                image.tags.insert("amiferry:managed".into(), "true".into());
            })
        },
        "ineligible own_restore",
        &["running", "describe 1"],
    ),
    (
        "another account shares it",
        || of(|image| image.owner = "333333333333".parse().unwrap()),
        "ineligible not_owned",
        &["running", "describe 1"],
    ),
    (
        "the item under its id cannot be read",
        || {
            let world = ordinary();
            world.source.describe.is(Ok(unreadable(Some("ami-00000001"))));
            world
        },
        "fault bug",
        &["running", "describe 1"],
    ),
    (
        "an item that does not say what it is about cannot be read",
        || {
            let world = World::of(vec![]);
            world.source.describe.is(Ok(unreadable(None)));
            world
        },
        "fault bug",
        &["running", "describe 1"],
    ),
    (
        "the item under another id cannot be read",
        || {
            let world = ordinary();
            let odd = unreadable(Some("ami-00000002"));
            world.source.describe.is(Ok(Listing { items: vec![image(1)], ..odd }));
            world
        },
        "act store",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "its task in progress cannot be read",
        || {
            let world = ordinary();
            world.source.running.is(Ok(unreadable(Some("ami-00000001"))));
            world
        },
        "fault bug",
        &["running", "describe 1", HEAD],
    ),
    (
        "a task in progress of an image of 700 GB cannot be read",
        || {
            let world = running(vec![]);
            world.source.running.is(Ok(unreadable(Some("ami-00000002"))));
            world
        },
        "wait quota_full",
        &["running", "describe 1 2"],
    ),
    (
        "its ended task cannot be read",
        || {
            let world = ordinary();
            world.source.newest.is(Ok(unreadable(Some("ami-00000001"))));
            world
        },
        "fault bug",
        &["running", "describe 1", HEAD, "newest 1"],
    ),
    (
        "S3 refuses to tell of its object",
        || {
            let world = ordinary();
            world.source.head.is(Err(fault(FaultClass::Denied)));
            world
        },
        "fault denied",
        &["running", "describe 1", HEAD],
    ),
    (
        "the key of its object cannot be used",
        || {
            let world = ordinary();
            world.source.head.is(Err(fault(FaultClass::KeyUnusable)));
            world
        },
        "fault key_unusable",
        &["running", "describe 1", HEAD],
    ),
];

#[tokio::test]
async fn each_answer_of_aws_has_its_one_decision_and_no_call_too_many() {
    for (what, given, expected, calls) in CASES {
        let world = given();
        let (decision, due) = world.look(&[1]).await;
        assert_eq!(decision, *expected, "{what}");
        assert_eq!(world.source.calls(), *calls, "{what}");
        assert!(due.is_empty(), "{what}: {due:?}");
    }
}

/// A call about many, how it is made to fail, and the calls of the look.
type Failing = (&'static str, fn(&World, Fault), &'static [&'static str]);

#[tokio::test]
async fn a_call_about_many_that_fails_fails_the_look_and_decides_nothing() {
    let refused = || fault(FaultClass::Unavailable);
    let cases: [Failing; 3] = [
        ("the tasks", |world, fault| world.source.running.is(Err(fault)), &["running"]),
        (
            "the images",
            |world, fault| world.source.describe.is(Err(fault)),
            &["running", "describe 1"],
        ),
        (
            "the ended tasks",
            |world, fault| world.source.newest.is(Err(fault)),
            &["running", "describe 1", HEAD, "newest 1"],
        ),
    ];
    for (what, given, calls) in cases {
        let world = ordinary();
        given(&world, refused());
        let answers = world.answers(&[1]).await;
        assert_eq!(answers.map(|_| ()), Err(refused()), "{what}");
        assert_eq!(world.source.calls(), calls, "{what}");
    }
}

#[tokio::test]
async fn what_is_odd_about_one_image_changes_nothing_for_the_others_of_its_look() {
    let world = World::of(vec![image(1), image(3)]);
    let odd = unreadable(Some("ami-00000002"));
    world.source.describe.is(Ok(Listing { items: vec![image(1), image(3)], ..odd }));
    world.source.head.about(&staged_key(3), Err(fault(FaultClass::Denied)));
    let (decisions, _) = world.look(&[1, 2, 3]).await;
    assert_eq!(decisions, "act store, fault bug, fault denied");
    let heads = [staged_key(1), staged_key(3)].map(|key| format!("head {key}"));
    let calls = world.source.calls();
    assert_eq!(calls[..2], ["running", "describe 1 2 3"]);
    assert_eq!(calls[2..4], heads);
    assert_eq!(calls[4..], ["newest 1"]);
}

#[tokio::test]
async fn an_image_that_ec2_does_not_show_is_waited_for_and_then_gone_until_it_is_shown() {
    let world = World::of(vec![]);
    for (second, expected) in
        [(0, "wait settling"), (299, "wait settling"), (1, "ineligible image_gone")]
    {
        world.clock.pass(second);
        assert_eq!(world.look(&[1]).await.0, expected);
    }
    world.source.describe.is(Ok(vec![image(1)].into()));
    assert_eq!(world.look(&[1]).await.0, "act store");
    world.source.describe.is(Ok(Listing::default()));
    assert_eq!(world.look(&[1]).await.0, "wait settling", "it is missing since now");
}

#[tokio::test]
async fn a_turn_leads_to_a_new_look_and_only_that_look_acts() {
    let world = World::of(vec![image(1), image(2), of_gib(image(3), 700)]);
    world.source.running.is(Ok(vec![task(3, StoreTaskState::InProgress, 60)].into()));
    let (decisions, due) = world.look(&[1, 2, 3]).await;
    let waiting = "wait quota_full, wait quota_full, wait store_running";
    assert_eq!((decisions.as_str(), due.len()), (waiting, 0));
    assert_eq!(world.source.calls(), ["running", "describe 1 2 3"], "S3 is not asked");

    world.source.newest.is(Ok(vec![task(3, StoreTaskState::Completed, 60)].into()));
    world.source.head.about(&staged_key(3), Ok(Some(staged(3, 9))));
    let (decisions, due) = world.look(&[3]).await;
    assert_eq!((decisions.as_str(), due), ("done staged", vec![id(1), id(2)]));
    let head = format!("head {}", staged_key(3));
    assert_eq!(world.source.calls(), ["newest 3", &head], "of the others nothing");

    let (decisions, due) = world.look(&[1, 2]).await;
    assert_eq!((decisions.as_str(), due.len()), ("act store, act store", 0));
}

#[tokio::test]
async fn a_turn_that_was_given_counts_for_the_quota_before_its_call_is_made() {
    let world = World::of(vec![of_gib(image(1), 600), image(2)]);
    assert_eq!(world.look(&[1]).await.0, "act store");
    let (decisions, due) = world.look(&[2]).await;
    assert_eq!((decisions.as_str(), due.len()), ("wait quota_full", 0));
    // Looked at again it has the same turn, and not a second one.
    assert_eq!(world.look(&[1]).await.0, "act store");
    assert_eq!(world.look(&[2]).await.0, "wait quota_full");
    // What has gone makes room.
    world.source.describe.is(Ok(vec![image_with(1, |image| image.tags.clear()), image(2)].into()));
    let (decisions, due) = world.look(&[1]).await;
    assert_eq!((decisions.as_str(), due), ("ineligible no_policy", vec![id(2)]));
    assert_eq!(world.look(&[2]).await.0, "act store");
}

#[tokio::test]
async fn an_image_that_failed_goes_behind_a_healthy_one() {
    let world = World::of(vec![image(1), image(2), of_gib(image(3), 550)]);
    world.source.start_store.is(Err(fault(FaultClass::Invalid)));
    let refused = world.store(1).await.map_err(|fault| fault.class);
    assert_eq!(refused, Err(FaultClass::Invalid));
    // There is room for one more.
    world.source.running.is(Ok(vec![task(3, StoreTaskState::InProgress, 60)].into()));
    let (decisions, _) = world.look(&[1, 2]).await;
    assert_eq!(decisions, "wait quota_full, act store");
}

#[tokio::test]
async fn a_task_of_ours_is_followed_by_its_image_and_its_end_makes_room() {
    let world = World::of(vec![of_gib(image(1), 600), image(2)]);
    world.source.start_store.is(Ok(staged_key(1).parse().unwrap()));
    world.store(1).await.unwrap();
    let running = task(1, StoreTaskState::InProgress, 60);
    for task in
        [running.clone(), StoreTask { state: StoreTaskState::Other("resting".into()), ..running }]
    {
        world.source.calls();
        world.source.newest.is(Ok(vec![task].into()));
        assert_eq!(world.look(&[1]).await.0, "wait store_running");
        assert_eq!(world.source.calls(), ["newest 1"]);
    }
    assert_eq!(world.look(&[2]).await.0, "wait quota_full");
    world.source.calls();
    world.source.newest.is(Ok(vec![task(1, StoreTaskState::Completed, 90)].into()));
    world.source.head.about(&staged_key(1), Ok(Some(staged(1, 9))));
    let (decisions, due) = world.look(&[1]).await;
    assert_eq!((decisions.as_str(), due), ("done staged", vec![id(2)]));
    assert_eq!(world.source.calls(), ["newest 1", HEAD]);
}

#[tokio::test]
async fn a_followed_task_that_failed_is_hidden_or_cannot_be_asked_for_is_observed_whole() {
    let failed = task(1, StoreTaskState::Failed, 90);
    let cases: [(_, Result<Listing<StoreTask>, Fault>); 4] = [
        ("park store_failed", Ok(vec![failed].into())),
        ("wait store_running", Ok(vec![foreign_task(1)].into())),
        ("fault bug", Ok(unreadable(Some("ami-00000001")))),
        ("fault look", Err(fault(FaultClass::Unavailable))),
    ];
    for (expected, answer) in cases {
        let world = World::of(vec![image(1)]);
        world.source.start_store.is(Ok(staged_key(1).parse().unwrap()));
        world.store(1).await.unwrap();
        world.source.calls();
        world.source.newest.is(answer);
        let decided = match world.answers(&[1]).await {
            Ok(answers) => in_words(&answers.decisions[0].1),
            Err(_) => "fault look".to_owned(),
        };
        assert_eq!(decided, expected);
        assert_eq!(world.source.calls(), ["newest 1", "running", "describe 1", HEAD, "newest 1"]);
    }
}

#[tokio::test]
async fn an_image_that_is_newer_than_the_last_walk_needs_no_list_of_tasks() {
    let world = World::of(vec![image(1), image(2)]);
    world.source.list.is(Ok((Listing::default(), None)));
    world.source.page.is(Ok((vec![image(1)].into(), None)));
    assert_eq!(world.sweep().await.unwrap(), [id(1)]);
    world.source.calls();
    assert_eq!(world.look(&[2]).await.0, "act store");
    assert_eq!(world.source.calls(), ["describe 2", "newest 2"]);
    world.clock.pass(3_600);
    assert_eq!(world.look(&[3]).await.0, "wait settling");
    assert_eq!(world.source.calls(), ["running", "describe 3"], "the list is old");
}
