//! IAM users: long-term access keys with permissions of their own.

use amiferry_core::ids::AccountId;

use super::{Policy, identifier};
use crate::principal::{Principal, PrincipalKind};
use crate::sts::{self, LongTermKey};
use crate::world::State;

/// An IAM user: identity policies and access keys.
#[derive(Debug, Clone)]
pub struct User {
    /// What it may do.
    pub permissions: Policy,
    /// The unique id behind the name (`AIDA…`).
    pub id: String,
}

/// Makes a user, or gives the one of that name other permissions, and makes an access key for it.
///
/// # Errors
/// What is wrong with the name or the policy document.
pub fn create_user(
    state: &mut State,
    account: &AccountId,
    name: &str,
    permissions_json: &str,
) -> Result<LongTermKey, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if !(1..=64).contains(&name.len()) || !name.chars().all(fits) {
        return Err(format!(
            "user name {name:?} must be 1 to 64 letters, digits and +=,.@_- (paths are not simulated)"
        ));
    }
    let permissions = Policy::parse_identity(permissions_json)
        .map_err(|error| format!("permission policy of user {name}: {error}"))?;
    let id = format!("AIDA{}", identifier(&mut state.rng, 17));
    let users = &mut state.iam.entry(account.clone()).or_default().users;
    let user = users.entry(name.to_owned()).or_insert(User { permissions: Policy::default(), id });
    user.permissions = permissions;
    let kind = PrincipalKind::User { name: name.to_owned() };
    Ok(sts::long_term_key(state, Principal { account: account.clone(), kind }))
}

/// Deletes a user with its access keys; returns whether there was one.
pub fn delete_user(state: &mut State, account: &AccountId, name: &str) -> bool {
    let removed =
        state.iam.get_mut(account).and_then(|account| account.users.remove(name)).is_some();
    let kind = PrincipalKind::User { name: name.to_owned() };
    sts::forget(state, &Principal { account: account.clone(), kind });
    removed
}
