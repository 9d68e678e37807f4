//! What is written to: how wide the terminal is, whether it wants colours, and that a reader that
//! goes away is no reason to fail.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal as _, Write as _, stderr, stdout};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use amiferry_audit::render::Look;
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

/// Writes a line for people to standard error. Whether anyone reads it changes nothing.
pub fn tell(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}
