//! The document that `amiferry audit` and `amiferry status` write.

use std::collections::BTreeSet;

use amiferry_core::ids::{AccountId, Region};
use amiferry_core::policy::{Policies, Retired};
use jiff::Timestamp;
use serde::Serialize;

use crate::cost::Costs;
use crate::family::{self, Family};
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, Rejected, SourceOfVault};
use crate::worker::{SourceWorkerAsked, WorkerAsked};

/// The version of the JSON that is written; grows only when a reader could break.
pub const SCHEMA_VERSION: u32 = 1;

/// The state of every promise at one time.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub schema_version: u32,
    /// When AWS was asked.
    pub as_of: Timestamp,
    /// Every family in scope × vault.
    pub families: Vec<Family>,
    /// Every image in scope and every recovery point in a vault.
    pub recovery_points: Vec<RecoveryPoint>,
    /// The images that are left out.
    pub rejected: Vec<Rejected>,
    /// The sources, images and items that could not be asked or read.
    pub not_assessed: Vec<NotAssessed>,
    /// The policies that select no image of any source, once all were asked.
    pub idle_policies: Vec<IdlePolicy>,
    /// What the configuration retires and no source or vault has, once all were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired_unknown: Vec<String>,
    /// The workers of the vaults, and whether they were asked; `None` where none was to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<Vec<WorkerAsked>>,
    /// The source workers that were asked and answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_workers: Vec<SourceWorkerAsked>,
    /// What each policy costs a month, estimated; `None` unless it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Costs>,
}

/// A policy that selects no image for a vault that it covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IdlePolicy {
    pub policy: String,
    /// The vault's account.
    pub target_account: AccountId,
    /// The vault's Region.
    pub target_region: Region,
}

/// What a report says in one word, for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise is kept, as far as it can be said now.
    Kept,
    /// Nothing is promised, or nothing any more, so nothing is kept.
    Nothing,
    /// Something could not be assessed.
    Partial,
    /// An RPO is broken.
    Breached,
    /// Something that was complete is lost, tampered with or unusable.
    Lost,
}

impl Report {
    /// Judges an inventory taken at `now`.
    pub fn new(mut inventory: Inventory, policies: &Policies, now: Timestamp) -> Self {
        inventory.recovery_points.sort_by(|a, b| point_order(a).cmp(&point_order(b)));
        inventory.rejected.sort_by(|a, b| rejected_order(a).cmp(&rejected_order(b)));
        inventory.not_assessed.sort();
        let families = family::judge(&inventory, policies, now);
        Self {
            schema_version: SCHEMA_VERSION,
            as_of: now,
            idle_policies: idle_policies(&inventory, &families, policies),
            retired_unknown: retired_unknown(&inventory, &families, policies),
            workers: None,
            source_workers: Vec::new(),
            cost: None,
            families,
            recovery_points: inventory.recovery_points,
            rejected: inventory.rejected,
            not_assessed: inventory.not_assessed,
        }
    }

    /// What it says in one word, the worst: a loss before a breach, and a breach even when something
    /// else is unknown.
    pub fn verdict(&self) -> Verdict {
        let not_assessed = |family: &Family| family.state == family::RpoState::NotAssessed;
        if self.recovery_points.iter().any(|point| point.state.is_lost()) {
            Verdict::Lost
        } else if self.families.iter().any(|family| family.state.is_breach()) {
            Verdict::Breached
        } else if !self.not_assessed.is_empty() || self.families.iter().any(not_assessed) {
            Verdict::Partial
        } else if self.families.iter().all(|family| family.state == family::RpoState::Retired) {
            Verdict::Nothing
        } else {
            Verdict::Kept
        }
    }
}

/// The policies without any family in a vault that they cover, of those that speak of a source
/// that was asked. Whether one that speaks of a silent source selects something is not known.
fn idle_policies(
    inventory: &Inventory,
    families: &[Family],
    policies: &Policies,
) -> Vec<IdlePolicy> {
    let mut idle = BTreeSet::new();
    for policy in &policies.0 {
        let concerned = inventory
            .places
            .iter()
            .filter(|place| policy.covers(&place.vault) && policy.speaks_of(&place.source));
        for SourceOfVault { vault, .. } in concerned {
            let is_there = families.iter().any(|family| {
                family.policy == policy.name.as_str()
                    && family.target_account == vault.account
                    && family.target_region == vault.region
            });
            if !is_there && inventory.not_assessed.is_empty() {
                idle.insert(IdlePolicy {
                    policy: policy.name.to_string(),
                    target_account: vault.account.clone(),
                    target_region: vault.region.clone(),
                });
            }
        }
    }
    idle.into_iter().collect()
}

/// The entries that retire no family of this report. While something is not assessed, that is not known.
fn retired_unknown(inventory: &Inventory, families: &[Family], policies: &Policies) -> Vec<String> {
    if !inventory.not_assessed.is_empty() || inventory.places.is_empty() {
        return Vec::new();
    }
    let is_there = |retired: &&Retired| {
        families
            .iter()
            .any(|family| retired.speaks_of(&family.source(), &family.policy, &family.family))
    };
    policies.1.iter().filter(|retired| !is_there(retired)).map(ToString::to_string).collect()
}

// Each order goes on until only equal rows are equal in it: vaults are asked in any order, and
// two reports of one state must be the same text.

/// By source, family and target, then by age.
fn point_order(point: &RecoveryPoint) -> impl Ord + use<'_> {
    let source = (&point.source_account, &point.source_region);
    let family = (&point.family, &point.target_region, point.source_created_at);
    let rest = (&point.source_image_id, &point.target_account, &point.policy, point.state);
    let made = (&point.vault_object, &point.restored_image_id, point.completed_at);
    (source, family, rest, (made, point.code, &point.detail))
}

fn rejected_order(image: &Rejected) -> impl Ord + use<'_> {
    let source = (&image.source_account, &image.source_region, &image.source_image_id);
    (source, &image.target_region, &image.target_account, image.code, &image.reason)
}
