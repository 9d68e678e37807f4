//! Everything about one image or family, one fact a line: what `amiferry show` prints.

use amiferry_core::answer::LONGEST_REASON;
use amiferry_core::cost::STANDARD;
use amiferry_core::text::{distinct, visible};

use super::{Look, moment, span, tables, wrapped};
use crate::family::Family;
use crate::inventory::{RecoveryPoint, Rejected, State};
use crate::page::view::{Tone, tone};
use crate::report::Report;

/// The longest fact.
const LONGEST: usize = 400;

/// Where facts begin.
const FACTS: usize = 13;

/// A report about one image or family, in full.
pub fn details(report: &Report, look: Look) -> String {
    let mut text = String::new();
    for family in &report.families {
        text.push_str(&one_family(family, look));
    }
    for point in &report.recovery_points {
        text.push_str(&one_point(point, report, look));
    }
    for image in &report.rejected {
        text.push_str(&one_rejected(image, look));
    }
    let unknown = tables::not_assessed(&report.not_assessed, look);
    (text + &unknown).trim_start_matches('\n').to_owned()
}

fn one_family(family: &Family, look: Look) -> String {
    let seconds = |value: Option<i64>| value.map_or("-".to_owned(), span);
    let newest = family.source_image_id.as_ref().map_or("none".to_owned(), ToString::to_string);
    let mut block = Block::new(look, "FAMILY", &distinct(&family.family, LONGEST));
    block.fact("policy", &distinct(&family.policy, LONGEST), None);
    block.fact("source", &format!("{}/{}", family.source_account, family.source_region), None);
    block.fact("vault", &format!("{}/{}", family.target_account, family.target_region), None);
    block.fact("state", family.state.as_str(), Some(tone(family.state)));
    block.fact("newest", &newest, None);
    if let Some(restored) = &family.restored_image_id {
        block.fact("restored as", restored.as_str(), None);
    }
    block.fact("age", &seconds(family.age_seconds), None);
    block.fact("RPO", &seconds(family.rpo_seconds), None);
    block.fact("margin", &seconds(family.margin_seconds), None);
    block.text
}

fn one_point(point: &RecoveryPoint, report: &Report, look: Look) -> String {
    let tone = match point.state {
        State::Complete => Tone::Good,
        State::InProgress => Tone::Busy,
        State::Parked => Tone::Warn,
        State::Lost | State::Tampered | State::Unusable => Tone::Bad,
    };
    let mut block = Block::new(look, "RECOVERY POINT", point.source_image_id.as_str());
    block.fact("name", &distinct(&point.source_image_name, LONGEST), None);
    block.fact("family", &distinct(&point.family, LONGEST), None);
    block.fact("policy", &distinct(&point.policy, LONGEST), None);
    block.fact("tier", point.tier.as_str(), None);
    block.fact("source", &format!("{}/{}", point.source_account, point.source_region), None);
    block.fact("vault", &format!("{}/{}", point.target_account, point.target_region), None);
    block.fact("state", point.state.as_str(), Some(tone));
    block.fact("code", point.code.as_str(), None);
    block.fact("means", point.code.meaning(), None);
    if !point.detail.is_empty() {
        block.fact("particulars", &visible(&point.detail, LONGEST_REASON), None);
    }
    if point.state != State::Complete {
        block.fact("to do", point.code.remedy(), None);
    }
    let age = span(report.as_of.duration_since(point.source_created_at).as_secs());
    block.fact("created", &format!("{} ({age} ago)", moment(point.source_created_at)), None);
    if let Some(older) = &point.repeats {
        let age = span(report.as_of.duration_since(older.source_created_at).as_secs());
        let of = format!("{}, {age} old, with the same snapshots", older.source_image_id);
        block.fact("repeats", &of, Some(Tone::Warn));
    }
    if let Some(completed) = point.completed_at {
        block.fact("completed", &moment(completed), None);
    }
    if let Some(restored) = &point.restored_image_id {
        block.fact("restored as", restored.as_str(), None);
    }
    if let Some(object) = &point.vault_object {
        block.fact("object", &format!("s3://{}/{}", object.bucket, object.key), None);
        if let Some(version) = &object.version_id {
            block.fact("version", &distinct(version, LONGEST), None);
        }
        block.fact("size", &format!("{} bytes", object.size), None);
        if let Some(checksum) = &object.checksum {
            block.fact("checksum", &distinct(checksum, LONGEST), None);
        }
        block.fact("class", object.storage_class.as_deref().unwrap_or(STANDARD), None);
        if let Some(archived) = &object.archived {
            block.fact("archived", &archived.to_string(), Some(Tone::Warn));
        }
    }
    block.text
}

fn one_rejected(image: &Rejected, look: Look) -> String {
    let mut block = Block::new(look, "LEFT OUT", image.source_image_id.as_str());
    block.fact("name", &distinct(&image.source_image_name, LONGEST), None);
    if let Some(promised) = &image.promised {
        block.fact("family", &distinct(&promised.family, LONGEST), None);
        block.fact("policy", &distinct(&promised.policy, LONGEST), None);
    }
    block.fact("source", &format!("{}/{}", image.source_account, image.source_region), None);
    block.fact("vault", &format!("{}/{}", image.target_account, image.target_region), None);
    block.fact("code", image.code.as_str(), image.promised.as_ref().map(|_| Tone::Warn));
    block.fact("reason", &visible(&image.reason, LONGEST_REASON), None);
    block.fact("to do", image.code.remedy(), None);
    block.text
}

/// Facts under a heading.
struct Block {
    look: Look,
    text: String,
}

impl Block {
    fn new(look: Look, what: &str, which: &str) -> Self {
        Self { look, text: format!("\n{}\n", look.strong(&format!("{what} {which}"))) }
    }

    fn fact(&mut self, name: &str, value: &str, tone: Option<Tone>) {
        let value = if value.is_empty() { "-" } else { value };
        let indent = " ".repeat(2 + FACTS);
        let lines = wrapped(value, &indent, self.look.width);
        let lines = lines.trim_end();
        // The name is written in the indent of the first line, or above a word that is too long for it.
        let (head, lines) = match lines.strip_prefix(&indent) {
            Some(lines) => (format!("  {name:<FACTS$}"), lines),
            None => (format!("  {name}\n"), lines),
        };
        self.text.push_str(&format!("{head}{}\n", self.look.paint(lines, tone)));
    }
}
