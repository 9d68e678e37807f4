//! Sums up the fleet by policy, source and family, and exports the sums as metrics.
//!
//! The number of series depends on the configuration alone: every listed family of every source has
//! its series, with or without images, and one more stands for all families that are not listed.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_audit::cost::{PolicyCost, costs};
use amiferry_audit::freed::freed;
use amiferry_audit::inventory::RecoveryPoint;
use amiferry_core::cost::{Estimate, Prices, sum};
use amiferry_core::fleet::tally::{Key, Progress, Tally};
use amiferry_core::fleet::{Fleet, Outlook, State};
use amiferry_core::ids::{AccountId, Region};
use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::policy::{Policies, Policy, UNNAMED};
use amiferry_core::rpo::{Members, RpoState};
use amiferry_core::span::Span;
use amiferry_service::metrics::{self as measure, Coverage, Fact, FamilyFacts};
use jiff::Timestamp;

/// Families by source, policy and name. A source is a position in the configuration, or none.
type Families<'a> = BTreeMap<(Option<usize>, &'a str), BTreeMap<&'a str, Tally<'a>>>;

/// The values that the gauges of listed families show, by the positions of policy and source in the
/// configuration and by name. It saves setting thousands of them again after every look.
#[derive(Debug, Default)]
pub struct ShownFamilies(BTreeMap<(usize, usize), BTreeMap<String, FamilyFacts>>);

/// What the metrics are about.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// What is promised.
    pub policies: &'a Policies,
    /// The sources, in the order of the configuration.
    pub sources: &'a [SourceId],
    pub vault: &'a VaultId,
    /// The forecast of the fleet.
    pub outlook: &'a Outlook,
}

/// Sets the gauges of every policy and source of a vault, once the fleet has an observation of
/// everything. Without new observations it only updates what depends on the time.
pub fn export(shown: &mut ShownFamilies, fleet: &Fleet, scope: Scope<'_>, now: Timestamp) {
    let Some(assessed) = fleet.assessed() else { return };
    let Scope { policies, sources, vault, outlook } = scope;
    let mut families = gather(fleet, policies, sources, vault, now);
    let unplaced = fleet.unplaced();
    for (position, policy) in policies.0.iter().enumerate() {
        if !policy.covers(vault) {
            continue;
        }
        measure::objective(&policy.name, &vault.region, policy.rpo);
        let everywhere: Vec<BTreeMap<&str, Tally<'_>>> = (0..sources.len())
            .map(|source| {
                families.remove(&(Some(source), policy.name.as_str())).unwrap_or_default()
            })
            .collect();
        let anywhere: BTreeSet<&str> =
            everywhere.iter().flat_map(|there| there.keys().copied()).collect();
        for (number, (source, here)) in sources.iter().zip(&everywhere).enumerate() {
            if !policy.speaks_of(source) {
                continue;
            }
            let coverage = Coverage {
                policy: policy.name.as_str(),
                source_account: source.account.as_str(),
                source_region: source.region.as_str(),
                target_account: &vault.account,
                target_region: &vault.region,
            };
            let missing = |name: &str| !anywhere.contains(name);
            let shown = shown.0.entry((position, number)).or_default();
            let mut show = |name: &str, facts: FamilyFacts| {
                if shown.get(name) != Some(&facts) {
                    coverage.family(name, &facts);
                    shown.insert(name.to_owned(), facts);
                }
            };
            let breaks_at =
                |family: &str| outlook.family(source, policy.name.as_str(), family).breaks_at;
            let is_retired = |family: &str| {
                policies.retired(source, policy.name.as_str(), family, now).is_some()
            };
            let is_unread = unplaced.contains(&(&source.account, &source.region));
            let known = Known {
                is_missing: &missing,
                is_unread,
                breaks_at: &breaks_at,
                is_retired: &is_retired,
            };
            export_one(coverage, policy, here, known, &mut show, now);
        }
    }
    export_unnamed(families.values(), vault, now);
    let lost =
        State::LOST.map(|state| fleet.points().filter(|(_, shown)| shown.state == state).count());
    measure::lost(&vault.account, &vault.region, lost);
    measure::taken(&vault.account, &vault.region, assessed.oldest, assessed.not_assessed);
}

