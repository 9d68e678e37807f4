//! Restores what a person has chosen: observe, decide, act, for all of it at once.
//!
//! Nothing is remembered between two runs. A later run, or one at the same time, finds what the first
//! has begun: EC2 refuses a second image under a name, and S3 a second record under a number.

mod copy;
mod retrieve;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::decide::vault::observation::COUNTS_FOR;
use amiferry_core::decide::vault::{CopyOrder, Effect, Recovery, RestoreOrder, Vault};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::ImageId;
use amiferry_core::manifest::Manifest;
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecoveryPointId, VaultKeys};
use amiferry_core::recovery::line::Waiting;
use amiferry_core::recovery::next::Next;
use amiferry_target_worker::effects;
use jiff::{SignedDuration, Timestamp};

use self::copy::Copying;
pub use self::told::{Doing, Event, Running};
use crate::Recoverer;
use crate::bucket::Records;
use crate::chosen::{BATCH, Chosen, POLL, Seen, impossible, is_passing, is_pending};
use crate::report::{Mapped, NotRestored, Recovered, State};
use crate::turns::Turns;

/// How often in a row AWS may not answer about one image before it is given up.
const MOST_FAULTS: u32 = 12;

/// How many effects one image may take: many more than it needs, even if others race for it.
const MOST_EFFECTS: u32 = 40;

/// The longest pause after a call that AWS did not answer.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(2);

/// How long the vault's preconditions count.
const FACTS_COUNT_FOR: SignedDuration = SignedDuration::from_mins(5);

/// The shortest sleep: an effect that AWS does not show yet is looked at again after it.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

/// What is known of one that is not there yet.
struct Task {
    manifest: Manifest,
    /// When to look at it next; `None` while it waits for its turn.
    at: Option<Timestamp>,
    /// What to restore, and when that was decided.
    order: Option<(Box<RestoreOrder>, Timestamp)>,
    /// What to copy to the destination first, and when that was decided.
    copy: Option<(Box<CopyOrder>, Timestamp)>,
    faults: u32,
    /// How many effects AWS confirmed.
    effects: u32,
    /// Whether its image was there at the first look.
    was_there: bool,
    looked: bool,
}

impl Recoverer {
    /// Restores what was chosen, and ends when each is there or given up. Cancellation safe: dropping
    /// it leaves at most effects whose outcome the next run finds.
    pub async fn run(
        &self,
        records: &Records,
        chosen: Chosen,
        recovery: &Recovery,
        tell: &(dyn Fn(&Event) + Sync),
    ) -> Recovered {
        let now = self.clock.now();
        let mut run = Run {
            recoverer: self,
            records,
            recovery,
            tell,
            turns: self.turns(now),
            counted_at: None,
            facts: None,
            recovered: self.nothing_yet(false),
            tasks: BTreeMap::new(),
            of: chosen.wanted.len(),
            copying: Copying::default(),
            running: BTreeMap::new(),
        };
        run.recovered.not_restored = chosen.not_restored;
        for (id, seen) in chosen.wanted {
            let task = Task {
                manifest: seen.manifest.clone(),
                at: Some(now),
                order: None,
                copy: None,
                faults: 0,
                effects: 0,
                was_there: false,
                looked: false,
            };
            run.tasks.insert(id.clone(), task);
            run.take_in(&id, seen).await;
        }
        while !run.tasks.is_empty() {
            run.step().await;
        }
        run.recovered.ended_at = self.clock.now();
        run.recovered
    }
}

/// One run.
struct Run<'a> {
    recoverer: &'a Recoverer,
    records: &'a Records,
    recovery: &'a Recovery,
    tell: &'a (dyn Fn(&Event) + Sync),
    turns: Turns,
    counted_at: Option<Timestamp>,
    facts: Option<(Timestamp, Vault)>,
    recovered: Recovered,
    tasks: BTreeMap<RecoveryPointId, Task>,
    of: usize,
    copying: Copying,
    /// What restores now, with its AMI and its percent as far as they are known.
    running: BTreeMap<RecoveryPointId, (ImageId, Option<u8>)>,
}

