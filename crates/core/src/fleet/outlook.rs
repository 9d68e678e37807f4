//! The forecast of a fleet: what each of its images and families comes to if the plan runs on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::row::{Fact, Point, Row, State, Step};
use super::{FamilyId, FamilyIndex, Fleet};
use crate::code::Code;
use crate::forecast::breach::{self, FamilyForecast, Newer};
use crate::forecast::rate::Example;
use crate::forecast::{Capacity, Job, Planned, Progress, Rates, Stage, WhatIf, run};
use crate::ids::ImageId;
use crate::names::{RecoveryPointId, SourceId};
use crate::plan::Promise;
use crate::policy::{Policies, Tier};
use crate::rpo::is_in_future;

/// What a forecast needs in addition to the fleet.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is promised.
    pub policies: &'a Policies,
    /// The sources, in the order of those of the capacity.
    pub sources: &'a [SourceId],
    /// What limits the work.
    pub capacity: &'a Capacity,
    /// What the sources show of their store tasks.
    pub stores: &'a Stores,
    /// Images that do not exist, made now.
    pub what_if: &'a [WhatIf],
}

/// The store tasks of those sources that were asked for them and answered.
#[derive(Debug, Clone, Default)]
pub struct Stores(pub BTreeMap<SourceId, SourceStores>);

/// What one source shows of its store tasks.
#[derive(Debug, Clone, Default)]
pub struct SourceStores {
    /// The images that are being stored, with the beginning of their tasks if that is told.
    pub running: BTreeMap<ImageId, Option<Timestamp>>,
    /// When the stores of some of the newest complete images began.
    pub ended: BTreeMap<ImageId, Timestamp>,
}

impl Stores {
    fn running(&self, id: &RecoveryPointId) -> Option<Option<Timestamp>> {
        self.0.get(&id.source())?.running.get(&id.source_image_id).copied()
    }

    fn ended(&self, id: &RecoveryPointId) -> Option<Timestamp> {
        self.0.get(&id.source())?.ended.get(&id.source_image_id).copied()
    }
}

/// The stores of a source that are worth asking for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoresToAsk {
    pub source: SourceId,
    /// The newest images that were stored.
    pub ended: Vec<ImageId>,
}

/// How many stores that ended are asked for, of each source: those of one call.
const ENDED: usize = 20;

/// See the module's doc.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// The recovery points that will become complete.
    pub points: PlannedPoints,
    /// The images that do not exist.
    pub what_if: Vec<Hypothetical>,
    /// How long tasks are taken to last.
    pub rates: Rates,
    families: BTreeMap<FamilyId, FamilyForecast>,
}

/// The forecasts of recovery points, in the order of their ids: a map of many takes twice the room while it
/// is made.
#[derive(Debug, Clone, Default)]
pub struct PlannedPoints(Vec<(RecoveryPointId, Planned)>);

impl PlannedPoints {
    /// The forecast of a recovery point.
    pub fn get(&self, id: &RecoveryPointId) -> Option<&Planned> {
        let found = self.0.binary_search_by(|(other, _)| other.cmp(id)).ok()?;
        self.0.get(found).map(|(_, planned)| planned)
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &Planned> {
        self.0.iter().map(|(_, planned)| planned)
    }
}

impl From<Vec<(RecoveryPointId, Planned)>> for PlannedPoints {
    fn from(mut points: Vec<(RecoveryPointId, Planned)>) -> Self {
        points.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(points)
    }
}

/// An image that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hypothetical {
    /// The source that would have it.
    pub source: SourceId,
    pub policy: String,
    pub size_gb: u64,
    pub tier: Tier,
    /// Its forecast.
    pub planned: Option<Planned>,
    /// When its RPO breaks, if it is not complete by then.
    pub breaks_at: Option<Timestamp>,
}

