//! The table of `docs/reliability.md`: which mistakes were planted, what noticed each, and when.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use amiferry_core::planted::Bug;

/// Before and after the table in the page.
const MARKS: [&str; 2] = ["<!-- planted: begin -->\n", "<!-- planted: end -->\n"];
const HEAD: &str = "| mistake | what is wrong | noticed as | seeds |\n|---|---|---|---:|\n";

/// Where an invariant would stand.
const MISSED: &str = "—";

/// What was measured about one mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The mistake's name.
    pub bug: String,
    /// What is wrong with the code, in one sentence.
    pub what: String,
    /// The invariant that broke first; a dash if none did.
    pub invariant: String,
    /// How many seeds were played, counted from seed 0; the last of them is the one that shows it.
    pub seeds: u64,
}

impl Row {
    /// The row of a mistake that this seed was the first to show.
    pub fn new(bug: Bug, invariant: &str, seed: u64) -> Self {
        let (bug, what) = (bug.as_str().to_owned(), bug.what().to_owned());
        Self { bug, what, invariant: invariant.to_owned(), seeds: seed + 1 }
    }

    /// The row of a mistake that none of so many seeds shows.
    pub fn missed(bug: Bug, seeds: u64) -> Self {
        Self { seeds, ..Self::new(bug, MISSED, 0) }
    }

    /// The seed that shows it.
    pub fn seed(&self) -> Option<u64> {
        (self.invariant != MISSED).then(|| self.seeds - 1)
    }

    fn parse(line: &str) -> Self {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, bug, what, invariant, seeds, _] = cells.as_slice() else {
            panic!("not a row of the table: {line}");
        };
        let seeds = seeds.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let bug = bug.trim_matches('`').to_owned();
        Self { bug, what: (*what).to_owned(), invariant: (*invariant).to_owned(), seeds }
    }
}

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md")
}

/// The page before the table, the table, and the page after it.
fn parts() -> [String; 3] {
    let text = fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(MARKS[0]).unwrap();
    let (table, after) = rest.split_once(MARKS[1]).unwrap();
    [before, table, after].map(str::to_owned)
}

/// The rows as they stand.
pub fn read() -> Vec<Row> {
    let [_, table, _] = parts();
    table.strip_prefix(HEAD).unwrap().lines().map(Row::parse).collect()
}

/// Rewrites the table.
pub fn write(rows: &[Row]) {
    let mut table = HEAD.to_owned();
    for Row { bug, what, invariant, seeds } in rows {
        writeln!(table, "| `{bug}` | {what} | {invariant} | {seeds} |").unwrap();
    }
    let [before, _, after] = parts();
    let [begin, end] = MARKS;
    fs::write(page(), format!("{before}{begin}{table}{end}{after}")).unwrap();
}

#[test]
fn the_table_has_a_row_for_every_mistake_and_says_what_it_is() {
    let rows: Vec<(String, String)> = read().into_iter().map(|row| (row.bug, row.what)).collect();
    let bugs: Vec<(String, String)> = Bug::of_the_swarm()
        .iter()
        .map(|bug| (bug.as_str().to_owned(), bug.what().to_owned()))
        .collect();
    assert_eq!(rows, bugs);
}
