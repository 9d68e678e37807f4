//! Writes what a prune came to: as a table and as CSV.

use amiferry_audit::page::view::Tone;
use amiferry_audit::render::table::{Cell, Column, Table};
use amiferry_audit::render::{Look, json, moment, wrapped};
use amiferry_core::text::distinct;
use jiff::Timestamp;
use serde::Serialize;

use crate::report::{Leftovers, Outcome, Pruned, Row, SCHEMA_VERSION, What};

/// The result for people: what goes, or with `all` also what stays.
pub fn table(pruned: &Pruned, all: bool, look: Look) -> String {
    let is_shown = |row: &&Row| all || row.outcome != Outcome::Kept;
    let rows: Vec<&Row> = pruned.rows.iter().filter(is_shown).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        let mut table = Table::new([
            Column::whole("SOURCE IMAGE"),
            Column::cut("NAME", 8),
            Column::cut("FAMILY", 8),
            Column::whole("CREATED").rank(1),
            Column::number("GB").rank(2),
            Column::whole("WHAT"),
            Column::whole("OUTCOME"),
            Column::cut("REASON", 20),
        ]);
        for row in rows {
            table.row([
                Cell::new(row.source_image_id.as_str()),
                Cell::name(&row.source_name),
                Cell::name(&row.family),
                Cell::new(row.created_at.map(moment).unwrap_or_default()),
                Cell::new(gigabytes(row.bytes)),
                Cell::new(row.what.as_str()),
                Cell::new(row.outcome.as_str()).tone(tone(row.outcome)),
                Cell::new(&*row.reason),
            ]);
        }
        text = table.write(look) + "\n";
    }
    let width = look.width.max(80);
    for why in &pruned.refused {
        text.push_str(&wrapped(&format!("Nothing was deleted: {why}."), "", width));
    }
    let outcomes = [
        Outcome::Kept,
        Outcome::Held,
        Outcome::Goes,
        Outcome::Gone,
        Outcome::Retiring,
        Outcome::Failed,
        Outcome::NotAssessed,
    ];
    let counts = outcomes.into_iter().filter_map(|outcome| {
        let (count, bytes) = total(pruned, outcome);
        let word = outcome.as_str().replace('_', " ");
        match outcome {
            _ if count == 0 => None,
            Outcome::Goes | Outcome::Gone => {
                Some(format!("{count} {word} ({} GB of objects)", gigabytes(bytes)))
            }
            _ => Some(format!("{count} {word}")),
        }
    });
    let counts: Vec<String> = counts.collect();
    let counts =
        if counts.is_empty() { "nothing is recorded".to_owned() } else { counts.join(", ") };
    text.push_str(&wrapped(&format!("{counts}."), "", width));
    if pruned.dry_run {
        text.push_str("Nothing was changed. --apply deletes what goes.\n");
    }
    text
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Kept | Outcome::Gone => Tone::Good,
        Outcome::Held => Tone::Warn,
        Outcome::Goes | Outcome::Retiring => Tone::Busy,
        Outcome::Failed => Tone::Bad,
        Outcome::NotAssessed => Tone::Unknown,
    }
}

/// How many rows have an outcome, and the bytes of the objects that go with them.
fn total(pruned: &Pruned, outcome: Outcome) -> (usize, u64) {
    let rows = || pruned.with(outcome);
    let whole = rows().filter(|row| row.what == What::All);
    (rows().count(), whole.map(|row| row.bytes).sum())
}

/// Bytes in GB with one digit, rounded down.
fn gigabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// All rows as CSV: every cell in quotes, and none that a spreadsheet takes for a formula.
pub fn csv(pruned: &Pruned) -> String {
    let header = [
        "source_account",
        "source_region",
        "source_image_id",
        "source_name",
        "created_at",
        "family",
        "policy",
        "what",
        "outcome",
        "code",
        "reason",
        "image_id",
        "bytes",
        "size_gib",
    ];
    let mut text = line(header.map(str::to_owned));
    for row in &pruned.rows {
        text.push_str(&line([
            format!("'{}", row.source_account),
            row.source_region.to_string(),
            row.source_image_id.to_string(),
            row.source_name.clone(),
            row.created_at.map(moment).unwrap_or_default(),
            row.family.clone(),
            row.policy.clone(),
            row.what.as_str().to_owned(),
            row.outcome.as_str().to_owned(),
            row.code.map(|code| code.to_string()).unwrap_or_default(),
            row.reason.clone(),
            row.image_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.bytes.to_string(),
            row.size_gib.to_string(),
        ]));
    }
    text
}

