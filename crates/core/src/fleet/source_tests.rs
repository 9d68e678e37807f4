//! What the source worker's picture makes of the answers of vaults.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::source::{Holding, SourceFleet};
use crate::decide::tests::fixture::{VAULT, image, now, policies, source};
use crate::ids::ImageId;
use crate::model::Image;
use crate::names::{Kept, RecordKind, VaultEntry, VaultId};

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn vault() -> VaultId {
    VaultId { account: VAULT.parse().unwrap(), region: "us-west-2".parse().unwrap() }
}

/// A fleet of one image that was made so long before the worker started.
fn fleet(before: SignedDuration) -> (SourceFleet, ImageId) {
    let image = Image { created: now() - before, ..image() };
    let mut fleet = SourceFleet::new(source(), now());
    let policies = policies();
    let policy = &policies.0[0];
    fleet.selected(&image, policy, vec![vault()]);
    (fleet, image.id)
}

fn kept(entries: &[(&ImageId, VaultEntry)]) -> Kept {
    let mut kept = Kept::default();
    for (id, entry) in entries {
        kept.add((*id).clone(), *entry);
    }
    kept
}

/// All of a vault's answer: these are complete, and nothing was given up.
fn whole(complete: BTreeSet<ImageId>) -> Holding {
    Holding::Whole { complete, pruned: BTreeSet::new() }
}

fn unknown() -> Holding {
    Holding::Unknown("it does not answer".to_owned())
}

#[test]
fn an_image_older_than_the_worker_waits_an_hour_for_a_vault_that_has_never_answered() {
    let (mut fleet, id) = fleet(hours(1));
    let until: Option<Timestamp> = Some(now() + hours(1));
    assert_eq!(fleet.unknown_until(&id), until, "no vault was asked yet");
    fleet.holds(vault(), unknown());
    assert_eq!(fleet.unknown_until(&id), until);
    fleet.holds(vault(), whole([].into()));
    assert_eq!(fleet.unknown_until(&id), None);
    fleet.holds(vault(), unknown());
    assert_eq!(fleet.unknown_until(&id), None, "what it said once still holds");
}

#[test]
fn an_image_made_after_the_start_waits_for_no_vault() {
    let (fleet, id) = fleet(-hours(1));
    assert_eq!(fleet.unknown_until(&id), None);
}

#[test]
fn an_image_that_was_given_up_in_a_vault_needs_no_store_and_is_not_called_complete() {
    let (mut fleet, id) = fleet(hours(1));
    let pruned = VaultEntry::Record { number: 1, kind: Some(RecordKind::Pruned) };
    let all = kept(&[(&id, VaultEntry::Image), (&id, VaultEntry::Manifest), (&id, pruned)]);
    let given_up = all.pruned();
    assert!(given_up.contains(&id) && all.clone().complete().is_empty());
    fleet.holds(vault(), Holding::Partial { kept: all, why: "1 key".to_owned() });
    assert!(fleet.is_complete(&id) && fleet.is_pruned(&id));
    fleet.holds(vault(), Holding::Whole { complete: BTreeSet::new(), pruned: given_up });
    assert!(fleet.is_complete(&id) && fleet.is_pruned(&id));
    fleet.holds(vault(), whole(BTreeSet::new()));
    assert!(!fleet.is_complete(&id) && !fleet.is_pruned(&id));
}

#[test]
fn a_vault_of_which_some_keys_cannot_be_read_takes_back_only_what_it_says_is_lost() {
    let (mut fleet, id) = fleet(hours(1));
    fleet.holds(vault(), whole([id.clone()].into()));
    let partial = |kept| Holding::Partial { kept, why: "1 key".to_owned() };
    fleet.holds(vault(), partial(kept(&[(&id, VaultEntry::Image)])));
    assert!(fleet.is_complete(&id), "its manifest may be the key that cannot be read");
    let lost = VaultEntry::Record { number: 1, kind: Some(RecordKind::Lost) };
    fleet.holds(vault(), partial(kept(&[(&id, VaultEntry::Image), (&id, lost)])));
    assert!(!fleet.is_complete(&id));
    let whole = [(&id, VaultEntry::Image), (&id, VaultEntry::Manifest)];
    fleet.holds(vault(), partial(kept(&whole)));
    assert!(fleet.is_complete(&id), "both of its keys are there");
    assert!(fleet.unknown().next().is_some(), "and the vault is still not known whole");
}
