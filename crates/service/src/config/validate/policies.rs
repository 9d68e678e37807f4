//! Checks each policy against the configured vaults, the other policies and its own keys.

use std::collections::BTreeSet;
use std::fmt::Display;

use amiferry_core::ids::Region;
use amiferry_core::names::VaultId;
use amiferry_core::policy::{FamilyKey, Policy, Tier, UNNAMED};
use amiferry_core::text::visible;

use super::super::Vault;
use super::Check;
use super::locate::Step::{self, Item, Key};

/// EC2's limit of a tag's value, in characters.
const LONGEST_FAMILY: usize = 256;

impl Check<'_> {
    pub(super) fn policies(&mut self, policies: &[Policy], vaults: &[Vault]) {
        let mut names = BTreeSet::new();
        for (index, policy) in policies.iter().enumerate() {
            let here = |key| [Key("policy"), Item(index), Key(key)];
            let name = policy.name.as_str();
            if self.is_written(&here("name"), name) && !names.insert(name) {
                let message = format!("two policies are named {name:?}");
                self.report_as_written(&here("name"), message, "give each its own name");
            }
            self.targets(index, policy, vaults);
            self.no_item_twice(index, "target_regions", &policy.target_regions);
            self.no_item_twice(index, "vaults", &policy.vaults);
            self.no_item_twice(index, "accounts", &policy.accounts);
            self.no_item_twice(index, "regions", &policy.regions);
            self.families(index, policy);
            self.keep(index, policy);
            self.classes(index, policy);
            if let Some(retention) = policy.retention
                && retention <= policy.rpo
            {
                self.report(
                    &here("retention"),
                    format!("a retention of {retention} ends before the RPO of {}", policy.rpo),
                    "make the retention longer than the RPO: otherwise the newest recovery point \
                     may become deletable before the next one exists",
                );
            }
            if let Some(max_age) = policy.max_age
                && max_age <= policy.rpo
            {
                self.report(
                    &here("max_age"),
                    format!("a max_age of {max_age} ends before the RPO of {}", policy.rpo),
                    "make max_age longer than the RPO: otherwise an image without a copy is left \
                     out before its RPO is broken, without an alert",
                );
            }
        }
    }
}

