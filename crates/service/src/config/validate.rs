//! Compares what the parts of the configuration say with each other, each problem with its place.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use amiferry_core::event::check_staging_prefix;
use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_core::policy::{FamilyKey, Policies, Policy, UNNAMED};
use amiferry_core::text::visible;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{MOST_PROBLEMS, Place, Problem};
use super::{Aws, Config, Env, ExternalId, QueueUrl, Secret, Source, Vault, Workers};
use super::{endpoint, file};

/// The variables that the AWS SDK takes endpoints from, for the services in use.
const ENDPOINT_VARIABLES: [&str; 6] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_STS",
];

/// A quota above this, an exabyte, is a mistake; counted in bytes it still fits into 64 bits.
const LARGEST_QUOTA_GB: u64 = 1_000_000_000;

/// Builds the configuration, or answers with every problem that was found.
pub(super) fn validate(
    file: file::File,
    text: &str,
    env: &dyn Env,
) -> Result<Config, Vec<Problem>> {
    let document = DeTable::parse(text).ok();
    let mut check = Check { text, document, problems: Vec::new(), unshown: 0 };
    check.something_of_everything(&file);
    check.workers(&file.workers);
    let aws = check.aws(file.aws, env);
    let sources: Vec<Source> = file
        .source
        .into_iter()
        .enumerate()
        .map(|(index, source)| check.source(index, source, env))
        .collect();
    let vaults: Vec<Vault> = file
        .vault
        .into_iter()
        .enumerate()
        .map(|(index, vault)| check.vault(index, vault))
        .collect();
    check.no_two_alike(&sources, &vaults);
    check.policies(&file.policy, &vaults);
    check.problems.sort_by_key(|p| p.place.as_ref().map(|place| (place.line, place.column)));
    if check.unshown > 0 {
        let message = format!("there are {} more problems", check.unshown);
        check.problems.push(Problem::new(message).fix("solve the first ones and look again"));
    }
    if check.problems.is_empty() {
        let policies = Policies(file.policy);
        Ok(Config { sources, vaults, policies, workers: file.workers, aws })
    } else {
        Err(check.problems)
    }
}

struct Check<'a> {
    text: &'a str,
    document: Option<Spanned<DeTable<'a>>>,
    problems: Vec<Problem>,
    /// Problems beyond those that are kept.
    unshown: usize,
}

