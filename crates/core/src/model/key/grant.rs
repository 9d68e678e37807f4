//! Grants on a key, as `ListGrants` shows them. They only ever allow, and no absence of one proves
//! anything, so they are shown to people and decide nothing.

use std::collections::BTreeMap;
use std::fmt;

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Who gets the permission.
    pub grantee: Grantee,
    /// The principal or service that may retire it.
    pub retiring: Option<String>,
    /// What it allows, in KMS's names.
    pub operations: Vec<String>,
    /// Encryption contexts must be exactly these pairs.
    pub context_equals: BTreeMap<String, String>,
    /// Encryption contexts must have at least these pairs.
    pub context_includes: BTreeMap<String, String>,
    /// The resource that a service must act for.
    pub source_arn: Option<String>,
}

/// Who gets the permission of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A user, role or account. For an AWS service this is its principal too, and stands for
    /// several grantees.
    Principal(String),
    /// A service, which acts for the resource of the grant's source ARN only.
    Service(String),
    /// KMS names none.
    Unnamed,
}

impl Grant {
    /// Whether it names this principal: the ARN itself, or the role of an assumed-role session.
    pub fn is_for(&self, principal: &str) -> bool {
        let Grantee::Principal(grantee) = &self.grantee else { return false };
        grantee == principal || role_of(principal).is_some_and(|role| role == *grantee)
    }
}

/// The role's ARN behind that of a session: `arn:aws:sts::1:assumed-role/r/s` is of
/// `arn:aws:iam::1:role/r`, whose path the session does not tell.
pub(in crate::model) fn role_of(session: &str) -> Option<String> {
    let (before, rest) = session.split_once(":assumed-role/")?;
    let (role, _) = rest.split_once('/')?;
    Some(format!("{}:role/{role}", before.replacen(":sts:", ":iam:", 1)))
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, operations, .. } = self;
        let grantee = match &self.grantee {
            Grantee::Principal(name) => name.as_str(),
            Grantee::Service(name) => name.as_str(),
            Grantee::Unnamed => "a grantee that KMS does not name",
        };
        write!(f, "{id} lets {grantee} do {}", operations.join(", "))?;
        for (words, pairs) in [
            ("only in the encryption context", &self.context_equals),
            ("only in an encryption context with", &self.context_includes),
        ] {
            if !pairs.is_empty() {
                let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, ", {words} {}", pairs.join(" "))?;
            }
        }
        if let Some(arn) = &self.source_arn {
            write!(f, ", only for {arn}")?;
        }
        match &self.retiring {
            Some(name) => write!(f, ", until {name} retires it"),
            None => Ok(()),
        }
    }
}
