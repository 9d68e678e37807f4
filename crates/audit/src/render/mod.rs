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

    /// Text in the colour of a tone, where colours are wanted.
    pub fn paint(self, text: &str, tone: Option<Tone>) -> String {
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

/// The indent of a word that is longer than a line behind a longer indent.
const OF_LONG_WORDS: &str = "    ";

/// Sentences in lines of at most `width` columns, each line behind `indent`.
///
/// A word that is longer has a line of its own, behind at most four spaces, so that as much of it as possible stands in one piece.
pub fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let indented = table::width_of(indent);
    let outdent = if indented > OF_LONG_WORDS.len() { OF_LONG_WORDS } else { indent };
    let mut lines = String::new();
    let mut line = String::new();
    let end = |line: &mut String, lines: &mut String| {
        if !line.is_empty() {
            lines.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
    };
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let long = table::width_of(word);
        if indented + long > width {
            end(&mut line, &mut lines);
            lines.push_str(&format!("{outdent}{word}\n"));
            continue;
        }
        if indented + table::width_of(&line) + 1 + long > width {
            end(&mut line, &mut lines);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    end(&mut line, &mut lines);
    lines
}

/// The same behind a head, which stands in the indent of the first line; the head has a line of its own
/// where a long word follows it.
pub fn behind(head: &str, text: &str, width: usize) -> String {
    let indent = " ".repeat(table::width_of(head));
    let lines = wrapped(text, &indent, width);
    match lines.strip_prefix(&indent) {
        Some(first) => format!("{head}{first}"),
        None => format!("{}\n{lines}", head.trim_end()),
    }
}
