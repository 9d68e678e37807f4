//! What a look asks and decides about an image that its source does not show, by what was noted of it.

use amiferry_core::fault::FaultClass;
use amiferry_core::manifest::{Note, Teller};
use amiferry_core::policy::Tier;
use amiferry_service::reconcile::Role;

use super::cases::*;
use super::facts::*;
use super::ports::fault;
use super::world::*;

fn note(told_by: Teller) -> Vec<u8> {
    let governed = ("daily", "1", Tier::Ready);
    Note::of(&image(1), &point(1).source(), governed, told_by, noon()).to_json()
}

/// EC2 shows the image no more, and no note of it is left.
fn gone(world: World) -> World {
    world.source.describe.is(Ok(vec![].into()));
    world.source.read.is(Ok(None));
    world
}

/// Its source refuses to be asked.
fn silent(world: World) -> World {
    world.source.describe.is(Err(fault(FaultClass::Denied)));
    world.source.read.is(Ok(None));
    world
}

fn kept(world: World) -> World {
    but(world, |w| w.vault.read.about("1/source.json", Ok(Some(note(Teller::Vault)))))
}

fn left(world: World) -> World {
    but(world, |w| w.source.read.is(Ok(Some(note(Teller::Source)))))
}

const KEPT: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "vault read 1/source.json",
];
const COUNTED_BY_NOTE: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "vault read 1/source.json",
    "vault named 1",
    "vault pending",
];
const BOTH: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "vault read 1/source.json",
    "source read 1.json",
];
const STAGED_NOTE: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "source head 1.bin",
    "vault read 1/source.json",
    "source read 1.json",
];
const STAGED_AND_KEY: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "source head 1.bin",
    "vault read 1/source.json",
    "source read 1.json",
    "vault examine staging",
];

const NOTED: &[Case] = &[
    (
        "it is gone, and copied with a note",
        || kept(gone(is_copied(vec![]))),
        "act restore",
        "in_progress in_turn",
        COUNTED_BY_NOTE,
    ),
    (
        "its source refuses, and it is copied with a note",
        || kept(silent(is_copied(vec![]))),
        "act restore",
        "in_progress in_turn",
        COUNTED_BY_NOTE,
    ),
    (
        "it is gone, and staged with a note",
        || left(gone(is_staged())),
        "act copy",
        "in_progress in_turn",
        STAGED_AND_KEY,
    ),
    (
        "it is gone, copied without a note, and staged with one",
        || left(gone(is_copied(vec![]))),
        "act restore",
        "in_progress in_turn",
        &[
            "source describe 1",
            "vault head 1/image.bin",
            "vault read 1/manifest.json",
            "vault read 1/source.json",
            "source read 1.json",
            "vault named 1",
            "vault pending",
        ],
    ),
];

const NOT_NOTED: &[Case] = &[
    (
        "it is gone, and staged without a note",
        || gone(is_staged()),
        "ineligible image_gone",
        "-",
        STAGED_AND_KEY,
    ),
    (
        "it is gone, and copied without a note",
        || gone(is_copied(vec![])),
        "ineligible image_gone",
        "-",
        BOTH,
    ),
    (
        "its source refuses, and it is copied without a note of the vault",
        || left(silent(is_copied(vec![]))),
        "fault denied",
        "not assessed",
        KEPT,
    ),
    (
        "its source refuses, and it is staged with a note",
        || left(silent(is_staged())),
        "fault denied",
        "not assessed",
        BEFORE,
    ),
    (
        "it is gone, and its note is garbage",
        || but(gone(is_copied(vec![])), |w| w.source.read.is(Ok(Some(b"<html>".to_vec())))),
        "ineligible note_unusable",
        "-",
        BOTH,
    ),
    (
        "it is gone, and its source refuses to show the note",
        || but(gone(is_staged()), |w| w.source.read.is(Err(fault(FaultClass::Denied)))),
        "ineligible note_unusable",
        "-",
        STAGED_AND_KEY,
    ),
    (
        "it is gone, and its source does not answer about the note",
        || but(gone(is_staged()), |w| w.source.read.is(Err(fault(FaultClass::Unavailable)))),
        "fault unavailable",
        "not assessed",
        STAGED_NOTE,
    ),
    (
        "it is gone, and the vault does not answer about the note",
        || {
            but(gone(is_copied(vec![])), |w| {
                w.vault.read.about("1/source.json", Err(fault(FaultClass::Unavailable)));
            })
        },
        "fault unavailable",
        "not assessed",
        KEPT,
    ),
];

#[tokio::test]
async fn what_was_noted_of_an_image_stands_for_it() {
    check(NOTED).await;
}

#[tokio::test]
async fn without_a_note_that_can_be_used_all_is_as_the_source_says() {
    check(NOT_NOTED).await;
}

#[tokio::test]
async fn a_note_that_was_read_is_not_read_again_on_the_way() {
    let world = kept(gone(is_copied(vec![])));
    world.vault.start_restore.is(Ok("ami-00000011".parse().unwrap()));
    world.step(1).await.unwrap();
    world.calls();
    world.vault.named.is(Ok(vec![restored(1, 1)].into()));
    world.vault.snapshots.is(Ok(snapshots(&[restored(1, 1)]).into()));
    assert_eq!(world.look(&[1]).await.0, "act protect");
    let read = |call: &String| call.contains("source.json");
    assert_eq!(world.calls().iter().filter(|call| read(call)).count(), 0);
}

#[tokio::test]
async fn a_copy_by_the_sources_note_says_in_its_own_who_told_it() {
    let world = left(gone(is_staged()));
    world.vault.begin.is(Err(fault(FaultClass::Unavailable)));
    let effect = world.effect(1).await;
    assert!(world.role.perform(&point(1), effect).await.is_err(), "only its note was written");
    let (key, body, _) = world.vault.sent.lock().unwrap().create.take().unwrap();
    assert_eq!(key, vault_key(1, "source.json"));
    assert_eq!(Note::from_json(&body, &point(1)).unwrap().told_by, Teller::Source);
}

#[tokio::test]
async fn once_the_source_shows_the_image_again_its_note_counts_for_nothing() {
    let world = kept(silent(is_copied(vec![])));
    assert_eq!(world.look(&[1]).await.0, "act restore");
    world.source.describe.is(Ok(vec![archived(1)].into()));
    world.vault.in_progress.is(Ok(amiferry_core::ports::Listing::default()));
    assert_eq!(world.look(&[1]).await.0, "act record", "its tier is that of its tags now");
}
