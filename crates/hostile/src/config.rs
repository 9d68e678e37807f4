//! Compares the configuration's reader with an independent reading of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use amiferry_core::pacing::CallRate;
use amiferry_core::policy::{Backfill, FamilyKey, Policy, StorageClass, Tier};
use amiferry_service::config::{Config, ConfigError, EXAMPLE, Problem};
use toml::{Table, Value};

use crate::text::{check_shown, is_account, is_bucket, is_hidden, is_region};
use crate::{Checked, Outcome};

/// The longest file, in bytes.
const LONGEST: usize = 1 << 20;
/// The most problems that are shown at once.
const MOST_PROBLEMS: usize = 50;
/// The longest message, fix or line that is shown, in characters.
const LONGEST_SHOWN: usize = 512;

/// The secret in [`valid`], which no refusal may show.
pub const SECRET: &str = "hush-271828-0000";

/// The example with a secret and every default that it leaves out.
pub fn valid() -> String {
    EXAMPLE
        .replace(
            "external_id_env = \"AMIFERRY_EXTERNAL_ID\"",
            &format!("external_id = \"{SECRET}\""),
        )
        .replace("# part_size_mib", "part_size_mib")
        .replace("# endpoint_url", "endpoint_url")
        .replace("# exclude", "exclude")
        .replace("# accounts", "accounts")
        .replace("# regions", "regions")
        .replace("# vaults", "vaults")
        .replace("# max_age", "max_age")
        .replace("# profile", "profile")
        .replace("# source_profile", "source_profile")
        .replace("# vault_profile", "vault_profile")
}

/// Reads a configuration, in an empty environment.
///
/// # Errors
///
/// A configuration that is not what the file says or breaks one of its rules, or a refusal that
/// is not fit to show: too long, with something invisible, or with the secret of a line
/// `external_id = "hush-271828-0000"`.
pub fn check_config(bytes: &[u8]) -> Checked {
    let text = String::from_utf8_lossy(bytes);
    match Config::parse(&text, "amiferry.toml", &BTreeMap::new()) {
        Ok(config) => {
            if text.len() > LONGEST {
                return Err(format!("a configuration of {} bytes was read", text.len()));
            }
            let table: Table = text.parse().map_err(|error| format!("not TOML: {error}"))?;
            check_accepted(&config, &table)
                .map_err(|what| format!("{what} was accepted: {text}"))?;
            check_problems(&config.warnings.problems, &config.warnings.to_string(), &text)?;
            Ok(Outcome::Accepted)
        }
        Err(error) => check_refused(&error, &text),
    }
}

fn check_refused(error: &ConfigError, text: &str) -> Checked {
    if error.problems.is_empty() {
        return Err("refused without a problem".to_owned());
    }
    check_problems(&error.problems, &format!("{error}"), text)?;
    check_problems(&error.warnings, "", text)?;
    Ok(Outcome::Refused("config".to_owned()))
}

/// Whether what is shown of problems is fit to be.
fn check_problems(problems: &[Problem], shown: &str, text: &str) -> Result<(), String> {
    if problems.len() > MOST_PROBLEMS {
        return Err(format!("{} problems", problems.len()));
    }
    for problem in problems {
        check_shown("the message", &problem.message, LONGEST_SHOWN)?;
        if let Some(fix) = &problem.fix {
            check_shown("the fix", fix, LONGEST_SHOWN)?;
        }
        if let Some(place) = &problem.place
            && !place.source.is_empty()
        {
            // The line keeps its tabs, so that the caret stands under its letter.
            check_shown("the line", &place.source.replace('\t', " "), LONGEST_SHOWN)?;
            if place.column > LONGEST_SHOWN || place.width > LONGEST_SHOWN {
                return Err(format!("column {} and width {}", place.column, place.width));
            }
        }
    }
    if let Some(c) = shown.chars().find(|c| is_hidden(*c) && !matches!(c, '\n' | '\t')) {
        return Err(format!("U+{:04X} is shown: {shown:?}", u32::from(c)));
    }
    // Only where it stands as a secret; elsewhere it is a text like any other.
    let line = format!("external_id = \"{SECRET}\"");
    let hidden = text.matches(SECRET).count() == text.matches(&line).count();
    if hidden && format!("{shown} {problems:?}").contains(SECRET) {
        return Err(format!("the secret is shown: {shown}"));
    }
    Ok(())
}

