//! EBS encryption by default: the switch and key of an account and Region, and what they mean
//! for a new snapshot.

use amiferry_core::ids::{AccountId, Arn, Region};

use super::{Place, errors};
use crate::wire::ApiError;
use crate::world::State;

/// The resource part of the ARN of the key that AWS manages for EBS.
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
pub fn default_key(state: &State, place: &Place) -> Result<Arn, ApiError> {
    let chosen = state.ec2.get(place).and_then(|site| site.encryption.key.clone());
    chosen.map_or_else(|| aws_managed_key(&place.0, &place.1), Ok)
}

/// The key of a new snapshot whose data comes from nowhere that decides it: the default key if
/// encryption by default is on, none if not.
///
/// # Errors
/// As [`default_key`].
pub fn key_for_new_data(state: &State, place: &Place) -> Result<Option<Arn>, ApiError> {
    let on = state.ec2.get(place).is_some_and(|site| site.encryption.on);
    if on { default_key(state, place).map(Some) } else { Ok(None) }
}

/// The ARN of `aws/ebs`.
///
/// # Errors
/// Only if account and Region made no ARN.
pub fn aws_managed_key(account: &AccountId, region: &Region) -> Result<Arn, ApiError> {
    named_key(account, region, AWS_MANAGED)
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
