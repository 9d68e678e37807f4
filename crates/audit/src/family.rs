//! Judges image families against their RPO: the age of the newest complete recovery point is
//! now minus the creation of the source image behind it.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::policy::Policies;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::inventory::{Inventory, State};

/// One image family in one target Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Family {
    /// The source account.
    pub source_account: AccountId,
    /// The source Region.
    pub source_region: Region,
    /// The family.
    pub family: String,
    /// The governing policy.
    pub policy: String,
    /// The target Region.
    pub target_region: Region,
    /// The judgement.
    pub state: Standing,
    /// The source image behind the newest complete recovery point.
    pub source_image_id: Option<ImageId>,
    /// The image it was restored as, for tier `ready`.
    pub restored_image_id: Option<ImageId>,
    /// When that source image was created.
    pub source_created_at: Option<Timestamp>,
    /// Its age in seconds.
    pub age_seconds: Option<i64>,
    /// The RPO in seconds; `None` when the policy is not configured any more.
    pub rpo_seconds: Option<i64>,
    /// RPO minus age; for a family without a complete recovery point, RPO minus the age of its
    /// oldest image: how long the promise can still be kept, or for how long it is broken.
    pub margin_seconds: Option<i64>,
}

/// How a family stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The newest complete recovery point is within the RPO.
    WithinRpo,
    /// There is none yet, and the RPO has not passed since the first image.
    Pending,
    /// The newest complete recovery point is older than the RPO.
    Breached,
    /// There is none, and the RPO has passed.
    Unprotected,
    /// There is no RPO to judge it by: its policy is not configured any more.
    NotAssessed,
}

impl Standing {
    /// The name in tables, CSV and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WithinRpo => "within_rpo",
            Self::Pending => "pending",
            Self::Breached => "breached",
            Self::Unprotected => "unprotected",
            Self::NotAssessed => "not_assessed",
        }
    }

    /// Whether the promise is broken.
    pub fn is_breach(self) -> bool {
        matches!(self, Self::Breached | Self::Unprotected)
    }
}

type Key<'a> = (&'a AccountId, &'a Region, &'a str, &'a str, &'a Region);

#[derive(Default)]
struct Members<'a> {
    oldest: Option<Timestamp>,
    /// Creation, image and restored image of the newest complete recovery point.
    newest: Option<(Timestamp, &'a ImageId, Option<&'a ImageId>)>,
}

/// Every family in scope, in order of source, family and target; those without any complete
/// recovery point included.
pub fn judge(inventory: &Inventory, policies: &Policies, now: Timestamp) -> Vec<Family> {
    let mut families: BTreeMap<Key<'_>, Members<'_>> = BTreeMap::new();
    for point in &inventory.recovery_points {
        let key = (
            &point.source_account,
            &point.source_region,
            point.family.as_str(),
            point.policy.as_str(),
            &point.target_region,
        );
        let members = families.entry(key).or_default();
        members.saw(point.source_created_at);
        if point.state == State::Complete {
            let this =
                (point.source_created_at, &point.source_image_id, point.restored_image_id.as_ref());
            members.newest = members.newest.max(Some(this));
        }
    }
    for image in &inventory.rejected {
        let Some(promised) = &image.promised else { continue };
        let key = (
            &image.source_account,
            &image.source_region,
            promised.family.as_str(),
            promised.policy.as_str(),
            &image.target_region,
        );
        families.entry(key).or_default().saw(promised.created);
    }
    families.into_iter().map(|(key, members)| family(key, &members, policies, now)).collect()
}

impl Members<'_> {
    fn saw(&mut self, created: Timestamp) {
        self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
    }
}

fn family(key: Key<'_>, members: &Members<'_>, policies: &Policies, now: Timestamp) -> Family {
    let (account, region, family, policy, target) = key;
    let rpo = policies.named(policy).map(|policy| policy.rpo.signed());
    let age = |since: Timestamp| now.duration_since(since);
    let measured = members.newest.map(|(created, ..)| created).or(members.oldest);
    let margin: Option<SignedDuration> =
        rpo.zip(measured).map(|(rpo, since)| rpo.saturating_sub(age(since)));
    let state = match (margin, members.newest) {
        (None, _) => Standing::NotAssessed,
        (Some(margin), Some(_)) if margin.is_negative() => Standing::Breached,
        (Some(_), Some(_)) => Standing::WithinRpo,
        (Some(margin), None) if margin.is_negative() => Standing::Unprotected,
        (Some(_), None) => Standing::Pending,
    };
    Family {
        source_account: account.clone(),
        source_region: region.clone(),
        family: family.to_owned(),
        policy: policy.to_owned(),
        target_region: target.clone(),
        state,
        source_image_id: members.newest.map(|(_, image, _)| image.clone()),
        restored_image_id: members.newest.and_then(|(_, _, restored)| restored.cloned()),
        source_created_at: members.newest.map(|(created, ..)| created),
        age_seconds: members.newest.map(|(created, ..)| whole(age(created))),
        rpo_seconds: rpo.map(|rpo| rpo.as_secs()),
        margin_seconds: margin.map(whole),
    }
}

/// Whole seconds, rounded down: a promise broken by a millisecond never shows a margin of zero.
fn whole(duration: SignedDuration) -> i64 {
    duration.as_secs().saturating_sub(i64::from(duration.subsec_nanos() < 0))
}
