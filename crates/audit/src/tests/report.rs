//! The document: its shape, its one word, and its order.

use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::policy::Policies;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::*;
use crate::family::RpoState;
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, Rejected, SourceOfVault, State};
use crate::render;
use crate::report::{Report, Verdict};

fn silent(account: &str) -> NotAssessed {
    NotAssessed {
        source_account: account.parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: None,
        reason: "denied".to_owned(),
    }
}

fn aged(number: u32, hours: i64) -> RecoveryPoint {
    point(number, SignedDuration::from_hours(hours), State::Complete)
}

#[test]
fn a_loss_is_said_before_a_breach_that_before_what_is_unknown_and_that_before_all_is_well() {
    use Verdict::*;
    let retired = || RecoveryPoint { policy: "retired".to_owned(), ..aged(2, 1) };
    let unprotected = || vec![left_out(3, SignedDuration::from_hours(25))];
    let pending = || vec![left_out(3, SignedDuration::from_hours(23))];
    let lost = |state| point(4, SignedDuration::from_hours(2), state);
    for (points, rejected, unknown, expected) in [
        (vec![], vec![], vec![], Nothing),
        (vec![], vec![], vec![silent(SOURCE)], Partial),
        (vec![aged(1, 1)], vec![], vec![], Kept),
        (vec![], pending(), vec![], Kept),
        (vec![aged(1, 1), retired()], vec![], vec![], Partial),
        (vec![aged(1, 1)], vec![], vec![silent(SOURCE)], Partial),
        (vec![aged(1, 25)], vec![], vec![], Breached),
        (vec![], unprotected(), vec![], Breached),
        (vec![aged(1, 25), retired()], vec![], vec![silent(SOURCE)], Breached),
        (vec![aged(1, 1), lost(State::Lost)], vec![], vec![], Lost),
        (vec![aged(1, 25), lost(State::Tampered)], vec![], vec![silent(SOURCE)], Lost),
        (vec![lost(State::Unusable)], vec![], vec![], Lost),
    ] {
        let (recovery_points, not_assessed) = (points, unknown);
        let inventory =
            Inventory { recovery_points, rejected, not_assessed, ..Inventory::default() };
        let report = Report::new(inventory, &policies(), now());
        assert_eq!(report.verdict(), expected, "{report:?}");
    }
}

#[test]
fn a_family_whose_only_recovery_points_are_lost_is_lost_and_not_pending() {
    let report = |points: Vec<RecoveryPoint>| {
        let inventory = Inventory { recovery_points: points, ..Inventory::default() };
        Report::new(inventory, &policies(), now())
    };
    let lost = || point(1, SignedDuration::from_hours(2), State::Unusable);
    assert_eq!(report(vec![lost()]).families[0].state, RpoState::Lost);
    assert_eq!(report(vec![lost(), aged(2, 1)]).families[0].state, RpoState::WithinRpo);
    assert_eq!(report(vec![lost(), aged(2, 25)]).families[0].state, RpoState::Breached);
}

#[test]
fn a_policy_that_selects_nothing_is_named_once_everything_was_asked() {
    let place = || SourceOfVault {
        source: SourceId { account: SOURCE.parse().unwrap(), region: "us-east-1".parse().unwrap() },
        vault: VaultId { account: VAULT.parse().unwrap(), region: "us-west-2".parse().unwrap() },
    };
    let mut policies = policies();
    // A listed family without an image is a broken promise of its own.
    policies.0.retain(|policy| policy.name.as_str() == "daily");
    let idle = |points: Vec<RecoveryPoint>, unknown: Vec<NotAssessed>, asked: bool| {
        let inventory = Inventory {
            recovery_points: points,
            not_assessed: unknown,
            places: asked.then(place).into_iter().collect(),
            ..Inventory::default()
        };
        let report = Report::new(inventory, &policies, now());
        report.idle_policies.into_iter().map(|idle| idle.policy).collect::<Vec<_>>()
    };
    assert_eq!(idle(vec![], vec![], true), ["daily"]);
    assert_eq!(idle(vec![aged(1, 1)], vec![], true), [""; 0]);
    assert_eq!(idle(vec![], vec![silent(SOURCE)], true), [""; 0], "it may select something there");
    assert_eq!(idle(vec![], vec![], false), [""; 0], "nothing was asked yet");
}

