//! What a message names and what a worker would do with it, as `explain` and `dlq` show it.

use amiferry_core::event::{self, Hint, Parsed, Reject};
use amiferry_core::ids::ImageId;
use amiferry_service::reconcile::{Prospect, Role};
use serde::Serialize;

/// A message that names what a worker looks at.
pub const OURS: &str = "ours";

/// A message that was not compared with a configuration.
pub const NOT_COMPARED: &str = "not_compared";

/// A message that asks for nothing.
pub const NAMES_NOTHING: &str = "names_nothing";

/// A key about which the worker would act now.
pub const ACT: &str = "act";

/// A dead letter of a queue that another worker reads.
pub const OTHER_QUEUE: &str = "other_queue";

/// An image of the vault, which only a worker that is restoring it looks at.
pub const VAULT_IMAGE: &str = "vault_image";

/// The codes of messages that are not refused: each with its meaning and what to do.
pub const CODES: [(&str, &str, &str); 6] = [
    (OURS, "the message names an image or an object that a worker looks at", "nothing"),
    (
        NOT_COMPARED,
        "no configuration was given, so it is not known whether a worker looks at it",
        "give --config",
    ),
    (NAMES_NOTHING, "the message names nothing that a worker would look at", "nothing"),
    (ACT, "the worker would take the next step now", "nothing while the worker runs"),
    (
        VAULT_IMAGE,
        "the message names an image of the vault: the target worker looks at it while it restores it, and at no other image of the vault",
        "ask with --ask-aws whether it is a restored image",
    ),
    (
        OTHER_QUEUE,
        "the dead letter comes from a queue that another worker reads",
        "ask with the configuration of that worker",
    ),
];

/// What a message names and leads to.
#[derive(Debug, Clone, Serialize)]
pub struct Meaning {
    /// Its shape; `null` when it cannot be read.
    pub kind: Option<&'static str>,
    /// The images it names.
    pub image_ids: Vec<String>,
    /// The objects it names.
    pub objects: Vec<Object>,
    /// `look`, `ignore`, `quarantine`; with `explain --ask-aws` also the worker's next step.
    pub decision: String,
    /// The stable code of the reason.
    pub code: String,
    /// The reason in words.
    pub reason: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Object {
    pub bucket: String,
    pub key: String,
}

impl Meaning {
    /// What a readable message names, with a verdict on it.
    pub fn new(parsed: &Parsed, decision: &str, code: &str, reason: &str) -> Self {
        let mut image_ids = Vec::new();
        let mut objects = Vec::new();
        for hint in &parsed.hints {
            match hint {
                Hint::Image(hint) => image_ids.push(hint.image.to_string()),
                Hint::Object(hint) => objects
                    .push(Object { bucket: hint.bucket.to_string(), key: hint.key.to_string() }),
            }
        }
        Self {
            kind: Some(parsed.kind.as_str()),
            image_ids,
            objects,
            decision: decision.to_owned(),
            code: code.to_owned(),
            reason: match parsed.rejected.first() {
                Some(first) => {
                    let count = parsed.rejected.len();
                    format!("{reason}; {count} of its records would be quarantined: {first}")
                }
                None => reason.to_owned(),
            },
        }
    }

    /// A message that cannot be read.
    pub fn unreadable(reject: &Reject) -> Self {
        Self {
            kind: None,
            image_ids: Vec::new(),
            objects: Vec::new(),
            decision: "quarantine".to_owned(),
            code: reject.code.to_string(),
            reason: reject.detail.clone(),
        }
    }

    /// A message that is refused although it can be read.
    pub fn refused(parsed: &Parsed, reject: &Reject) -> Self {
        Self::new(parsed, "quarantine", reject.code.as_str(), &reject.detail)
    }

    /// A message that asks for nothing.
    pub fn nothing(parsed: &Parsed) -> Self {
        let reason = "the message names nothing that a worker would look at";
        Self::new(parsed, "ignore", NAMES_NOTHING, reason)
    }

    /// A message about an image of the vault, as far as it is known without asking AWS.
    pub fn of_vault(parsed: &Parsed, image: &ImageId) -> Self {
        let reason = format!(
            "the target worker looks at its recovery point if it is restoring {image}, and ignores \
             the message otherwise; give --ask-aws to find out"
        );
        Self::new(parsed, "look", VAULT_IMAGE, &reason)
    }

    /// A message about an image of the vault that no recovery point was restored as.
    pub fn not_restored(parsed: &Parsed, image: &ImageId) -> Self {
        let reason = format!(
            "{image} is an image of the vault that amiferry did not restore: it starts nothing"
        );
        Self::new(parsed, "ignore", NAMES_NOTHING, &reason)
    }

    /// A message whose image or object a worker looks at.
    pub fn look(parsed: &Parsed, key: &impl std::fmt::Display) -> Self {
        let reason = format!("a worker looks at {key} in AWS and decides by what it finds");
        Self::new(parsed, "look", OURS, &reason)
    }

    /// What one worker would do with a body, without asking AWS; with the reason if it refuses it.
    pub fn to<R: Role>(role: &R, body: &str) -> (Self, Option<Reject>) {
        let parsed = match event::parse(body) {
            Ok(parsed) => parsed,
            Err(reject) => return (Self::unreadable(&reject), Some(reject)),
        };
        match role.interpret(body).prospect() {
            Prospect::Look(keys) => {
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                (Self::look(&parsed, &keys.join(", ")), None)
            }
            Prospect::Ignore => (Self::nothing(&parsed), None),
            Prospect::Quarantine(reject) => (Self::refused(&parsed, &reject), Some(reject)),
        }
    }

    /// What it names, in words: ids and places, separated by spaces.
    pub fn names(&self) -> String {
        let objects = self.objects.iter().map(|object| format!("{}/{}", object.bucket, object.key));
        self.image_ids.iter().cloned().chain(objects).collect::<Vec<_>>().join(" ")
    }
}