impl Run<'_> {
    fn now(&self) -> Timestamp {
        self.recoverer.clock.now()
    }

    /// Looks at what is due, lets those go whose turn it is, and sleeps until something is due.
    async fn step(&mut self) {
        self.count().await;
        self.look().await;
        let next_turn = self.take_turns().await;
        self.start_copies();
        self.tell_progress();
        let now = self.now();
        let due = self.tasks.values().filter_map(|task| task.at);
        let poll = POLL.after(now);
        let only_retrieves = self.tasks.keys().all(|id| self.turns.retrieving.contains_key(id));
        let latest = if only_retrieves { Timestamp::MAX } else { poll };
        let until = due.chain(next_turn).min().unwrap_or(poll).min(latest);
        if !self.tasks.is_empty() {
            let pause = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            self.rest(pause.max(SHORTEST_SLEEP)).await;
        }
    }

    /// Asks EC2 what is being restored in the vault, by us and by others: one call shows all.
    async fn count(&mut self) {
        let now = self.now();
        let lasts = self.turns.count_lasts().min(POLL.signed());
        if self.counted_at.is_some_and(|at| now.duration_since(at) < lasts) {
            return;
        }
        let vault = self.recoverer.vault();
        let Ok(pending) = self.recoverer.there().images.pending().await else { return };
        let now = self.now();
        self.turns.shown(&vault, &pending.items, now);
        self.counted_at = Some(now);
        // What is still shown there needs no look of its own.
        for image in &pending.items {
            let ours = names::restored_owner(&vault, &image.name);
            if let Some(task) = ours.and_then(|id| self.tasks.get_mut(&id))
                && task.at.is_some()
                && task.looked
            {
                task.at = Some(POLL.after(now));
            }
        }
    }

    async fn facts(&mut self) -> Vault {
        let now = self.now();
        if let Some((at, facts)) = &self.facts
            && now.duration_since(*at) < FACTS_COUNT_FOR
        {
            return facts.clone();
        }
        let facts = self.recoverer.facts().await;
        self.facts = Some((now, facts.clone()));
        facts
    }

    async fn look(&mut self) {
        // An effect and the look at it follow each other at once.
        for _ in 0..4 {
            let now = self.now();
            let is_due = |task: &Task| task.at.is_some_and(|at| at <= now);
            let due: Vec<RecoveryPointId> = self
                .tasks
                .iter()
                .filter(|(_, task)| is_due(task))
                .map(|(id, _)| id.clone())
                .collect();
            if due.is_empty() {
                return;
            }
            let facts = self.facts().await;
            for batch in due.chunks(BATCH) {
                let settling: BTreeSet<RecoveryPointId> =
                    batch.iter().filter(|id| self.turns.is_settling(id, now)).cloned().collect();
                let (records, recovery) = (self.records, self.recovery);
                let looked = self.recoverer.look(batch, records, &facts, recovery, &settling);
                for (id, seen) in looked.await {
                    self.take_in(&id, seen).await;
                }
            }
        }
    }

    /// Takes in what was seen of one, and takes the step that follows, unless that is a restore.
    async fn take_in(&mut self, id: &RecoveryPointId, seen: Seen) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(id) else { return };
        let first = !std::mem::replace(&mut task.looked, true);
        task.manifest = seen.manifest;
        (task.order, task.copy) = (None, None);
        let size_gb = task.manifest.source.size_gib;
        self.running.remove(id);
        match seen.image.as_ref().filter(|image| is_pending(image)) {
            Some(image) => {
                self.running.insert(id.clone(), (image.id.clone(), seen.percent));
                let waiting = waiting(&task.manifest, seen.failures);
                self.turns.waiting.entry(id.clone()).or_insert(waiting);
                self.turns.runs(id, size_gb, image.created);
            }
            None if !self.turns.is_settling(id, now) || seen.image.is_some() => {
                let well = !matches!(
                    seen.next,
                    Next::Restore(_)
                        | Next::Copy(_)
                        | Next::Retrieve(..)
                        | Next::Retrieving(..)
                        | Next::Impossible(..)
                );
                self.turns.ended(id, well, now);
            }
            None => {}
        }
        let Some(task) = self.tasks.get_mut(id) else { return };
        if !seen.passing {
            task.faults = 0;
            if !matches!(seen.next, Next::Retrieve(..) | Next::Retrieving(..)) {
                self.turns.retrieving.remove(id);
            }
            if !matches!(seen.next, Next::Copy(_)) {
                self.turns.to_copy.remove(id);
            }
        }
        match seen.next {
            Next::There(restored) => {
                task.was_there |= first;
                let state = if task.was_there { State::There } else { State::Restored };
                let place = self.recoverer.place();
                let mapped = Mapped::of(&task.manifest, Some(&restored), state).made_in(place);
                self.recovered.map.push(mapped);
                self.tasks.remove(id);
                (self.tell)(&Event::There { id: id.clone(), image: restored.image_id });
            }
            Next::Impossible(code, reason) if !seen.passing => self.give_up(id, code, reason),
            Next::Impossible(code, reason) => self.failed(id, code, reason),
            Next::Wait(until, ..) => task.at = Some(until.min(POLL.after(now))),
            Next::Retrieve(version, archived) => self.retrieve(id, &version, &archived).await,
            Next::Retrieving(_, archived) => self.retrieving(id, &archived),
            Next::Restore(order) => {
                task.order = Some((order, now));
                task.at = None;
                let waiting = waiting(&task.manifest, seen.failures);
                self.turns.waiting.insert(id.clone(), waiting);
            }
            Next::Copy(order) => {
                task.copy = Some((order, now));
                task.at = None;
                let waiting = waiting(&task.manifest, 0);
                self.turns.to_copy.entry(id.clone()).or_insert(waiting);
            }
            Next::Act(effect) => {
                let done = self.perform(id, &effect).await;
                self.settle(id, done);
            }
            Next::Share(image, accounts) => {
                let done = self.recoverer.sharing.share(&image, &accounts).await;
                // The permission may be shown a moment later.
                self.settle(id, done);
            }
        }
    }

    async fn perform(&self, id: &RecoveryPointId, effect: &Effect) -> Result<(), Fault> {
        let (vault, there) = (&self.recoverer.observer.vault, self.recoverer.there());
        match effect {
            Effect::Protect(image) => there.protection.protect(image, false).await,
            Effect::DemandImdsV2(image) => there.protection.demand_imds_v2(image).await,
            Effect::RecordAgain(record) => {
                let (keys, lock) = (self.keys_of(id)?, &self.recoverer.lock);
                let now = self.now();
                effects::record_again(vault, lock, record, &keys, now).await.map(drop)
            }
            // `recovery::next` answers none of these as a step.
            Effect::Copy(_) | Effect::Lock(..) | Effect::Restore(_) | Effect::Record(_) => Ok(()),
        }
    }

    fn keys_of(&self, id: &RecoveryPointId) -> Result<VaultKeys, Fault> {
        self.recoverer.observer.keys_of(id)
    }

    /// Looks again at once after an effect that succeeded, or later after one that did not.
    fn settle(&mut self, id: &RecoveryPointId, done: Result<(), Fault>) {
        let now = self.now();
        match done {
            Ok(()) => {
                let Some(task) = self.tasks.get_mut(id) else { return };
                task.effects += 1;
                task.at = Some(now);
                if task.effects > MOST_EFFECTS {
                    let reason = "AWS confirms every step and shows none of them".to_owned();
                    self.give_up(id, Code::Failing, reason);
                }
            }
            Err(fault) => match impossible(&fault) {
                Next::Impossible(code, reason) if is_passing(fault.class) => {
                    self.failed(id, code, reason);
                }
                Next::Impossible(code, reason) => self.give_up(id, code, reason),
                _ => {}
            },
        }
    }

    /// AWS did not answer about one: after a pause it is looked at again, and given up in the end.
    fn failed(&mut self, id: &RecoveryPointId, code: Code, reason: String) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.faults += 1;
        if task.faults >= MOST_FAULTS {
            return self.give_up(id, code, reason);
        }
        let pause = POLL.signed().saturating_mul(1 << task.faults.min(8).saturating_sub(1));
        task.at = now.saturating_add(pause.min(LONGEST_PAUSE)).ok();
    }

    fn give_up(&mut self, id: &RecoveryPointId, code: Code, reason: String) {
        let Some(task) = self.tasks.remove(id) else { return };
        self.turns.retrieving.remove(id);
        self.turns.to_copy.remove(id);
        self.running.remove(id);
        self.turns.ended(id, false, self.now());
        let not = NotRestored::point(id, Some(&task.manifest), code, reason.clone());
        self.recovered.not_restored.push(not);
        (self.tell)(&Event::GivenUp { id: id.clone(), code, reason });
    }

    /// Starts the restores whose turn it is, and says when the next turn comes.
    async fn take_turns(&mut self) -> Option<Timestamp> {
        let policies = &self.recoverer.observer.policies;
        if !self.tasks.values().any(|task| task.order.is_some()) {
            return None;
        }
        let answers = self.turns.answers(policies, self.now());
        for id in answers.now {
            let now = self.now();
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            let Some((order, decided_at)) = task.order.take() else { continue };
            if now.duration_since(decided_at) > COUNTS_FOR {
                // Only a new look acts.
                task.at = Some(now);
                continue;
            }
            self.turns.reserve(&id, order.size_gb, now);
            self.start(&id, order, decided_at).await;
        }
        let looks_again = self.tasks.values().filter_map(|task| task.at).min();
        answers.next.into_iter().chain(looks_again).min()
    }

    async fn start(
        &mut self,
        id: &RecoveryPointId,
        order: Box<RestoreOrder>,
        decided_at: Timestamp,
    ) {
        let maker = self.recoverer.maker();
        let started = match maker.keys_of(id) {
            Ok(keys) => effects::start_restore(&maker.vault, &order, keys.image).await,
            Err(fault) => Err(fault),
        };
        let now = self.now();
        let refused = started.as_ref().err().map(|fault| fault.class);
        self.turns.called(id, order.size_gb, refused, now);
        let Some(task) = self.tasks.get_mut(id) else { return };
        match started {
            Ok(image) => {
                task.at = Some(POLL.after(now));
                self.running.insert(id.clone(), (image.clone(), None));
                let size_gb = order.size_gb;
                (self.tell)(&Event::Began { id: id.clone(), image, size_gb });
            }
            // It waits on, and others may go first.
            Err(Fault { class: FaultClass::QuotaFull | FaultClass::Throttled, .. }) => {
                task.order = Some((order, decided_at));
            }
            Err(fault)
                if fault.class == FaultClass::Conflict && !names::is_reserved(&order.name) =>
            {
                match self.stranger(id, &order.name).await {
                    Some(image) => {
                        let reason = format!("{image} is named {}", order.name);
                        self.give_up(id, Code::NameTaken, reason);
                    }
                    None => self.settle(id, Err(fault)),
                }
            }
            Err(fault) => self.settle(id, Err(fault)),
        }
    }

    /// The image that has a name and was not restored for this recovery point.
    async fn stranger(&self, id: &RecoveryPointId, name: &str) -> Option<ImageId> {
        let images = &self.recoverer.there().images;
        let named = images.named(&[name.to_owned()]).await.ok()?;
        let is_it = |image: &&Image| image.name == name && !names::is_tagged_for(id, &image.tags);
        named.items.iter().find(is_it).map(|image| image.id.clone())
    }
}

pub(crate) fn waiting(manifest: &Manifest, failures: u32) -> Waiting {
    Waiting {
        family: manifest.family.clone(),
        policy: manifest.policy.clone(),
        created: manifest.source.created_at,
        size_gb: manifest.source.size_gib,
        begun: false,
        failures,
    }
}
