//! What a fault does to a call, and the codes and messages of each service's refusals.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::edit::Edit;
use crate::sts;
use crate::wire::ApiError;
use crate::wire::scope::Service;

/// What becomes of one call.
///
/// *Nothing applied* means that the world is as if the call had never been made; *applied*
/// means that the service did what it was asked to and only the answer suffers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// No connection. Nothing applied.
    ConnectionRefused,
    /// The connection breaks before the service reads the request. Nothing applied.
    ConnectionReset,
    /// No answer until the client gives up. Nothing applied.
    Timeout,
    /// The service's own throttling error. Nothing applied.
    Throttle,
    /// The service's own internal error (500). Nothing applied.
    InternalError,
    /// The service is unavailable (503). Nothing applied.
    Unavailable,
    /// The session's token counts as expired. Nothing applied.
    ExpiredToken,
    /// The caller is denied. Nothing applied.
    AccessDenied,
    /// Any other refusal. Nothing applied.
    Refuse(Refusal),
    /// Applied; the connection breaks before the answer.
    ResponseLost,
    /// Applied; no answer until the client gives up.
    ResponseTimeout,
    /// The request takes this long to arrive. It is applied then, even if the client has given up.
    DelayRequest(#[serde(with = "crate::span")] Duration),
    /// Applied at once; the answer takes this long.
    DelayResponse(#[serde(with = "crate::span")] Duration),
    /// Applied; the connection breaks after at most this many bytes of the answer's body.
    Truncate(u64),
    /// Applied; the items that the answer lists are edited. Only for XML, so for EC2 and S3.
    Edit(Edit),
    /// Status 200 with an empty body, whatever the answer was. Applied.
    EmptyBody,
    /// Status 200 with an `Error` document, as S3's copies and completions have it. Nothing
    /// applied.
    #[serde(rename = "error-in-200")]
    ErrorIn200,
    /// Status 200 at once, then white space for a while, then the answer: S3's way of keeping a
    /// connection open. An error comes as a document under status 200.
    KeepAlive(KeepAlive),
}

/// A refusal whose status, code and message the rule chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status, 300 to 599.
    pub status: u16,
    /// The error code, such as `OperationAborted`.
    pub code: String,
    #[serde(default = "Refusal::message")]
    pub message: String,
}

impl Refusal {
    fn message() -> String {
        "Refused by a fault of the simulation.".to_owned()
    }
}

/// How long white space is sent, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepAlive {
    /// For how long; one byte a second.
    #[serde(rename = "for", with = "crate::span")]
    pub span: Duration,
    /// What the document says in the end.
    pub then: Outcome,
}

/// How a kept-alive call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As the service answers. Applied.
    Answer,
    /// With `InternalError`. Nothing applied.
    Error,
}

/// The operations of S3 that answer 200 before they know.
pub const ANSWERED_EARLY: &[&str] = &["CompleteMultipartUpload", "CopyObject", "UploadPartCopy"];

impl Effect {
    /// The name under which it is counted: that of scenario files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection-refused",
            Self::ConnectionReset => "connection-reset",
            Self::Timeout => "timeout",
            Self::Throttle => "throttle",
            Self::InternalError => "internal-error",
            Self::Unavailable => "unavailable",
            Self::ExpiredToken => "expired-token",
            Self::AccessDenied => "access-denied",
            Self::Refuse(_) => "refuse",
            Self::ResponseLost => "response-lost",
            Self::ResponseTimeout => "response-timeout",
            Self::DelayRequest(_) => "delay-request",
            Self::DelayResponse(_) => "delay-response",
            Self::Truncate(_) => "truncate",
            Self::Edit(_) => "edit",
            Self::EmptyBody => "empty-body",
            Self::ErrorIn200 => "error-in-200",
            Self::KeepAlive(_) => "keep-alive",
        }
    }

    /// Whether only S3's early answers can have it.
    pub fn needs_early_answer(&self) -> bool {
        matches!(self, Self::ErrorIn200 | Self::KeepAlive(_))
    }

    /// The error that the service answers instead of doing anything, if that is the effect.
    pub(super) fn refusal(&self, service: Service) -> Option<ApiError> {
        let error = match self {
            Self::Throttle => throttled(service),
            Self::InternalError => internal(service),
            Self::Unavailable => unavailable(service),
            Self::ExpiredToken => sts::expired(service),
            Self::AccessDenied => denied(service),
            Self::Refuse(refusal) => {
                ApiError::new(refusal.status, refusal.code.clone(), refusal.message.clone())
            }
            _ => return None,
        };
        Some(in_its_headers(service, error))
    }
}

