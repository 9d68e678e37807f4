//! Pages that are made from code. `AMIFERRY_BLESS=1 cargo test -p amiferry-tests --test tidy`
//! writes them anew.

use std::fmt::Write as _;
use std::fs;

use amiferry_core::code::Code;
use amiferry_core::event::RejectCode;
use amiferry_service::metrics::{self, Kind};

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
         ## Of images and recovery points\n\n\
         | code | it means | what to do |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        writeln!(page, "| `{code}` | {} | {} |", code.meaning(), code.remedy()).unwrap();
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
         so that one alert fits every policy\nand a dead exporter cannot freeze an age; labels come \
         from the configuration and from closed sets.\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in metrics::ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, labels, help) = (metric.name, labels.join(", "), metric.help);
        writeln!(page, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    page.push_str(
        "\nAn RPO is broken where this gives something; a family that has no recovery point at all is judged by \
         `amiferry audit`.\n\n\
         ```promql\n\
         time() - amiferry_recovery_point_timestamp_seconds\n  \
         > on (policy, target_region) group_left () amiferry_policy_rpo_seconds\n\
         ```\n",
    );
    check("docs/metrics.md", &page);
}
