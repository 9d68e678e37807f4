//! Compares the manifest's reader, and the decision about its result, with an independent reading.

use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::{Effect, ManifestFact};
use amiferry_core::manifest::{Manifest, Unreadable};

use crate::json::{self, Json};
use crate::setting::{self, CHECKSUM, CREATED, IMAGE, PREFIX, REGION, SOURCE, VAULT};
use crate::setting::{KEY, VAULT_BUCKET, VAULT_REGION};
use crate::text::{check_shown, is_account, is_bucket, is_key, is_region, is_resource_id};
use crate::{Checked, Outcome};

/// The longest manifest, in bytes.
const LONGEST: usize = 1 << 20;

/// The longest text that says why a manifest is refused, in characters.
const LONGEST_REASON: usize = 512;

/// The manifest that the target worker would write.
///
/// # Errors
/// A mistake in [`setting`].
pub fn valid() -> Result<String, String> {
    String::from_utf8(setting::manifest()?.to_json()).map_err(|error| error.to_string())
}

/// Reads a manifest and decides about a recovery point of which it is the last thing missing.
///
/// # Errors
///
/// What was read without being well-formed, what was called complete without being the configured
/// recovery point, what does not read back as it is written, or a refusal that is not fit to show.
pub fn check_manifest(bytes: &[u8]) -> Checked {
    let fact = match Manifest::from_json(bytes) {
        Ok(manifest) => {
            check_read(bytes, &manifest)?;
            ManifestFact::Present(Box::new(manifest))
        }
        Err(error) => {
            match &error {
                Unreadable::Malformed(_) | Unreadable::TooLarge(_) | Unreadable::Version(_) => {}
            }
            check_shown("the refusal", &error.to_string(), LONGEST_REASON)?;
            ManifestFact::Unreadable(error.to_string())
        }
    };
    let mut seen = setting::all_but_the_manifest()?;
    seen.manifest = fact;
    let decision = setting::decide(&seen)?;
    // The source may be gone: then the manifest alone says what it was.
    let source = seen.source.take();
    let later = setting::decide(&seen)?;
    if let Decision::Park { detail, .. } | Decision::Wait { detail, .. } = &later {
        check_shown("the detail without a source", detail, LONGEST_REASON)?;
    }
    match decision {
        Decision::Done(_) => {
            let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            check_complete(text)?;
            Ok(Outcome::Accepted)
        }
        Decision::Park { code, detail, .. } | Decision::Wait { code, detail, .. } => {
            check_shown("the detail", &detail, LONGEST_REASON)?;
            Ok(Outcome::Refused(code.to_string()))
        }
        // It names another object or image than AWS shows: a loss, and what AWS shows is recorded.
        Decision::Act(Effect::RecordAgain(record)) => {
            let due = setting::manifest()?;
            if (&record.vault_object, &record.restored) != (&due.vault_object, &due.restored) {
                return Err(format!("a manifest led to the record of something else: {record:?}"));
            }
            seen.source = source;
            let loss =
                setting::loss(&seen)?.ok_or("a manifest that is recorded again is no loss")?;
            Ok(Outcome::Refused(loss.to_string()))
        }
        other @ (Decision::Act(_) | Decision::Ineligible { .. }) => {
            Err(format!("a manifest led to {other:?}"))
        }
    }
}

