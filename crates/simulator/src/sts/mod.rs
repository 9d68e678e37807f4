//! Simulated STS: who a caller is, and temporary credentials.

pub mod wire;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use crate::World;
use crate::iam::identifier;
use crate::principal::{Principal, PrincipalKind};
use crate::wire::ApiError;
use crate::wire::scope::{Scope, Service};
use crate::world::State;

/// How long expired credentials are remembered, to be told from unknown ones.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// Temporary credentials, by access key id.
#[derive(Debug, Default)]
pub struct Sessions {
    by_key: BTreeMap<String, Session>,
}

#[derive(Debug)]
struct Session {
    principal: Principal,
    token: String,
    expires: Timestamp,
    revoked: bool,
}

/// What `AssumeRole` hands out.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// `ASIA…`.
    pub access_key: String,
    /// The secret key; nothing here verifies signatures.
    pub secret_key: String,
    /// The session token, which every call must carry.
    pub token: String,
    /// When they stop working.
    pub expires: Timestamp,
}

/// Why a caller's credentials are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Unknown,
    Expired,
    Revoked,
}

/// The caller behind an access key id (and session token).
///
/// An access key id of 12 digits is the root of that account, as in other emulators.
///
/// # Errors
/// An unknown, expired or revoked key, with the code that the called service uses for it.
pub fn caller(world: &World, scope: &Scope, headers: &HeaderMap) -> Result<Principal, ApiError> {
    if let Ok(account) = scope.access_key.parse::<AccountId>() {
        return Ok(Principal::root(account));
    }
    let now = world.now();
    let state = world.lock();
    let refuse = |refusal| Err(refused(scope.service, refusal));
    let Some(session) = state.sts.by_key.get(&scope.access_key) else {
        return refuse(Refusal::Unknown);
    };
    // A presigned URL carries the token in its query, which is not seen here.
    let token = headers.get("x-amz-security-token").map(http::HeaderValue::as_bytes);
    let signed_by_header = headers.contains_key("authorization");
    if signed_by_header && token != Some(session.token.as_bytes()) {
        return refuse(Refusal::Unknown);
    }
    if session.expires <= now {
        return refuse(Refusal::Expired);
    }
    if session.revoked {
        return refuse(Refusal::Revoked);
    }
    Ok(session.principal.clone())
}

/// Makes every session that a role has given so far be denied everything, as the console's
/// *Revoke active sessions* does. Later sessions work.
pub fn revoke_sessions(state: &mut State, role: &Arn) {
    for session in state.sts.by_key.values_mut() {
        session.revoked |= session.principal.role_arn().as_deref() == Some(role.as_str());
    }
}

/// Makes every session that a role has given so far be expired from `at` on.
pub fn expire_sessions(state: &mut State, role: &Arn, at: Timestamp) {
    for session in state.sts.by_key.values_mut() {
        if session.principal.role_arn().as_deref() == Some(role.as_str()) {
            session.expires = session.expires.min(at);
        }
    }
}

/// Gives credentials of a session, which nobody is asked about any more.
pub fn issue(state: &mut State, now: Timestamp, principal: Principal) -> Credentials {
    state.sts.by_key.retain(|_, session| now.duration_since(session.expires) < REMEMBERED);
    let expires = match &principal.kind {
        PrincipalKind::Session { expires, .. } => *expires,
        PrincipalKind::Root | PrincipalKind::Service(_) => Timestamp::MAX,
    };
    let access_key = format!("ASIA{}", identifier(&mut state.rng, 16));
    let secret_key = identifier(&mut state.rng, 40);
    let token = format!("FwoG{}", identifier(&mut state.rng, 96));
    let session = Session { principal, token: token.clone(), expires, revoked: false };
    state.sts.by_key.insert(access_key.clone(), session);
    Credentials { access_key, secret_key, token, expires }
}

fn refused(service: Service, refusal: Refusal) -> ApiError {
    let invalid = "The security token included in the request is invalid.";
    let expired = "The security token included in the request is expired";
    let revoked = "The session of this role has been revoked: explicit deny in an identity-based policy for credentials issued before that";
    let (status, code, message) = match (refusal, service) {
        (Refusal::Unknown, Service::S3) => (
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        (Refusal::Unknown, Service::Ec2) => {
            (401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        }
        (Refusal::Unknown, Service::Sts | Service::Sqs | Service::Kms) => {
            (403, "InvalidClientTokenId", invalid)
        }
        (Refusal::Expired, Service::S3) => (400, "ExpiredToken", "The provided token has expired."),
        (Refusal::Expired, Service::Ec2) => (400, "RequestExpired", "Request has expired."),
        (Refusal::Expired, Service::Sts) => (403, "ExpiredToken", expired),
        (Refusal::Expired, Service::Sqs | Service::Kms) => (400, "ExpiredTokenException", expired),
        (Refusal::Revoked, Service::S3 | Service::Sts) => (403, "AccessDenied", revoked),
        (Refusal::Revoked, Service::Ec2) => (403, "UnauthorizedOperation", revoked),
        (Refusal::Revoked, Service::Sqs | Service::Kms) => (400, "AccessDeniedException", revoked),
    };
    let error = ApiError::new(status, code, message);
    match service {
        Service::Sqs => error.with("x-amzn-query-error", format!("{code};Sender")),
        Service::Ec2 | Service::S3 | Service::Sts | Service::Kms => error,
    }
}
