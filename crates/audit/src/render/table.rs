//! Fits a table into the width of a terminal, so that no row wraps.
//!
//! Ids, codes and numbers stay whole. When a table is too wide, first the columns go that a reader
//! misses least, then names and sentences are cut.

use amiferry_core::text::{distinct, visible};
use unicode_width::UnicodeWidthStr;

use super::Look;
use crate::page::view::Tone;

/// What separates two columns.
const GAP: &str = "  ";

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    header: &'static str,
    right: bool,
    /// How narrow it may become; `None`: its cells are never cut.
    least: Option<usize>,
    /// Columns with a rank go when there is no room, the highest rank first.
    rank: Option<u8>,
}

impl Column {
    /// A column whose cells are never cut.
    pub const fn whole(header: &'static str) -> Self {
        Self { header, right: false, least: None, rank: None }
    }

    /// The same for numbers.
    pub const fn number(header: &'static str) -> Self {
        Self { right: true, ..Self::whole(header) }
    }

    /// A column whose cells may be cut to this width.
    pub const fn cut(header: &'static str, least: usize) -> Self {
        Self { least: Some(least), ..Self::whole(header) }
    }

    /// The same column, left out when there is no room for it.
    pub const fn rank(self, rank: u8) -> Self {
        Self { rank: Some(rank), ..self }
    }
}

/// One cell.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    spelled: fn(&str, usize) -> String,
    tone: Option<Tone>,
}

impl Cell {
    /// A name that others chose.
    pub fn name(text: &str) -> Self {
        Self { text: text.to_owned(), spelled: distinct, tone: None }
    }

    /// Anything else; what is empty is shown as a dash.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), spelled: visible, tone: None }
    }

    /// The same in the colour of a tone, where colours are wanted.
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone: Some(tone), ..self }
    }

    /// The text in at most `room` columns.
    fn shown(&self, room: usize) -> String {
        if self.text.is_empty() {
            return "-".to_owned();
        }
        // A character takes up to two columns, so what fits by characters may have to be shorter.
        let shorter = (0..=room).rev().map(|characters| (self.spelled)(&self.text, characters));
        let mut fitting = shorter.filter(|text| width_of(text) <= room);
        fitting.next().unwrap_or_default()
    }
}

/// A table whose rows are grouped under headings.
#[derive(Debug)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<Row<N>>,
}

#[derive(Debug)]
enum Row<const N: usize> {
    Heading(String),
    Cells([Cell; N]),
}

/// The longest cell before it is cut for lack of room.
const LONGEST: usize = 400;

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Begins a group, unless the last row belongs to the same one.
    pub fn heading(&mut self, heading: String) {
        let is_heading = |row: &&Row<N>| matches!(row, Row::Heading(_));
        match self.rows.iter().rev().find(is_heading) {
            Some(Row::Heading(last)) if *last == heading => {}
            _ => self.rows.push(Row::Heading(heading)),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(Row::Cells(cells));
    }

    /// The table with a line for each row.
    pub fn write(&self, look: Look) -> String {
        let shown: Vec<[String; N]> = self.cells().map(|row| row.each_ref().map(whole)).collect();
        let natural = |index: usize| {
            let cells = shown.iter().map(|row| width_of(&row[index]));
            cells.fold(width_of(self.columns[index].header), usize::max)
        };
        let columns = self.fitting(&std::array::from_fn::<usize, N, _>(natural), look.width);
        let mut text = String::new();
        let header = columns.iter().map(|(index, width)| {
            let column = self.columns[*index];
            (column.header.to_owned(), *width, column.right, None)
        });
        line(&mut text, header, look);
        for row in &self.rows {
            match row {
                Row::Heading(heading) => {
                    text.push_str(&look.strong(&visible(heading, look.width)));
                    text.push('\n');
                }
                Row::Cells(cells) => {
                    let cells = columns.iter().map(|(index, width)| {
                        let (column, cell) = (self.columns[*index], &cells[*index]);
                        let shown = match column.least {
                            Some(_) => cell.shown(*width),
                            None => whole(cell),
                        };
                        (shown, *width, column.right, cell.tone)
                    });
                    line(&mut text, cells, look);
                }
            }
        }
        text
    }

    fn cells(&self) -> impl Iterator<Item = &[Cell; N]> {
        self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => Some(cells),
            Row::Heading(_) => None,
        })
    }

    /// The columns that are shown, each with its width.
    fn fitting(&self, natural: &[usize; N], room: usize) -> Vec<(usize, usize)> {
        let least = |index: usize| match self.columns[index].least {
            Some(least) => natural[index].min(least),
            None => natural[index],
        };
        let total = |widths: &mut dyn Iterator<Item = usize>| {
            widths.map(|width| width + GAP.len()).sum::<usize>().saturating_sub(GAP.len())
        };
        let mut kept: Vec<usize> = (0..N).collect();
        while total(&mut kept.iter().map(|index| least(*index))) > room {
            let ranked = kept.iter().filter(|index| self.columns[**index].rank.is_some());
            let Some(index) = ranked.max_by_key(|index| self.columns[**index].rank) else { break };
            let index = *index;
            kept.retain(|other| *other != index);
        }
        let mut columns: Vec<(usize, usize)> =
            kept.iter().map(|index| (*index, natural[*index])).collect();
        while total(&mut columns.iter().map(|(_, width)| *width)) > room {
            let can_shrink = |(index, width): &&mut (usize, usize)| {
                self.columns[*index].least.is_some() && *width > 1
            };
            let above_least = |(index, width): (usize, usize)| width.saturating_sub(least(index));
            let widest = columns.iter_mut().filter(can_shrink);
            let widest = widest.max_by_key(|column| (above_least(**column), column.1));
            let Some((_, width)) = widest else { break };
            *width -= 1;
        }
        columns
    }
}

fn whole(cell: &Cell) -> String {
    cell.shown(LONGEST)
}

/// How many columns a text takes in a terminal.
pub(super) fn width_of(text: &str) -> usize {
    text.width()
}

/// One line of padded cells, without spaces at its end.
fn line(
    text: &mut String,
    cells: impl Iterator<Item = (String, usize, bool, Option<Tone>)>,
    look: Look,
) {
    let mut pending = String::new();
    for (index, (cell, width, right, tone)) in cells.enumerate() {
        if index > 0 {
            pending.push_str(GAP);
        }
        let room = " ".repeat(width.saturating_sub(width_of(&cell)));
        let painted = look.paint(&cell, tone);
        if right {
            text.push_str(&format!("{pending}{room}{painted}"));
            pending.clear();
        } else {
            text.push_str(&format!("{pending}{painted}"));
            pending = room;
        }
    }
    text.push('\n');
}
