//! The one picture of everything in scope of a vault: a row for each recovery point, and for each
//! place when and how completely it was last walked.
//!
//! Workers keep it across looks; commands fill it by one walk with the same code. Metrics, status
//! page, reports and plan are computed from it, and none of them keeps another picture. It is a
//! cache: a worker can read all of it from AWS again, except what is `unfinished`.
//!
//! `row` is one recovery point, `place` a source or the vault, `families` their names, `memo` what
//! a cheap look needs, `outlook` its forecast, `once` the files that the vault writes once, `repeated` which images repeat
//! older ones, `rest` what needs no look, `newest` what must stay, `unfinished` families whose images went, `walk` what walks meet, [`tally`] the sums of each family,
//! and `waiting` the input of the plan.
//! [`source`] is the smaller picture that a source worker has.

mod families;
mod memo;
mod newest;
mod once;
mod outlook;
mod place;
mod repeated;
mod rest;
mod row;
pub mod source;
pub mod tally;
mod trouble;
mod unfinished;
mod waiting;
mod walk;

#[cfg(test)]
mod source_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jiff::Timestamp;

use self::families::Families;
pub use self::families::{FamilyId, FamilyIndex};
use self::memo::Memo;
use self::newest::Disputed;
pub use self::once::Once;
pub use self::outlook::{
    Ask, Hypothetical, Outlook, PlannedPoints, SourceStores, Stores, StoresToAsk,
};
pub use self::place::{Met, Place, PlaceFault, Unselected, Walks};
pub use self::row::{Fact, Failure, Held, LeftOut, Point, PointStatus, Row, State, Step};
use self::unfinished::Unfinished;
use crate::code::Code;
use crate::decide::Pace;
use crate::decide::vault::{Doubt, Judged, LossKind, Observed, Promised, Vault};
use crate::model::{Image, ImageState};
use crate::names::{RecoveryPointId, SourceId};
use crate::repeats::Repeat;

/// See the module's doc.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    rows: BTreeMap<RecoveryPointId, Row>,
    families: Families,
    places: BTreeMap<Place, Walks>,
    /// What was known before walks added the first of the rows that no look has seen yet.
    known_before: Option<Timestamp>,
    /// When the newest restore began that is seen to have succeeded.
    proven_at: Option<Timestamp>,
    /// Rows that a walk found and that no look has tried yet.
    awaited: usize,
    /// Whether images that no policy selects are kept by name.
    names_unselected: bool,
    /// The number of the round of walks in progress, or of the last one.
    round: u32,
    /// What images of families that were never complete are gone.
    unfinished: Unfinished,
    /// Computed when asked for, until a row changes what its image is made of.
    repeats: OnceLock<BTreeMap<RecoveryPointId, Repeat<RecoveryPointId>>>,
}

/// How completely and recently everything was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assessed {
    /// The time of the oldest observation; `None` until everything was observed once.
    pub oldest: Option<Timestamp>,
    /// Rows whose last look failed, and items that cannot be read.
    pub not_assessed: usize,
}

impl Fleet {
    /// A fleet of these places, without any observation yet.
    pub fn new(sources: impl IntoIterator<Item = SourceId>) -> Self {
        let sources = sources.into_iter().map(Place::Source);
        let places = sources.chain([Place::Vault]).map(|place| (place, Walks::default()));
        Self { places: places.collect(), ..Self::default() }
    }

    /// The same fleet, which keeps images that no policy selects by name instead of only counting
    /// them: there may be any number of them.
    #[must_use]
    pub fn naming_unselected(self) -> Self {
        Self { names_unselected: true, ..self }
    }

    /// A look observed a recovery point and decided about it. A recovery point that is neither
    /// promised nor found by a walk gets no row, however often messages name it.
    pub fn observed(&mut self, observed: &Observed, judged: &Judged, now: Timestamp) {
        let id = &observed.id;
        self.proven_at = self.proven_at.max(row::proven_at(observed));
        let before = self.rows.get(id);
        let was_in_source = before.is_some_and(Row::is_in_source);
        let was_awaited = before.is_some_and(Row::is_awaited);
        let is_there = |image: &Image| image.state != ImageState::Deregistered;
        let in_source = observed.source.as_ref().is_some_and(is_there)
            || (!observed.source_asked && was_in_source);
        let family = judged
            .promised
            .as_ref()
            .map(|promised| self.families.index(&id.source(), &promised.policy, &promised.family));
        let fact = match (&judged.left_out, family) {
            (None, Some(family)) => Point::of(observed, judged, family, in_source)
                .map(|point| Fact::Point(Box::new(point))),
            (Some(left), family) => Some(Fact::LeftOut(Box::new(LeftOut {
                name: observed.image_name().into(),
                code: left.code,
                detail: left.detail.as_str().into(),
                promised: family
                    .zip(judged.promised.as_ref())
                    .map(|(family, promised)| (family, promised.tier, promised.created)),
                in_source,
            }))),
            (None, None) => None,
        };
        let is_ours = matches!(fact, Some(Fact::Point(_))) || family.is_some();
        if fact.is_none() && !observed.source_asked {
            let why = "its source cannot be asked, and nothing is recorded of it";
            return self.unobserved(id, why, None);
        }
        if before.is_none() && !is_ours {
            return;
        }
        self.awaited -= usize::from(was_awaited);
        let row = self.rows.entry(id.clone()).or_default();
        row.memo = Memo::of(observed, &judged.decision, now);
        row.observed_at = Some(now);
        let (created, unfinished) = (row.created().or(row.given_up()), row.unfinished());
        row.fact = fact;
        row.disputed = Disputed::of(observed);
        let left = unfinished.filter(|(before, _)| row.family() != Some(*before));
        if let Some((family, created)) = left
            && let Some(family) = self.families.shared(family)
        {
            self.unfinished.went(&family, created, now);
        }
        if let Some(Fact::Point(point)) = &row.fact
            && point.state == State::Complete
            && let Some(family) = self.families.get(point.family)
        {
            self.unfinished.completed(family);
        }
        if row.learns_snapshots(observed) || row.created().or(row.given_up()) != created {
            self.repeats = OnceLock::new();
        }
        row.unobserved = None;
        row.failure = None;
        row.next = None;
    }

