//! Decides what a policy may be called: its name is a label of metrics.

use serde::Deserialize;

use super::UNNAMED;

/// A policy's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct PolicyName(String);

impl PolicyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PolicyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PolicyName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let valid = (1..=64).contains(&name.len())
            && name != UNNAMED
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if valid {
            Ok(Self(name))
        } else {
            let name: String = name.chars().take(80).collect();
            Err(format!(
                "{name:?} is not a policy name: expected 1 to 64 of a-z, 0-9, '-', '_', and not \
                 {UNNAMED:?}"
            ))
        }
    }
}
