//! The `aws` CLI, unmodified: where it is, and what it answers.

use std::io::Write;
use std::process::Command;

use serde_json::Value;

/// The CLI to run, or `None` after one line that names the test that is skipped without it.
///
/// `test.sh` installs one and names it in `AMIFERRY_AWS_CLI`; otherwise it is `aws` on the path.
pub fn cli() -> Option<String> {
    let path = named().unwrap_or_else(|| "aws".to_owned());
    let answers = Command::new(&path).arg("--version").output();
    if answers.is_ok_and(|output| output.status.success()) {
        return Some(path);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not by a macro: the test runner would swallow the line.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs the aws CLI");
    None
}

#[expect(clippy::disallowed_methods, reason = "how the test runner says where the CLI is")]
fn named() -> Option<String> {
    std::env::var("AMIFERRY_AWS_CLI").ok().filter(|path| !path.is_empty())
}

/// Runs the CLI to its end and reads its answer; `Null` where it prints none.
///
/// # Panics
/// When it fails, with its own words.
pub fn answer(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    if stdout.trim().is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{command:?}: {error}\n{stdout}"))
}
