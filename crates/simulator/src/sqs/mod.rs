//! Simulated SQS: standard queues of one account and Region.

pub mod wire;

use amiferry_core::ids::Arn;
use jiff::Timestamp;

use crate::world::State;

/// SQS of one account and Region.
#[derive(Debug, Default)]
pub struct Site {}

/// A message from EventBridge or S3 reaches a queue. A queue that is gone loses it.
pub fn deliver(_state: &mut State, _at: Timestamp, _queue: &Arn, _body: String) {}
