//! What each table of a report shows.
//!
//! Rows stand under the source and the vault that they are about, so that two families of the same
//! name in two accounts are told apart in any width.

use std::collections::BTreeMap;
use std::fmt::Display;

use amiferry_core::answer::LONGEST_REASON;
use amiferry_core::code::Code;
use amiferry_core::ids::{AccountId, ImageId, Region};
use jiff::Timestamp;

use super::table::{Cell, Column, Table};
use super::{Look, span, wrapped};
use crate::archived::Group;
use crate::family::Family;
use crate::inventory::{NotAssessed, RecoveryPoint, Rejected, State};
use crate::page::view::{Tone, tone};
use crate::report::Report;

/// The families.
pub fn families(report: &Report, look: Look) -> String {
    let names: BTreeMap<_, &str> = report
        .recovery_points
        .iter()
        .map(|point| (image_of(point), point.source_image_name.as_str()))
        .collect();
    let mut table = Table::new([
        Column::cut("FAMILY", 12),
        Column::cut("POLICY", 8).rank(2),
        Column::whole("STATE"),
        Column::number("AGE"),
        Column::number("RPO"),
        Column::number("MARGIN"),
        Column::whole("NEWEST COMPLETE"),
        Column::cut("IMAGE NAME", 12).rank(1),
    ]);
    for family in &report.families {
        let Family { source_account, source_region, target_account, target_region, .. } = family;
        table.heading(between((source_account, source_region), (target_account, target_region)));
        let newest = family.source_image_id.as_ref();
        let name = newest.and_then(|image| names.get(&(source_account, source_region, image)));
        table.row([
            Cell::name(&family.family),
            Cell::name(&family.policy),
            Cell::new(family.state.as_str()).tone(tone(family.state)),
            seconds(family.age_seconds),
            seconds(family.rpo_seconds),
            seconds(family.margin_seconds),
            id(newest),
            Cell::name(name.copied().unwrap_or_default()),
        ]);
    }
    table.write(look)
}

/// The families that are retired.
pub fn retired(report: &Report, look: Look) -> String {
    let mut table = Table::new([
        Column::cut("FAMILY", 12),
        Column::cut("POLICY", 8),
        Column::whole("SINCE"),
        Column::whole("NEWEST COMPLETE"),
        Column::cut("REASON", 16),
    ]);
    for family in &report.families {
        let Some(retired) = &family.retired else { continue };
        table.row([
            Cell::name(&family.family),
            Cell::name(&family.policy),
            Cell::new(retired.since.strftime("%Y-%m-%d").to_string()),
            id(family.source_image_id.as_ref()),
            Cell::new(retired.reason.as_str()),
        ]);
    }
    table.write(look)
}

/// The complete recovery points that a restore has to wait for.
pub fn archived(groups: &[Group<'_>], look: Look) -> String {
    let mut table = Table::new([
        Column::cut("POLICY", 8),
        Column::whole("CLASS"),
        Column::number("RECOVERY POINTS"),
        Column::number("WITH AN AMI"),
        Column::number("A RESTORE WAITS UP TO"),
    ]);
    for group in groups {
        table.heading(format!("in {}/{}", group.target_account, group.target_region));
        table.row([
            Cell::name(group.policy),
            Cell::new(group.place),
            Cell::new(group.points.to_string()),
            Cell::new(group.with_image.to_string()),
            Cell::new(group.wait()),
        ]);
    }
    table.write(look)
}

fn image_of(point: &RecoveryPoint) -> (&AccountId, &Region, &ImageId) {
    (&point.source_account, &point.source_region, &point.source_image_id)
}

/// The recovery points that are complete.
pub fn complete<'a>(
    points: impl IntoIterator<Item = &'a RecoveryPoint>,
    as_of: Timestamp,
    look: Look,
) -> String {
    let mut table = Table::new([
        Column::whole("SOURCE IMAGE"),
        Column::cut("IMAGE NAME", 10),
        Column::cut("FAMILY", 10),
        Column::cut("POLICY", 8).rank(1),
        Column::whole("TIER").rank(2),
        Column::whole("RESTORED AS"),
        Column::number("AGE"),
    ]);
    for point in points {
        table.heading(route(point));
        table.row([
            id(Some(&point.source_image_id)),
            Cell::name(&point.source_image_name),
            Cell::name(&point.family),
            Cell::name(&point.policy),
            Cell::new(point.tier.as_str()),
            id(point.restored_image_id.as_ref()),
            age(point, as_of),
        ]);
    }
    table.write(look)
}

