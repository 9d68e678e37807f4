//! The page of the messages that the queues accept. Which fields are read, which of them must be there and
//! what becomes of a broken one is asked of the parser, with the fixtures of its own tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use amiferry_core::event::{
    self, EventKind, Hint, MAX_BODY_BYTES, MAX_ITEMS, MAX_NESTING, ObjectChange, RejectCode,
};
use amiferry_core::names::SourceId;
use serde_json::{Value, json};

use crate::check::check;
use crate::repository::{files, read};

const PAGE: &str = "docs/reference/events.md";

/// Messages of each kind: the fixtures, and what they lack.
fn samples() -> BTreeMap<EventKind, Vec<Value>> {
    let parsed = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let fixtures = files("crates/core/src/event/fixtures", "json");
    let mut bodies: Vec<Value> = fixtures.iter().map(|file| parsed(read(file))).collect();
    let mut named = parsed(read("crates/core/src/event/fixtures/backup_job_completed.json"));
    named["detail"]["recoveryPointArn"] = named["resources"][0].clone();
    let source =
        SourceId { account: "111111111111".parse().unwrap(), region: "us-east-1".parse().unwrap() };
    let asked = event::operator(&source, &"ami-0123456789abcdef0".parse().unwrap());
    bodies.extend([
        named,
        parsed(asked),
        json!({ "source": "aws.health", "detail-type": "AWS Health Event", "detail": {} }),
    ]);
    let mut samples = BTreeMap::new();
    for body in bodies.iter().flat_map(alone) {
        let kind = event::parse(&body.to_string()).unwrap().kind;
        samples.entry(kind).or_insert_with(Vec::new).push(body);
    }
    samples
}

/// A message for each record of it, because good records hide what becomes of a broken one.
fn alone(body: &Value) -> Vec<Value> {
    let Some(records) = body.get("Records").and_then(Value::as_array) else {
        return vec![body.clone()];
    };
    records.iter().map(|record| json!({ "Records": [record] })).collect()
}

/// What a message becomes: its hints and the codes of what is refused in it, or why all of it is.
type Outcome = Result<(EventKind, Vec<Hint>, Vec<RejectCode>), RejectCode>;

fn outcome(body: &Value) -> Outcome {
    let parsed = event::parse(&body.to_string()).map_err(|reject| reject.code)?;
    Ok((parsed.kind, parsed.hints, parsed.rejected.iter().map(|reject| reject.code).collect()))
}

/// The JSON pointers of what holds no more fields.
fn leaves(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                assert!(!name.contains(['/', '~']), "{name} needs an escape in a pointer");
                leaves(value, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) if !items.is_empty() => leaves(&items[0], &format!("{at}/0"), found),
        _ => {
            found.insert(at.to_owned());
        }
    }
}

/// The message without a field, or with another value there; the message itself has the field's parent.
fn altered(body: &Value, pointer: &str, value: Option<Value>) -> Option<Value> {
    let mut body = body.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent)? {
        Value::Object(fields) => match value {
            Some(value) => drop(fields.insert(name.to_owned(), value)),
            None => drop(fields.remove(name)?),
        },
        Value::Array(items) => match value {
            Some(value) => items[0] = value,
            None => items.clear(),
        },
        _ => return None,
    }
    Some(body)
}

/// A field that a worker reads of a kind of message.
#[derive(Debug, Default)]
struct Field {
    is_needed: bool,
    /// What the message is refused as without it, or with something else in it.
    codes: BTreeSet<&'static str>,
}

/// What is read of messages of one kind, by its path as a person writes it.
fn fields(samples: &[Value]) -> BTreeMap<String, Field> {
    let mut pointers = BTreeSet::new();
    for body in samples {
        leaves(body, "", &mut pointers);
    }
    let mut read = BTreeMap::new();
    for pointer in pointers {
        let mut field = Field { is_needed: true, ..Field::default() };
        let mut is_read = false;
        let others = samples.iter().filter_map(|body| body.pointer(&pointer).cloned());
        let wrong = [json!(7), json!(true), json!("\u{1}"), json!("3.0"), json!({ "a": 1 })];
        let values: Vec<Option<Value>> =
            [None].into_iter().chain(wrong.into_iter().chain(others).map(Some)).collect();
        for body in samples {
            let before = outcome(body);
            let (mut is_read_here, mut is_needed_here) = (false, true);
            for value in &values {
                let is_removed = value.is_none();
                let Some(body) = altered(body, &pointer, value.clone()) else { continue };
                let after = outcome(&body);
                is_read_here |= after != before;
                let code = match &after {
                    Ok((_, _, rejected)) => rejected.first(),
                    Err(code) => Some(code),
                };
                field.codes.extend(code.map(|code| code.as_str()));
                is_needed_here &= !is_removed || code.is_some();
            }
            is_read |= is_read_here;
            // A message that asks for nothing may need less of its fields.
            field.is_needed &= is_needed_here || !is_read_here;
        }
        if is_read {
            let path = pointer.trim_start_matches('/').replace("/0", "[]").replace('/', ".");
            read.insert(path, field);
        }
    }
    read
}