impl Outlook {
    /// The forecast of a family of a source; all `None` where nothing of it is under way.
    pub fn family(&self, source: &SourceId, policy: &str, name: &str) -> FamilyForecast {
        let id = FamilyId { source: source.clone(), policy: policy.into(), name: name.into() };
        self.families.get(&id).copied().unwrap_or_default()
    }

    /// The families of which something is not complete, with their forecasts.
    pub fn families(&self) -> impl Iterator<Item = (&FamilyId, FamilyForecast)> {
        self.families.iter().map(|(family, forecast)| (family, *forecast))
    }
}

/// A job with what it is about.
struct Asked<'f> {
    id: &'f RecoveryPointId,
    family: FamilyIndex,
    created: Timestamp,
}

impl Fleet {
    /// Runs the plan forward from what was last observed.
    ///
    /// Of a source that does not show its store tasks nothing is known but what is staged. While all its
    /// images that are not stored have room in its quota, each is taken to be stored since its creation;
    /// otherwise they are taken to begin now, in their order.
    pub fn outlook(&self, ask: Ask<'_>, now: Timestamp) -> Outlook {
        let rates = Rates::learned(self.examples(ask.stores));
        let mut promises = self.promises(ask.policies, ask.sources);
        let (asked, mut jobs) = self.jobs(now);
        begun_stores(&asked, &mut jobs, &promises, ask, &rates, now);
        let mut what_if = hypothetical(ask, &mut jobs, &mut promises, now);
        let mut copied = self.copied(now);
        let mut capacity = ask.capacity.clone();
        for (id, source) in ask.sources.iter().zip(&mut capacity.sources) {
            source.copied = copied.remove(id).unwrap_or_default();
        }
        let planned = run(&jobs, &promises, &capacity, &rates, now);
        let (real, imagined) = planned.split_at(asked.len());
        for (one, planned) in what_if.iter_mut().zip(imagined) {
            one.planned = *planned;
            let rpo = ask.policies.named(&one.policy).map(|policy| policy.rpo);
            let image = Newer { created: now, finishes: planned.map(|planned| planned.finishes) };
            one.breaks_at =
                rpo.and_then(|rpo| breach::forecast(now, false, rpo, [image]).breaks_at);
        }
        let families = self.family_forecasts(ask.policies, &asked, &jobs, real, now);
        let mut points = Vec::with_capacity(asked.len());
        let found = asked.iter().zip(real);
        points.extend(found.filter_map(|(asked, planned)| Some((asked.id.clone(), (*planned)?))));
        Outlook { points: points.into(), what_if, rates, families }
    }

    /// What of complete recovery points shows how long tasks take.
    fn examples(&self, stores: &Stores) -> impl Iterator<Item = Example> {
        let points = self.points().filter(|(_, shown)| shown.state == State::Complete);
        points.filter_map(|(id, shown)| {
            let point = shown.point;
            let written = point.object.as_ref()?.written?;
            let restored = point.restore_began.zip(point.completed_at);
            let size_gb = point.size_gb;
            let began = stores.ended(id).filter(|began| *began < written);
            let (waited, stored_from) = (began.is_none(), began.unwrap_or(point.created));
            Some(Example { size_gb, stored_from, waited, written, restored })
        })
    }

    /// The sources in which something is not stored, so that their store tasks matter.
    pub fn stores_to_ask(&self) -> Vec<StoresToAsk> {
        let mut waiting: BTreeSet<SourceId> = BTreeSet::new();
        let mut ended: BTreeMap<SourceId, Vec<(Timestamp, &ImageId)>> = BTreeMap::new();
        for (id, row) in &self.rows {
            let Some(Fact::Point(point)) = &row.fact else { continue };
            if progress(row, point) == Progress::Waits(Stage::Store) {
                waiting.insert(id.source());
            } else if let Some(written) = point.object.as_ref().and_then(|object| object.written) {
                ended.entry(id.source()).or_default().push((written, &id.source_image_id));
            }
        }
        let ask = |source: SourceId| {
            let mut newest = ended.remove(&source).unwrap_or_default();
            newest.sort_unstable_by(|a, b| b.cmp(a));
            let ended = newest.into_iter().take(ENDED).map(|(_, image)| image.clone()).collect();
            StoresToAsk { source, ended }
        };
        waiting.into_iter().map(ask).collect()
    }

