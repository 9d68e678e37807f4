//! Sums the inventory up by policy, source and family, and shows it as metrics.
//!
//! How much is shown depends on the configuration alone: every listed family of every source has
//! its series whether it has images or not, and one more stands for all that are not listed.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::event::SourceScope;
use amiferry_core::names::VaultId;
use amiferry_core::policy::{Policies, Policy, UNNAMED};
use amiferry_core::rpo::{Members, Standing};
use amiferry_service::metrics::{self as measure, Coverage, Fact, FamilyFacts, Progress};
use jiff::Timestamp;

use crate::inventory::{Inventory, Point, is_of};

/// One family of one source, as far as metrics show it.
#[derive(Debug, Clone, Default)]
struct Family {
    members: Members,
    newest_stored: Option<Timestamp>,
    points: [usize; Progress::ALL.len()],
    bytes: u64,
    /// Images that the source still has, and those of them that are not complete.
    in_source: usize,
    unprotected: usize,
}

/// Families by source, which is its position in the configuration or none of them, policy and name.
type Families<'a> = BTreeMap<(Option<usize>, &'a str), BTreeMap<&'a str, Family>>;

/// What the gauges of listed families show, so that thousands of them are not set anew after every
/// look; by the positions of policy and source in the configuration, and name.
#[derive(Debug, Default)]
pub struct ShownFamilies(BTreeMap<(usize, usize), BTreeMap<String, FamilyFacts>>);

/// Sets the gauges of every policy and source of a vault; nothing before the inventory says
/// something about everything. Without a new inventory it lets families age.
pub fn export(
    shown: &mut ShownFamilies,
    inventory: &Inventory,
    policies: &Policies,
    sources: &[&SourceScope],
    vault: &VaultId,
    now: Timestamp,
) {
    let Some(taken) = inventory.taken() else { return };
    let VaultId { account, region } = vault;
    let mut families = gather(inventory, policies, sources, vault);
    for (position, policy) in policies.0.iter().enumerate() {
        if !policy.covers(vault) {
            continue;
        }
        measure::objective(&policy.name, region, policy.rpo);
        let everywhere: Vec<BTreeMap<&str, Family>> = (0..sources.len())
            .map(|source| {
                families.remove(&(Some(source), policy.name.as_str())).unwrap_or_default()
            })
            .collect();
        for (number, (source, here)) in sources.iter().zip(&everywhere).enumerate() {
            if !policy.speaks_of(&source.id()) {
                continue;
            }
            let coverage = Coverage {
                policy: policy.name.as_str(),
                source_account: source.account.as_str(),
                source_region: source.region.as_str(),
                target_account: account,
                target_region: region,
            };
            let missing = |name: &str| !everywhere.iter().any(|there| there.contains_key(name));
            let shown = shown.0.entry((position, number)).or_default();
            let mut show = |name: &str, facts: FamilyFacts| {
                if shown.get(name) != Some(&facts) {
                    coverage.family(name, &facts);
                    shown.insert(name.to_owned(), facts);
                }
            };
            export_one(coverage, policy, here, missing, &mut show, now);
        }
    }
    export_unnamed(families.values(), vault, now);
    measure::taken(account, region, taken.oldest, taken.not_assessed);
}

fn gather<'a>(
    inventory: &'a Inventory,
    policies: &'a Policies,
    sources: &[&SourceScope],
    vault: &VaultId,
) -> Families<'a> {
    let mut families = Families::new();
    for (id, point) in inventory.points() {
        let source = sources.iter().position(|source| is_of(id, source));
        let promised = policies.named(&point.policy).filter(|policy| {
            source.is_some() && policy.covers(vault) && policy.speaks_of(&id.source())
        });
        // By the policy's own text, which lives as long as the policies.
        let key = match promised {
            Some(policy) => (source, policy.name.as_str()),
            None => (None, point.policy.as_str()),
        };
        families.entry(key).or_default().entry(&point.family).or_default().add(point);
    }
    families
}

