//! The queue behind a worker's queue, for messages that were received too often.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Listing, Message, QueueDepth, Receipt};
use crate::fault::Fault;
use crate::ids::Arn;

/// The dead-letter queue of one worker's queue, and the way back to it.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// How much is in it, approximately.
    async fn depth(&self) -> Result<QueueDepth, Fault>;

    /// Up to `max` (1 to 10) messages, hidden from other consumers for `hidden` (whole seconds, at
    /// most 12 hours). An empty answer is `Ok`: no message is left, or other consumers hold them.
    /// SQS counts this as a receive of each.
    async fn take(&self, max: u8, hidden: Duration) -> Result<Listing<DeadLetter>, Fault>;

    /// Makes messages visible again now. Returns a result for each receipt, in order; the other
    /// messages become visible by themselves later.
    async fn put_back(&self, receipts: &[Receipt]) -> Result<Vec<Result<(), Fault>>, Fault>;

    /// Sends a body to the worker's queue as a new message, and returns its id. Repeating sends it
    /// twice, which does no harm.
    async fn send_back(&self, body: &str) -> Result<String, Fault>;

    /// Deletes one message. Deleting twice is `Ok`.
    async fn remove(&self, receipt: &Receipt) -> Result<(), Fault>;
}

/// A message in a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message; its count of receives is over all queues and readers.
    pub message: Message,
    /// When it was first sent; the move to the dead-letter queue keeps this. `None` where SQS did
    /// not say.
    pub sent: Option<Timestamp>,
    /// The queue that it came from, where that is not the worker's: several queues may share one
    /// for dead letters.
    pub elsewhere: Option<Arn>,
}