    /// All images of the families in which something is not complete.
    fn jobs(&self, now: Timestamp) -> (Vec<Asked<'_>>, Vec<Job>) {
        let open: BTreeSet<FamilyIndex> = self
            .rows
            .values()
            .filter(|row| !matches!(&row.fact, Some(Fact::Point(p)) if p.state == State::Complete))
            .filter_map(Row::family)
            .collect();
        let (mut asked, mut jobs) = (Vec::new(), Vec::new());
        for (id, row) in &self.rows {
            let Some(family) = row.family().filter(|family| open.contains(family)) else {
                continue;
            };
            let (created, size_gb, ready, progress) = match &row.fact {
                // Nothing can be said of what EC2 is still making, and nothing is wrong with it.
                Some(Fact::Point(point)) if point.code == Code::ImagePending => continue,
                Some(Fact::Point(point)) => {
                    let ready = point.tier == Tier::Ready;
                    (point.created, point.size_gb, ready, progress(row, point))
                }
                Some(Fact::LeftOut(left)) => match left.promised {
                    Some((_, _, created)) => (created, 0, false, Progress::Unplanned),
                    None => continue,
                },
                Some(Fact::Unread(_)) | None => continue,
            };
            let failures = row.failed_steps;
            let data_from = self.repeat(id).map_or(created, |repeat| repeat.data_from);
            let progress = match progress {
                Progress::Waits(_) | Progress::Runs(..) if is_in_future(created, now) => {
                    Progress::Unplanned
                }
                progress => progress,
            };
            asked.push(Asked { id, family, created });
            let family = family.index();
            jobs.push(Job { family, created: data_from, size_gb, ready, progress, failures });
        }
        (asked, jobs)
    }