/// The codes of throttling: EC2 `RequestLimitExceeded` (error codes of the EC2 API), S3
/// `SlowDown` (S3's error responses), SQS `RequestThrottled` (its API model), KMS
/// and EventBridge `ThrottlingException`, Service Quotas `TooManyRequestsException` (its API model), Secrets
/// Manager `ThrottlingException`, STS and CloudFormation `Throttling` (the common errors of AWS).
fn throttled(service: Service) -> ApiError {
    match service {
        Service::Ec2 => ApiError::new(503, "RequestLimitExceeded", "Request limit exceeded."),
        Service::S3 => ApiError::new(503, "SlowDown", "Please reduce your request rate."),
        Service::Sqs => ApiError::new(
            400,
            "RequestThrottled",
            "The request was denied due to request throttling.",
        ),
        Service::Kms => ApiError::new(
            400,
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        ),
        Service::Events | Service::SecretsManager => {
            ApiError::new(400, "ThrottlingException", "Rate exceeded")
        }
        Service::ServiceQuotas => ApiError::new(400, "TooManyRequestsException", "Rate exceeded"),
        Service::Sts | Service::CloudFormation => ApiError::new(400, "Throttling", "Rate exceeded"),
    }
}

fn internal(service: Service) -> ApiError {
    let (code, message) = match service {
        Service::Ec2 => ("InternalError", "An internal error has occurred"),
        Service::S3 => ("InternalError", "We encountered an internal error. Please try again."),
        Service::Kms => ("KMSInternalException", "The request failed. You can retry it."),
        Service::Events => ("InternalException", "An internal error occurred."),
        Service::ServiceQuotas => ("ServiceException", "Something went wrong."),
        Service::SecretsManager => ("InternalServiceError", "An internal error occurred."),
        Service::Sqs | Service::Sts | Service::CloudFormation => {
            ("InternalFailure", "The request processing has failed because of an unknown error.")
        }
    };
    ApiError::new(500, code, message)
}

fn unavailable(service: Service) -> ApiError {
    let (code, message) = match service {
        Service::Ec2 => ("Unavailable", "The server is overloaded and can't handle the request."),
        Service::S3 => ("ServiceUnavailable", "Service is unable to handle request."),
        Service::Kms
        | Service::Sqs
        | Service::Sts
        | Service::Events
        | Service::ServiceQuotas
        | Service::SecretsManager
        | Service::CloudFormation => (
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        ),
    };
    ApiError::new(503, code, message)
}

fn denied(service: Service) -> ApiError {
    let (status, code) = match service {
        Service::Ec2 => (403, "UnauthorizedOperation"),
        Service::S3 | Service::Sts | Service::CloudFormation => (403, "AccessDenied"),
        Service::Kms
        | Service::Sqs
        | Service::Events
        | Service::ServiceQuotas
        | Service::SecretsManager => (400, "AccessDeniedException"),
    };
    ApiError::new(status, code, "Denied by a fault of the simulation.")
}

/// The headers in which the JSON protocols repeat the code.
fn in_its_headers(service: Service, error: ApiError) -> ApiError {
    let code = error.code.clone();
    match service {
        Service::Kms | Service::Events | Service::ServiceQuotas | Service::SecretsManager => {
            error.with("x-amzn-errortype", code)
        }
        Service::Sqs => {
            let fault = if error.status < 500 { "Sender" } else { "Receiver" };
            error.with("x-amzn-query-error", format!("{code};{fault}"))
        }
        Service::Ec2 | Service::S3 | Service::Sts | Service::CloudFormation => error,
    }
}
