//! Simulated KMS: keys, their states, policies and grants.

mod access;
mod grant;
mod key;
pub mod wire;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::iam::Policy;
use crate::wire::ApiError;
use crate::world::State;

pub use access::{Wish, use_by_service};
pub use grant::EncryptionContext;
pub use key::{Key, KeyState};

/// The switches for what AWS leaves open.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many seconds a new grant works only for callers that present its token. AWS says
    /// "usually a few seconds, at most five minutes"; with the default of zero, a grant works at
    /// once.
    pub grant_delay: u32,
    /// How many grants a customer managed key can have. AWS's default quota; lower it to meet
    /// `LimitExceededException` without making so many.
    pub grant_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { grant_delay: 0, grant_limit: grant::LIMIT }
    }
}

/// KMS of one account and Region.
#[derive(Debug, Default)]
pub struct Site {
    keys: BTreeMap<String, Key>,
    /// Key ids by alias name (`alias/…`).
    aliases: BTreeMap<String, String>,
}

/// A key to make.
#[derive(Debug, Clone, Default)]
pub struct KeySpec {
    /// An alias for it, with `alias/`; of the form `alias/aws/…` the key is AWS's own.
    pub alias: Option<String>,
    pub description: String,
    /// Its policy document; without one, the account's own policies decide.
    pub policy: Option<String>,
}

/// Makes a key and its alias. An alias that is there already then points to the new key.
///
/// # Errors
/// What is wrong with the policy document or the alias.
pub fn create_key(
    state: &mut State,
    now: Timestamp,
    account: &AccountId,
    region: &Region,
    spec: &KeySpec,
) -> Result<Arn, String> {
    let id = crate::sqs::uuid(&mut state.rng);
    let managed = spec.alias.as_deref().and_then(|alias| alias.strip_prefix("alias/aws/"));
    let json = match (&spec.policy, managed) {
        (Some(json), _) => json.clone(),
        (None, None) => key::customer_policy(account),
        (None, Some(service)) => key::managed_policy(account, region, service),
    };
    let policy = Policy::parse(&json).map_err(|why| format!("key policy: {why}"))?;
    let arn: Arn = format!("arn:aws:kms:{region}:{account}:key/{id}")
        .parse()
        .map_err(|error| format!("key {id}: {error}"))?;
    let mut key = Key::new(arn.clone(), now, (json, policy));
    key.description.clone_from(&spec.description);
    key.aws_managed = managed.is_some();
    let site = state.kms.entry((account.clone(), region.clone())).or_default();
    if let Some(alias) = &spec.alias {
        if !is_alias(alias) {
            return Err(format!(
                "alias {alias:?} must be alias/ and letters, digits, '/', '_', '-'"
            ));
        }
        site.aliases.insert(alias.clone(), id.clone());
    }
    site.keys.insert(id, key);
    Ok(arn)
}

/// Puts a key into a state, whatever its state was.
///
/// # Errors
/// That there is no such key.
pub fn set_key_state(state: &mut State, key: &Arn, to: KeyState) -> Result<(), String> {
    changed(state, key)?.state = to;
    Ok(())
}

/// Replaces the policy of a key.
///
/// # Errors
/// That there is no such key, or what is wrong with the document.
pub fn set_policy(state: &mut State, key: &Arn, json: &str) -> Result<(), String> {
    let policy = Policy::parse(json).map_err(|why| format!("key policy: {why}"))?;
    changed(state, key)?.policy = (json.to_owned(), policy);
    Ok(())
}

/// Says something else about a key.
///
/// # Errors
/// That there is no such key.
pub fn describe_key(state: &mut State, key: &Arn, description: &str) -> Result<(), String> {
    changed(state, key)?.description = description.to_owned();
    Ok(())
}

