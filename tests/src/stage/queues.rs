//! The queues of both workers in a play.

use amiferry_core::ids::Arn;
use amiferry_simulator::{landscape, sqs};

use super::{Role, Stage};

impl Stage {
    /// Sends a message to the queue of a worker, as EventBridge would.
    pub fn send(&self, role: Role, body: impl Into<String>) {
        let now = self.world.now();
        sqs::deliver(&mut self.world.lock(), now, &self.queue(role), body.into());
    }

    /// The queue of a worker.
    pub fn queue(&self, role: Role) -> Arn {
        let ((account, region), name) = match role {
            Role::Source => (&self.landscape.source, landscape::SOURCE_QUEUE),
            Role::Target => (&self.landscape.vault, landscape::TARGET_QUEUE),
        };
        format!("arn:aws:sqs:{region}:{account}:{name}").parse().unwrap()
    }

    /// The dead-letter queue of a worker.
    pub fn dead_letters(&self, role: Role) -> Arn {
        format!("{}-dead", self.queue(role)).parse().unwrap()
    }

    /// Workers die with their messages in a play, or cannot reach the queue: dead letters of a
    /// role do not count.
    pub fn allow_dead_letters(&mut self, role: Role) {
        self.dead_letters_allowed.push(role);
    }
}
