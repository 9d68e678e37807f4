//! What parsing and pinning must do, shape by shape, and what no text may make them do.

mod hostile;
mod properties;
mod shapes;

use serde_json::Value;

use super::*;

const IMAGE: &str = "ami-0123456789abcdef0";

/// Every fixture: its name, for messages, and its body.
const FIXTURES: [(&str, &str); 13] = [
    ("ami_available", include_str!("fixtures/ami_available.json")),
    ("snapshot", include_str!("fixtures/snapshot.json")),
    ("s3_notification", include_str!("fixtures/s3_notification.json")),
    ("s3_test_event", include_str!("fixtures/s3_test_event.json")),
    ("s3_object_created", include_str!("fixtures/s3_object_created.json")),
    ("s3_object_deleted", include_str!("fixtures/s3_object_deleted.json")),
    ("cloudtrail_create_image", include_str!("fixtures/cloudtrail_create_image.json")),
    (
        "cloudtrail_create_image_failed",
        include_str!("fixtures/cloudtrail_create_image_failed.json"),
    ),
    ("backup_job_completed", include_str!("fixtures/backup_job_completed.json")),
    ("backup_copy_job_completed", include_str!("fixtures/backup_copy_job_completed.json")),
    ("backup_copy_job_running", include_str!("fixtures/backup_copy_job_running.json")),
    ("backup_recovery_point", include_str!("fixtures/backup_recovery_point.json")),
    ("operator", r#"{"image_id": "ami-0123456789abcdef0", "region": "us-east-1"}"#),
];

fn fixture(name: &str) -> Value {
    let body = FIXTURES.iter().find(|(known, _)| *known == name).unwrap().1;
    serde_json::from_str(body).unwrap()
}

/// A fixture with one value replaced, or added, at a JSON pointer.
fn altered(name: &str, pointer: &str, value: Value) -> String {
    let mut body = fixture(name);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Object(object) => {
            object.insert(field.to_owned(), value);
        }
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer} lies in {other}"),
    }
    body.to_string()
}

fn in_sns(message: &str) -> String {
    serde_json::json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:111111111111:images",
        "Subject": "Amazon S3 Notification",
        "Message": message,
        "Timestamp": "2026-05-04T03:02:01.000Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/cert.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    })
    .to_string()
}

fn scope() -> SourceScope {
    SourceScope {
        account: "111111111111".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        staging_bucket: "staging-example".parse().unwrap(),
        staging_prefix: "amiferry".to_owned(),
    }
}

/// Parses and pins as a worker does: the code of the first refusal, if any.
fn refusal(body: &str) -> Option<RejectCode> {
    let parsed = match parse(body) {
        Ok(parsed) => parsed,
        Err(reject) => return Some(reject.code),
    };
    if let Some(reject) = parsed.rejected.first() {
        return Some(reject.code);
    }
    parsed.hints.iter().find_map(|hint| {
        match hint {
            Hint::Image(image) => scope().pin_image(image).map(drop),
            Hint::Object(object) => scope().pin_object(object).map(drop),
        }
        .err()
        .map(|reject| reject.code)
    })
}
