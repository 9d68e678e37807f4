//! The table of classes, and how SDK errors are read.

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use Family::{Fenced, Repeatable, Task};
use FaultClass::*;

type Answered = SdkError<aws_sdk_ec2::Error, HttpResponse>;

fn refused(status: u16, code: &str, message: &str) -> Symptom {
    Symptom::Refused { status, code: code.to_owned(), message: message.to_owned() }
}

#[test]
fn every_refusal_has_its_class() {
    #[rustfmt::skip]
    let rows = [
        // Throttling: the code decides, because the status is 400, 403 or 503.
        (Repeatable, 503, "RequestLimitExceeded", "", Throttled),
        (Task, 503, "RequestLimitExceeded", "Request limit exceeded.", Throttled),
        (Repeatable, 400, "ThrottlingException", "Rate exceeded", Throttled),
        (Repeatable, 403, "ThrottlingException", "", Throttled),
        (Repeatable, 400, "Throttling", "", Throttled),
        (Repeatable, 503, "SlowDown", "", Throttled),
        (Repeatable, 400, "RequestThrottled", "", Throttled),
        (Repeatable, 400, "TooManyRequestsException", "", Throttled),
        (Repeatable, 400, "KMS.ThrottlingException", "", Throttled),
        (Repeatable, 400, "EC2ThrottledException", "", Throttled),
        (Repeatable, 429, "", "", Throttled),
        // Quotas.
        (Task, 400, "ResourceLimitExceeded", "", QuotaFull),
        (Task, 400, "ResourceCountExceeded", "", QuotaFull),
        (Task, 400, "SnapshotLimitExceeded", "", QuotaFull),
        (Task, 400, "PendingSnapshotLimitExceeded", "", QuotaFull),
        (Task, 400, "ClientError", "1200 GB of images are in progress", QuotaFull),
        (Task, 400, "InvalidRequest", "You have reached the Quota", QuotaFull),
        (Task, 400, "TaskLimit", "", QuotaFull),
        (Repeatable, 400, "LimitExceededException", "grants", QuotaFull),
        (Repeatable, 403, "OverLimit", "", QuotaFull),
        // The words count on the two task calls only.
        (Repeatable, 400, "InvalidRequest", "You have reached the quota", Invalid),
        (Fenced, 400, "InvalidRequest", "in progress", Invalid),
        // Denied.
        (Repeatable, 403, "UnauthorizedOperation", "", Denied),
        (Task, 403, "UnauthorizedOperation", "encoded: limit", Denied),
        (Repeatable, 403, "AccessDenied", "", Denied),
        (Repeatable, 400, "AccessDeniedException", "", Denied),
        (Repeatable, 400, "KMS.AccessDeniedException", "", Denied),
        (Repeatable, 403, "", "", Denied),
        // EC2's one code for two refusals: 21-refusals and 14-refusals of the field.
        (Task, 401, "AuthFailure", "Not authorized for images: [ami-0a3716ae54ca4bd20]", Denied),
        (Repeatable, 403, "AuthFailure", "Not authorized for image:ami-1", Denied),
        (
            Repeatable,
            401,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
            Credentials,
        ),
        // Refused for another reason than a permission, whatever the status.
        (Repeatable, 401, "OptInRequired", "", Invalid),
        (Repeatable, 403, "RegionDisabledException", "", Invalid),
        (Repeatable, 403, "NotSignedUp", "", Invalid),
        (Repeatable, 403, "InvalidObjectState", "", Invalid),
        (Repeatable, 403, "AllAccessDisabled", "", Invalid),
        (Repeatable, 403, "InvalidSecurity", "", Invalid),
        (Repeatable, 400, "OperationNotPermitted", "", Invalid),
        (Repeatable, 405, "MethodNotAllowed", "", Invalid),
        (
            Repeatable,
            403,
            "AccessDenied",
            "VPC endpoints do not support cross-region requests",
            Invalid,
        ),
        (
            Repeatable,
            403,
            "AccessDenied",
            "Access Denied because object protected by object lock.",
            Invalid,
        ),
        (
            Task,
            400,
            "InvalidRequest",
            "You do not have permission to access the storage of this ami",
            Invalid,
        ),
        (Repeatable, 401, "SomethingNew", "", Invalid),
        (Repeatable, 403, "SomethingNew", "", Invalid),
        (Fenced, 409, "InvalidBucketState", "", Invalid),
        (Fenced, 404, "SomethingNew", "", Invalid),
        (Repeatable, 404, "NoSuchTagSet", "", NotFound),
        // Credentials.
        (Repeatable, 400, "ExpiredToken", "", Credentials),
        (Repeatable, 400, "ExpiredTokenException", "", Credentials),
        (Repeatable, 400, "RequestExpired", "", Credentials),
        (Task, 400, "RequestExpired", "", Credentials),
        (Repeatable, 403, "InvalidClientTokenId", "", Credentials),
        (Repeatable, 403, "SignatureDoesNotMatch", "", Credentials),
        (Repeatable, 403, "InvalidAccessKeyId", "", Credentials),
        (Repeatable, 401, "AuthFailure", "", Credentials),
        (Repeatable, 403, "RequestTimeTooSkewed", "", Credentials),
        // Not found.
        (Repeatable, 404, "NoSuchKey", "", NotFound),
        (Repeatable, 404, "NoSuchBucket", "", NotFound),
        (Repeatable, 404, "NoSuchUpload", "", NotFound),
        (Repeatable, 404, "", "", NotFound),
        (Task, 400, "InvalidAMIID.NotFound", "", NotFound),
        (Task, 400, "InvalidAMIID.Unavailable", "", NotFound),
        (Repeatable, 400, "InvalidSnapshot.NotFound", "", NotFound),
        (Repeatable, 400, "AWS.SimpleQueueService.NonExistentQueue", "", NotFound),
        (Repeatable, 400, "NotFoundException", "", NotFound),
        (Repeatable, 400, "NoSuchResourceException", "", NotFound),
        // Conflicts.
        (Task, 400, "InvalidAMIName.Duplicate", "", Conflict),
        (Task, 400, "InvalidRequest", "a store of it is already in progress", Conflict),
        (Fenced, 412, "PreconditionFailed", "", Conflict),
        (Fenced, 412, "", "", Conflict),
        (Fenced, 409, "ConditionalRequestConflict", "", Conflict),
        (Fenced, 409, "OperationAborted", "", Conflict),
        (Repeatable, 400, "IncorrectState", "", Conflict),
        // Keys.
        (Repeatable, 400, "DisabledException", "", KeyUnusable),
        (Repeatable, 400, "KMSInvalidStateException", "", KeyUnusable),
        (Repeatable, 400, "KMS.DisabledException", "", KeyUnusable),
        (Repeatable, 400, "KMS.KMSInvalidStateException", "", KeyUnusable),
        (Task, 400, "InvalidKMSKey.InvalidState", "", KeyUnusable),
        (Task, 400, "CustomerKeyHasBeenRevoked", "", KeyUnusable),
        // The service's own troubles: before or after the effect?
        (Repeatable, 500, "InternalError", "", Unavailable),
        (Fenced, 500, "InternalError", "", OutcomeUnknown),
        (Task, 500, "InternalError", "", OutcomeUnknown),
        (Fenced, 502, "", "", OutcomeUnknown),
        (Task, 503, "Unavailable", "", Unavailable),
        (Repeatable, 503, "ServiceUnavailable", "", Unavailable),
        (Repeatable, 500, "KMSInternalException", "", Unavailable),
        (Repeatable, 504, "", "", Unavailable),
        // The request's fault.
        (Task, 400, "InvalidParameterValue", "the bucket is elsewhere", Invalid),
        (Fenced, 400, "BadDigest", "", Invalid),
        (Fenced, 400, "EntityTooSmall", "", Invalid),
        (Repeatable, 400, "ReceiptHandleIsInvalid", "", Invalid),
        (Repeatable, 301, "PermanentRedirect", "", Invalid),
        (Repeatable, 400, "SomethingNew", "", Invalid),
        // An error inside a 200 answer.
        (Repeatable, 200, "SomethingNew", "", Bug),
        (Fenced, 200, "InternalError", "", OutcomeUnknown),
        (Repeatable, 200, "SlowDown", "", Throttled),
    ];
    for (family, status, code, message, class) in rows {
        let symptom = refused(status, code, message);
        assert_eq!(class_of(family, &symptom), class, "{family:?} {symptom:?}");
    }
}

