//! Writes a report as CSV: one kind of row at a time, every cell in quotes.
//!
//! A spreadsheet opens it without changing anything: no cell is a formula, and what is text but
//! looks like a number, such as an account id, begins with an apostrophe.

use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::text::distinct;
use csv::{QuoteStyle, WriterBuilder};
use jiff::Timestamp;

use super::moment;
use crate::family::Family;
use crate::inventory::{NotAssessed, RecoveryPoint, Rejected, VaultObject};
use crate::report::Report;

/// The longest cell: a tag's value has up to 256 characters, and an escape up to ten for each.
const LONGEST_CELL: usize = 2_560;

/// One line per family, under a header.
///
/// # Errors
/// Only what the writer gives, which memory does not cause.
pub fn families(report: &Report) -> Result<String, csv::Error> {
    let header = [
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
        "target_account",
        "breaks_at",
        "kept_again_at",
    ];
    let row = |family: &Family| {
        [
            moment(report.as_of),
            text(&family.source_account),
            text(&family.source_region),
            text(&family.family),
            text(&family.policy),
            text(&family.target_region),
            text(&family.state.as_str()),
            optional(family.source_image_id.as_ref()),
            optional(family.restored_image_id.as_ref()),
            time(family.source_created_at),
            number(family.age_seconds),
            number(family.rpo_seconds),
            number(family.margin_seconds),
            text(&family.target_account),
            time(family.breaks_at),
            time(family.kept_again_at),
        ]
    };
    written(header, report.families.iter().map(row))
}

/// One line per recovery point, under a header.
///
/// # Errors
/// As [`families`].
pub fn recovery_points(report: &Report) -> Result<String, csv::Error> {
    let header = [
        "as_of",
        "source_account",
        "source_region",
        "source_image_id",
        "source_image_name",
        "family",
        "policy",
        "tier",
        "target_account",
        "target_region",
        "state",
        "code",
        "detail",
        "restored_image_id",
        "vault_object_bucket",
        "vault_object_key",
        "vault_object_version_id",
        "vault_object_size",
        "vault_object_checksum",
        "source_created_at",
        "completed_at",
        "age_seconds",
        "repeats_source_image_id",
        "planned_finish",
        "vault_object_storage_class",
        "vault_object_retrieval_seconds",
    ];
    let row = |point: &RecoveryPoint| {
        let of_object = |field: fn(&VaultObject) -> Option<String>| {
            optional(point.vault_object.as_ref().and_then(field).as_ref())
        };
        let [account, region, image] =
            source(&point.source_account, &point.source_region, &point.source_image_id);
        [
            moment(report.as_of),
            account,
            region,
            image,
            text(&point.source_image_name),
            text(&point.family),
            text(&point.policy),
            text(&point.tier.as_str()),
            text(&point.target_account),
            text(&point.target_region),
            text(&point.state.as_str()),
            text(&point.code),
            text(&point.detail),
            optional(point.restored_image_id.as_ref()),
            of_object(|object| Some(object.bucket.to_string())),
            of_object(|object| Some(object.key.to_string())),
            of_object(|object| object.version_id.clone()),
            number(point.vault_object.as_ref().map(|object| object.size)),
            of_object(|object| object.checksum.clone()),
            moment(point.source_created_at),
            time(point.completed_at),
            report.as_of.duration_since(point.data_from()).as_secs().to_string(),
            optional(point.repeats.as_ref().map(|older| &older.source_image_id)),
            time(point.planned_finish),
            of_object(|object| object.storage_class.clone()),
            number(
                point
                    .vault_object
                    .as_ref()
                    .and_then(|object| Some(object.archived.as_ref()?.retrieval_seconds)),
            ),
        ]
    };
    written(header, report.recovery_points.iter().map(row))
}

/// One line per image that is left out, under a header.
///
/// # Errors
/// As [`families`].
pub fn left_out(report: &Report) -> Result<String, csv::Error> {
    let header = [
        "as_of",
        "source_account",
        "source_region",
        "source_image_id",
        "source_image_name",
        "target_account",
        "target_region",
        "code",
        "reason",
    ];
    let row = |image: &Rejected| {
        let [account, region, id] =
            source(&image.source_account, &image.source_region, &image.source_image_id);
        [
            moment(report.as_of),
            account,
            region,
            id,
            text(&image.source_image_name),
            text(&image.target_account),
            text(&image.target_region),
            text(&image.code),
            text(&image.reason),
        ]
    };
    written(header, report.rejected.iter().map(row))
}

/// One line per source, image or item that could not be asked or read, under a header.
///
/// # Errors
/// As [`families`].
pub fn not_assessed(report: &Report) -> Result<String, csv::Error> {
    let header = ["as_of", "source_account", "source_region", "source_image_id", "reason"];
    let row = |unknown: &NotAssessed| {
        [
            moment(report.as_of),
            text(&unknown.source_account),
            text(&unknown.source_region),
            optional(unknown.source_image_id.as_ref()),
            text(&unknown.reason),
        ]
    };
    written(header, report.not_assessed.iter().map(row))
}

pub(super) fn written<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Result<String, csv::Error> {
    let mut writer = WriterBuilder::new().quote_style(QuoteStyle::Always).from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn source(account: &AccountId, region: &Region, image: &ImageId) -> [String; 3] {
    [text(account), text(region), text(image)]
}

/// A cell that every spreadsheet takes for text. One that would be a formula (OWASP, *CSV
/// Injection*; some read full-width signs as such) or a number begins with an apostrophe.
pub(super) fn text(value: &impl ToString) -> String {
    let cell = distinct(&value.to_string(), LONGEST_CELL);
    let is_formula = cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    // Numbers, dates, times, fractions, percentages and powers of ten.
    let in_number = |c: char| c.is_ascii_digit() || "., :/-+eE%".contains(c);
    let is_number = cell.contains(|c: char| c.is_ascii_digit()) && cell.chars().all(in_number);
    if is_formula || is_number { format!("'{cell}") } else { cell }
}

pub(super) fn optional(value: Option<&impl ToString>) -> String {
    value.map(text).unwrap_or_default()
}

pub(super) fn number(value: Option<impl ToString>) -> String {
    value.map(|number| number.to_string()).unwrap_or_default()
}

pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map(moment).unwrap_or_default()
}
