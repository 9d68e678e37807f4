//! The answer of a target worker.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MOST, Refusal, SCHEMA_VERSION};
use crate::fleet::{Fleet, State};
use crate::ids::{AccountId, ImageId, Region};
use crate::names::{RecoveryPointId, SourceId, VaultId};

/// What a target worker answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetAnswer {
    pub schema_version: u32,
    /// When it answered.
    pub as_of: Timestamp,
    /// The vault account.
    pub target_account: AccountId,
    pub target_region: Region,
    /// The recovery points that it has to look at again.
    pub recovery_points: Vec<Open>,
    /// The families in which images went before one was complete.
    pub unfinished: Vec<Family>,
    /// How many of both kinds there are beyond the most that an answer names.
    pub left_out: usize,
}

/// A recovery point that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    pub source_account: AccountId,
    pub source_region: Region,
    pub source_image_id: ImageId,
    /// When the worker looks at it again, unless an event comes first.
    pub next_try: Option<Timestamp>,
    /// What failed last, if something did.
    pub refusal: Option<Refusal>,
}

/// A family in which images went, and none was complete since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    pub source_account: AccountId,
    pub source_region: Region,
    pub family: String,
    pub policy: String,
    /// When the oldest of those images was created.
    pub since: Timestamp,
}

impl TargetAnswer {
    /// What the fleet of a running worker says of its vault now.
    pub fn of(fleet: &Fleet, vault: &VaultId, now: Timestamp) -> Self {
        let open = fleet.points().filter(|(_, shown)| shown.state != State::Complete);
        let told = open.filter(|(_, shown)| shown.failure.is_some() || shown.next.is_some());
        let mut recovery_points: Vec<Open> = told
            .map(|(id, shown)| Open {
                source_account: id.source_account.clone(),
                source_region: id.source_region.clone(),
                source_image_id: id.source_image_id.clone(),
                next_try: shown.next,
                refusal: shown.failure.map(Refusal::from),
            })
            .collect();
        // What failed is named before what only waits.
        recovery_points.sort_by_key(|open| open.refusal.is_none());
        let mut unfinished: Vec<Family> = fleet
            .unfinished()
            .map(|(family, since)| Family {
                source_account: family.source.account.clone(),
                source_region: family.source.region.clone(),
                family: family.name.to_string(),
                policy: family.policy.to_string(),
                since,
            })
            .collect();
        let beyond = |count: usize| count.saturating_sub(MOST);
        let left_out = beyond(recovery_points.len()) + beyond(unfinished.len());
        recovery_points.truncate(MOST);
        unfinished.truncate(MOST);
        Self {
            schema_version: SCHEMA_VERSION,
            as_of: now,
            target_account: vault.account.clone(),
            target_region: vault.region.clone(),
            recovery_points,
            unfinished,
            left_out,
        }
    }

    /// The answer as it is served: on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Of which vault it is.
    pub fn vault(&self) -> VaultId {
        VaultId { account: self.target_account.clone(), region: self.target_region.clone() }
    }
}

impl Open {
    /// The recovery point in this vault.
    pub fn of_vault(&self, vault: &VaultId) -> RecoveryPointId {
        RecoveryPointId {
            source_account: self.source_account.clone(),
            source_region: self.source_region.clone(),
            source_image_id: self.source_image_id.clone(),
            target_account: vault.account.clone(),
            target_region: vault.region.clone(),
        }
    }
}

impl Family {
    /// The source that it is of.
    pub fn source(&self) -> SourceId {
        SourceId { account: self.source_account.clone(), region: self.source_region.clone() }
    }
}
