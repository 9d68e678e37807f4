//! How much may be in progress at once: EC2's store and restore quotas.
//!
//! AWS rejects a task while the volumes already in progress reach the quota, and does not count
//! the new one (EC2 user guide, *How AMI store and restore works*, two worked examples). So the
//! rule is `in progress < limit`, and a single image larger than the quota is admitted when
//! nothing else runs.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::ids::ImageId;
use crate::planted::{Bug, has};

/// Bytes in the gigabyte that quotas are given in, for metrics in base units.
pub const BYTES_PER_GB: u64 = 1_000_000_000;

/// The room under one quota, for one round of decisions. Sizes in GB as EC2 counts volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    limit_gb: u64,
    in_progress_gb: u64,
}

impl Admission {
    /// A quota of `limit_gb` of which `in_progress_gb` is in use.
    pub fn new(limit_gb: u64, in_progress_gb: u64) -> Self {
        Self { limit_gb, in_progress_gb }
    }

    /// Whether a task of `size_gb` may start now; if so it counts from here on.
    pub fn admit(&mut self, size_gb: u64) -> bool {
        let admitted = self.has_room();
        if admitted {
            self.in_progress_gb = self.in_progress_gb.saturating_add(size_gb);
        }
        admitted
    }

    /// Whether a task of any size may start now.
    pub fn has_room(&self) -> bool {
        self.in_progress_gb < self.limit_gb
    }

    /// What is in progress, admitted tasks included.
    pub fn in_progress_gb(&self) -> u64 {
        self.in_progress_gb
    }
}

/// Tasks that were given a turn or started but that AWS may not show yet, so that a quota is not
/// overrun while a call waits or a listing lags.
#[derive(Debug, Clone, Default)]
pub struct Started(BTreeMap<ImageId, Task>);

#[derive(Debug, Clone, Copy)]
struct Task {
    size_gb: u64,
    at: Timestamp,
    /// Whether the call was made; before that only its turn is counted.
    called: bool,
}

/// How long a listing may lag behind an effect. EC2's own advice is to allow for minutes; five
/// minutes is its upper end.
pub const LISTING_LAG: SignedDuration = SignedDuration::from_mins(5);

impl Started {
    /// Counts a task of `size_gb` whose call will be made. Being looked at anew, it gives its
    /// turn back: see [`Started::reconsider`].
    pub fn reserve(&mut self, image: ImageId, size_gb: u64, now: Timestamp) {
        self.0.entry(image).or_insert(Task { size_gb, at: now, called: false });
    }

    /// Remembers a task of `size_gb` whose call was just made.
    pub fn note(&mut self, image: ImageId, size_gb: u64, now: Timestamp) {
        self.0.insert(image, Task { size_gb, at: now, called: true });
    }

    /// An image is looked at anew: a turn that was not used yet does not count any more.
    pub fn reconsider(&mut self, image: &ImageId) {
        if self.0.get(image).is_some_and(|task| !task.called) {
            self.0.remove(image);
        }
    }

    /// Forgets a task: AWS shows it, it has ended, or its call failed.
    pub fn forget(&mut self, image: &ImageId) {
        self.0.remove(image);
    }

    /// Whether the task was started so recently that AWS may not show it yet.
    pub fn is_settling(&self, image: &ImageId, now: Timestamp) -> bool {
        self.0.get(image).is_some_and(|task| task.called && task.is_recent(now))
    }

    /// The sum of those that AWS does not show, in GB; forgets the ones older than the lag.
    pub fn unseen_gb(&mut self, shown: impl Fn(&ImageId) -> bool, now: Timestamp) -> u64 {
        self.0.retain(|image, task| !shown(image) && task.is_recent(now));
        self.0.values().map(|task| task.size_gb).sum()
    }
}

impl Task {
    fn is_recent(self, now: Timestamp) -> bool {
        now.duration_since(self.at) < LISTING_LAG || has(Bug::StartNeverAges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_that_what_runs_must_be_less_than_the_limit() {
        for (limit, running, size, admitted) in [
            (1200, 0, 200, true),
            (1200, 600, 600, true),
            (1200, 1199, 5000, true),
            (1200, 1200, 1, false),
            (600, 800, 1, false),
            (600, 0, 5000, true),
            (0, 0, 1, false),
        ] {
            let mut quota = Admission::new(limit, running);
            assert_eq!(quota.admit(size), admitted, "{running} of {limit}, {size} more");
            assert_eq!(quota.in_progress_gb(), if admitted { running + size } else { running });
        }
    }

    #[test]
    fn a_started_task_counts_until_aws_shows_it_or_the_lag_is_over() {
        let image: ImageId = "ami-0abcdef1".parse().unwrap();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut started = Started::default();
        started.note(image.clone(), 100, now);
        assert_eq!(started.unseen_gb(|_| false, now), 100);
        assert!(started.is_settling(&image, now));
        assert_eq!(started.unseen_gb(|shown| *shown == image, now), 0);
        started.note(image.clone(), 100, now);
        assert_eq!(started.unseen_gb(|_| false, now + LISTING_LAG), 0);
        assert!(!started.is_settling(&image, now + LISTING_LAG));
    }

    #[test]
    fn a_turn_counts_for_others_until_it_is_used_or_looked_at_anew_and_settles_nothing() {
        let image: ImageId = "ami-0abcdef1".parse().unwrap();
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut started = Started::default();
        started.reserve(image.clone(), 100, now);
        assert_eq!(started.unseen_gb(|_| false, now), 100);
        assert!(!started.is_settling(&image, now), "its call is still to be made");
        started.reconsider(&image);
        assert_eq!(started.unseen_gb(|_| false, now), 0);
        started.note(image.clone(), 100, now);
        started.reconsider(&image);
        started.reserve(image.clone(), 100, now);
        assert!(started.is_settling(&image, now), "a call that was made stays made");
    }
}