#[test]
fn the_json_has_the_fields_that_its_readers_were_promised() {
    let complete = completed(staged(image(1)), at("2026-01-15T03:00:00Z"));
    let mut inventory = inventory([complete]);
    inventory.rejected.push(left_out(2, SignedDuration::from_hours(1)));
    inventory.not_assessed.push(silent("333333333333"));
    let text = render::json(&Report::new(inventory, &policies(), now())).unwrap();
    assert!(text.ends_with("}\n"));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        document,
        json!({
            "schema_version": 1,
            "as_of": "2026-01-15T12:00:00Z",
            "families": [{
                "source_account": "111111111111",
                "source_region": "us-east-1",
                "family": "shop",
                "policy": "daily",
                "target_account": "222222222222",
                "target_region": "us-west-2",
                "state": "within_rpo",
                "source_image_id": "ami-00000001",
                "restored_image_id": "ami-0ccccccccccccccc1",
                "source_created_at": "2026-01-15T00:00:00Z",
                "age_seconds": 43_200,
                "rpo_seconds": 86_400,
                "margin_seconds": 43_200,
            }],
            "recovery_points": [{
                "size_gb": 8,
                "source_account": "111111111111",
                "source_region": "us-east-1",
                "source_image_id": "ami-00000001",
                "source_image_name": "web 1",
                "family": "shop",
                "policy": "daily",
                "tier": "ready",
                "target_account": "222222222222",
                "target_region": "us-west-2",
                "state": "complete",
                "code": "complete",
                "detail": "",
                "restored_image_id": "ami-0ccccccccccccccc1",
                "vault_object": {
                    "bucket": "vault-us-west-2",
                    "key": "amiferry/111111111111/us-east-1/ami-00000001/image.bin",
                    "version_id": "vault-1",
                    "size": 4_000,
                    "checksum": "CRC64NVME:c3RhZ2VkIQ==",
                },
                "source_created_at": "2026-01-15T00:00:00Z",
                "completed_at": "2026-01-15T03:00:00Z",
            }],
            "rejected": [{
                "source_account": "111111111111",
                "source_region": "us-east-1",
                "source_image_id": "ami-00000002",
                "source_image_name": "web 2",
                "target_account": "222222222222",
                "target_region": "us-west-2",
                "code": "paravirtual",
                "reason": "the image is not HVM, and a store task takes no other",
            }],
            "not_assessed": [{
                "source_account": "333333333333",
                "source_region": "us-east-1",
                "source_image_id": null,
                "reason": "denied",
            }],
            "idle_policies": [],
        })
    );
}

#[test]
fn what_is_not_there_yet_is_null_and_never_left_away() {
    let report = Report::new(inventory([seen(image(1))]), &Policies::default(), now());
    let document: Value = serde_json::from_str(&render::json(&report).unwrap()).unwrap();
    let point = document["recovery_points"][0].as_object().unwrap();
    for field in ["restored_image_id", "vault_object", "completed_at"] {
        assert_eq!(point.get(field), Some(&Value::Null), "{field}");
    }
    let family = document["families"][0].as_object().unwrap();
    for field in ["source_image_id", "age_seconds", "rpo_seconds", "margin_seconds"] {
        assert_eq!(family.get(field), Some(&Value::Null), "{field}");
    }
}

prop_compose! {
    // Narrow ranges, so that rows tie in all but one field.
    fn any_point()(
        (number, hours, family) in (0u32..3, 0i64..3, 0usize..2),
        (account, target, vault) in (0usize..2, 0usize..2, 0usize..2),
        state in prop::sample::select(vec![State::Complete, State::InProgress, State::Parked]),
        (restored, detail) in (any::<bool>(), "[ab]?"),
    ) -> RecoveryPoint {
        RecoveryPoint {
            family: ["shop", "mail"][family].to_owned(),
            source_account: [SOURCE, VAULT][account].parse().unwrap(),
            target_region: ["us-west-2", "eu-west-1"][target].parse().unwrap(),
            target_account: [VAULT, "333333333333"][vault].parse().unwrap(),
            restored_image_id: restored.then(|| image_id(9)),
            detail,
            ..point(number, SignedDuration::from_hours(hours * 20), state)
        }
    }
}

prop_compose! {
    fn any_left_out()(
        (number, hours) in (0u32..2, 0i64..3),
        account in prop::sample::select(vec![SOURCE, VAULT]),
        target in prop::sample::select(vec!["us-west-2", "eu-west-1"]),
        reason in "[ab]",
    ) -> Rejected {
        Rejected {
            source_account: account.parse().unwrap(),
            target_region: target.parse().unwrap(),
            reason,
            ..left_out(number, SignedDuration::from_hours(hours * 20))
        }
    }
}

/// An inventory and the same rows in another order.
fn shuffled() -> impl Strategy<Value = (Inventory, Inventory)> {
    let points = prop::collection::vec(any_point(), 0..10);
    let rejected = prop::collection::vec(any_left_out(), 0..6);
    let unknown = prop::sample::subsequence(vec![silent(SOURCE), silent(VAULT)], 0..=2);
    (points, rejected, unknown).prop_flat_map(|(points, rejected, unknown)| {
        let one = Inventory {
            recovery_points: points.clone(),
            rejected: rejected.clone(),
            not_assessed: unknown.clone(),
            ..Inventory::default()
        };
        let other = (
            Just(points).prop_shuffle(),
            Just(rejected).prop_shuffle(),
            Just(unknown).prop_shuffle(),
        );
        (Just(one), other).prop_map(|(one, (recovery_points, rejected, not_assessed))| {
            let other =
                Inventory { recovery_points, rejected, not_assessed, ..Inventory::default() };
            (one, other)
        })
    })
}

proptest! {
    #[test]
    fn the_order_of_the_rows_never_changes_the_report((one, other) in shuffled()) {
        let written = |inventory: Inventory| {
            let report = Report::new(inventory, &policies(), now());
            (render::json(&report).unwrap(), render::csv::families(&report).unwrap(), report.verdict())
        };
        prop_assert_eq!(written(one), written(other));
    }
}
