//! The only place that turns an SDK error into the class of a fault.
//!
//! [`symptom`] reads what an error shows; [`class_of`] is a pure table over it. Codes come from
//! the services' API models and EC2's error overview. Where AWS documents no code (the quota of
//! store and restore tasks) the words of the message decide, on those two calls only; elsewhere
//! words tell apart what AWS gives one code. A status decides only where there is no code.

use std::error::Error;

use amiferry_core::endpoint::secrets;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::refusal::{Circumstance, Denial};
use amiferry_core::text;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use crate::call::{Call, Family};
use crate::credentials::{ASSUME_ROLE, RoleFault, WITH_WEB_IDENTITY};

/// Longest detail kept, in characters. Long ARNs of principal and resource have to fit, because
/// the reason of a denial comes after them.
const DETAIL: usize = 1_000;

/// Longest piece of a body that the SDK cannot read, in characters.
const PIECE: usize = 200;

/// Where EC2 appends what only `sts:DecodeAuthorizationMessage` reads, and only uncut.
const ENCODED: &str = "Encoded authorization failure message: ";

/// What the codes begin with that stand for a status without a code of AWS.
const STATUS: &str = "Http";

/// What a failed call shows, with the SDK's types left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// The request could not be built: nothing was sent.
    NotBuilt,
    /// No credentials could be had: nothing was sent.
    NoCredentials,
    /// Sent perhaps, not answered: a timeout, a reset, a name that does not resolve.
    Unanswered,
    /// Answered with a status, in a form that the SDK cannot read.
    Unreadable { status: u16 },
    /// Refused by the service. The code is empty where it sent none (`HEAD`).
    Refused { status: u16, code: String, message: String },
}

/// The fault of a failed call.
pub(crate) fn fault<E>(call: &Call, error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let symptom = symptom(error);
    if symptom == Symptom::NoCredentials
        && let Some(not_had) = role_not_had(call, error)
    {
        return not_had;
    }
    let class = class_of(call.family, &symptom);
    let (code, detail) = match symptom {
        Symptom::NotBuilt => ("RequestNotBuilt".to_owned(), chain(error)),
        Symptom::NoCredentials => (credentials_code(error).to_owned(), not_had(error)),
        Symptom::Unanswered => ("NoAnswer".to_owned(), chain(error)),
        Symptom::Unreadable { status } => {
            let read = piece(call, error).unwrap_or_else(|| "nothing".to_owned());
            (format!("{STATUS}{status}"), format!("{}; the body is: {read}", chain(error)))
        }
        Symptom::Refused { status, code, message } if code.is_empty() => {
            let read = Some(message).filter(|message| !message.is_empty());
            (format!("{STATUS}{status}"), read.or_else(|| piece(call, error)).unwrap_or_default())
        }
        Symptom::Refused { code, message, .. } => (code, readable(&message)),
    };
    Fault {
        class,
        operation: call.operation,
        resource: call.resource.clone(),
        code: visible(&code),
        detail: visible(&detail),
        request_id: error.request_id().map(visible),
    }
}

