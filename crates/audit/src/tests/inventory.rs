//! One observation becomes one row, complete only when the target worker would leave it alone.

use amiferry_core::code::Code;
use amiferry_core::decide::vault::{ManifestFact, Observed};
use amiferry_core::model::{Image, ImageState, Virtualization};
use amiferry_core::policy::{Policies, Tier};
use jiff::SignedDuration;

use super::fixture::*;
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, State};

/// The one row of what is observed; panics if it was rejected.
fn row(observed: Observed) -> RecoveryPoint {
    let mut inventory = inventory([observed]);
    assert!(inventory.rejected.is_empty(), "{:?}", inventory.rejected);
    inventory.recovery_points.pop().unwrap()
}

fn changed(mut observed: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut observed);
    observed
}

/// What is observed after this many effects.
fn after_steps(count: usize) -> Observed {
    (0..count).fold(staged(image(1)), |seen, _| match step(&seen, now()) {
        amiferry_core::decide::Decision::Act(effect) => after(seen, effect),
        other => panic!("{other:?}"),
    })
}

#[test]
fn each_stage_is_a_row_with_its_state_and_only_the_last_is_complete() {
    for (seen, state, code, detail, has_object, has_image) in [
        (seen(image(1)), State::InProgress, Code::NotStaged, "no staged object", false, false),
        (after_steps(0), State::InProgress, Code::InTurn, "to be copied", false, false),
        (after_steps(1), State::InProgress, Code::InTurn, "to be restored", true, false),
        (after_steps(2), State::InProgress, Code::InTurn, "to be protected", true, true),
        (after_steps(3), State::InProgress, Code::InTurn, "to be recorded", true, true),
        (after_steps(4), State::Complete, Code::Complete, "", true, true),
        (
            changed(after_steps(1), |seen| seen.object.as_mut().unwrap().size = 1),
            State::Tampered,
            Code::VaultObjectMismatch,
            "1 bytes with checksum CRC64NVME:c3RhZ2VkIQ== in the vault, 4000 with \
             CRC64NVME:c3RhZ2VkIQ== staged",
            true,
            false,
        ),
        (
            changed(after_steps(4), |seen| seen.restored[0].public = true),
            State::Tampered,
            Code::Shared,
            "ami-0ccccccccccccccc1 with everyone",
            true,
            true,
        ),
    ] {
        let row = row(seen);
        assert_eq!((row.state, row.code, &*row.detail), (state, code, detail));
        assert_eq!(row.vault_object.is_some(), has_object, "{detail}");
        assert_eq!(row.restored_image_id.is_some(), has_image, "{detail}");
        assert_eq!(row.source_created_at, image(1).created);
    }
}

#[test]
fn a_row_names_its_image_as_ec2_does_or_else_as_the_manifest_recorded_it() {
    assert_eq!(row(seen(image(1))).source_image_name, "web 1");
    let gone = changed(completed(staged(image(1)), now()), |seen| seen.source = None);
    assert_eq!(row(gone).source_image_name, "web 1");
    let mut old = image(2);
    old.virtualization = Virtualization::Paravirtual;
    let left_out = inventory([seen(old)]).rejected;
    assert_eq!(left_out[0].source_image_name, "web 2");
}

#[test]
fn an_image_that_is_not_the_restored_one_is_not_given_as_it() {
    let restored = || after_steps(2);
    for (seen, code, comment) in [
        (
            changed(restored(), |seen| seen.restored[0].tags.clear()),
            Code::NameTaken,
            "someone else's, with the name",
        ),
        (
            changed(restored(), |seen| {
                seen.restored[0].state = ImageState::Failed;
                seen.restored[0].created = image(1).created;
            }),
            Code::InTurn,
            "failed, to be restored again",
        ),
    ] {
        let row = row(seen);
        assert_eq!((row.code, row.restored_image_id), (code, None), "{comment}");
    }
    // Restored by hand or under an earlier policy: an archived recovery point does not claim it.
    let mut archived = completed(staged(weekly(1)), now());
    archived.restored.push(restored().restored.remove(0));
    let row = row(archived);
    assert_eq!(
        (row.state, row.tier, row.restored_image_id),
        (State::Complete, Tier::Archive, None)
    );
}

#[test]
fn a_pending_image_is_under_way_and_not_left_out() {
    for state in [ImageState::Pending, ImageState::Other("transient".to_owned())] {
        let mut pending = image(1);
        pending.state = state;
        let row = row(seen(pending));
        assert_eq!((row.state, row.code), (State::InProgress, Code::ImagePending));
        assert_eq!((&*row.family, &*row.policy, row.tier), ("shop", "daily", Tier::Ready));
    }
}

