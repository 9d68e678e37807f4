//! The target worker's next step before there is an object in the vault.

use super::fixture::*;
use super::vault::{Row, copied, nothing, staged_only};
use crate::decide::vault::{ManifestFact, NoteFact};
use crate::model::{Image, ImageState, KeyVerdict};

/// Before there is an object in the vault.
pub(super) fn before_the_copy() -> Vec<Row> {
    let source = |change: fn(Image) -> Image| {
        nothing().seen(|seen| seen.source = seen.source.take().map(change))
    };
    let elsewhere = || nothing().seen(|seen| seen.id.target_region = "eu-west-1".parse().unwrap());
    vec![
        (nothing(), "wait not_staged", "the source worker has not been there"),
        (
            staged_only().seen(|seen| seen.staged.as_mut().unwrap().size = 0),
            "wait not_staged",
            "an empty object is none",
        ),
        (staged_only(), "act copy", "there is something to copy"),
        (source(|i| i.in_state(ImageState::Pending)), "wait image_pending", "passes by itself"),
        (source(|i| i.in_state(ImageState::Failed)), "ineligible image_failed", "does not"),
        (source(|i| i.in_state(ImageState::Disabled)), "ineligible image_disabled", "hidden"),
        (source(|i| i.in_state(ImageState::Deregistered)), "ineligible image_gone", "shown, gone"),
        (nothing().seen(|seen| seen.source = None), "ineligible image_gone", "not shown"),
        (
            staged_only().seen(|seen| seen.source = None),
            "ineligible image_gone",
            "gone without a manifest, though staged: nothing says what it was",
        ),
        (
            copied().seen(|seen| seen.source = None),
            "ineligible image_gone",
            "gone without a manifest, though copied",
        ),
        (
            copied().seen(|seen| {
                seen.source = None;
                seen.note = NoteFact::Unreadable("it is no note".to_owned());
            }),
            "ineligible note_unusable",
            "and what was noted of it says nothing either",
        ),
        (source(Image::paravirtual), "ineligible paravirtual", "not storable"),
        (source(Image::instance_store), "ineligible not_ebs_backed", "not storable"),
        (source(|i| i.of_gib(5_001)), "ineligible too_large", "not storable"),
        (source(|i| i.owned_by("333333333333")), "ineligible not_owned", "not the source's own"),
        (source(|i| i.tagged("backup", "no")), "ineligible no_policy", "not asked for"),
        (elsewhere(), "ineligible no_policy", "asked for, but not in this Region"),
        (
            nothing().with(|scene| {
                let policy = &mut scene.policies.0[0];
                policy.target_regions.clear();
                policy.vaults = vec!["444444444444/us-west-2".parse().unwrap()];
            }),
            "ineligible no_policy",
            "asked for in this Region, but in the vault of another account",
        ),
        (source(|i| i.made_ago("91d")), "ineligible too_old", "older than its policy takes it"),
        (
            copied().seen(|seen| seen.source = seen.source.take().map(|i| i.made_ago("91d"))),
            "ineligible too_old",
            "it grew too old on the way: nothing is restored",
        ),
        (
            source(|i| i.named("amiferry/x").tagged("amiferry:managed", "true")),
            "ineligible own_restore",
            "a copy",
        ),
        (
            staged_only().seen(|seen| seen.staged.as_mut().unwrap().checksum = None),
            "park staged_without_checksum",
            "nothing to compare the copy with",
        ),
        (staged_only().vault(|v| v.key_verdict = unusable()), "park key_unusable", "vault's key"),
        (
            staged_only().seen(|seen| seen.staged_key = Some(unusable())),
            "park key_unusable",
            "the staged object's key",
        ),
        (
            staged_only()
                .seen(|seen| seen.staged_key = Some(KeyVerdict::Unknown("denied".to_owned())))
                .vault(|v| v.key_verdict = KeyVerdict::Unknown("denied".to_owned())),
            "act copy",
            "unknown forbids nothing",
        ),
        (staged_only().seen(|seen| seen.staged_key = None), "act copy", "staged without a KMS key"),
        (
            staged_only().seen(|seen| seen.claimed_until = Some(PACE.poll.after(now()))),
            "wait copy_running",
            "another worker is at it",
        ),
        (
            staged_only().seen(|seen| {
                let record = Box::new(manifest(&image(), None));
                seen.manifest = ManifestFact::Pruned(record);
            }),
            "ineligible pruned",
            "the retention rules gave it up: it is not copied again, though it lives",
        ),
        (
            nothing().seen(|seen| (seen.source, seen.source_asked) = (None, false)),
            "park failing",
            "its source was not asked: that it is gone can be said after an answer only",
        ),
    ]
}
