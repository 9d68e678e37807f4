//! When all restores will have ended: the line before the restore quota, run forward.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;

use crate::forecast::Rate;
use crate::pacing::CallBudget;

/// When the last of these restores ends.
///
/// Those `running` have their sizes in GB and their ends; those `waiting` follow in their order, none
/// before its own time. The quota admits one more as long as what runs is below `limit_gb`.
pub fn finish(
    running: impl IntoIterator<Item = (u64, Timestamp)>,
    waiting: impl IntoIterator<Item = (u64, Timestamp)>,
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
    for (size_gb, ready) in waiting {
        at = at.max(ready);
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

/// When each of these copies ends, in their order, while `lanes` of them run side by side.
pub fn copied(
    sizes_gb: impl IntoIterator<Item = u64>,
    lanes: usize,
    rate: Rate,
    now: Timestamp,
) -> Vec<Timestamp> {
    let mut free: BinaryHeap<Reverse<Timestamp>> =
        std::iter::repeat_n(Reverse(now), lanes.max(1)).collect();
    let end = |size_gb: u64| {
        let Reverse(from) = free.pop().unwrap_or(Reverse(now));
        let end = from.saturating_add(rate.time_for(size_gb)).unwrap_or(Timestamp::MAX);
        free.push(Reverse(end));
        end
    };
    sizes_gb.into_iter().map(end).collect()
}
