//! Writes `docs/failures.md` from the tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use amiferry_core::code::Code;

use super::calls::{Refused, refused};
use super::play::series;
use super::{Asked, End, Failure, all};
use crate::check::check;
use crate::stage::Role;

const BEGINNING: &str = "\
<!-- Made from tests/tests/in_process/failures by its page.rs. -->

# Failures

What can break, where you see it, and how to fix it. Each row is a test in the simulated AWS: it breaks one thing, reads the page of the target
worker, `status`, the metrics and the log, carries out the remedy of the code, sends `amiferry retry`, and waits for what the last column says. Nothing
here was tried on real AWS. Four remedies were also carried out with the `aws` CLI over HTTP: those of `object_lost`, `object_archived`,
`staged_object_unverifiable` and `staged_without_checksum`.

- The page and `status` print the remedy of the code that they show; `amiferry explain CODE` prints that of any code. The column
  `status` is about a report while no worker answers: where a call is refused and leaves no trace in AWS, it shows the step that is next (`in_turn`). A report that
  [asks the running workers](reports.md#what-only-a-running-worker-knows) shows what the page shows, and of the source worker's failures the code; each row compares. For `denied` the log also names the action, the
  resource, the principal and the policy (`amiferry.remedy`).
- The log has a line with `amiferry.reason` and the code: `parked`, or `attempt failed` with `amiferry.standing` `parked`; of an image that is left out,
  `recovery point done` at the level `debug` or `info`.
- This series has the value 1 during the failure. Where no target worker runs (–), only `status` tells.

| what is broken | code | page | `status` | exit | metric | what the test does | then |
|---|---|---|---|---|---|---|---|
";

const REFUSED: &str = "
## Refused calls

Each row refuses one call to both workers while an image waits for its copy, allows it after three hours, and sends `amiferry retry`: within an hour the
image is complete. Wherever the image was not complete before, the worker named the action in the log or at its start
([what each call needs](permissions.md#actions-by-call)). A worker that does not start was started all the same.

| call | at the start | then |
|---|---|---|
";

const WITHOUT: &str = "
## Codes without a row

Nothing is broken, or it passes by itself. What shows it instead:

| code | why it has no row |
|---|---|
";

/// Why no row breaks and mends something for a code.
fn without_a_row(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::NoPolicy | Code::TooOld | Code::Superseded => {
            "the policies say so (`tests/tests/in_process/eligibility.rs`)"
        }
        Code::NotOwned | Code::OwnRestore => {
            "it is no image to protect (`crates/core/src/decide/tests/eligibility.rs`, `tests/tests/in_process/loops.rs`)"
        }
        Code::Pruned => "the keep rules say so (`tests/tests/in_process/retention`)",
        Code::ImageGone => "there is nothing to copy any more (`tests/tests/in_process/notes.rs`)",
        Code::NoteUnusable => {
            "what it needs is another image: `tests/tests/in_process/notes.rs` makes it by the remedy"
        }
        Code::ImagePending
        | Code::StoreRunning
        | Code::RestoreRunning
        | Code::CopyRunning
        | Code::InTurn
        | Code::Paced
        | Code::QuotaFull
        | Code::Settling => "it passes by itself in every play",
        Code::NotStaged => {
            "the column *page* above has it wherever a source worker is broken; a start ends it"
        }
        Code::StagedLost => {
            "the image is stored again by itself (`crates/source-worker/src/tests/sweep.rs`)"
        }
        Code::VaultUnknown => "it ends after an hour (`crates/core/src/decide/tests/store.rs`)",
        Code::OverBudget => "it ends within a day (`crates/target-worker/src/tests/turns.rs`)",
        Code::KeyUnproven => {
            "the first restore ends it (`crates/core/src/decide/vault/failures.rs`)"
        }
        Code::Staged | Code::Complete => "it is done",
        _ => return None,
    })
}

#[test]
fn the_page_of_failures_is_what_the_tables_say() {
    let mut page = BEGINNING.to_owned();
    for failure in all() {
        page.push_str(&row(failure));
    }
    let tried: BTreeSet<Code> = all().map(|failure| failure.code).collect();
    page.push_str("\n## Remedies\n\n| code | what to do |\n|---|---|\n");
    for code in Code::ALL.iter().filter(|code| tried.contains(code)) {
        writeln!(page, "| `{code}` | {} |", code.remedy()).unwrap();
    }
    page.push_str(REFUSED);
    for Refused { call, at_start, running } in refused() {
        writeln!(page, "| `{}` | {at_start} | {running} |", call.operation).unwrap();
    }
    page.push_str(WITHOUT);
    for code in Code::ALL {
        let why = without_a_row(*code);
        let has_row = tried.contains(code);
        assert_ne!(why.is_some(), has_row, "{code}: a row breaks and mends something, or a reason");
        if let Some(why) = why {
            writeln!(page, "| `{code}` | {why} |").unwrap();
        }
    }
    check("docs/failures.md", &page);
}

fn row(failure: &Failure) -> String {
    let Failure { what, code, worker, state, asked, exit, end, .. } = failure;
    let state = state.as_str();
    let (page, status) = match (worker, asked) {
        // The vault only waits for the object.
        (Role::Source, _) => {
            let waits = format!("in_progress, `{}`", Code::NotStaged);
            (waits.clone(), waits)
        }
        (Role::Target, Asked::Same) => (state.to_owned(), state.to_owned()),
        (Role::Target, Asked::NotAssessed) => {
            ("not_assessed".to_owned(), "not_assessed".to_owned())
        }
        (Role::Target, Asked::Due(due)) => (state.to_owned(), format!("in_progress, `{due}`")),
        (Role::Target, Asked::LeftOut) => ("left out".to_owned(), "left out".to_owned()),
        (Role::Target, Asked::Alone) => ("–".to_owned(), state.to_owned()),
    };
    let (deed, then) = match end {
        End::Mended(deed, _) => (*deed, "complete"),
        End::Rebuilt(deed, _) => (*deed, "the new one is complete"),
        End::GivenUp(deed, _) => (*deed, "no longer listed"),
        End::Stays(why) => (*why, "stays so"),
    };
    let series = match asked {
        Asked::Alone => "–".to_owned(),
        _ => format!("`{}`", series(failure)),
    };
    format!("| {what} | `{code}` | {page} | {status} | {exit} | {series} | {deed} | {then} |\n")
}
