//! What `amiferry check` finds out about a deployment: one finding for each thing that a worker needs.

mod event_rules;
mod key_guard;
mod listed;
mod queue_policy;
mod quotas;

use serde::Serialize;

pub use event_rules::{
    Awaited, TestedRule, bucket_events, bucket_events_need, event_rules, not_brought,
};
pub use key_guard::{foreign_key_guard, key_guard, key_guard_need};
pub use queue_policy::{queue_policy, rules_send};
pub use quotas::{Task, call_rate, call_rate_need, gigabytes};

use crate::refusal::Statement;

/// How serious a finding is, in growing order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Proven to be as it must be.
    Ok,
    /// Not proven, and not refuted; the finding says what would settle it.
    Unknown,
    /// The worker runs, and something that a person expects of it does not happen.
    Warn,
    /// The worker does not start, or does nothing for this source.
    Fail,
}

impl Level {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// A step on the way of an image, in the order in which a person sets it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// Whose credentials these are, and whether AWS accepts what they sign.
    Identity,
    /// The worker's queue.
    Queue,
    /// The images of the source.
    Images,
    /// The bucket that store tasks write to.
    StagingBucket,
    /// The key of what is staged.
    StagingKey,
    /// The call that stores an image.
    Store,
    /// What the source sees of its own recovery points.
    VaultRecords,
    /// The role that the vault assumes in the source.
    ReadRole,
    /// What the vault reads of the staging bucket.
    StagedObjects,
    VaultBucket,
    /// The key of the vault bucket.
    VaultKey,
    /// A part on its way from the staging bucket into the vault.
    Copy,
    /// EBS encryption by default in the vault, and its key.
    SnapshotKey,
    /// The call that restores an image.
    Restore,
    /// What brings events to the worker.
    EventRules,
    /// The event bus that is told of changes.
    EventBus,
}

impl Hop {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Queue => "queue",
            Self::Images => "images",
            Self::StagingBucket => "staging bucket",
            Self::StagingKey => "staging key",
            Self::Store => "store",
            Self::VaultRecords => "vault records",
            Self::ReadRole => "read role",
            Self::StagedObjects => "staged objects",
            Self::VaultBucket => "vault bucket",
            Self::VaultKey => "vault key",
            Self::Copy => "copy",
            Self::SnapshotKey => "snapshot key",
            Self::Restore => "restore",
            Self::EventRules => "event rules",
            Self::EventBus => "event bus",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub hop: Hop,
    /// What is needed, naming the resource.
    pub need: String,
    /// The principal that needs it, as AWS names it; `None` before that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// AWS's answer or the fact that is in the way; what proves it, of one that is well.
    pub cause: String,
    /// What a person can do, or what would settle it; of one that is well, what could be better, if
    /// anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The smallest statements that let it work, each for one policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Statement>,
}

impl Finding {
    /// Something that is well, and what proves it.
    pub fn ok(hop: Hop, need: impl Into<String>, proof: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            hop,
            need: need.into(),
            principal: None,
            cause: proof.into(),
            remedy: None,
            statements: Vec::new(),
        }
    }

    /// The same with what could be better, though it is well.
    #[must_use]
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self { remedy: Some(note.into()), ..self }
    }

    /// Something that nothing proves, and what would.
    pub fn unknown(
        hop: Hop,
        need: impl Into<String>,
        cause: impl Into<String>,
        settled_by: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Unknown,
            remedy: Some(settled_by.into()),
            ..Self::ok(hop, need, cause)
        }
    }

    /// Something that keeps no worker from its start, and what to do about it.
    pub fn warn(
        hop: Hop,
        need: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warn, ..Self::unknown(hop, need, cause, remedy) }
    }
}

/// The worst level; [`Level::Unknown`] of nothing at all, because nothing was proven.
pub fn worst<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Level {
    findings.into_iter().map(|finding| finding.level).max().unwrap_or(Level::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_and_none_at_all_proves_nothing() {
        let ok = Finding::ok(Hop::Queue, "the queue", "it answered");
        let unknown = Finding::unknown(Hop::VaultKey, "the key", "no probe", "a copy");
        let warn = Finding::warn(Hop::Queue, "the queue", "no dead-letter queue", "add one");
        let fail = Finding { level: Level::Fail, ..warn.clone() };
        assert_eq!(worst([]), Level::Unknown);
        assert_eq!(worst([&ok]), Level::Ok);
        assert_eq!(worst([&ok, &unknown]), Level::Unknown);
        assert_eq!(worst([&warn, &unknown]), Level::Warn);
        assert_eq!(worst([&warn, &fail, &ok]), Level::Fail);
    }
}
