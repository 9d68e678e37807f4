//! The metrics of a fleet: bounded by the configuration, the same after a restart, and never absent
//! where something is missing.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::eligibility::LeftOut;
use amiferry_core::decide::vault::{Judged, Loss, LossKind, Observed, Promised};
use amiferry_core::fleet::Place;
use amiferry_core::model::{
    DeregistrationProtection, Image, ImageState, LaunchRules, ObjectVersion, RootDeviceType,
    StoredObject, Virtualization,
};
use amiferry_core::names::RecoveryPointId;
use amiferry_core::policy::Tier;
use amiferry_service::config::Config;
use amiferry_service::metrics::Exporter;
use jiff::SignedDuration;

use super::*;

#[path = "coverage_forecast_tests.rs"]
mod forecasts;
#[path = "coverage_size_tests.rs"]
mod size;

/// Two sources; `app` with two listed families among those of a tag, `all` with a fixed one.
const CONFIG: &str = r#"
[[source]]
account = "111111111111"
region = "us-east-1"
queue_url = "https://sqs.us-east-1.amazonaws.com/111111111111/q"
staging_bucket = "staging-one"
read_role_arn = "arn:aws:iam::111111111111:role/read"

[[source]]
account = "333333333333"
region = "us-east-1"
queue_url = "https://sqs.us-east-1.amazonaws.com/333333333333/q"
staging_bucket = "staging-two"
read_role_arn = "arn:aws:iam::333333333333:role/read"

[[vault]]
account = "222222222222"
region = "us-west-2"
queue_url = "https://sqs.us-west-2.amazonaws.com/222222222222/q"
bucket = "vault"
key_arn = "arn:aws:kms:us-west-2:222222222222:key/11111111-2222-3333-4444-555555555555"

[[policy]]
name = "app"
select = { names = ["app-*"] }
family = { tag = "app" }
families = ["shop", "ledger"]
target_regions = ["us-west-2"]
rpo = "24h"

[[policy]]
name = "all"
select = { names = ["*"] }
family = { fixed = "rest" }
target_regions = ["us-west-2"]
rpo = "7d"
"#;

fn config() -> Config {
    Config::parse(CONFIG, "test", &BTreeMap::new()).unwrap()
}

fn now() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn id(number: usize) -> RecoveryPointId {
    RecoveryPointId {
        source_account: "111111111111".parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: format!("ami-{number:08x}").parse().unwrap(),
        target_account: "222222222222".parse().unwrap(),
        target_region: "us-west-2".parse().unwrap(),
    }
}

/// An image: policy, family, hours since its creation, and how far it is.
#[derive(Debug, Clone)]
struct Point {
    policy: &'static str,
    family: String,
    hours: i64,
    progress: Progress,
}

/// An image of `app` that was created so many hours ago.
fn point(family: &str, hours: i64, progress: Progress) -> Point {
    Point { policy: "app", family: family.to_owned(), hours, progress }
}

fn sources() -> [SourceId; 2] {
    ["111111111111", "333333333333"].map(|account| SourceId {
        account: account.parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
    })
}

fn fleet() -> Fleet {
    Fleet::new(sources())
}

/// Whole walks over every place, of which the first source has these.
fn walk(fleet: &mut Fleet, began: Timestamp, met: &[RecoveryPointId]) {
    let [first, second] = sources().map(Place::Source);
    for place in [Place::Vault, second, first.clone()] {
        fleet.walk_began(&place, began);
        if place == first {
            for id in met {
                fleet.met(&place, id);
            }
        }
        fleet.walked(&place);
    }
}