/// Points an alias (`alias/…`) to a key of its account and Region, by the key's id.
///
/// # Errors
/// That the alias is none, or that there is no such key.
pub fn put_alias(
    state: &mut State,
    place: &(AccountId, Region),
    alias: &str,
    key: &str,
) -> Result<(), String> {
    if !is_alias(alias) {
        return Err(format!("alias {alias:?} must be alias/ and letters, digits, '/', '_', '-'"));
    }
    let site = state.kms.get_mut(place).filter(|site| site.keys.contains_key(key));
    let site = site.ok_or_else(|| format!("Key '{key}' does not exist"))?;
    site.aliases.insert(alias.to_owned(), key.to_owned());
    Ok(())
}

/// Deletes an alias, if there is one.
pub fn delete_alias(state: &mut State, place: &(AccountId, Region), alias: &str) {
    if let Some(site) = state.kms.get_mut(place) {
        site.aliases.remove(alias);
    }
}

/// Ends a key at `at`; until then it cannot be used. A key that is gone stays gone.
pub fn schedule_deletion(state: &mut State, key: &Arn, at: Timestamp) {
    if let Ok(key) = changed(state, key) {
        key.state = KeyState::PendingDeletion;
        key.deletion = Some(at);
    }
}

/// Deletes a key at once, as the end of its waiting period does.
///
/// # Errors
/// That there is no such key.
pub fn delete_key(state: &mut State, key: &Arn) -> Result<(), String> {
    let id = changed(state, key)?.id().to_owned();
    for site in state.kms.values_mut() {
        site.keys.remove(&id);
        site.aliases.retain(|_, of| *of != id);
    }
    Ok(())
}

/// A key to change.
fn changed<'a>(state: &'a mut State, key: &Arn) -> Result<&'a mut Key, String> {
    let missing = || absent(key).message;
    let id = look(state, key).ok_or_else(missing)?.id().to_owned();
    let place = key.account().zip(key.region()).ok_or_else(missing)?;
    let site = state.kms.get_mut(&place).ok_or_else(missing)?;
    site.keys.get_mut(&id).ok_or_else(missing)
}

/// Whether a service may use a key now on behalf of a caller that was already authorised. The ARN
/// may be one of an alias.
///
/// # Errors
/// The KMS error code and message, such as `DisabledException: … is disabled.`
pub fn usable(state: &State, key: &Arn) -> Result<(), String> {
    let explain = |error: ApiError| format!("{}: {}", error.code, error.message);
    look(state, key).ok_or_else(|| explain(absent(key)))?.check_crypto().map_err(explain)
}

/// The ARN of the key behind an ARN of a key or alias, if there is such a key.
pub fn key_behind(state: &State, arn: &Arn) -> Option<Arn> {
    look(state, arn).map(|key| key.arn.clone())
}

/// All keys with their places, aliases and states.
pub(crate) fn overview(state: &State) -> Vec<serde_json::Value> {
    let keys = state.kms.iter().flat_map(|((account, region), site)| {
        site.keys.values().map(move |key| {
            let aliases = site.aliases.iter().filter(|(_, id)| *id == key.id());
            serde_json::json!({
                "account": account,
                "region": region,
                "arn": key.arn,
                "aliases": aliases.map(|(alias, _)| alias).collect::<Vec<_>>(),
                "state": key.state.to_string(),
            })
        })
    });
    keys.collect()
}

/// Whether a key is one that AWS manages for a service, such as `aws/ebs`.
pub fn is_aws_managed(state: &State, arn: &Arn) -> bool {
    look(state, arn).is_some_and(|key| key.aws_managed)
}

/// The key behind an ARN of a key or alias.
fn look<'a>(state: &'a State, arn: &Arn) -> Option<&'a Key> {
    let site = state.kms.get(&(arn.account()?, arn.region()?))?;
    let id = match arn.resource().strip_prefix("key/") {
        Some(id) => id,
        None => site.aliases.get(arn.resource())?,
    };
    site.keys.get(id)
}

fn absent(arn: &Arn) -> ApiError {
    let message = if arn.resource().starts_with("alias/") {
        format!("Alias {arn} is not found.")
    } else {
        format!("Key '{arn}' does not exist")
    };
    ApiError::new(400, "NotFoundException", message)
}

fn is_alias(name: &str) -> bool {
    name.strip_prefix("alias/").is_some_and(|rest| {
        (1..=250).contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
    })
}
