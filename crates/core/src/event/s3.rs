//! Reads object events, in the classic form of S3 and in that of EventBridge.
//!
//! The two differ where it matters: a classic key is form-URL-encoded and an EventBridge key is
//! not, `eTag` and `versionId` against `etag` and `version-id`, and only EventBridge names the
//! bucket's owner.

use super::eventbridge::Origin;
use super::fields::Fields;
use super::{EventKind, Hint, ObjectChange, ObjectHint, Parsed, Reject, RejectCode};

/// `{"Records": […]}`. Event names other than created and removed give no hint. One record that
/// cannot be read takes no other with it.
pub(super) fn read_notification(message: &Fields<'_>) -> Result<Parsed, Reject> {
    let mut parsed = Parsed::of(EventKind::S3Notification, Vec::new());
    let mut good = 0;
    for record in message.objects("Records")? {
        match record.and_then(|record| read_record(&record)) {
            Ok(hint) => {
                good += 1;
                parsed.hints.extend(hint.map(Hint::Object));
            }
            Err(reject) => parsed.rejected.push(reject),
        }
    }
    if good == 0 && !parsed.rejected.is_empty() {
        return Err(parsed.rejected.swap_remove(0));
    }
    Ok(parsed)
}

fn read_record(record: &Fields<'_>) -> Result<Option<ObjectHint>, Reject> {
    let source = record.text("eventSource")?;
    if source != "aws:s3" {
        let detail = format!("{}: {source:?}; expected aws:s3", record.path("eventSource"));
        return Err(Reject::new(RejectCode::UnknownShape, &detail));
    }
    check_version(record)?;
    let name = record.text("eventName")?;
    // AWS writes no prefix here; some S3-compatible servers write the one of the configuration.
    let name = name.strip_prefix("s3:").unwrap_or(name);
    let change = if name.starts_with("ObjectCreated:") {
        ObjectChange::Created
    } else if name.starts_with("ObjectRemoved:") {
        ObjectChange::Removed
    } else {
        return Ok(None);
    };
    let s3 = record.object("s3")?;
    let object = s3.object("object")?;
    let key = decode_form(object.text("key")?).map_err(|problem| object.bad("key", problem))?;
    Ok(Some(ObjectHint {
        account: None,
        region: record.optional_id("awsRegion")?,
        bucket: s3.object("bucket")?.id("name")?,
        key: key.parse().map_err(|malformed| object.bad("key", malformed))?,
        version: object.optional_token("versionId")?,
        etag: object.optional_token("eTag")?,
        size: object.optional_size("size")?,
        change,
    }))
}

/// S3's rule for readers: equal major version, any minor version.
fn check_version(record: &Fields<'_>) -> Result<(), Reject> {
    let Some(version) = record.optional_text("eventVersion")? else { return Ok(()) };
    let number = |text: &str| text.parse::<u32>().ok();
    match version.split_once('.').map(|(major, minor)| (number(major), number(minor))) {
        Some((Some(2), Some(_))) => Ok(()),
        Some((Some(_), Some(_))) => {
            let path = record.path("eventVersion");
            let detail = format!("{path}: {version:?}; this release reads major version 2");
            Err(Reject::new(RejectCode::UnknownShape, &detail))
        }
        _ => Err(record.bad("eventVersion", "expected major.minor, such as 2.1")),
    }
}

/// `Object Created` and `Object Deleted`; tags, access lists and tiers give no hint.
pub(super) fn read_event(origin: Origin, event: &Fields<'_>) -> Result<Parsed, Reject> {
    let kind = EventKind::S3EventBridge;
    let change = match event.text("detail-type")? {
        "Object Created" => ObjectChange::Created,
        "Object Deleted" => ObjectChange::Removed,
        _ => return Ok(Parsed::of(kind, Vec::new())),
    };
    let detail = event.object("detail")?;
    let object = detail.object("object")?;
    let hint = ObjectHint {
        account: origin.account,
        region: origin.region,
        bucket: detail.object("bucket")?.id("name")?,
        key: object.id("key")?,
        version: object.optional_token("version-id")?,
        etag: object.optional_token("etag")?,
        size: object.optional_size("size")?,
        change,
    };
    Ok(Parsed::of(kind, vec![Hint::Object(hint)]))
}

/// Decodes a form-URL-encoded key exactly once: `+` is a space, `%XX` a byte of UTF-8.
fn decode_form(encoded: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(), digit());
                high.zip(low)
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                    .ok_or("a % without two hexadecimal digits behind it")?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8 once decoded")
}
