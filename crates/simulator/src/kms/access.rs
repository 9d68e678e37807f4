//! Whether a caller may use a key, directly or through a service: key policy, own policies and
//! grants, then the key's state.

use amiferry_core::ids::Arn;
use jiff::Timestamp;

use super::grant::EncryptionContext;
use super::key::Key;
use super::{absent, look};
use crate::iam::{Access, Denial, authorize};
use crate::principal::Principal;
use crate::wire::ApiError;
use crate::world::State;

/// What is asked of a key.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The operation, such as `Decrypt`.
    pub operation: &'a str,
    /// Its encryption context.
    pub context: &'a EncryptionContext,
    /// Grant tokens; no service but KMS itself has a parameter for them.
    pub tokens: &'a [String],
    /// The service that asks in the caller's name, as `kms:ViaService` has it:
    /// `s3.us-east-1.amazonaws.com`. `None` for a direct call.
    pub via: Option<&'a str>,
}

/// Whether key policy, the caller's own policies or a grant allow it. The key's state is not
/// looked at.
///
/// # Errors
/// The denial of IAM.
pub(super) fn decide(
    state: &State,
    now: Timestamp,
    caller: &Principal,
    key: &Key,
    wish: &Wish<'_>,
) -> Result<(), Denial> {
    let action = format!("kms:{}", wish.operation);
    let names: Vec<String> =
        wish.context.keys().map(|name| format!("kms:EncryptionContext:{name}")).collect();
    let mut context: Vec<(&str, String)> =
        names.iter().map(String::as_str).zip(wish.context.values().cloned()).collect();
    context.extend(wish.context.keys().map(|name| ("kms:EncryptionContextKeys", name.clone())));
    context.extend(wish.via.map(|via| ("kms:ViaService", via.to_owned())));
    context.push(("aws:ViaAWSService", wish.via.is_some().to_string()));
    if matches!(wish.operation, "CreateGrant" | "ListGrants" | "RevokeGrant") {
        // A direct call never counts as made by a service for its resource.
        context.push(("kms:GrantIsForAWSResource", wish.via.is_some().to_string()));
    }
    let Some(owner) = key.arn.account() else { return Ok(()) };
    let access = Access {
        action: &action,
        resource: key.arn.as_str(),
        owner: &owner,
        resource_policy: Some(&key.policy.1),
        context: &context,
    };
    match authorize(state, caller, &access) {
        Err(denial) if !denial.explicit && granted(state, now, caller, key, wish) => Ok(()),
        decision => decision,
    }
}

fn granted(state: &State, now: Timestamp, caller: &Principal, key: &Key, wish: &Wish<'_>) -> bool {
    let delay = state.settings.kms.grant_delay;
    key.grants
        .values()
        .any(|grant| grant.allows(caller, wish.operation, wish.context, delay, wish.tokens, now))
}

/// Whether a service may use a key in the caller's name now. The ARN may be one of an alias.
///
/// # Errors
/// KMS's own: `AccessDeniedException`, also for another account's key that is not there;
/// `NotFoundException`; the error of the key's state.
pub fn use_by_service(
    state: &State,
    now: Timestamp,
    caller: &Principal,
    arn: &Arn,
    wish: &Wish<'_>,
) -> Result<(), ApiError> {
    let Some(key) = look(state, arn) else {
        let own = arn.account().as_ref() == Some(&caller.account);
        return Err(if own { absent(arn) } else { hidden(caller, arn, wish.operation) });
    };
    decide(state, now, caller, key, wish)
        .map_err(|denial| ApiError::new(400, "AccessDeniedException", denial.message))?;
    key.check_crypto()
}

/// The refusal of another account's key, which does not say whether it exists.
pub(super) fn hidden(caller: &Principal, arn: &Arn, operation: &str) -> ApiError {
    let message = format!(
        "User: {} is not authorized to perform: kms:{operation} on resource: {arn} because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
        caller.arn()
    );
    ApiError::new(400, "AccessDeniedException", message)
}
