//! What must hold before a worker starts, and the one clear error when it does not.

use std::fmt;

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::AccountId;
use amiferry_core::ports::{Caller, Identity};

/// A precondition that is not met: what was needed, who asked, what came back, how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// What is needed, naming the resource.
    pub need: String,
    /// The principal that needs it, as AWS names it.
    pub principal: String,
    /// What was found instead: AWS's answer or a fact.
    pub found: String,
    /// What a person can do.
    pub fix: String,
    /// The family of the problem.
    pub kind: UnmetKind,
}

/// Families of unmet preconditions, by the exit status they lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnmetKind {
    /// No usable credentials, or those of another account.
    Identity,
    /// A resource is missing, unsuitable, or may not be used.
    Resource,
    /// AWS does not answer, or not now.
    Unavailable,
}

impl Unmet {
    /// A call that failed.
    pub fn call(need: impl Into<String>, principal: &str, fault: &Fault) -> Self {
        let (kind, fix) = match fault.class {
            FaultClass::Credentials => (
                UnmetKind::Identity,
                "check the credentials, the profile and the role's trust policy".to_owned(),
            ),
            FaultClass::Denied => {
                let (operation, resource) = (fault.operation, &fault.resource);
                (UnmetKind::Resource, format!("allow {operation} on {resource} to {principal}"))
            }
            FaultClass::NotFound => (
                UnmetKind::Resource,
                format!("create {}, or correct its name in the configuration", fault.resource),
            ),
            FaultClass::Throttled | FaultClass::Unavailable | FaultClass::OutcomeUnknown => {
                (UnmetKind::Unavailable, "check endpoint and network, then start again".to_owned())
            }
            FaultClass::QuotaFull
            | FaultClass::Conflict
            | FaultClass::Invalid
            | FaultClass::KeyUnusable
            | FaultClass::Bug => {
                (UnmetKind::Resource, format!("correct {} in the configuration", fault.resource))
            }
        };
        Self {
            need: need.into(),
            principal: principal.to_owned(),
            found: fault.to_string(),
            fix,
            kind,
        }
    }

    /// A resource that is there but does not suit.
    pub fn unsuitable(
        need: impl Into<String>,
        principal: &str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            need: need.into(),
            principal: principal.to_owned(),
            found: found.into(),
            fix: fix.into(),
            kind: UnmetKind::Resource,
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { need, principal, found, fix, .. } = self;
        write!(
            f,
            "cannot start without {need}\n  principal: {principal}\n  found: {found}\n  fix: {fix}"
        )
    }
}

impl std::error::Error for Unmet {}

/// Who we are, which must be `account`.
///
/// # Errors
/// Missing or refused credentials, or those of another account.
pub async fn identity(identity: &dyn Identity, account: &AccountId) -> Result<Caller, Unmet> {
    let need = format!("credentials of account {account}");
    let caller = identity.caller().await.map_err(|fault| {
        let mut unmet = Unmet::call(
            need.clone(),
            "unknown, for nobody said whose credentials these are",
            &fault,
        );
        if unmet.kind == UnmetKind::Resource {
            unmet.kind = UnmetKind::Identity;
        }
        unmet
    })?;
    if caller.account == *account {
        return Ok(caller);
    }
    Err(Unmet {
        need,
        found: format!("credentials of account {}", caller.account),
        principal: caller.arn,
        fix: "use the credentials or profile of the configured account".to_owned(),
        kind: UnmetKind::Identity,
    })
}
