//! What of the complete recovery points a restore has to wait for, because S3 keeps it in an archive.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Region};
use amiferry_core::policy::Tier;

use crate::inventory::{RecoveryPoint, State};
use crate::render::span;

/// The complete recovery points of one policy in one vault that are in the same archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    pub policy: &'a str,
    /// The vault's account.
    pub target_account: &'a AccountId,
    /// The vault's Region.
    pub target_region: &'a Region,
    /// The storage class, or the archive tier of Intelligent-Tiering.
    pub place: &'a str,
    /// How many there are.
    pub points: usize,
    /// How many of them have an AMI: only another restore of those has to wait.
    pub with_image: usize,
    /// How long a standard retrieval takes at most, in seconds.
    pub retrieval_seconds: u64,
}

impl Group<'_> {
    /// How long a restore waits.
    pub fn wait(&self) -> String {
        span(i64::try_from(self.retrieval_seconds).unwrap_or(i64::MAX))
    }
}

/// All of them, by policy.
pub fn groups(points: &[RecoveryPoint]) -> Vec<Group<'_>> {
    let mut found = BTreeMap::new();
    for point in points.iter().filter(|point| point.state == State::Complete) {
        let object = point.vault_object.as_ref();
        let Some(archived) = object.and_then(|object| object.archived.as_ref()) else { continue };
        let RecoveryPoint { policy, target_account, target_region, .. } = point;
        let key = (policy, target_account, target_region, &archived.place);
        let group = found.entry(key).or_insert(Group {
            policy,
            target_account,
            target_region,
            place: &archived.place,
            points: 0,
            with_image: 0,
            retrieval_seconds: 0,
        });
        group.points += 1;
        group.with_image +=
            usize::from(point.tier == Tier::Ready && point.restored_image_id.is_some());
        group.retrieval_seconds = group.retrieval_seconds.max(archived.retrieval_seconds);
    }
    found.into_values().collect()
}