/// Every rule of the configuration, read off the TOML itself.
fn check_accepted(config: &Config, file: &Table) -> Result<(), String> {
    let known = ["source", "vault", "policy", "retired", "workers", "prune", "cost", "aws"];
    if let Some(name) = file.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("the table {name:?}"));
    }
    let sources = tables(file, "source");
    let vaults = tables(file, "vault");
    let policies = tables(file, "policy");
    let counts = [sources.len(), vaults.len(), policies.len()];
    if counts.contains(&0)
        || counts != [config.sources.len(), config.vaults.len(), config.policies.0.len()]
    {
        return Err(format!("{counts:?} tables"));
    }
    let mut places = BTreeSet::new();
    let mut buckets = BTreeSet::new();
    let mut queues = BTreeSet::new();
    for (table, source) in sources.iter().zip(&config.sources) {
        let account = source.account.as_str();
        same(table, "account", account)?;
        same(table, "region", source.region.as_str())?;
        same(table, "staging_bucket", source.staging_bucket.as_str())?;
        same(table, "read_role_arn", source.read_role_arn.as_str())?;
        let role = source.read_role_arn.as_str();
        let fields: Vec<&str> = role.split(':').collect();
        let is_role = matches!(fields[..], ["arn", _, "iam", _, owner, ref rest @ ..]
            if owner == account && rest.first().is_some_and(|r| r.starts_with("role/")));
        hold("a role of another account", is_role)?;
        hold("a prefix", is_prefix(&source.staging_prefix))?;
        hold("no quota", source.store_quota_gb.get() > 0)?;
        let limits = [
            ("weight", u64::from(source.weight.get()), 1, 1_000),
            ("daily_gb", source.daily_gb.get(), 50_000, 1_000_000_000),
            ("daily_images", u64::from(source.daily_images.get()), 2_000, 1_000_000),
        ];
        for (key, read, default, most) in limits {
            let said = table.get(key).and_then(Value::as_integer).unwrap_or(default);
            hold(&format!("{key} = {read}"), u64::try_from(said) == Ok(read))?;
            hold(&format!("{key} = {read}"), (1..=most).contains(&read))?;
        }
        check_calls(table.get("store_calls"), source.store_calls)?;
        check_profile(table, source.profile.as_deref())?;
        check_place(account, source.region.as_str(), source.staging_bucket.as_str())?;
        check_queue(source.queue_url.as_str(), account, source.region.as_str())?;
        places.insert((account, source.region.as_str()));
        buckets.insert(source.staging_bucket.as_str());
        queues.insert(source.queue_url.as_str());
    }
    for (table, vault) in vaults.iter().zip(&config.vaults) {
        let (account, region) = (vault.account.as_str(), vault.region.as_str());
        same(table, "account", account)?;
        same(table, "region", region)?;
        same(table, "bucket", vault.bucket.as_str())?;
        same(table, "key_arn", vault.key_arn.as_str())?;
        let fields: Vec<&str> = vault.key_arn.as_str().split(':').collect();
        let is_key = matches!(fields[..], ["arn", _, "kms", place, _, ref rest @ ..]
            if place == region && rest.first().is_some_and(|r| r.starts_with("key/")));
        hold("a key of another Region", is_key)?;
        hold("a prefix", is_prefix(&vault.prefix))?;
        hold("no quota", vault.restore_quota_gb.get() > 0)?;
        check_calls(table.get("restore_calls"), vault.restore_calls)?;
        check_profile(table, vault.profile.as_deref())?;
        check_place(account, region, vault.bucket.as_str())?;
        check_queue(vault.queue_url.as_str(), account, region)?;
        places.insert((account, region));
        buckets.insert(vault.bucket.as_str());
        queues.insert(vault.queue_url.as_str());
    }
    let all = sources.len() + vaults.len();
    hold("a place twice", places.len() == all)?;
    hold("a bucket twice", buckets.len() == all)?;
    hold("a queue twice", queues.len() == all)?;
    let vaults: BTreeSet<String> =
        config.vaults.iter().map(|v| format!("{}/{}", v.account, v.region)).collect();
    let mut names = BTreeSet::new();
    for (table, policy) in policies.iter().zip(&config.policies.0) {
        same(table, "name", policy.name.as_str())?;
        check_policy(policy, table, &vaults)?;
        hold("a name twice", names.insert(policy.name.as_str()))?;
    }
    check_retired(&tables(file, "retired"), config)?;
    hold(
        "a part size",
        config.workers.part_size_mib.is_none_or(|s| (5..=5120).contains(&s.get())),
    )?;
    let (left, right) = (config.workers.source_listen, config.workers.target_listen);
    hold("one address for both", left != right || left.port() == 0)?;
    let workers = &config.workers;
    let named = [workers.listen_token_env.is_some(), workers.listen_token_file.is_some()];
    let said = named.into_iter().chain([workers.listen_without_token]).filter(|said| *said).count();
    let is_own = |ip: IpAddr| ip.to_canonical().is_loopback();
    hold("an open port", said == 1 || (said == 0 && is_own(left.ip()) && is_own(right.ip())))?;
    match &config.aws.endpoint_url {
        Some(url) if !config.aws.allow_insecure_endpoint => hold("an endpoint", is_trusted(url)),
        _ => Ok(()),
    }
}

