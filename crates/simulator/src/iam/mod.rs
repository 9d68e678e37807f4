//! Simulated IAM: roles, policies, and whether a call is allowed.
//!
//! [`policy`] reads documents, [`condition`] their conditions, [`pattern`] their wildcards and
//! variables, [`evaluate`] decides.

pub mod condition;
pub mod evaluate;
mod keys;
pub mod pattern;
pub mod policy;
mod request;
mod user;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn};

use crate::principal::{Principal, PrincipalKind};
use crate::world::State;

pub use evaluate::authorize;
pub use policy::Policy;
pub use user::{User, create_user, delete_user};

/// A role's longest session unless it says otherwise, in seconds.
pub const DEFAULT_MAX_SESSION: u32 = 3600;

/// IAM of one account.
#[derive(Debug, Default)]
pub struct Account {
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// Managed policies by ARN, for `PolicyArns` of a session.
    pub managed: BTreeMap<String, Policy>,
    /// The organisation that the account belongs to: `aws:PrincipalOrgID` of its callers.
    pub organisation: Option<String>,
}

/// A role that others may assume.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its trust policy: which principals may assume it, under which conditions.
    pub trust: Policy,
    /// What its sessions may do.
    pub permissions: Policy,
    /// The longest session it gives, in seconds.
    pub max_session: u32,
    /// The unique id behind the name (`AROA…`): a role deleted and created again has another one.
    pub id: String,
}

/// A role to make.
#[derive(Debug, Clone)]
pub struct RoleSpec<'a> {
    /// Its name, unique in the account.
    pub name: &'a str,
    /// The trust policy document.
    pub trust_json: &'a str,
    /// The permission policy document.
    pub permissions_json: &'a str,
    /// The longest session in seconds, 3,600 to 43,200.
    pub max_session: u32,
}

/// Makes a role, or replaces the one of that name (whose sessions then use the new policies).
///
/// # Errors
/// What is wrong with which policy document.
pub fn create_role(
    state: &mut State,
    account: &AccountId,
    spec: &RoleSpec<'_>,
) -> Result<Arn, String> {
    let RoleSpec { name, trust_json, permissions_json, max_session } = *spec;
    if !(3600..=43_200).contains(&max_session) {
        return Err(format!("role {name}: max_session must be 3600 to 43200, not {max_session}"));
    }
    let trust = Policy::parse_trust(trust_json)
        .map_err(|error| format!("trust policy of role {name}: {error}"))?;
    let permissions = Policy::parse_identity(permissions_json)
        .map_err(|error| format!("permission policy of role {name}: {error}"))?;
    let arn = format!("arn:aws:iam::{account}:role/{name}")
        .parse()
        .map_err(|error| format!("role name {name:?}: {error}"))?;
    let id = format!("AROA{}", identifier(&mut state.rng, 17));
    let role = Role { trust, permissions, max_session, id };
    state.iam.entry(account.clone()).or_default().roles.insert(name.to_owned(), role);
    Ok(arn)
}

/// A role of an account, by its name.
pub fn role<'s>(state: &'s State, account: &AccountId, name: &str) -> Option<&'s Role> {
    state.iam.get(account)?.roles.get(name)
}

/// Deletes a role, if there is one: its sessions may do nothing any more.
pub fn delete_role(state: &mut State, account: &AccountId, name: &str) {
    if let Some(account) = state.iam.get_mut(account) {
        account.roles.remove(name);
    }
}

/// Makes a managed policy known in an account, also one of AWS's own
/// (`arn:aws:iam::aws:policy/ReadOnlyAccess`), whose text the simulation does not have.
///
/// # Errors
/// What is wrong with the document.
pub fn put_managed_policy(
    state: &mut State,
    account: &AccountId,
    arn: &str,
    json: &str,
) -> Result<(), String> {
    let policy = Policy::parse_identity(json).map_err(|error| format!("policy {arn}: {error}"))?;
    state.iam.entry(account.clone()).or_default().managed.insert(arn.to_owned(), policy);
    Ok(())
}

/// The unique id of a caller: `AROA…:SESSION`, `AIDA…`, or the account of a root.
pub(crate) fn user_id(state: &State, caller: &Principal) -> String {
    let account = state.iam.get(&caller.account);
    match &caller.kind {
        PrincipalKind::Session { role, session, .. } => {
            let role = account.and_then(|account| account.roles.get(role));
            format!("{}:{session}", role.map(|role| role.id.as_str()).unwrap_or_default())
        }
        PrincipalKind::User { name } => {
            let user = account.and_then(|account| account.users.get(name));
            user.map(|user| user.id.clone()).unwrap_or_default()
        }
        PrincipalKind::Root | PrincipalKind::Service(_) => caller.account.to_string(),
    }
}

/// Letters and digits as AWS's unique ids have them.
pub(crate) fn identifier(rng: &mut fastrand::Rng, length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..length).map(|_| char::from(ALPHABET[rng.usize(..ALPHABET.len())])).collect()
}

/// One question to IAM: may the caller do this?
#[derive(Debug)]
pub struct Access<'a> {
    /// The action, such as `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of the resource.
    pub resource: &'a str,
    /// The account that owns the resource.
    pub owner: &'a AccountId,
    /// The resource's own policy (bucket, queue, key, role trust), if it has one.
    pub resource_policy: Option<&'a Policy>,
    /// Condition keys of this request and their values, such as `sts:ExternalId`; a multivalued
    /// key stands here once for each value. The keys that follow from the caller
    /// (`aws:PrincipalArn`, …) are added by [`authorize`].
    pub context: &'a [(&'a str, String)],
}

/// A refusal in AWS's words: the principal, the action, the resource, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// `User: ARN is not authorized to perform: ACTION on resource: ARN because …`.
    pub message: String,
    /// Whether a statement denied it; otherwise none allowed it. A KMS grant helps only then.
    pub explicit: bool,
}
