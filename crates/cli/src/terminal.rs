//! What is written to: how wide the terminal is, whether it wants colours, and that a reader that
//! goes away is no reason to fail.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use amiferry_audit::render::{Look, wrapped};
use amiferry_service::config::{Env as _, ProcessEnv};
use amiferry_service::telemetry;
use anyhow::Context as _;

/// The environment variable with the width of tables that go to a file or pipe.
const COLUMNS: &str = "COLUMNS";

/// No table is narrower than this: its ids would not fit.
const NARROWEST: usize = 40;

/// How text on standard output looks: as wide as the terminal, or else as `COLUMNS` says.
pub fn look() -> Look {
    let stdout = stdout();
    let is_terminal = stdout.is_terminal();
    let size = rustix::termios::tcgetwinsize(&stdout).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    let asked = || ProcessEnv.get(COLUMNS)?.trim().parse().ok();
    Look {
        width: columns.or_else(asked).unwrap_or(Look::PLAIN.width).max(NARROWEST),
        colour: telemetry::in_colour(is_terminal, &ProcessEnv),
    }
}

/// Writes a file that only its owner can read, because it may hold a secret. One that is there keeps its
/// own permissions.
///
/// # Errors
/// It cannot be written.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Writes data to standard output; a reader that has gone away is not an error.
///
/// # Errors
/// Any other failure to write.
pub fn print(text: &str) -> anyhow::Result<()> {
    match stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// The columns of the terminal that standard error is; `None` where it is none.
pub fn width_of_errors() -> Option<usize> {
    let stderr = stderr();
    let size = stderr.is_terminal().then(|| rustix::termios::tcgetwinsize(&stderr).ok())??;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// A text with its lines broken between words where they are wider than this, and indented as they were.
/// Lines of a file under their numbers stay whole: what is marked below them must stay under it.
pub fn fitted(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.map(|width| width.max(NARROWEST)) else { return text.to_owned() };
    let fitted = text.lines().map(|line| {
        let words = line.trim_start();
        if line.chars().count() <= width || is_quoted(words) {
            return line.to_owned();
        }
        let indent = &line[..line.len() - words.len()];
        wrapped(words, indent, width).trim_end().to_owned()
    });
    fitted.collect::<Vec<_>>().join("\n")
}

/// Whether a line shows one of a file, or marks something in it.
fn is_quoted(words: &str) -> bool {
    words.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|')
}

/// Writes a line for people to standard error. Whether anyone reads it changes nothing.
pub fn tell(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_a_line_of_a_file_is_not() {
        let long = "word ".repeat(20);
        let long = long.trim_end();
        let file = format!("12 | {long}\n   | ^^^^ {long}");
        let text = format!("error: {long}\n  found: {long}\n{file}\n  = {long}\nend");
        let broken = fitted(&text, Some(60));
        for line in broken.lines().filter(|line| !line.contains('|')) {
            assert!(line.chars().count() <= 60, "{line}");
        }
        assert!(broken.contains(&file), "{broken}");
        let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined(&broken), joined(&text));
        assert!(broken.contains("\n  word"), "{broken}");
        assert_eq!(fitted(&text, None), text, "no terminal");
        assert_eq!(fitted("error: short", Some(1)), "error: short");
    }
}
