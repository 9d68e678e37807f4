//! The wire protocol of sts.

use bytes::Bytes;

use crate::World;
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};

/// Answers one call.
///
/// # Errors
/// What the service answers.
pub async fn answer(_world: &World, call: &Call, _body: &Bytes) -> Result<Answer, ApiError> {
    Err(ApiError::unknown_operation(Service::Sts, call.method.as_str()))
}
