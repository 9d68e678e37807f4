//! Simulated STS: who a caller is, and temporary credentials.

mod refusal;
pub mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::ids::{AccountId, Arn};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::World;
use crate::iam::identifier;
use crate::principal::{Principal, PrincipalKind};
use crate::wire::ApiError;
use crate::wire::scope::{Scope, Service};
use crate::world::State;
use refusal::{Refusal, check_time, refused};

/// The switches for credentials and the time of requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How far the time of a signature may be from the simulated time. S3 documents 15 minutes;
    /// used for all services.
    #[serde(with = "crate::span")]
    pub skew: Duration,
    /// Whose request times are checked.
    pub request_times: RequestTimes,
}

impl Default for Settings {
    fn default() -> Self {
        Self { skew: Duration::from_secs(15 * 60), request_times: RequestTimes::Sessions }
    }
}

/// Whose requests are refused when they were signed too long ago or too far ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestTimes {
    /// No caller's.
    Unchecked,
    /// Those of sessions and users, not of a root user with its 12-digit access key id: clients
    /// that use that shortcut on a world with its own clock (set, or faster) are not refused.
    Sessions,
    /// Everybody's, as in AWS.
    Everyone,
}

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
    /// What the calls must carry; `None` for a user's long-term key.
    token: Option<String>,
    expires: Timestamp,
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

/// A user's access key.
#[derive(Debug, Clone)]
pub struct LongTermKey {
    /// `AKIA…`.
    pub access_key: String,
    /// The secret key; nothing here verifies signatures.
    pub secret_key: String,
}

/// The caller behind an access key id (and session token).
///
/// An access key id of 12 digits is the root of that account, as in other emulators.
///
/// # Errors
/// An unknown or expired key or a request out of its time, with the code that the called service
/// uses for it.
pub fn caller(world: &World, scope: &Scope) -> Result<Principal, ApiError> {
    let now = world.now();
    if let Ok(account) = scope.access_key.parse::<AccountId>() {
        let state = world.lock();
        if state.closed.contains(&account) {
            return Err(refused(scope.service, Refusal::Unknown));
        }
        check_time(&state.settings.sts, scope, true, now)?;
        return Ok(Principal::root(account));
    }
    let state = world.lock();
    let refuse = |refusal| Err(refused(scope.service, refusal));
    let Some(session) = state.sts.by_key.get(&scope.access_key) else {
        return refuse(Refusal::Unknown);
    };
    if scope.token != session.token {
        return refuse(Refusal::Unknown);
    }
    check_time(&state.settings.sts, scope, false, now)?;
    if session.expires <= now {
        return refuse(Refusal::Expired);
    }
    Ok(session.principal.clone())
}

/// Makes every session that a role has given so far be denied everything, as the console's
/// *Revoke active sessions* does, but `GetCallerIdentity`, which no policy can deny. Later sessions
/// work.
pub fn revoke_sessions(state: &mut State, role: &Arn) {
    for session in state.sts.by_key.values_mut() {
        let of_role = session.principal.role_arn().as_deref() == Some(role.as_str());
        if let PrincipalKind::Session { context, .. } = &mut session.principal.kind {
            context.revoked |= of_role;
        }
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

/// The refusal of an expired session, in the words of the called service.
pub(crate) fn expired(service: Service) -> ApiError {
    refused(service, Refusal::Expired)
}

/// Issues credentials of a session, without checking whether the caller may have them.
pub fn issue(state: &mut State, now: Timestamp, principal: Principal) -> Credentials {
    state.sts.by_key.retain(|_, session| now.duration_since(session.expires) < REMEMBERED);
    let expires = match &principal.kind {
        PrincipalKind::Session { expires, .. } => *expires,
        PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::Service(_) => {
            Timestamp::MAX
        }
    };
    let access_key = format!("ASIA{}", identifier(&mut state.rng, 16));
    let secret_key = identifier(&mut state.rng, 40);
    let token = format!("FwoG{}", identifier(&mut state.rng, 96));
    let session = Session { principal, token: Some(token.clone()), expires };
    state.sts.by_key.insert(access_key.clone(), session);
    Credentials { access_key, secret_key, token, expires }
}

/// Makes an access key that works until it is forgotten.
pub(crate) fn long_term_key(state: &mut State, principal: Principal) -> LongTermKey {
    let access_key = format!("AKIA{}", identifier(&mut state.rng, 16));
    let secret_key = identifier(&mut state.rng, 40);
    let session = Session { principal, token: None, expires: Timestamp::MAX };
    state.sts.by_key.insert(access_key.clone(), session);
    LongTermKey { access_key, secret_key }
}

/// Forgets all credentials of a caller.
pub(crate) fn forget(state: &mut State, principal: &Principal) {
    state.sts.by_key.retain(|_, session| session.principal != *principal);
}
