//! Proves of a policy that it governs no image: it selects none, or former ones take all of them.
//!
//! Only what follows from the policies themselves is said. Where a proof would take too long, or
//! needs more than comparing one condition with another, nothing is.

use super::pattern::Pattern;
use super::{Policies, Policy};
use crate::names::SourceId;

/// Why a policy governs no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idle<'p> {
    /// It speaks about none of the sources.
    NoSource,
    /// Its exceptions take away all that it selects.
    Nothing,
    /// A former policy selects the same images.
    Same(&'p Policy),
    /// Each image that it selects is selected by one of these, which stand before it.
    Shadowed(Vec<&'p Policy>),
}

/// How much is compared before no more is said: for two patterns the product of their lengths. A
/// thousand policies of a few conditions need a part of it.
const EFFORT: usize = 20_000_000;

impl Policies {
    /// The policies that govern no image of these sources, by their positions.
    pub fn idle(&self, sources: &[SourceId]) -> Vec<(usize, Idle<'_>)> {
        let mut prover = Prover { left: EFFORT };
        let mut found = Vec::new();
        for (position, policy) in self.0.iter().enumerate() {
            let former = self.0.get(..position).unwrap_or_default();
            found.extend(prover.idle(policy, former, sources).map(|idle| (position, idle)));
        }
        found
    }
}

/// What a policy selects of one source by one of its names: all of it is the sum of these.
struct Part<'p> {
    policy: &'p Policy,
    source: &'p SourceId,
    /// `None` for any name.
    name: Option<&'p Pattern>,
}

/// Compares patterns as long as there is effort left. Then every comparison fails, so that what is
/// proven stays true.
struct Prover {
    left: usize,
}

impl Prover {
    fn idle<'p>(
        &mut self,
        policy: &'p Policy,
        former: &'p [Policy],
        sources: &[SourceId],
    ) -> Option<Idle<'p>> {
        let (mut shadows, mut speaks, mut selects) = (Vec::<&Policy>::new(), false, false);
        for part in parts(policy, sources) {
            speaks = true;
            if self.is_empty(&part) {
                continue;
            }
            selects = true;
            // One that takes another part already, so that few are named.
            if !shadows.iter().any(|shadow| self.covers(shadow, &part)) {
                shadows.push(former.iter().find(|former| self.covers(former, &part))?);
            }
        }
        if !speaks {
            return Some(Idle::NoSource);
        }
        if !selects {
            return Some(Idle::Nothing);
        }
        if let [only] = shadows.as_slice()
            && self.is_within(only, policy, sources)
        {
            return Some(Idle::Same(only));
        }
        Some(Idle::Shadowed(shadows))
    }

    /// Whether all that a policy selects is selected by another.
    fn is_within(&mut self, policy: &Policy, other: &Policy, sources: &[SourceId]) -> bool {
        parts(policy, sources).all(|part| self.is_empty(&part) || self.covers(other, &part))
    }

    /// Whether the policy's own exceptions take a part away.
    fn is_empty(&mut self, part: &Part<'_>) -> bool {
        let Policy { select, exclude, .. } = part.policy;
        exclude.names.iter().any(|except| self.contains_name(except, part.name))
            || exclude.tags.iter().any(|(key, except)| {
                select.tags.get(key).is_some_and(|value| self.contains(except, value))
            })
    }

    /// Whether a policy selects all of a part.
    fn covers(&mut self, policy: &Policy, part: &Part<'_>) -> bool {
        let (select, exclude) = (&part.policy.select, &part.policy.exclude);
        self.spend(1 + policy.accounts.len() + policy.regions.len())
            && policy.speaks_of(part.source)
            && policy.select.tags.iter().all(|(key, wide)| {
                select.tags.get(key).is_some_and(|narrow| self.contains(wide, narrow))
            })
            && (policy.select.names.is_empty()
                || policy.select.names.iter().any(|wide| self.contains_name(wide, part.name)))
            // Nothing that it excepts is in the part.
            && policy.exclude.names.iter().all(|except| {
                part.name.is_some_and(|name| self.is_apart(except, name))
                    || exclude.names.iter().any(|wide| self.contains(wide, except))
            })
            && policy.exclude.tags.iter().all(|(key, except)| {
                select.tags.get(key).is_some_and(|value| self.is_apart(except, value))
                    || exclude.tags.get(key).is_some_and(|wide| self.contains(wide, except))
            })
    }

    /// Whether a pattern matches every name that another matches; without another, every name.
    fn contains_name(&mut self, wide: &Pattern, narrow: Option<&Pattern>) -> bool {
        match narrow {
            Some(narrow) => self.contains(wide, narrow),
            None => self.contains(wide, &Pattern::any()),
        }
    }

    fn contains(&mut self, wide: &Pattern, narrow: &Pattern) -> bool {
        self.spend(effort(wide, narrow)) && wide.contains(narrow)
    }

    fn is_apart(&mut self, one: &Pattern, other: &Pattern) -> bool {
        self.spend(effort(one, other)) && !one.overlaps(other)
    }

    /// Whether so much effort is left; it is spent then.
    fn spend(&mut self, effort: usize) -> bool {
        let left = self.left.checked_sub(effort);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

fn effort(one: &Pattern, other: &Pattern) -> usize {
    one.length().saturating_add(1).saturating_mul(other.length().saturating_add(1))
}

fn parts<'p>(policy: &'p Policy, sources: &'p [SourceId]) -> impl Iterator<Item = Part<'p>> {
    let any = policy.select.names.is_empty().then_some(None);
    let names = policy.select.names.iter().map(Some).chain(any);
    let sources = sources.iter().filter(|source| policy.speaks_of(source));
    sources.flat_map(move |source| names.clone().map(move |name| Part { policy, source, name }))
}

#[cfg(test)]
#[path = "shadow_tests.rs"]
mod tests;
