//! Counts what one EC2 quota and its create calls still admit: what AWS shows in progress, what was
//! called and is not shown yet, and what is about to be called.
//!
//! Both roles keep one for each
//! quota, and nothing else counts.
//!
//! AWS rejects a task while the volumes already in progress reach the quota, and does not count
//! the new one (EC2 user guide, *How AMI store and restore works*, two worked examples). So the
//! rule is `in progress < limit`, and a single image larger than the quota is admitted when
//! nothing else runs.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use crate::decide::vault::observation::COUNTS_FOR;
use crate::fault::FaultClass;
use crate::pacing::CallBudget;
use crate::planted::{Bug, has};
use crate::span::Span;

/// Bytes in the gigabyte that quotas are given in, for metrics in base units.
pub const BYTES_PER_GB: u64 = 1_000_000_000;

/// How long a listing may lag behind an effect. EC2's own advice is to allow for minutes; five
/// minutes is its upper end.
pub const LISTING_LAG: SignedDuration = SignedDuration::from_mins(5);

/// How long a quota counts as full after EC2 refused a task for it although we saw room: others
/// use it, too.
const REFUSED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// How long a count lasts while the quota has plenty of room.
const COUNT_LASTS_IN_ROOM: SignedDuration = SignedDuration::from_hours(1);

/// Those that wait for a create call get their turns together, so that their looks share calls:
/// as many as delays the first of them by no more than this. At EC2's own rate that is three.
const TOGETHER: SignedDuration = SignedDuration::from_secs(20);

/// How long the call that fills the quota stays behind those that go before it. Calls made side by
/// side reach EC2 in any order, and EC2 refuses what reaches it behind the one that fills the quota.
const BEHIND: Span = Span::from_secs(2);

/// One quota with its create calls; `K` is what a task is about. Losing it costs refused calls.
#[derive(Debug, Clone)]
pub struct Ledger<K> {
    limit_gb: u64,
    /// Tasks of ours that AWS showed, with their sizes in GB.
    shown: BTreeMap<K, u64>,
    /// What AWS showed of others, in GB.
    others_gb: u64,
    /// Tasks that were given a turn or called and that AWS may not show yet.
    open: BTreeMap<K, Task>,
    calls: CallBudget,
    full_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Task {
    size_gb: u64,
    at: Timestamp,
    /// Whether the call was made; before that only its turn is counted.
    called: bool,
}

/// How a create call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A task runs, or may run: its answer was lost, or another worker was faster.
    Begun,
    /// No task runs because of this call.
    Refused(FaultClass),
}

impl Ended {
    /// How a call ended whose fault has this class; the same for every role.
    pub fn of(fault: Option<FaultClass>) -> Self {
        match fault {
            None | Some(FaultClass::Conflict | FaultClass::OutcomeUnknown) => Self::Begun,
            Some(class) => Self::Refused(class),
        }
    }
}

impl<K: Ord + Clone> Ledger<K> {
    /// A quota of `limit_gb`, in GB as EC2 counts volumes, of which nothing is known yet.
    pub fn new(limit_gb: u64, calls: CallBudget) -> Self {
        let (shown, open) = (BTreeMap::new(), BTreeMap::new());
        Self { limit_gb, shown, others_gb: 0, open, calls, full_until: None }
    }

    /// AWS shows these tasks in progress, with their sizes in GB; `None` for one of others.
    pub fn shown(&mut self, tasks: impl IntoIterator<Item = (Option<K>, u64)>, now: Timestamp) {
        self.shown.clear();
        self.others_gb = 0;
        for (key, size_gb) in tasks {
            match key {
                Some(key) => {
                    self.open.remove(&key);
                    let shown = self.shown.entry(key).or_default();
                    *shown = shown.saturating_add(size_gb);
                }
                None => self.others_gb = self.others_gb.saturating_add(size_gb),
            }
        }
        self.open.retain(|_, task| task.is_recent(now));
    }

    /// What is in progress in GB: shown by AWS, called, or about to be called.
    pub fn in_progress_gb(&self) -> u64 {
        let open = self.open.values().map(|task| &task.size_gb);
        self.shown.values().chain(open).fold(self.others_gb, |sum, size| sum.saturating_add(*size))
    }

    /// Whether a task of ours is in progress, or may be.
    pub fn has_begun_any(&self) -> bool {
        !self.shown.is_empty() || !self.open.is_empty()
    }

    /// Whether the quota has room for one more task.
    pub fn has_room(&self) -> bool {
        self.in_progress_gb() < self.limit_gb
    }

    /// How long a count of what AWS shows in progress lasts: an hour while at least half of the quota
    /// is free, where what others start meanwhile hardly matters. The worst that comes of it is a
    /// refused call.
    pub fn count_lasts(&self) -> SignedDuration {
        match self.in_progress_gb() <= self.limit_gb / 2 {
            true => COUNT_LASTS_IN_ROOM,
            false => COUNTS_FOR,
        }
    }

