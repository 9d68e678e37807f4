//! Why credentials or the time of a request are refused, in the words of each service.

use jiff::{SignedDuration, Timestamp};

use super::{RequestTimes, Settings};
use crate::wire::ApiError;
use crate::wire::scope::{Scope, Service};

/// Why a caller's credentials are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unknown,
    Expired,
}

/// Refuses a request that was signed too long ago or too far ahead, and an expired presigned URL.
/// One that does not say when it was signed is let through.
///
/// # Errors
/// `RequestTimeTooSkewed` or `AccessDenied` in S3, `RequestExpired` in EC2, and what the other
/// protocols have for a signature out of its time.
pub(super) fn check_time(
    settings: &Settings,
    scope: &Scope,
    root: bool,
    now: Timestamp,
) -> Result<(), ApiError> {
    let checked = match settings.request_times {
        RequestTimes::Unchecked => false,
        RequestTimes::Sessions => !root,
        RequestTimes::Everyone => true,
    };
    let Some(signed) = scope.signed_at.filter(|_| checked) else { return Ok(()) };
    let skew = SignedDuration::try_from(settings.skew).unwrap_or(SignedDuration::MAX);
    let age = now.duration_since(signed);
    if let Some(seconds) = scope.works_for {
        let ahead = -age > skew;
        if !ahead && age <= SignedDuration::from_secs(i64::from(seconds)) {
            return Ok(());
        }
        let message = if ahead { "Request is not yet valid" } else { "Request has expired" };
        return Err(with_times(ApiError::new(403, "AccessDenied", message), signed, now)
            .with("X-Amz-Expires", seconds.to_string()));
    }
    if age.abs() <= skew {
        return Ok(());
    }
    let compact = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let words = if age.is_negative() { "not yet current" } else { "expired" };
    let message =
        format!("Signature {words}: {} against {} of the service", compact(signed), compact(now));
    let error = match scope.service {
        Service::S3 => with_times(
            ApiError::new(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
            signed,
            now,
        )
        .with("MaxAllowedSkewMilliseconds", settings.skew.as_millis().to_string()),
        Service::Ec2 => ApiError::new(400, "RequestExpired", "Request has expired."),
        Service::Sts | Service::CloudFormation => {
            ApiError::new(403, "SignatureDoesNotMatch", message)
        }
        _ => ApiError::new(400, "InvalidSignatureException", message),
    };
    Err(match scope.service {
        Service::Sqs => error.with("x-amzn-query-error", "InvalidSignatureException;Sender"),
        Service::Kms | Service::Events | Service::ServiceQuotas | Service::SecretsManager => {
            error.with("x-amzn-errortype", "InvalidSignatureException")
        }
        _ => error,
    })
}

fn with_times(error: ApiError, signed: Timestamp, now: Timestamp) -> ApiError {
    error
        .with("RequestTime", signed.strftime("%Y%m%dT%H%M%SZ").to_string())
        .with("ServerTime", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The refusal as the service writes it.
pub(super) fn refused(service: Service, refusal: Refusal) -> ApiError {
    let invalid = "The security token included in the request is invalid.";
    let expired = "The security token included in the request is expired";
    let (status, code, message) = match (refusal, service) {
        (Refusal::Unknown, Service::S3) => (
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        (Refusal::Unknown, Service::Ec2) => {
            (401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        }
        (Refusal::Unknown, Service::Sts | Service::Sqs | Service::CloudFormation) => {
            (403, "InvalidClientTokenId", invalid)
        }
        (
            Refusal::Unknown,
            Service::Kms | Service::Events | Service::ServiceQuotas | Service::SecretsManager,
        ) => (400, "UnrecognizedClientException", invalid),
        (Refusal::Expired, Service::S3) => (400, "ExpiredToken", "The provided token has expired."),
        (Refusal::Expired, Service::Ec2) => (400, "RequestExpired", "Request has expired."),
        (Refusal::Expired, Service::Sts | Service::CloudFormation) => {
            (403, "ExpiredToken", expired)
        }
        (
            Refusal::Expired,
            Service::Sqs
            | Service::Kms
            | Service::Events
            | Service::ServiceQuotas
            | Service::SecretsManager,
        ) => (400, "ExpiredTokenException", expired),
    };
    let error = ApiError::new(status, code, message);
    match service {
        Service::Sqs => error.with("x-amzn-query-error", format!("{code};Sender")),
        Service::Ec2
        | Service::S3
        | Service::Sts
        | Service::Kms
        | Service::Events
        | Service::ServiceQuotas
        | Service::SecretsManager
        | Service::CloudFormation => error,
    }
}