impl Family {
    fn add(&mut self, point: &Point) {
        let complete = point.progress == Progress::Complete;
        self.members.add(point.created, complete);
        self.in_source += usize::from(point.in_source);
        self.unprotected += usize::from(point.in_source && !complete);
        if let Some(bytes) = point.stored {
            self.newest_stored = self.newest_stored.max(Some(point.created));
            self.bytes = self.bytes.saturating_add(bytes);
        }
        let position = Progress::ALL.iter().position(|progress| *progress == point.progress);
        if let Some(count) = position.and_then(|position| self.points.get_mut(position)) {
            *count += 1;
        }
    }

    fn facts(&self) -> FamilyFacts {
        FamilyFacts {
            complete: self.members.newest_complete.into(),
            stored: self.newest_stored.into(),
            rpo_start: self.members.measured_from().into(),
            points: self.points,
            bytes: self.bytes,
        }
    }
}

/// A family that need not be here and is not.
fn nothing() -> FamilyFacts {
    FamilyFacts {
        complete: Fact::Nothing,
        stored: Fact::Nothing,
        rpo_start: Fact::Nothing,
        points: [0; Progress::ALL.len()],
        bytes: 0,
    }
}

/// The worst of each fact, and the sum of what can be summed.
fn worse(mut one: FamilyFacts, other: &FamilyFacts) -> FamilyFacts {
    one.complete = one.complete.min(other.complete);
    one.stored = one.stored.min(other.stored);
    one.rpo_start = one.rpo_start.min(other.rpo_start);
    for (sum, more) in one.points.iter_mut().zip(other.points) {
        *sum += more;
    }
    one.bytes = one.bytes.saturating_add(other.bytes);
    one
}

fn export_one(
    coverage: Coverage<'_>,
    policy: &Policy,
    here: &BTreeMap<&str, Family>,
    is_missing: impl Fn(&str) -> bool,
    show: &mut impl FnMut(&str, FamilyFacts),
    now: Timestamp,
) {
    let mut standings = [0; Standing::ALL.len()];
    let mut stands = |members: &Members| {
        count(&mut standings, members.standing(Some(policy.rpo), now));
    };
    for name in policy.named_families() {
        match here.get(name) {
            Some(family) => show(name, family.facts()),
            None if is_missing(name) => {
                show(name, Family::default().facts());
                stands(&Members::default());
            }
            None => show(name, nothing()),
        }
    }
    let named: BTreeSet<&str> = policy.named_families().collect();
    let mut unnamed = nothing();
    let (mut in_scope, mut unprotected) = (0, 0);
    for (name, family) in here {
        stands(&family.members);
        in_scope += family.in_source;
        unprotected += family.unprotected;
        if !named.contains(name) {
            unnamed = worse(unnamed, &family.facts());
        }
    }
    show(UNNAMED, unnamed);
    coverage.families(standings);
    coverage.images(in_scope, unprotected);
}

/// What is in the vault and not in the configuration (any more), all in one.
fn export_unnamed<'a>(
    families: impl Iterator<Item = &'a BTreeMap<&'a str, Family>>,
    VaultId { account: target_account, region: target_region }: &VaultId,
    now: Timestamp,
) {
    let mut standings = [0; Standing::ALL.len()];
    for family in families.flat_map(BTreeMap::values) {
        count(&mut standings, family.members.standing(None, now));
    }
    let coverage = Coverage {
        policy: UNNAMED,
        source_account: UNNAMED,
        source_region: UNNAMED,
        target_account,
        target_region,
    };
    coverage.families(standings);
}

fn count(standings: &mut [usize; Standing::ALL.len()], standing: Standing) {
    let position = Standing::ALL.iter().position(|each| *each == standing);
    if let Some(count) = position.and_then(|position| standings.get_mut(position)) {
        *count += 1;
    }
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
