//! The loop of observe, decide, act that both workers run, generic over a [`Role`].
//!
//! Events and sweeps only name keys; the loop decides about a key by what AWS shows when it looks.
//! So a lost, duplicated, forged or reordered message changes latency, never the outcome, and after
//! a crash anywhere the worker simply looks again:
//!
//! - before a look: the message was not deleted and comes again, or a sweep names the key;
//! - between look and effect: the next look decides the same;
//! - during or after an effect: effects are fenced and safe to repeat, and the next look sees the
//!   result.
//!
//! Every key belongs to a party, such as a source, and no party waits for another:
//!
//! - parties take turns in looks and for the slots of effects;
//! - a party whose last look timed out or was refused as a whole is looked at apart, with growing
//!   pauses;
//! - a failed look counts as a look: its keys wait, longer each time, and stop neither the queue
//!   nor the sweeps;
//! - a sweep waits for room separately for the party of each find.
//!
//! Reading order: `role` is what a worker implements; `work` is the set of keys, with `entry` for
//! one key, `due` and `turns` for the order of looks, `lanes` for the order of effects, `parked`
//! for noticing repairs, and `members` for parties with enough keys (all pure); `inbox` knows which
//! messages may be deleted, `backoff` how long to wait after a fault; `intake` receives messages,
//! `found` takes the finds of sweeps, `run` is the loop itself, `sweeps`, `looks` and `answers` are its
//! questions and their results, `drain` is its end, and `once` says when a run ends by itself;
//! `gauges` and `log` show it, `pause` a key and
//! `trouble` the loop itself.

mod answers;
mod backoff;
mod drain;
mod due;
mod entry;
mod found;
mod gauges;
mod inbox;
mod intake;
mod lanes;
mod log;
mod looks;
mod members;
mod once;
mod parked;
mod pause;
mod role;
mod run;
mod seldom;
mod sweeps;
#[cfg(test)]
mod tests;
mod trouble;
mod turns;
mod work;

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::Workers;
use crate::metrics::Worker;

pub use self::found::Found;
pub use self::gauges::Snapshot;
pub use self::role::{Answers, Consistency, Failure, Interpreted, Lane, Prospect, Role};
pub use self::run::Reconciler;

/// Long enough for AWS to show most effects. No single key is looked at sooner, so looks at this
/// distance do not delay it.
const SETTLE: Duration = Duration::from_millis(500);

/// Sweeps are overdue if none has succeeded for this many intervals, as in the alert
/// `AmiferrySweepStalled`.
const MISSED_SWEEPS: u32 = 3;

/// Time for the sweep itself, in addition to the intervals.
const SWEEP_PATIENCE: Duration = Duration::from_secs(900);

/// How the loop works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The worker's role, for metrics and logs.
    pub worker: Worker,
    /// Time from the end of one sweep to the start of the next.
    pub sweep_interval: Duration,
    /// Most keys in one look.
    pub batch: NonZeroUsize,
    /// Most effects of [`Lane::Short`] at once.
    pub short_effects: NonZeroUsize,
    /// Most effects of [`Lane::Long`] at once.
    pub long_effects: NonZeroUsize,
    /// Half of it bounds the keys of one party that wait for their first look before sweeps report
    /// no more of that party; all of it the keys and messages in memory before intake pauses while
    /// looks answer nothing.
    pub backlog: NonZeroUsize,
    /// Room for messages that wait for looks, in bytes. When it is full, intake pauses; messages
    /// about keys whose looks fail take at most half of it.
    pub message_bytes: usize,
    /// How long effects may continue after a request to drain.
    pub grace: Duration,
    /// How long after an effect its key is looked at again, so that AWS shows the effect.
    pub settle: Duration,
    /// How long after the start of a task its key is looked at again, in case its event is lost.
    pub poll: Duration,
    /// Time from the start of one look to the start of the next, so that what becomes due
    /// meanwhile shares its calls.
    pub spacing: Duration,
    /// How much earlier than due a resting key may be looked at together with others.
    pub ahead: Duration,
    /// Seed of the jitter.
    pub seed: u64,
}

impl Settings {
    /// The settings of a worker as configured, with this seed of the jitter.
    pub fn new(worker: Worker, workers: &Workers, seed: u64) -> Self {
        Self {
            worker,
            sweep_interval: workers.sweep_interval.duration(),
            batch: workers.batch,
            short_effects: workers.effects_in_flight,
            long_effects: workers.copies_in_flight,
            backlog: workers.backlog,
            message_bytes: inbox::ROOM,
            grace: workers.grace.duration(),
            settle: SETTLE,
            poll: workers.poll_interval.duration(),
            spacing: SETTLE,
            ahead: workers.poll_interval.duration() / 2,
            seed,
        }
    }

    /// How long after a sweep that succeeded the next one is overdue.
    fn sweep_overdue(&self) -> Duration {
        self.sweep_interval.saturating_mul(MISSED_SWEEPS) + SWEEP_PATIENCE
    }
}