    /// The same for a look that asked again for a part of what was recalled: the rest of it is as old
    /// as it was.
    pub fn observed_in_part(&mut self, observed: &Observed, judged: &Judged, now: Timestamp) {
        let whole = self.rows.get(&observed.id).and_then(|row| Some(row.memo.as_ref()?.at()));
        self.observed(observed, judged, now);
        if let (Some(whole), Some(row)) = (whole, self.rows.get_mut(&observed.id)) {
            row.memo = row.memo.take().map(|memo| memo.dated(whole));
        }
    }

    /// The final decision of a look, which may be to wait for a turn or a key where the recovery
    /// point by itself could act.
    pub fn answered(&mut self, id: &RecoveryPointId, state: State, code: Code, detail: &str) {
        let Some(Row { fact: Some(Fact::Point(point)), .. }) = self.rows.get_mut(id) else {
            return;
        };
        // What stands in the way back from a loss makes it no smaller.
        if !point.state.is_lost() {
            point.state = state;
            point.code = code;
            point.detail = detail.into();
        }
    }

    /// When a worker looks at a recovery point again, unless an event comes first.
    pub fn looks_again(&mut self, id: &RecoveryPointId, at: Timestamp) {
        if let Some(row) = self.rows.get_mut(id) {
            row.next = Some(at);
        }
    }

    /// A look could not observe a recovery point: its last observation stays, and grows old. `promised`
    /// is said of its image, if that was seen; without an observation its family then is not known
    /// either.
    pub fn unobserved(&mut self, id: &RecoveryPointId, why: &str, promised: Option<&Promised>) {
        let Some(row) = self.rows.get_mut(id) else { return };
        self.awaited -= usize::from(row.is_awaited());
        row.unobserved = Some(why.into());
        if let (Some(promised), true) = (promised, row.is_unread()) {
            let family = self.families.index(&id.source(), &promised.policy, &promised.family);
            row.fact = Some(Fact::Unread(family));
        }
    }

    /// A key makes the vault's objects unreadable: whatever they are, they are not complete. What has
    /// a manifest, though it cannot be read now, was complete; `promised` is said of it if it was
    /// never read.
    pub fn doubted(
        &mut self,
        id: &RecoveryPointId,
        (code, detail): (Code, &str),
        promised: &Promised,
        in_source: bool,
        now: Timestamp,
    ) {
        let Some(row) = self.rows.get_mut(id) else { return };
        let has_manifest = row.versions(Once::Manifest) > 0;
        if let Some(Fact::Point(point)) = &mut row.fact {
            point.state = match has_manifest || point.completed_at.is_some() {
                true => State::from(LossKind::of(code)),
                false => State::Parked,
            };
            point.code = code;
            point.detail = detail.into();
            (row.observed_at, row.unobserved) = (Some(now), None);
        } else if has_manifest {
            let family = self.families.index(&id.source(), &promised.policy, &promised.family);
            let point = Point::unread(family, promised, (code, detail), in_source);
            self.awaited -= usize::from(row.is_awaited());
            row.fact = Some(Fact::Point(Box::new(point)));
            (row.observed_at, row.unobserved) = (Some(now), None);
        } else {
            self.unobserved(id, detail, Some(promised));
        }
    }

    /// What the loop decided after a fault about a recovery point.
    pub fn failed(&mut self, id: &RecoveryPointId, failure: Failure) {
        if let Some(row) = self.rows.get_mut(id) {
            row.failure = Some(Box::new(failure));
        }
    }

    /// A step has begun.
    pub fn began(&mut self, id: &RecoveryPointId, step: Step) {
        if let Some(row) = self.rows.get_mut(id) {
            row.begun = Some(step);
            row.touched = true;
        }
    }