fn gather<'a>(
    fleet: &'a Fleet,
    policies: &'a Policies,
    sources: &[SourceId],
    vault: &VaultId,
    now: Timestamp,
) -> Families<'a> {
    let mut families = Families::new();
    let positions: BTreeMap<(&AccountId, &Region), usize> =
        sources.iter().zip(0..).map(|(id, place)| ((&id.account, &id.region), place)).collect();
    for (key, tally) in fleet.tallies(now) {
        let source = positions.get(&(key.source_account, key.source_region)).copied();
        let speaks = |policy: &&Policy| {
            let source = source.and_then(|position| sources.get(position));
            policy.covers(vault) && source.is_some_and(|source| policy.speaks_of(source))
        };
        let promised = policies.named(key.policy).filter(speaks);
        if promised.is_none() && is_retired(policies, &key, now) {
            // Nothing is to be said of it; reports list it.
            continue;
        }
        let source = promised.and(source);
        families.entry((source, key.policy)).or_default().insert(key.family, tally);
    }
    families
}

fn facts(tally: &Tally<'_>, breaks_at: Option<Timestamp>) -> FamilyFacts {
    // What could not be read is not missing: another metric counts it.
    let unread = tally.members.unread && tally.members.newest_complete.is_none();
    let known = |time: Option<Timestamp>| if unread { Fact::Nothing } else { time.into() };
    FamilyFacts {
        breaks_at: breaks_at.map_or(Fact::Nothing, Fact::At),
        complete: known(tally.members.newest_complete),
        stored: known(tally.newest_stored),
        rpo_start: known(tally.members.measured_from()),
        points: tally.by_progress,
        bytes: tally.bytes,
    }
}

/// A family that the source does not have and need not have.
fn nothing() -> FamilyFacts {
    FamilyFacts {
        breaks_at: Fact::Nothing,
        complete: Fact::Nothing,
        stored: Fact::Nothing,
        rpo_start: Fact::Nothing,
        points: [0; Progress::ALL.len()],
        bytes: 0,
    }
}

/// The same of a retired family: its times make no alert, and what it has is still counted.
fn unpromised(facts: FamilyFacts) -> FamilyFacts {
    FamilyFacts { points: facts.points, bytes: facts.bytes, ..nothing() }
}

/// The worst of each fact, and the sum of what can be summed.
fn worse(mut one: FamilyFacts, other: &FamilyFacts) -> FamilyFacts {
    one.breaks_at = one.breaks_at.min(other.breaks_at);
    one.complete = one.complete.min(other.complete);
    one.stored = one.stored.min(other.stored);
    one.rpo_start = one.rpo_start.min(other.rpo_start);
    for (sum, more) in one.points.iter_mut().zip(other.points) {
        *sum += more;
    }
    one.bytes = one.bytes.saturating_add(other.bytes);
    one
}

fn is_retired(policies: &Policies, key: &Key<'_>, now: Timestamp) -> bool {
    let (account, region) = (key.source_account.clone(), key.source_region.clone());
    policies.retired(&SourceId { account, region }, key.policy, key.family, now).is_some()
}

/// What is known of the families of a policy and a source, by name.
#[derive(Clone, Copy)]
struct Known<'a> {
    /// Whether no source has it, and one should.
    is_missing: &'a dyn Fn(&str) -> bool,
    /// Whether something of this source was never observed, which may be of a missing one.
    is_unread: bool,
    breaks_at: &'a dyn Fn(&str) -> Option<Timestamp>,
    is_retired: &'a dyn Fn(&str) -> bool,
}

