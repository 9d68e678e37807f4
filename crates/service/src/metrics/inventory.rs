//! Records the sums of the target worker's inventory.
//!
//! A gauge cannot be removed once it is set, so every series that the configuration makes possible
//! always exists: with 0 where something is missing, and with NaN, which no comparison matches,
//! where there is nothing to say.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::fleet::State;
use amiferry_core::fleet::tally::Progress;
use amiferry_core::ids::{AccountId, Region};
use amiferry_core::policy::PolicyName;
use amiferry_core::rpo::RpoState;
use amiferry_core::span::Span;
use jiff::Timestamp;
use metrics::{Label, gauge, histogram};

use super::record::{number, since_1970};
use super::table::*;

/// Records a policy's objective in one target Region.
pub fn objective(policy: &PolicyName, target: &Region, rpo: Span) {
    gauge!(POLICY_RPO.name, "policy" => policy.to_string(), "target_region" => target.to_string())
        .set(rpo.duration().as_secs_f64());
}

/// Records the completion of a recovery point, and the time that it took since its source image was
/// created.
pub fn completed(policy: &str, took: Duration) {
    histogram!(COMPLETION.name, "policy" => policy.to_owned()).record(took.as_secs_f64());
}

/// Records the quality of a vault's inventory: the time of its oldest observation, unless something
/// in it was never observed, and the number of recovery points whose last look failed.
pub fn taken(account: &AccountId, region: &Region, oldest: Option<Timestamp>, not_assessed: usize) {
    let labels = [
        Label::new("target_account", account.to_string()),
        Label::new("target_region", region.to_string()),
    ];
    if let Some(oldest) = oldest {
        gauge!(INVENTORY_LAST_SUCCESS.name, labels.iter()).set(since_1970(oldest));
    }
    gauge!(INVENTORY_NOT_ASSESSED.name, labels.iter()).set(number(not_assessed as u64));
}

/// Records how many recovery points of a vault are in each state of [`State::LOST`].
pub fn lost(account: &AccountId, region: &Region, counts: [usize; State::LOST.len()]) {
    for (state, points) in State::LOST.iter().zip(counts) {
        let labels = [
            Label::new("target_account", account.to_string()),
            Label::new("target_region", region.to_string()),
            Label::new("state", state.as_str()),
        ];
        gauge!(RECOVERY_POINTS_LOST.name, labels.iter()).set(number(points as u64));
    }
}

/// Records what a part of a policy's copies costs a month, if that is known.
pub fn cost(
    policy: &str,
    account: &AccountId,
    region: &Region,
    part: &'static str,
    currency: &str,
    sum: Option<f64>,
) {
    let [policy, account, region, currency] = of_cost(policy, account, region, currency);
    let labels = [policy, account, region, Label::new("part", part), currency];
    gauge!(COST.name, labels.iter()).set(sum.unwrap_or(f64::NAN));
}

/// Records how much less a policy's copies would cost a month after a prune, if that is known.
pub fn cost_freed(
    policy: &str,
    account: &AccountId,
    region: &Region,
    currency: &str,
    sum: Option<f64>,
) {
    let labels = of_cost(policy, account, region, currency);
    gauge!(COST_FREED.name, labels.iter()).set(sum.unwrap_or(f64::NAN));
}

fn of_cost(policy: &str, account: &AccountId, region: &Region, currency: &str) -> [Label; 4] {
    [
        Label::new("policy", policy.to_owned()),
        Label::new("target_account", account.to_string()),
        Label::new("target_region", region.to_string()),
        Label::new("currency", currency.to_owned()),
    ]
}

/// One policy, source and vault; every part comes from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Coverage<'a> {
    pub policy: &'a str,
    /// The source's account.
    pub source_account: &'a str,
    /// The source's Region.
    pub source_region: &'a str,
    /// The vault's account.
    pub target_account: &'a AccountId,
    /// The vault's Region.
    pub target_region: &'a Region,
}

/// The facts about a family, or about all families that the configuration does not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyFacts {
    /// When its RPO breaks by the forecast, if a newer image comes too late.
    pub breaks_at: Fact,
    /// When the source image behind the newest complete recovery point was created.
    pub complete: Fact,
    /// When the newest image whose copy lies in the vault was created.
    pub stored: Fact,
    /// Since when the RPO counts.
    pub rpo_start: Fact,
    /// Its images by how far they are, in the order of [`Progress::ALL`].
    pub points: [usize; Progress::ALL.len()],
    /// Bytes in the vault.
    pub bytes: u64,
}

/// A time of a family; the smaller, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// It should exist and does not.
    Missing,
    /// It exists, and its source image was created at this time.
    At(Timestamp),
    /// There is no such family here, and need not be.
    Nothing,
}

impl From<Option<Timestamp>> for Fact {
    fn from(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Missing, Self::At)
    }
}

impl Fact {
    fn value(self) -> f64 {
        match self {
            Self::Missing => 0.0,
            Self::At(time) => since_1970(time),
            Self::Nothing => f64::NAN,
        }
    }
}

impl Coverage<'_> {
    fn source(&self) -> Vec<Label> {
        vec![
            Label::new("policy", self.policy.to_owned()),
            Label::new("source_account", self.source_account.to_owned()),
            Label::new("source_region", self.source_region.to_owned()),
        ]
    }

    fn labels(&self) -> Vec<Label> {
        let mut labels = self.source();
        labels.push(Label::new("target_account", self.target_account.to_string()));
        labels.push(Label::new("target_region", self.target_region.to_string()));
        labels
    }

    fn with(&self, key: &'static str, value: &str) -> Vec<Label> {
        let mut labels = self.labels();
        labels.insert(1, Label::new(key, value.to_owned()));
        labels
    }

    /// Records a family that the configuration names, or the one that stands for all others.
    pub fn family(&self, family: &str, facts: &FamilyFacts) {
        let labels = self.with("family", family);
        gauge!(RECOVERY_POINT_TIMESTAMP.name, labels.iter()).set(facts.complete.value());
        gauge!(RECOVERY_POINT_STORED.name, labels.iter()).set(facts.stored.value());
        gauge!(RPO_START.name, labels.iter()).set(facts.rpo_start.value());
        gauge!(RPO_BREACH_ETA.name, labels.iter()).set(facts.breaks_at.value());
        gauge!(VAULT_OBJECT_BYTES.name, labels.iter()).set(number(facts.bytes));
        let mut by_state: BTreeMap<&'static str, usize> = BTreeMap::new();
        for (state, points) in Progress::ALL.iter().zip(facts.points) {
            *by_state.entry(state.as_str()).or_default() += points;
        }
        for (state, points) in by_state {
            let mut labels = labels.clone();
            labels.push(Label::new("state", state));
            gauge!(RECOVERY_POINTS.name, labels.iter()).set(number(points as u64));
        }
    }

    /// Records how many families are in each state, in the order of [`RpoState::ALL`].
    pub fn families(&self, counts: [usize; RpoState::ALL.len()]) {
        for (state, families) in RpoState::ALL.iter().zip(counts) {
            let mut labels = self.labels();
            labels.push(Label::new("state", state.as_str()));
            gauge!(FAMILIES.name, labels.iter()).set(number(families as u64));
        }
    }

    /// Records how many images are in scope, and how many of them have no complete recovery point.
    pub fn images(&self, in_scope: usize, unprotected: usize) {
        gauge!(IMAGES_IN_SCOPE.name, self.source().iter()).set(number(in_scope as u64));
        gauge!(IMAGES_UNPROTECTED.name, self.labels().iter()).set(number(unprotected as u64));
    }
}
