//! Dead-letter queues: messages that go there, and the task that moves them back.

use amiferry_core::ids::Arn;
use jiff::Timestamp;

use super::attributes::{Redrive, RedriveAllow};
use super::queue::Message;
use super::{Site, error, uuid};
use crate::wire::ApiError;

/// A `StartMessageMoveTask` that has been done.
#[derive(Debug, Clone)]
pub struct MoveTask {
    /// The dead-letter queue.
    pub source: Arn,
    /// Where the messages went; `None` for each to the queue that it came from.
    pub destination: Option<Arn>,
    pub started: Timestamp,
    /// How many.
    pub moved: usize,
}

impl Site {
    /// Whether the queue's dead-letter queue is there; without one messages stay where they are.
    pub(super) fn can_redrive(&self, queue: &str) -> bool {
        let redrive = self.queues.get(queue).and_then(|queue| queue.attributes.redrive.as_ref());
        redrive.is_some_and(|redrive| self.queues.contains_key(redrive.target.resource()))
    }

    /// Refuses a redrive policy whose target is not there or does not admit the queue.
    ///
    /// # Errors
    /// `InvalidAttributeValue`.
    pub(super) fn check_redrive(&self, source: &Arn, policy: &Redrive) -> Result<(), ApiError> {
        let refuse = |why: &str| error::attribute_value("RedrivePolicy", why);
        let same_place = |arn: &Arn| (arn.account(), arn.region());
        let target = Some(&policy.target).filter(|target| same_place(target) == same_place(source));
        let target = target.and_then(|target| self.queues.get(target.resource()));
        let target = target.ok_or_else(|| refuse("Dead letter target does not exist"))?;
        let allow = target.attributes.redrive_allow.as_deref().map(RedriveAllow::parse);
        if allow.transpose()?.is_some_and(|allow| !allow.admits(source)) {
            return Err(refuse(
                "The dead letter target's RedriveAllowPolicy does not permit this queue",
            ));
        }
        Ok(())
    }

    /// Moves messages of `queue` to its dead-letter queue; they keep id and sending time, so
    /// that queue's retention counts from the first sending.
    pub(super) fn bury(&mut self, queue: &str, dead: Vec<Message>, now: Timestamp) {
        let Some(queue) = self.queues.get(queue) else { return };
        let Some(target) = queue.attributes.redrive.as_ref().map(|r| r.target.clone()) else {
            return;
        };
        let source = queue.arn.clone();
        let Some(target) = self.queues.get_mut(target.resource()) else { return };
        for mut message in dead {
            message.dead_letter_source = Some(source.clone());
            target.put(message, now, now);
        }
    }

    /// Moves what is available in a dead-letter queue back, all at once, as new messages.
    pub(super) fn move_back(
        &mut self,
        source: Arn,
        destination: Option<Arn>,
        now: Timestamp,
        rng: &mut fastrand::Rng,
    ) -> Result<(), ApiError> {
        let missing = || error::no_resource("The resource that you specified does not exist.");
        let targets = |queue: &super::Queue| {
            queue.attributes.redrive.as_ref().is_some_and(|redrive| redrive.target == source)
        };
        if !self.queues.contains_key(source.resource()) {
            return Err(missing());
        }
        if !self.queues.values().any(targets) {
            return Err(error::parameter(
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        if destination.as_ref().is_some_and(|arn| !self.queues.contains_key(arn.resource())) {
            return Err(missing());
        }
        let dead = self.queues.get_mut(source.resource()).ok_or_else(missing)?.drain(now);
        let mut moved = 0;
        for message in dead {
            let target = destination.as_ref().or(message.dead_letter_source.as_ref()).cloned();
            let target = target.and_then(|arn| self.queues.get_mut(arn.resource()));
            if let Some(target) = target {
                let mut new = Message::new(uuid(rng), message.body, message.sender, now);
                new.attributes = message.attributes;
                target.put(new, now, now);
                moved += 1;
            } else if let Some(source) = self.queues.get_mut(source.resource()) {
                source.put(message, now, now);
            }
        }
        self.moves.push(MoveTask { source, destination, started: now, moved });
        Ok(())
    }
}