impl Check<'_> {
    /// The storage classes: what is to be restored at once must be readable at once.
    fn classes(&mut self, index: usize, policy: &Policy) {
        let here = |key| [Key("policy"), Item(index), Key(key)];
        let class = policy.storage_class;
        if policy.tier == Tier::Ready && class.depth().is_some() {
            self.report(
                &here("storage_class"),
                format!("tier ready restores each copy at once, and {class} is not read at once"),
                "use a class that is read at once, such as GLACIER_IR, and let a lifecycle rule move \
                 objects later (lifecycle_class); or use tier = \"archive\"",
            );
        }
        if let Some(later) = policy.lifecycle_class
            && later < class
        {
            self.report(
                &here("lifecycle_class"),
                format!("a lifecycle rule moves no object from {class} to {later}"),
                "name a colder class than storage_class, or leave lifecycle_class out",
            );
        }
    }

    /// The rules of retention: those that keep nothing are a mistake, whatever they were meant to say.
    fn keep(&mut self, index: usize, policy: &Policy) {
        let here = |key| [Key("policy"), Item(index), Key(key)];
        for (key, keep) in [("keep", &policy.keep), ("keep_ami", &policy.keep_ami)] {
            if keep.is_some_and(|keep| keep.keeps_nothing()) {
                self.report(
                    &here(key),
                    format!("the rules of {key} keep nothing"),
                    "give at least one of last, daily, weekly, monthly, yearly and within a value \
                     above 0; without the key, all is kept",
                );
            }
            if keep.is_some_and(|keep| keep.minimum == Some(0)) {
                self.report(
                    &[Key("policy"), Item(index), Key(key), Key("minimum")],
                    "a minimum of 0 is none: the newest recovery point of a family always stays"
                        .to_owned(),
                    "use 1 or more, or leave minimum out",
                );
            }
        }
        if policy.keep_ami.is_some() && policy.tier == Tier::Archive {
            self.report(
                &here("keep_ami"),
                "tier archive keeps no AMI, and keep_ami says which are kept".to_owned(),
                "remove keep_ami, or use tier = \"ready\"",
            );
        }
    }

    /// Where the policy's copies should be: some vault must be there, and no Region without one.
    fn targets(&mut self, index: usize, policy: &Policy, vaults: &[Vault]) {
        let here = |key| [Key("policy"), Item(index), Key(key)];
        let regions: BTreeSet<&Region> = vaults.iter().map(|vault| &vault.region).collect();
        let ids: Vec<VaultId> = vaults.iter().map(Vault::id).collect();
        if policy.target_regions.is_empty() && policy.vaults.is_empty() {
            self.report(
                &here("target_regions"),
                format!("the policy {} copies to no vault", policy.name),
                "give target_regions, of which every [[vault]] gets a copy, or name single ones: \
                 vaults = [\"ACCOUNT/REGION\"]",
            );
        }
        if self.has_spoilt("vault") {
            return;
        }
        let choices = listed(regions.iter());
        for (position, region) in policy.target_regions.iter().enumerate() {
            if !regions.contains(region) {
                let at = [Key("policy"), Item(index), Key("target_regions"), Item(position)];
                let message = format!("there is no [[vault]] in the target Region {region}");
                self.report(&at, message, &format!("add one, or choose from: {choices}"));
            }
        }
        if !policy.vaults.is_empty() && !ids.iter().any(|vault| policy.covers(vault)) {
            self.report(
                &here("vaults"),
                format!("the policy {} copies to no [[vault]] that is configured", policy.name),
                &format!("add one, or choose from: {}", listed(ids.iter())),
            );
        }
    }

    fn no_item_twice<T: Ord + Display>(&mut self, index: usize, key: &str, items: &[T]) {
        let mut named = BTreeSet::new();
        for (position, item) in items.iter().enumerate() {
            if !named.insert(item) {
                let at = [Key("policy"), Item(index), Key(key), Item(position)];
                self.report(&at, format!("{key} names {item} twice"), "name it once");
            }
        }
    }

    fn families(&mut self, index: usize, policy: &Policy) {
        let fixed = match &policy.family {
            FamilyKey::Fixed(name) => Some(name),
            FamilyKey::Tag(_) | FamilyKey::Instance => None,
        };
        if let Some(name) = fixed
            && let Some((why, fix)) = no_family(name)
        {
            self.family(&[Key("policy"), Item(index), Key("family")], name, why, fix);
        }
        for (position, family) in policy.families.iter().enumerate() {
            let at = [Key("policy"), Item(index), Key("families"), Item(position)];
            if fixed.is_some() {
                let why = "all images of this policy are one family, which already has a name";
                self.family(&at, family, why, "remove families, or use a tag for the family");
            } else if let Some((why, fix)) = no_family(family) {
                self.family(&at, family, why, fix);
            } else if policy.families[..position].contains(family) {
                self.family(&at, family, "this family is listed twice", "list it once");
            }
        }
    }

    fn family(&mut self, at: &[Step<'_>], family: &str, why: &str, fix: &str) {
        let shown = visible(family, 80);
        self.report(at, format!("the family {shown:?} cannot be listed: {why}"), fix);
    }
}

/// What there is to choose from.
pub(super) fn listed(items: impl Iterator<Item = impl Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Why a family cannot have this name, and how to fix it.
fn no_family(name: &str) -> Option<(&'static str, &'static str)> {
    if name == UNNAMED {
        Some(("this name stands for all families that are not listed", "choose another name"))
    } else if name.is_empty() || name.chars().count() > LONGEST_FAMILY {
        Some(("no tag can have this value", "use 1 to 256 characters"))
    } else {
        None
    }
}
