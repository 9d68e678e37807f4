//! Compares the event parser and the pin with an independent reading of the message.

use std::collections::BTreeSet;

use amiferry_core::event::{self, Hint, Reject, RejectCode};

use crate::json::{self, Json};
use crate::setting::{self, PREFIX, REGION, SOURCE, STAGING};
use crate::text::{check_shown, is_account, is_region, is_resource_id};
use crate::{Checked, Outcome};

/// The longest body, in bytes.
const LONGEST: usize = 1 << 20;

/// The most that one message may ask to be looked at: a list of 1,000, and one more beside it.
const MOST: usize = 1001;

/// Every shape that is read: the documented events, and what an operator sends.
pub const VALID: [(&str, &str); 13] = [
    ("ami_available", include_str!("../../core/src/event/fixtures/ami_available.json")),
    ("snapshot", include_str!("../../core/src/event/fixtures/snapshot.json")),
    ("s3_notification", include_str!("../../core/src/event/fixtures/s3_notification.json")),
    ("s3_test_event", include_str!("../../core/src/event/fixtures/s3_test_event.json")),
    ("s3_object_created", include_str!("../../core/src/event/fixtures/s3_object_created.json")),
    ("s3_object_deleted", include_str!("../../core/src/event/fixtures/s3_object_deleted.json")),
    ("cloudtrail", include_str!("../../core/src/event/fixtures/cloudtrail_create_image.json")),
    (
        "cloudtrail_failed",
        include_str!("../../core/src/event/fixtures/cloudtrail_create_image_failed.json"),
    ),
    ("backup_job", include_str!("../../core/src/event/fixtures/backup_job_completed.json")),
    ("copy_job", include_str!("../../core/src/event/fixtures/backup_copy_job_completed.json")),
    (
        "copy_job_running",
        include_str!("../../core/src/event/fixtures/backup_copy_job_running.json"),
    ),
    ("recovery_point", include_str!("../../core/src/event/fixtures/backup_recovery_point.json")),
    ("operator", r#"{"image_id": "ami-0123456789abcdef0", "region": "us-east-1"}"#),
];

/// Parses and pins a body as both workers do, and holds the answer to the oracle.
///
/// A queue delivers text: bytes that are none become U+FFFD, as in the SDK's answer.
///
/// # Errors
///
/// What was accepted without being inside the configuration, what was left out although it is
/// inside, or a refusal that does not say why in a short and visible text.
pub fn check_event(bytes: &[u8]) -> Checked {
    let body = String::from_utf8_lossy(bytes);
    let scope = setting::scope()?;
    let parsed = match event::parse(&body) {
        Ok(parsed) => parsed,
        Err(reject) => return refused(&reject),
    };
    if body.len() > LONGEST {
        return Err(format!("a body of {} bytes was read", body.len()));
    }
    if parsed.hints.len() > MOST {
        return Err(format!("one message gives {} hints", parsed.hints.len()));
    }
    let mut pinned = BTreeSet::new();
    let mut refusal = None;
    for reject in &parsed.rejected {
        let found = refused(reject)?;
        refusal.get_or_insert(found);
    }
    for hint in &parsed.hints {
        let answer = match hint {
            Hint::Image(hint) => scope.pin_image(hint),
            Hint::Object(hint) => scope.pin_object(hint),
        };
        match answer {
            Ok(Some(image)) => drop(pinned.insert(image.to_string())),
            Ok(None) => {}
            // The first one tells; the others have to be fit to show as well.
            Err(reject) => {
                let found = refused(&reject)?;
                refusal.get_or_insert(found);
            }
        }
    }
    let allowed = allowed(&body)?;
    // A record that is refused for another field than its key names an image too.
    let fits = match parsed.rejected.is_empty() {
        true => pinned == allowed,
        false => pinned.is_subset(&allowed),
    };
    if !fits {
        return Err(format!("{pinned:?} was accepted where {allowed:?} is inside: {body:?}"));
    }
    match refusal {
        Some(refusal) => Ok(refusal),
        None if pinned.is_empty() => Ok(Outcome::Idle),
        None => Ok(Outcome::Accepted),
    }
}

fn refused(reject: &Reject) -> Checked {
    check_shown("the detail", &reject.detail, 256)?;
    if !RejectCode::ALL.contains(&reject.code) {
        return Err(format!("{} is no listed code", reject.code));
    }
    Ok(Outcome::Refused(reject.code.to_string()))
}

/// The images that a body may have looked at, by an own reading of it.
fn allowed(body: &str) -> Result<BTreeSet<String>, String> {
    let strictly = |text: &str| {
        let value = json::read(text).ok_or("text that is no strict JSON was read")?;
        if value.has_a_name_twice() {
            return Err("an object with a name twice was read");
        }
        Ok(value)
    };
    let mut message = strictly(body)?;
    if message.get("Type").is_some() && message.get("Message").is_some() {
        let inner = message.text("Message").ok_or("an SNS Message that is no text was read")?;
        message = strictly(inner)?;
    }
    Ok(images(&message).into_iter().filter(|image| is_resource_id("ami-", image)).collect())
}

fn images(message: &Json) -> Vec<String> {
    if message.get("detail-type").is_some() {
        return of_event(message).unwrap_or_default();
    }
    if let Some(Json::List(records)) = message.get("Records") {
        return records.iter().filter_map(of_record).collect();
    }
    if message.get("Event") == Some(&Json::Text("s3:TestEvent".to_owned())) {
        return Vec::new();
    }
    let image = message.text("image_id").filter(|_| is_from_here(message));
    image.map(str::to_owned).into_iter().collect()
}

/// Account and Region, where they are told, are the configured ones.
fn is_from_here(message: &Json) -> bool {
    let is = |name, expected| message.text(name).is_none_or(|found| found == expected);
    is("account", SOURCE) && is("region", REGION)
}

fn of_event(event: &Json) -> Option<Vec<String>> {
    let detail = event.get("detail");
    let one = |image: Option<&str>| {
        image.filter(|_| is_from_here(event)).map(str::to_owned).into_iter().collect()
    };
    match (event.text("source")?, event.text("detail-type")?) {
        ("aws.ec2", "EC2 AMI State Change") => {
            let detail = detail?;
            let gone = ["failed", "deregistered", "disabled"].contains(&detail.text("State")?);
            Some(one(detail.text("ImageId").filter(|_| !gone)))
        }
        ("aws.ec2", "AWS API Call via CloudTrail") => {
            let detail = detail?;
            let makes = ["CreateImage", "CopyImage", "RegisterImage"];
            let made = makes.contains(&detail.text("eventName")?);
            let answer = detail.get("responseElements")?;
            Some(one(answer.text("imageId").filter(|_| made && detail.get("errorCode").is_none())))
        }
        ("aws.s3", "Object Created" | "Object Deleted") => {
            let detail = detail?;
            let bucket = detail.get("bucket")?.text("name")?;
            let key = detail.get("object")?.text("key")?;
            Some(one(staged(bucket, key).as_deref()))
        }
        ("aws.backup", "Backup Job State Change") => {
            made_here(event, detail?, detail?.text("state")? == "COMPLETED")
        }
        ("aws.backup", "Recovery Point State Change") => {
            let status = detail?.text("status")?;
            made_here(event, detail?, status == "COMPLETED" || status == "AVAILABLE")
        }
        ("aws.backup", "Copy Job State Change") => {
            let detail = detail?;
            let vault = detail.text("destinationBackupVaultArn").unwrap_or_default();
            let owner = vault.split(':').nth(4).filter(|owner| is_account(owner));
            let account = owner.or(event.text("account"));
            let done = detail.text("state")? == "COMPLETED" && account.is_none_or(|a| a == SOURCE);
            let arn = detail.text("destinationRecoveryPointArn").filter(|_| done);
            Some(arn.and_then(|arn| in_arn(event, arn)).into_iter().collect())
        }
        _ => None,
    }
}

fn made_here(event: &Json, detail: &Json, done: bool) -> Option<Vec<String>> {
    let account = event.text("account").is_none_or(|account| account == SOURCE);
    let mut arns: Vec<&str> = Vec::new();
    if let Some(Json::List(resources)) = event.get("resources") {
        arns.extend(resources.iter().filter_map(|resource| match resource {
            Json::Text(arn) => Some(arn.as_str()),
            _ => None,
        }));
    }
    arns.extend(detail.text("recoveryPointArn"));
    let found = arns.into_iter().filter(|_| done && account);
    Some(found.filter_map(|arn| in_arn(event, arn)).collect())
}

/// The image of `arn:aws:ec2:us-east-1::image/ami-…`, if it lies in the configured Region.
fn in_arn(event: &Json, arn: &str) -> Option<String> {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, "ec2", region, _, resource] = fields[..] else { return None };
    let region = if region.is_empty() { event.text("region") } else { Some(region) };
    let here = region.is_none_or(|region| region == REGION && is_region(region));
    resource.strip_prefix("image/").filter(|_| here).map(str::to_owned)
}

