//! Checks the families that are retired.

use std::collections::BTreeSet;

use amiferry_core::policy::{FamilyKey, Policies, Policy, Retired};
use amiferry_core::text::visible;

use super::super::Source;
use super::Check;
use super::locate::Step::{Item, Key};
use super::policies::listed;

/// The longest name that a problem shows.
const LONGEST: usize = 80;

impl Check<'_> {
    pub(super) fn retired(&mut self, retired: &[Retired]) {
        let mut named = BTreeSet::new();
        for (index, one) in retired.iter().enumerate() {
            let here = |key| [Key("retired"), Item(index), Key(key)];
            if !named.insert((&one.family, &one.policy, &one.source)) {
                let message = format!("{} is retired twice", visible(&one.to_string(), LONGEST));
                self.report(&here("family"), message, "name it once");
            }
            if one.family.is_empty() {
                let fix = "name the family as `amiferry audit` lists it";
                self.report(&here("family"), "no family has an empty name".to_owned(), fix);
            }
            if one.reason.trim().is_empty() {
                let fix = "say why the workload has ended: reports show it beside the family";
                self.report(&here("reason"), "the reason is empty".to_owned(), fix);
            }
        }
    }

    /// Warns where an entry retires nothing that the configuration could promise.
    pub(super) fn doubtful_retirements(&mut self, policies: &Policies, sources: &[Source]) {
        for (index, one) in policies.1.iter().enumerate() {
            let here = |key| [Key("retired"), Item(index), Key(key)];
            let shown = visible(&one.family, LONGEST);
            if let Some(source) = &one.source
                && !sources.iter().any(|configured| configured.id() == *source)
            {
                let message = format!(
                    "there is no [[source]] {source}: this retires only what the vaults have of it"
                );
                let choices = listed(sources.iter().map(Source::id));
                self.warn(
                    &here("source"),
                    message,
                    &format!("if it is a mistake, choose from: {choices}"),
                );
            }
            let governing: Vec<&Policy> = match &one.policy {
                None => policies.0.iter().collect(),
                Some(name) => policies.named(name).into_iter().collect(),
            };
            if let (Some(name), true) = (&one.policy, governing.is_empty()) {
                let message = format!(
                    "there is no [[policy]] named {:?}: this retires only what was recorded under it",
                    visible(name, LONGEST)
                );
                let choices = listed(policies.0.iter().map(|policy| &policy.name));
                self.warn(
                    &here("policy"),
                    message,
                    &format!("if it is a mistake, choose from: {choices}"),
                );
            } else if !governing.iter().any(|policy| may_have(policy, &one.family)) {
                let families = governing.iter().flat_map(|policy| policy.named_families());
                let choices = listed(families.map(|family| visible(family, LONGEST)));
                let message = format!("no policy has a family {shown:?}: this retires nothing");
                self.warn(&here("family"), message, &format!("choose from: {choices}"));
            }
        }
    }
}

/// Whether images of a policy can be of a family: the value of a tag can be anything.
fn may_have(policy: &Policy, family: &str) -> bool {
    match &policy.family {
        FamilyKey::Fixed(name) => name == family,
        FamilyKey::Tag(_) | FamilyKey::Instance => true,
    }
}
