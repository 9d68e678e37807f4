//! Workloads that end: families that the configuration retires, and images that no policy selects any
//! more.

use std::collections::BTreeSet;

use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::policy::{Policies, Retired};

use super::fixture::*;
use crate::family::RpoState;
use crate::inventory::{Inventory, RecoveryPoint, SourceOfVault, State};
use crate::render::Look;
use crate::render::outcome::outcome;
use crate::render::tables;
use crate::report::{Report, Verdict};

fn retired(keys: serde_json::Value) -> Policies {
    let mut text = serde_json::json!({"family": "shop", "since": "2026-01-10", "reason": "closed"});
    text.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let entry: Retired = serde_json::from_value(text).unwrap();
    Policies(policies().0, vec![entry])
}

fn days(days: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(24 * days)
}

fn report(policies: &Policies, points: Vec<RecoveryPoint>) -> Report {
    let inventory = Inventory { recovery_points: points, ..inventory([seen(image(9))]) };
    Report::new(Inventory { rejected: Vec::new(), ..inventory }, policies, now())
}

#[test]
fn a_retired_family_breaks_nothing_and_is_listed_with_its_reason_and_its_points() {
    let points = || vec![point(1, days(30), State::Complete)];
    assert_eq!(report(&policies(), points()).verdict(), Verdict::Breached);
    let report = report(&retired(serde_json::json!({})), points());
    let family = &report.families[0];
    assert_eq!((family.state, family.margin_seconds), (RpoState::Retired, None));
    let retired = family.retired.as_ref().unwrap();
    assert_eq!((retired.reason.as_str(), retired.younger_images), ("closed", 0));
    assert_eq!(report.recovery_points.len(), 1, "its points are kept");
    assert_eq!(report.verdict(), Verdict::Nothing, "nothing is promised any more");
    let table = tables::retired(&report, Look::PLAIN);
    assert!(table.contains("2026-01-10") && table.contains("closed"), "{table}");
    let outcome = outcome(&report, Look::PLAIN);
    assert!(!outcome.contains("over its RPO"), "{outcome}");
    assert!(outcome.contains("The only family here is retired"), "{outcome}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["families"][0]["state"], "retired");
    assert_eq!(json["families"][0]["retired"]["reason"], "closed");
}

#[test]
fn what_a_retired_family_has_is_still_reported_as_lost() {
    let lost = vec![point(1, days(30), State::Lost)];
    assert_eq!(report(&retired(serde_json::json!({})), lost).verdict(), Verdict::Lost);
}

#[test]
fn a_policy_that_is_gone_is_no_doubt_where_its_family_is_retired() {
    let orphan =
        || vec![RecoveryPoint { policy: "gone".to_owned(), ..point(1, days(30), State::Complete) }];
    assert_eq!(report(&policies(), orphan()).families[0].state, RpoState::NotAssessed);
    let keys = serde_json::json!({"policy": "gone"});
    assert_eq!(report(&retired(keys), orphan()).families[0].state, RpoState::Retired);
    let other = serde_json::json!({"policy": "daily"});
    assert_eq!(report(&retired(other), orphan()).families[0].state, RpoState::NotAssessed);
}

#[test]
fn a_retired_family_that_still_gets_images_is_told() {
    let report = report(&retired(serde_json::json!({})), vec![point(1, days(1), State::Complete)]);
    assert_eq!(report.families[0].retired.as_ref().unwrap().younger_images, 1);
    let outcome = outcome(&report, Look::PLAIN);
    assert!(
        outcome.contains("the retired family shop in us-west-2 still gets images"),
        "{outcome}"
    );
}

#[test]
fn an_entry_that_retires_nothing_is_told_unless_something_is_unknown() {
    let mut wrong = retired(serde_json::json!({"family": "shpo"}));
    wrong.0.retain(|policy| policy.name.as_str() == "daily");
    let source = SourceId { account: image(1).owner, region: "us-east-1".parse().unwrap() };
    let vault = VaultId { account: vault().account, region: "us-west-2".parse().unwrap() };
    let asked = |places| Inventory {
        recovery_points: vec![point(1, days(1), State::Complete)],
        places,
        ..Inventory::default()
    };
    let nothing = Report::new(asked(BTreeSet::new()), &wrong, now());
    assert!(nothing.retired_unknown.is_empty(), "nothing was asked yet");
    let found = Report::new(asked([SourceOfVault { source, vault }].into()), &wrong, now());
    assert_eq!(found.retired_unknown, ["shpo"]);
    let outcome = outcome(&found, Look::PLAIN);
    assert!(outcome.contains("the retired family shpo is not there"), "{outcome}");
}

#[test]
fn images_that_no_policy_selects_any_more_are_counted_unless_their_family_is_retired() {
    let taken_out =
        || vec![RecoveryPoint { no_policy: true, ..point(1, days(1), State::Complete) }];
    let told = outcome(&report(&policies(), taken_out()), Look::PLAIN);
    assert!(
        told.contains("1 image that no policy selects any more has a recovery point"),
        "{told}"
    );
    let told = outcome(&report(&retired(serde_json::json!({})), taken_out()), Look::PLAIN);
    assert!(!told.contains("no policy selects"), "{told}");
}
