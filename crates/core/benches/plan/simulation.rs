//! Plays a recovery: store tasks, copies and restore tasks under AWS's rules, each stage with its
//! scheduler, until every family's newest image is complete or 7 days are over.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use amiferry_core::fault::FaultClass;
use amiferry_core::pacing::CallRate;
use amiferry_core::plan::{Ended, Member, Promise, Standing};
use amiferry_core::policy::Backfill;
use amiferry_core::span::Span;
use jiff::{SignedDuration, Timestamp};

use super::fixture::{DAY, Fixture, HOUR, Image, Random, SECOND};
use super::order::{Order, Scheduler};

/// What counts ends then.
pub const HORIZON: i64 = 7 * DAY;

/// EC2's quotas for stores and restores in GB in progress.
pub const QUOTAS_GB: [u64; 2] = [1_200, 600];

/// What others wait after a refusal.
const RETRY: i64 = 300 * SECOND;

/// AWS shows a new task so long after its call.
const LISTING_LAG: i64 = 30 * SECOND;

/// A scheduler that was refused looks again after this.
const LOOK: i64 = 30 * SECOND;

/// A store or restore task: 60 s, and 100 MB/s.
pub fn task(size_gb: u64) -> i64 {
    (60 + 10 * size_gb.cast_signed()) * SECOND
}

/// A copy between the Regions: 1 GB/s.
pub fn copy(size_gb: u64) -> i64 {
    size_gb.cast_signed() * SECOND
}

/// What came of a recovery.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Hours over RPO, summed over the families, without those that no order could have avoided.
    pub over: f64,
    /// Until every family's newest image was complete, in hours.
    pub took: f64,
    /// Complete images.
    pub complete: usize,
    pub calls: u64,
    pub refused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ended(usize, usize),
    Copied(usize),
    Created(usize),
    Call(usize, usize),
    Look(usize),
}

/// How far an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Absent,
    Waits(usize),
    Begun(usize),
    Copying,
    Complete,
}

/// AWS's side of one stage.
#[derive(Debug)]
struct Aws {
    limit_gb: u64,
    running: BTreeMap<usize, i64>,
    in_progress_gb: u64,
    tokens: f64,
    then: i64,
}

impl Aws {
    /// A call reaches EC2, which refuses what its bucket has no token for, and then what comes
    /// while the quota is reached.
    fn call(&mut self, image: usize, size_gb: u64, now: i64) -> Result<(), FaultClass> {
        let rate = CallRate::default();
        let grown = (now - self.then) as f64 / rate.refill.signed().as_millis() as f64;
        self.tokens = (self.tokens + grown).min(f64::from(rate.burst));
        self.then = now;
        if self.tokens < 1.0 {
            return Err(FaultClass::Throttled);
        }
        self.tokens -= 1.0;
        if self.in_progress_gb >= self.limit_gb {
            return Err(FaultClass::QuotaFull);
        }
        self.in_progress_gb += size_gb;
        self.running.insert(image, now);
        Ok(())
    }
}

struct Simulation<'f> {
    fixture: &'f Fixture,
    order: Order,
    keys: Vec<usize>,
    promises: Vec<Promise>,
    states: Vec<State>,
    events: BinaryHeap<Reverse<(i64, Event)>>,
    aws: [Aws; 2],
    schedulers: [Scheduler; 2],
    completions: Vec<Vec<(i64, i64)>>,
    outcome: Outcome,
    random: Random,
}

fn at(time: i64) -> Timestamp {
    let base = Timestamp::from_second(2_000_000_000).unwrap();
    base + SignedDuration::from_millis(time)
}

/// Plays the recovery of a fleet in an order.
pub fn run(fixture: &Fixture, order: Order) -> Outcome {
    let stage = |limit_gb| Aws {
        limit_gb,
        running: BTreeMap::new(),
        in_progress_gb: 0,
        tokens: 50.0,
        then: 0,
    };
    let scheduler = |limit_gb| Scheduler::new(order, limit_gb, CallRate::default(), at(0));
    let promise = |rpo: i64| Promise {
        source: 0,
        priority: 0,
        rpo: Span::from_millis(rpo.unsigned_abs()),
        backfill: Backfill::All,
    };
    let count = fixture.images.len();
    let mut simulation = Simulation {
        fixture,
        order,
        // The images from before the outage come after the others.
        keys: (0..count + fixture.families.len()).collect(),
        promises: fixture.families.iter().map(|family| promise(family.rpo)).collect(),
        states: vec![State::Absent; count],
        events: BinaryHeap::new(),
        aws: QUOTAS_GB.map(stage),
        schedulers: QUOTAS_GB.map(scheduler),
        completions: vec![Vec::new(); fixture.families.len()],
        outcome: Outcome::default(),
        random: Random(1),
    };
    for (image, Image { created, .. }) in fixture.images.iter().enumerate() {
        simulation.push((*created).max(0), Event::Created(image));
    }
    simulation.play();
    simulation.outcome
}