/// What STS said, or that it said nothing, where a role could not be had: that call failed, and the
/// other one was never sent.
fn role_not_had(call: &Call, error: &(dyn Error + 'static)) -> Option<Fault> {
    let role = cause::<RoleFault>(error).map(|fault| fault.role.as_str());
    // A profile's role is assumed by the SDK, and then only the message of a refusal names it.
    let asked = role.unwrap_or(&call.resource);
    // The call itself may be one of STS.
    let mut below = causes(error).skip_while(|cause| !cause.is::<CredentialsError>());
    let mut failed = below.find_map(|cause| {
        let by_role = cause.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>();
        let by_token =
            cause.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>();
        by_role
            .map(|failed| fault(&Call::new(ASSUME_ROLE, asked), failed))
            .or_else(|| by_token.map(|failed| fault(&Call::new(WITH_WEB_IDENTITY, asked), failed)))
    })?;
    failed.class = class_of_role(&failed);
    if role.is_none()
        && let Some(named) = Denial::read(&failed.detail).resource
    {
        failed.resource = visible(named);
    }
    Some(failed)
}

/// The class of a call that was not sent for lack of a role. What STS refuses concerns the
/// credentials, under whatever code; everything else is no word of STS about them.
fn class_of_role(failed: &Fault) -> FaultClass {
    match failed.class {
        FaultClass::Throttled | FaultClass::Unavailable => failed.class,
        // The answer has no code of AWS, or none that can be read: it came from something between.
        _ if failed.code.starts_with(STATUS) => FaultClass::Unavailable,
        _ => FaultClass::Credentials,
    }
}

/// A piece of the body of an answer that the SDK cannot read, if there is one.
fn piece<E>(call: &Call, error: &SdkError<E, HttpResponse>) -> Option<String> {
    let answer = error.raw_response()?;
    // Half of such an answer can be a secret.
    if matches!(call.operation, ASSUME_ROLE | WITH_WEB_IDENTITY) && answer.status().is_success() {
        return None;
    }
    let body = answer.body().bytes()?;
    let text = String::from_utf8_lossy(body);
    Some(text::visible(text.trim(), PIECE)).filter(|piece| !piece.is_empty())
}

/// A message without EC2's encoded part, which only AWS can decode.
fn readable(message: &str) -> String {
    match message.split_once(ENCODED) {
        Some((before, _)) => format!("{before}{ENCODED}left out, CloudTrail has it"),
        None => message.to_owned(),
    }
}

fn symptom<E>(error: &SdkError<E, HttpResponse>) -> Symptom
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    match error {
        SdkError::ConstructionFailure(_) => Symptom::NotBuilt,
        // The SDK reports missing credentials as a failure of the connection.
        SdkError::DispatchFailure(_) if cause::<CredentialsError>(error).is_some() => {
            Symptom::NoCredentials
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => Symptom::NotBuilt,
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => Symptom::Unanswered,
        SdkError::ServiceError(service) => Symptom::Refused {
            status,
            code: service.err().code().unwrap_or_default().to_owned(),
            message: service.err().message().unwrap_or_default().to_owned(),
        },
        // An answer whose body broke off was not received.
        SdkError::ResponseError(_) if cause::<std::io::Error>(error).is_some() => {
            Symptom::Unanswered
        }
        _ => Symptom::Unreadable { status },
    }
}

/// The class of a symptom in a family of calls.
pub(crate) fn class_of(family: Family, symptom: &Symptom) -> FaultClass {
    let repeatable = family == Family::Repeatable;
    match symptom {
        Symptom::NotBuilt => FaultClass::Invalid,
        Symptom::NoCredentials => FaultClass::Credentials,
        Symptom::Unanswered if repeatable => FaultClass::Unavailable,
        Symptom::Unanswered => FaultClass::OutcomeUnknown,
        // A proxy's error page, or the end of an answer cut off.
        Symptom::Unreadable { .. } if !repeatable => FaultClass::OutcomeUnknown,
        Symptom::Unreadable { status: 500.. } => FaultClass::Unavailable,
        Symptom::Unreadable { .. } => FaultClass::Bug,
        Symptom::Refused { status, code, .. } if code.is_empty() => by_status(family, *status),
        Symptom::Refused { status, code, message } => Circumstance::of(code, message)
            .map(|_| FaultClass::Invalid)
            .or_else(|| by_code(code, message))
            .or_else(|| (family == Family::Task).then(|| by_words(*status, code, message))?)
            .unwrap_or_else(|| by_unknown_code(family, *status)),
    }
}

fn by_code(code: &str, message: &str) -> Option<FaultClass> {
    Some(match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "Client.RequestLimitExceeded"
        | "EC2ThrottledException"
        | "PriorRequestNotComplete"
        | "TransactionInProgressException"
        | "KMS.ThrottlingException" => FaultClass::Throttled,

        "ResourceLimitExceeded"
        | "ResourceCountExceeded"
        | "ResourceCountLimitExceeded"
        | "LimitExceededException"
        | "OverLimit" => FaultClass::QuotaFull,
        code if code.ends_with("LimitExceeded") => FaultClass::QuotaFull,

        "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "InvalidToken"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => FaultClass::Credentials,

        // EC2's code for credentials that are not valid, and for a resource of another account.
        "AuthFailure" if message.to_ascii_lowercase().contains("not authorized") => {
            FaultClass::Denied
        }
        "AuthFailure" => FaultClass::Credentials,

        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnauthorizedAccess"
        | "NotAuthorized"
        | "KMS.AccessDeniedException" => FaultClass::Denied,

        "DisabledException"
        | "KMSInvalidStateException"
        | "KeyUnavailableException"
        | "InvalidKeyUsageException"
        | "CustomerKeyHasBeenRevoked"
        | "KMSKeyNotAccessibleFault"
        | "KMS.DisabledException"
        | "KMS.InvalidStateException"
        | "KMS.KMSInvalidStateException"
        | "KMS.InvalidKeyUsageException"
        | "KMS.NotFoundException" => FaultClass::KeyUnusable,
        code if code.starts_with("InvalidKMSKey.") => FaultClass::KeyUnusable,

        "NotFound"
        | "NotFoundException"
        | "ResourceNotFoundException"
        | "ObjectLockConfigurationNotFoundError"
        | "ServerSideEncryptionConfigurationNotFoundError"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "InvalidAMIID.Unavailable" => FaultClass::NotFound,
        code if code.ends_with(".NotFound") || code.starts_with("NoSuch") => FaultClass::NotFound,

        "PreconditionFailed"
        | "ConditionalRequestConflict"
        | "OperationAborted"
        | "IncorrectState"
        | "IncorrectInstanceState" => FaultClass::Conflict,
        code if code.ends_with(".Duplicate") => FaultClass::Conflict,

        "InternalError" | "InternalFailure" | "ServerInternal" => return None,
        "ServiceUnavailable"
        | "Unavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "DependencyTimeoutException"
        | "KMSInternalException" => FaultClass::Unavailable,
        _ => return None,
    })
}

