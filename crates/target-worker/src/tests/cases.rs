//! Cases of a look: what AWS says at each stage of an image's way, the calls that ask for it, and how a
//! table of them is checked.

use amiferry_core::manifest::Manifest;
use amiferry_core::model::{Image, ImageState};
use amiferry_core::policy::Tier;
use amiferry_core::ports::{Listing, Unreadable, WriteOutcome};

use super::facts::*;
use super::world::*;

/// What AWS says, the decision about image 1, its standing in the fleet, and the calls that lead to
/// it, those about the vault's own keys left out.
pub(super) type Case =
    (&'static str, fn() -> World, &'static str, &'static str, &'static [&'static str]);

pub(super) fn nothing() -> World {
    World::of(vec![image(1)])
}

pub(super) fn is_staged() -> World {
    let world = nothing();
    world.source.head.is(Ok(Some(staged(1))));
    world.vault.create.about("1/source.json", Ok(WriteOutcome::Written(None)));
    world
}

/// The copy lies in the vault, and the vault has these images under the names of its restores.
pub(super) fn is_copied(restored: Vec<Image>) -> World {
    let world = nothing();
    world.vault.head.about("1/image.bin", Ok(Some(copied(1))));
    world.vault.snapshots.is(Ok(snapshots(&restored).into()));
    world.vault.launch_permissions.is(Ok(Listing::default()));
    world.vault.named.is(Ok(restored.into()));
    world.vault.pending.is(Ok(Listing::default()));
    world
}

pub(super) fn is_restored() -> World {
    is_copied(vec![restored(1, 1)])
}

/// All is done, and recorded as this says.
pub(super) fn is_recorded(change: impl FnOnce(&mut Manifest)) -> World {
    let world = is_copied(vec![protected(restored(1, 1))]);
    let manifest = with(manifest(1, Tier::Ready), change);
    world.vault.read.is(Ok(Some(manifest.to_json())));
    world
}

pub(super) fn failed(generations: u32) -> World {
    // They began long enough ago for one to be repeated, and not for a third.
    let failed = (1..=generations).map(|time| {
        let failed = in_state(restored(1, time), ImageState::Failed);
        with(failed, |image| image.created = at(-1_000))
    });
    is_copied(failed.collect())
}

pub(super) fn unreadable<T>(id: Option<&str>) -> Listing<T> {
    Listing { items: Vec::new(), unreadable: vec![Unreadable::new(id, "it has no volumeSize")] }
}

pub(super) fn but(world: World, change: impl FnOnce(&World)) -> World {
    change(&world);
    world
}

pub(super) const BEFORE: &[&str] =
    &["source describe 1", "vault head 1/image.bin", "vault read 1/manifest.json"];
pub(super) const STAGED: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "source head 1.bin",
];
pub(super) const KEY: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "source head 1.bin",
    "vault examine staging",
];
pub(super) const NAMED: &[&str] =
    &["source describe 1", "vault head 1/image.bin", "vault read 1/manifest.json", "vault named 1"];
pub(super) const COUNTED: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "vault named 1",
    "vault pending",
];
pub(super) const SNAPSHOTS: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "vault named 1",
    "vault snapshots 11",
];
pub(super) const RESTORED: &[&str] = &[
    "source describe 1",
    "vault head 1/image.bin",
    "vault read 1/manifest.json",
    "vault named 1",
    "vault snapshots 11",
    "vault permissions 11",
];

/// Holds each case to its decision, standing and calls.
pub(super) async fn check(cases: &[Case]) {
    for (what, given, decision, standing, calls) in cases {
        let world = given();
        // So that there is a row to tell about what cannot be observed.
        if decision.starts_with("fault") {
            world.walked(&[1], &[1]);
        }
        assert_eq!(world.look(&[1]).await, ((*decision).to_owned(), vec![]), "{what}");
        assert_eq!(world.standing(1), *standing, "{what}");
        let all = world.calls();
        let (facts, about_image) = all.split_at(VAULT_FACTS.len());
        assert_eq!(facts, VAULT_FACTS, "{what}");
        assert_eq!(about_image, *calls, "{what}");
    }
}
