//! The two forms of a line: an object for machines, a sentence with particulars for people.

use std::fmt::Write;

use amiferry_core::text::{escaped_json, visible};
use serde_json::Value;
use tracing::Level;

use super::lines::Line;

/// What all our own names begin with: people need not read it on every line.
const OURS: &str = "amiferry.";

const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// One JSON object and a line feed: time, level, message and target, then what the spans say, then
/// what the event says. Every name is there once, and what no reader would see is escaped.
pub(super) fn json(line: &Line<'_>) -> String {
    let mut text = String::with_capacity(512);
    let mut put = |name: &str, value: &Value| {
        let separator = if text.is_empty() { '{' } else { ',' };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{}:{value}", Value::from(name));
    };
    put("timestamp", &time(line).into());
    put("level", &line.level.as_str().into());
    put("message", &line.message.as_str().into());
    put("target", &line.target.into());
    for (name, value) in line.context.0.iter().chain(&line.own.0) {
        put(name, value);
    }
    text.push('}');
    escaped_json(&text) + "\n"
}

/// Time, level and message, then `name=value`: first what the event says, then what the spans say.
/// Values are quoted where they would be mistaken for more than one, and nothing in them can begin
/// a new line or steer a terminal.
pub(super) fn human(line: &Line<'_>, colour: bool) -> String {
    let (bright, dim, plain) = match line.level {
        _ if !colour => ("", "", ""),
        Level::ERROR => ("\u{1b}[31m", DIM, PLAIN),
        Level::WARN => ("\u{1b}[33m", DIM, PLAIN),
        Level::INFO => ("\u{1b}[32m", DIM, PLAIN),
        _ => ("\u{1b}[34m", DIM, PLAIN),
    };
    let message = visible(&line.message, usize::MAX);
    let mut text = String::with_capacity(256);
    let (time, level) = (time(line), line.level.as_str());
    let _ = write!(text, "{dim}{time}{plain} {bright}{level:>5}{plain} {message}");
    for (name, value) in line.own.0.iter().chain(&line.context.0) {
        let name = name.strip_prefix(OURS).unwrap_or(name);
        let _ = write!(text, " {dim}{name}={plain}{}", shown(value));
    }
    text.push('\n');
    text
}

fn time(line: &Line<'_>) -> String {
    format!("{:.3}", line.time)
}

fn shown(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let seen = visible(text, usize::MAX);
    let is_one =
        !seen.is_empty() && !seen.contains(|c: char| c.is_whitespace() || "\"=".contains(c));
    if is_one { seen } else { format!("\"{}\"", seen.replace('"', "\\\"")) }
}
