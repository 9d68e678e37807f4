//! Simulated KMS: keys, their states, policies and grants.

pub mod wire;

use amiferry_core::ids::Arn;

use crate::world::State;

/// KMS of one account and Region.
#[derive(Debug, Default)]
pub struct Site {}

/// Whether a service may use a key now on behalf of someone who was already authorised.
///
/// # Errors
/// The KMS error code and message, such as `DisabledException: … is disabled.`
pub fn usable(_state: &State, _key: &Arn) -> Result<(), String> {
    Ok(())
}
