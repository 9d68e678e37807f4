//! Who calls: an account's root, or a session of an assumed role.

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
    },
    /// A service of AWS, such as `events.amazonaws.com`.
    Service(String),
}

impl Principal {
    /// The account's root.
    pub fn root(account: AccountId) -> Self {
        Self { account, kind: PrincipalKind::Root }
    }

    /// A session of a role, without a session policy.
    pub fn session(account: AccountId, role: &str, session: &str, expires: Timestamp) -> Self {
        let (role, session) = (role.to_owned(), session.to_owned());
        Self { account, kind: PrincipalKind::Session { role, session, expires, policy: None } }
    }

    /// The ARN that `GetCallerIdentity` and denials show.
    pub fn arn(&self) -> String {
        match &self.kind {
            PrincipalKind::Root => format!("arn:aws:iam::{}:root", self.account),
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
            PrincipalKind::Root | PrincipalKind::Service(_) => None,
        }
    }
}
