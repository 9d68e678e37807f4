//! What only a running worker knows, as it answers the question of a report: which steps AWS
//! refused it, when it tries again, and in which families images went.
//!
//! AWS shows none of that. A report that takes it up can only look worse for it: an answer turns
//! nothing into `complete`, so whatever answers in the place of a worker makes nothing green.

mod source;
mod target;
#[cfg(test)]
mod tests;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

pub use self::source::{OpenImage, SourceAnswer};
pub use self::target::{Family, Open, TargetAnswer};
use crate::code::Code;
use crate::fleet;
use crate::text::visible;

/// Where a worker's admin server serves it.
pub const PATH: &str = "/worker.json";

/// The version of the JSON; grows only when a reader could break.
pub const SCHEMA_VERSION: u32 = 1;

/// Most entries of one kind that one answer names.
const MOST: usize = 10_000;

/// Longest particulars of a reason, in characters. A refusal names a principal, a resource and what to
/// do.
pub const LONGEST_REASON: usize = 1_600;

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason.
    #[serde(deserialize_with = "known_code")]
    pub code: Code,
    /// AWS's words.
    pub detail: String,
    /// Whether it waits for a person or another system.
    pub parked: bool,
    /// How many attempts failed in a row.
    pub failed_attempts: u32,
}

impl From<&fleet::Failure> for Refusal {
    fn from(failure: &fleet::Failure) -> Self {
        Self {
            code: failure.code,
            detail: visible(&failure.detail, LONGEST_REASON),
            parked: failure.parked,
            failed_attempts: failure.attempts,
        }
    }
}

/// The answer of a worker of either role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Source(SourceAnswer),
    Target(TargetAnswer),
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// It is no answer of a worker, or of a version that this one does not know.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let not_ours =
            |error: serde_json::Error| format!("what answers is no worker of amiferry: {error}");
        let kind: Kind = serde_json::from_slice(json).map_err(not_ours)?;
        if kind.schema_version != SCHEMA_VERSION {
            let other = kind.schema_version;
            return Err(format!("its answer has schema_version {other}, which is not known here"));
        }
        match kind.target_account {
            Some(_) => serde_json::from_slice(json).map(Self::Target),
            None => serde_json::from_slice(json).map(Self::Source),
        }
        .map_err(not_ours)
    }
}

/// What tells the answers apart: only a target worker has a vault.
#[derive(Deserialize)]
struct Kind {
    schema_version: u32,
    target_account: Option<IgnoredAny>,
}

/// The code by its name; a later version's code is shown as a failure, under its words.
fn known_code<'de, D: Deserializer<'de>>(reader: D) -> Result<Code, D::Error> {
    Ok(String::deserialize(reader)?.parse().unwrap_or(Code::Failing))
}
