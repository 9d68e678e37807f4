//! What will happen by itself, and when: running tasks that finish, events that arrive.
//!
//! The agenda is lazy: every access to the world first performs, in order, what has become due. So
//! no background task is needed, and the order never depends on scheduling.

use std::collections::BTreeMap;

use amiferry_core::ids::Arn;
use jiff::Timestamp;

use crate::{ec2, s3, scenario};

/// One thing that is due at a time.
#[derive(Debug)]
pub enum Due {
    /// A change inside EC2: a store, restore, copy or snapshot proceeds.
    Ec2(ec2::Due),
    /// A change inside S3, such as a delayed notification.
    S3(s3::Due),
    /// A message reaches a queue (EventBridge, S3 notification), if no fault keeps it.
    Deliver {
        queue: Arn,
        /// The message body.
        body: String,
    },
    /// A message whose faults are decided comes again.
    Retry {
        /// When it was due first.
        first: Timestamp,
        queue: Arn,
        /// The message body.
        body: String,
    },
    /// An action of a scenario.
    Scenario(scenario::Planned),
}

/// Everything that is still to come, ordered by time, then by when it was planned.
#[derive(Debug, Default)]
pub struct Agenda {
    due: BTreeMap<(Timestamp, u64), Due>,
    planned: u64,
}

impl Agenda {
    /// Plans `what` for the simulated time `at`.
    pub fn plan(&mut self, at: Timestamp, what: Due) {
        self.planned += 1;
        self.due.insert((at, self.planned), what);
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next thing that is due at or before `now`, with its own time.
    pub fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        let key = *self.due.keys().next().filter(|(at, _)| *at <= now)?;
        self.due.remove(&key).map(|what| (key.0, what))
    }
}
