//! Logs on stderr: for people on a terminal, JSON lines for machines.
//!
//! Standard output stays free for data. Levels are read from `AMIFERRY_LOG` in the syntax of
//! `tracing_subscriber`'s `EnvFilter`; the AWS SDK and HTTP stack speak from `warn` on unless that
//! text names them.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::Env;

/// The environment variable with the filter.
pub const FILTER_VARIABLE: &str = "AMIFERRY_LOG";

/// Libraries whose `info` is about themselves and not about recovery points.
const QUIET: [&str; 9] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_ec2",
    "aws_sdk_s3",
    "aws_smithy_http_client",
    "aws_smithy_runtime",
    "hyper",
    "hyper_util",
    "rustls",
];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter's text is wrong.
    #[error(
        "the log filter {text:?} cannot be read: {why}; write for example info or amiferry_service=debug"
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

/// Starts this process's log on stderr. `AMIFERRY_LOG` wins over `level`, a filter such as `info`.
///
/// # Errors
///
/// When the filter cannot be read, or the process has a log already.
pub fn start(format: LogFormat, level: &str, env: &dyn Env) -> Result<(), LogError> {
    let text = env.get(FILTER_VARIABLE).unwrap_or_else(|| level.to_owned());
    let colour = std::io::stderr().is_terminal() && env.get("NO_COLOR").is_none();
    let subscriber = subscriber(format, &text, colour, BoxMakeWriter::new(std::io::stderr))?;
    tracing::dispatcher::set_global_default(subscriber).map_err(|_| LogError::Twice)
}

fn subscriber(
    format: LogFormat,
    filter: &str,
    colour: bool,
    writer: BoxMakeWriter,
) -> Result<tracing::Dispatch, LogError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(quiet_filter(filter)?)
        .with_writer(writer)
        .with_ansi(colour);
    Ok(match format {
        LogFormat::Text => builder.with_target(false).compact().into(),
        LogFormat::Json => builder.json().flatten_event(true).into(),
    })
}

/// The filter with the noisy libraries turned down, unless it names them itself.
///
/// # Errors
///
/// When the text cannot be read.
pub fn quiet_filter(text: &str) -> Result<EnvFilter, LogError> {
    let quiet = QUIET
        .iter()
        .filter(|library| !text.contains(**library))
        .map(|library| format!("{library}=warn"));
    let whole = quiet.chain([text.to_owned()]).collect::<Vec<_>>().join(",");
    EnvFilter::try_new(whole)
        .map_err(|why| LogError::Filter { text: text.to_owned(), why: why.to_string() })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let writer = BoxMakeWriter::new(move || writer.clone());
        let subscriber = subscriber(format, filter, false, writer).unwrap();
        tracing::dispatcher::with_default(&subscriber, || {
            tracing::info!(key = "ami-1", "parked");
            tracing::debug!("detail");
            tracing::info!(target: "hyper::client", "connected");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_carry_message_and_fields_and_libraries_are_quiet() {
        let text = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((&line["message"], &line["key"]), (&"parked".into(), &"ami-1".into()));
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn the_filter_decides_and_may_name_a_quiet_library() {
        assert!(logged(LogFormat::Text, "debug").contains("detail"));
        assert!(logged(LogFormat::Text, "info,hyper=info").contains("connected"));
        assert_eq!(logged(LogFormat::Text, "error"), "");
    }

    #[test]
    fn a_bad_filter_is_refused_with_its_text() {
        let refused = quiet_filter("amiferry=loud").unwrap_err().to_string();
        assert!(refused.contains("\"amiferry=loud\""), "{refused}");
    }
}