/// A look at a time that comes to this.
fn put(fleet: &mut Fleet, id: RecoveryPointId, point: Point, at: Timestamp) {
    let Point { policy, family, hours, progress } = point;
    let object = StoredObject {
        at: ObjectVersion {
            bucket: "vault".parse().unwrap(),
            key: "image.bin".parse().unwrap(),
            version: None,
        },
        etag: String::new(),
        size: 1_000,
        checksum: None,
        metadata: BTreeMap::new(),
        content_type: None,
        key: None,
        retention: None,
        last_modified: None,
        class: None,
        archived: None,
    };
    let mut observed = Observed::source_only(id, image(hours_ago(hours)));
    observed.object = (progress == Progress::Complete).then_some(object);
    let detail = String::new();
    let until = now();
    let left_out = LeftOut { code: Code::Paravirtual, detail: String::new() };
    let created = hours_ago(hours);
    let judged = Judged {
        terms: None,
        promised: Some(Promised {
            policy: policy.to_owned(),
            family,
            tier: Tier::Archive,
            created,
        }),
        left_out: (progress == Progress::LeftOut).then_some(left_out),
        decision: match progress {
            Progress::Complete => Decision::Done(Code::Complete),
            Progress::InProgress => Decision::Wait { until, code: Code::NotStaged, detail },
            Progress::Parked => Decision::Park { until, code: Code::KeyUnusable, detail },
            Progress::Lost | Progress::Tampered | Progress::Unusable => {
                Decision::Park { until, code: Code::ObjectLost, detail }
            }
            Progress::LeftOut => Decision::Ineligible { code: Code::Paravirtual, detail },
        },
        loss: match progress {
            Progress::Lost => Some(LossKind::Lost),
            Progress::Tampered => Some(LossKind::Tampered),
            Progress::Unusable => Some(LossKind::Unusable),
            _ => None,
        }
        .map(|kind| Loss { kind, code: Code::ObjectLost, detail: String::new() }),
        finding: None,
    };
    fleet.observed(&observed, &judged, at);
}

fn image(created: Timestamp) -> Image {
    Image {
        id: "ami-00000001".parse().unwrap(),
        owner: "111111111111".parse().unwrap(),
        name: "app-1".to_owned(),
        description: String::new(),
        state: ImageState::Available,
        state_reason: None,
        created,
        architecture: "x86_64".to_owned(),
        virtualization: Virtualization::Hvm,
        root_device_type: RootDeviceType::Ebs,
        root_device_name: None,
        boot_mode: None,
        ena_support: true,
        sriov_net_support: None,
        imds_support: None,
        tpm_support: None,
        platform: None,
        platform_details: Some("Linux/UNIX".to_owned()),
        usage_operation: Some("RunInstances".to_owned()),
        product_codes: Default::default(),
        launch_rules: LaunchRules::default(),
        devices: Vec::new(),
        tags: BTreeMap::new(),
        public: false,
        source_image: None,
        source_instance: None,
        deregistration_protection: DeregistrationProtection::Disabled,
    }
}

/// A fleet of these points, walked and looked at whole.
fn whole(points: impl IntoIterator<Item = Point>) -> Fleet {
    let mut fleet = fleet();
    let points: Vec<Point> = points.into_iter().collect();
    let met: Vec<RecoveryPointId> = (0..points.len()).map(id).collect();
    walk(&mut fleet, hours_ago(1), &met);
    for (number, point) in points.into_iter().enumerate() {
        put(&mut fleet, id(number), point, now());
    }
    fleet
}

/// The series of one process that exports these inventories one after the other.
fn page(fleets: &[(&Fleet, Timestamp)]) -> String {
    page_of(&config(), fleets)
}

fn page_of(config: &Config, fleets: &[(&Fleet, Timestamp)]) -> String {
    let vault = config.vaults[0].id();
    let (recorder, exporter) = Exporter::build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        let mut shown = ShownFamilies::default();
        for (fleet, now) in fleets {
            let sources = sources();
            let outlook = forecasts::outlook(config, fleet, *now);
            let scope = Scope {
                policies: &config.policies,
                sources: &sources,
                vault: &vault,
                outlook: &outlook,
            };
            export(&mut shown, fleet, scope, *now);
        }
    });
    let series = |line: &&str| line.starts_with("amiferry_");
    let page = exporter.render();
    // Their order is no promise of the exporter.
    let lines: BTreeSet<&str> = page.lines().filter(series).collect();
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