#[test]
fn without_a_readable_answer_it_counts_whether_the_call_may_be_repeated() {
    let rows = [
        (Repeatable, Symptom::Unanswered, Unavailable),
        (Fenced, Symptom::Unanswered, OutcomeUnknown),
        (Task, Symptom::Unanswered, OutcomeUnknown),
        (Repeatable, Symptom::Unreadable { status: 200 }, Bug),
        (Repeatable, Symptom::Unreadable { status: 502 }, Unavailable),
        (Fenced, Symptom::Unreadable { status: 200 }, OutcomeUnknown),
        (Task, Symptom::Unreadable { status: 502 }, OutcomeUnknown),
        // Nothing was sent, whatever the call.
        (Task, Symptom::NotBuilt, Invalid),
        (Task, Symptom::NoCredentials, Credentials),
    ];
    for (family, symptom, class) in rows {
        assert_eq!(class_of(family, &symptom), class, "{family:?} {symptom:?}");
    }
}

#[test]
fn missing_credentials_are_told_from_a_network_failure() {
    let call = Call::new("ec2:DescribeImages", "ami-1");
    let lost = Answered::dispatch_failure(ConnectorError::io("connection reset".into()));
    assert_eq!(fault(&call, &lost).class, Unavailable);
    let missing = CredentialsError::not_loaded("no role is attached");
    let fault =
        fault(&call, &Answered::dispatch_failure(ConnectorError::other(missing.into(), None)));
    assert_eq!((fault.class, fault.code.as_str()), (Credentials, "CredentialsNotFound"));
    assert!(fault.detail.ends_with("no role is attached"), "{}", fault.detail);
    assert!(!fault.detail.contains("dispatch failure"), "{}", fault.detail);
}

