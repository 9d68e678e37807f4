//! The errors of SQS, each with the code of the old query protocol that clients still match on:
//! `x-amzn-query-error: CODE;Sender` beside the shape name in the body.

use crate::iam::Denial;
use crate::wire::ApiError;

use super::queue::HandleError;

/// An error whose query code and JSON shape differ.
fn shaped(code: &str, shape: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(400, code, message)
        .with("shape", shape)
        .with("x-amzn-query-error", format!("{code};Sender"))
}

/// An error whose query code is its shape behind the old prefix.
pub(super) fn prefixed(shape: &str, message: impl Into<String>) -> ApiError {
    shaped(&format!("AWS.SimpleQueueService.{shape}"), shape, message)
}

pub(super) fn no_queue() -> ApiError {
    let code = "AWS.SimpleQueueService.NonExistentQueue";
    shaped(code, "QueueDoesNotExist", "The specified queue does not exist.")
}

pub(super) fn queue_exists(attribute: &str) -> ApiError {
    let message = format!(
        "A queue already exists with the same name and a different value for attribute {attribute}"
    );
    shaped("QueueAlreadyExists", "QueueNameExists", message)
}

pub(super) fn attribute_name(name: &str) -> ApiError {
    let message = format!("Unknown Attribute {name}.");
    shaped("InvalidAttributeName", "InvalidAttributeName", message)
}

pub(super) fn attribute_value(name: &str, why: &str) -> ApiError {
    let message = format!("Invalid value for the parameter {name}. Reason: {why}.");
    shaped("InvalidAttributeValue", "InvalidAttributeValue", message)
}

pub(super) fn contents() -> ApiError {
    let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";
    shaped("InvalidMessageContents", "InvalidMessageContents", message)
}

pub(super) fn missing(parameter: &str) -> ApiError {
    let message = format!("The request must contain the parameter {parameter}.");
    shaped("MissingParameter", "MissingRequiredParameterException", message)
}

pub(super) fn parameter(message: impl Into<String>) -> ApiError {
    shaped("InvalidParameterValue", "InvalidParameterValueException", message)
}

pub(super) fn out_of_range(name: &str, value: i64, least: u32, most: u32) -> ApiError {
    parameter(format!(
        "Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}, if provided."
    ))
}

pub(super) fn over_limit(limit: usize) -> ApiError {
    let message = format!("Too many messages in flight: {limit} is the limit of a standard queue.");
    shaped("OverLimit", "OverLimit", message)
}

/// An error of KMS, as SQS repeats it.
pub(super) fn of_kms(error: &ApiError) -> ApiError {
    let name = error.code.trim_start_matches("KMS");
    let shape = format!("Kms{}", name.trim_end_matches("Exception"));
    shaped(&format!("KMS.{name}"), &shape, error.message.clone())
}

pub(super) fn no_resource(message: &str) -> ApiError {
    shaped("ResourceNotFoundException", "ResourceNotFoundException", message)
}

pub(super) fn unsupported(message: &str) -> ApiError {
    prefixed("UnsupportedOperation", message)
}

pub(super) fn malformed(message: impl Into<String>) -> ApiError {
    shaped("SerializationException", "SerializationException", message)
}

pub(super) fn denied(denial: Denial) -> ApiError {
    shaped("AccessDeniedException", "AccessDeniedException", denial.message)
}

pub(super) fn handle(error: HandleError, visibility: u32) -> ApiError {
    match error {
        HandleError::Invalid => shaped(
            "ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid",
            "The input receipt handle is invalid.",
        ),
        HandleError::NotInFlight => prefixed(
            "MessageNotInflight",
            format!(
                "Value {visibility} for parameter VisibilityTimeout is invalid. Reason: Message does not exist or is not available for visibility timeout change."
            ),
        ),
        HandleError::TooLong => parameter(format!(
            "Value {visibility} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."
        )),
    }
}
