//! The wire protocol of ec2.

use bytes::Bytes;

use crate::World;
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};

/// Answers one call.
///
/// # Errors
/// What the service answers.
pub async fn answer(_world: &World, call: &Call, _body: &Bytes) -> Result<Answer, ApiError> {
    Err(ApiError::unknown_operation(Service::Ec2, call.method.as_str()))
}
