//! What this worker saw of recovery points that take a step: the next look asks only for the rest.
//! Losing it only costs calls.

use std::collections::BTreeMap;

use amiferry_core::decide::vault::Effect;
use amiferry_core::decide::vault::observation::{COUNTS_FOR, Observation, Part};
use amiferry_core::names::RecoveryPointId;
use jiff::Timestamp;

/// Most recovery points that are remembered, at some kilobytes each: more than take a step at once.
const MOST: usize = 1_000;

/// Observations by recovery point, with the time of the look that left them.
#[derive(Debug, Default)]
pub struct Observations(BTreeMap<RecoveryPointId, (Timestamp, Observation)>);

impl Observations {
    /// A look decided on a step; what it saw counts after that step.
    pub fn keep(&mut self, observation: Observation, now: Timestamp) {
        if self.0.len() >= MOST {
            self.0.retain(|_, (at, _)| now.duration_since(*at) < COUNTS_FOR);
        }
        if self.0.len() < MOST {
            self.0.insert(observation.observed.id.clone(), (now, observation));
        }
    }

    /// What was seen, for a new look. Its parts may be too old to count.
    pub fn take(&mut self, id: &RecoveryPointId) -> Option<Observation> {
        self.0.remove(id).map(|(_, observation)| observation)
    }

    /// AWS has confirmed a step.
    pub fn after(&mut self, id: &RecoveryPointId, effect: &Effect, now: Timestamp) {
        if let Some((_, observation)) = self.0.get_mut(id) {
            observation.after(effect, now);
        }
    }

    /// Nothing that was seen counts.
    pub fn drop(&mut self, id: &RecoveryPointId) {
        self.0.remove(id);
    }

    /// A message says that these parts changed.
    pub fn forget(&mut self, id: &RecoveryPointId, parts: &[Part]) {
        if let Some((_, observation)) = self.0.get_mut(id) {
            parts.iter().for_each(|part| observation.forget(*part));
        }
    }
}