/// The recovery points that are not complete, with the codes of their reasons.
pub fn open<'a>(
    points: impl IntoIterator<Item = &'a RecoveryPoint>,
    as_of: Timestamp,
    look: Look,
) -> String {
    let mut table = Table::new([
        Column::whole("SOURCE IMAGE"),
        Column::cut("IMAGE NAME", 10),
        Column::cut("FAMILY", 8),
        Column::cut("POLICY", 8).rank(1),
        Column::whole("CODE"),
        Column::number("AGE"),
        Column::number("PLANNED").rank(0),
        Column::cut("PARTICULARS", 24).rank(2),
    ]);
    for point in points {
        table.heading(route(point));
        let tone = match point.state {
            State::Complete | State::InProgress => Tone::Busy,
            State::Parked => Tone::Warn,
            State::Lost | State::Tampered | State::Unusable => Tone::Bad,
        };
        table.row([
            id(Some(&point.source_image_id)),
            Cell::name(&point.source_image_name),
            Cell::name(&point.family),
            Cell::name(&point.policy),
            Cell::new(point.code.as_str()).tone(tone),
            age(point, as_of),
            planned(point, as_of),
            Cell::new(point.detail.as_str()),
        ]);
    }
    table.write(look)
}

/// The images that are left out.
pub fn rejected(images: &[Rejected], look: Look) -> String {
    let mut table = Table::new([
        Column::whole("SOURCE IMAGE"),
        Column::cut("IMAGE NAME", 10),
        Column::whole("CODE"),
        Column::cut("REASON", 20).rank(1),
    ]);
    for image in images {
        let Rejected { source_account, source_region, target_account, target_region, .. } = image;
        table.heading(between((source_account, source_region), (target_account, target_region)));
        let code = Cell::new(image.code.as_str());
        table.row([
            id(Some(&image.source_image_id)),
            Cell::name(&image.source_image_name),
            if image.promised.is_some() { code.tone(Tone::Warn) } else { code },
            Cell::new(image.reason.as_str()),
        ]);
    }
    table.write(look)
}

/// The images that are left out, by reason, with the first names of each.
pub fn left_out(report: &Report, look: Look) -> String {
    let mut reasons: BTreeMap<Code, Vec<&Rejected>> = BTreeMap::new();
    for image in &report.rejected {
        reasons.entry(image.code).or_default().push(image);
    }
    let mut table =
        Table::new([Column::number("IMAGES"), Column::whole("CODE"), Column::cut("FIRST", 20)]);
    for (code, images) in reasons {
        let named = |image: &&Rejected| match image.source_image_name.as_str() {
            "" => image.source_image_id.to_string(),
            name => format!("{name} ({})", image.source_image_id),
        };
        let first: Vec<String> = images.iter().take(FIRST).map(named).collect();
        let is_promised = images.iter().any(|image| image.promised.is_some());
        let code = Cell::new(code.as_str());
        table.row([
            Cell::new(images.len().to_string()),
            if is_promised { code.tone(Tone::Warn) } else { code },
            Cell::name(&first.join(", ")),
        ]);
    }
    table.write(look)
}

/// How many images that are left out for one reason are named.
const FIRST: usize = 3;

/// What could not be asked or read, a paragraph each.
pub fn not_assessed(all: &[NotAssessed], look: Look) -> String {
    let mut text = String::new();
    for unknown in all {
        let (account, region) = (&unknown.source_account, &unknown.source_region);
        let image = unknown.source_image_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        let what = format!("NOT ASSESSED {account} {region}{image}:");
        let what = amiferry_core::text::visible(&what, look.width);
        let why = amiferry_core::text::visible(&unknown.reason, LONGEST_REASON);
        text.push_str(&format!("\n{}\n", look.paint(&what, Some(Tone::Unknown))));
        text.push_str(&wrapped(&why, "  ", look.width));
    }
    text
}

/// Any other table, as wide as its cells. The cells are shown as they are: make others' text
/// visible first.
pub fn plain<const N: usize>(
    header: [&'static str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new(header.map(Column::whole));
    for row in rows {
        table.row(row.map(Cell::new));
    }
    table.write(Look { width: usize::MAX, colour: false })
}

fn route(point: &RecoveryPoint) -> String {
    between(
        (&point.source_account, &point.source_region),
        (&point.target_account, &point.target_region),
    )
}

/// From where to where, as a heading.
fn between(source: (&AccountId, &Region), vault: (&AccountId, &Region)) -> String {
    format!("{}/{} to {}/{}", source.0, source.1, vault.0, vault.1)
}

fn id(id: Option<&impl Display>) -> Cell {
    Cell::new(id.map(ToString::to_string).unwrap_or_default())
}

fn age(point: &RecoveryPoint, as_of: Timestamp) -> Cell {
    Cell::new(span(as_of.duration_since(point.data_from()).as_secs()))
}

/// In how long it will be complete by the plan.
fn planned(point: &RecoveryPoint, as_of: Timestamp) -> Cell {
    let left = |at: Timestamp| format!("in {}", span(at.duration_since(as_of).as_secs().max(0)));
    Cell::new(point.planned_finish.map(left).unwrap_or_default())
}

fn seconds(value: Option<i64>) -> Cell {
    Cell::new(value.map(span).unwrap_or_default())
}