fn of_record(record: &Json) -> Option<String> {
    let name = record.text("eventName")?.trim_start_matches("s3:");
    if !name.starts_with("ObjectCreated:") && !name.starts_with("ObjectRemoved:") {
        return None;
    }
    let s3 = record.get("s3")?;
    let key = decoded(s3.get("object")?.text("key")?)?;
    let here = record.text("awsRegion").is_none_or(|region| region == REGION);
    staged(s3.get("bucket")?.text("name")?, &key).filter(|_| here)
}

/// The image whose staged object this is: bucket and key as the design says, byte for byte.
fn staged(bucket: &str, key: &str) -> Option<String> {
    let start = format!("{PREFIX}/{REGION}/");
    let image = key.strip_prefix(start.as_str())?.strip_suffix(".bin")?;
    (bucket == STAGING && is_resource_id("ami-", image)).then(|| image.to_owned())
}

/// Decodes a form-encoded text once.
fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.replace('+', " ").into_bytes();
    for piece in pieces {
        let digits = piece.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(piece[2..].replace('+', " ").bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A valid body by its name.
///
/// # Errors
/// When there is none of that name.
pub fn valid(name: &str) -> Result<&'static str, String> {
    let found = VALID.iter().find(|(known, _)| *known == name);
    found.map(|(_, body)| *body).ok_or_else(|| format!("there is no valid event {name:?}"))
}
