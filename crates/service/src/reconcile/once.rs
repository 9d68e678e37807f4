//! When a run that ends by itself is done.

use tokio::time::Instant;

use super::role::Role;
use super::run::{Reconciler, Time};

/// Empty answers of the queue in a row after which it counts as empty. The first answer of a run comes
/// at once, so SQS may not have asked all its servers; the second was waited for.
const EMPTY_RECEIVES: u32 = 2;

/// Why such a run ends without having done its work.
pub(super) const NEVER_SWEPT: &str = "no sweep has succeeded for too long";

impl<R: Role> Reconciler<R> {
    /// How many keys wait for a person when such a run ends.
    pub(super) fn parked_at_the_end(&self, time: Time) -> usize {
        match time {
            Time::Once => self.gauges.snapshot.parked.values().sum(),
            Time::Unlimited => 0,
        }
    }

    /// Whether nothing is left that can be done now: a sweep has succeeded, the queue is empty, every
    /// key was looked at, and no key is due. What waits for a later time waits for a later run.
    pub(super) fn is_done(&self) -> bool {
        let runs = self.sweeping
            || self.looking
            || self.looking_apart > 0
            || self.work.ready() > 0
            || self.work.performing() > 0;
        let is_due = self.next_look().is_some_and(|at| at <= Instant::now());
        !runs
            && !is_due
            && self.work.unlooked() == 0
            && self.gauges.snapshot.swept_at.is_some()
            && self.empty_receives >= EMPTY_RECEIVES
            && self.inbox.len() == 0
            && self.deleting == 0
    }
}
