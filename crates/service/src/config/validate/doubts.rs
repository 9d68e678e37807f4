//! Finds probable mistakes in a valid configuration: policies that govern nothing, names of places
//! that are not configured, copies that are lost with their originals, an RPO that no sweep can
//! keep, and secrets that are not there.

use std::collections::BTreeSet;
use std::fmt::Display;

use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::policy::{Idle, Policies, Policy};
use amiferry_core::span::Span;

use super::super::{ExternalId, Source, Vault};
use super::Check;
use super::locate::Step::{Item, Key};
use super::policies::listed;

impl Check<'_> {
    /// All doubts about policies and places. What is compared with something that could not be read is
    /// left out.
    pub(super) fn all_doubts(
        &mut self,
        policies: &Policies,
        sources: &[Source],
        vaults: &[Vault],
        sweep: Span,
    ) {
        let [no_source, no_vault, no_policy, no_workers] =
            ["source", "vault", "policy", "workers"].map(|section| self.has_spoilt(section));
        if !(no_source || no_vault || no_policy) {
            self.doubts(policies, sources, vaults);
            self.separation(policies, sources, vaults);
        }
        if !(no_source || no_policy) {
            self.doubtful_retirements(policies, sources);
        }
        if !no_workers {
            self.pace(policies, sweep);
        }
        self.secrets(sources);
    }

    fn doubts(&mut self, policies: &Policies, sources: &[Source], vaults: &[Vault]) {
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

    /// Warns where one loss takes a source and its copies: of the account, or of the Region.
    fn separation(&mut self, policies: &Policies, sources: &[Source], vaults: &[Vault]) {
        for (index, vault) in vaults.iter().enumerate() {
            let here = |key| [Key("vault"), Item(index), Key(key)];
            let copied = |source: &&Source| {
                let (source, vault) = (source.id(), vault.id());
                policies.0.iter().any(|p| p.speaks_of(&source) && p.covers(&vault))
            };
            let copied: Vec<&Source> = sources.iter().filter(copied).collect();
            if let Some(source) = copied.iter().find(|source| source.account == vault.account) {
                let message = format!(
                    "the vault is in account {}, like the source {}: whoever controls that account \
                     controls the copies too",
                    vault.account,
                    source.id(),
                );
                let fix = "give the vault an account of its own";
                self.warn(&here("account"), message, fix);
            }
            let same = copied.iter().find(|source| source.region == vault.region);
            if let Some(source) = same.filter(|_| !vault.allow_same_region) {
                let message = format!(
                    "the vault is in Region {}, like the source {}: an outage of the Region takes \
                     both",
                    vault.region,
                    source.id(),
                );
                let fix = "use another Region, or set allow_same_region = true in this [[vault]] \
                           if one Region is intended";
                self.warn(&here("region"), message, fix);
            }
        }
    }

    /// Warns of an RPO that only events can keep.
    fn pace(&mut self, policies: &Policies, sweep: Span) {
        for (index, policy) in policies.0.iter().enumerate() {
            if policy.rpo < sweep {
                let message = format!(
                    "the RPO of {} is shorter than the sweep_interval of {sweep}: if the event of an \
                     image is lost, its RPO breaks before a sweep finds it",
                    policy.rpo
                );
                let fix = "make the RPO longer, or sweep_interval in [workers] shorter";
                self.warn(&[Key("policy"), Item(index), Key("rpo")], message, fix);
            }
        }
    }

    /// Warns of a variable that should hold an external id and does not. Workers of a source do not
    /// need it, so it is no mistake.
    fn secrets(&mut self, sources: &[Source]) {
        for (index, source) in sources.iter().enumerate() {
            if let ExternalId::Unset(name) = &source.external_id {
                let message = format!("the environment variable {name} is not set here");
                let fix = "set it where a target worker, status or audit runs: it holds the \
                           external id of the read role";
                self.warn(&[Key("source"), Item(index), Key("external_id_env")], message, fix);
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
