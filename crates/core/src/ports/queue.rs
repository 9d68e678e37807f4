//! The queue that brings events.

use std::time::Duration;

use async_trait::async_trait;

use super::Listing;
use crate::fault::Fault;

/// How long a received message is hidden from other receivers, unless the worker extends it.
///
/// Long enough for a few tries at renewing it, and short, because this is how long a message of a
/// dead worker waits for the next one.
pub const HIDDEN: Duration = Duration::from_secs(60);

/// One SQS standard queue: at-least-once, unordered.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Up to `max` (1 to 10) messages, waiting at most `wait` (whole seconds, 0 to 20) for the
    /// first. An empty answer is `Ok`. Each message is hidden for [`HIDDEN`], whatever the queue
    /// is set to, so that a worker need not know that setting.
    async fn receive(&self, max: u8, wait: Duration) -> Result<Listing<Message>, Fault>;

    /// Deletes messages, at most 10 a call; answers for each receipt in order. Deleting twice,
    /// or with an outdated receipt, is `Ok` where SQS allows it.
    async fn delete(&self, receipts: &[Receipt]) -> Result<Vec<Result<(), Fault>>, Fault>;

    /// Makes a message visible to others again after `delay` (whole seconds; zero: now), sooner or
    /// later than it would be; SQS refuses more than 12 hours after the receive. Answers for each
    /// receipt in order.
    async fn release(
        &self,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Result<Vec<Result<(), Fault>>, Fault>;

    /// How much is in the queue, approximately.
    async fn depth(&self) -> Result<QueueDepth, Fault>;

    /// How many messages are in the dead-letter queue behind it, approximately; `None` where
    /// there is no such queue.
    async fn dead_letter_count(&self) -> Result<Option<u64>, Fault>;
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What deletes or releases this delivery.
    pub receipt: Receipt,
    /// SQS's id of the message, for logs.
    pub id: String,
    /// The body: untrusted text.
    pub body: String,
    /// How often it was received, this time included; 0 where SQS did not say.
    pub receive_count: u32,
}

/// The handle of one delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub String);

/// Approximate numbers of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// Visible, waiting to be received.
    pub waiting: u64,
    /// Received and not yet deleted.
    pub in_flight: u64,
}
