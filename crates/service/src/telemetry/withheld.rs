//! What libraries below must not write into the log: the requests and answers in which secrets travel.
//!
//! Our own lines have fields of a closed table, and tests search them. A library decides by itself what it
//! writes, and writes most at the levels that a person turns on while a stranger reads along.

use serde_json::Value;
use tracing::{Level, Metadata};

/// What the names of the AWS SDK's crates begin with. At `trace` they write whole requests and answers:
/// external ids, session tokens, the credentials of a role, also as lists of bytes that no search finds.
const SDK: &str = "aws_";

/// What stands beside a secret, in small letters: fields of STS's requests and answers, headers, and how the
/// SDK names them.
const BESIDE_SECRETS: [&str; 9] = [
    "secretaccesskey",
    "secret_access_key",
    "sessiontoken",
    "session_token",
    "security-token",
    "externalid",
    "external_id",
    "authorization: b",
    "\"authorization\": \"b",
];

/// What stands in the place of such a text.
pub(super) const LEFT_OUT: &str = "left out: it may hold a secret";

/// Whether a line may be written at all, whatever the filter says.
pub(super) fn may_be_written(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with(SDK)
}

/// Whether a line comes from a library.
pub(super) fn is_foreign(target: &str) -> bool {
    !target.starts_with("amiferry")
}

/// The text of a library's line, or that it was left out.
pub(super) fn text(text: String) -> String {
    let small = text.to_ascii_lowercase();
    match BESIDE_SECRETS.iter().any(|word| small.contains(word)) {
        true => LEFT_OUT.to_owned(),
        false => text,
    }
}

/// The same of a field's value.
pub(super) fn value(value: Value) -> Value {
    match value {
        Value::String(held) => text(held).into(),
        other => other,
    }
}
