//! Thousands of families in the configuration of a real worker under a real Prometheus: each has
//! its series and its alert, and the size of a scrape depends on the configuration alone.

use crate::prometheus::{Prometheus, brisk};
use crate::support::{Role, Simulator, scrape, wait};
use crate::tools::root;

/// Families that a policy lists and that no image belongs to.
const FAMILIES: usize = 2_000;

/// Series of a listed family of one source.
const SERIES: usize = 10;

/// Most series of a worker other than those of listed families.
const OTHER_SERIES: usize = 1_500;

#[test]
fn prometheus_takes_thousands_of_families_and_misses_each_that_has_no_image() {
    let Some(simulator) = Simulator::start() else { return };
    let Some(prometheus) =
        Prometheus::start(&brisk(&root().join("deploy/prometheus/amiferry.rules.yml")))
    else {
        return;
    };
    let names: Vec<String> = (0..FAMILIES).map(|number| format!("\"team-{number}\"")).collect();
    let listed = format!("name = \"gold\"\nfamilies = [{}]\n", names.join(", "));
    let config = simulator.changed_config("many.toml", &[("name = \"gold\"\n", &listed)]);
    let worker = simulator.worker(Role::Target, &config);
    let address = scrape::address(&worker);
    prometheus.scrape(&[("amiferry-target", &address)]);

    let until = |expression: &str| {
        wait::until(expression, || prometheus.query(expression).first().map(|s| s.value))
    };
    let missing = "count(amiferry_rpo_start_timestamp_seconds{policy=\"gold\"} == 0)";
    until(&format!("{missing} == {FAMILIES}"));
    let alerts = "count(ALERTS{alertname=\"AmiferryRecoveryPointMissing\", alertstate=\"firing\"})";
    until(&format!("{alerts} == {FAMILIES}"));
    until("up == 1");
    let most = FAMILIES * SERIES + OTHER_SERIES;
    until(&format!("max_over_time(scrape_samples_scraped[1m]) <= {most}"));
    for rule in prometheus.rules() {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
    assert_eq!(worker.terminate().status, 0);
}
