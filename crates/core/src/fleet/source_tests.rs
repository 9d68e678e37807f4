//! What the source worker's picture makes of the answers of vaults.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use super::source::{Holding, SourceFleet, StagedBytes};
use crate::code::Code;
use crate::decide::Decision;
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

fn denied() -> Failure {
    Failure {
        code: Code::Denied,
        detail: "ec2:CreateStoreImageTask failed".into(),
        parked: true,
        attempts: 2,
        since: now(),
        retry_at: now() + hours(1),
    }
}

#[test]
fn what_failed_is_told_until_a_store_begins_or_the_image_needs_none() {
    let turn: Decision<()> =
        Decision::Wait { until: now(), code: Code::QuotaFull, detail: String::new() };
    let left: Decision<()> = Decision::Ineligible { code: Code::ImageGone, detail: String::new() };
    let codes =
        |fleet: &SourceFleet| fleet.troubles().map(|(_, failure)| failure.code).collect::<Vec<_>>();
    let failed = || {
        let (mut fleet, id) = fleet(hours(1));
        assert!(codes(&fleet).is_empty());
        fleet.failed(&id, denied());
        assert_eq!(codes(&fleet), [Code::Denied]);
        fleet.decided(&id, &turn, now());
        assert!(codes(&fleet).is_empty(), "a look that decides ends what failed while looking");
        fleet.called(&id, Some(false));
        fleet.failed(&id, denied());
        fleet.decided(&id, &turn, now());
        assert_eq!(codes(&fleet), [Code::Denied], "a turn undoes no refusal");
        (fleet, id)
    };
    let (mut begun, id) = failed();
    begun.called(&id, Some(true));
    assert!(codes(&begun).is_empty());
    let (mut gone, id) = failed();
    gone.decided(&id, &left, now());
    assert!(codes(&gone).is_empty());
    let (mut parked, id) = failed();
    let park: Decision<()> = Decision::Park {
        until: now() + hours(2),
        code: Code::StoreFailed,
        detail: "EC2 failed".to_owned(),
    };
    parked.decided(&id, &park, now());
    parked.decided(&id, &park, now() + hours(1));
    let (_, failure) = parked.troubles().next().unwrap();
    assert_eq!((failure.code, failure.parked), (Code::StoreFailed, true));
    assert_eq!((failure.since, failure.retry_at), (now(), now() + hours(2)), "since it parked");
    parked.decided(&id, &turn, now());
    assert!(codes(&parked).is_empty(), "what parked it is over, and it waits for a turn");
}

#[test]
fn what_is_staged_is_needed_until_every_vault_that_the_policy_demands_is_complete() {
    let (mut fleet, id) = fleet(hours(1));
    let gone: ImageId = "ami-00000099".parse().unwrap();
    let bytes = |fleet: &SourceFleet| {
        let StagedBytes { needed, done_with } = fleet.staged_bytes();
        (needed, done_with)
    };
    assert_eq!(bytes(&fleet), (0, 0), "before the first walk");
    fleet.walked(BTreeMap::from([(id.clone(), 7), (gone.clone(), 5)]));
    assert_eq!(bytes(&fleet), (12, 0), "no vault has answered");
    fleet.holds(vault(), whole(BTreeSet::from([id.clone()])));
    assert_eq!(bytes(&fleet), (5, 7));
    let elsewhere = VaultId { region: "eu-west-1".parse().unwrap(), ..vault() };
    fleet.holds(vault(), whole(BTreeSet::from([id, gone.clone()])));
    assert_eq!(bytes(&fleet), (0, 12));
    fleet.holds(elsewhere.clone(), unknown());
    assert_eq!(bytes(&fleet), (5, 7), "the policy of the image that is gone may demand that vault");
    fleet.holds(elsewhere, whole(BTreeSet::from([gone])));
    assert_eq!(bytes(&fleet), (0, 12));
}
