//! The loop of observe, decide, act that both workers run, generic over a [`Role`].
//!
//! Events and sweeps only name keys; what is done about a key follows from what AWS says when it
//! is looked at. So a lost, duplicated, forged or reordered message changes latency, never the
//! outcome, and a crash anywhere is a restart of the look:
//!
//! - before a look: the message is not deleted and comes again, or a sweep names the key;
//! - between look and effect: the next look decides the same;
//! - during or after an effect: effects are fenced and safe to repeat, the next look sees what
//!   became of it.
//!
//! Every key is some party's, such as a source's, and no party waits for another:
//!
//! - in a look, and for the slots of effects, parties take turns;
//! - a party whose last look timed out or was refused as a whole is looked at apart, with growing
//!   pauses;
//! - a look that failed counts as looked at: its keys wait, longer each time, and close neither the
//!   queue nor the sweeps;
//! - a sweep waits for room for the party of each find, by itself.
//!
//! Reading order: `role` is what a worker answers, `work` the set of keys, with `entry` for one of
//! them, `due` and `turns` for who is looked at next, `lanes` for whose effect starts, `parked` for
//! how a repair is noticed and `members` for who has enough (all pure); `inbox` which message may be
//! deleted, `backoff` what a fault asks for, `intake` the receiving task, `found` what sweeps report
//! to, `run` the loop itself, `looks` and `answers` what it asks and what comes back, `drain` its
//! end, and `log` what it says.

mod answers;
mod backoff;
mod drain;
mod due;
mod entry;
mod found;
mod inbox;
mod intake;
mod lanes;
mod log;
mod looks;
mod members;
mod parked;
mod report;
mod role;
mod run;
#[cfg(test)]
mod tests;
mod turns;
mod work;

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::Workers;
use crate::metrics::Worker;

pub use self::found::Found;
pub use self::report::Snapshot;
pub use self::role::{Answers, Failure, Interpreted, Lane, Prospect, Role, Shown};
pub use self::run::Reconciler;

/// Long enough for AWS to show most effects. A key by itself is never looked at sooner, so looks
/// that are as far apart do not delay it.
const SETTLE: Duration = Duration::from_millis(500);

/// Sweeps are overdue when none succeeded for as long as this many would take, as the alert
/// `AmiferrySweepStalled` has it.
const MISSED_SWEEPS: u32 = 3;

/// Time for a sweep itself, before it is overdue.
const SWEEP_PATIENCE: Duration = Duration::from_secs(900);

/// How the loop works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose loop it is, for metrics and logs.
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
    /// Room for messages that wait for looks, in bytes. What is full takes no more; messages about
    /// keys whose looks fail leave half of it to others.
    pub message_bytes: usize,
    /// How long effects may run on after a drain was asked for.
    pub grace: Duration,
    /// How long after an effect its key is looked at again, so that AWS shows the effect.
    pub settle: Duration,
    /// Time from the start of one look to the start of the next, so that what becomes due
    /// meanwhile shares its calls.
    pub spacing: Duration,
    /// How much earlier than due a key that rests is looked at together with others.
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
