//! Who calls: an account's root, a user, a session of an assumed role, or a service.

use std::collections::BTreeMap;

use amiferry_core::ids::AccountId;
use jiff::Timestamp;

/// The caller of one request, as IAM sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The account the caller belongs to.
    pub account: AccountId,
    /// What kind of caller, with its own data.
    pub kind: PrincipalKind,
}

/// The kinds of caller that the simulation knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The account itself: an access key id that is the account number.
    Root,
    /// An IAM user with an access key of its own.
    User { name: String },
    /// A session of a role.
    Session {
        /// The role's name.
        role: String,
        /// The session's name.
        session: String,
        /// When the credentials stop working.
        expires: Timestamp,
        /// A session policy (JSON) that intersects with the role's, if one was given.
        policy: Option<String>,
        /// What else was said when the role was assumed.
        context: SessionContext,
    },
    /// A service of AWS, such as `events.amazonaws.com`.
    Service(String),
}

/// What `AssumeRole` attached to a session in addition to its policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionContext {
    /// When it was issued: `aws:TokenIssueTime`.
    pub issued: Timestamp,
    /// Session tags: `aws:PrincipalTag/…`.
    pub tags: BTreeMap<String, String>,
    /// The keys of those tags that a chained session inherits.
    pub transitive: Vec<String>,
    /// The STS source identity; role chaining does not change it.
    pub source_identity: Option<String>,
    /// Whether it was revoked, which denies it everything.
    pub revoked: bool,
    /// ARNs of managed policies that, with the session policy, bound what it may do.
    pub policies: Vec<String>,
}

impl Principal {
    /// The account's root.
    pub fn root(account: AccountId) -> Self {
        Self { account, kind: PrincipalKind::Root }
    }

    /// A session of a role, without a session policy.
    pub fn session(account: AccountId, role: &str, session: &str, expires: Timestamp) -> Self {
        let (role, session) = (role.to_owned(), session.to_owned());
        let context = SessionContext::default();
        let kind = PrincipalKind::Session { role, session, expires, policy: None, context };
        Self { account, kind }
    }

    /// The ARN that `GetCallerIdentity` and denials show.
    pub fn arn(&self) -> String {
        match &self.kind {
            PrincipalKind::Root => format!("arn:aws:iam::{}:root", self.account),
            PrincipalKind::User { name } => format!("arn:aws:iam::{}:user/{name}", self.account),
            PrincipalKind::Session { role, session, .. } => {
                format!("arn:aws:sts::{}:assumed-role/{role}/{session}", self.account)
            }
            PrincipalKind::Service(name) => name.clone(),
        }
    }

    /// The ARN of the role behind a session; what policies name.
    pub fn role_arn(&self) -> Option<String> {
        match &self.kind {
            PrincipalKind::Session { role, .. } => {
                Some(format!("arn:aws:iam::{}:role/{role}", self.account))
            }
            PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::Service(_) => None,
        }
    }

    /// What `AssumeRole` attached, for a session.
    pub fn session_context(&self) -> Option<&SessionContext> {
        match &self.kind {
            PrincipalKind::Session { context, .. } => Some(context),
            PrincipalKind::Root | PrincipalKind::User { .. } | PrincipalKind::Service(_) => None,
        }
    }

    /// As `aws:PrincipalType` and CloudTrail name the kind.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            PrincipalKind::Root => "Account",
            PrincipalKind::User { .. } => "User",
            PrincipalKind::Session { .. } => "AssumedRole",
            PrincipalKind::Service(_) => "AWSService",
        }
    }
}
