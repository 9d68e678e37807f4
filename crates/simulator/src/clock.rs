//! What time it is in the simulated world: an epoch plus the (possibly paused) tokio clock,
//! optionally running faster than it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The world's only clock. Cloning shares the time.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    epoch: Timestamp,
    started: Instant,
    speed: u32,
}

impl SimClock {
    /// A clock that shows `epoch` now and follows tokio's clock from here, `speed` times as fast
    /// (0 counts as 1). Must be called inside a tokio runtime.
    pub fn starting_at(epoch: Timestamp, speed: u32) -> Self {
        Self { epoch, started: Instant::now(), speed: speed.max(1) }
    }

    /// Simulated time, to the microsecond.
    pub fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed().saturating_mul(self.speed);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
        self.epoch.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// Waits until the simulated time `until`; returns at once when it has passed.
    pub async fn sleep_until(&self, until: Timestamp) {
        let left = until.duration_since(self.now());
        let Ok(left) = Duration::try_from(left) else { return };
        tokio::time::sleep(left / self.speed).await;
    }

    /// Waits for a span of simulated time.
    pub async fn sleep(&self, span: Duration) {
        let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        self.sleep_until(self.now().saturating_add(span).unwrap_or(Timestamp::MAX)).await;
    }
}