fn export_one(
    coverage: Coverage<'_>,
    policy: &Policy,
    here: &BTreeMap<&str, Tally<'_>>,
    known: Known<'_>,
    show: &mut impl FnMut(&str, FamilyFacts),
    now: Timestamp,
) {
    let Known { is_missing, is_unread, breaks_at, is_retired } = known;
    let members = Members { unread: is_unread, ..Members::default() };
    let missing = Tally { members, ..Tally::default() };
    let mut states = [0; RpoState::ALL.len()];
    let mut stands = |name: &str, members: &Members| {
        let state = match is_retired(name) {
            true => RpoState::Retired,
            false => members.state(Some(policy.rpo), now),
        };
        count(&mut states, state);
    };
    for name in policy.named_families() {
        match here.get(name) {
            Some(family) if is_retired(name) => show(name, unpromised(facts(family, None))),
            None if is_missing(name) && is_retired(name) => {
                show(name, nothing());
                stands(name, &members);
            }
            Some(family) => show(name, facts(family, breaks_at(name))),
            None if is_missing(name) => {
                show(name, facts(&missing, None));
                stands(name, &members);
            }
            None => show(name, nothing()),
        }
    }
    let named: BTreeSet<&str> = policy.named_families().collect();
    let mut unnamed = nothing();
    let (mut in_scope, mut unprotected) = (0, 0);
    for (name, family) in here {
        stands(name, &family.members);
        in_scope += family.in_source;
        if !is_retired(name) {
            unprotected += family.unprotected;
        }
        if !named.contains(name) {
            let facts = facts(family, breaks_at(name));
            unnamed = worse(unnamed, &if is_retired(name) { unpromised(facts) } else { facts });
        }
    }
    show(UNNAMED, unnamed);
    coverage.families(states);
    coverage.images(in_scope, unprotected);
}

/// What the recovery points of one source cost a month by policy; what was recorded under policies that
/// are not configured is summed up as one.
pub fn costs_of(
    points: &mut [RecoveryPoint],
    (policies, floor): (&Policies, Span),
    prices: &Prices,
    now: Timestamp,
) -> Vec<PolicyCost> {
    for point in &mut *points {
        if policies.named(&point.policy).is_none() {
            UNNAMED.clone_into(&mut point.policy);
        }
    }
    costs(points, &freed(points, policies, floor, now), prices, now).policies
}

/// Sets the gauges of what each policy costs a month, and of what a prune would free of it.
pub fn export_costs(costs: &[PolicyCost], policies: &Policies, prices: &Prices, vault: &VaultId) {
    let covering = policies.0.iter().filter(|policy| policy.covers(vault));
    let names = covering.map(|policy| policy.name.as_str()).chain([UNNAMED]);
    for name in names {
        let of_policy = costs.iter().filter(|cost| cost.policy == name);
        let freed = sum(of_policy.clone().map(|cost| cost.freed));
        measure::cost_freed(name, &vault.account, &vault.region, &prices.currency, freed);
        let mut sums = Estimate::default().parts().map(|(part, _)| (part, Some(0.0)));
        for cost in of_policy {
            for ((_, sum), (_, part)) in sums.iter_mut().zip(cost.estimate.parts()) {
                *sum = sum.zip(part).map(|(sum, part): (f64, f64)| sum + part);
            }
        }
        for (part, sum) in sums {
            measure::cost(name, &vault.account, &vault.region, part, &prices.currency, sum);
        }
    }
}

/// What is in the vault and not in the configuration, all in one.
fn export_unnamed<'a>(
    families: impl Iterator<Item = &'a BTreeMap<&'a str, Tally<'a>>>,
    vault: &VaultId,
    now: Timestamp,
) {
    let mut states = [0; RpoState::ALL.len()];
    for family in families.flat_map(BTreeMap::values) {
        count(&mut states, family.members.state(None, now));
    }
    let coverage = Coverage {
        policy: UNNAMED,
        source_account: UNNAMED,
        source_region: UNNAMED,
        target_account: &vault.account,
        target_region: &vault.region,
    };
    coverage.families(states);
}

fn count(states: &mut [usize; RpoState::ALL.len()], state: RpoState) {
    let position = RpoState::ALL.iter().position(|each| *each == state);
    if let Some(count) = position.and_then(|position| states.get_mut(position)) {
        *count += 1;
    }
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
