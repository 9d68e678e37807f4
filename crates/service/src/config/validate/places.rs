//! Checks that the keys of each source and vault agree, and that no two name the same place.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use amiferry_core::event::check_staging_prefix;
use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_core::pacing::CallRate;

use super::super::{Env, ExternalId, QueueUrl, Secret, Source, Vault, file};
use super::Check;
use super::locate::Step::{self, Item, Key};

/// A quota above this, an exabyte, is a mistake; counted in bytes it still fits into 64 bits.
const LARGEST_QUOTA_GB: u64 = 1_000_000_000;

/// A shorter secret can be guessed.
const SHORTEST_SECRET: usize = 16;

/// Above these a number is a mistake too.
const LARGEST_WEIGHT: u64 = 1_000;
const LARGEST_DAILY_IMAGES: u64 = 1_000_000;

impl Check<'_> {
    pub(super) fn source(&mut self, index: usize, source: file::Source, env: &dyn Env) -> Source {
        let here = |key| [Key("source"), Item(index), Key(key)];
        self.queue(&here("queue_url"), &source.queue_url, &source.account, &source.region);
        self.prefix(&here("staging_prefix"), &source.staging_prefix);
        self.quota(&here("store_quota_gb"), source.store_quota_gb);
        let store_calls = self.calls(&here("store_calls"), &source.store_calls);
        self.at_most(&here("weight"), u64::from(source.weight.get()), LARGEST_WEIGHT);
        self.at_most(&here("daily_gb"), source.daily_gb.get(), LARGEST_QUOTA_GB);
        let images = u64::from(source.daily_images.get());
        self.at_most(&here("daily_images"), images, LARGEST_DAILY_IMAGES);
        self.profile(&here("profile"), source.profile.as_deref());
        let role = &source.read_role_arn;
        if role.service() != "iam" || !role.resource().starts_with("role/") {
            self.report(
                &here("read_role_arn"),
                format!("{role} is not the ARN of a role"),
                "use arn:aws:iam::ACCOUNT:role/NAME",
            );
        } else if role.account().as_ref() != Some(&source.account) {
            self.report(
                &here("read_role_arn"),
                format!("the role {role} is not in the source account {}", source.account),
                "name a role of the source account: it lets the vault describe that account",
            );
        }
        let external_id = self.external_id(index, source.external_id, source.external_id_env, env);
        Source {
            account: source.account,
            region: source.region,
            queue_url: source.queue_url,
            staging_bucket: source.staging_bucket,
            staging_prefix: source.staging_prefix,
            store_quota_gb: source.store_quota_gb,
            store_calls,
            weight: source.weight,
            daily_gb: source.daily_gb,
            daily_images: source.daily_images,
            read_role_arn: source.read_role_arn,
            external_id,
            profile: source.profile,
        }
    }

    fn external_id(
        &mut self,
        index: usize,
        given: Option<Secret>,
        variable: Option<String>,
        env: &dyn Env,
    ) -> ExternalId {
        let at = |key| [Key("source"), Item(index), Key(key)];
        match (given, variable) {
            (None, None) => ExternalId::NotConfigured,
            (Some(secret), None) => {
                self.guessable(&at("external_id"), "the external id", &secret);
                ExternalId::Known(secret)
            }
            (None, Some(name)) => match env.get(&name) {
                Some(value) => {
                    let secret = Secret::new(value);
                    let what = format!("the external id in {name}");
                    self.guessable(&at("external_id_env"), &what, &secret);
                    ExternalId::Known(secret)
                }
                None => ExternalId::Unset(name),
            },
            (Some(_), Some(_)) => {
                self.report(
                    &[Key("source"), Item(index), Key("external_id_env")],
                    "both external_id and external_id_env are given".to_owned(),
                    "keep one of them",
                );
                ExternalId::NotConfigured
            }
        }
    }

    /// Reports a secret that can be guessed, without showing it.
    fn guessable(&mut self, at: &[Step<'_>], what: &str, secret: &Secret) {
        let length = secret.reveal().chars().count();
        if length < SHORTEST_SECRET {
            self.report(
                at,
                format!("{what} has {length} characters, which can be guessed"),
                "use at least 16 random characters, as `openssl rand -hex 16` prints them, here and in the \
                 trust policy of the source's read role",
            );
        }
    }

    pub(super) fn vault(&mut self, index: usize, vault: file::Vault) -> Vault {
        let here = |key| [Key("vault"), Item(index), Key(key)];
        self.queue(&here("queue_url"), &vault.queue_url, &vault.account, &vault.region);
        self.prefix(&here("prefix"), &vault.prefix);
        self.quota(&here("restore_quota_gb"), vault.restore_quota_gb);
        let restore_calls = self.calls(&here("restore_calls"), &vault.restore_calls);
        self.profile(&here("profile"), vault.profile.as_deref());
        self.profile(&here("prune_profile"), vault.prune_profile.as_deref());
        self.key(&here("key_arn"), &vault.key_arn, ("the vault", &vault.region));
        if let Some(bus) = &vault.event_bus_arn {
            self.event_bus(&here("event_bus_arn"), bus, &vault.region);
        }
        Vault {
            account: vault.account,
            region: vault.region,
            queue_url: vault.queue_url,
            bucket: vault.bucket,
            prefix: vault.prefix,
            key_arn: vault.key_arn,
            restore_quota_gb: vault.restore_quota_gb,
            restore_calls,
            lock_mode: vault.lock_mode,
            allow_same_region: vault.allow_same_region,
            profile: vault.profile,
            prune_profile: vault.prune_profile,
            event_bus_arn: vault.event_bus_arn,
        }
    }

    /// The role that deletes is no worker's.
    pub(super) fn prune_profiles(&mut self, vaults: &[Vault], common: Option<&str>) {
        for (index, vault) in vaults.iter().enumerate() {
            let workers = vault.profile.as_deref().or(common);
            if vault.prune_profile.is_some() && vault.prune_profile.as_deref() == workers {
                self.report(
                    &[Key("vault"), Item(index), Key("prune_profile")],
                    "prune_profile is the profile of the vault's worker".to_owned(),
                    "name a profile of a role of its own: a worker must not be able to delete",
                );
            }
        }
    }

    fn queue(&mut self, at: &[Step<'_>], url: &QueueUrl, account: &AccountId, region: &Region) {
        if !url.is_aws() {
            return;
        }
        if url.account().as_ref() != Some(account) {
            self.report(
                at,
                format!("the queue {url} is not in account {account}"),
                "name a queue of this account: a worker reads only its own",
            );
        }
        if url.region().is_some_and(|queue_region| queue_region != *region) {
            self.report(
                at,
                format!("the queue {url} is not in Region {region}"),
                "name a queue of this Region: a worker reads only its own",
            );
        }
    }

    pub(super) fn prefix(&mut self, at: &[Step<'_>], prefix: &str) {
        if let Err(malformed) = check_staging_prefix(prefix) {
            self.report(
                at,
                malformed.to_string(),
                "use for example \"amiferry\", or \"\" for no prefix",
            );
        }
    }

    pub(super) fn quota(&mut self, at: &[Step<'_>], gigabytes: NonZeroU64) {
        if gigabytes.get() > LARGEST_QUOTA_GB {
            self.report(
                at,
                format!("a quota of {gigabytes} GB is more than AWS can have"),
                "use the account's quota, as Service Quotas shows it",
            );
        }
    }

    fn at_most(&mut self, at: &[Step<'_>; 3], number: u64, most: u64) {
        if number > most
            && let [.., Key(key)] = at
        {
            let message = format!("{key} = {number} is too large to be intended");
            self.report(at, message, &format!("use 1 to {most}"));
        }
    }

    pub(super) fn calls(&mut self, at: &[Step<'_>; 3], calls: &file::Calls) -> CallRate {
        let rate = CallRate::from(calls);
        let [table, item, key] = *at;
        if rate.burst > CallRate::LARGEST_BURST {
            self.report(
                &[table, item, key, Key("burst")],
                format!("a burst of {} calls is more than EC2 admits from any account", rate.burst),
                &format!("use 1 to {}, as Service Quotas shows it", CallRate::LARGEST_BURST),
            );
        }
        if !(CallRate::SHORTEST_REFILL..=CallRate::LONGEST_REFILL).contains(&rate.refill) {
            self.report(
                &[table, item, key, Key("refill")],
                format!("EC2 has no rate of one call every {}", rate.refill),
                "use 10ms to 1h: the time between two calls that Service Quotas allows in the long run",
            );
        }
        rate
    }

    pub(super) fn profile(&mut self, at: &[Step<'_>], profile: Option<&str>) {
        if profile.is_some_and(str::is_empty) {
            let fix = "name a profile of the shared AWS configuration, or leave the key out";
            self.report(at, "a profile without a name".to_owned(), fix);
        }
    }

    pub(super) fn key(&mut self, at: &[Step<'_>], key: &Arn, (whose, region): (&str, &Region)) {
        let resource = key.resource();
        if key.service() != "kms" || !resource.starts_with("key/") {
            let fix = "use arn:aws:kms:REGION:ACCOUNT:key/ID; an alias is not accepted, because \
                       it can be moved to another key";
            self.report(at, format!("{key} is not the ARN of a KMS key"), fix);
        } else if key.region().as_ref() != Some(region) {
            self.report(
                at,
                format!("the key {key} is not in {whose}'s Region {region}"),
                "name a key of this Region: S3 encrypts only with keys of the bucket's Region",
            );
        }
    }

    fn event_bus(&mut self, at: &[Step<'_>], bus: &Arn, region: &Region) {
        if bus.service() != "events" || !bus.resource().starts_with("event-bus/") {
            let fix =
                "use arn:aws:events:REGION:ACCOUNT:event-bus/NAME, often with the name default";
            self.report(at, format!("{bus} is not the ARN of an event bus"), fix);
        } else if bus.region().as_ref() != Some(region) {
            self.report(
                at,
                format!("the event bus {bus} is not in the vault's Region {region}"),
                "name a bus of this Region; its rules can send on to another one",
            );
        }
    }

    pub(super) fn no_two_alike(&mut self, sources: &[Source], vaults: &[Vault]) {
        let mut places = BTreeSet::new();
        let mut queues = BTreeSet::new();
        let mut buckets = BTreeSet::new();
        let sources = sources
            .iter()
            .enumerate()
            .map(|(i, s)| ("source", i, &s.account, &s.region, &s.queue_url, &s.staging_bucket));
        let vaults = vaults
            .iter()
            .enumerate()
            .map(|(i, v)| ("vault", i, &v.account, &v.region, &v.queue_url, &v.bucket));
        for (table, index, account, region, queue, bucket) in sources.chain(vaults) {
            let here = |key| [Key(table), Item(index), Key(key)];
            let is_place = self.is_written(&here("account"), account.as_str())
                && self.is_written(&here("region"), region.as_str());
            if is_place && !places.insert((account, region)) {
                self.report_as_written(
                    &here("region"),
                    format!("account {account} in Region {region} is configured twice"),
                    "keep one; a vault must be in a different account or Region from every source",
                );
            }
            if self.is_written(&here("queue_url"), queue.as_str()) && !queues.insert(queue) {
                self.report_as_written(
                    &here("queue_url"),
                    format!("the queue {queue} is used twice"),
                    "give each its own queue: SQS delivers a message to one worker only",
                );
            }
            let key = if table == "source" { "staging_bucket" } else { "bucket" };
            if self.is_written(&here(key), bucket.as_str()) && !buckets.insert(bucket) {
                self.report_as_written(
                    &here(key),
                    format!("the bucket {bucket} is used twice"),
                    "give each its own bucket: bucket names are unique in all of AWS",
                );
            }
        }
    }
}
