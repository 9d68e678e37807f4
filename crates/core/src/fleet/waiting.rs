//! The input of the plan: every image of every family, and how far it is with one step.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::row::{Fact, Point, Row, State, Step};
use super::{FamilyId, Fleet};
use crate::code::Code;
use crate::names::{RecoveryPointId, SourceId};
use crate::plan::budget::DAY;
use crate::plan::{Member, Promise, Spent, Standing};
use crate::policy::{Backfill, Policies};
use crate::span::Span;

/// The RPO of a family whose policy is no longer configured: it is not urgent.
const NO_RPO: Span = Span::from_secs(36_525 * 24 * 3_600);

impl Fleet {
    /// All images of all families for the plan of a step. One that failed and is not due again
    /// does not wait.
    pub fn members(&self, step: Step, now: Timestamp) -> Vec<Member<'_, RecoveryPointId>> {
        let mut members = Vec::with_capacity(self.rows.len());
        for (key, row) in &self.rows {
            let (family, created, size_gb, standing) = match &row.fact {
                Some(Fact::Point(point)) => {
                    (point.family, point.created, point.size_gb, standing(row, point, step, now))
                }
                Some(Fact::LeftOut(left_out)) => match left_out.promised {
                    Some((family, _, created)) => (family, created, 0, Standing::Elsewhere),
                    None => continue,
                },
                Some(Fact::Unread(_)) | None => continue,
            };
            // What repeats an older image helps its family no more than that one.
            let created = self.repeat(key).map_or(created, |repeat| repeat.data_from);
            members.push(Member { key, family: family.index(), created, size_gb, standing });
        }
        members
    }

    /// What is promised about each family, by its index; `sources` are in the order of the
    /// weights, and one that is not among them comes after them.
    pub fn promises(&self, policies: &Policies, sources: &[SourceId]) -> Vec<Promise> {
        let places: BTreeMap<&SourceId, usize> = sources.iter().zip(0..).collect();
        let of = |family: &FamilyId| {
            let place = places.get(&family.source).copied();
            promise(policies, family, place.unwrap_or(sources.len()))
        };
        self.families.all().iter().map(|family| of(family)).collect()
    }

    /// What was copied of each source within the last day, as the vault shows it, and what is
    /// being copied.
    pub fn spent(&self, now: Timestamp) -> BTreeMap<SourceId, Spent> {
        let mut spent: BTreeMap<SourceId, Spent> = BTreeMap::new();
        for (id, row) in &self.rows {
            let Some(Fact::Point(point)) = &row.fact else { continue };
            let written = point.object.as_ref().and_then(|object| object.written);
            let today = written.is_some_and(|written| now.duration_since(written) < DAY);
            if today || row.begun == Some(Step::Copy) {
                spent.entry(id.source()).or_default().add(point.size_gb);
            }
        }
        spent
    }

    /// When each image of each source was copied within the last day, with its GB.
    pub(super) fn copied(&self, now: Timestamp) -> BTreeMap<SourceId, Vec<(Timestamp, u64)>> {
        let mut copied: BTreeMap<SourceId, Vec<(Timestamp, u64)>> = BTreeMap::new();
        for (id, row) in &self.rows {
            let Some(Fact::Point(point)) = &row.fact else { continue };
            let written = point.object.as_ref().and_then(|object| object.written);
            if let Some(written) = written.filter(|written| now.duration_since(*written) < DAY) {
                copied.entry(id.source()).or_default().push((written, point.size_gb));
            }
        }
        copied
    }
}

/// What a policy promises about a family; `source` is the position of its source.
pub(super) fn promise(policies: &Policies, family: &FamilyId, source: usize) -> Promise {
    let policy = policies.named(&family.policy);
    Promise {
        source,
        priority: policy.map_or(0, |policy| policy.priority),
        rpo: policy.map_or(NO_RPO, |policy| policy.rpo),
        backfill: policy.map_or(Backfill::All, |policy| policy.backfill),
    }
}

/// How many tasks of a step failed in a row after their calls had succeeded.
fn failed_tasks(point: &Point, step: Step) -> u32 {
    let restores = point.failed_restores.as_ref().filter(|_| step == Step::Restore);
    restores.map_or(0, |failed| u32::try_from(failed.started.len()).unwrap_or(u32::MAX))
}

fn standing(row: &Row, point: &Point, step: Step, now: Timestamp) -> Standing {
    let is_due = row.failure.as_ref().is_none_or(|failure| failure.retry_at <= now);
    match point.state {
        State::Complete => Standing::Complete,
        _ if row.begun == Some(step) => Standing::Begun,
        _ if point.wants == Some(step) && is_due => {
            let failures = row.failed_steps.saturating_add(failed_tasks(point, step));
            Standing::Waits { failures }
        }
        _ if point.wants == Some(step) => Standing::Elsewhere,
        State::Lost if step == Step::Restore && point.is_restoring => Standing::Begun,
        State::Parked | State::Lost | State::Tampered | State::Unusable => Standing::Elsewhere,
        State::InProgress => match step {
            Step::Copy if point.object.is_some() || point.code == Code::CopyRunning => {
                Standing::Begun
            }
            Step::Restore if point.restored.is_some() || point.code == Code::RestoreRunning => {
                Standing::Begun
            }
            Step::Copy | Step::Restore => Standing::Elsewhere,
        },
    }
}
