//! Reads the filter: the syntax of `tracing_subscriber`'s `EnvFilter`, without its traps.
//!
//! `EnvFilter` takes a word that is no level for a target, so a misspelt `info` would silence the
//! log; and a filter that names one crate would drop the spans of the others, and with them the
//! ids.

use tracing_subscriber::EnvFilter;

use super::LogError;
use super::spans::TARGET;

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

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter with the noisy libraries turned down, unless it names them itself, and with the spans
/// of recovery points let through.
///
/// # Errors
///
/// When the text cannot be read, or a word in it is neither a level nor the name of a crate here.
pub(super) fn read(text: &str) -> Result<EnvFilter, LogError> {
    let refused = |why: String| LogError::Filter { text: text.to_owned(), why };
    let mut silent = true;
    for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let is_level = LEVELS.iter().any(|level| directive.eq_ignore_ascii_case(level));
        let is_target = directive.contains(['=', '[']) || directive.starts_with("amiferry");
        if !is_level && !is_target {
            return Err(refused(format!(
                "{directive:?} is neither {} nor TARGET=LEVEL",
                LEVELS.join(", ")
            )));
        }
        silent &= directive.eq_ignore_ascii_case("off");
    }
    let quiet = QUIET.iter().filter(|library| !text.contains(**library));
    let quiet = quiet.map(|library| format!("{library}=warn"));
    let spans = format!("{TARGET}=error");
    let ours = (!silent).then_some(spans).into_iter().chain(quiet);
    let whole: Vec<String> = ours.chain([text.to_owned()]).collect();
    EnvFilter::try_new(whole.join(",")).map_err(|why| refused(why.to_string()))
}
