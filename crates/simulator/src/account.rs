//! An account as a whole.

use amiferry_core::ids::AccountId;

use crate::world::State;

/// Closes an account: all that it has is gone, nothing of its own happens any more, and its
/// credentials are unknown. Roles of others that trust it stay.
pub fn close(state: &mut State, account: &AccountId) {
    state.closed.insert(account.clone());
    state.iam.remove(account);
    state.ec2.retain(|(owner, _), _| owner != account);
    state.sqs.retain(|(owner, _), _| owner != account);
    state.kms.retain(|(owner, _), _| owner != account);
    state.events.retain(|(owner, _), _| owner != account);
    state.secrets.retain(|(owner, _), _| owner != account);
    state.cloudformation.retain(|(owner, _), _| owner != account);
    state.s3.remove_of(account);
}
