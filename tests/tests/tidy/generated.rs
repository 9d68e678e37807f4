//! Pages that are made from code. `AMIFERRY_BLESS=1 cargo test -p amiferry-tests --test tidy`
//! writes them anew.

use std::fmt::Write as _;
use std::fs;

use amiferry_core::code::{Code, Kind};
use amiferry_core::event::RejectCode;
use amiferry_service::metrics;

use crate::repository::{read, root};

/// Compares a page with what it should be, or writes it when asked to.
fn check(path: &str, expected: &str) {
    if std::env::var_os("AMIFERRY_BLESS").is_some() {
        fs::write(root().join(path), expected).unwrap();
    }
    assert!(read(path) == expected, "{path} is out of date: run with AMIFERRY_BLESS=1");
}

#[test]
fn the_page_of_reason_codes_is_what_the_code_says() {
    let mut page = String::from(
        "<!-- Made from crates/core/src/code.rs and crates/core/src/event/reject.rs by \
         tests/tests/tidy/generated.rs. -->\n\n\
         # Reason codes\n\n\
         One vocabulary for logs, the metrics' `reason` label, the JSON of every command and \
         `amiferry explain CODE`.\nCodes are never renamed.\n\n\
         ## Of images and recovery points\n",
    );
    for kind in Kind::ALL {
        let meaning = kind.meaning();
        writeln!(page, "\n{meaning}:\n\n| code | it means | what to do |\n|---|---|---|").unwrap();
        for code in Code::ALL.iter().filter(|code| code.kind() == *kind) {
            writeln!(page, "| `{code}` | {} | {} |", code.meaning(), code.remedy()).unwrap();
        }
    }
    page.push_str(
        "\n## Of messages\n\nA message that is refused is logged with one of these, counted, and \
         deleted. It cannot be acted on, and nothing is lost:\nwhat it may have meant is found by \
         the next sweep.\n\n",
    );
    for code in RejectCode::ALL {
        writeln!(page, "- `{code}`").unwrap();
    }
    check("docs/reason-codes.md", &page);
}

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    let mut page = String::from(
        "<!-- Made from crates/service/src/metrics/table.rs by tests/tests/tidy/generated.rs. -->\n\n\
         # Metrics\n\n\
         Each worker serves them at `/metrics`. Times and objectives are exported rather than ages, \
         so that one alert fits every policy\nand a dead exporter cannot freeze an age. \
         [The rules](../deploy/prometheus/README.md) make alerts of them, each with \
         [a page](runbooks/README.md);\n[the dashboards](../dashboards/README.md) show them.\n\n\
         What the target worker says about recovery points is what it last observed in AWS, not \
         what it remembers having done. After a start it shows\nnothing of this until a whole sweep \
         was looked at, so a restart moves no series; when a look fails, the last good values stay \
         and\n`amiferry_inventory_last_success_timestamp_seconds` says how old they are.\n\n\
         Labels come from the configuration and from closed sets, so no image, tag or message can \
         add a series. A family has series of its own if the\npolicy lists it (`families`, or a \
         fixed name). All others share `family=\"_other\"`, which shows the worst time of any of \
         them. Every such\nseries is always there:\n\n\
         | value | it means |\n|---|---|\n\
         | a time | creation of a source image, in seconds since 1970 |\n\
         | 0 | it should be there and is not: no complete recovery point; no image at all where \
         `amiferry_rpo_start_timestamp_seconds` is 0 |\n\
         | NaN | nothing to say: `_other` of a policy whose families are all listed, or a listed \
         family that another source has |\n\n\
         A listed family has eight series for each source, of less than 200 bytes each; all else \
         is about a thousand series. 5,000 listed families of two sources\nmake a scrape of 80,085 \
         series and 15.3 MB, which took a worker 1.6 to 2.0 seconds to write on a core that other \
         work shared. Scrape such a worker\nevery 30 seconds or less often, or list only the \
         families whose absence must be an alert: one that is not listed is judged all the same, in\n\
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
        "\nAn RPO is broken where this gives something, for a family with a recovery point that is \
         too old, for one without any, and for one without\nimages:\n\n\
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
