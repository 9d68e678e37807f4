//! Simulated Secrets Manager: secrets of an account and Region, each with its current value.

pub mod wire;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Region};
use jiff::Timestamp;

use crate::world::State;

/// Secrets Manager of one account and Region.
#[derive(Debug, Default)]
pub struct Site {
    /// By name.
    secrets: BTreeMap<String, Secret>,
}

/// A secret.
#[derive(Debug)]
pub struct Secret {
    /// Its ARN: its name with six random characters behind it.
    pub arn: String,
    text: String,
    /// The id of the current version.
    version: String,
    /// When it got that version.
    created: Timestamp,
}

/// Makes a secret and answers its ARN; one of the same name is replaced.
pub fn create(
    state: &mut State,
    now: Timestamp,
    place: &(AccountId, Region),
    name: &str,
    text: String,
) -> String {
    let (account, region) = place;
    let suffix = crate::iam::identifier(&mut state.rng, 6);
    let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}");
    let version = crate::sqs::uuid(&mut state.rng);
    let secret = Secret { arn: arn.clone(), text, version, created: now };
    state.secrets.entry(place.clone()).or_default().secrets.insert(name.to_owned(), secret);
    arn
}

/// Gives a secret another value; returns whether there is such a secret.
pub fn set(state: &mut State, place: &(AccountId, Region), id: &str, text: String) -> bool {
    let version = crate::sqs::uuid(&mut state.rng);
    let now = state.now;
    let Some(name) = find(state, place, id).map(|(name, _)| name.to_owned()) else { return false };
    let secret = state.secrets.get_mut(place).and_then(|site| site.secrets.get_mut(&name));
    secret
        .map(|secret| (secret.text, secret.version, secret.created) = (text, version, now))
        .is_some()
}

/// A secret and its name, by its name or ARN.
pub fn find<'s>(
    state: &'s State,
    place: &(AccountId, Region),
    id: &str,
) -> Option<(&'s str, &'s Secret)> {
    let mut secrets = state.secrets.get(place)?.secrets.iter();
    let found = secrets.find(|(name, secret)| *name == id || secret.arn == id);
    found.map(|(name, secret)| (name.as_str(), secret))
}

/// Deletes a secret at once, if there is one.
pub fn delete(state: &mut State, place: &(AccountId, Region), id: &str) {
    if let Some(site) = state.secrets.get_mut(place) {
        site.secrets.retain(|name, secret| name != id && secret.arn != id);
    }
}
