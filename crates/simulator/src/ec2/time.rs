//! Arithmetic on simulated time, and how EC2 writes it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// `span` after `at`; the end of time where there is none.
pub fn after(at: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// How much of the way from `start` to `end` has passed at `now`, in percent.
pub fn percent(start: Timestamp, end: Timestamp, now: Timestamp) -> u64 {
    let whole = end.duration_since(start).as_millis();
    let passed = now.duration_since(start).as_millis();
    if whole <= 0 {
        return 100;
    }
    u64::try_from((passed * 100 / whole).clamp(0, 100)).unwrap_or(0)
}

/// `2026-01-02T03:04:05.678Z`.
pub fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_stay_between_nothing_and_all() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (start, end, now, expected) in
            [(0, 10, -5, 0), (0, 10, 0, 0), (0, 10, 5, 50), (0, 10, 11, 100), (5, 5, 5, 100)]
        {
            assert_eq!(percent(at(start), at(end), at(now)), expected, "{start}..{end} at {now}");
        }
    }

    #[test]
    fn times_are_written_with_three_digits_of_a_second() {
        let at: Timestamp = "2026-01-02T03:04:05.6Z".parse().unwrap();
        assert_eq!(written(at), "2026-01-02T03:04:05.600Z");
    }
}