    /// The quota in GB.
    pub fn limit_gb(&self) -> u64 {
        self.limit_gb
    }

    /// Answers all that wait for a task, in the order of `line`, each with its size in GB. Counts
    /// nothing: a turn that is used is [reserved](Self::reserve).
    pub fn turns<'k>(
        &mut self,
        line: impl IntoIterator<Item = (&'k K, u64)>,
        now: Timestamp,
    ) -> Vec<Turn>
    where
        K: 'k,
    {
        let line: Vec<(&K, u64)> = line.into_iter().collect();
        let open = |key: &K| self.open.contains_key(key);
        let wanted = line.iter().filter(|(key, _)| !open(key)).count();
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let available = self.calls.available(now);
        let together = self.calls.grown_in(TOGETHER).saturating_add(1).min(self.calls.burst());
        let (given, kept) = match available < together.min(wanted) {
            true => (0, available),
            false => (available.min(wanted), 0),
        };
        let paced = |position: usize| {
            let before = u32::try_from(position).unwrap_or(u32::MAX);
            let group = (before / together).saturating_add(1);
            let last = group.saturating_mul(together).min(wanted - given);
            let at = self.calls.time_of_call(last.saturating_sub(kept).saturating_sub(1));
            Turn::Paced { position, at }
        };
        let mut in_progress_gb = self.in_progress_gb();
        let mut calls = given;
        let closed = self.full_until.is_some_and(|until| now < until);
        let mut others_go = self.open.values().any(|task| !task.called);
        let mut waiting = 0;
        let answer = |(key, size_gb): (&K, u64)| {
            if open(key) {
                return Turn::Now;
            }
            let position = waiting;
            if closed || in_progress_gb >= self.limit_gb {
                waiting += 1;
                Turn::QuotaFull { in_progress_gb, limit_gb: self.limit_gb, position }
            } else if calls == 0 {
                waiting += 1;
                paced(position)
            } else {
                calls -= 1;
                in_progress_gb = in_progress_gb.saturating_add(size_gb);
                let fills = in_progress_gb >= self.limit_gb;
                if fills && others_go {
                    waiting += 1;
                    return Turn::Paced { position, at: BEHIND.after(now) };
                }
                others_go = true;
                Turn::Now
            }
        };
        line.into_iter().map(answer).collect()
    }

    /// A task of `size_gb` will be called: it counts from here on, so that the next look does not
    /// give quota and call away again. Again, it changes nothing.
    pub fn reserve(&mut self, key: K, size_gb: u64, now: Timestamp) {
        if !self.open.contains_key(&key) {
            self.calls.spend(now);
            self.open.insert(key, Task { size_gb, at: now, called: false });
        }
    }

    /// It is looked at again, so a turn that was not used does not count any more.
    pub fn reconsider(&mut self, key: &K) {
        if self.open.get(key).is_some_and(|task| !task.called) {
            self.open.remove(key);
        }
    }

    /// The call that was made at a time ended.
    pub fn called(&mut self, key: K, size_gb: u64, ended: Ended, at: Timestamp) {
        match ended {
            Ended::Begun => {
                self.open.insert(key, Task { size_gb, at, called: true });
            }
            Ended::Refused(class) => {
                self.open.remove(&key);
                match class {
                    FaultClass::Throttled => self.calls.empty(at),
                    FaultClass::QuotaFull => self.full_until = at.checked_add(REFUSED_FOR).ok(),
                    _ => {}
                }
            }
        }
    }

    /// AWS shows what became of the task.
    pub fn settled(&mut self, key: &K) {
        self.open.remove(key);
    }

    /// AWS shows that the task runs. Again, it changes nothing.
    pub fn runs(&mut self, key: &K, size_gb: u64) {
        self.open.remove(key);
        self.shown.entry(key.clone()).or_insert(size_gb);
    }

    /// The task ended, which makes room before AWS shows again what runs.
    pub fn ended(&mut self, key: &K) {
        self.open.remove(key);
        self.shown.remove(key);
    }

    /// Whether the task was given a turn or called, and AWS does not show it yet.
    pub fn is_open(&self, key: &K) -> bool {
        self.open.contains_key(key)
    }

    /// Whether the call was made so recently that AWS may not show the task yet.
    pub fn is_settling(&self, key: &K, now: Timestamp) -> bool {
        self.open.get(key).is_some_and(|task| task.called && task.is_recent(now))
    }
}

impl Task {
    fn is_recent(self, now: Timestamp) -> bool {
        now.duration_since(self.at) < LISTING_LAG || has(Bug::StartNeverAges)
    }
}
