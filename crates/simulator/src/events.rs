//! Simulated EventBridge: rules of an account's default bus that send events to queues.

use amiferry_core::ids::{AccountId, Region};
use jiff::Timestamp;
use serde_json::Value;

use crate::world::State;

/// The default bus of one account and Region.
#[derive(Debug, Default)]
pub struct Bus {}

/// Puts an event on the default bus; every matching rule sends it to its queue.
pub fn emit(
    _state: &mut State,
    _at: Timestamp,
    _account: &AccountId,
    _region: &Region,
    _event: &Value,
) {
}
