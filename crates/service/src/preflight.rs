//! The preconditions of a worker's start, and one clear error for each that is not met.

use std::fmt;

use amiferry_core::code::Code;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, Arn};
use amiferry_core::ports::{Caller, Identity};
use amiferry_core::refusal;

/// A precondition that is not met: what is needed, which principal needs it, what was found, and
/// how to fix it.
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
    /// The kind of problem, which decides the exit status.
    pub kind: UnmetKind,
}

/// Kinds of unmet preconditions, one for each exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnmetKind {
    /// No usable credentials, or those of another account.
    Identity,
    /// A resource is missing, unsuitable, or may not be used.
    Resource,
    /// AWS does not answer.
    Unavailable,
}

impl Unmet {
    /// A call that failed.
    pub fn call(need: impl Into<String>, principal: &str, fault: &Fault) -> Self {
        let (kind, fix) = match fault.class {
            FaultClass::Credentials => {
                (UnmetKind::Identity, "check the credentials and the profile".to_owned())
            }
            FaultClass::Denied => {
                let (operation, resource) = (fault.operation, &fault.resource);
                (
                    UnmetKind::Resource,
                    format!("allow {principal} to call {operation} on {resource}"),
                )
            }
            FaultClass::NotFound => (
                UnmetKind::Resource,
                format!("create {}, or correct its name in the configuration", fault.resource),
            ),
            FaultClass::Throttled | FaultClass::Unavailable | FaultClass::OutcomeUnknown => {
                let fix = "check the endpoint and the network, then start again";
                (UnmetKind::Unavailable, fix.to_owned())
            }
            FaultClass::KeyUnusable => (UnmetKind::Resource, Code::KeyUnusable.remedy().to_owned()),
            FaultClass::Bug => (
                UnmetKind::Resource,
                "check that the endpoint is one of AWS: its answer cannot be read".to_owned(),
            ),
            FaultClass::QuotaFull | FaultClass::Conflict | FaultClass::Invalid => {
                (UnmetKind::Resource, format!("correct {} in the configuration", fault.resource))
            }
        };
        let caller = Some(principal).filter(|principal| principal.starts_with("arn:"));
        Self {
            need: need.into(),
            principal: principal.to_owned(),
            found: fault.statement(),
            fix: refusal::remedy(fault, caller).unwrap_or(fix),
            kind,
        }
    }

    /// A resource that exists but is unsuitable.
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

/// The caller's identity, whose account must be `account`.
///
/// # Errors
/// Missing or refused credentials, or those of another account.
pub async fn identity(identity: &dyn Identity, account: &AccountId) -> Result<Caller, Unmet> {
    let need = format!("credentials of account {account}");
    let caller = identity.caller().await.map_err(|fault| {
        let mut unmet = Unmet::call(
            need.clone(),
            "unknown, because AWS did not say whose credentials these are",
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

/// Tells what of a queue's settings loses messages or events, and keeps no worker from its start.
pub fn tell_queue(queue: &Arn, has_dead_letter_queue: bool, is_under_aws_key: bool) {
    if !has_dead_letter_queue {
        tracing::warn!(amiferry.resource = %queue, "the queue has no dead-letter queue");
    }
    if is_under_aws_key {
        tracing::warn!(
            amiferry.resource = %queue,
            amiferry.detail = "it is encrypted with alias/aws/sqs, whose policy lets no service use it",
            amiferry.remedy = "encrypt the queue with a customer managed key whose policy allows \
                               kms:GenerateDataKey and kms:Decrypt to events.amazonaws.com and \
                               s3.amazonaws.com, or with SSE-SQS",
            "no event reaches the queue: only sweeps find work"
        );
    }
}

/// Whether AWS answered a question, whatever the answer says. A worker also starts if this version
/// cannot read the answer, because the rest of its work does not need it.
///
/// # Errors
/// Any other fault.
pub fn reached<T>(answer: Result<T, Fault>) -> Result<(), Fault> {
    match answer {
        Ok(_) => Ok(()),
        Err(fault) if fault.class == FaultClass::Bug => {
            tracing::warn!(
                error.type = fault.class.as_str(),
                error.message = fault.detail,
                amiferry.error.code = fault.code,
                amiferry.resource = fault.resource,
                aws.request_id = fault.request_id,
                "an answer from AWS cannot be read"
            );
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}
