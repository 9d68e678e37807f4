//! Plays all quotas forward, from one ended task to the next.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use jiff::{SignedDuration, Timestamp};

use super::allowance::Allowance;
use super::lane::Lane;
use super::line::line;
use super::{Capacity, Job, Planned, Progress, Rate, Rates, Stage, Step};
use crate::plan::Promise;

/// The forecast of each job, by its position; `None` for those that never become complete by this
/// plan, or that are complete.
///
/// A source that is not in the capacity stores nothing. Promises have their sources as positions there.
pub fn run(
    jobs: &[Job],
    promises: &[Promise],
    capacity: &Capacity,
    rates: &Rates,
    now: Timestamp,
) -> Vec<Option<Planned>> {
    let stores =
        capacity.sources.iter().enumerate().map(|(position, source)| {
            Lane::of_quota(Stage::Store, Some(position), source.stores, now)
        });
    let vault = [
        Lane::of_slots(Stage::Copy, None, capacity.copies),
        Lane::of_quota(Stage::Restore, None, capacity.restores, now),
    ];
    let mut families = vec![Vec::new(); promises.len()];
    for (job, of) in jobs.iter().enumerate() {
        if let Some(family) = families.get_mut(of.family) {
            family.push(job);
        }
    }
    let mut run = Run {
        jobs,
        families,
        promises,
        weights: capacity.sources.iter().map(|source| source.weight).collect(),
        rates,
        at: now,
        progress: jobs.iter().map(|job| job.progress).collect(),
        steps: vec![[None; Stage::ALL.len()]; jobs.len()],
        waves: vec![0; jobs.len()],
        finished: vec![None; jobs.len()],
        lanes: stores.chain(vault).collect(),
        allowances: capacity.sources.iter().map(Allowance::of).collect(),
        touched: BTreeSet::new(),
        events: BinaryHeap::new(),
    };
    run.play();
    run.results()
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A job's step ended, or its record is written.
    Ended(usize),
    /// A job waits for its next step.
    Arrived(usize),
    /// A lane may make its next call.
    Call(usize),
    /// A source may copy again.
    Reopened,
}

struct Run<'r> {
    jobs: &'r [Job],
    /// The jobs of each family.
    families: Vec<Vec<usize>>,
    promises: &'r [Promise],
    weights: Vec<u32>,
    rates: &'r Rates,
    at: Timestamp,
    progress: Vec<Progress>,
    steps: Vec<[Option<Step>; Stage::ALL.len()]>,
    waves: Vec<u32>,
    finished: Vec<Option<Timestamp>>,
    /// The stores of each source, then copies, then restores.
    lanes: Vec<Lane>,
    /// The daily budget of each source.
    allowances: Vec<Allowance>,
    /// The lanes that may admit something since the last time: of a thousand sources one has changed.
    touched: BTreeSet<usize>,
    events: BinaryHeap<Reverse<(Timestamp, Event)>>,
}

/// A task that runs for longer than it should ends after so much of its usual time from now.
const OVERDUE: i64 = 100;

