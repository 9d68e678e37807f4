//! The two clocks: the machine's, and one that follows tokio's (which tests and demos pause).

use std::time::SystemTime;

use amiferry_core::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A machine set before 1970 shows 1970: everything is then due, nothing is lost.
        let since_1970 = SignedDuration::try_from(since_1970.unwrap_or_default());
        since_1970.and_then(Timestamp::from_duration).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A clock that starts at an epoch and runs as tokio's does, paused or not.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    epoch: Timestamp,
    start: Instant,
}

impl TokioClock {
    /// Shows `epoch` now. Needs no running runtime unless time is paused.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, start: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.start.elapsed()).unwrap_or(SignedDuration::MAX);
        self.epoch.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_system_clock_shows_a_time_after_this_was_written() {
        let written: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(SystemClock.now() > written);
    }

    #[tokio::test(start_paused = true)]
    async fn the_tokio_clock_follows_paused_time() {
        let epoch: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let clock = TokioClock::starting_at(epoch);
        assert_eq!(clock.now(), epoch);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.now().to_string(), "2030-01-01T01:00:00Z");
    }
}