    fn family_forecasts(
        &self,
        policies: &Policies,
        asked: &[Asked<'_>],
        jobs: &[Job],
        planned: &[Option<Planned>],
        now: Timestamp,
    ) -> BTreeMap<FamilyId, FamilyForecast> {
        let mut images: BTreeMap<FamilyIndex, Vec<(Timestamp, Open)>> = BTreeMap::new();
        for ((asked, job), planned) in asked.iter().zip(jobs).zip(planned) {
            if is_in_future(asked.created, now) {
                continue;
            }
            let finishes = match job.progress {
                Progress::Complete => None,
                _ => Some(planned.map(|planned| planned.finishes)),
            };
            images.entry(asked.family).or_default().push((job.created, finishes));
        }
        let forecast = |(index, images): (FamilyIndex, Vec<(Timestamp, Open)>)| {
            let family = self.family(index)?;
            let rpo = policies.named(&family.policy)?.rpo;
            let complete = images.iter().filter(|(_, open)| open.is_none());
            let newest = complete.map(|(created, _)| *created).max();
            let oldest = images.iter().map(|(created, _)| *created).min();
            let oldest = oldest.into_iter().chain(self.unfinished_since(family)).min();
            let newer = images.iter().filter_map(|(created, open)| {
                Some(Newer { created: *created, finishes: (*open)? })
            });
            let from = newest.or(oldest)?;
            Some((family.clone(), breach::forecast(from, newest.is_some(), rpo, newer)))
        };
        images.into_iter().filter_map(forecast).collect()
    }
}

/// `None` of an image that is complete; of another one when it will be, as far as that is planned.
type Open = Option<Option<Timestamp>>;

/// How far a recovery point is. What waits for a person or for a key gets no forecast.
fn progress(row: &Row, point: &Point) -> Progress {
    let restores = match point.is_restoring {
        true => Progress::Runs(Stage::Restore, point.restore_began),
        false => Progress::Waits(Stage::Restore),
    };
    let is_parked = row.failure.as_ref().is_some_and(|failure| failure.parked);
    match point.state {
        State::Complete => Progress::Complete,
        _ if is_parked || point.size_gb == 0 => Progress::Unplanned,
        State::Lost if point.is_restoring || point.wants == Some(Step::Restore) => restores,
        State::Parked | State::Lost | State::Tampered | State::Unusable => Progress::Unplanned,
        State::InProgress => match point.code {
            _ if point.is_restoring || point.wants == Some(Step::Restore) => restores,
            _ if row.begun == Some(Step::Copy) || point.code == Code::CopyRunning => {
                Progress::Runs(Stage::Copy, None)
            }
            _ if point.wants == Some(Step::Copy) => Progress::Waits(Stage::Copy),
            _ if point.object.is_none() => Progress::Waits(Stage::Store),
            _ if point.restored.is_some() || point.tier == Tier::Archive => Progress::Record,
            _ => restores,
        },
    }
}

/// Takes stores for running that run; where that is not known, those for which the quota of their source has room for all of them.
fn begun_stores(
    asked: &[Asked<'_>],
    jobs: &mut [Job],
    promises: &[Promise],
    ask: Ask<'_>,
    rates: &Rates,
    now: Timestamp,
) {
    let source = |job: &Job| promises.get(job.family).map(|promise| promise.source);
    let mut waiting: BTreeMap<usize, u64> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.progress == Progress::Waits(Stage::Store)) {
        let Some(source) = source(job) else { continue };
        let waits = waiting.entry(source).or_default();
        *waits = waits.saturating_add(job.size_gb);
    }
    for (asked, job) in asked.iter().zip(jobs) {
        let has_room = |source: usize| {
            let limit = ask.capacity.sources.get(source).map_or(0, |source| source.stores.limit_gb);
            waiting.get(&source).is_some_and(|waits| *waits < limit)
        };
        if job.progress != Progress::Waits(Stage::Store) {
            continue;
        }
        if ask.stores.0.contains_key(&asked.id.source()) {
            if let Some(since) = ask.stores.running(asked.id) {
                job.progress = Progress::Runs(Stage::Store, since);
            }
            continue;
        }
        let runs = now.duration_since(asked.created) < rates.store.time_for(job.size_gb);
        if runs && source(job).is_some_and(has_room) {
            job.progress = Progress::Runs(Stage::Store, Some(asked.created));
        }
    }
}

/// Adds images that do not exist, each a family of its own; the sources of their policy take turns.
fn hypothetical(
    ask: Ask<'_>,
    jobs: &mut Vec<Job>,
    promises: &mut Vec<Promise>,
    now: Timestamp,
) -> Vec<Hypothetical> {
    let mut all = Vec::new();
    for WhatIf { count, size_gb, policy } in ask.what_if {
        let Some(policy) = ask.policies.named(policy) else { continue };
        let sources = ask.sources.iter().enumerate();
        let sources: Vec<_> = sources.filter(|(_, source)| policy.speaks_of(source)).collect();
        let turns = sources.iter().cycle().take(usize::try_from(*count).unwrap_or(usize::MAX));
        for (position, source) in turns {
            jobs.push(Job {
                family: promises.len(),
                created: now,
                size_gb: *size_gb,
                ready: policy.tier == Tier::Ready,
                progress: Progress::Waits(Stage::Store),
                failures: 0,
            });
            promises.push(Promise {
                source: *position,
                priority: policy.priority,
                rpo: policy.rpo,
                backfill: policy.backfill,
            });
            all.push(Hypothetical {
                source: (*source).clone(),
                policy: policy.name.to_string(),
                size_gb: *size_gb,
                tier: policy.tier,
                planned: None,
                breaks_at: None,
            });
        }
    }
    all
}