/// AWS documents no code for a full store or restore quota, nor for a repeated store.
fn by_words(status: u16, code: &str, message: &str) -> Option<FaultClass> {
    if !(400..500).contains(&status) {
        return None;
    }
    let words = format!("{code} {message}").to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
    // First, because a repeated store may be said to be "already in progress".
    if says(&["already", "duplicate"]) {
        Some(FaultClass::Conflict)
    } else if says(&["limit", "quota", "in progress", "inprogress"]) {
        Some(FaultClass::QuotaFull)
    } else {
        None
    }
}

/// A refusal under a code that this version does not know: what it asks for is not known either, so
/// it counts neither as a denial nor as a sign that something exists or does not.
fn by_unknown_code(family: Family, status: u16) -> FaultClass {
    match status {
        401..=412 => FaultClass::Invalid,
        _ => by_status(family, status),
    }
}

fn by_status(family: Family, status: u16) -> FaultClass {
    match status {
        401 | 403 => FaultClass::Denied,
        404 => FaultClass::NotFound,
        409 | 412 => FaultClass::Conflict,
        429 => FaultClass::Throttled,
        // 301 and 307: the bucket is in another Region.
        300..=499 => FaultClass::Invalid,
        // 503 says that nothing was begun; the other ones of the 500 family do not.
        503 => FaultClass::Unavailable,
        500.. if family == Family::Repeatable => FaultClass::Unavailable,
        500.. => FaultClass::OutcomeUnknown,
        // An error inside a 200 answer, with a code that this version does not know.
        _ if family == Family::Repeatable => FaultClass::Bug,
        _ => FaultClass::OutcomeUnknown,
    }
}

/// Why there are no credentials.
fn credentials_code(error: &(dyn Error + 'static)) -> &'static str {
    match cause::<CredentialsError>(error) {
        Some(CredentialsError::CredentialsNotLoaded(_)) => "CredentialsNotFound",
        Some(CredentialsError::ProviderTimedOut(_)) => "CredentialsTimedOut",
        Some(CredentialsError::InvalidConfiguration(_)) => "CredentialsMisconfigured",
        _ => "CredentialsUnavailable",
    }
}

/// The first error of a type among the causes.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// All messages from the outermost error to its root, without repetitions.
fn chain(error: &(dyn Error + 'static)) -> String {
    joined(causes(error))
}

/// The same from the credentials on: that no connection was made for lack of them says nothing more.
fn not_had(error: &(dyn Error + 'static)) -> String {
    joined(causes(error).skip_while(|cause| !cause.is::<CredentialsError>()))
}

fn joined<'a>(errors: impl Iterator<Item = &'a (dyn Error + 'static)>) -> String {
    let mut messages: Vec<String> = errors.map(|error| one_line(&error.to_string())).collect();
    messages.dedup();
    messages.join(": ")
}

/// A text of several lines as one, such as the SDK's list of the places where it looked for credentials.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for piece in text.lines().map(str::trim).filter(|piece| !piece.is_empty()) {
        match line.as_str() {
            "" => {}
            begun if begun.ends_with(':') => line.push(' '),
            _ => line.push_str("; "),
        }
        line.push_str(piece);
    }
    line
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Others' text, cut, with what cannot be seen made visible, and URLs without passwords.
pub(crate) fn visible(text: &str) -> String {
    text::visible(&secrets::text(text), DETAIL)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
