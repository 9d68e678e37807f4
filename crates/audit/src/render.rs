//! Writes a report as a table for people, and as JSON or CSV for programs.
//!
//! Families, policies of old manifests and reasons come from other parties: tables make their
//! invisible characters visible, and CSV keeps spreadsheets from reading them as formulas.

use amiferry_core::text::visible;
use comfy_table::{CellAlignment, Table, presets};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::family::Family;
use crate::inventory::{RecoveryPoint, Rejected};
use crate::report::Report;

/// The longest family name or reason that a table shows.
const LONGEST_CELL: usize = 60;

/// The whole report as one JSON document with a final newline.
///
/// # Errors
/// Only what the serializer gives, which these types do not cause.
pub fn json(document: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(document).map(|json| json + "\n")
}

/// One CSV line per family, with a header.
///
/// # Errors
/// Only what the writer gives, which memory does not cause.
pub fn csv(report: &Report) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "as_of",
        "source_account",
        "source_region",
        "family",
        "policy",
        "target_region",
        "state",
        "source_image_id",
        "restored_image_id",
        "source_created_at",
        "age_seconds",
        "rpo_seconds",
        "margin_seconds",
    ])?;
    for family in &report.families {
        writer.write_record([
            report.as_of.to_string(),
            family.source_account.to_string(),
            family.source_region.to_string(),
            inert(&family.family),
            inert(&family.policy),
            family.target_region.to_string(),
            family.state.as_str().to_owned(),
            text(family.source_image_id.as_ref()),
            text(family.restored_image_id.as_ref()),
            text(family.source_created_at.as_ref()),
            text(family.age_seconds.as_ref()),
            text(family.rpo_seconds.as_ref()),
            text(family.margin_seconds.as_ref()),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The families as a table.
pub fn families(report: &Report) -> String {
    let mut table =
        table(["FAMILY", "POLICY", "TARGET", "NEWEST COMPLETE", "AGE", "RPO", "MARGIN", "STATE"]);
    for family in &report.families {
        table.add_row(family_row(family));
    }
    for column in [4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    lines(&table)
}

/// The recovery points as a table; with `as_of`, their ages.
pub fn recovery_points(points: &[RecoveryPoint], as_of: Timestamp) -> String {
    let mut table = table([
        "SOURCE IMAGE",
        "FAMILY",
        "POLICY",
        "TIER",
        "TARGET",
        "STATE",
        "RESTORED AS",
        "AGE",
    ]);
    for point in points {
        let state = match point.state {
            crate::inventory::State::Complete => "complete".to_owned(),
            state => format!("{} ({})", state.as_str(), point.code),
        };
        table.add_row([
            point.source_image_id.to_string(),
            dash(visible(&point.family, LONGEST_CELL)),
            visible(&point.policy, LONGEST_CELL),
            point.tier.as_str().to_owned(),
            point.target_region.to_string(),
            state,
            dash(text(point.restored_image_id.as_ref())),
            span(as_of.duration_since(point.source_created_at).as_secs()),
        ]);
    }
    if let Some(column) = table.column_mut(7) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines(&table)
}

/// The images that are left out, as a table.
pub fn rejected(images: &[Rejected]) -> String {
    let mut table = table(["SOURCE IMAGE", "CODE", "REASON"]);
    for image in images {
        table.add_row([
            image.source_image_id.to_string(),
            image.code.to_string(),
            visible(&image.reason, 2 * LONGEST_CELL),
        ]);
    }
    lines(&table)
}

/// Any other table. The cells are shown as they are: make others' text visible first.
pub fn plain<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = table(header);
    for row in rows {
        table.add_row(row.map(dash));
    }
    lines(&table)
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

fn family_row(family: &Family) -> [String; 8] {
    let seconds = |value: Option<i64>| dash(value.map(span).unwrap_or_default());
    [
        dash(visible(&family.family, LONGEST_CELL)),
        visible(&family.policy, LONGEST_CELL),
        family.target_region.to_string(),
        dash(text(family.source_image_id.as_ref())),
        seconds(family.age_seconds),
        seconds(family.rpo_seconds),
        seconds(family.margin_seconds),
        family.state.as_str().to_owned(),
    ]
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
}

fn lines(table: &Table) -> String {
    let mut lines = String::new();
    for line in table.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

fn text(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A cell that no spreadsheet takes for a formula, nor one that reads full-width signs as such
/// (OWASP, *CSV Injection*).
fn inert(text: &str) -> String {
    let cell = visible(text, 256);
    if cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        format!("'{cell}")
    } else {
        cell
    }
}
