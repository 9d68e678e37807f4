//! Tags of the source that look like ours change nothing.

use proptest::prelude::*;

use super::fixture::*;
use crate::decide::vault::{Effect, ManifestFact, Observed};
use crate::decide::{Decision, MAX_DETAIL_CHARS, eligibility};
use crate::model::{Checksum, ChecksumAlgorithm, Tags};

fn our_tags() -> impl Strategy<Value = Tags> {
    let keys = prop::sample::select(vec![
        "amiferry:managed",
        "amiferry:source-account",
        "amiferry:source-region",
        "amiferry:source-image",
        "amiferry:source-created",
        "amiferry:source-name",
        "amiferry:policy",
        "amiferry:family",
        "amiferry:manifest",
        "amiferry:object-version",
        "amiferry:anything",
        "aws:backup:source",
    ]);
    prop::collection::btree_map(
        keys.prop_map(str::to_owned),
        prop_oneof![Just("true".to_owned()), Just("ami-0abcdef1".to_owned()), ".{0,20}"],
        1..11,
    )
}

#[test]
fn what_others_wrote_is_quoted_short_and_with_nothing_hidden() {
    let text = format!("\u{1b}[2J{}", "\u{202e}".repeat(10_000));
    let other = observed().staged().copied().restored().newest(|image| {
        image.architecture.clone_from(&text);
    });
    let recorded = observed().staged().copied().restored().protected().recorded().with(|seen| {
        let ManifestFact::Present(manifest) = &mut seen.manifest else { unreachable!() };
        manifest.vault_object.checksum =
            Checksum::whole(ChecksumAlgorithm::Crc64Nvme, text.clone());
    });
    let mut details = Vec::new();
    for seen in [other, recorded] {
        match seen.decide() {
            Decision::Park { detail, .. } => details.push(detail),
            other => panic!("{other:?}"),
        }
    }
    let image = image().named(&format!("amiferry/{text}")).tagged("amiferry:managed", "true");
    let left_out = eligibility::governing(&policies(), &source(), &image, now()).unwrap_err();
    details.push(left_out.detail);
    for detail in details {
        assert!(detail.chars().count() <= MAX_DETAIL_CHARS, "{detail}");
        assert!(!detail.contains(['\u{1b}', '\u{202e}']), "{detail:?}");
    }
}

proptest! {
    #[test]
    fn forged_tags_on_the_source_change_nothing_that_a_restore_carries(forged in our_tags()) {
        let order = |seen: Observed| match seen.decide() {
            Decision::Act(Effect::Restore(order)) => order,
            other => panic!("{other:?}"),
        };
        let honest = observed().staged().copied();
        let lying = honest.clone().with(|seen| seen.source.as_mut().unwrap().tags.extend(forged));
        prop_assert_eq!(order(lying), order(honest));
    }

    #[test]
    fn forged_tags_on_the_source_make_no_squatter_ours(forged in our_tags(), owned in any::<bool>()) {
        let squatter = |forged: &Tags| restored_image(&image(), 1)
            .with(|image| image.tags = forged.clone())
            .owned_by(if owned { VAULT } else { "333333333333" });
        let seen = observed().staged().copied().with(|seen| {
            seen.restored.push(squatter(&forged));
            seen.snapshots = snapshots_of(&seen.restored[0]);
            seen.source.as_mut().unwrap().tags.extend(forged);
        });
        prop_assert_eq!(seen.decide().in_words(), "park name_taken");
    }
}
