//! Who goes when not all can: turns of the restore quota, daily budgets, the order of copies, sources
//! that are looked at apart, and what a look at something that waits still asks.

use amiferry_core::fault::FaultClass;
use amiferry_core::model::{Image, ImageState};
use amiferry_core::plan::ledger::LISTING_LAG;
use amiferry_core::ports::Listing;
use amiferry_service::reconcile::{Lane, Role};

use super::facts::*;
use super::ports::fault;
use super::world::*;

/// These images are copied, nothing is restored, and others restore images of so many GB.
fn copied_all(images: Vec<Image>, others_gb: u64) -> World {
    let numbers: Vec<u32> = images.iter().map(number_of).collect();
    let world = World::of(images);
    for number in numbers {
        world.vault.head.about(&format!("{number}/image.bin"), Ok(Some(copied(number))));
    }
    world.vault.named.is(Ok(Listing::default()));
    world.vault.pending.is(Ok(strangers(others_gb)));
    world
}

fn number_of(image: &Image) -> u32 {
    image.name.trim_start_matches("web-").parse().unwrap()
}

/// What is being restored in the vault's account without us.
fn strangers(gb: u64) -> Listing<Image> {
    match gb {
        0 => Listing::default(),
        gb => vec![in_state(of_gib(image(9), gb), ImageState::Pending)].into(),
    }
}

#[tokio::test]
async fn a_turn_leads_to_a_new_look_and_only_that_look_acts() {
    let world = copied_all(vec![image(1), image(2)], QUOTA);
    let (decisions, due) = world.look(&[1, 2]).await;
    assert_eq!((decisions.as_str(), due.len()), ("wait quota_full, wait quota_full", 0));
    assert_eq!(world.standing(1), "in_progress quota_full");
    world.calls();

    // There is room again, and the look at the one says whose turn has come.
    world.vault.pending.is(Ok(strangers(QUOTA - 217)));
    let (decisions, due) = world.look(&[1]).await;
    assert_eq!((decisions.as_str(), due), ("act restore", vec![point(2)]));
    let calls = world.calls();
    assert!(!calls.iter().any(|call| call.contains("restore")), "{calls:?}");
    let (decisions, due) = world.look(&[2]).await;
    assert_eq!((decisions.as_str(), due.len()), ("act restore", 0));
}

#[tokio::test]
async fn a_look_at_what_waits_asks_only_whether_it_still_has_to() {
    let world = copied_all(vec![image(1)], QUOTA);
    world.look(&[1]).await;
    world.calls();
    world.clock.pass(30);
    assert_eq!(world.look(&[1]).await.0, "wait quota_full");
    assert_eq!(world.calls(), ["vault named 1", "vault pending"]);

    let waiting = World::of(vec![image(1)]);
    waiting.look(&[1]).await;
    waiting.calls();
    waiting.clock.pass(30);
    assert_eq!(waiting.look(&[1]).await.0, "wait not_staged");
    assert_eq!(waiting.calls(), ["source describe 1", "source head 1.bin"]);
}

#[tokio::test]
async fn what_waits_is_observed_whole_an_hour_after_it_last_was_however_often_it_is_looked_at() {
    let world = World::of(vec![image(1)]);
    world.look(&[1]).await;
    let mut whole = Vec::new();
    for minute in 1..=180 {
        world.calls();
        world.clock.pass(60);
        assert_eq!(world.look(&[1]).await.0, "wait not_staged");
        if world.calls().iter().any(|call| call == "vault read 1/manifest.json") {
            whole.push(minute);
        }
    }
    assert_eq!(whole, [60, 120, 180]);
}

#[tokio::test]
async fn a_cheap_look_that_fails_is_a_fault_and_no_decision() {
    let world = World::of(vec![image(1)]);
    world.look(&[1]).await;
    for (given, expected) in [
        (
            (|w: &World| w.source.head.is(Err(fault(FaultClass::Throttled)))) as fn(&World),
            "fault throttled",
        ),
        (|w| w.source.describe.is(Err(fault(FaultClass::Unavailable))), "fault unavailable"),
    ] {
        given(&world);
        world.calls();
        assert_eq!(world.look(&[1]).await.0, expected);
        assert_eq!(world.standing(1), "not assessed");
        assert_eq!(world.calls()[0], "source describe 1");
    }
}