impl Simulation<'_> {
    fn push(&mut self, time: i64, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    fn play(&mut self) {
        let mut newest: Vec<usize> = vec![0; self.fixture.families.len()];
        for (image, of) in self.fixture.images.iter().enumerate() {
            newest[of.family] = image;
        }
        let mut missing = newest.len();
        self.outcome.took = HORIZON as f64 / HOUR as f64;
        while let Some(Reverse((now, event))) = self.events.pop() {
            if now >= HORIZON {
                break;
            }
            if let Event::Ended(1, image) = event
                && newest[self.fixture.images[image].family] == image
            {
                missing -= 1;
            }
            self.happens(event, now);
            if missing == 0 {
                self.outcome.took = now as f64 / HOUR as f64;
                break;
            }
            let more = self.events.peek().is_some_and(|Reverse((next, _))| *next == now);
            if !more && self.order != Order::FirstCome {
                self.round(0, now);
                self.round(1, now);
            }
        }
        let over = total(self.fixture, &self.completions, HORIZON);
        let over = over - unavoidable(self.fixture, HORIZON);
        self.outcome.over = over as f64 / HOUR as f64;
        self.outcome.complete = self.completions.iter().map(Vec::len).sum();
    }

    fn happens(&mut self, event: Event, now: i64) {
        match event {
            Event::Created(image) => self.waits(0, image, now),
            Event::Copied(image) => self.waits(1, image, now),
            Event::Call(stage, image) => self.call(stage, image, now),
            Event::Ended(stage, image) => {
                let size_gb = self.fixture.images[image].size_gb;
                self.aws[stage].running.remove(&image);
                self.aws[stage].in_progress_gb -= size_gb;
                self.schedulers[stage].ended(image);
                if stage == 0 {
                    self.states[image] = State::Copying;
                    self.push(now + copy(size_gb), Event::Copied(image));
                } else {
                    self.states[image] = State::Complete;
                    let Image { family, created, .. } = self.fixture.images[image];
                    self.completions[family].push((now, created));
                }
            }
            // What follows every event does it.
            Event::Look(_) => {}
        }
    }

    fn waits(&mut self, stage: usize, image: usize, now: i64) {
        self.states[image] = State::Waits(stage);
        if self.order == Order::FirstCome {
            self.push(now, Event::Call(stage, image));
        }
    }

    fn call(&mut self, stage: usize, image: usize, now: i64) {
        let size_gb = self.fixture.images[image].size_gb;
        self.outcome.calls += 1;
        let answer = self.aws[stage].call(image, size_gb, now);
        let ended = match answer {
            Ok(()) => {
                self.states[image] = State::Begun(stage);
                self.push(now + task(size_gb), Event::Ended(stage, image));
                Ended::Begun
            }
            Err(class) => {
                self.outcome.refused += 1;
                self.states[image] = State::Waits(stage);
                let again = if self.order == Order::FirstCome {
                    (now + RETRY, Event::Call(stage, image))
                } else {
                    (now + LOOK, Event::Look(stage))
                };
                self.push(again.0, again.1);
                Ended::Refused(class)
            }
        };
        if self.order != Order::FirstCome {
            self.schedulers[stage].called(image, size_gb, ended, at(now));
        }
    }

    /// A stage's scheduler looks at what AWS shows and calls those whose turn it is.
    fn round(&mut self, stage: usize, now: i64) {
        if !self.states.contains(&State::Waits(stage)) {
            return;
        }
        let fixture = self.fixture;
        let mut members = Vec::with_capacity(self.keys.len());
        let standing = |state: State| match state {
            State::Complete => Some(Standing::Complete),
            State::Waits(waits) if waits == stage => Some(Standing::Waits { failures: 0 }),
            state if state > State::Waits(stage) => Some(Standing::Begun),
            // The vault knows nothing of what is not stored yet.
            _ => None,
        };
        let (keys, before) = self.keys.split_at(fixture.images.len());
        for ((key, image), state) in keys.iter().zip(&fixture.images).zip(&self.states) {
            let Some(standing) = standing(*state) else { continue };
            let Image { family, created, size_gb } = *image;
            members.push(Member { key, family, created: at(created), size_gb, standing });
        }
        for ((key, family), of) in before.iter().zip(0..).zip(&fixture.families) {
            let (created, standing) = (at(of.complete), Standing::Complete);
            members.push(Member { key, family, created, size_gb: 0, standing });
        }
        let aws = &self.aws[stage];
        let is_shown = |(_, began): &(&usize, &i64)| now - **began >= LISTING_LAG;
        let running = aws.running.iter().filter(is_shown);
        let running = running.map(|(image, _)| (Some(*image), fixture.images[*image].size_gb));
        let (due, again) = self.schedulers[stage].round(running, &members, &self.promises, at(now));
        let mut calls = now;
        for image in due {
            self.states[image] = State::Begun(stage);
            // One after the other, each within a fifth of a second.
            calls += 1 + self.random.below(200) as i64;
            self.push(calls, Event::Call(stage, image));
        }
        if let Some(again) = again {
            let wait = again.duration_since(at(now)).as_millis();
            self.push(now + i64::try_from(wait).unwrap().max(1), Event::Look(stage));
        }
    }
}

/// What the families are over their RPO from the end of the outage until a time.
fn total(fixture: &Fixture, completions: &[Vec<(i64, i64)>], until: i64) -> i64 {
    let families = fixture.families.iter().zip(completions);
    families.map(|(family, done)| over(family.complete, family.rpo, done, until)).sum()
}

/// What they are over it even if each image is complete as soon as its own tasks allow.
pub fn unavoidable(fixture: &Fixture, until: i64) -> i64 {
    total(fixture, &alone(fixture), until)
}

/// When each image is complete if it is alone.
fn alone(fixture: &Fixture) -> Vec<Vec<(i64, i64)>> {
    let mut alone = vec![Vec::new(); fixture.families.len()];
    for image in &fixture.images {
        let chain = 2 * task(image.size_gb) + copy(image.size_gb);
        alone[image.family].push((image.created.max(0) + chain, image.created));
    }
    alone
}

/// How long a family is over its RPO from the end of the outage until a time.
fn over(complete: i64, rpo: i64, completions: &[(i64, i64)], until: i64) -> i64 {
    let (mut newest, mut since, mut over) = (complete, 0, 0);
    let end = [(until, 0)];
    for (time, created) in completions.iter().chain(&end) {
        let time = *time.min(&until);
        over += (time - since.max(newest + rpo)).max(0);
        since = time;
        newest = newest.max(*created);
    }
    over
}
