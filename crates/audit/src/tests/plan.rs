//! What a plan and estimates of costs say.

use amiferry_core::cost::Prices;
use amiferry_core::fleet::Outlook;
use amiferry_core::forecast::breach::FamilyForecast;
use amiferry_core::forecast::{Capacity, Planned, Quota, Step};
use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::pacing::CallRate;
use amiferry_core::retention::Keep;
use amiferry_core::span::Span;
use jiff::SignedDuration;

use super::fixture::*;
use crate::cost::costs;
use crate::freed::{Part, freed};
use crate::inventory::{Inventory, OfFamily, RecoveryPoint, State};
use crate::plan::{Known, Plan};
use crate::render::{self, Look, plan as shown};
use crate::report::Report;

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn vault_id() -> VaultId {
    VaultId { account: vault().account, region: "us-west-2".parse().unwrap() }
}

fn prices() -> Prices {
    serde_json::from_value(serde_json::json!({
        "schema_version": 1, "as_of": "2026-01-01", "currency": "USD", "source": "a test",
        "region": [
            {"name": "us-east-1", "transfer": 0.02, "blocks_read": 0.003},
            {"name": "us-west-2", "objects": {"STANDARD": 0.023}, "snapshots": 0.05,
             "blocks_written": 0.006, "requests": 0.005},
        ],
    }))
    .unwrap()
}

/// One complete image, one that is planned too late, and one that is parked.
fn report() -> Report {
    let sized = |point: RecoveryPoint| RecoveryPoint { size_gb: Some(100), ..point };
    let points = vec![
        sized(RecoveryPoint {
            vault_object: Some(crate::inventory::VaultObject { size: 40 << 30, ..vault_object() }),
            restored_image_id: Some(image_id(0xc)),
            completed_at: Some(now() - hours(2)),
            ..point(1, hours(23), State::Complete)
        }),
        sized(point(2, hours(1), State::InProgress)),
        sized(point(3, hours(2), State::Parked)),
    ];
    let source = SourceId {
        account: points[0].source_account.clone(),
        region: points[0].source_region.clone(),
    };
    let forecast = FamilyForecast {
        breaks_at: Some(now() + hours(1)),
        kept_again_at: Some(now() + hours(3)),
        newest_at: Some(now() + hours(3)),
    };
    let of = OfFamily {
        source,
        family: "shop".to_owned(),
        policy: "daily".to_owned(),
        vault: vault_id(),
        forecast,
    };
    let inventory =
        Inventory { recovery_points: points, forecasts: vec![of], ..Inventory::default() };
    Report::new(inventory, &policies(), now())
}

fn plan() -> Plan {
    let report = report();
    let step =
        |from: i64, to: i64| Some(Step { starts: now() + hours(from), ends: now() + hours(to) });
    let planned = Planned {
        wave: 2,
        store: step(1, 2),
        copy: None,
        restore: step(2, 3),
        finishes: now() + hours(3),
    };
    let mut outlook = Outlook::default();
    outlook.points = vec![(report.recovery_points[2].id(), planned)].into();
    assert_eq!(report.recovery_points[2].source_image_id, image_id(2), "the newest comes last");
    let quota = Quota { limit_gb: 600, calls: CallRate::default() };
    let capacity = Capacity { sources: Vec::new(), copies: 2, restores: quota };
    let vault = vault_id();
    let policies = policies();
    let known = Known {
        vault: &vault,
        outlook: &outlook,
        without: None,
        capacity: &capacity,
        policies: &policies,
    };
    Plan::new(&report, &[known], &prices())
}

/// A text without its line ends.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_plan_says_when_each_image_is_complete_and_by_how_much_it_is_late() {
    let plan = plan();
    assert_eq!(plan.finishes, Some(now() + hours(3)));
    let [image] = &plan.images[..] else { panic!("{plan:#?}") };
    assert_eq!((image.late_seconds, image.wave, image.size_gb), (Some(7_200), 2, Some(100)));
    let [wave] = &plan.waves[..] else { panic!("{plan:#?}") };
    assert_eq!((wave.images, wave.gb, wave.starts), (1, 100, Some(now() + hours(1))));
    let [late] = &plan.late[..] else { panic!("{plan:#?}") };
    assert_eq!(late.kept_again_at, Some(now() + hours(3)));
    let [parked] = &plan.not_planned[..] else { panic!("{plan:#?}") };
    assert_eq!(parked.source_image_id, Some(image_id(3)));
    let table = shown::table(&plan, Look::PLAIN);
    for said in [
        "in 3h 0m",
        "2h 0m",
        "FAMILIES THAT BREAK THEIR RPO",
        "NOT PLANNED",
        "1 image will be complete in 3h 0m",
        "1 family will break its RPO.",
        "EC2's usual rate",
    ] {
        assert!(words(&table).contains(said), "{said} in\n{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let csv = shown::csv(&plan).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.lines().nth(1).unwrap().ends_with(",\"7200\""), "{csv}");
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["images"][0]["restore"]["ends"], (now() + hours(3)).to_string());
}

