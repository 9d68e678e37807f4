//! Finds probable mistakes in a valid configuration: policies that govern nothing, and names of
//! places that are not configured.

use std::collections::BTreeSet;
use std::fmt::Display;

use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::policy::{Idle, Policies, Policy};

use super::super::{Source, Vault};
use super::Check;
use super::locate::Step::{Item, Key};
use super::policies::listed;

impl Check<'_> {
    pub(super) fn doubts(&mut self, policies: &Policies, sources: &[Source], vaults: &[Vault]) {
        let sources: Vec<SourceId> = sources.iter().map(Source::id).collect();
        let accounts = sources.iter().map(|source| &source.account).collect();
        let regions = sources.iter().map(|source| &source.region).collect();
        let vaults: Vec<VaultId> = vaults.iter().map(Vault::id).collect();
        let vaults = vaults.iter().collect();
        let mut unknown = BTreeSet::new();
        for (index, policy) in policies.0.iter().enumerate() {
            let of_source = "no [[source]] has it: no image of it is protected by this policy";
            let is_known = [
                self.unknown(index, "accounts", &policy.accounts, &accounts, of_source),
                self.unknown(index, "regions", &policy.regions, &regions, of_source),
            ];
            if is_known.contains(&false) {
                unknown.insert(index);
            }
            let of_vault = "no [[vault]] is there: nothing is copied to it";
            self.unknown(index, "vaults", &policy.vaults, &vaults, of_vault);
        }
        for (index, idle) in policies.idle(&sources) {
            let Some(policy) = policies.0.get(index) else { continue };
            // An unknown name has its own warning.
            if idle != Idle::NoSource || !unknown.contains(&index) {
                self.idle(index, policy, &idle, &sources);
            }
        }
    }

    /// Whether everything that a policy names is configured; warns of each name that is not.
    fn unknown<T: Ord + Display>(
        &mut self,
        index: usize,
        key: &str,
        named: &[T],
        there: &BTreeSet<&T>,
        why: &str,
    ) -> bool {
        let mut is_known = true;
        for (position, item) in named.iter().enumerate() {
            if !there.contains(item) {
                is_known = false;
                let at = [Key("policy"), Item(index), Key(key), Item(position)];
                let fix = format!("add it, or choose from: {}", listed(there.iter()));
                self.warn(&at, format!("{key} names {item}, and {why}"), &fix);
            }
        }
        is_known
    }

    /// Warns that a policy governs no image, and says why.
    fn idle(&mut self, index: usize, policy: &Policy, idle: &Idle<'_>, sources: &[SourceId]) {
        let here = |key| [Key("policy"), Item(index), Key(key)];
        let name = &policy.name;
        match idle {
            Idle::NoSource => {
                let key = if policy.regions.is_empty() { "accounts" } else { "regions" };
                let message = format!("the policy {name} applies to no configured [[source]]");
                let fix = format!("choose accounts and regions from: {}", listed(sources.iter()));
                self.warn(&here(key), message, &fix);
            }
            Idle::Nothing => self.warn(
                &here("exclude"),
                format!("the policy {name} selects nothing: its exclude removes every image"),
                "let exclude match less than select does, or remove the policy",
            ),
            Idle::Same(former) => self.warn(
                &here("select"),
                format!("the policy {name} selects the same images as {}", former.name),
                "remove one of them, or select other images: the first policy that selects an image \
                 governs it, in its own vaults only",
            ),
            Idle::Shadowed(former) => self.warn(
                &here("select"),
                format!(
                    "the policy {name} governs nothing: an earlier policy selects all its images: {}",
                    listed(former.iter().map(|policy| &policy.name)),
                ),
                "put the narrower policy first: the first policy that selects an image governs it",
            ),
        }
    }
}
