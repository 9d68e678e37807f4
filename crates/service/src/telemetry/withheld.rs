//! What libraries below must not write into the log: the requests and answers in which secrets travel, and
//! what only a programmer reads.
//!
//! Our own lines have fields of a closed table, and tests search them. A library decides by itself what it
//! writes, and writes most at the levels that a person turns on while a stranger reads along.

use amiferry_core::endpoint::secrets;
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

/// What stands in the place of a text that is nothing but values of a program.
pub(super) const FOR_PROGRAMMERS: &str = "left out: it shows values of the program";

/// Whether a line may be written at all, whatever the filter says.
pub(super) fn may_be_written(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with(SDK)
}

/// Whether a line comes from a library.
pub(super) fn is_foreign(target: &str) -> bool {
    !target.starts_with("amiferry")
}

/// The text of a library's line of this level, or that it was left out.
pub(super) fn text(text: String, level: Level) -> String {
    let small = text.to_ascii_lowercase();
    if BESIDE_SECRETS.iter().any(|word| small.contains(word)) {
        return LEFT_OUT.to_owned();
    }
    let text = secrets::text(&text);
    // At more detailed levels, the values of a program are wanted.
    if level <= Level::INFO { in_words(text) } else { text }
}

/// The same of a field's value.
pub(super) fn value(value: Value, level: Level) -> Value {
    match value {
        Value::String(held) => text(held, level).into(),
        other => other,
    }
}

/// A text without the values of a program at its end. The SDK writes each error twice: in words, and then
/// as the value that it is.
fn in_words(text: String) -> String {
    let Some(at) = value_at(&text) else { return text };
    let words = text[..at].trim_end_matches([' ', '(', '[', '{', ':', ',', '=', '"']);
    if words.is_empty() { FOR_PROGRAMMERS.to_owned() } else { words.to_owned() }
}

/// Where a value in Rust's debug form begins: a capitalised name with its fields in brackets.
fn value_at(text: &str) -> Option<usize> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = |at: usize| !text[..at].ends_with(of_name);
    let is_value = |at: usize| {
        let rest = text[at..].trim_start_matches(of_name);
        let fields = rest.strip_prefix(" { ").or_else(|| rest.strip_prefix('('));
        fields.is_some_and(|fields| !fields.starts_with(' '))
    };
    let capitals = text.char_indices().filter(|(_, c)| c.is_ascii_uppercase());
    capitals.map(|(at, _)| at).find(|at| begins(*at) && is_value(*at))
}
