//! S3's REST XML protocol.

use crate::World;
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call, Incoming};

/// Answers one S3 call; `host` decides between path and virtual-host style.
///
/// # Errors
/// What S3 answers.
pub async fn answer(
    _world: &World,
    call: Call,
    _host: Option<&str>,
    _body: Incoming,
) -> Result<Answer, ApiError> {
    Err(ApiError::unknown_operation(Service::S3, call.method.as_str()))
}