#[test]
fn a_gone_source_is_judged_by_its_manifest_and_without_one_left_out() {
    for before in [completed(staged(image(1)), now()), completed(staged(weekly(1)), now())] {
        let expected = row(before.clone());
        assert_eq!(row(changed(before, |seen| seen.source = None)), expected);
    }
    let gone = changed(staged(image(1)), |seen| seen.source = None);
    let inventory = inventory([gone]);
    assert_eq!(inventory.recovery_points, []);
    assert_eq!(inventory.rejected[0].code, Code::ImageGone);
    assert_eq!(inventory.rejected[0].promised, None);
}

#[test]
fn completion_is_when_the_manifest_says_and_not_now() {
    let when = at("2026-01-15T03:00:00Z");
    let row = row(completed(staged(image(1)), when));
    assert_eq!(row.completed_at, Some(when));
    assert_eq!(row.source_created_at, at("2026-01-15T00:00:00Z"));
}

#[test]
fn a_manifest_that_cannot_be_read_is_tampering_and_dates_nothing() {
    let torn = ManifestFact::Unreadable("not a manifest".to_owned());
    let row = row(changed(completed(staged(image(1)), now()), |seen| seen.manifest = torn));
    assert_eq!((row.state, row.code), (State::Tampered, Code::ManifestUnreadable));
    assert_eq!(row.completed_at, None);
}

#[test]
fn what_is_left_out_has_a_reason_and_counts_where_a_copy_was_promised() {
    type Change = fn(&mut Observed);
    fn source(seen: &mut Observed) -> &mut Image {
        seen.source.as_mut().unwrap()
    }
    let rows: [(Change, Code, bool, &str); 9] = [
        (
            |s| source(s).virtualization = Virtualization::Paravirtual,
            Code::Paravirtual,
            true,
            "selected, but EC2 cannot store it",
        ),
        (
            |s| source(s).devices[0].ebs.as_mut().unwrap().size_gib = 5_001,
            Code::TooLarge,
            true,
            "selected, but EC2 cannot store it",
        ),
        (|s| source(s).state = ImageState::Failed, Code::ImageFailed, true, "its maker failed"),
        (|s| source(s).state = ImageState::Disabled, Code::ImageDisabled, true, "still there"),
        (|s| source(s).state = ImageState::Deregistered, Code::ImageGone, false, "shown, gone"),
        (|s| drop(source(s).tags.remove("backup")), Code::NoPolicy, false, "not asked for"),
        (|s| source(s).owner = VAULT.parse().unwrap(), Code::NotOwned, false, "of others"),
        (
            |s| s.id.target_region = "eu-west-1".parse().unwrap(),
            Code::NoPolicy,
            false,
            "asked for, but not in this Region",
        ),
        (
            |s| {
                s.id.target_region = "eu-west-1".parse().unwrap();
                source(s).virtualization = Virtualization::Paravirtual;
            },
            Code::Paravirtual,
            false,
            "neither storable nor asked for in this Region",
        ),
    ];
    for (change, code, promised, comment) in rows {
        let inventory = inventory([changed(seen(image(1)), change)]);
        assert_eq!(inventory.recovery_points, [], "{comment}");
        let [rejected] = inventory.rejected.as_slice() else { panic!("{comment}") };
        assert_eq!((rejected.code, rejected.promised.is_some()), (code, promised), "{comment}");
        assert!(rejected.reason.starts_with(code.meaning()), "{comment}: {}", rejected.reason);
    }
}

#[test]
fn merging_vaults_keeps_every_row_and_says_once_that_a_source_is_unknown() {
    let silent = NotAssessed {
        source_account: SOURCE.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: None,
        reason: "denied".to_owned(),
    };
    let one = || Inventory { not_assessed: vec![silent.clone()], ..inventory([seen(image(1))]) };
    let mut merged = one();
    merged.merge(one());
    merged.merge(Inventory {
        rejected: vec![left_out(2, SignedDuration::from_hours(1))],
        ..Inventory::default()
    });
    assert_eq!((merged.recovery_points.len(), merged.rejected.len()), (2, 1));
    assert_eq!(merged.not_assessed, [silent]);
}

#[test]
fn a_policy_that_is_gone_leaves_the_row_as_it_was_recorded() {
    let complete = completed(staged(image(1)), now());
    let inventory = inventory_under(&Policies::default(), [complete]);
    let [row] = inventory.recovery_points.as_slice() else { panic!("{inventory:?}") };
    assert_eq!((row.state, &*row.policy, &*row.family), (State::Complete, "daily", "shop"));
}
