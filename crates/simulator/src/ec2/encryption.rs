//! EBS encryption by default: the switch and key of an account and Region, and what they mean
//! for a new snapshot.

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::Timestamp;

use super::{Place, errors};
use crate::kms::{self, KeySpec};
use crate::wire::ApiError;
use crate::world::State;

/// The alias of the key that AWS manages for EBS.
pub const AWS_MANAGED: &str = "alias/aws/ebs";

/// EBS encryption by default in one account and Region. Off, as in every new account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefaultEncryption {
    /// Whether new volumes and snapshots are always encrypted.
    pub on: bool,
    /// The key that was chosen instead of `aws/ebs`.
    pub key: Option<Arn>,
}

/// The key that EBS uses where no other is named.
///
/// # Errors
/// Only if account and Region made no ARN.
pub fn default_key(state: &mut State, now: Timestamp, place: &Place) -> Result<Arn, ApiError> {
    let chosen = state.ec2.get(place).and_then(|site| site.encryption.key.clone());
    let key = chosen.map_or_else(|| named_key(&place.0, &place.1, AWS_MANAGED), Ok)?;
    Ok(settled(state, now, key))
}

/// The key of a new snapshot if its origin decides none: the default key if encryption by default
/// is on, otherwise none.
///
/// # Errors
/// As [`default_key`].
pub fn key_for_new_data(
    state: &mut State,
    now: Timestamp,
    place: &Place,
) -> Result<Option<Arn>, ApiError> {
    let on = state.ec2.get(place).is_some_and(|site| site.encryption.on);
    if on { default_key(state, now, place).map(Some) } else { Ok(None) }
}

/// The key itself where an alias was named. As in AWS, `aws/ebs` comes into being when it is
/// first used; what is not there stays as it was named, and fails later.
pub fn settled(state: &mut State, now: Timestamp, key: Arn) -> Arn {
    if let Some(key) = kms::key_behind(state, &key) {
        return key;
    }
    let managed = (key.resource() == AWS_MANAGED).then(|| key.account().zip(key.region()));
    let Some((account, region)) = managed.flatten() else { return key };
    let spec = KeySpec {
        alias: Some(AWS_MANAGED.to_owned()),
        description: "Default key that protects my EBS volumes when no other key is defined"
            .to_owned(),
        policy: None,
    };
    kms::create_key(state, now, &account, &region, &spec).unwrap_or(key)
}

/// The ARN behind a `KmsKeyId` parameter: a key id, an alias or an ARN.
///
/// # Errors
/// `InvalidParameterValue` for what can be none of them.
pub fn named_key(account: &AccountId, region: &Region, name: &str) -> Result<Arn, ApiError> {
    let text = if name.starts_with("arn:") {
        name.to_owned()
    } else if name.starts_with("alias/") {
        format!("arn:aws:kms:{region}:{account}:{name}")
    } else {
        format!("arn:aws:kms:{region}:{account}:key/{name}")
    };
    text.parse()
        .map_err(|_| errors::invalid("KmsKeyId", name, "It is not a key id, an alias or an ARN."))
}
