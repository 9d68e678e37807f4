//! Writes a report as tables for people, and as JSON or CSV for programs.
//!
//! Names, policies of old manifests and reasons come from other parties: everything here shows
//! their invisible characters, tells look-alike names apart, and keeps spreadsheets from reading
//! cells as formulas. [`tables`] says what the tables show, [`details`] what one image or family is,
//! and [`outcome`] what it all amounts to; `table` fits one into the width of a terminal.

pub mod csv;
pub mod details;
pub mod outcome;
pub mod plan;
pub mod table;
pub mod tables;

use amiferry_core::text::escaped_json;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::page::view::Tone;

/// How text for people looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The columns of the terminal: no row of a table is longer.
    pub width: usize,
    /// Whether to mark states with colours.
    pub colour: bool,
}

impl Look {
    /// What every terminal can show.
    pub const PLAIN: Self = Self { width: 80, colour: false };

    /// Text in the colour of a tone.
    fn paint(self, text: &str, tone: Option<Tone>) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_owned(),
            None => return text.to_owned(),
            Some(Tone::Good) => "32",
            Some(Tone::Busy) => "36",
            Some(Tone::Warn) => "33",
            Some(Tone::Bad) => "31",
            Some(Tone::Unknown) => "35",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Text that stands out.
    fn strong(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The whole report as one JSON document with a final newline.
///
/// # Errors
/// Only what the serializer gives, which these types do not cause.
pub fn json(document: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(document).map(|json| escaped_json(&json) + "\n")
}

/// A time in whole seconds, as tables and CSV show it.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A number of seconds in its two largest units: `3d 4h`, `5m 6s`; negative with a minus.
pub fn span(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let total = SignedDuration::from_secs(seconds).unsigned_abs().as_secs();
    let (days, hours, minutes) = (total / 86_400, total / 3_600 % 24, total / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{total}s"),
        (0, 0, minutes) => format!("{sign}{minutes}m {}s", total % 60),
        (0, hours, minutes) => format!("{sign}{hours}h {minutes}m"),
        (days, hours, _) => format!("{sign}{days}d {hours}h"),
    }
}

/// Sentences in lines of at most `width` columns, each line behind `indent`; a word that is longer
/// has a line of its own.
pub fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let is_full =
            table::width_of(indent) + table::width_of(&line) + 1 + table::width_of(word) > width;
        if is_full && !line.is_empty() {
            lines.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.is_empty() { lines } else { lines + &format!("{indent}{line}\n") }
}
