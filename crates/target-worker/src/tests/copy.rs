//! The long step: which calls a copy makes for each thing that S3 shows of the uploads on its key, and
//! what a cut or a rival leaves for the next attempt.

use amiferry_core::fault::FaultClass;
use amiferry_core::fleet::Step;
use amiferry_core::manifest::{Note, SourceRecord, Teller};
use amiferry_core::model::{Checksum, ChecksumAlgorithm, Coverage};
use amiferry_core::plan::Standing;
use amiferry_core::policy::Tier;
use amiferry_core::ports::{ByteRange, CompleteUpload, Listing, WriteOutcome};
use amiferry_service::reconcile::Role;

use super::cases::is_staged;
use super::facts::*;
use super::ports::fault;
use super::world::*;

/// It is staged; our uploads are begun as `own`, and S3 copies what it is asked to.
fn to_copy() -> World {
    let world = is_staged();
    world.vault.begin.is(Ok("own".to_owned()));
    world.vault.in_progress.is(Ok(vec![upload("own", 0)].into()));
    for upload in ["own", "old"] {
        for number in 1..=3 {
            world.vault.copy.about(&format!("{upload} {number}"), Ok(part(number, 0)));
        }
    }
    world.vault.complete.is(Ok(WriteOutcome::Written(Some("vault-1".to_owned()))));
    world.vault.abort.is(Ok(()));
    world
}

/// How the first copy of an image begins.
const BEGUN: [&str; 3] =
    ["vault create 1/source.json", "vault begin 1/image.bin", "vault uploads 1/image.bin"];

/// The question of a worker whose note is not the first.
const MEANWHILE: &str = "vault head 1/image.bin";

/// The calls of a copy, those of the look before it left out.
async fn copied_by(world: &World) -> (Result<(), FaultClass>, Vec<String>) {
    let effect = world.effect(1).await;
    world.calls();
    let ended = world.role.perform(&point(1), effect).await;
    (ended.map_err(|fault| fault.class), world.calls())
}

#[tokio::test]
async fn a_copy_is_begun_listed_copied_part_by_part_and_completed_under_a_lock() {
    let world = to_copy();
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(calls[..BEGUN.len()], BEGUN);
    let rest = ["vault copy own 1", "vault copy own 2", "vault copy own 3", "vault complete own"];
    assert_eq!(calls[BEGUN.len()..], rest);

    let sent = world.vault.sent.lock().unwrap();
    let begin = sent.begin.as_ref().unwrap();
    assert_eq!(begin.content_type, staged(1).content_type);
    assert_eq!(begin.metadata, copied(1).metadata, "that of EC2, and what it is a copy of");
    assert_eq!(begin.key.as_deref(), Some(BUCKET_KEY));
    assert_eq!(begin.retention, Some(retention()));
    let ranges: Vec<_> = sent.parts.iter().map(|part| part.range.unwrap()).collect();
    let range = |start, length| ByteRange { start: start * MIB, length: length * MIB };
    assert_eq!(ranges, [range(0, 64), range(64, 64), range(128, 22)]);
    for part in &sent.parts {
        let pinned = (&part.source, part.source_owner.as_str(), part.source_etag.as_str());
        assert_eq!(pinned, (&staged(1).at, SOURCE, "staged-etag"));
    }
    let CompleteUpload { parts, size, checksum } = sent.complete.as_ref().unwrap();
    assert_eq!((*size, checksum.value.as_str()), (STAGED_SIZE, "c3RhZ2VkIQ=="));
    assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(world.role.copies().is_empty(), "it ended");
}

#[tokio::test]
async fn a_copy_begins_with_a_note_of_the_image_under_its_own_key_and_lock() {
    let world = to_copy();
    assert_eq!(copied_by(&world).await.0, Ok(()));
    let (key, body, settings) = world.vault.sent.lock().unwrap().create.take().unwrap();
    assert_eq!(key, vault_key(1, "source.json"));
    let note = Note::from_json(&body, &point(1)).unwrap();
    assert_eq!((note.told_by, &note.source), (Teller::Vault, &SourceRecord::of(&image(1))));
    assert_eq!(
        (note.policy.as_str(), note.family.as_str(), note.tier),
        ("daily", "1", Tier::Ready)
    );
    assert_eq!(settings.content_type.as_deref(), Some("application/json"));
    assert_eq!(settings.key.as_deref(), Some(BUCKET_KEY));
    assert_eq!(settings.retention, Some(retention()));
}

