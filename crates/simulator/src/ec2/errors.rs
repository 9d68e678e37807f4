//! EC2's error codes and messages.

use std::fmt::Display;

use amiferry_core::ids::{ImageId, SnapshotId};

use crate::wire::ApiError;

/// A refusal of a request that is wrong in itself or at this time.
pub fn refused(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, message)
}

/// A parameter whose value is out of its range or grammar.
pub fn invalid(name: &str, value: impl Display, why: impl Display) -> ApiError {
    refused(
        "InvalidParameterValue",
        format!("Value ({value}) for parameter {name} is invalid. {why}"),
    )
}

/// Parameters that exclude each other.
pub fn combination(message: impl Into<String>) -> ApiError {
    refused("InvalidParameterCombination", message)
}

/// A parameter that is missing.
pub fn missing(name: &str) -> ApiError {
    refused("MissingParameter", format!("The request must contain the parameter {name}"))
}

/// An image id, parsed.
///
/// # Errors
/// `InvalidAMIID.Malformed`.
pub fn image_id(text: &str) -> Result<ImageId, ApiError> {
    text.parse().map_err(|_| {
        refused("InvalidAMIID.Malformed", format!("Invalid id: \"{text}\" (expecting \"ami-...\")"))
    })
}

/// A snapshot id, parsed.
///
/// # Errors
/// `InvalidSnapshotID.Malformed`.
pub fn snapshot_id(text: &str) -> Result<SnapshotId, ApiError> {
    text.parse().map_err(|_| {
        refused(
            "InvalidSnapshotID.Malformed",
            format!("Invalid id: \"{text}\" (expecting \"snap-...\")"),
        )
    })
}

/// Images that are not there, or not for the caller to see.
pub fn image_not_found<'a>(ids: impl IntoIterator<Item = &'a ImageId>) -> ApiError {
    let ids: Vec<&str> = ids.into_iter().map(ImageId::as_str).collect();
    let message = match ids.as_slice() {
        [id] => format!("The image id '[{id}]' does not exist"),
        ids => format!("The image ids '[{}]' do not exist", ids.join(", ")),
    };
    refused("InvalidAMIID.NotFound", message)
}

/// A snapshot that is not there.
pub fn snapshot_not_found(id: &SnapshotId) -> ApiError {
    refused("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
}

/// An image that is visible but belongs to another account.
pub fn not_authorized(id: &ImageId) -> ApiError {
    ApiError::new(403, "AuthFailure", format!("Not authorized for image:{id}"))
}

/// An image in a state that does not allow the call.
pub fn unavailable(id: &ImageId, state: &str) -> ApiError {
    refused("InvalidAMIID.Unavailable", format!("The image id '[{id}]' is {state}, not available"))
}

/// A volume that is not there.
pub fn volume_not_found(id: &str) -> ApiError {
    refused("InvalidVolume.NotFound", format!("The volume '{id}' does not exist."))
}
