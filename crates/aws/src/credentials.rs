//! Credentials that can be forgotten, and the ones of an assumed role.
//!
//! The SDK keeps credentials until they expire by the local clock and does not drop them when
//! AWS refuses them. After a revocation, or with a slow clock, every call would then fail until
//! that expiry. [`ForgettableCache`] lets a session drop them as soon as AWS says so.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use amiferry_core::fault::FaultClass;
use amiferry_core::ports::CallMeter;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result as CredentialsResult, future};
use aws_sdk_sts::Client;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::time::{Instant, timeout};

use crate::call::Call;
use crate::classify;

/// The call that assumes a role.
pub(crate) const ASSUME_ROLE: &str = "sts:AssumeRole";

/// The SDK's own call, by which a pod or a job of an identity provider gets its role. No caller needs a
/// permission for it, so it is in two parts: the table of permissions names the calls of amiferry.
pub(crate) const WITH_WEB_IDENTITY: &str = concat!("sts:", "AssumeRoleWithWebIdentity");

/// Longest time for getting credentials. The SDK's 5 seconds would cut off its own three attempts
/// at `AssumeRole`.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time for one `AssumeRole` with its repetitions. It ends before an attempt at the call that
/// needs the role, which takes 20 seconds at most and whose own error says nothing of STS.
const ASSUME_TIMEOUT: Duration = Duration::from_secs(15);

/// The SDK's lazy cache of credentials, which can be replaced by an empty one at any time.
#[derive(Debug, Clone)]
pub(crate) struct ForgettableCache(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    cache: SharedIdentityCache,
    generation: u64,
}

impl ForgettableCache {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Kept { cache: empty(), generation: 0 })))
    }

    /// Which filling of the cache a call that starts now will use.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Drops what is kept, unless that has happened since `generation` was read: of many calls
    /// that fail together, one empties the cache. Returns whether it was this one.
    pub(crate) fn forget(&self, generation: u64) -> bool {
        let mut kept = self.lock();
        let ours = kept.generation == generation;
        if ours {
            *kept = Kept { cache: empty(), generation: generation + 1 };
        }
        ours
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing that holds the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty() -> SharedIdentityCache {
    IdentityCache::lazy().load_timeout(LOAD_TIMEOUT).build()
}

impl ResolveCachedIdentity for ForgettableCache {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.lock().cache.clone();
        IdentityFuture::new(async move {
            cache.resolve_cached_identity(resolver, runtime_components, config_bag).await
        })
    }
}

/// How long a role is not asked for again after STS did not answer. Each call that needs the role
/// would else ask for itself, three times.
const PAUSE: Duration = Duration::from_secs(10);

/// When STS last did not answer, and what the SDK said.
type NoAnswer = (Instant, Arc<SdkError<AssumeRoleError, HttpResponse>>);

/// Credentials of a role; each request of the cache assumes the role again.
///
/// The SDK's own `AssumeRoleProvider` would do, but for two things: it takes its retries from the
/// budget that the whole process shares for STS, and it asks the base credentials past their
/// cache.
#[derive(Debug)]
pub(crate) struct AssumedRole {
    pub(crate) sts: Client,
    pub(crate) role_arn: String,
    pub(crate) external_id: Option<String>,
    pub(crate) session_name: String,
    pub(crate) policy: Option<String>,
    pub(crate) meter: Option<Arc<dyn CallMeter>>,
    pub(crate) unanswered: Mutex<Option<NoAnswer>>,
}

impl AssumedRole {
    async fn assume(&self) -> CredentialsResult {
        if let Some(error) = self.still_unanswered() {
            return Err(self.failed(error));
        }
        let request = self
            .sts
            .assume_role()
            .role_arn(&self.role_arn)
            .set_external_id(self.external_id.clone())
            .role_session_name(&self.session_name)
            .set_policy(self.policy.clone());
        let begun = Instant::now();
        let answer = timeout(ASSUME_TIMEOUT, request.send()).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(late) => Err(SdkError::timeout_error(late)),
        };
        let call = Call::new(ASSUME_ROLE, &self.role_arn);
        let class = answer.as_ref().err().map(|error| classify::fault(&call, error).class);
        if let Some(meter) = &self.meter {
            meter.ended(call.operation, class, begun.elapsed());
        }
        let answer = answer.map_err(|error| {
            let error = Arc::new(error);
            // What STS refuses may be mended at any time.
            if class == Some(FaultClass::Unavailable) {
                *self.no_answer() = Some((Instant::now(), Arc::clone(&error)));
            }
            self.failed(error)
        })?;
        let given = answer
            .credentials
            .ok_or_else(|| CredentialsError::unhandled("AssumeRole answered no credentials"))?;
        let expiry = SystemTime::try_from(given.expiration).map_err(CredentialsError::unhandled)?;
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(expiry),
            "AssumeRole",
        ))
    }

    fn failed(&self, error: Arc<SdkError<AssumeRoleError, HttpResponse>>) -> CredentialsError {
        CredentialsError::provider_error(RoleFault { role: self.role_arn.clone(), error })
    }

    fn still_unanswered(&self) -> Option<Arc<SdkError<AssumeRoleError, HttpResponse>>> {
        let last = self.no_answer();
        let (_, error) = last.as_ref().filter(|(at, _)| at.elapsed() < PAUSE)?;
        Some(Arc::clone(error))
    }

    fn no_answer(&self) -> MutexGuard<'_, Option<NoAnswer>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A role that could not be assumed, and why.
#[derive(Debug)]
pub(crate) struct RoleFault {
    pub(crate) role: String,
    pub(crate) error: Arc<SdkError<AssumeRoleError, HttpResponse>>,
}

impl fmt::Display for RoleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot assume {}", self.role)
    }
}

impl Error for RoleFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.error.as_ref())
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_calls_that_fail_together_one_empties_the_cache() {
        let cache = ForgettableCache::new();
        let (first, second) = (cache.generation(), cache.generation());
        assert!(cache.forget(first));
        assert!(!cache.forget(second));
        assert!(cache.forget(cache.generation()));
    }
}
