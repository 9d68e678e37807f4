//! What the last looks said about each recovery point, summed up for the metrics.
//!
//! A restart must not move a series: nothing is shown before a whole walk has ended and everything
//! it met was looked at, or could not be. Labels come from the configuration. Families are free
//! text of whoever tags images, so those that no policy lists are shown as one, by their worst.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::{self, Effect, Observed, Promised, Terms};
use amiferry_core::event::SourceScope;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::policy::Policies;
use amiferry_service::metrics::Progress;
use jiff::Timestamp;

/// The last known state of every recovery point in scope.
#[derive(Debug, Default)]
pub struct Inventory {
    points: BTreeMap<RecoveryPointId, Entry>,
    /// When the walk in progress began.
    walking_since: Option<Timestamp>,
    /// When the last whole walk began.
    walked_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Entry {
    /// When it was last observed; `None` for one that a walk met and no look has seen yet.
    observed_at: Option<Timestamp>,
    /// Whether the last look failed.
    failed: bool,
    /// What was observed; `None` for one that nothing is promised about.
    point: Option<Point>,
}

/// A recovery point that is promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The policy.
    pub policy: String,
    /// The family.
    pub family: String,
    /// When the source image was created.
    pub created: Timestamp,
    /// How far it is.
    pub progress: Progress,
    /// Whether the source still has the image.
    pub in_source: bool,
    /// The size of the object in the vault, once there is one.
    pub stored: Option<u64>,
}

/// How the inventory was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// When the oldest of its observations was made; `None` while something was never observed.
    pub oldest: Option<Timestamp>,
    /// Of how many recovery points the last look failed.
    pub not_assessed: usize,
}

impl Inventory {
    /// Notes what a look observed and decided.
    pub fn note(
        &mut self,
        policies: &Policies,
        observed: &Observed,
        terms: Option<Terms>,
        decision: &Decision<Effect>,
        now: Timestamp,
    ) {
        let point = point(policies, observed, terms, decision);
        // What is neither promised nor met by a walk is nobody's, however often it is named.
        if point.is_some() || self.points.contains_key(&observed.id) {
            let entry = Entry { observed_at: Some(now), failed: false, point };
            self.points.insert(observed.id.clone(), entry);
        }
    }

    /// A key makes the vault's objects unreadable: whatever they are, they are not complete.
    pub fn doubt(&mut self, id: &RecoveryPointId, now: Timestamp) {
        if let Some(entry) = self.points.get_mut(id) {
            entry.observed_at = Some(now);
            entry.failed = false;
            if let Some(point) = &mut entry.point {
                point.progress = Progress::Parked;
            }
        }
    }

    /// A look failed: what was known stays, and grows old.
    pub fn failed<'a>(&mut self, ids: impl IntoIterator<Item = &'a RecoveryPointId>) {
        for id in ids {
            if let Some(entry) = self.points.get_mut(id) {
                entry.failed = true;
            }
        }
    }

    /// A walk over everything begins.
    pub fn walk_began(&mut self, now: Timestamp) {
        self.walking_since = Some(now);
    }

    /// A whole walk met these: what it did not meet is forgotten, unless it is younger.
    pub fn walked(&mut self, met: &BTreeSet<RecoveryPointId>) {
        let began = self.walking_since.take();
        self.points.retain(|id, entry| met.contains(id) || entry.observed_at > began);
        for id in met {
            if !self.points.contains_key(id) {
                self.points.insert(id.clone(), Entry::default());
            }
        }
        self.walked_at = began;
    }

    /// Puts in a recovery point that was observed at a time.
    #[cfg(test)]
    pub fn put(&mut self, id: RecoveryPointId, point: Option<Point>, at: Timestamp) {
        self.points.insert(id, Entry { observed_at: Some(at), failed: false, point });
    }

    /// How the inventory was taken; `None` before it says anything about everything.
    pub fn taken(&self) -> Option<Taken> {
        let walked_at = self.walked_at?;
        let unseen = |entry: &Entry| entry.observed_at.is_none() && !entry.failed;
        if self.points.values().any(unseen) {
            return None;
        }
        let mut observed = self.points.values().map(|entry| entry.observed_at);
        let oldest = observed.try_fold(walked_at, |oldest, at| Some(oldest.min(at?)));
        let not_assessed = self.points.values().filter(|entry| entry.failed).count();
        Some(Taken { oldest, not_assessed })
    }

    /// Everything that is promised.
    pub fn points(&self) -> impl Iterator<Item = (&RecoveryPointId, &Point)> {
        self.points.iter().filter_map(|(id, entry)| Some((id, entry.point.as_ref()?)))
    }
}

/// Whether a recovery point is of this source.
pub fn is_of(id: &RecoveryPointId, source: &SourceScope) -> bool {
    id.source_account == source.account && id.source_region == source.region
}

fn point(
    policies: &Policies,
    observed: &Observed,
    terms: Option<Terms>,
    decision: &Decision<Effect>,
) -> Option<Point> {
    let (policy, family, created) = match (terms, decision) {
        (Some(terms), _) => (terms.policy, terms.family, terms.source.created_at),
        (None, Decision::Ineligible { code, .. } | Decision::Wait { code, .. }) => {
            let Promised { policy, family, created, .. } =
                vault::promised(policies, observed, *code)?;
            (policy, family, created)
        }
        (None, Decision::Act(_) | Decision::Park { .. } | Decision::Done(_)) => return None,
    };
    let progress = match decision {
        Decision::Done(_) => Progress::Complete,
        Decision::Act(_) | Decision::Wait { .. } => Progress::InProgress,
        Decision::Park { .. } => Progress::Parked,
        Decision::Ineligible { .. } => Progress::LeftOut,
    };
    let stored = observed.object.as_ref().map(|object| object.size);
    let in_source = observed.source.is_some();
    Some(Point { policy, family, created, progress, in_source, stored })
}
