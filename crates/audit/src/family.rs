//! Judges image families against their RPO: the age of the newest complete recovery point is
//! now minus the creation of the source image behind it.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::policy::{Policies, Policy};
use amiferry_core::rpo::Members;
pub use amiferry_core::rpo::Standing;
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

type Key<'a> = (&'a AccountId, &'a Region, &'a str, &'a str, &'a Region);

#[derive(Default)]
struct Images<'a> {
    members: Members,
    /// Creation, image and restored image of the newest complete recovery point.
    newest: Option<(Timestamp, &'a ImageId, Option<&'a ImageId>)>,
}

/// Every family in scope, in order of source, family and target; those without any complete
/// recovery point included, and those that a policy names and no source has an image of.
pub fn judge(inventory: &Inventory, policies: &Policies, now: Timestamp) -> Vec<Family> {
    let mut families: BTreeMap<Key<'_>, Images<'_>> = BTreeMap::new();
    for point in &inventory.recovery_points {
        let key = (
            &point.source_account,
            &point.source_region,
            point.family.as_str(),
            point.policy.as_str(),
            &point.target_region,
        );
        let images = families.entry(key).or_default();
        let complete = point.state == State::Complete;
        images.members.add(point.source_created_at, complete);
        if complete {
            let this =
                (point.source_created_at, &point.source_image_id, point.restored_image_id.as_ref());
            images.newest = images.newest.max(Some(this));
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
        families.entry(key).or_default().members.add(promised.created, false);
    }
    for key in missing(&families, inventory, policies) {
        families.insert(key, Images::default());
    }
    families.into_iter().map(|(key, images)| family(key, &images, policies, now)).collect()
}

/// The families that a policy names and none of the sources has. Which of those that it speaks
/// about should have it is not said, so each shows it.
fn missing<'a>(
    families: &BTreeMap<Key<'a>, Images<'a>>,
    inventory: &'a Inventory,
    policies: &'a Policies,
) -> Vec<Key<'a>> {
    let there: BTreeSet<_> =
        families.keys().map(|(_, _, family, policy, target)| (*family, *policy, *target)).collect();
    let mut missing = Vec::new();
    for place in &inventory.places {
        let (source, target) = (&place.source, &place.vault.region);
        let concerned = |policy: &&Policy| policy.covers(&place.vault) && policy.speaks_of(source);
        for policy in policies.0.iter().filter(concerned) {
            let name = policy.name.as_str();
            let named = policy.named_families();
            let absent = named.filter(|family| !there.contains(&(*family, name, target)));
            missing.extend(
                absent.map(|family| (&source.account, &source.region, family, name, target)),
            );
        }
    }
    missing
}

fn family(key: Key<'_>, images: &Images<'_>, policies: &Policies, now: Timestamp) -> Family {
    let (account, region, family, policy, target) = key;
    let Images { members, newest } = images;
    let rpo = policies.named(policy).map(|policy| policy.rpo);
    let age = members.newest_complete.map(|created| now.duration_since(created));
    Family {
        source_account: account.clone(),
        source_region: region.clone(),
        family: family.to_owned(),
        policy: policy.to_owned(),
        target_region: target.clone(),
        state: members.standing(rpo, now),
        source_image_id: newest.map(|(_, image, _)| image.clone()),
        restored_image_id: newest.and_then(|(_, _, restored)| restored.cloned()),
        source_created_at: members.newest_complete,
        age_seconds: age.map(whole),
        rpo_seconds: rpo.map(|rpo| rpo.signed().as_secs()),
        margin_seconds: rpo.and_then(|rpo| members.margin(rpo, now)).map(whole),
    }
}

/// Whole seconds, rounded down: a promise broken by a millisecond never shows a margin of zero.
fn whole(duration: SignedDuration) -> i64 {
    duration.as_secs().saturating_sub(i64::from(duration.subsec_nanos() < 0))
}
