//! Simulated STS: who a caller is, and temporary credentials.

pub mod wire;

use http::HeaderMap;

use crate::World;
use crate::principal::Principal;
use crate::wire::ApiError;
use crate::wire::scope::Scope;

/// Temporary credentials, by access key id.
#[derive(Debug, Default)]
pub struct Sessions {}

/// The caller behind an access key id (and session token).
///
/// # Errors
/// An unknown or expired key, with the code that the called service uses for it.
pub fn caller(_world: &World, scope: &Scope, _headers: &HeaderMap) -> Result<Principal, ApiError> {
    let account = scope.access_key.parse().map_err(|_| {
        ApiError::new(403, "InvalidClientTokenId", "The security token included is invalid.")
    })?;
    Ok(Principal::root(account))
}
