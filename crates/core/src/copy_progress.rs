//! How far a copy is and how long it will take, from its parts alone.
//!
//! A resumed copy starts with the parts that S3 lists, so the progress is right after a restart
//! too. The rate counts only what this worker has copied since it began, because earlier parts say
//! nothing about its speed.

use jiff::Timestamp;

/// A running copy, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyProgress {
    total: u64,
    held: u64,
    copied: u64,
    since: Timestamp,
}

impl CopyProgress {
    /// A copy of `total` bytes that begins or resumes at this time, with `held` bytes already
    /// copied.
    pub fn new(total: u64, held: u64, since: Timestamp) -> Self {
        Self { total, held, copied: 0, since }
    }

    /// A part of this many bytes was copied.
    pub fn add(&mut self, bytes: u64) {
        self.copied = self.copied.saturating_add(bytes);
    }

    /// How many bytes the copy will have.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes are copied.
    pub fn done(&self) -> u64 {
        self.held.saturating_add(self.copied).min(self.total)
    }

    /// The copied share in thousandths, rounded down: 1,000 only for a complete copy.
    pub fn permille(&self) -> u16 {
        let done = u128::from(self.done()) * 1_000;
        let permille = done.checked_div(u128::from(self.total)).unwrap_or(1_000);
        u16::try_from(permille).unwrap_or(1_000)
    }

    /// Bytes a second until now; `None` before the first part, and if no time has passed by the
    /// clock.
    pub fn rate(&self, now: Timestamp) -> Option<u64> {
        let elapsed = u128::try_from(now.duration_since(self.since).as_millis()).ok()?;
        let rate = (u128::from(self.copied) * 1_000).checked_div(elapsed)?;
        u64::try_from(rate).ok().filter(|rate| *rate > 0)
    }

    /// How many seconds the rest takes at that rate, rounded up; `None` without a rate.
    pub fn seconds_left(&self, now: Timestamp) -> Option<u64> {
        Some((self.total - self.done()).div_ceil(self.rate(now)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    #[test]
    fn what_was_there_before_counts_as_done_and_not_as_fast() {
        let mut progress = CopyProgress::new(1_000, 400, at(0));
        assert_eq!((progress.done(), progress.permille()), (400, 400));
        assert_eq!(progress.rate(at(5_000)), None, "nothing was copied yet");
        assert_eq!(progress.seconds_left(at(5_000)), None);
        progress.add(100);
        assert_eq!((progress.done(), progress.permille()), (500, 500));
        assert_eq!(progress.rate(at(5_000)), Some(20));
        assert_eq!(progress.seconds_left(at(5_000)), Some(25));
        assert_eq!(progress.rate(at(10_000)), Some(10), "a copy that stands still gets slower");
        progress.add(500);
        assert_eq!((progress.permille(), progress.seconds_left(at(10_000))), (1_000, Some(0)));
    }

    #[test]
    fn a_clock_that_stands_or_jumps_back_gives_no_rate() {
        let mut progress = CopyProgress::new(1_000, 0, at(5_000));
        progress.add(100);
        for now in [5_000, 4_000, -1_000_000] {
            assert_eq!(progress.rate(at(now)), None, "{now}");
            assert_eq!(progress.seconds_left(at(now)), None, "{now}");
        }
    }

    #[test]
    fn an_object_of_no_bytes_is_wholly_there() {
        assert_eq!(CopyProgress::new(0, 0, at(0)).permille(), 1_000);
    }

    proptest! {
        #[test]
        fn it_never_passes_the_whole_and_never_goes_back(
            total in 1_u64..,
            held in any::<u64>(),
            parts in prop::collection::vec(any::<u64>(), 0..20),
            now in -1_000_000_000_i64..1_000_000_000,
        ) {
            let mut progress = CopyProgress::new(total, held, at(0));
            let mut before = 0;
            for part in parts {
                progress.add(part);
                prop_assert!((before..=1_000).contains(&progress.permille()));
                prop_assert_eq!(progress.permille() == 1_000, progress.done() == total);
                before = progress.permille();
                let _ = progress.seconds_left(at(now));
            }
        }
    }
}