impl Check<'_> {
    fn report(&mut self, at: &[Step<'_>], message: String, fix: &str) {
        if self.problems.len() + 1 >= MOST_PROBLEMS {
            self.unshown += 1;
            return;
        }
        let mut problem = Problem::new(message).fix(fix);
        problem.place = self.document.as_ref().and_then(|root| locate(self.text, root, at));
        self.problems.push(problem);
    }

    fn something_of_everything(&mut self, file: &file::File) {
        for (name, missing, what) in [
            ("source", file.source.is_empty(), "an account and Region whose AMIs are protected"),
            ("vault", file.vault.is_empty(), "an account and Region that holds the copies"),
            ("policy", file.policy.is_empty(), "which images are protected, where and how often"),
        ] {
            if missing {
                self.report(
                    &[],
                    format!("there is no [[{name}]]"),
                    &format!("add one: it says {what}; see `amiferry config example`"),
                );
            }
        }
    }

    fn workers(&mut self, workers: &Workers) {
        if let Some(size) = workers.part_size_mib
            && !(5..=5120).contains(&size.get())
        {
            self.report(
                &[Key("workers"), Key("part_size_mib")],
                format!("a part of {size} MiB is refused by S3"),
                "use 5 to 5120, or leave it out",
            );
        }
        for (key, number, most) in [
            ("batch", workers.batch, 10_000),
            ("effects_in_flight", workers.effects_in_flight, 10_000),
            ("copies_in_flight", workers.copies_in_flight, 1_000),
            ("parts_in_flight", workers.parts_in_flight, 10_000),
            ("backlog", workers.backlog, 1_000_000),
        ] {
            if number.get() > most {
                let message = format!("{key} = {number} is more than any machine has room for");
                self.report(&[Key("workers"), Key(key)], message, &format!("use 1 to {most}"));
            }
        }
        if workers.source_listen == workers.target_listen && workers.source_listen.port() != 0 {
            self.report(
                &[Key("workers"), Key("target_listen")],
                "source_listen and target_listen are the same address".to_owned(),
                "give each role an address of its own; both may run on one machine",
            );
        }
    }

    fn aws(&mut self, aws: Aws, env: &dyn Env) -> Aws {
        let fix = "use https, or set allow_insecure_endpoint = true under [aws] if this is meant";
        let allow = aws.allow_insecure_endpoint;
        if let Some(url) = &aws.endpoint_url
            && let Err(problem) = endpoint::check(url, allow)
        {
            self.report(&[Key("aws"), Key("endpoint_url")], problem, fix);
        }
        for variable in ENDPOINT_VARIABLES {
            if let Some(url) = env.get(variable)
                && let Err(problem) = endpoint::check(&url, allow)
            {
                self.report(&[], format!("environment variable {variable}: {problem}"), fix);
            }
        }
        let endpoint_url = aws.endpoint_url.or_else(|| env.get(ENDPOINT_VARIABLES[0]));
        Aws { endpoint_url, ..aws }
    }

    fn source(&mut self, index: usize, source: file::Source, env: &dyn Env) -> Source {
        let here = |key| [Key("source"), Item(index), Key(key)];
        self.queue(&here("queue_url"), &source.queue_url, &source.account, &source.region);
        self.prefix(&here("staging_prefix"), &source.staging_prefix);
        self.quota(&here("store_quota_gb"), source.store_quota_gb);
        let role = &source.read_role_arn;
        if role.service() != "iam" || !role.resource().starts_with("role/") {
            self.report(
                &here("read_role_arn"),
                format!("{role} is not the ARN of a role"),
                "expected arn:aws:iam::ACCOUNT:role/NAME",
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
            read_role_arn: source.read_role_arn,
            external_id,
        }
    }

    fn external_id(
        &mut self,
        index: usize,
        given: Option<Secret>,
        variable: Option<String>,
        env: &dyn Env,
    ) -> ExternalId {
        match (given, variable) {
            (None, None) => ExternalId::NotConfigured,
            (Some(secret), None) => ExternalId::Known(secret),
            (None, Some(name)) => match env.get(&name) {
                Some(value) => ExternalId::Known(Secret::new(value)),
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

    fn vault(&mut self, index: usize, vault: file::Vault) -> Vault {
        let here = |key| [Key("vault"), Item(index), Key(key)];
        self.queue(&here("queue_url"), &vault.queue_url, &vault.account, &vault.region);
        self.prefix(&here("prefix"), &vault.prefix);
        self.quota(&here("restore_quota_gb"), vault.restore_quota_gb);
        self.key(&here("key_arn"), &vault.key_arn, &vault.region);
        Vault {
            account: vault.account,
            region: vault.region,
            queue_url: vault.queue_url,
            bucket: vault.bucket,
            prefix: vault.prefix,
            key_arn: vault.key_arn,
            restore_quota_gb: vault.restore_quota_gb,
            lock_mode: vault.lock_mode,
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

    fn prefix(&mut self, at: &[Step<'_>], prefix: &str) {
        if let Err(malformed) = check_staging_prefix(prefix) {
            self.report(
                at,
                malformed.to_string(),
                "for example \"amiferry\", or \"\" for the bucket's top",
            );
        }
    }

    fn quota(&mut self, at: &[Step<'_>], gigabytes: NonZeroU64) {
        if gigabytes.get() > LARGEST_QUOTA_GB {
            self.report(
                at,
                format!("a quota of {gigabytes} GB is more than all the storage there is"),
                "use the quota of the account, as Service Quotas shows it",
            );
        }
    }

    fn key(&mut self, at: &[Step<'_>], key: &Arn, region: &Region) {
        let resource = key.resource();
        if key.service() != "kms" || !resource.starts_with("key/") {
            let fix = "expected arn:aws:kms:REGION:ACCOUNT:key/ID; an alias can be moved to \
                       another key, so it is not accepted";
            self.report(at, format!("{key} is not the ARN of a KMS key"), fix);
        } else if key.region().as_ref() != Some(region) {
            self.report(
                at,
                format!("the key {key} is not in the vault's Region {region}"),
                "S3 encrypts with keys of its own Region only: name a key of this Region",
            );
        }
    }

    fn no_two_alike(&mut self, sources: &[Source], vaults: &[Vault]) {
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
            if !places.insert((account, region)) {
                self.report(
                    &[Key(table), Item(index), Key("region")],
                    format!("account {account} in Region {region} is configured twice"),
                    "keep one of them; a vault must lie in another account or Region than a source",
                );
            }
            if !queues.insert(queue) {
                self.report(
                    &[Key(table), Item(index), Key("queue_url")],
                    format!("the queue {queue} is used twice"),
                    "give each its own queue: a message is delivered to one worker only",
                );
            }
            if !buckets.insert(bucket) {
                let key = if table == "source" { "staging_bucket" } else { "bucket" };
                self.report(
                    &[Key(table), Item(index), Key(key)],
                    format!("the bucket {bucket} is used twice"),
                    "give each its own bucket: bucket names are unique in all of AWS",
                );
            }
        }
    }

    fn policies(&mut self, policies: &[Policy], vaults: &[Vault]) {
        let mut names = BTreeSet::new();
        let there: BTreeSet<&Region> = vaults.iter().map(|vault| &vault.region).collect();
        let choices = there.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(", ");
        for (index, policy) in policies.iter().enumerate() {
            let here = |key| [Key("policy"), Item(index), Key(key)];
            if !names.insert(&policy.name) {
                let message = format!("two policies are named {:?}", policy.name.as_str());
                self.report(&here("name"), message, "give each its own name");
            }
            if policy.target_regions.is_empty() {
                let message = format!("the policy {} copies to no Region", policy.name);
                self.report(&here("target_regions"), message, "name the Region of a [[vault]]");
            }
            let mut named = BTreeSet::new();
            for (position, region) in policy.target_regions.iter().enumerate() {
                let at = [Key("policy"), Item(index), Key("target_regions"), Item(position)];
                if !there.contains(region) {
                    let message = format!("there is no [[vault]] in the target Region {region}");
                    self.report(&at, message, &format!("add one, or choose of: {choices}"));
                }
                if !named.insert(region) {
                    let message = format!("the target Region {region} is named twice");
                    self.report(&at, message, "name it once");
                }
            }
            self.families(index, policy);
            if let Some(retention) = policy.retention
                && retention <= policy.rpo
            {
                self.report(
                    &here("retention"),
                    format!("a retention of {retention} ends before the RPO of {}", policy.rpo),
                    "retention needs to be longer than the RPO: else the newest recovery point \
                     may be deletable before the next one exists",
                );
            }
        }
    }
}

/// EC2's limit of a tag's value, in characters.
const LONGEST_FAMILY: usize = 256;

impl Check<'_> {
    fn families(&mut self, index: usize, policy: &Policy) {
        let fixed = match &policy.family {
            FamilyKey::Fixed(name) => Some(name),
            FamilyKey::Tag(_) => None,
        };
        if let Some(name) = fixed
            && let Some((why, fix)) = no_family(name)
        {
            self.family(&[Key("policy"), Item(index), Key("family")], name, why, fix);
        }
        for (position, family) in policy.families.iter().enumerate() {
            let at = [Key("policy"), Item(index), Key("families"), Item(position)];
            if fixed.is_some() {
                let why = "all images of this policy are one family, which has a name already";
                self.family(&at, family, why, "remove families, or make the family a tag");
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

/// Why this cannot be the name of a family, and what to do about it.
fn no_family(name: &str) -> Option<(&'static str, &'static str)> {
    if name == UNNAMED {
        Some(("this name stands for all families that are not listed", "choose another"))
    } else if name.is_empty() || name.chars().count() > LONGEST_FAMILY {
        Some(("no tag can have this value", "use 1 to 256 characters"))
    } else {
        None
    }
}

/// One step on the way to a value.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}
use Step::{Item, Key};

/// The place of a value; of the table around it where the value is a default.
fn locate(text: &str, document: &Spanned<DeTable<'_>>, path: &[Step<'_>]) -> Option<Place> {
    let (first, rest) = path.split_first()?;
    let Key(name) = first else { return None };
    let mut value = document.get_ref().get(*name)?;
    let mut span = value.span();
    for step in rest {
        let next = match (value.get_ref(), step) {
            (DeValue::Table(table), Key(name)) => table.get(*name),
            (DeValue::Array(items), Item(index)) => items.get(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        value = next;
        span = value.span();
    }
    Some(Place::of(text, span))
}