#[tokio::test]
async fn without_its_note_no_copy_is_begun_and_with_one_of_before_it_is() {
    for (answer, expected) in [
        (Err(fault(FaultClass::Unavailable)), Err(FaultClass::Unavailable)),
        (Err(fault(FaultClass::Denied)), Err(FaultClass::Denied)),
        (Ok(WriteOutcome::AlreadyThere), Ok(())),
    ] {
        let world = to_copy();
        world.vault.create.about("1/source.json", answer);
        let (ended, calls) = copied_by(&world).await;
        assert_eq!(ended, expected);
        match expected {
            Ok(()) => {
                assert_eq!(calls[..2], [BEGUN[0], MEANWHILE], "it may be late");
                assert_eq!(calls[2..5], [BEGUN[1], BEGUN[2], MEANWHILE], "and still be too late");
            }
            Err(_) => assert_eq!(calls, BEGUN[..1], "no upload is begun"),
        }
    }
}

#[tokio::test]
async fn an_object_too_small_for_ranges_is_copied_whole() {
    let world = to_copy();
    world.source.head.is(Ok(Some(with(staged(1), |object| object.size = 5 * MIB))));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(calls[BEGUN.len()..], ["vault copy own 1", "vault complete own"]);
    let sent = world.vault.sent.lock().unwrap();
    assert_eq!(sent.parts[0].range, None);
    assert_eq!(sent.complete.as_ref().map(|complete| complete.parts[0].size), Some(5 * MIB));
}

#[tokio::test]
async fn where_the_checksum_covers_parts_the_copy_has_the_same_parts() {
    let parts = |value: &str| {
        let (algorithm, value) = (ChecksumAlgorithm::Sha256, value.to_owned());
        Some(Checksum { algorithm, coverage: Coverage::Parts, value })
    };
    let lasting = |last: u64| {
        let world = to_copy();
        world.source.head.is(Ok(Some(with(staged(1), |object| object.checksum = parts("c3Vt-3")))));
        world.source.part_length.about("1.bin 1", Ok(70 * MIB));
        world.source.part_length.about("1.bin 3", Ok(last));
        world
    };
    let world = lasting(10 * MIB);
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(calls[..2], ["source part 1.bin 1", "source part 1.bin 3"]);
    {
        let sent = world.vault.sent.lock().unwrap();
        let lengths: Vec<_> =
            sent.parts.iter().map(|part| part.range.unwrap().length / MIB).collect();
        assert_eq!(lengths, [70, 70, 10]);
        assert_eq!(
            sent.complete.as_ref().map(|complete| &complete.checksum),
            parts("c3Vt-3").as_ref()
        );
    }
    let (ended, calls) = copied_by(&lasting(11 * MIB)).await;
    assert_eq!((ended, calls.len()), (Err(FaultClass::Invalid), 2), "its parts differ in size");
}

#[tokio::test]
async fn a_copy_that_another_worker_makes_is_left_to_it_until_it_falls_silent() {
    let world = to_copy();
    world.clock.pass(60);
    world.vault.in_progress.is(Ok(vec![upload("theirs", 0), upload("own", 60)].into()));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Err(FaultClass::Conflict));
    assert_eq!(calls[..BEGUN.len()], BEGUN);
    assert_eq!(calls[BEGUN.len()..], ["vault abort own"]);
    assert_eq!(world.look(&[1]).await.0, "wait copy_running");
    assert_eq!(world.standing(1), "in_progress copy_running");
    let members = |world: &World| {
        let fleet = world.role.fleet();
        fleet.members(Step::Copy, noon())[0].standing
    };
    assert_eq!(members(&world), Standing::Begun, "its family's older images do not go first");
    // Two minutes after it began.
    world.clock.pass(59);
    assert_eq!(world.look(&[1]).await.0, "wait copy_running");
    world.clock.pass(1);
    assert_eq!(world.look(&[1]).await.0, "act copy");
}

#[tokio::test]
async fn workers_that_begin_in_the_same_second_all_give_up() {
    let world = to_copy();
    world.vault.in_progress.is(Ok(vec![upload("theirs", 0), upload("own", 0)].into()));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Err(FaultClass::Conflict));
    assert_eq!(calls[BEGUN.len()..], ["vault abort own"]);
    assert_eq!(world.look(&[1]).await.0, "act copy", "and try again");
}