/// What a field means. The parser decides which are asked for here.
fn meaning(kind: EventKind, path: &str) -> &'static str {
    match (kind, path) {
        (EventKind::Operator, "account") => "the account of the source",
        (EventKind::Operator, "region") => "the Region of the source",
        (EventKind::Operator, "image_id") => "the source image",
        (EventKind::BackupCopyJob, "account") => {
            "the account that copies; counts where no destination vault is named"
        }
        (EventKind::BackupCopyJob, "region") => "the Region that copies",
        (_, "source") => "the service that sends it; only `aws.…` is taken",
        (_, "detail-type") => "which event of that service it is",
        (_, "account") => "the account that the event is from",
        (_, "region") => "the Region that the event is from",
        (_, "resources[]") => "an ARN; that of an image names it, any other nothing",
        (_, "Event") => "`s3:TestEvent`",
        (_, "detail.State") => {
            "`available`, `failed`, `deregistered`, `disabled`; any other is a reason to look"
        }
        (_, "detail.ImageId") => "the image",
        (_, "detail.eventName") => {
            "the call; `CreateImage`, `CopyImage` and `RegisterImage` make an image"
        }
        (_, "detail.errorCode") => "there if the call failed; then it made no image",
        (_, "detail.responseElements") => "what EC2 answered; without it the call made no image",
        (_, "detail.responseElements.imageId") => "the image, which is still pending",
        (_, "detail.state" | "detail.status") => {
            "whether the job is over and the image there: `COMPLETED`, of recovery points also `AVAILABLE`"
        }
        (_, "detail.recoveryPointArn") => {
            "the image's ARN once more; `{}` while AWS Backup does not know it"
        }
        (_, "detail.destinationRecoveryPointArn") => {
            "the new image's ARN; `{}` while AWS Backup does not know it"
        }
        (_, "detail.destinationBackupVaultArn") => "the account of the new image",
        (_, "detail.bucket.name" | "Records[].s3.bucket.name") => "the bucket",
        (_, "detail.object.key") => "the object's key, as it is",
        (_, "Records[].s3.object.key") => "the object's key, form-URL-encoded once",
        (_, "detail.object.version-id" | "Records[].s3.object.versionId") => "the version",
        (_, "detail.object.etag" | "Records[].s3.object.eTag") => "the entity tag",
        (_, "detail.object.size" | "Records[].s3.object.size") => "the size in bytes",
        (_, "Records[].eventSource") => "`aws:s3`",
        (_, "Records[].eventVersion") => "major version 2, any minor one",
        (_, "Records[].eventName") => {
            "`ObjectCreated:…` and `ObjectRemoved:…`; any other asks for nothing"
        }
        (_, "Records[].awsRegion") => "the bucket's Region",
        (kind, path) => panic!("{kind:?} has {path} read: say what it means"),
    }
}

/// A heading for a kind, and who sends it.
fn about(kind: EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::AmiStateChange => (
            "EC2 AMI State Change",
            "EventBridge, of the source and of the vault, by the rules of the stacks. Best effort.",
        ),
        EventKind::SnapshotNotification => (
            "EBS Snapshot Notification, EBS Multi-Volume Snapshots Completion Status",
            "EventBridge. It names snapshots and no image.",
        ),
        EventKind::S3Notification => (
            "S3 notification",
            "S3 itself, where a bucket notifies a queue or a topic directly. A record that cannot be read is refused \
             alone, and the others count; if none can, the whole message is refused.",
        ),
        EventKind::S3TestEvent => {
            ("S3 test event", "S3, once, when such a notification is set up.")
        }
        EventKind::S3EventBridge => (
            "Object Created, Object Deleted, and other events of S3",
            "EventBridge, of the staging bucket, by the rules of the stacks. Those of tags, access lists and tiers ask \
             for nothing.",
        ),
        EventKind::CloudTrailCreateImage => (
            "AWS API Call via CloudTrail",
            "EventBridge, where a trail exists and a rule of yours sends it: earlier than the image's own event.",
        ),
        EventKind::BackupJob => {
            ("Backup Job State Change", "AWS Backup, where a rule of yours sends it.")
        }
        EventKind::BackupCopyJob => (
            "Copy Job State Change",
            "AWS Backup, where a rule of yours sends it. A copy into another account or Region is none of this \
             worker's, and is not refused.",
        ),
        EventKind::BackupRecoveryPoint => {
            ("Recovery Point State Change", "AWS Backup, where a rule of yours sends it.")
        }
        EventKind::Operator => (
            "A person's request",
            "`amiferry retry`, or a person with the `aws` CLI. It also ends pauses after failures \
             ([ADR 0012](../adr/0012-a-person-ends-pauses-by-a-message.md)), so let nothing else send to the queues.",
        ),
        EventKind::Other => (
            "Any other event of AWS",
            "EventBridge, where a rule sends more than it should. It is well-formed, and asks for nothing.",
        ),
    }
}

