//! What amiferry tells an event bus: changes of state, as JSON with a version.
//!
//! Nothing rests on whether a notification arrives, and each may arrive more than once. The shape is
//! `docs/schema/notification-1.json`.

mod changes;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

pub use self::changes::{Change, Facts, FamilyFacts, FamilyKey, PointFacts, Subject, Told};

use crate::code::Code;
use crate::fleet::State;
use crate::ids::{AccountId, ImageId, Region};
use crate::names::{SourceId, VaultId};
use crate::rpo::RpoState;

/// The version of the JSON; grows only when a reader could break.
pub const VERSION: u32 = 1;

/// The `source` of every notification on the bus.
pub const SOURCE: &str = "amiferry";

/// What is told. Its JSON is the `detail` on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Notification {
    /// A recovery point became complete, or is not complete any more.
    RecoveryPoint(PointChanged),
    /// A family stands otherwise against its RPO.
    Family(FamilyChanged),
    /// A run of `amiferry restore` ended.
    Restore(RestoreFinished),
    /// A run of `amiferry prune --apply` ended.
    Prune(PruneFinished),
}

impl Notification {
    /// The `detail-type` on the bus.
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::RecoveryPoint(_) => "amiferry Recovery Point State Change",
            Self::Family(_) => "amiferry Family State Change",
            Self::Restore(_) => "amiferry Restore Finished",
            Self::Prune(_) => "amiferry Prune Finished",
        }
    }

    /// The `detail` on the bus.
    pub fn detail(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An account and Region in a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    pub account: AccountId,
    pub region: Region,
}

impl From<&SourceId> for Place {
    fn from(source: &SourceId) -> Self {
        Self { account: source.account.clone(), region: source.region.clone() }
    }
}

impl From<&VaultId> for Place {
    fn from(vault: &VaultId) -> Self {
        Self { account: vault.account.clone(), region: vault.region.clone() }
    }
}

/// A recovery point became complete, or is not complete any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PointChanged {
    pub schema_version: u32,
    pub vault: Place,
    pub source: Place,
    pub source_image_id: ImageId,
    /// The source image's name, as its owner chose it; empty while it is not known.
    pub source_image_name: String,
    pub family: String,
    pub policy: String,
    /// `complete`, `lost`, `tampered` or `unusable`.
    pub state: State,
    /// What was told last; `None` if that is not known, as after a start of the worker.
    pub previous: Option<State>,
    /// Why it is so.
    pub code: Code,
    pub detail: String,
    pub restored_image_id: Option<ImageId>,
    pub source_created_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    /// When the worker saw it.
    pub at: Timestamp,
}

/// How a family stands against its RPO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyState {
    Lost,
    Unprotected,
    Breached,
    /// The promise is kept, and by the forecast it will be broken.
    AtRisk,
    NotAssessed,
    Pending,
    WithinRpo,
    Retired,
}

impl FamilyState {
    /// The state by the report's judgement and the time at which the forecast has the RPO break.
    pub fn of(judged: RpoState, breaks_at: Option<Timestamp>) -> Self {
        match judged {
            RpoState::WithinRpo | RpoState::Pending if breaks_at.is_some() => Self::AtRisk,
            RpoState::WithinRpo => Self::WithinRpo,
            RpoState::Pending => Self::Pending,
            RpoState::Breached => Self::Breached,
            RpoState::Unprotected => Self::Unprotected,
            RpoState::Lost => Self::Lost,
            RpoState::NotAssessed => Self::NotAssessed,
            RpoState::Retired => Self::Retired,
        }
    }

    /// Whether a person has nothing to do about it.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Pending | Self::WithinRpo | Self::Retired)
    }
}

/// A family stands otherwise against its RPO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FamilyChanged {
    pub schema_version: u32,
    pub vault: Place,
    pub source: Place,
    pub family: String,
    pub policy: String,
    pub state: FamilyState,
    /// What was told last; `None` if that is not known, as after a start of the worker.
    pub previous: Option<FamilyState>,
    /// When the source image of the newest complete recovery point was created.
    pub newest_complete_at: Option<Timestamp>,
    /// `None` if the policy is no longer configured.
    pub rpo_seconds: Option<i64>,
    /// When the RPO breaks or broke by the forecast, if it does.
    pub breaks_at: Option<Timestamp>,
    /// When the worker saw it.
    pub at: Timestamp,
}

/// A run of `amiferry restore` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreFinished {
    pub schema_version: u32,
    pub vault: Place,
    /// Images that are there, protected and recorded.
    pub restored: usize,
    /// Images that were selected and are not there.
    pub not_restored: usize,
    pub at: Timestamp,
}

/// A run of `amiferry prune --apply` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PruneFinished {
    pub schema_version: u32,
    pub vault: Place,
    /// Recovery points that lost something or all.
    pub pruned: usize,
    /// Recovery points that were due and stay, because of an obstacle or a failure.
    pub held: usize,
    /// Why the whole run deleted nothing, if so.
    pub refused: Vec<String>,
    pub at: Timestamp,
}