#[tokio::test]
async fn an_abandoned_upload_is_taken_over_and_only_its_missing_parts_are_copied() {
    let world = to_copy();
    world.clock.pass(3_600);
    world.vault.in_progress.is(Ok(vec![upload("old", 0), upload("own", 3_600)].into()));
    world.vault.held.about("old", Ok(vec![part(1, 60), part(3, 90)].into()));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    let rest = ["vault parts old", "vault copy old 2", "vault complete old"];
    assert_eq!(calls[BEGUN.len()..], rest);
}

#[tokio::test]
async fn an_upload_that_is_old_but_still_gets_parts_is_left_to_its_worker() {
    let world = to_copy();
    world.clock.pass(3_600);
    world.vault.in_progress.is(Ok(vec![upload("old", 0), upload("own", 3_600)].into()));
    world.vault.held.about("old", Ok(vec![part(1, 3_550)].into()));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Err(FaultClass::Conflict));
    assert_eq!(calls[BEGUN.len()..], ["vault parts old", "vault abort own"]);
}

#[tokio::test]
async fn parts_of_another_plan_are_not_taken_over() {
    let world = to_copy();
    world.clock.pass(3_600);
    world.vault.in_progress.is(Ok(vec![upload("old", 0), upload("own", 3_600)].into()));
    let other = with(part(1, 60), |part| part.size = 32 * MIB);
    world.vault.held.about("old", Ok(vec![other].into()));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(calls.last().unwrap(), "vault complete own");
}

#[tokio::test]
async fn a_copy_that_was_cut_off_goes_on_with_what_s3_holds() {
    let world = to_copy();
    world.vault.copy.about("own 2", Err(fault(FaultClass::Unavailable)));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Err(FaultClass::Unavailable));
    assert_eq!(calls.last().unwrap(), "vault copy own 2");
    assert!(world.role.copies().is_empty());

    world.vault.copy.about("own 2", Ok(part(2, 0)));
    world.vault.held.about("own", Ok(vec![part(1, 0)].into()));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    let rest = ["vault parts own", "vault copy own 2", "vault copy own 3", "vault complete own"];
    assert_eq!(calls[1..], rest, "its claim holds");
    assert_eq!(calls[..1], BEGUN[..1]);
}

#[tokio::test]
async fn a_copy_whose_staged_object_was_replaced_by_one_of_another_size_begins_from_nothing() {
    let world = to_copy();
    world.vault.copy.about("own 3", Err(fault(FaultClass::Unavailable)));
    assert!(copied_by(&world).await.0.is_err());
    world.source.head.is(Ok(Some(with(staged(1), |object| object.size = 100 * MIB))));
    world.vault.held.about("own", Ok(vec![part(1, 0), part(3, 0)].into()));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Err(FaultClass::Conflict));
    assert_eq!(calls[1..], ["vault parts own", "vault abort own"]);
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(calls[..BEGUN.len()], BEGUN);
}

#[tokio::test]
async fn an_upload_that_is_gone_is_forgotten_and_the_copy_begins_from_nothing() {
    let world = to_copy();
    world.vault.copy.about("own 3", Err(fault(FaultClass::Unavailable)));
    assert!(copied_by(&world).await.0.is_err());
    world.vault.copy.about("own 3", Ok(part(3, 0)));
    world.vault.held.is(Err(fault(FaultClass::NotFound)));
    assert_eq!(copied_by(&world).await.0, Err(FaultClass::NotFound));
    let (ended, calls) = copied_by(&world).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(calls[..BEGUN.len()], BEGUN);
}

#[tokio::test]
async fn a_copy_that_another_worker_completed_meanwhile_sends_no_part() {
    let late = [BEGUN[0], MEANWHILE];
    let too_late = [BEGUN[0], MEANWHILE, BEGUN[1], BEGUN[2], MEANWHILE, "vault abort own"];
    for (is_late, expected, why) in
        [(true, &late[..], "it begins no upload"), (false, &too_late, "it leaves no upload")]
    {
        let world = to_copy();
        let effect = world.effect(1).await;
        world.calls();
        world.vault.create.about("1/source.json", Ok(WriteOutcome::AlreadyThere));
        world.vault.head.is(Ok(Some(copied(1))));
        if !is_late {
            world.vault.head.next("1/image.bin", Ok(None));
        }
        let ended = world.role.perform(&point(1), effect).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(world.calls(), expected, "{why}");
    }
}

