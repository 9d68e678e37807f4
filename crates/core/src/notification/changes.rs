//! Which changes are still to be told: what the fleet shows now, compared with what the bus took.
//!
//! A change that the bus did not take is found again by the next comparison, as it is then. So there
//! is no queue, and an outage of the bus ends with the latest state of everything.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{FamilyChanged, FamilyState, Notification, Place, PointChanged, VERSION};
use crate::code::Code;
use crate::fleet::State;
use crate::ids::ImageId;
use crate::names::{RecoveryPointId, SourceId, VaultId};
use crate::planted::{self, Bug};
use crate::rpo::RpoState;

/// A family of a source under a policy, in a vault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FamilyKey {
    pub source: SourceId,
    pub policy: String,
    pub family: String,
    pub vault: VaultId,
}

/// How a recovery point stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointFacts {
    pub source_image_name: String,
    pub family: String,
    pub policy: String,
    pub state: State,
    pub code: Code,
    pub detail: String,
    pub restored_image_id: Option<ImageId>,
    pub source_created_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

/// How a family stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyFacts {
    pub state: RpoState,
    pub newest_complete_at: Option<Timestamp>,
    pub rpo_seconds: Option<i64>,
    pub breaks_at: Option<Timestamp>,
}

/// Everything that a change can be about, at one time.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub points: BTreeMap<RecoveryPointId, PointFacts>,
    pub families: BTreeMap<FamilyKey, FamilyFacts>,
}

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Point(RecoveryPointId, State),
    Family(FamilyKey, FamilyState),
}

/// A change that is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub subject: Subject,
    pub notification: Notification,
}

/// What the bus took of each recovery point and family.
#[derive(Debug, Clone, Default)]
pub struct Told {
    points: BTreeMap<RecoveryPointId, State>,
    families: BTreeMap<FamilyKey, FamilyState>,
}

/// Whether a state of a recovery point is told; the way to completion is not.
fn is_told(state: State) -> bool {
    state == State::Complete || state.is_lost()
}

impl Told {
    /// The beginning, at the first facts of a worker. What is not well is told again after each start,
    /// because no one knows whether it was before; what is well needs no word, unless it became complete
    /// `since` a time.
    pub fn beginning(facts: &Facts, since: Timestamp) -> Self {
        let is_old = |point: &PointFacts| {
            let completed = point.completed_at;
            point.state == State::Complete && completed.is_none_or(|completed| completed < since)
        };
        let complete = facts.points.iter().filter(|(_, point)| is_old(point));
        let state = |family: &FamilyFacts| FamilyState::of(family.state, family.breaks_at);
        let families = facts.families.iter().map(|(key, family)| (key, state(family)));
        let well = families.filter(|(_, state)| state.is_well());
        Self {
            points: complete.map(|(id, point)| (id.clone(), point.state)).collect(),
            families: well.map(|(key, state)| (key.clone(), state)).collect(),
        }
    }

    /// The first `most` changes that the bus has not taken yet: losses, then families from the worst on,
    /// then what became complete. Forgets what is not there any more.
    pub fn changes(&mut self, facts: &Facts, now: Timestamp, most: usize) -> Vec<Change> {
        self.points.retain(|id, _| facts.points.contains_key(id));
        self.families.retain(|key, _| facts.families.contains_key(key));
        let mut changes = BTreeMap::new();
        for (id, point) in facts.points.iter().filter(|(_, point)| is_told(point.state)) {
            let previous = self.points.get(id).copied();
            if previous != Some(point.state) {
                let rank = if point.state.is_lost() { Rank::Loss } else { Rank::Complete };
                changes.insert((rank, changes.len()), of_point(id, point, previous, now));
            }
        }
        for (key, family) in &facts.families {
            let state = FamilyState::of(family.state, family.breaks_at);
            let previous = self.families.get(key).copied();
            // A family that is new and well has not changed.
            if previous != Some(state) && (previous.is_some() || !state.is_well()) {
                let change = of_family(key, (*family, state), previous, now);
                changes.insert((Rank::Family(state), changes.len()), change);
            }
        }
        let changes: Vec<Change> = changes.into_values().take(most).collect();
        if planted::has(Bug::NotificationForgotten) {
            changes.iter().for_each(|change| self.told(&change.subject));
        }
        changes
    }

    /// The bus took a change.
    pub fn told(&mut self, subject: &Subject) {
        match subject {
            Subject::Point(id, state) => drop(self.points.insert(id.clone(), *state)),
            Subject::Family(key, state) => drop(self.families.insert(key.clone(), *state)),
        }
    }

    /// Of how many recovery points and families something was told, or needed no word.
    pub fn len(&self) -> usize {
        self.points.len() + self.families.len()
    }

    /// Whether nothing was told and nothing was well.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Loss,
    Family(FamilyState),
    Complete,
}

fn of_point(
    id: &RecoveryPointId,
    point: &PointFacts,
    previous: Option<State>,
    at: Timestamp,
) -> Change {
    let PointFacts { source_image_name, family, policy, state, code, detail, .. } = point.clone();
    let notification = Notification::RecoveryPoint(PointChanged {
        schema_version: VERSION,
        vault: Place::from(&id.vault()),
        source: Place::from(&id.source()),
        source_image_id: id.source_image_id.clone(),
        source_image_name,
        family,
        policy,
        state,
        previous,
        code,
        detail,
        restored_image_id: point.restored_image_id.clone(),
        source_created_at: point.source_created_at,
        completed_at: point.completed_at,
        at,
    });
    Change { subject: Subject::Point(id.clone(), state), notification }
}

fn of_family(
    key: &FamilyKey,
    (family, state): (FamilyFacts, FamilyState),
    previous: Option<FamilyState>,
    at: Timestamp,
) -> Change {
    let notification = Notification::Family(FamilyChanged {
        schema_version: VERSION,
        vault: Place::from(&key.vault),
        source: Place::from(&key.source),
        family: key.family.clone(),
        policy: key.policy.clone(),
        state,
        previous,
        newest_complete_at: family.newest_complete_at,
        rpo_seconds: family.rpo_seconds,
        breaks_at: family.breaks_at,
        at,
    });
    Change { subject: Subject::Family(key.clone(), state), notification }
}