/// Each retired family is named once, with a day and a reason.
fn check_retired(tables: &[&Table], config: &Config) -> Result<(), String> {
    let all = &config.policies.1;
    hold("another number of retired families", tables.len() == all.len())?;
    let mut named = BTreeSet::new();
    for (table, retired) in tables.iter().zip(all) {
        same(table, "family", &retired.family)?;
        same(table, "reason", &retired.reason)?;
        same(table, "since", &retired.since.to_string())?;
        let is_blank = retired.family.is_empty() || retired.reason.trim().is_empty();
        hold("a retired family without a name or a reason", !is_blank)?;
        let source = retired.source.as_ref().map(ToString::to_string);
        hold("a family retired twice", named.insert((&retired.family, &retired.policy, source)))?;
    }
    Ok(())
}

fn check_policy(policy: &Policy, table: &Table, vaults: &BTreeSet<String>) -> Result<(), String> {
    let name = policy.name.as_str();
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    hold("a policy's name", (1..=64).contains(&name.len()) && name.chars().all(letter))?;
    let accounts = named(table, "accounts", &policy.accounts)?;
    hold("a malformed account", accounts.iter().all(|account| is_account(account)))?;
    let regions = named(table, "regions", &policy.regions)?;
    hold("a malformed Region", regions.iter().all(|region| is_region(region)))?;
    let targets = named(table, "target_regions", &policy.target_regions)?;
    let is_there = |region: &&str| vaults.iter().any(|v| v.ends_with(&format!("/{region}")));
    hold("a target without a vault", targets.iter().all(is_there))?;
    let single = named(table, "vaults", &policy.vaults)?;
    let reached = !targets.is_empty() || single.iter().any(|vault| vaults.contains(*vault));
    hold("no target", reached)?;
    for key in ["accounts", "regions"] {
        let list = table.get(key).and_then(Value::as_array);
        hold("a list of none", list.is_none_or(|list| !list.is_empty()))?;
    }
    hold("a short retention", policy.retention.is_none_or(|retention| retention > policy.rpo))?;
    hold("a short max_age", policy.max_age.is_none_or(|age| age > policy.rpo))?;
    hold("another max_age", policy.max_age.is_some() == table.contains_key("max_age"))?;
    let backfill = match table.get("backfill") {
        None => Backfill::All,
        Some(Value::String(word)) if word == "all" => Backfill::All,
        Some(Value::String(word)) if word == "none" => Backfill::Newest(0),
        Some(Value::Integer(number)) => {
            Backfill::Newest(u32::try_from(*number).map_err(|_| format!("backfill {number}"))?)
        }
        Some(other) => return Err(format!("the backfill {other}")),
    };
    hold("another backfill", policy.backfill == backfill)?;
    let depth = policy.storage_class.depth();
    hold("a slow class of tier ready", depth.is_none() || policy.tier == Tier::Archive)?;
    let later = policy.lifecycle_class;
    hold("a warmer class later", later.is_none_or(|later| later >= policy.storage_class))?;
    for (key, class) in [("storage_class", Some(policy.storage_class)), ("lifecycle_class", later)]
    {
        let named = table.get(key).and_then(Value::as_str);
        let is_same = named.is_none_or(|named| class.is_some_and(|class| class.as_str() == named));
        hold(
            "another class",
            is_same
                && (named.is_some() || class.is_none_or(|class| class == StorageClass::default())),
        )?;
    }
    let instance = table.get("family").and_then(|family| family.get("instance"));
    hold("another family", (policy.family == FamilyKey::Instance) == instance.is_some())?;
    hold("a family of no instance", instance.is_none_or(|is| is.as_bool() == Some(true)))?;
    let selector = &policy.select;
    hold("no selection", !selector.tags.is_empty() || !selector.names.is_empty())?;
    let exclude = &policy.exclude;
    let empty = exclude.tags.is_empty() && exclude.names.is_empty();
    hold("another exception", empty != table.contains_key("exclude"))
}

