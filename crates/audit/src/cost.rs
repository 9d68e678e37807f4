//! What each policy costs a month in each vault, estimated.

use std::collections::BTreeMap;

use amiferry_core::cost::{Estimate, Prices, STANDARD, Usage, estimate};
use amiferry_core::ids::{AccountId, Region};
use amiferry_core::policy::Tier;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::freed::Part;
use crate::inventory::RecoveryPoint;

/// The costs of a month, with what they are estimated from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Costs {
    /// The currency of all sums.
    pub currency: String,
    /// The day of the prices.
    pub prices_as_of: String,
    /// Where the prices are from.
    pub prices_from: String,
    /// One row for each policy, pair of Regions and vault account.
    pub policies: Vec<PolicyCost>,
}

/// What one policy costs in one vault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyCost {
    pub policy: String,
    pub source_region: Region,
    /// The vault's account.
    pub target_account: AccountId,
    /// The vault's Region.
    pub target_region: Region,
    /// What is charged; transfer, blocks and requests are those of the last 30 days.
    pub usage: Usage,
    /// What that costs.
    pub estimate: Estimate,
    /// The sum; `None` if a part is not assessed.
    pub total: Option<f64>,
    /// How much less a month would cost after `amiferry prune`; `None` if that is not assessed.
    pub freed: Option<f64>,
}

/// A month, for what happens again and again.
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The costs of these recovery points at a time, and what of them these parts are, which
/// [`freed`](crate::freed::freed) gives up. What was moved in the last month stays paid.
pub fn costs(
    points: &[RecoveryPoint],
    freed: &[(&RecoveryPoint, Part)],
    prices: &Prices,
    now: Timestamp,
) -> Costs {
    let mut usages = Usages::new();
    for point in points {
        add(usages.entry(key(point)).or_default(), point, now);
    }
    let mut freed_usages = Usages::new();
    for (point, part) in freed {
        keep(freed_usages.entry(key(point)).or_default(), point, *part);
    }
    let row = |((policy, source, account, vault), usage): (Key<'_>, Usage)| {
        let none = Usage::default();
        let freed = freed_usages.get(&(policy, source, account, vault)).unwrap_or(&none);
        let freed = estimate(prices, source, vault, freed).total();
        let estimate = estimate(prices, source, vault, &usage);
        PolicyCost {
            policy: policy.to_owned(),
            source_region: source.clone(),
            target_account: account.clone(),
            target_region: vault.clone(),
            total: estimate.total(),
            freed,
            usage,
            estimate,
        }
    };
    Costs {
        currency: prices.currency.clone(),
        prices_as_of: prices.as_of.clone(),
        prices_from: prices.source.clone(),
        policies: usages.into_iter().map(row).collect(),
    }
}

/// What belongs into one row.
type Key<'a> = (&'a str, &'a Region, &'a AccountId, &'a Region);

type Usages<'a> = BTreeMap<Key<'a>, Usage>;

fn key(point: &RecoveryPoint) -> Key<'_> {
    let RecoveryPoint { policy, source_region, target_account, target_region, .. } = point;
    (policy, source_region, target_account, target_region)
}

fn add(usage: &mut Usage, point: &RecoveryPoint, now: Timestamp) {
    let Some(object) = &point.vault_object else { return };
    keep(usage, point, Part::Whole);
    let is_recent = point.completed_at.is_some_and(|at| now.duration_since(at) < MONTH);
    if let Some(size_gb) = point.size_gb.filter(|_| is_recent) {
        let between = point.source_region != point.target_region;
        usage.moves(object.size, size_gb, between, point.tier == Tier::Ready);
    }
}

/// What is kept of a recovery point for as long as it stays.
fn keep(usage: &mut Usage, point: &RecoveryPoint, part: Part) {
    let Some(object) = &point.vault_object else { return };
    if part == Part::Whole {
        // S3 names no class of an object in its standard one.
        usage.keeps_object(object.size, object.storage_class.as_deref().unwrap_or(STANDARD));
    }
    let restored = point.restored_image_id.is_some();
    match point.size_gb {
        Some(size_gb) if restored => usage.keeps_snapshots(size_gb),
        None if restored => usage.not_assessed += 1,
        Some(_) | None => {}
    }
}
