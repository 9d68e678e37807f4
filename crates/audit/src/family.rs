//! Judges image families against their RPO: the age of the newest complete recovery point is
//! now minus the creation of the source image behind it, or of the older one that it repeats.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::fleet::tally::{Image, Key, Progress, Tallies, Tally};
use amiferry_core::forecast::breach::FamilyForecast;
use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::names::SourceId;
use amiferry_core::policy::{Policies, Policy, Retired};
pub use amiferry_core::rpo::RpoState;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::inventory::{Inventory, OfFamily, RecoveryPoint, Rejected, SourceOfVault, Unread};

/// One image family in one vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Family {
    pub source_account: AccountId,
    pub source_region: Region,
    pub family: String,
    /// The governing policy.
    pub policy: String,
    /// The vault's account.
    pub target_account: AccountId,
    /// The vault's Region.
    pub target_region: Region,
    /// The judgement.
    pub state: RpoState,
    /// The source image behind the newest complete recovery point.
    pub source_image_id: Option<ImageId>,
    /// The image it was restored as, for tier `ready`.
    pub restored_image_id: Option<ImageId>,
    /// When that source image was created, or the older one that it repeats.
    pub source_created_at: Option<Timestamp>,
    pub age_seconds: Option<i64>,
    /// The RPO in seconds; `None` when the policy is no longer configured.
    pub rpo_seconds: Option<i64>,
    /// RPO minus age; for a family without a complete recovery point, RPO minus the age of its
    /// oldest image: how long the promise can still be kept, or for how long it is broken.
    pub margin_seconds: Option<i64>,
    /// When the RPO breaks, or broke, because a newer image will be complete too late or cannot be
    /// planned; `None` where each will be complete in time, or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaks_at: Option<Timestamp>,
    /// When it is kept again after that, by the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_again_at: Option<Timestamp>,
    /// Since when and why it is retired, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retirement>,
}

/// The end of a workload, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retirement {
    pub since: Timestamp,
    pub reason: String,
    /// How many of its images are younger: then its workload may go on.
    pub younger_images: usize,
}

impl Family {
    /// Whose family it is.
    pub fn source(&self) -> SourceId {
        SourceId { account: self.source_account.clone(), region: self.source_region.clone() }
    }

    /// Whether a recovery point belongs to it.
    pub fn has(&self, point: &RecoveryPoint) -> bool {
        let place = (&point.source_account, &point.source_region);
        let vault = (&point.target_account, &point.target_region);
        self.is(&point.family, &point.policy, place, vault)
    }

    /// Whether an image that is left out was promised to it.
    pub fn suffers_from(&self, image: &Rejected) -> bool {
        let place = (&image.source_account, &image.source_region);
        let vault = (&image.target_account, &image.target_region);
        let promised = image.promised.as_ref();
        promised.is_some_and(|p| self.is(&p.family, &p.policy, place, vault))
    }

    fn is(
        &self,
        family: &str,
        policy: &str,
        source: (&AccountId, &Region),
        vault: (&AccountId, &Region),
    ) -> bool {
        self.family == family
            && self.policy == policy
            && (&self.source_account, &self.source_region) == source
            && (&self.target_account, &self.target_region) == vault
    }
}

/// Every family in scope, in order of source, family and target; those without any complete
/// recovery point included, and those that a policy names and no source has an image of.
pub fn judge(inventory: &Inventory, policies: &Policies, now: Timestamp) -> Vec<Family> {
    let mut families = Tallies::new();
    for point in &inventory.recovery_points {
        let key = Key {
            source_account: &point.source_account,
            source_region: &point.source_region,
            family: &point.family,
            policy: &point.policy,
            target_account: &point.target_account,
            target_region: &point.target_region,
        };
        families.entry(key).or_default().add(
            Image {
                id: &point.source_image_id,
                created: point.source_created_at,
                data_from: point.data_from(),
                progress: point.state.into(),
                in_source: true,
                restored: point.restored_image_id.as_ref(),
                stored: point.vault_object.as_ref().map(|object| object.size),
            },
            now,
        );
    }
    for image in &inventory.rejected {
        let Some(promised) = &image.promised else { continue };
        let key = Key {
            source_account: &image.source_account,
            source_region: &image.source_region,
            family: &promised.family,
            policy: &promised.policy,
            target_account: &image.target_account,
            target_region: &image.target_region,
        };
        families.entry(key).or_default().add(
            Image {
                id: &image.source_image_id,
                created: promised.created,
                data_from: promised.created,
                progress: Progress::LeftOut,
                in_source: true,
                restored: None,
                stored: None,
            },
            now,
        );
    }
    for gone in &inventory.unfinished {
        let key = Key {
            source_account: &gone.source.account,
            source_region: &gone.source.region,
            family: &gone.family,
            policy: &gone.policy,
            target_account: &gone.vault.account,
            target_region: &gone.vault.region,
        };
        families.entry(key).and_modify(|tally| tally.members.had(gone.since));
    }
    for unread in &inventory.unread {
        if let Some((policy, family)) = &unread.promised {
            families.entry(unread_key(unread, policy, family)).or_default().members.unread = true;
        }
    }
    for key in missing(&families, inventory, policies) {
        families.insert(key, Tally::default());
    }
    let unplaced: BTreeSet<_> = inventory
        .unread
        .iter()
        .filter(|unread| unread.may_be_of_any)
        .map(|Unread { source, vault, .. }| {
            (&source.account, &source.region, &vault.account, &vault.region)
        })
        .collect();
    for (key, tally) in &mut families {
        let Key { source_account, source_region, target_account, target_region, .. } = key;
        let place = (*source_account, *source_region, *target_account, *target_region);
        tally.members.unread |= unplaced.contains(&place);
    }
    let forecasts: BTreeMap<Key<'_>, FamilyForecast> =
        inventory.forecasts.iter().map(|of| (key_of(of), of.forecast)).collect();
    let judged = families.into_iter().map(|(key, tally)| {
        let forecast = forecasts.get(&key).copied().unwrap_or_default();
        let family = family(key, &tally, forecast, policies, now);
        match policies.retired(&family.source(), key.policy, key.family, now) {
            Some(retired) => retire(family, retired, inventory),
            None => family,
        }
    });
    judged.collect()
}

