//! Checks the places that a person may restore into against themselves and all other places.

use std::collections::BTreeSet;

use super::super::{Destination, Source, Vault, file};
use super::Check;
use super::locate::Step::{Item, Key};

impl Check<'_> {
    pub(super) fn destination(&mut self, index: usize, given: file::Destination) -> Destination {
        let here = |key| [Key("destination"), Item(index), Key(key)];
        self.prefix(&here("prefix"), &given.prefix);
        self.quota(&here("restore_quota_gb"), given.restore_quota_gb);
        let restore_calls = self.calls(&here("restore_calls"), &given.restore_calls);
        self.key(&here("key_arn"), &given.key_arn, ("the destination", &given.region));
        if let Some(role) = &given.role_arn {
            if role.service() != "iam" || !role.resource().starts_with("role/") {
                self.report(
                    &here("role_arn"),
                    format!("{role} is not the ARN of a role"),
                    "use arn:aws:iam::ACCOUNT:role/NAME",
                );
            } else if role.account().as_ref() != Some(&given.account) {
                self.report(
                    &here("role_arn"),
                    format!("the role {role} is not in the account {}", given.account),
                    "name a role of the destination's account: its images are made with it",
                );
            }
        }
        Destination {
            account: given.account,
            region: given.region,
            bucket: given.bucket,
            prefix: given.prefix,
            key_arn: given.key_arn,
            restore_quota_gb: given.restore_quota_gb,
            restore_calls,
            role_arn: given.role_arn,
        }
    }

    /// What a destination may not share with a vault, a source or another destination, and which of
    /// them need a role.
    pub(super) fn destinations(
        &mut self,
        destinations: &[Destination],
        sources: &[Source],
        vaults: &[Vault],
    ) {
        let mut places = BTreeSet::new();
        let mut buckets: BTreeSet<_> =
            sources.iter().map(|source| &source.staging_bucket).collect();
        buckets.extend(vaults.iter().map(|vault| &vault.bucket));
        for (index, destination) in destinations.iter().enumerate() {
            let here = |key| [Key("destination"), Item(index), Key(key)];
            let place = destination.id();
            if vaults.iter().any(|vault| vault.id() == place) {
                self.report(
                    &here("region"),
                    format!("{place} is a vault, whose own restores have the same names"),
                    "choose another account or Region; into its own place a vault restores without --into",
                );
            }
            if !places.insert(place.clone()) {
                self.report(
                    &here("region"),
                    format!("the destination {place} is configured twice"),
                    "keep one",
                );
            }
            if !buckets.insert(&destination.bucket) {
                self.report(
                    &here("bucket"),
                    format!("the bucket {} is used twice", destination.bucket),
                    "give each its own bucket: bucket names are unique in all of AWS",
                );
            }
            let is_foreign = !vaults.iter().any(|vault| vault.account == destination.account);
            if is_foreign && destination.role_arn.is_none() && !self.has_spoilt("vault") {
                self.report(
                    &here("account"),
                    format!("no vault is in account {}, and there is no role_arn", place.account),
                    "name a role of that account that the vault's restore operator may assume",
                );
            }
        }
    }
}
