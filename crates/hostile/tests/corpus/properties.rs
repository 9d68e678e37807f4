//! What must hold for bytes that no mutator thought of.

use amiferry_hostile::{
    Outcome, check_config, check_event, check_manifest, check_note, check_tags, config, event,
    json, manifest, note, tags,
};
use proptest::prelude::*;

/// A body with up to four pieces replaced by any bytes.
fn damaged(body: String) -> impl Strategy<Value = Vec<u8>> {
    let piece = (any::<prop::sample::Index>(), 0..40_usize, any::<Vec<u8>>());
    prop::collection::vec(piece, 1..5).prop_map(move |pieces| {
        let mut bytes = body.clone().into_bytes();
        for (place, length, new) in pieces {
            let start = place.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, new);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_judged_by_every_parser(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for check in [check_event, check_manifest, check_note, check_config, check_tags] {
            prop_assert!(check(&bytes).is_ok(), "{:?}", check(&bytes));
        }
    }

    #[test]
    fn a_damaged_message_is_judged(
        bytes in prop::sample::select(event::VALID.to_vec())
            .prop_flat_map(|(_, body)| damaged(body.to_owned())),
    ) {
        prop_assert!(check_event(&bytes).is_ok(), "{:?}", check_event(&bytes));
    }

    #[test]
    fn a_damaged_manifest_is_judged(bytes in damaged(manifest::valid().unwrap())) {
        prop_assert!(check_manifest(&bytes).is_ok(), "{:?}", check_manifest(&bytes));
    }

    #[test]
    fn a_damaged_note_is_judged(bytes in damaged(note::valid().unwrap())) {
        prop_assert!(check_note(&bytes).is_ok(), "{:?}", check_note(&bytes));
    }

    #[test]
    fn a_damaged_configuration_is_judged(bytes in damaged(config::valid())) {
        prop_assert!(check_config(&bytes).is_ok(), "{:?}", check_config(&bytes));
    }

    #[test]
    fn damaged_tags_are_judged(bytes in damaged(tags::VALID.to_owned())) {
        prop_assert!(check_tags(&bytes).is_ok(), "{:?}", check_tags(&bytes));
    }

    #[test]
    fn the_oracles_json_is_that_of_serde(text in "[\\[\\]{},:\"\\\\ 0-9eE.+ntrufals-]{0,24}") {
        // serde_json keeps the last of two equal names, and the oracle both.
        let ours = json::read(&text);
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(ours.is_some(), theirs.is_ok(), "{}", text);
        if let Some(value) = ours {
            let again: serde_json::Value = serde_json::from_str(&value.write()).unwrap();
            prop_assert_eq!(again, theirs.unwrap());
        }
    }

    #[test]
    fn an_operator_may_ask_for_any_well_formed_image(
        id in "ami-([0-9a-f]{8}|[0-9a-f]{17})",
    ) {
        let body = format!("{{\"image_id\":\"{id}\"}}");
        prop_assert_eq!(check_event(body.as_bytes()), Ok(Outcome::Accepted));
    }
}
