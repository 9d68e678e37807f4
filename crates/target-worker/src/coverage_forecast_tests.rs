//! The metrics of forecasts, of retired families and of costs.

use amiferry_audit::inventory::{Inventory, VaultBucket};
use amiferry_core::fleet::{Ask, Stores};

use super::*;

/// The forecast that goes with a fleet.
pub(super) fn outlook(config: &Config, fleet: &Fleet, now: Timestamp) -> Outlook {
    let ask = Ask {
        policies: &config.policies,
        sources: &sources(),
        capacity: &crate::assemble::capacity(config, &config.vaults[0]),
        stores: &Stores::default(),
        what_if: &[],
    };
    fleet.outlook(ask, now)
}

#[test]
fn a_breach_is_told_before_it_happens_and_only_where_a_newer_image_comes_too_late() {
    let fleet = whole([
        point("shop", 3, Progress::Complete),
        point("shop", 1, Progress::Parked),
        point("ledger", 3, Progress::Complete),
        point("other", 5, Progress::Parked),
        point("another", 9, Progress::InProgress),
    ]);
    let page = page(&[(&fleet, now())]);
    let eta = |family: &str| family_value(&page, "rpo_breach_eta_seconds", family);
    assert_eq!(eta("shop"), seconds(hours_ago(3 - 24)), "its newest waits for a person");
    assert!(eta("ledger").is_nan(), "no newer image is there");
    assert_eq!(eta("_other"), seconds(hours_ago(9 - 24)), "the soonest of all others");
    let there = value(&page, "amiferry_rpo_breach_eta_seconds", &["family=\"shop\"", THERE]);
    assert!(there.is_nan());
}

#[test]
fn a_retired_family_raises_no_alert_and_is_still_counted() {
    let text = format!(
        "{CONFIG}\n[[retired]]\nfamily = \"ledger\"\nsince = \"2026-01-01\"\nreason = \"closed\"\n\
         [[retired]]\nfamily = \"old\"\npolicy = \"app\"\nsince = \"2026-01-01\"\nreason = \"closed\"\n\
         [[retired]]\nfamily = \"shop\"\nsince = \"2026-02-01\"\nreason = \"not yet\"\n"
    );
    let config = Config::parse(&text, "test", &BTreeMap::new()).unwrap();
    let fleet = whole([
        point("shop", 3, Progress::Complete),
        point("old", 900, Progress::Complete),
        point("old", 800, Progress::Parked),
    ]);
    let page = page_of(&config, &[(&fleet, now())]);
    for name in [
        "recovery_point_timestamp_seconds",
        "rpo_start_timestamp_seconds",
        "rpo_breach_eta_seconds",
    ] {
        assert!(family_value(&page, name, "ledger").is_nan(), "{name}");
        assert!(family_value(&page, name, "_other").is_nan(), "{name}");
    }
    assert_eq!(family_value(&page, "rpo_start_timestamp_seconds", "shop"), seconds(hours_ago(3)));
    let families = |state: &str| {
        let state = format!("state=\"{state}\"");
        value(&page, "amiferry_families", &["policy=\"app\"", HERE, &state])
    };
    assert_eq!(families("retired"), 2.0, "one that has no image, and one that is not listed");
    assert_eq!((families("within_rpo"), families("unprotected")), (1.0, 0.0));
    assert_eq!(value(&page, "amiferry_images_unprotected", &["policy=\"app\"", HERE]), 0.0);
    let labels = ["policy=\"app\"", "family=\"_other\"", HERE, "state=\"complete\""];
    assert_eq!(value(&page, "amiferry_recovery_points", &labels), 1.0, "what it has is counted");
}

#[test]
fn costs_are_series_of_the_configuration_and_nan_where_a_price_is_missing() {
    let config = config();
    let vault = config.vaults[0].id();
    let costs = |prices: &Prices| {
        let (recorder, exporter) = Exporter::build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            export_costs(&[], &config.policies, prices, &vault);
        });
        exporter.render()
    };
    let page = costs(&config.prices);
    let labels = ["policy=\"app\"", "part=\"objects\"", "currency=\"USD\""];
    assert_eq!(value(&page, "amiferry_monthly_cost_estimate", &labels), 0.0, "it has nothing");
    // Two policies and what is under others, five parts each.
    let lines = page.lines().filter(|line| line.starts_with("amiferry_monthly_cost_estimate{"));
    assert_eq!(lines.count(), 15, "{page}");
    let freed = ["policy=\"app\"", "currency=\"USD\""];
    assert_eq!(value(&page, "amiferry_monthly_cost_freed_estimate", &freed), 0.0);
}

#[test]
fn costs_of_one_source_after_another_are_those_of_all_at_once() {
    let config = config();
    let mut fleet = fleet();
    let [first, second] = sources();
    for number in 0..40 {
        let source = if number % 3 == 0 { &second } else { &first };
        let id = RecoveryPointId { source_account: source.account.clone(), ..id(number) };
        let policy = ["app", "all", "gone"][number % 3];
        let family = format!("family-{}", number % 4);
        let hours = i64::try_from(number).unwrap();
        fleet.met(&Place::Source(source.clone()), &id);
        put(&mut fleet, id, Point { policy, family, hours, progress: Progress::Complete }, now());
    }
    let bucket = VaultBucket { bucket: "vault".parse().unwrap(), prefix: "amiferry".to_owned() };
    let policies = (&config.policies, config.prune.floor);
    let costs_of = |points: &mut [RecoveryPoint]| costs_of(points, policies, &config.prices, now());
    let (mut pieces, mut sources) = (Vec::new(), 0);
    Inventory::for_each_source(&fleet, &bucket, |points| {
        sources += usize::from(!points.is_empty());
        pieces.extend(costs_of(points));
    });
    assert_eq!(sources, 2);
    let outlook = Outlook::default();
    let mut whole = Inventory::of(&fleet, &outlook, &config.vaults[0].id(), &bucket);
    assert_eq!(whole.recovery_points.len(), 40);
    let whole = costs_of(&mut whole.recovery_points);
    for policy in ["app", "all", UNNAMED] {
        let objects = |costs: &[PolicyCost]| -> f64 {
            let of_it = costs.iter().filter(|cost| cost.policy == policy);
            of_it.map(|cost| cost.total.unwrap()).sum()
        };
        let (pieces, whole) = (objects(&pieces), objects(&whole));
        assert!(whole > 0.0 && (pieces - whole).abs() < 1e-12, "{policy}: {pieces} {whole}");
    }
}