#[test]
fn the_places_without_credentials_are_listed_in_one_line() {
    let places =
        "no credentials found in chain. Attempted:\n  Environment: unset\r\n\n  Profile: none";
    let missing = CredentialsError::not_loaded(places);
    let error = Answered::dispatch_failure(ConnectorError::other(missing.into(), None));
    let fault = fault(&Call::new("sts:GetCallerIdentity", "us-east-1"), &error);
    let told = "no credentials found in chain. Attempted: Environment: unset; Profile: none";
    assert!(fault.detail.ends_with(told), "{}", fault.detail);
}

#[test]
fn a_refused_role_shows_the_call_the_code_and_the_request_id_of_sts() {
    let metadata = ErrorMetadata::builder().code("AccessDenied").message("not yours").build();
    let sts = || SdkError::service_error(AssumeRoleError::generic(metadata.clone()), answer(403));
    let ours =
        RoleFault { role: "arn:aws:iam::1:role/r".to_owned(), error: std::sync::Arc::new(sts()) };
    for (missing, resource) in [
        (CredentialsError::provider_error(ours), "arn:aws:iam::1:role/r"),
        // A role of the profile.
        (CredentialsError::provider_error(sts()), "ami-1"),
    ] {
        let error = Answered::dispatch_failure(ConnectorError::other(missing.into(), None));
        let fault = fault(&Call::task("ec2:CreateStoreImageTask", "ami-1"), &error);
        assert_eq!((fault.class, fault.code.as_str()), (Credentials, "AccessDenied"));
        assert_eq!((fault.operation, fault.resource.as_str()), ("sts:AssumeRole", resource));
        assert_eq!(
            (fault.detail.as_str(), fault.request_id.as_deref()),
            ("not yours", Some("request-1"))
        );
    }
}

#[test]
fn a_role_that_could_not_be_had_has_the_class_of_what_sts_did() {
    type Failed = SdkError<AssumeRoleError, HttpResponse>;
    let refused = |status, code: &str| {
        let metadata = match code {
            "" => ErrorMetadata::builder().build(),
            code => ErrorMetadata::builder().code(code).message("m").build(),
        };
        Failed::service_error(AssumeRoleError::generic(metadata), answered(status, "<html>no"))
    };
    let io = ConnectorError::io("connection refused".into());
    let missing = CredentialsError::not_loaded("none here");
    for (failed, class, code) in [
        (Failed::dispatch_failure(io), Unavailable, "NoAnswer"),
        (Failed::timeout_error("too slow"), Unavailable, "NoAnswer"),
        (refused(503, "ServiceUnavailable"), Unavailable, "ServiceUnavailable"),
        (refused(500, "InternalFailure"), Unavailable, "InternalFailure"),
        (refused(400, "Throttling"), Throttled, "Throttling"),
        (refused(429, ""), Throttled, "Http429"),
        (refused(403, ""), Unavailable, "Http403"),
        (refused(404, ""), Unavailable, "Http404"),
        (refused(407, ""), Unavailable, "Http407"),
        (refused(200, ""), Unavailable, "Http200"),
        (Failed::response_error("not XML", answered(200, "secret")), Unavailable, "Http200"),
        (refused(403, "AccessDenied"), Credentials, "AccessDenied"),
        (refused(403, "InvalidClientTokenId"), Credentials, "InvalidClientTokenId"),
        (refused(403, "RegionDisabledException"), Credentials, "RegionDisabledException"),
        (refused(400, "ValidationError"), Credentials, "ValidationError"),
        (
            Failed::dispatch_failure(ConnectorError::other(missing.into(), None)),
            Credentials,
            "CredentialsNotFound",
        ),
    ] {
        let ours = RoleFault { role: "arn:aws:iam::1:role/r".to_owned(), error: failed.into() };
        let cause = CredentialsError::provider_error(ours);
        let error = Answered::dispatch_failure(ConnectorError::other(cause.into(), None));
        // Whatever the call: it was not sent.
        for call in
            [Call::task("ec2:CreateStoreImageTask", "ami-1"), Call::new("s3:GetObject", "b/k")]
        {
            let fault = fault(&call, &error);
            assert_eq!((fault.class, fault.code.as_str()), (class, code), "{fault}");
            assert_eq!(fault.operation, "sts:AssumeRole", "{fault}");
            assert_eq!(fault.resource, "arn:aws:iam::1:role/r", "{fault}");
            assert!(!fault.detail.contains("secret"), "{fault}");
            assert_eq!(fault.detail.contains("<html>no"), code.starts_with("Http4"), "{fault}");
        }
    }
    let io = ConnectorError::io("connection refused".into());
    let by_token = SdkError::<AssumeRoleWithWebIdentityError, HttpResponse>::dispatch_failure(io);
    let cause = CredentialsError::provider_error(by_token);
    let error = Answered::dispatch_failure(ConnectorError::other(cause.into(), None));
    let fault = fault(&Call::new("sts:GetCallerIdentity", "us-west-2"), &error);
    assert_eq!((fault.class, fault.operation), (Unavailable, WITH_WEB_IDENTITY), "{fault}");
}

