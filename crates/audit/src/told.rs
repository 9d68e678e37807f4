//! What a report says, as the facts of which notifications tell the changes.

use amiferry_core::names::VaultId;
use amiferry_core::notification::{Facts, FamilyFacts, FamilyKey, PointFacts};

use crate::family::Family;
use crate::inventory::RecoveryPoint;
use crate::report::Report;

/// The recovery points and families of a report.
pub fn facts(report: &Report) -> Facts {
    Facts {
        points: report.recovery_points.iter().map(|point| (point.id(), of_point(point))).collect(),
        families: report.families.iter().map(of_family).collect(),
    }
}

fn of_point(point: &RecoveryPoint) -> PointFacts {
    PointFacts {
        source_image_name: point.source_image_name.clone(),
        family: point.family.clone(),
        policy: point.policy.clone(),
        state: point.state,
        code: point.code,
        detail: point.detail.clone(),
        restored_image_id: point.restored_image_id.clone(),
        source_created_at: point.source_created_at,
        completed_at: point.completed_at,
    }
}

fn of_family(family: &Family) -> (FamilyKey, FamilyFacts) {
    let vault =
        VaultId { account: family.target_account.clone(), region: family.target_region.clone() };
    let key = FamilyKey {
        source: family.source(),
        policy: family.policy.clone(),
        family: family.family.clone(),
        vault,
    };
    let facts = FamilyFacts {
        state: family.state,
        newest_complete_at: family.source_created_at,
        rpo_seconds: family.rpo_seconds,
        breaks_at: family.breaks_at,
    };
    (key, facts)
}
