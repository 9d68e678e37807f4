//! Writes what a prune came to: as a table and as CSV.

use amiferry_audit::page::view::Tone;
use amiferry_audit::render::plan::money;
use amiferry_audit::render::table::{Cell, Column, Table};
use amiferry_audit::render::{Look, moment, wrapped};
use amiferry_core::text::{distinct, visible};

use crate::report::{Departure, Future, Leftovers, Outcome, Pruned, Row, What};

/// The longest text about prices.
const LONGEST: usize = 80;

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

fn two_digits(cost: f64) -> String {
    format!("{cost:.2}")
}

/// Bytes in GB with one digit, rounded down.
fn gigabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The columns of a row in CSV.
const COLUMNS: [&str; 14] = [
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

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    [
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
    ]
}

/// All rows as CSV: every cell in quotes, and none that a spreadsheet takes for a formula.
pub fn csv(pruned: &Pruned) -> String {
    let rows = pruned.rows.iter().map(|row| line(cells(row)));
    line(COLUMNS.map(str::to_owned)) + &rows.collect::<String>()
}

/// The future as CSV: the same, and the time of the run before it.
pub fn future_csv(future: &Future) -> String {
    let with =
        |first: String, cells: [String; COLUMNS.len()]| line([first].into_iter().chain(cells));
    let rows = future.rows.iter().map(|Departure { goes_at, row }| {
        with(goes_at.map(moment).unwrap_or_default(), cells(row))
    });
    with("goes_at".to_owned(), COLUMNS.map(str::to_owned)) + &rows.collect::<String>()
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
            Column::number("A MONTH"),
            Column::whole("OUTCOME"),
            Column::cut("REASON", 20),
        ]);
        for row in &found.rows {
            table.row([
                Cell::new(row.kind.as_str()),
                Cell::new(&*row.id),
                Cell::new(moment(row.since)),
                Cell::new(gigabytes(row.bytes)),
                Cell::new(row.monthly_cost.map_or_else(|| "not assessed".to_owned(), two_digits)),
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
    let sum = format!(
        "{} left over, {} GB; cost a month: {}.",
        found.rows.len(),
        gigabytes(bytes),
        money(found.monthly_cost, &found.currency)
    );
    text.push_str(&wrapped(&sum, "", width));
    if !found.rows.is_empty() {
        let note = format!(
            "Estimated at prices of {} ({}). Snapshots are counted with all of their volumes.",
            visible(&found.prices_as_of, LONGEST),
            visible(&found.prices_from, LONGEST)
        );
        text.push_str(&wrapped(&note, "", width));
    }
    if found.dry_run {
        text.push_str("Nothing was changed. --apply removes what goes.\n");
    }
    text
}

/// What is left over, as CSV.
pub fn leftovers_csv(found: &Leftovers) -> String {
    let header = ["what", "id", "since", "bytes", "outcome", "reason", "monthly_cost", "currency"];
    let mut text = line(header.map(str::to_owned));
    for row in &found.rows {
        text.push_str(&line([
            row.kind.as_str().to_owned(),
            row.id.clone(),
            moment(row.since),
            row.bytes.to_string(),
            row.outcome.as_str().to_owned(),
            row.reason.clone(),
            row.monthly_cost.map(two_digits).unwrap_or_default(),
            found.currency.clone(),
        ]));
    }
    text
}

fn line(cells: impl IntoIterator<Item = String>) -> String {
    let quoted = cells.into_iter().map(|cell| {
        let shown = distinct(&cell, 2_560);
        let is_formula = shown.starts_with(['=', '+', '-', '@']);
        let safe = if is_formula { format!("'{shown}") } else { shown };
        format!("\"{}\"", safe.replace('"', "\"\""))
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

/// What would go until a date, for people.
pub fn future_table(future: &Future, look: Look) -> String {
    let mut text = String::new();
    if !future.rows.is_empty() {
        let mut table = Table::new([
            Column::whole("GOES"),
            Column::whole("SOURCE IMAGE"),
            Column::cut("NAME", 8),
            Column::cut("FAMILY", 8),
            Column::whole("CREATED").rank(1),
            Column::whole("WHAT"),
            Column::cut("REASON", 20),
        ]);
        for Departure { goes_at, row } in &future.rows {
            table.row([
                Cell::new(goes_at.map_or_else(|| "not assessed".to_owned(), moment)),
                Cell::new(row.source_image_id.as_str()),
                Cell::name(&row.source_name),
                Cell::name(&row.family),
                Cell::new(row.created_at.map(moment).unwrap_or_default()),
                Cell::new(row.what.as_str()),
                Cell::new(&*row.reason),
            ]);
        }
        text = table.write(look) + "\n";
    }
    let width = look.width.max(80);
    for why in &future.doubts {
        text.push_str(&wrapped(&format!("Nothing would be deleted: {why}."), "", width));
    }
    let unknown = future.rows.iter().filter(|one| one.goes_at.is_none()).count();
    if unknown > 0 {
        text.push_str(&wrapped(&format!("{unknown} not assessed."), "", width));
    }
    let ends = "This assumes a daily run and a new recovery point of each family as often as its RPO \
                demands, of retired families none; locks and references are left out.";
    text + &wrapped(ends, "", width)
}
