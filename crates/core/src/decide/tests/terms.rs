//! The terms of a recovery point: its policy and its record; the vault shares it with no account.

use super::fixture::*;
use super::scene::scene;
use crate::code::{Code, Kind};
use crate::decide::Decision;
use crate::decide::vault::{ManifestFact, Observed, promised, terms};
use crate::policy::Tier;

#[test]
fn a_shared_image_is_parked_with_the_names_of_those_who_share_it() {
    for (public, permissions, expected) in [
        (true, vec![], "everyone"),
        (false, vec!["all"], "everyone"),
        (true, vec!["all", "333333333333"], "everyone"),
        (false, vec!["333333333333", "444444444444"], "333333333333, 444444444444"),
    ] {
        let shared = scene(observed().staged().copied().restored()).seen(|seen| {
            seen.restored[0].public = public;
            seen.launch_permissions = Some(permissions.iter().map(|&one| one.to_owned()).collect());
        });
        let id = &shared.seen.restored[0].id;
        let Decision::Park { detail, .. } = shared.decide() else { panic!("not parked") };
        assert_eq!(detail, format!("{id} with {expected}"));
    }
}

#[test]
fn a_recovery_point_whose_source_is_gone_is_judged_by_its_manifest() {
    for tier in [Tier::Ready, Tier::Archive] {
        let gone = Observed::complete(tier).with(|seen| seen.source = None);
        let terms = terms(&policies(), &gone, now()).unwrap();
        let ManifestFact::Present(manifest) = &gone.manifest else { panic!("no manifest") };
        assert_eq!((terms.tier, &terms.source), (tier, &manifest.source));
        assert_eq!((&terms.policy, &terms.family), (&manifest.policy, &manifest.family));
        // Its policy may be gone too.
        let unnamed = scene(gone).with(|scene| scene.policies.0.clear());
        assert_eq!(unnamed.decide().in_words(), "done complete", "{tier:?}");
    }
}

#[test]
fn an_image_is_promised_by_the_policy_that_selects_it_unless_it_is_left_out() {
    let seen = observed();
    for code in Code::ALL {
        let promised = promised(&policies(), &seen, *code);
        assert_eq!(promised.is_none(), code.kind() == Kind::LeftOut, "{code}");
    }
    let elsewhere = observed().with(|seen| seen.id.target_account = SOURCE.parse().unwrap());
    let only = policies().with(|all| {
        all.0[0].target_regions.clear();
        all.0[0].vaults = vec![seen.id.vault()];
    });
    assert!(promised(&only, &seen, Code::TooLarge).is_some());
    assert_eq!(promised(&only, &elsewhere, Code::TooLarge), None, "another vault of the Region");
}

#[test]
fn a_recorded_tier_stands_when_the_policy_changes_later() {
    for (tier, now_asked) in [(Tier::Ready, Tier::Archive), (Tier::Archive, Tier::Ready)] {
        let changed = scene(Observed::complete(tier))
            .with(|scene| scene.policies.0.iter_mut().for_each(|p| p.tier = now_asked));
        assert_eq!(changed.decide().in_words(), "done complete", "{tier:?}");
    }
}