#[test]
fn an_image_under_way_costs_by_the_share_that_objects_have_of_their_volumes() {
    let plan = plan();
    let [cost] = &plan.cost[..] else { panic!("{plan:#?}") };
    assert_eq!(cost.usage.object_bytes["STANDARD"], 40 << 30);
    // 40 GiB in S3 and 100 GiB of snapshots a month; once 40 GiB of transfer, and 204,800 blocks both
    // read and written.
    assert!((cost.monthly.unwrap() - (40.0 * 0.023 + 5.0)).abs() < 1e-9, "{cost:#?}");
    let once = 40.0 * 0.02 + 204.8 * 0.009 + (640.0 + 8.0) * 0.005 / 1_000.0;
    assert!((cost.once.unwrap() - once).abs() < 1e-9, "{cost:#?}");
    let table = shown::table(&plan, Look::PLAIN);
    assert!(words(&table).contains("5.92 USD a month"), "{table}");
}

#[test]
fn costs_of_a_policy_are_summed_and_what_is_not_known_is_not_zero() {
    let mut report = report();
    let found = costs(&report.recovery_points, &[], &prices(), now());
    let [row] = &found.policies[..] else { panic!("{found:#?}") };
    assert_eq!((row.policy.as_str(), row.usage.snapshot_gb), ("daily", 100));
    assert!(row.total.is_some(), "{row:#?}");
    report.recovery_points[0].size_gb = None;
    let found = costs(&report.recovery_points, &[], &prices(), now());
    assert_eq!((found.policies[0].estimate.snapshots, found.policies[0].total), (None, None));
    let nowhere = Prices { region: Vec::new(), ..prices() };
    let table = shown::costs(&costs(&report.recovery_points, &[], &nowhere, now()), Look::PLAIN);
    assert!(table.contains("not assessed") && table.contains("2026-01-01"), "{table}");
    report.cost = Some(found);
    let json: serde_json::Value = serde_json::from_str(&render::json(&report).unwrap()).unwrap();
    assert_eq!(json["cost"]["policies"][0]["total"], serde_json::Value::Null);
    assert_eq!(json["cost"]["currency"], "USD");
}

#[test]
fn what_retention_would_free_is_what_the_rules_give_up_and_costs_by_the_month() {
    let restored = |number: u32, age| RecoveryPoint {
        vault_object: Some(crate::inventory::VaultObject { size: 40 << 30, ..vault_object() }),
        restored_image_id: Some(image_id(0x100 + number)),
        completed_at: Some(now() - hours(age)),
        size_gb: Some(100),
        ..point(number, hours(age), State::Complete)
    };
    let points: Vec<RecoveryPoint> =
        [(1, 2), (2, 30), (3, 60), (4, 90)].map(|(number, age)| restored(number, age)).into();
    let with = |keep: Option<u32>, keep_ami: Option<u32>| {
        let last = |last| Keep { last, ..Keep::default() };
        let mut policies = policies();
        let policy = policies.0.iter_mut().find(|policy| policy.name.as_str() == "daily").unwrap();
        (policy.keep, policy.keep_ami) = (keep.map(last), keep_ami.map(last));
        let freed = freed(&points, &policies, Span::from_secs(24 * 3_600), now());
        let numbers: Vec<_> =
            freed.iter().map(|(point, part)| (point.source_image_id.clone(), *part)).collect();
        let sum = costs(&points, &freed, &prices(), now()).policies[0].freed.unwrap();
        (numbers, sum)
    };
    let (object, snapshots) = (40.0 * 0.023, 5.0);
    let is = |sum: f64, expected: f64| assert!((sum - expected).abs() < 1e-9, "{sum}, {expected}");
    let (none, sum) = with(None, None);
    assert!(none.is_empty());
    is(sum, 0.0);
    let (freed, sum) = with(Some(2), Some(1));
    let whole = [3, 4].map(|number| (image_id(number), Part::Whole));
    assert_eq!(freed, [&[(image_id(2), Part::Image)][..], &whole].concat());
    is(sum, 2.0 * object + 3.0 * snapshots);
}