/// What a list of the file names, each once and in its order, as it was read.
fn named<'t>(
    table: &'t Table,
    key: &str,
    found: &[impl ToString],
) -> Result<BTreeSet<&'t str>, String> {
    let list = table.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let said: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    let read: Vec<String> = found.iter().map(ToString::to_string).collect();
    let each: BTreeSet<&str> = said.iter().copied().collect();
    hold(&format!("another list {key}"), said == read)?;
    hold(&format!("one twice in {key}"), each.len() == said.len())?;
    Ok(each)
}

/// A rate of calls as the file gives it, or EC2's own.
fn check_calls(said: Option<&Value>, read: CallRate) -> Result<(), String> {
    let part = |key: &str| said.and_then(|said| said.get(key));
    let burst = part("burst").and_then(Value::as_integer).unwrap_or(50);
    hold("another burst", i64::from(read.burst) == burst)?;
    hold("a burst", (1..=10_000).contains(&burst))?;
    let refill = read.refill.duration();
    let is_own = refill == Duration::from_secs(10);
    hold("another refill", is_own || part("refill").is_some())?;
    hold("a refill", (Duration::from_millis(10)..=Duration::from_secs(3_600)).contains(&refill))
}

fn check_profile(table: &Table, read: Option<&str>) -> Result<(), String> {
    hold("another profile", table.get("profile").and_then(Value::as_str) == read)?;
    hold("a profile without a name", read != Some(""))
}

fn check_place(account: &str, region: &str, bucket: &str) -> Result<(), String> {
    hold("a malformed account", is_account(account))?;
    hold("a malformed Region", is_region(region))?;
    hold("a malformed bucket", is_bucket(bucket))
}

/// A queue of AWS is one of this account and Region.
fn check_queue(url: &str, account: &str, region: &str) -> Result<(), String> {
    hold("a queue URL", url.starts_with("https://") || url.starts_with("http://"))?;
    hold("a queue URL", url.chars().all(|c| c.is_ascii_graphic()))?;
    let parts: Vec<&str> = url.split('/').collect();
    hold("a queue URL", parts.len() >= 5 && !parts[2].contains('@'))?;
    if is_aws_host(parts[2]) {
        hold("a queue of another account", parts[parts.len() - 2] == account)?;
        let told = parts[2].split('.').find(|label| is_region(label));
        hold("a queue of another Region", told.is_none_or(|told| told == region))?;
    }
    Ok(())
}

fn is_aws_host(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu"]
        .iter()
        .any(|end| host.ends_with(end))
}

/// AWS over https, or this machine.
fn is_trusted(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, after) = match authority.strip_prefix('[') {
        Some(address) => address.split_once(']').unwrap_or_default(),
        None => authority.split_once(':').map_or((authority, ""), |(host, _)| (host, "")),
    };
    if !after.trim_start_matches(':').bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let local = host == "localhost" || host.ends_with(".localhost") || host == "::1";
    let local = local || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let http = scheme == "http" || scheme == "https";
    http && !authority.contains('@') && (local || (scheme == "https" && is_aws_host(host)))
}

fn is_prefix(prefix: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    prefix.is_empty()
        || (prefix.len() <= 512
            && prefix.split('/').all(|part| {
                !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
            }))
}

fn tables<'a>(file: &'a Table, name: &str) -> Vec<&'a Table> {
    let items = file.get(name).and_then(Value::as_array);
    items.map(|items| items.iter().filter_map(Value::as_table).collect()).unwrap_or_default()
}

fn same(table: &Table, key: &str, found: &str) -> Result<(), String> {
    let said = table.get(key).and_then(Value::as_str);
    hold(&format!("{key} = {said:?} as {found:?}"), said == Some(found))
}

fn hold(what: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