#[test]
fn what_the_sdk_cannot_read_is_shown_with_its_status_a_piece_and_the_request_id() {
    let page = format!("<html>\u{1b}[31mBlocked by the proxy{}</html>", "x".repeat(2_000));
    let call = Call::new("s3:GetObject", "bucket/key");
    let no_code = ErrorMetadata::builder().build();
    let refused = SdkError::service_error(no_code, answered(403, &page));
    let broken = SdkError::<ErrorMetadata, _>::response_error("not XML", answered(502, &page));
    for (error, class, code) in [(refused, Denied, "Http403"), (broken, Unavailable, "Http502")] {
        let fault = fault(&call, &error);
        assert_eq!((fault.class, fault.code.as_str()), (class, code));
        assert!(fault.detail.contains(r"<html>\u{1b}[31mBlocked by the proxy"), "{}", fault.detail);
        assert!(fault.detail.chars().count() < 2 * PIECE, "{}", fault.detail);
        assert_eq!(fault.request_id.as_deref(), Some("request-1"));
    }
    let secret = SdkError::<ErrorMetadata, _>::response_error("cut", answered(200, "<Secret>s"));
    let fault = fault(&Call::new("sts:AssumeRole", "role"), &secret);
    assert!(!fault.detail.contains("Secret"), "{}", fault.detail);
}

#[test]
fn the_reason_of_a_denial_is_kept_behind_long_names() {
    let long = "x".repeat(250);
    let why = "because no identity-based policy allows the ec2:CreateStoreImageTask action";
    let message = format!(
        "You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/{long} is \
         not authorized to perform: ec2:CreateStoreImageTask on resource: arn:aws:ec2:r::image/{long} \
         {why}. Encoded authorization failure message: {}",
        "y".repeat(2_000)
    );
    let metadata = ErrorMetadata::builder().code("UnauthorizedOperation").message(message).build();
    let fault = fault(
        &Call::task("ec2:CreateStoreImageTask", "ami-1"),
        &SdkError::service_error(metadata, answer(403)),
    );
    assert!(fault.detail.contains(why) && !fault.detail.contains("yyy"), "{}", fault.detail);
    assert!(!fault.detail.contains('…'), "{}", fault.detail);
}

#[test]
fn a_fault_carries_operation_resource_code_and_request_id_and_a_cut_visible_detail() {
    let message = format!("bad\u{202e}name\n{}", "x".repeat(1_000));
    let metadata = ErrorMetadata::builder().code("InvalidParameterValue").message(message).build();
    let error = SdkError::service_error(metadata, answer(400));
    let fault = fault(&Call::new("ec2:DescribeImages", "ami-1"), &error);
    assert_eq!(fault.operation, "ec2:DescribeImages");
    assert_eq!(fault.resource, "ami-1");
    assert_eq!(fault.code, "InvalidParameterValue");
    assert_eq!(fault.request_id.as_deref(), Some("request-1"));
    assert!(fault.detail.chars().count() <= DETAIL);
    assert!(!fault.detail.chars().any(|c| c.is_control() || c == '\u{202e}'), "{}", fault.detail);
}

#[test]
fn a_refusal_without_a_code_is_named_by_its_status() {
    let error = SdkError::service_error(ErrorMetadata::builder().build(), answer(404));
    let fault = fault(&Call::new("s3:HeadObject", "bucket/key"), &error);
    assert_eq!((fault.class, fault.code.as_str()), (NotFound, "Http404"));
}

fn answer(status: u16) -> HttpResponse {
    answered(status, "")
}

fn answered(status: u16, body: &str) -> HttpResponse {
    let answer = http::Response::builder().status(status).header("x-amzn-requestid", "request-1");
    HttpResponse::try_from(answer.body(SdkBody::from(body)).unwrap()).unwrap()
}
