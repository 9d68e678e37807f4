//! Proves that a policy governs no image: it selects none, or earlier policies select all of them.
//!
//! It reports only what follows from the policies themselves, and nothing where a proof would take
//! too long or would need more than comparing one condition with another.

use super::pattern::Pattern;
use super::{Policies, Policy};
use crate::names::SourceId;

/// Why a policy governs no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idle<'p> {
    /// It applies to none of the sources.
    NoSource,
    /// Its exceptions exclude every image that it selects.
    Nothing,
    /// An earlier policy selects the same images.
    Same(&'p Policy),
    /// One of these earlier policies selects each image that it selects.
    Shadowed(Vec<&'p Policy>),
}

/// The effort after which nothing more is proven: for two patterns, the product of their lengths. A
/// thousand policies with a few conditions need a fraction of it.
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

/// The images of one source that a policy selects by one of its names: a policy is the sum of
/// these.
struct Part<'p> {
    policy: &'p Policy,
    source: &'p SourceId,
    /// `None` for any name.
    name: Option<&'p Pattern>,
}

/// Compares patterns while effort is left. Afterwards every comparison fails, so that everything
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
            // Prefers a policy that already covers another part, so that the message names few.
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

    /// Whether another policy selects everything that a policy selects.
    fn is_within(&mut self, policy: &Policy, other: &Policy, sources: &[SourceId]) -> bool {
        parts(policy, sources).all(|part| self.is_empty(&part) || self.covers(other, &part))
    }

    /// Whether the policy's own exceptions exclude a part.
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
            // Its exceptions exclude nothing of the part.
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

    /// Spends effort; returns whether that much was left.
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