/// What is read is strict JSON of the right form, and is written as it was understood.
fn check_read(bytes: &[u8], manifest: &Manifest) -> Result<(), String> {
    if bytes.len() > LONGEST {
        return Err(format!("a manifest of {} bytes was read", bytes.len()));
    }
    let written = manifest.to_json();
    // Indented, a manifest of a megabyte is longer than one.
    if written.len() <= LONGEST && Manifest::from_json(&written).as_ref() != Ok(manifest) {
        return Err(format!("it does not read back as it is written: {manifest:?}"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let value = json::read(text).ok_or("text that is no strict JSON was read")?;
    if value.has_a_name_twice() {
        return Err(format!("an object with a name twice was read: {text}"));
    }
    let place = |path: &[&str]| text_at(&value, path).unwrap_or_default().to_owned();
    let point = |name: &str| place(&["recovery_point", name]);
    for (what, fits) in [
        ("schema_version", value.get("schema_version") == Some(&Json::Number("1".to_owned()))),
        ("source_account", is_account(&point("source_account"))),
        ("source_region", is_region(&point("source_region"))),
        ("source_image_id", is_resource_id("ami-", &point("source_image_id"))),
        ("target_region", is_region(&point("target_region"))),
        ("target_account", is_account(&place(&["target_account"]))),
        ("tier", tier(&value).is_some()),
        ("bucket", is_bucket(&place(&["vault_object", "bucket"]))),
        ("key", is_key(&place(&["vault_object", "key"]))),
        ("algorithm", place(&["vault_object", "checksum", "algorithm"]) == "CRC64NVME"),
    ] {
        if !fits {
            return Err(format!("a manifest with a malformed {what} was read: {text}"));
        }
    }
    if let Some(restored) = value.get("restored")
        && !is_resource_id("ami-", restored.text("image_id").unwrap_or_default())
    {
        return Err(format!("a manifest with a malformed image_id was read: {text}"));
    }
    Ok(())
}

/// What is called complete names the configured recovery point and what is in the vault.
fn check_complete(text: &str) -> Result<(), String> {
    let value = json::read(text).ok_or("text that is no strict JSON is complete")?;
    let key = format!("{PREFIX}/{SOURCE}/{REGION}/{IMAGE}/image.bin");
    for (path, expected) in [
        (&["recovery_point", "source_account"][..], SOURCE),
        (&["recovery_point", "source_region"], REGION),
        (&["recovery_point", "source_image_id"], IMAGE),
        (&["recovery_point", "target_region"], VAULT_REGION),
        (&["target_account"], VAULT),
        (&["vault_object", "bucket"], VAULT_BUCKET),
        (&["vault_object", "key"], &key),
        (&["vault_object", "version_id"], "vault-1"),
        (&["vault_object", "kms_key"], KEY),
        (&["vault_object", "checksum", "value"], CHECKSUM),
    ] {
        let found = text_at(&value, path);
        if found != Some(expected) {
            return Err(format!("{path:?} is {found:?}, and it is complete: {text}"));
        }
    }
    let size = value.get("vault_object").and_then(|object| object.get("size"));
    if size != Some(&Json::Number("4000000000".to_owned())) {
        return Err(format!("another size is complete: {text}"));
    }
    let restored = value.get("restored").and_then(|restored| restored.text("image_id"));
    let expected = match tier(&value) {
        Some("ready") => Some("ami-0ccccccccccccccc1"),
        _ => None,
    };
    if restored != expected {
        return Err(format!("another restored image is complete: {text}"));
    }
    // The same moment may be written in several ways.
    let moment = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let created = text_at(&value, &["source", "created_at"]).and_then(moment);
    if created.is_none() || created != moment(CREATED) {
        return Err(format!("another source is complete: {text}"));
    }
    Ok(())
}

/// The tier, as a text or in the other form that serde writes names in: `{"ready": null}`.
fn tier(value: &Json) -> Option<&str> {
    let name = match value.get("tier")? {
        Json::Text(name) => name,
        Json::Object(fields) => match fields.as_slice() {
            [(name, Json::Null)] => name,
            _ => return None,
        },
        _ => return None,
    };
    ["ready", "archive"].contains(&name.as_str()).then_some(name.as_str())
}

fn text_at<'a>(value: &'a Json, path: &[&str]) -> Option<&'a str> {
    let (last, way) = path.split_last()?;
    way.iter().try_fold(value, |value, name| value.get(name))?.text(last)
}
