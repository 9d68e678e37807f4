//! Logs on stderr: for people on a terminal, JSON lines for machines.
//!
//! Standard output stays free for data. `fields` is the table of all names, `spans` connects lines
//! to a recovery point, `filter` decides which lines are written, `withheld` what libraries may not write,
//! `lines` turns an event and the spans around it into a line, and `render` writes that in its two forms.

mod fields;
mod filter;
mod lines;
mod render;
mod spans;
mod withheld;

use std::io::IsTerminal;
use std::sync::{Arc, LazyLock};

use amiferry_core::ports::Clock;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::clock::SystemClock;
use crate::config::Env;

pub use self::fields::{ALL as FIELDS, Field, Given};
pub use self::spans::{Subject, of_source, of_worker, recovery_point, stage};

/// The environment variable with the filter.
pub const FILTER_VARIABLE: &str = "AMIFERRY_LOG";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// The log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter's text is wrong.
    #[error(
        "the log filter {text:?} cannot be read: {why}; set {FILTER_VARIABLE} for example to info \
         or info,amiferry_service=debug"
    )]
    Filter {
        /// The filter.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The process logs already.
    #[error("this process has a log already")]
    Twice,
}

/// Starts this process's log on stderr, filtered as `AMIFERRY_LOG` says, or else by `default`.
///
/// # Errors
///
/// When the filter cannot be read, or the process has a log already.
pub fn start(format: LogFormat, default: &str, env: &dyn Env) -> Result<(), LogError> {
    let filter = env.get(FILTER_VARIABLE).filter(|filter| !filter.trim().is_empty());
    let filter = filter.unwrap_or_else(|| default.to_owned());
    let colour = in_colour(std::io::stderr().is_terminal(), env);
    let writer = BoxMakeWriter::new(std::io::stderr);
    let log = dispatch(format, &filter, colour, writer, Arc::new(SystemClock))?;
    tracing::dispatcher::set_global_default(log).map_err(|_| LogError::Twice)
}

/// Colours are for terminals that have them, unless `NO_COLOR` is set (<https://no-color.org>).
pub fn in_colour(is_terminal: bool, env: &dyn Env) -> bool {
    let is_dumb = env.get("TERM").is_some_and(|terminal| terminal == "dumb");
    is_terminal && !is_dumb && env.get("NO_COLOR").is_none()
}

/// A log that writes to `writer`, with the times of `clock`. Each line is one write.
///
/// # Errors
///
/// When the filter cannot be read.
pub fn dispatch(
    format: LogFormat,
    filter: &str,
    colour: bool,
    writer: BoxMakeWriter,
    clock: Arc<dyn Clock>,
) -> Result<tracing::Dispatch, LogError> {
    let lines = lines::Lines { format, colour, writer, clock };
    let allowed = filter_fn(withheld::may_be_written);
    Ok(tracing_subscriber::registry().with(filter::read(filter)?).with(allowed).with(lines).into())
}

/// The same for one thread, where others have no log or one of their own.
///
/// While a process has one log, `tracing` caches for each line and span whether it is wanted, as
/// the first thread that reaches it decides; a thread without a log decides against it. A second
/// log that wants nothing makes `tracing` ask every thread.
///
/// # Errors
///
/// When the filter cannot be read.
pub fn scoped(
    format: LogFormat,
    filter: &str,
    colour: bool,
    writer: BoxMakeWriter,
    clock: Arc<dyn Clock>,
) -> Result<tracing::Dispatch, LogError> {
    static SECOND: LazyLock<tracing::Dispatch> =
        LazyLock::new(|| tracing_subscriber::registry().with(LevelFilter::OFF).into());
    LazyLock::force(&SECOND);
    dispatch(format, filter, colour, writer, clock)
}

#[cfg(test)]
mod tests;