/// The families that a policy names and none of the sources has. Which of those that it speaks
/// about should have it is not said, so each shows it.
fn missing<'a>(
    families: &Tallies<'a>,
    inventory: &'a Inventory,
    policies: &'a Policies,
) -> Vec<Key<'a>> {
    let there: BTreeSet<_> = families
        .keys()
        .map(|key| (key.family, key.policy, key.target_account, key.target_region))
        .collect();
    let mut missing = Vec::new();
    for SourceOfVault { source, vault } in &inventory.places {
        let concerned = |policy: &&Policy| policy.covers(vault) && policy.speaks_of(source);
        for policy in policies.0.iter().filter(concerned) {
            let name = policy.name.as_str();
            let named = policy.named_families();
            let absent = named
                .filter(|family| !there.contains(&(*family, name, &vault.account, &vault.region)));
            missing.extend(absent.map(|family| Key {
                source_account: &source.account,
                source_region: &source.region,
                family,
                policy: name,
                target_account: &vault.account,
                target_region: &vault.region,
            }));
        }
    }
    missing
}

/// Nothing is promised about it any more; what it has is still shown.
fn retire(family: Family, retired: &Retired, inventory: &Inventory) -> Family {
    let since = retired.begins();
    let points = inventory.recovery_points.iter().filter(|point| family.has(point));
    let younger_images = points.filter(|point| point.source_created_at > since).count();
    Family {
        state: RpoState::Retired,
        rpo_seconds: None,
        margin_seconds: None,
        breaks_at: None,
        kept_again_at: None,
        retired: Some(Retirement { since, reason: retired.reason.clone(), younger_images }),
        ..family
    }
}

fn unread_key<'a>(unread: &'a Unread, policy: &'a str, family: &'a str) -> Key<'a> {
    Key {
        source_account: &unread.source.account,
        source_region: &unread.source.region,
        family,
        policy,
        target_account: &unread.vault.account,
        target_region: &unread.vault.region,
    }
}

fn key_of(of: &OfFamily) -> Key<'_> {
    Key {
        source_account: &of.source.account,
        source_region: &of.source.region,
        family: &of.family,
        policy: &of.policy,
        target_account: &of.vault.account,
        target_region: &of.vault.region,
    }
}

fn family(
    key: Key<'_>,
    tally: &Tally<'_>,
    forecast: FamilyForecast,
    policies: &Policies,
    now: Timestamp,
) -> Family {
    let Tally { members, newest, .. } = tally;
    let rpo = policies.named(key.policy).map(|policy| policy.rpo);
    let age = members.newest_complete.map(|created| now.duration_since(created));
    let state = members.state(rpo, now);
    // Of what could not be read, nothing follows for the promise.
    let judged = rpo.filter(|_| state != RpoState::NotAssessed);
    Family {
        source_account: key.source_account.clone(),
        source_region: key.source_region.clone(),
        family: key.family.to_owned(),
        policy: key.policy.to_owned(),
        target_account: key.target_account.clone(),
        target_region: key.target_region.clone(),
        state,
        source_image_id: newest.map(|(_, _, image, _)| image.clone()),
        restored_image_id: newest.and_then(|(.., restored)| restored.cloned()),
        source_created_at: members.newest_complete,
        age_seconds: age.map(whole),
        rpo_seconds: rpo.map(|rpo| rpo.signed().as_secs()),
        margin_seconds: judged.and_then(|rpo| members.margin(rpo, now)).map(whole),
        breaks_at: forecast.breaks_at,
        kept_again_at: forecast.kept_again_at,
        retired: None,
    }
}

/// Whole seconds, rounded down: a promise broken by a millisecond never shows a margin of zero.
fn whole(duration: SignedDuration) -> i64 {
    duration.as_secs().saturating_sub(i64::from(duration.subsec_nanos() < 0))
}
