//! The document that `amiferry audit` and `amiferry status` write.

use amiferry_core::policy::Policies;
use jiff::Timestamp;
use serde::Serialize;

use crate::family::{self, Family};
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, Rejected};

/// The version of the JSON that is written; grows only when a reader could break.
pub const SCHEMA_VERSION: u32 = 1;

/// The state of every promise at one time.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When AWS was asked.
    pub as_of: Timestamp,
    /// Every family in scope × target Region.
    pub families: Vec<Family>,
    /// Every image in scope and every recovery point in a vault.
    pub recovery_points: Vec<RecoveryPoint>,
    /// The images that are left out.
    pub rejected: Vec<Rejected>,
    /// The sources that could not be asked.
    pub not_assessed: Vec<NotAssessed>,
}

/// What a report says in one word, for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise is kept, as far as it can be said now.
    Kept,
    /// Something could not be assessed.
    Partial,
    /// An RPO is broken.
    Breached,
}

impl Report {
    /// Judges an inventory taken at `now`.
    pub fn new(mut inventory: Inventory, policies: &Policies, now: Timestamp) -> Self {
        inventory.recovery_points.sort_by(|a, b| {
            let key = |p: &RecoveryPoint| {
                let source = (p.source_account.clone(), p.source_region.clone());
                (source, p.family.clone(), p.target_region.clone(), p.source_created_at)
            };
            key(a).cmp(&key(b)).then_with(|| a.source_image_id.cmp(&b.source_image_id))
        });
        inventory.rejected.sort_by(|a, b| {
            (&a.source_image_id, &a.target_region).cmp(&(&b.source_image_id, &b.target_region))
        });
        Self {
            schema_version: SCHEMA_VERSION,
            as_of: now,
            families: family::judge(&inventory, policies, now),
            recovery_points: inventory.recovery_points,
            rejected: inventory.rejected,
            not_assessed: inventory.not_assessed,
        }
    }

    /// What it says in one word. A breach is said even when something else is unknown.
    pub fn verdict(&self) -> Verdict {
        let not_assessed = |family: &Family| family.state == family::Standing::NotAssessed;
        if self.families.iter().any(|family| family.state.is_breach()) {
            Verdict::Breached
        } else if !self.not_assessed.is_empty() || self.families.iter().any(not_assessed) {
            Verdict::Partial
        } else {
            Verdict::Kept
        }
    }
}
