//! Faults on the way of an event from EventBridge or S3 to its queue.

use std::time::Duration;

use amiferry_core::ids::{Arn, Region};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{When, chance, mix};
use crate::agenda::Due;
use crate::sqs;
use crate::wire::scope::Service;
use crate::world::State;

/// How long after its first try a delivery is given up, as EventBridge's default retry policy.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// How long after a failed try the next one comes.
const NEXT_TRY: SignedDuration = SignedDuration::from_mins(1);

/// A fault of deliveries: of messages that EventBridge rules and S3 notifications send, not of
/// those that a client sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    /// The name of the queue; every one if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The Region of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// A text that the message has in it, such as `Object Created` or an image id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containing: Option<String>,
    /// Which of the deliveries that match.
    #[serde(default)]
    pub when: When,
    /// What becomes of them.
    pub effect: EventEffect,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventEffect {
    /// It never arrives.
    Lose,
    /// It arrives this many times more, as messages of their own, at once.
    Duplicate(u32),
    /// It arrives this much later.
    Delay(#[serde(with = "crate::span")] Duration),
    /// It arrives up to this much later, each by a chance of its own: later ones overtake it.
    Reorder(#[serde(with = "crate::span")] Duration),
}

impl EventEffect {
    /// The name under which it is counted.
    fn kind(self) -> &'static str {
        match self {
            Self::Lose => "event-lose",
            Self::Duplicate(_) => "event-duplicate",
            Self::Delay(_) => "event-delay",
            Self::Reorder(_) => "event-reorder",
        }
    }
}

impl EventRule {
    /// Every delivery gets `effect`; narrow it with the other methods.
    pub fn new(effect: EventEffect) -> Self {
        Self { queue: None, region: None, containing: None, when: When::default(), effect }
    }

    /// Only deliveries to queues of this name.
    #[must_use]
    pub fn to_queue(self, name: &str) -> Self {
        Self { queue: Some(name.to_owned()), ..self }
    }

    /// Only messages with this text in them.
    #[must_use]
    pub fn containing(self, text: &str) -> Self {
        Self { containing: Some(text.to_owned()), ..self }
    }

    /// Only some of them.
    #[must_use]
    pub fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.effect == EventEffect::Duplicate(0) {
            return Err(
                "duplicate = 0 does nothing: say how many copies to send in addition to the first"
                    .to_owned(),
            );
        }
        self.when.check()
    }

    fn concerns(&self, queue: &Arn, body: &str) -> bool {
        self.queue.as_deref().is_none_or(|name| name == queue.resource())
            && self.region.as_ref().is_none_or(|region| queue.region().as_ref() == Some(region))
            && self.containing.as_deref().is_none_or(|text| body.contains(text))
    }
}

/// A message of a service is due in a queue: lets the faults decide, then delivers it.
pub(crate) fn deliver(state: &mut State, at: Timestamp, queue: Arn, body: String) {
    let faults = &mut state.faults;
    let effect = if faults.events.is_empty() { None } else { decide(faults, at, &queue, &body) };
    let later = |by: Duration| {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        at.saturating_add(by).unwrap_or(Timestamp::MAX)
    };
    match effect {
        None => retry(state, at, at, queue, body),
        Some((EventEffect::Lose, _)) => {}
        Some((EventEffect::Duplicate(times), _)) => {
            for _ in 0..=times {
                retry(state, at, at, queue.clone(), body.clone());
            }
        }
        Some((EventEffect::Delay(by), _)) => {
            state.agenda.plan(later(by), Due::Retry { first: at, queue, body });
        }
        Some((EventEffect::Reorder(within), chance)) => {
            state.agenda.plan(later(within.mul_f64(chance)), Due::Retry { first: at, queue, body });
        }
    }
}

/// Delivers a message whose faults are decided, unless an outage keeps it waiting.
pub(crate) fn retry(state: &mut State, at: Timestamp, first: Timestamp, queue: Arn, body: String) {
    let region = queue.region();
    let out = region.is_some_and(|region| state.faults.is_out(Service::Sqs, &region, at));
    if !out {
        sqs::deliver(state, at, &queue, body);
        return;
    }
    let next = at.saturating_add(NEXT_TRY).unwrap_or(Timestamp::MAX);
    if next.duration_since(first) > GIVEN_UP_AFTER {
        state.faults.count("event-given-up", "events", queue.resource());
    } else {
        state.agenda.plan(next, Due::Retry { first, queue, body });
    }
}

/// The effect that a delivery meets, with a chance (0 to 1) of its own.
fn decide(
    faults: &mut super::Faults,
    at: Timestamp,
    queue: &Arn,
    body: &str,
) -> Option<(EventEffect, f64)> {
    let ordinal = faults.event_ordinals.entry(queue.clone()).or_default();
    *ordinal += 1;
    let edge = mix(*ordinal, queue.as_str().as_bytes());
    let (started, seed) = (faults.started, faults.seed);
    let mut met = None;
    for rule in &mut faults.events {
        let concerned = rule.rule.concerns(queue, body) && rule.rule.when.covers(started, at);
        if concerned && rule.meets(|rule| &rule.when, seed, edge) && met.is_none() {
            met = Some(rule);
        }
    }
    let rule = met?;
    rule.fired += 1;
    let (effect, key) = (rule.rule.effect, rule.key);
    faults.count(effect.kind(), "events", queue.resource());
    Some((effect, chance(seed ^ key ^ 1, edge)))
}