    /// A step ended: well, for a reason outside the recovery point (`None`), or because of it.
    pub fn ended(&mut self, id: &RecoveryPointId, well: Option<bool>) {
        if let Some(row) = self.rows.get_mut(id) {
            row.begun = None;
            match well {
                Some(true) => {
                    row.failed_steps = 0;
                    if let Some(Fact::Point(point)) = &mut row.fact {
                        point.wants = None;
                    }
                }
                Some(false) => row.failed_steps = row.failed_steps.saturating_add(1),
                None => {}
            }
        }
    }

    /// All rows, in order of their ids; also those that are no recovery points.
    pub fn rows(&self) -> impl Iterator<Item = (&RecoveryPointId, &Row)> {
        self.rows.iter()
    }

    /// The recovery points in scope, as they stand now.
    pub fn points(&self) -> impl Iterator<Item = (&RecoveryPointId, PointStatus<'_>)> {
        self.rows.iter().filter_map(|(id, row)| Some((id, row.point()?)))
    }

    /// Whether what is known of other restores speaks against starting one.
    pub fn doubt(&self, vault: &Vault, pace: Pace) -> Option<Doubt> {
        let failed = self.points().filter_map(|(id, shown)| {
            Some((&id.source_image_id, shown.point.failed_restores.as_deref()?))
        });
        Doubt::about(vault, failed, self.proven_at, pace)
    }

    /// One row.
    pub fn row(&self, id: &RecoveryPointId) -> Option<&Row> {
        self.rows.get(id)
    }

    /// The family of an index.
    pub fn family(&self, index: FamilyIndex) -> Option<&FamilyId> {
        self.families.get(index)
    }

    /// Every place, with its walks.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &Walks)> {
        self.places.iter()
    }

    /// Policy and family of a recovery point in scope.
    pub fn governed(&self, id: &RecoveryPointId) -> Option<(String, String)> {
        let family = self.family(self.rows.get(id)?.point()?.point.family)?;
        Some((family.policy.to_string(), family.name.to_string()))
    }

    /// Whether a recovery point is promised, or may be because a walk found it and no look has
    /// observed it yet.
    pub fn may_be_promised(&self, id: &RecoveryPointId) -> bool {
        self.rows.get(id).is_some_and(|row| !matches!(row.fact, Some(Fact::LeftOut(_))))
    }

    /// Whether the vault is known to hold nothing of a recovery point: it was walked completely,
    /// neither a walk nor a look has found anything, and no step of this worker has begun.
    pub fn holds_nothing(&self, id: &RecoveryPointId) -> bool {
        let walked = self.places.get(&Place::Vault).is_some_and(|walks| walks.whole.is_some());
        walked && self.rows.get(id).is_none_or(Row::is_nowhere)
    }

    /// The last observation of a waiting recovery point, without what a cheap look asks for.
    pub fn recall(&self, id: &RecoveryPointId, now: Timestamp) -> Option<Observed> {
        self.rows.get(id)?.memo.as_ref()?.recall(id, now)
    }

    /// How completely and recently everything was observed; `None` until there is an answer about
    /// every place and every row. A place or row that is not assessed is counted separately, and
    /// makes nothing else old.
    pub fn assessed(&self) -> Option<Assessed> {
        let answered = self.places.values().all(Walks::has_answered);
        if !answered || self.awaited > 0 {
            let oldest = self.known_before?;
            return Some(Assessed { oldest: Some(oldest), not_assessed: self.not_assessed() });
        }
        Some(Assessed { oldest: self.oldest(), not_assessed: self.not_assessed() })
    }

    /// The time of the oldest observation; `None` until everything was observed once.
    pub fn known_at(&self) -> Option<Timestamp> {
        self.assessed()?.oldest
    }

    fn oldest(&self) -> Option<Timestamp> {
        let vault = self.places.get(&Place::Vault)?.walked_at()?;
        let places = self
            .places
            .iter()
            .filter(|(place, walks)| **place != Place::Vault && walks.fault.is_none());
        let walked = places.filter_map(|(_, walks)| walks.walked_at());
        let faulty: BTreeSet<&Place> = self
            .places
            .iter()
            .filter(|(_, walks)| walks.fault.is_some())
            .map(|(place, _)| place)
            .collect();
        let silent = |id: &RecoveryPointId| {
            !faulty.is_empty() && faulty.contains(&Place::Source(id.source()))
        };
        let rows = self.rows.iter().filter(|(_, row)| row.unobserved.is_none());
        let looked = rows.filter(|(id, _)| !silent(id)).filter_map(|(_, row)| row.observed_at);
        Some(walked.chain(looked).fold(vault, Ord::min))
    }

    fn not_assessed(&self) -> usize {
        let rows = self.rows.values().filter(|row| row.unobserved.is_some()).count();
        let items = self.places.values().map(|walks| walks.met.unreadable.len()).sum::<usize>();
        // Without the vault's keys there is no inventory at all, which its age shows.
        let sources = self.places.iter().filter(|(place, _)| **place != Place::Vault);
        let silent = sources.filter(|(_, walks)| walks.fault.is_some()).count();
        rows + items + silent
    }
}
