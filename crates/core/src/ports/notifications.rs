//! The event bus that a vault tells of changes.

use async_trait::async_trait;

use crate::fault::Fault;
use crate::notification::Notification;

/// Most notifications of one call, set by EventBridge.
pub const NOTIFICATIONS: usize = 10;

/// Where notifications go.
#[async_trait]
pub trait Notifications: Send + Sync {
    /// Puts up to [`NOTIFICATIONS`] on the bus. Returns a result for each, in order. What is put twice
    /// arrives twice, which readers must bear.
    ///
    /// # Errors
    /// The whole call failed; it may have put them all the same.
    async fn put(&self, notifications: &[Notification]) -> Result<Vec<Result<(), Fault>>, Fault>;
}