#[tokio::test]
async fn the_key_of_the_staged_object_is_checked_again_after_a_copy_that_failed() {
    for (class, checked) in [(FaultClass::KeyUnusable, true), (FaultClass::Throttled, false)] {
        let world = to_copy();
        world.vault.begin.is(Err(fault(class)));
        assert!(copied_by(&world).await.0.is_err());
        world.clock.pass(60);
        world.look(&[1]).await;
        let asked = world.calls().contains(&"vault examine staging".to_owned());
        assert_eq!(asked, checked, "{class:?}");
    }
}

/// What the completion answers; how the copy ends; the last call; how often it counts as failed.
type Completion = (Result<WriteOutcome, FaultClass>, Result<(), FaultClass>, &'static str, u32);

#[tokio::test]
async fn each_answer_to_the_completion_has_its_end() {
    const CASES: [Completion; 5] = [
        (Ok(WriteOutcome::Written(None)), Ok(()), "vault complete own", 0),
        (Ok(WriteOutcome::AlreadyThere), Ok(()), "vault abort own", 0),
        // The bytes are not those of the staged object: these parts can never become it.
        (Err(FaultClass::Invalid), Err(FaultClass::Invalid), "vault abort own", 1),
        (Err(FaultClass::OutcomeUnknown), Err(FaultClass::OutcomeUnknown), "vault complete own", 0),
        (Err(FaultClass::Denied), Err(FaultClass::Denied), "vault complete own", 1),
    ];
    for (answer, expected, last, failures) in CASES {
        let world = to_copy();
        world.vault.complete.is(answer.clone().map_err(fault));
        let (ended, calls) = copied_by(&world).await;
        assert_eq!(ended, expected, "{answer:?}");
        assert_eq!(calls.last().unwrap(), last, "{answer:?}");
        let fleet = world.role.fleet();
        let standing = fleet.members(Step::Copy, noon())[0].standing;
        let expected = match ended {
            Ok(()) => Standing::Elsewhere,
            Err(_) => Standing::Waits { failures },
        };
        assert_eq!(standing, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_completion_whose_outcome_is_unknown_is_found_by_the_next_look() {
    let world = to_copy();
    world.vault.complete.is(Err(fault(FaultClass::OutcomeUnknown)));
    assert_eq!(copied_by(&world).await.0, Err(FaultClass::OutcomeUnknown));
    assert_eq!(world.look(&[1]).await.0, "act copy", "it did not happen");
    world.vault.head.is(Ok(Some(copied(1))));
    world.vault.named.is(Ok(Listing::default()));
    world.vault.pending.is(Ok(Listing::default()));
    assert_eq!(world.look(&[1]).await.0, "act restore", "it did");
}

#[tokio::test]
async fn a_copy_that_goes_on_is_shown_with_its_bytes_and_takes_no_other_turn() {
    let world = to_copy();
    world.vault.copy.about("own 2", Ok(part(2, 0)));
    world.vault.complete.never_comes();
    let effect = world.effect(1).await;
    let id = point(1);
    let copying = world.role.perform(&id, effect);
    futures::pin_mut!(copying);
    assert!(futures::poll!(&mut copying).is_pending());
    let copies = world.role.copies();
    let progress = copies.get(&id).unwrap();
    assert_eq!(progress.done(), STAGED_SIZE);
    let fleet = world.role.fleet();
    assert_eq!(fleet.members(Step::Copy, noon())[0].standing, Standing::Begun);
}

#[tokio::test]
async fn what_cannot_be_claimed_is_not_copied() {
    for (given, expected) in [
        ((|w: &World| w.vault.begin.is(Err(fault(FaultClass::Denied)))) as fn(&World), &BEGUN[..2]),
        (|w| w.vault.in_progress.is(Err(fault(FaultClass::Denied))), &BEGUN[..3]),
    ] {
        let world = to_copy();
        given(&world);
        let (ended, calls) = copied_by(&world).await;
        assert_eq!(ended, Err(FaultClass::Denied));
        assert_eq!(calls, expected);
    }
}
