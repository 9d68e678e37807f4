//! Pages that are generated from code. `AMIFERRY_BLESS=1 cargo test -p amiferry-tests --test tidy`
//! rewrites them.

use std::fmt::Write as _;

use amiferry_core::code::{Code, Kind};
use amiferry_core::event::RejectCode;
use amiferry_service::metrics;

use crate::check::check;

#[test]
fn the_page_of_reason_codes_is_what_the_code_says() {
    let mut page = String::from(
        "<!-- Made from crates/core/src/code.rs and crates/core/src/event/reject.rs by \
         tests/tests/tidy/generated.rs. -->\n\n\
         # Reason codes\n\n\
         Logs, the metrics' `reason` label, the JSON of every command and `amiferry explain CODE` \
         share these codes.\nCodes are never renamed.\n\n\
         ## Of images and recovery points\n",
    );
    for kind in Kind::ALL {
        let meaning = kind.meaning();
        writeln!(page, "\n{meaning}:\n\n| code | meaning | what to do |\n|---|---|---|").unwrap();
        for code in Code::ALL.iter().filter(|code| code.kind() == *kind) {
            writeln!(page, "| `{code}` | {} | {} |", code.meaning(), code.remedy()).unwrap();
        }
    }
    page.push_str(
        "\n## Of messages\n\nA worker logs a refused message with one of these codes, counts it, and \
         deletes it. Nothing is lost: the next sweep\nfinds whatever the message may have meant.\n\n\
         | code | meaning | what to do |\n|---|---|---|\n",
    );
    for code in RejectCode::ALL {
        writeln!(page, "| `{code}` | {} | {} |", code.meaning(), code.remedy()).unwrap();
    }
    check("docs/reason-codes.md", &page);
}

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    let mut page = String::from(
        "<!-- Made from crates/service/src/metrics/table.rs by tests/tests/tidy/generated.rs. -->\n\n\
         # Metrics\n\n\
         Each worker serves them at `/metrics`. They export times and objectives rather than ages, \
         so that one alert fits every policy\nand a dead exporter cannot freeze an age. \
         [The rules](../deploy/prometheus/README.md) turn them into alerts, each with \
         [a runbook](runbooks/README.md);\n[the dashboards](../dashboards/README.md) show them.\n\n\
         The target worker's metrics about recovery points show what it last observed in AWS, not \
         what it remembers having done. After a start they appear\nonly when it has looked at \
         everything that a sweep found, so a restart changes no series. When a look fails, the last \
         good values stay,\nand `amiferry_inventory_last_success_timestamp_seconds` says how old \
         they are.\n\n\
         Labels come from the configuration and from closed sets, so no image, tag or message can \
         add a series. A family has its own series if the\npolicy lists it (`families`, or a \
         fixed name). All other families share `family=\"_other\"`, which shows the worst time of \
         any of them. Each of these\nseries always exists:\n\n\
         | value | meaning |\n|---|---|\n\
         | a time | creation of a source image, in seconds since 1970 |\n\
         | 0 | it should exist but does not: no complete recovery point, or, if \
         `amiferry_rpo_start_timestamp_seconds` is 0, no image at all |\n\
         | NaN | nothing to say: `_other` of a policy whose families are all listed, or a listed \
         family that another source has, or that is retired |\n\n\
         A listed family has ten series for each source, of less than 200 bytes each; everything \
         else is about a thousand series. 5,000 listed families of two sources\nmake a scrape of \
         about 100,000 series and 19 MB. With eight series a family it took a worker 1.6 to 2.0 seconds to write on a shared \
         core. Scrape such a worker every 30 seconds or\nless often, or list only the families \
         whose absence must raise an alert: families that are not listed still count in \
         `amiferry_families`.\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in metrics::ALL {
        let kind = match metric.kind {
            metrics::Kind::Counter => "counter",
            metrics::Kind::Gauge => "gauge",
            metrics::Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, labels, help) = (metric.name, labels.join(", "), metric.help);
        writeln!(page, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    page.push_str(
        "\nAn RPO is broken where this query returns a series: for a family whose recovery point is \
         too old, for one without a recovery point, and for one\nwithout images:\n\n\
         ```promql\n\
         time() - amiferry_rpo_start_timestamp_seconds\n  \
         > on (policy, target_region) group_left () amiferry_policy_rpo_seconds\n\
         ```\n",
    );
    check("docs/metrics.md", &page);
}

#[test]
fn the_prometheus_rule_of_kubernetes_is_that_of_prometheus() {
    check("deploy/prometheus/prometheusrule.yaml", &crate::alerts::prometheus_rule());
}