/// What messages of a kind name, by their hints.
fn names(samples: &[Value]) -> String {
    let mut named = BTreeSet::new();
    for body in samples {
        for hint in outcome(body).unwrap().1 {
            named.insert(match hint {
                Hint::Image(_) => "an image",
                Hint::Object(hint) if hint.change == ObjectChange::Created => {
                    "an object that appeared"
                }
                Hint::Object(_) => "an object that disappeared",
            });
        }
    }
    if named.is_empty() { "nothing".to_owned() } else { Vec::from_iter(named).join(", ") }
}

const HEAD: &str = "\
<!-- Made from the parser and its fixtures by tests/tests/tidy/events.rs. -->

# Messages that the queues accept

A message only says where to look. A worker reads its shape, takes an image or an object out of it, compares that with its configuration, and looks at AWS: a lost, repeated or forged
message changes when something happens, never what happens. [The rules of the stacks](../../deploy/README.md#policies) send `EC2 AMI State Change` and `Object Created`; the others are taken
if you have them sent. `amiferry explain --event FILE` reads one message and says what a worker would make of it.

What a worker makes of what a message names:

| named | the source worker | the target worker |
|---|---|---|
| an image of its source that is available, or of which no state is told | looks at it | looks at its recovery point |
| an image of its source that failed, is deregistered or disabled | nothing | nothing |
| an image of the vault | refuses it | looks at the recovery point that it restores as that image; at no other |
| `ami-….bin` at its place in the staging bucket | looks at the image | looks at the image's recovery point |
| another file under the prefix in the staging bucket | nothing | nothing |
| anything else | refuses it | refuses it |

What is refused is logged, counted and deleted ([codes](../reason-codes.md#of-messages)). All fields that are not listed are ignored, and so is `null`. A message may come in one envelope of SNS. ";

#[test]
fn the_page_of_messages_is_what_the_parser_reads() {
    let samples = samples();
    let mut page = String::from(HEAD);
    writeln!(
        page,
        "It has at most {MAX_BODY_BYTES} bytes,\nnests at most {MAX_NESTING} deep, and a list in it has at most {MAX_ITEMS} items."
    )
    .unwrap();
    for kind in EventKind::ALL {
        let of_kind = samples.get(&kind).unwrap_or_else(|| panic!("no message is of {kind:?}"));
        let (heading, sender) = about(kind);
        write!(
            page,
            "\n## {heading}\n\n`{}` in metrics. From: {sender}\n\nNames: {}.\n\n\
             | field | needed | what it is | missing or malformed |\n|---|---|---|---|\n",
            kind.as_str(),
            names(of_kind)
        )
        .unwrap();
        for (path, field) in fields(of_kind) {
            let needed = if field.is_needed { "yes" } else { "no" };
            let codes: Vec<String> = field.codes.iter().map(|code| format!("`{code}`")).collect();
            let meaning = meaning(kind, &path);
            writeln!(page, "| `{path}` | {needed} | {meaning} | {} |", codes.join(", ")).unwrap();
        }
    }
    check(PAGE, &page);
}

#[test]
fn the_rules_of_the_stacks_send_kinds_that_name_something() {
    let samples = samples();
    for file in files("deploy/events", "json") {
        let pattern: Value = serde_json::from_str(&read(&file)).unwrap();
        let is_sent = |body: &Value| {
            ["source", "detail-type"]
                .iter()
                .all(|name| pattern[*name].as_array().unwrap().contains(&body[*name]))
        };
        let sent: Vec<&Value> = samples.values().flatten().filter(|body| is_sent(body)).collect();
        assert!(!sent.is_empty(), "{file}: no fixture is sent by it");
        for body in sent {
            assert!(
                !outcome(body).unwrap().1.is_empty(),
                "{file} sends what names nothing: {body}"
            );
        }
    }
}
