//! Pages that are made from code. `AMIFERRY_BLESS=1 cargo test -p amiferry-tests --test tidy`
//! writes them anew.

use std::fmt::Write as _;
use std::fs;

use amiferry_core::code::Code;
use amiferry_core::event::RejectCode;

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
