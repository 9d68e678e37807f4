//! Time between the SDK and the core: one clock for both, and both ways of writing an instant.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amiferry_core::ports::Clock;
use aws_smithy_async::time::TimeSource;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

/// The core's clock as the SDK's: signatures and credential expiry follow it.
#[derive(Clone)]
pub(crate) struct ClockTime(pub(crate) Arc<dyn Clock>);

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TimeSource for ClockTime {
    fn now(&self) -> SystemTime {
        let since = self.0.now().as_nanosecond();
        // A clock before 1970 signs nothing that AWS accepts; the epoch says so just as well.
        UNIX_EPOCH + Duration::from_nanos(u64::try_from(since).unwrap_or_default())
    }
}

/// The SDK's instant as the core's; `None` outside the years that `jiff` knows.
pub(crate) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// The core's instant as the SDK's, in whole seconds rounded up: a retention must not end early.
pub(crate) fn date_time(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second() + i64::from(at.subsec_nanosecond() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    #[test]
    fn the_sdk_reads_the_time_of_the_cores_clock() {
        let clock = ClockTime(Arc::new(At("2026-01-02T03:04:05.5Z".parse().unwrap())));
        let since = clock.now().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(since, Duration::from_millis(1_767_323_045_500));
    }

    #[test]
    fn an_instant_survives_the_way_there_and_back_and_is_never_shortened() {
        for (at, back) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.001Z", "2026-01-02T03:04:06Z"),
        ] {
            let there = date_time(at.parse().unwrap());
            assert_eq!(timestamp(&there), Some(back.parse().unwrap()), "{at}");
        }
        assert_eq!(timestamp(&DateTime::from_secs(i64::MAX)), None);
    }
}
