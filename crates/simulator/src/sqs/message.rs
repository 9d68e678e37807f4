//! What SQS computes over message content: digests, sizes, allowed characters.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// A sender's own attribute: a typed value beside the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, with an optional label behind a dot.
    pub data_type: String,
    /// The value of strings and numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value of binaries, in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

impl MessageAttribute {
    /// The value's bytes; `None` if the value does not fit the type.
    pub fn value(&self) -> Option<Vec<u8>> {
        match self.data_type.split('.').next() {
            Some("Binary") => STANDARD.decode(self.binary_value.as_deref()?).ok(),
            Some("String" | "Number") => Some(self.string_value.as_deref()?.as_bytes().to_vec()),
            _ => None,
        }
    }
}

/// The hexadecimal MD5 of a body.
pub fn md5_of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// The hexadecimal MD5 over attributes, by SQS's own encoding: in order of names, each of name,
/// type and value with its length before it, and 1 for text or 2 for binary before the value.
pub fn md5_of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    let mut part = |bytes: &[u8], kind: &[u8]| {
        digest.update(kind);
        digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(bytes);
    };
    for (name, attribute) in attributes {
        let kind: &[u8] = if attribute.data_type.starts_with("Binary") { &[2] } else { &[1] };
        part(name.as_bytes(), &[]);
        part(attribute.data_type.as_bytes(), &[]);
        part(&attribute.value().unwrap_or_default(), kind);
    }
    Some(hex::encode(digest.finalize()))
}

/// What counts against the maximum message size, in bytes.
pub fn size(body: &str, attributes: &BTreeMap<String, MessageAttribute>) -> usize {
    let attribute = |(name, attribute): (&String, &MessageAttribute)| {
        name.len() + attribute.data_type.len() + attribute.value().map_or(0, |value| value.len())
    };
    body.len() + attributes.iter().map(attribute).sum::<usize>()
}

/// Whether SQS accepts every character of a body.
pub fn is_allowed(body: &str) -> bool {
    body.chars().all(|c| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
            || c >= '\u{10000}'
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_outside_of_xml_are_not_allowed() {
        for (text, allowed) in
            [("a\tb\r\n", true), ("\u{1F600}", true), ("\u{0}", false), ("\u{FFFE}", false)]
        {
            assert_eq!(is_allowed(text), allowed, "{text:?}");
        }
    }
}