#[tokio::test]
async fn the_end_of_a_restore_wakes_those_whose_turn_has_come() {
    let ours = |state| in_state(of_gib(restored(1, 1), QUOTA), state);
    for (end, decision, woken) in [
        (ImageState::Available, "act protect", vec![point(2)]),
        // Its own next try comes after a pause.
        (ImageState::Failed, "park restore_failed", vec![point(2)]),
    ] {
        let world = copied_all(vec![of_gib(image(1), QUOTA), image(2)], 0);
        let ended = ours(end);
        world.vault.start_restore.is(Ok(ended.id.clone()));
        world.step(1).await.unwrap();
        assert_eq!(world.look(&[2]).await.0, "wait quota_full", "600 GB are called");

        world.vault.named.is(Ok(vec![ours(ImageState::Pending)].into()));
        world.vault.pending.is(Ok(vec![ours(ImageState::Pending)].into()));
        world.vault.snapshots.is(Ok(snapshots(&[restored(1, 1)]).into()));
        world.vault.launch_permissions.is(Ok(Listing::default()));
        let (decisions, due) = world.look(&[1, 2]).await;
        assert_eq!((decisions.as_str(), due.len()), ("wait restore_running, wait quota_full", 0));

        world.vault.named.is(Ok(vec![ended].into()));
        world.vault.pending.is(Ok(Listing::default()));
        assert_eq!(world.look(&[1]).await, (decision.to_owned(), woken));
    }
}

