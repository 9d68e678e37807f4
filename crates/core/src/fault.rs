//! How an effect or a question to AWS fails: one small set of classes that says what to do next.

use std::fmt;

use crate::refusal;

/// What to do about a failure. A new class is a design decision, not a detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultClass {
    /// Too many requests: slow down, then repeat.
    Throttled,
    /// An AWS quota is full with running work: wait until some of it ends.
    QuotaFull,
    /// A policy does not let the caller do this; repeating does not help until a person changes it.
    Denied,
    /// The resource does not exist. Right after its creation that can pass; later it is an answer.
    NotFound,
    /// The resource already exists, or another caller was faster: look again.
    Conflict,
    /// AWS cannot do what is asked as things are: the request is wrong, or its resource, account or
    /// Region is in a state that forbids it; repeating gives the same answer until a person acts.
    Invalid,
    /// A KMS key is disabled, pending deletion or otherwise unusable.
    KeyUnusable,
    /// The effect may or may not have happened: look before doing anything else.
    OutcomeUnknown,
    /// The service or the network does not answer: repeat later.
    Unavailable,
    /// The credentials are expired, revoked or unavailable: get new ones, then repeat.
    Credentials,
    /// An answer that this version does not understand.
    Bug,
}

impl FaultClass {
    /// Every class, in the order of its declaration.
    pub const ALL: [Self; 11] = [
        Self::Throttled,
        Self::QuotaFull,
        Self::Denied,
        Self::NotFound,
        Self::Conflict,
        Self::Invalid,
        Self::KeyUnusable,
        Self::OutcomeUnknown,
        Self::Unavailable,
        Self::Credentials,
        Self::Bug,
    ];

    /// The name used as a metric label and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::QuotaFull => "quota_full",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::KeyUnusable => "key_unusable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Unavailable => "unavailable",
            Self::Credentials => "credentials",
            Self::Bug => "bug",
        }
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed call, with everything that an operator needs to find its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What to do about it.
    pub class: FaultClass,
    /// `service:Operation`, such as `ec2:CreateStoreImageTask`.
    pub operation: &'static str,
    /// The resource of the call: an id, `bucket/key`, a queue URL, an ARN.
    pub resource: String,
    /// AWS's error code, or one of amiferry's if AWS gave none.
    pub code: String,
    /// AWS's message, cut, with invisible characters made visible: for people, never for decisions.
    pub detail: String,
    /// The request id, for AWS support.
    pub request_id: Option<String>,
}

impl Fault {
    /// What failed, with AWS's words, but not what to do about it.
    pub fn statement(&self) -> String {
        let Self { class, operation, resource, code, detail, request_id } = self;
        let mut text = format!("{operation} on {resource} failed ({class}, {code})");
        if !detail.is_empty() {
            text.push_str(": ");
            text.push_str(detail);
        }
        if let Some(id) = request_id {
            text.push_str(&format!(" [request {id}]"));
        }
        text
    }

    /// What a person can do about it, where the class alone does not say.
    pub fn remedy(&self) -> Option<String> {
        refusal::remedy(self, None)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.statement())?;
        match self.remedy() {
            Some(remedy) => write!(f, "; to do: {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}
