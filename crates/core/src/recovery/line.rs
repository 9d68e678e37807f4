//! The order in which images are restored: that of the plan, by priority over all sources, because
//! no source has a share any more.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::names::{RecoveryPointId, SourceId};
use crate::plan::{Member, Promise, Standing};
use crate::policy::{Backfill, Policies};
use crate::span::Span;

/// The RPO of a family whose policy is not configured; only the order depends on it.
const UNKNOWN_RPO: Span = Span::from_secs(24 * 3600);

/// One that waits for its restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its family, as recorded.
    pub family: String,
    /// Its policy, as recorded.
    pub policy: String,
    /// When its source image was created.
    pub created: Timestamp,
    /// Its volumes in GB.
    pub size_gb: u64,
    /// Whether its restore was called, or is about to be.
    pub begun: bool,
    /// How often its restore failed in a row.
    pub failures: u32,
}

/// Members and promises for the plan. A policy that is not configured has priority 0.
pub fn line<'a>(
    waiting: &'a BTreeMap<RecoveryPointId, Waiting>,
    policies: &Policies,
) -> (Vec<Member<'a, RecoveryPointId>>, Vec<Promise>) {
    let mut families: BTreeMap<(SourceId, &str, &str), usize> = BTreeMap::new();
    let (mut members, mut promises) = (Vec::new(), Vec::new());
    for (id, one) in waiting {
        let named = (id.source(), one.policy.as_str(), one.family.as_str());
        let family = *families.entry(named).or_insert_with(|| {
            let policy = policies.named(&one.policy);
            promises.push(Promise {
                source: 0,
                priority: policy.map_or(0, |policy| policy.priority),
                rpo: policy.map_or(UNKNOWN_RPO, |policy| policy.rpo),
                backfill: Backfill::All,
            });
            promises.len() - 1
        });
        let standing = match one.begun {
            true => Standing::Begun,
            false => Standing::Waits { failures: one.failures },
        };
        members.push(Member {
            key: id,
            family,
            created: one.created,
            size_gb: one.size_gb,
            standing,
        });
    }
    (members, promises)
}