/// What the call answers; the decision at once; after 30 seconds; after what a listing may lag, while
/// EC2 shows nothing of it.
type Case = (Option<FaultClass>, [&'static str; 3]);

#[tokio::test]
async fn each_answer_to_a_restore_says_what_the_next_looks_do() {
    const CASES: [Case; 9] = [
        (None, ["wait settling", "wait settling", "act restore"]),
        (Some(FaultClass::OutcomeUnknown), ["wait settling", "wait settling", "act restore"]),
        (Some(FaultClass::Conflict), ["wait settling", "wait settling", "act restore"]),
        (Some(FaultClass::QuotaFull), ["wait quota_full", "act restore", "act restore"]),
        (Some(FaultClass::Throttled), ["wait paced", "act restore", "act restore"]),
        (Some(FaultClass::Unavailable), ["act restore", "act restore", "act restore"]),
        (Some(FaultClass::Denied), ["act restore", "act restore", "act restore"]),
        (Some(FaultClass::Invalid), ["act restore", "act restore", "act restore"]),
        (Some(FaultClass::KeyUnusable), ["act restore", "act restore", "act restore"]),
    ];
    for (class, expected) in CASES {
        let world = copied_all(vec![image(1)], 0);
        let image = Ok("ami-00000011".parse().unwrap());
        world.vault.start_restore.is(class.map_or(image, |class| Err(fault(class))));
        let ended = world.step(1).await.map_err(|fault| fault.class);
        assert_eq!(ended, class.map_or(Ok(()), Err));
        for (pause, expected) in [0, 30, LISTING_LAG.as_secs() - 30].into_iter().zip(expected) {
            world.clock.pass(pause);
            assert_eq!(world.look(&[1]).await.0, expected, "{class:?} after {pause} s");
        }
    }
}

#[tokio::test]
async fn a_restore_whose_outcome_is_unknown_is_adopted_once_ec2_shows_it() {
    let world = copied_all(vec![of_gib(image(1), QUOTA), image(2)], 0);
    world.vault.start_restore.is(Err(fault(FaultClass::OutcomeUnknown)));
    assert!(world.step(1).await.is_err());
    assert_eq!(world.look(&[2]).await.0, "wait quota_full", "it may run");
    let pending = in_state(restored(1, 1), ImageState::Pending);
    world.vault.named.is(Ok(vec![pending.clone()].into()));
    world.vault.pending.is(Ok(vec![pending].into()));
    world.vault.snapshots.is(Ok(snapshots(&[restored(1, 1)]).into()));
    assert_eq!(world.look(&[1]).await.0, "wait restore_running");
    assert_eq!(world.look(&[2]).await.0, "act restore", "EC2 counts 100 GB of it");
}

#[tokio::test]
async fn an_image_whose_restore_failed_goes_behind_a_healthy_one() {
    let world = copied_all(vec![image(1), image(2)], 0);
    world.vault.start_restore.is(Err(fault(FaultClass::Invalid)));
    assert!(world.step(1).await.is_err());
    world.vault.pending.is(Ok(strangers(QUOTA - 50)));
    world.clock.pass(3_600);
    assert_eq!(world.look(&[1, 2]).await.0, "wait quota_full, act restore");
}

#[tokio::test]
async fn a_source_that_has_used_up_its_day_waits_and_the_next_day_goes_on() {
    let world = World::with(|observer| observer.sources[0].share.budget.images = 1);
    world.shows(vec![archived(1), archived(2)]);
    world.vault.head.about("1/image.bin", Ok(Some(copied(1))));
    world.source.head.about("2.bin", Ok(Some(staged(2))));
    assert_eq!(world.look(&[1, 2]).await.0, "act record, wait over_budget");
    assert_eq!(world.standing(2), "in_progress over_budget");
    world.clock.pass(86_399);
    assert_eq!(world.look(&[2]).await.0, "wait over_budget");
    world.clock.pass(1);
    assert_eq!(world.look(&[2]).await.0, "act copy");
}

#[tokio::test]
async fn copies_that_are_ready_are_made_in_the_order_of_the_plan() {
    let newest = with(image(2), |image| drop(image.tags.insert("app".into(), "1".into())));
    let older = with(image(1), |image| image.created = at(-80_000));
    let late = with(image(3), |image| image.created = at(-90_000));
    let world = World::of(vec![older, with(newest, |i| i.created = at(-600)), late]);
    for number in 1..=3 {
        world.source.head.about(&format!("{number}.bin"), Ok(Some(staged(number))));
    }
    assert_eq!(world.look(&[1, 2, 3]).await.0, "act copy, act copy, act copy");
    let ready = [1, 2, 3].map(point);
    let first =
        |ready: &[&amiferry_core::names::RecoveryPointId]| world.role.next(Lane::Long, ready);
    let [one, two, three] = &ready;
    // The family of 3 is over its RPO, that of 1 and 2 will be in two hours; 2 is its newest.
    assert_eq!(first(&[one, two, three]), 2);
    assert_eq!(first(&[one, two]), 1);
    assert_eq!(first(&[one]), 0);
    assert_eq!(world.role.next(Lane::Short, &[one, three]), 0, "in the order in which they came");
    // A copy that failed because of its image goes behind those that did not.
    world.role.fleet().ended(three, Some(false));
    assert_eq!(first(&[one, two, three]), 1);
    assert_eq!(first(&[three, one]), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_silent_is_looked_at_apart_until_it_answers() {
    let world = World::of(vec![image(1)]);
    let other = point_of(OTHER, 1);
    world.walked(&[1], &[]);
    world.role.fleet().met(&amiferry_core::fleet::Place::Source(other.source()), &other);
    world.other.describe.never_comes();
    let begun = tokio::time::Instant::now();
    let answers = world.role.look(&[point(1), other.clone()]).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 1, "no longer for a look that sources share");
    let mut words: Vec<String> = answers.decisions.iter().map(|(_, each)| in_words(each)).collect();
    words.sort();
    assert_eq!(words, ["fault unavailable", "wait not_staged"]);
    let apart =
        |world: &World| [point(1), other.clone()].map(|id| world.role.is_apart(&id.source()));
    assert_eq!(apart(&world), [false, true]);

    let begun = tokio::time::Instant::now();
    world.role.look(std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 60, "by itself it is waited for");
    assert_eq!(apart(&world), [false, true]);

    world.other.describe.is(Ok(Listing::default()));
    world.other.head.is(Ok(None));
    world.role.look(std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(apart(&world), [false, false]);
}