/// The value of the one series of this name with all of these labels.
fn value(page: &str, name: &str, labels: &[&str]) -> f64 {
    let meant = |line: &&str| {
        line.split('{').next() == Some(name) && labels.iter().all(|label| line.contains(label))
    };
    let found: Vec<&str> = page.lines().filter(meant).collect();
    assert_eq!(found.len(), 1, "{name} with {labels:?} in\n{page}");
    found[0].rsplit(' ').next().unwrap().parse().unwrap()
}

const HERE: &str = "source_account=\"111111111111\"";
const THERE: &str = "source_account=\"333333333333\"";

fn family_value(page: &str, name: &str, family: &str) -> f64 {
    let name = format!("amiferry_{name}");
    value(page, &name, &["policy=\"app\"", &format!("family=\"{family}\""), HERE])
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

/// A family's name that tries to break a scraper.
fn hostile(number: usize) -> String {
    match number % 5 {
        0 => format!("\"}} 1\namiferry_up{{x=\"{number}"),
        1 => format!("\u{202e}{number}\u{0}\r\n"),
        2 => format!("{}{number}", "x".repeat(250)),
        3 => format!("_other{number}"),
        _ => format!("ami-{number:017x}"),
    }
}

#[test]
fn ten_thousand_hostile_families_add_no_series() {
    let few = page(&[(&whole([point("x", 1, Progress::Complete)]), now())]);
    let many = (0..10_000).map(|number| point(&hostile(number), 1, Progress::InProgress));
    let many = page(&[(&whole(many), now())]);
    assert_eq!(few.lines().count(), many.lines().count());
    assert!(few.lines().count() < 190, "{few}");
    let names = |page: &str| -> Vec<String> {
        page.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    assert_eq!(names(&few), names(&many));
    let labels = ["policy=\"app\"", HERE, "state=\"pending\""];
    assert_eq!(value(&many, "amiferry_families", &labels), 10_000.0);
    let labels = ["policy=\"app\"", "family=\"_other\"", HERE, "state=\"in_progress\""];
    assert_eq!(value(&many, "amiferry_recovery_points", &labels), 10_000.0);
}

#[test]
fn a_listed_family_without_any_image_is_a_series_of_zero_and_an_unprotected_family() {
    let page = page(&[(&whole([point("shop", 3, Progress::Complete)]), now())]);
    for name in [
        "recovery_point_timestamp_seconds",
        "recovery_point_stored_timestamp_seconds",
        "rpo_start_timestamp_seconds",
    ] {
        assert_eq!(family_value(&page, name, "shop"), seconds(hours_ago(3)), "{name}");
        assert_eq!(family_value(&page, name, "ledger"), 0.0, "{name}");
        assert!(family_value(&page, name, "_other").is_nan(), "{name}");
        // The other source need not have what this one has.
        let name = format!("amiferry_{name}");
        assert!(value(&page, &name, &["family=\"shop\"", THERE]).is_nan(), "{name}");
        assert_eq!(value(&page, &name, &["family=\"ledger\"", THERE]), 0.0, "{name}");
        assert_eq!(value(&page, &name, &["family=\"rest\"", HERE]), 0.0, "{name}");
    }
    let families = |state: &str| {
        let state = format!("state=\"{state}\"");
        value(&page, "amiferry_families", &["policy=\"app\"", HERE, &state])
    };
    assert_eq!((families("within_rpo"), families("unprotected")), (1.0, 1.0));
}

#[test]
fn a_family_without_a_complete_recovery_point_is_measured_by_its_oldest_image() {
    let points = [
        point("shop", 30, Progress::Parked),
        point("shop", 2, Progress::InProgress),
        point("ledger", 5, Progress::LeftOut),
    ];
    let page = page(&[(&whole(points), now())]);
    let at = |name, family| family_value(&page, name, family);
    assert_eq!(at("recovery_point_timestamp_seconds", "shop"), 0.0);
    assert_eq!(at("rpo_start_timestamp_seconds", "shop"), seconds(hours_ago(30)));
    assert_eq!(at("rpo_start_timestamp_seconds", "ledger"), seconds(hours_ago(5)));
    for (state, families) in [("unprotected", 1.0), ("pending", 1.0), ("within_rpo", 0.0)] {
        let state = format!("state=\"{state}\"");
        let labels = ["policy=\"app\"", HERE, &state];
        assert_eq!(value(&page, "amiferry_families", &labels), families, "{state}");
    }
    let labels = ["policy=\"app\"", HERE];
    assert_eq!(value(&page, "amiferry_images_unprotected", &labels), 3.0);
}

#[test]
fn families_that_are_not_listed_show_the_worst_of_them() {
    let points = [
        point("a", 1, Progress::Complete),
        point("b", 20, Progress::Complete),
        point("b", 2, Progress::InProgress),
        point("c", 10, Progress::Complete),
    ];
    let page = page(&[(&whole(points), now())]);
    let worst = family_value(&page, "recovery_point_timestamp_seconds", "_other");
    assert_eq!(worst, seconds(hours_ago(20)));
    assert_eq!(family_value(&page, "vault_object_bytes", "_other"), 3_000.0);
    for (state, count) in [("complete", 3.0), ("in_progress", 1.0), ("parked", 0.0)] {
        let state = format!("state=\"{state}\"");
        let labels = ["policy=\"app\"", "family=\"_other\"", HERE, &state];
        assert_eq!(value(&page, "amiferry_recovery_points", &labels), count, "{state}");
    }
}

#[test]
fn a_family_that_goes_away_leaves_no_series_that_would_grow_old() {
    let before = whole([point("a", 1, Progress::Complete), point("shop", 1, Progress::Complete)]);
    let after = whole([]);
    let page = page(&[(&before, now()), (&after, now())]);
    assert!(family_value(&page, "rpo_start_timestamp_seconds", "_other").is_nan());
    assert_eq!(family_value(&page, "rpo_start_timestamp_seconds", "shop"), 0.0);
}

#[test]
fn nothing_is_shown_before_everything_was_looked_at() {
    let mut restarted = fleet();
    assert_eq!(page(&[(&restarted, now())]), "");
    // An event is faster than the first sweep.
    put(&mut restarted, id(1), point("shop", 3, Progress::Complete), now());
    assert_eq!(page(&[(&restarted, now())]), "");
    walk(&mut restarted, hours_ago(1), &[id(1), id(2)]);
    assert_eq!(page(&[(&restarted, now())]), "");
    put(&mut restarted, id(2), point("shop", 4, Progress::Complete), now());
    let shown = page(&[(&restarted, now())]);
    assert!(!shown.is_empty());
    let unbroken =
        whole([point("shop", 3, Progress::Complete), point("shop", 4, Progress::Complete)]);
    assert_eq!(shown, page(&[(&unbroken, now())]), "as without the restart");
}

#[test]
fn a_recovery_point_that_cannot_be_looked_at_hides_nothing_is_counted_and_makes_nothing_old() {
    let success = "amiferry_inventory_last_success_timestamp_seconds";
    let failing = "amiferry_inventory_not_assessed";
    let mut fleet = fleet();
    walk(&mut fleet, hours_ago(2), &[id(1), id(2)]);
    put(&mut fleet, id(1), point("shop", 3, Progress::Complete), hours_ago(1));
    fleet.unobserved(&id(2), "denied", None);
    let shown = page(&[(&fleet, now())]);
    assert_eq!(value(&shown, success, &[]), seconds(hours_ago(2)), "the walk is the oldest");
    assert_eq!(value(&shown, failing, &[]), 1.0);
    let newest = |shown: &str| family_value(shown, "recovery_point_timestamp_seconds", "shop");
    assert_eq!(newest(&shown), seconds(hours_ago(3)));
    // It was observed once, and fails from then on.
    put(&mut fleet, id(2), point("shop", 2, Progress::Complete), hours_ago(1));
    fleet.unobserved(&id(2), "denied", None);
    put(&mut fleet, id(1), point("shop", 3, Progress::Complete), now());
    walk(&mut fleet, hours_ago(0), &[id(1), id(2)]);
    let shown = page(&[(&fleet, now())]);
    assert_eq!(value(&shown, success, &[]), seconds(hours_ago(0)));
    assert_eq!(value(&shown, failing, &[]), 1.0);
    assert_eq!(newest(&shown), seconds(hours_ago(2)), "the last good value");
}

#[test]
fn families_grow_old_while_no_new_inventory_can_be_taken() {
    let fleet = whole([point("shop", 3, Progress::Complete)]);
    let later = now() + SignedDuration::from_hours(22);
    let page = page(&[(&fleet, now()), (&fleet, later)]);
    let labels = ["policy=\"app\"", HERE, "state=\"breached\""];
    assert_eq!(value(&page, "amiferry_families", &labels), 1.0);
}

#[test]
fn what_is_not_configured_any_more_is_counted_as_not_assessed_under_no_name_of_its_own() {
    let mut bygone = point("old", 3, Progress::Complete);
    bygone.policy = "bygone";
    let mut fleet = whole([bygone]);
    let mut elsewhere = id(7);
    elsewhere.source_account = "999999999999".parse().unwrap();
    put(&mut fleet, elsewhere, point("shop", 3, Progress::Complete), now());
    let page = page(&[(&fleet, now())]);
    assert!(!page.contains("bygone") && !page.contains("999999999999"), "{page}");
    let labels = ["policy=\"_other\"", "state=\"not_assessed\""];
    assert_eq!(value(&page, "amiferry_families", &labels), 2.0);
}

#[test]
fn a_policy_has_series_for_the_sources_it_speaks_about_and_the_vaults_it_covers() {
    let mut narrow = config();
    narrow.policies.0[0].accounts = vec!["333333333333".parse().unwrap()];
    narrow.policies.0[1].target_regions.clear();
    narrow.policies.0[1].vaults = vec!["444444444444/us-west-2".parse().unwrap()];
    let page = page_of(&narrow, &[(&whole([point("shop", 3, Progress::Complete)]), now())]);
    let of = |labels: &[&str]| {
        page.lines().filter(|line| labels.iter().all(|label| line.contains(label))).count()
    };
    assert_eq!(of(&["policy=\"app\"", HERE]), 0, "{page}");
    assert_eq!(of(&["policy=\"all\""]), 0, "{page}");
    // What a source has of it is no longer promised.
    let labels = ["policy=\"_other\"", "state=\"not_assessed\""];
    assert_eq!(value(&page, "amiferry_families", &labels), 1.0);
    let labels = ["policy=\"app\"", "family=\"shop\"", THERE];
    assert_eq!(value(&page, "amiferry_recovery_point_timestamp_seconds", &labels), 0.0);
}

#[test]
fn a_clock_that_jumps_back_makes_no_family_late_unless_its_image_is_of_the_future_then() {
    let fleet = whole([point("shop", 3, Progress::Complete)]);
    for (hours, state) in [(4, "within_rpo"), (10_000, "unprotected")] {
        let page = page(&[(&fleet, hours_ago(hours))]);
        let labels =
            ["policy=\"app\"", "source_account=\"111111111111\"", &format!("state=\"{state}\"")];
        assert!(value(&page, "amiferry_families", &labels) >= 1.0, "{hours}");
    }
}
