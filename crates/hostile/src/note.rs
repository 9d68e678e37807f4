//! Compares the reader of notes, and the decision about one that the source left, with an independent
//! reading. EC2 does not show the image any more, so the note is all that tells of it.

use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::{Effect, NoteFact};
use amiferry_core::manifest::{Note, Teller};
use amiferry_core::policy::Tier;
use amiferry_core::ports::SmallObject;
use jiff::Timestamp;

use crate::json::{self, Json};
use crate::setting::{self, IMAGE, REGION, SOURCE, STORED};
use crate::text::check_shown;
use crate::{Checked, Outcome};

/// The longest note, in bytes.
const LONGEST: usize = 1 << 18;

/// The longest text that says why a note is refused, in characters.
const LONGEST_REASON: usize = 512;

/// The note that the source worker would leave.
///
/// # Errors
/// A mistake in [`setting`].
pub fn valid() -> Result<String, String> {
    let image = setting::image(setting::source_tags())?;
    let source = setting::recovery_point()?.source();
    let noted: Timestamp = STORED.parse().map_err(|error| format!("{STORED}: {error}"))?;
    let governed = ("daily", "shop", Tier::Ready);
    let note = Note::of(&image, &source, governed, Teller::Source, noted);
    String::from_utf8(note.to_json()).map_err(|error| error.to_string())
}

/// Reads a note that the source left, and decides about a recovery point of which only the staged
/// object and the note are there.
///
/// # Errors
///
/// What was read without being well-formed or about the configured image, what was copied for
/// another policy or family than the configuration says, what the vault's own note and this one are
/// not read alike, or a refusal that is not fit to show.
pub fn check_note(bytes: &[u8]) -> Checked {
    let id = setting::recovery_point()?;
    let found = SmallObject { bytes: bytes.to_vec(), written: None };
    let fact = NoteFact::staged(Some(&found), &id);
    match (&fact, NoteFact::kept(Some(&found), &id)) {
        (NoteFact::Staged(note), NoteFact::Kept(_)) => check_read(bytes, note)?,
        (NoteFact::Unreadable(why), NoteFact::Unreadable(_)) => {
            check_shown("the refusal", why, LONGEST_REASON)?;
        }
        (left, kept) => return Err(format!("the source's is {left:?}, the vault's {kept:?}")),
    }
    let mut seen = setting::staged_alone()?;
    seen.note = fact;
    match setting::decide(&seen)? {
        Decision::Act(Effect::Copy(order)) => {
            let note = order.note.as_ref().ok_or("a copy without a note")?;
            if note.told_by != Teller::Source {
                return Err("what the source told passes for what the vault saw".to_owned());
            }
            if Some(&order.staged) != seen.staged.as_ref() || order.retention.is_none() {
                return Err(format!("another copy than of the staged object: {order:?}"));
            }
            check_copied(bytes, note)?;
            Ok(Outcome::Accepted)
        }
        Decision::Ineligible { code, detail } => {
            check_shown("the detail", &detail, LONGEST_REASON)?;
            Ok(Outcome::Refused(code.to_string()))
        }
        other => Err(format!("a note led to {other:?}")),
    }
}

/// What is read is strict JSON of the right form about the configured image, and is written as it was
/// understood.
fn check_read(bytes: &[u8], note: &Note) -> Result<(), String> {
    if bytes.len() > LONGEST {
        return Err(format!("a note of {} bytes was read", bytes.len()));
    }
    let written = note.to_json();
    let id = setting::recovery_point()?;
    // Indented, a long note is longer than one.
    if written.len() <= LONGEST && Note::from_json(&written, &id).as_ref() != Ok(note) {
        return Err(format!("it does not read back as it is written: {note:?}"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let value = json::read(text).ok_or("text that is no strict JSON was read")?;
    if value.has_a_name_twice() {
        return Err(format!("an object with a name twice was read: {text}"));
    }
    for (name, expected) in
        [("source_account", SOURCE), ("source_region", REGION), ("source_image_id", IMAGE)]
    {
        if value.text(name) != Some(expected) {
            return Err(format!("a note of another {name} was read: {text}"));
        }
    }
    if value.get("schema_version") != Some(&Json::Number("1".to_owned())) {
        return Err(format!("a note of another version was read: {text}"));
    }
    Ok(())
}

/// What is copied is an image that can be stored, of the policy and family that the note's own tags
/// and name give it, and no younger than its staged object.
fn check_copied(bytes: &[u8], note: &Note) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let value = json::read(text).ok_or("text that is no strict JSON is copied")?;
    let source = value.get("source").ok_or("a note without a source is copied")?;
    let shape = source.get("shape").ok_or("a note without a shape is copied")?;
    let tag = |key: &str| value.get("tags").and_then(|tags| tags.text(key));
    let is_daily = source.text("name").is_some_and(|name| name.starts_with("web"))
        && tag("backup").is_some_and(|value| value.starts_with("dai"));
    let expected = match (is_daily, tag("app")) {
        (true, Some(app)) => ("daily", app),
        (true, None) => ("daily", note.family.as_str()),
        (false, _) => ("rest", "all"),
    };
    if (note.policy.as_str(), note.family.as_str()) != expected
        || value.text("policy") != Some(expected.0)
        || value.text("family") != Some(expected.1)
    {
        return Err(format!("copied as {} of {}: {text}", note.family, note.policy));
    }
    for (name, expected) in [("virtualization", "hvm"), ("root_device_type", "ebs")] {
        if shape.text(name) != Some(expected) {
            return Err(format!("an image with another {name} is copied: {text}"));
        }
    }
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    let created = source.text("created_at").and_then(moment).ok_or("without a time")?;
    let stored = moment(STORED).ok_or("the setting has no time")?;
    if created.duration_since(stored) > jiff::SignedDuration::from_hours(1) {
        return Err(format!("an image younger than its staged object is copied: {text}"));
    }
    if source.get("unseen").is_some_and(|unseen| *unseen != Json::Null) {
        return Err(format!("an image that was not seen is copied: {text}"));
    }
    Ok(())
}