/// What is left over, for people.
pub fn leftovers_table(found: &Leftovers, look: Look) -> String {
    let mut text = String::new();
    if !found.rows.is_empty() {
        let mut table = Table::new([
            Column::whole("WHAT"),
            Column::cut("ID", 22),
            Column::whole("SINCE").rank(1),
            Column::number("GB"),
            Column::whole("OUTCOME"),
            Column::cut("REASON", 20),
        ]);
        for row in &found.rows {
            table.row([
                Cell::new(row.kind.as_str()),
                Cell::new(&*row.id),
                Cell::new(moment(row.since)),
                Cell::new(gigabytes(row.bytes)),
                Cell::new(row.outcome.as_str()),
                Cell::new(&*row.reason),
            ]);
        }
        text = table.write(look) + "\n";
    }
    let width = look.width.max(80);
    for why in &found.refused {
        text.push_str(&wrapped(&format!("Nothing was removed: {why}."), "", width));
    }
    let bytes: u64 = found.rows.iter().map(|row| row.bytes).sum();
    let sum = format!("{} left over, {} GB.", found.rows.len(), gigabytes(bytes));
    text.push_str(&wrapped(&sum, "", width));
    if found.dry_run {
        text.push_str("Nothing was changed. --apply removes what goes.\n");
    }
    text
}

/// What is left over, as CSV.
pub fn leftovers_csv(found: &Leftovers) -> String {
    let header = ["what", "id", "since", "bytes", "outcome", "reason"];
    let mut text = line(header.map(str::to_owned));
    for row in &found.rows {
        text.push_str(&line([
            row.kind.as_str().to_owned(),
            row.id.clone(),
            moment(row.since),
            row.bytes.to_string(),
            row.outcome.as_str().to_owned(),
            row.reason.clone(),
        ]));
    }
    text
}

fn line<const N: usize>(cells: [String; N]) -> String {
    let quoted = cells.map(|cell| {
        let shown = distinct(&cell, 2_560);
        let is_formula = shown.starts_with(['=', '+', '-', '@']);
        let safe = if is_formula { format!("'{shown}") } else { shown };
        format!("\"{}\"", safe.replace('"', "\"\""))
    });
    quoted.join(",") + "\n"
}

/// What would go until a date: for people, or as JSON.
///
/// # Errors
/// Only what the serializer gives, which these types do not cause.
pub fn future(
    rows: &[(Timestamp, Row)],
    is_table: bool,
    look: Look,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct One<'a> {
        goes_at: Timestamp,
        #[serde(flatten)]
        row: &'a Row,
    }
    #[derive(Serialize)]
    struct Future<'a> {
        schema_version: u32,
        rows: Vec<One<'a>>,
    }
    if !is_table {
        let rows = rows.iter().map(|(goes_at, row)| One { goes_at: *goes_at, row }).collect();
        return json(&Future { schema_version: SCHEMA_VERSION, rows });
    }
    let mut table = Table::new([
        Column::whole("GOES"),
        Column::whole("SOURCE IMAGE"),
        Column::cut("NAME", 8),
        Column::cut("FAMILY", 8),
        Column::whole("CREATED").rank(1),
        Column::whole("WHAT"),
    ]);
    for (goes_at, row) in rows {
        table.row([
            Cell::new(moment(*goes_at)),
            Cell::new(row.source_image_id.as_str()),
            Cell::name(&row.source_name),
            Cell::name(&row.family),
            Cell::new(row.created_at.map(moment).unwrap_or_default()),
            Cell::new(row.what.as_str()),
        ]);
    }
    let text = if rows.is_empty() { String::new() } else { table.write(look) + "\n" };
    let ends = "This assumes a daily run and a new recovery point of each family as often as its RPO \
                demands; locks and references are left out.";
    Ok(text + &wrapped(ends, "", look.width.max(80)))
}