impl Run<'_> {
    fn play(&mut self) {
        for job in 0..self.jobs.len() {
            self.takes_up(job);
        }
        self.admit();
        while let Some(Reverse((at, event))) = self.events.pop() {
            self.at = at;
            self.happens(event);
            let more = self.events.peek().is_some_and(|Reverse((next, _))| *next == at);
            if !more {
                self.admit();
            }
        }
    }

    fn takes_up(&mut self, job: usize) {
        match self.progress[job] {
            Progress::Complete | Progress::Unplanned => {}
            Progress::Record => {
                self.waves[job] = 1;
                self.push(self.at.saturating_add(self.rates.between), Event::Ended(job));
            }
            Progress::Waits(stage) => {
                if let Some(lane) = self.lane(stage, job) {
                    self.touch(lane).arrives(job);
                }
            }
            Progress::Runs(stage, since) => {
                let size_gb = self.jobs[job].size_gb;
                let rate = self.rate(stage);
                let starts = since.unwrap_or(self.at);
                let expected = starts.saturating_add(rate.time_for(size_gb)).unwrap_or(self.at);
                let overdue = self.at.saturating_add(rate.scaled(OVERDUE).time_for(size_gb));
                let ends = if expected > self.at { Ok(expected) } else { overdue };
                if let Some(lane) = self.lane(stage, job) {
                    self.lanes[lane].begins(size_gb);
                }
                if let Some(allowance) = self.allowance(stage, job) {
                    allowance.begins(size_gb);
                }
                self.waves[job] = 1;
                self.take_step(job, stage, starts, ends);
            }
        }
    }

    fn push(&mut self, at: Result<Timestamp, jiff::Error>, event: Event) {
        self.events.push(Reverse((at.unwrap_or(Timestamp::MAX), event)));
    }

    fn take_step(
        &mut self,
        job: usize,
        stage: Stage,
        starts: Timestamp,
        ends: Result<Timestamp, jiff::Error>,
    ) {
        let ends = ends.unwrap_or(Timestamp::MAX);
        self.steps[job][stage as usize] = Some(Step { starts, ends });
        self.push(Ok(ends), Event::Ended(job));
    }

    fn rate(&self, stage: Stage) -> Rate {
        match stage {
            Stage::Store => self.rates.store,
            Stage::Copy => self.rates.copy,
            Stage::Restore => self.rates.restore,
        }
    }

    /// Where a job waits for a stage.
    fn lane(&self, stage: Stage, job: usize) -> Option<usize> {
        let copies = self.copies();
        match stage {
            Stage::Store => {
                let source = self.promises.get(self.jobs[job].family)?.source;
                (source < copies).then_some(source)
            }
            Stage::Copy => Some(copies),
            Stage::Restore => Some(copies + 1),
        }
    }

    /// The lane of copies, which follows those of the sources' stores.
    fn copies(&self) -> usize {
        self.lanes.len() - 2
    }

    /// A lane that changes, so that it may admit something.
    fn touch(&mut self, lane: usize) -> &mut Lane {
        self.touched.insert(lane);
        &mut self.lanes[lane]
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Ended(job) => self.ended(job),
            Event::Arrived(job) => {
                if let Progress::Waits(stage) = self.progress[job]
                    && let Some(lane) = self.lane(stage, job)
                {
                    self.touch(lane).arrives(job);
                }
            }
            Event::Call(lane) => self.touch(lane).call_at = None,
            Event::Reopened => {
                let copies = self.copies();
                self.touch(copies).is_held = false;
            }
        }
    }

    fn ended(&mut self, job: usize) {
        let Job { size_gb, ready, .. } = self.jobs[job];
        let stage = match self.progress[job] {
            Progress::Runs(stage, _) => stage,
            Progress::Record => {
                self.progress[job] = Progress::Complete;
                self.finished[job] = Some(self.at);
                return;
            }
            Progress::Complete | Progress::Waits(_) | Progress::Unplanned => return,
        };
        if let Some(lane) = self.lane(stage, job) {
            let wave = self.waves[job];
            self.touch(lane).ends(size_gb, wave);
        }
        let at = self.at;
        if let Some(allowance) = self.allowance(stage, job) {
            allowance.ends(size_gb, at);
        }
        let next = match stage {
            Stage::Store => Some(Stage::Copy),
            Stage::Copy => Some(Stage::Restore).filter(|_| ready),
            Stage::Restore => None,
        };
        let then = self.at.saturating_add(self.rates.between);
        match next {
            Some(next) => {
                self.progress[job] = Progress::Waits(next);
                self.push(then, Event::Arrived(job));
            }
            None => {
                self.progress[job] = Progress::Record;
                self.push(then, Event::Ended(job));
            }
        }
    }

    /// Lets go whatever has room and a call.
    fn admit(&mut self) {
        while let Some(lane) = self.touched.pop_first() {
            while self.lanes[lane].could_admit() {
                let at = self.at;
                if let Some(call) = self.lanes[lane].next_call(at) {
                    let known = self.lanes[lane].call_at.replace(call);
                    if known != Some(call) {
                        self.push(Ok(call), Event::Call(lane));
                    }
                    break;
                }
                if self.lanes[lane].is_stale() {
                    let line = line(
                        &mut self.lanes[lane],
                        self.jobs,
                        &self.families,
                        &self.progress,
                        self.promises,
                        &self.weights,
                        at,
                    );
                    self.lanes[lane].planned(line);
                }
                let Some(job) = self.next(lane) else { break };
                self.begin(lane, job);
            }
        }
    }

    /// The first of a line. Of copies, the first whose source has something left of its daily budget; if
    /// none has, the line is held until one has.
    fn next(&mut self, lane: usize) -> Option<usize> {
        if self.lanes[lane].stage != Stage::Copy {
            return self.lanes[lane].line.pop_front();
        }
        let at = self.at;
        let Self { jobs, promises, allowances, lanes, .. } = self;
        let mut closed = |job: usize| {
            let source = promises.get(jobs[job].family)?.source;
            allowances.get_mut(source)?.reopens(at)
        };
        let line = &mut lanes[lane].line;
        if let Some(position) = line.iter().position(|job| closed(*job).is_none()) {
            return line.remove(position);
        }
        let first = line.iter().filter_map(|job| closed(*job)).min()?;
        self.lanes[lane].is_held = true;
        if first < Timestamp::MAX {
            self.push(Ok(first), Event::Reopened);
        }
        None
    }

    /// The budget that a job's stage uses.
    fn allowance(&mut self, stage: Stage, job: usize) -> Option<&mut Allowance> {
        let source = self.promises.get(self.jobs[job].family)?.source;
        self.allowances.get_mut(source).filter(|_| stage == Stage::Copy)
    }

    fn begin(&mut self, lane: usize, job: usize) {
        let Job { size_gb, family, .. } = self.jobs[job];
        let at = self.at;
        let source = self.promises.get(family).map_or(0, |promise| promise.source);
        let weight = self.weights.get(source).copied().unwrap_or(1);
        let lane = &mut self.lanes[lane];
        lane.admits(job, size_gb, at);
        if lane.stage == Stage::Copy
            && let Some(allowance) = self.allowances.get_mut(source)
        {
            allowance.begins(size_gb);
        }
        if lane.source.is_none() {
            lane.turns.taken(source, weight);
        }
        let (stage, wave) = (lane.stage, lane.freed.saturating_add(1));
        if self.waves[job] == 0 {
            self.waves[job] = wave;
        }
        self.progress[job] = Progress::Runs(stage, Some(at));
        let takes: SignedDuration = self.rate(stage).time_for(size_gb);
        self.take_step(job, stage, at, at.saturating_add(takes));
    }

    fn results(self) -> Vec<Option<Planned>> {
        let all = self.finished.into_iter().zip(self.steps).zip(self.waves);
        all.map(|((finished, [store, copy, restore]), wave)| {
            Some(Planned { wave, store, copy, restore, finishes: finished? })
        })
        .collect()
    }
}
