//! When all restores will have ended: the line before the restore quota, run forward.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

use crate::pacing::CallBudget;

/// How long restores take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What any restore takes.
    pub start_up: SignedDuration,
    /// What each gigabyte of volumes adds.
    pub per_gb: SignedDuration,
}

impl Default for Rate {
    /// 100 MB/s after a minute: what EC2 is seen to do. AWS documents no rate.
    fn default() -> Self {
        Self { start_up: SignedDuration::from_secs(60), per_gb: SignedDuration::from_secs(10) }
    }
}

impl Rate {
    /// How long a restore of so many gigabytes takes.
    pub fn time_for(self, size_gb: u64) -> SignedDuration {
        let size = i32::try_from(size_gb).unwrap_or(i32::MAX);
        self.start_up.saturating_add(self.per_gb.saturating_mul(size))
    }
}

/// When the last of these restores ends: `running` with their sizes in GB and their ends, and then
/// `waiting` in their order. The quota admits one more as long as what runs is below `limit_gb`.
pub fn finish(
    running: impl IntoIterator<Item = (u64, Timestamp)>,
    waiting: impl IntoIterator<Item = u64>,
    limit_gb: u64,
    mut calls: CallBudget,
    rate: Rate,
    now: Timestamp,
) -> Timestamp {
    let mut ends: BinaryHeap<Reverse<(Timestamp, u64)>> =
        running.into_iter().map(|(size_gb, end)| Reverse((end, size_gb))).collect();
    let mut in_progress: u64 = ends.iter().map(|Reverse((_, size_gb))| size_gb).sum();
    let mut last = ends.iter().map(|Reverse((end, _))| *end).max().unwrap_or(now).max(now);
    let mut at = now;
    for size_gb in waiting {
        while in_progress >= limit_gb {
            let Some(Reverse((end, ended_gb))) = ends.pop() else { break };
            in_progress = in_progress.saturating_sub(ended_gb);
            at = at.max(end);
        }
        if calls.available(at) == 0 {
            at = at.max(calls.time_of_call(0));
        }
        calls.spend(at);
        let end = at.saturating_add(rate.time_for(size_gb)).unwrap_or(Timestamp::MAX);
        ends.push(Reverse((end, size_gb)));
        in_progress = in_progress.saturating_add(size_gb);
        last = last.max(end);
    }
    last
}
