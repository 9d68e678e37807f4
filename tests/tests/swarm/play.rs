//! Plays a plan to its end: chaos, heal, rest, and then the truth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use amiferry_audit::inventory::State as AuditState;
use amiferry_core::ids::ImageId;
use amiferry_simulator::clock::SkewedClock;
use amiferry_simulator::ec2::{self, ImageSpec};
use amiferry_simulator::faults::FaultPlan;
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::{sqs, sts};
use jiff::SignedDuration;

use crate::aftermath;
use crate::bus::Listener;
use crate::deceit::{self, Deceit};
use crate::excuse::may_bury_messages;
use crate::life;
use crate::mischief::{Change, Fall, Mischief, WhichKey, WhichQuota};
use crate::neighbour;
pub use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::plan::{Plan, VolumeKey, aws_managed};
use crate::quota;
use crate::retention;
use crate::stage::images::But;
use crate::stage::truth::{self, Recorded, Wrong};
use crate::stage::{Fault, Role, Stage, inventory, manners, minutes, run_test};
use crate::watch;

/// Between two looks at the world.
const STEP: Duration = Duration::from_secs(20);
/// Seconds between two looks at all of a recovery point that was recorded before.
const AGAIN: u64 = 60;
/// Between two audits.
const AUDIT: Duration = minutes(20);

/// Plays a plan. A panic is one more thing that is wrong.
pub fn play(plan: &Plan) -> Outcome {
    let options = plan.options();
    let played = catch_unwind(AssertUnwindSafe(|| {
        run_test(options, async |stage| Run::new(plan, stage).play_out().await)
    }));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = text.unwrap_or_else(|| "a panic without words".to_owned());
        Outcome { wrongs: vec![Wrong { invariant: "panic", what }], ..Outcome::default() }
    })
}

/// Something that is done to the world at its time.
#[derive(Debug, Clone)]
enum Deed {
    Arrive(usize),
    Kill(&'static str, Duration),
    Start(&'static str),
    Sessions(bool),
    Key(WhichKey, KeyState),
    Redeliver(Role),
    Garbage(Role, usize),
    Quota(WhichQuota, u64),
    Change(usize, Change),
    Enable(usize),
    Expire,
    Encrypt,
}

struct Run<'a> {
    plan: &'a Plan,
    stage: &'a mut Stage,
    deeds: VecDeque<(Duration, Deed)>,
    /// What no heal ends.
    kept: FaultPlan,
    passed: Duration,
    audited: Duration,
    /// Images as they came or as their owner left them, to be compared in the end.
    fleet: BTreeMap<ImageId, String>,
    /// Their ids, by their places in the plan's fleet.
    ids: BTreeMap<usize, ImageId>,
    /// The records that were seen: none of them is ever another one, or gone.
    recorded: BTreeMap<ImageId, Recorded>,
    /// What the audit before called complete.
    complete: BTreeSet<ImageId>,
    /// What the workers show.
    pages: Pages,
    /// Who hears what the workers tell an event bus.
    listener: Option<Listener>,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, stage: &'a mut Stage) -> Self {
        if plan.in_roles {
            stage.act_in_roles();
        }
        let sweep = plan.sweep.as_secs();
        stage.config.workers.sweep_interval = amiferry_core::span::Span::from_secs(sweep);
        let mut deeds = Vec::new();
        for (index, arrival) in plan.fleet.iter().enumerate() {
            deeds.push((arrival.after, Deed::Arrive(index)));
        }
        let (mut faults, mut kept) = (FaultPlan::new(), FaultPlan::new());
        let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
        for mischief in &plan.mischief {
            match mischief.clone() {
                Mischief::Aws(entry) => faults = faults.with(*entry),
                Mischief::Crash { who, when: Fall::At(at), away } => {
                    deeds.push((at, Deed::Kill(who, away)));
                }
                Mischief::Crash { who, when: Fall::Call(after, mishap), .. } => {
                    let containing = String::new();
                    let any = Fault { operation: None, containing, after, times: 1, mishap };
                    stage.wire.upset(who, any);
                }
                Mischief::Sessions { at, revoked } => deeds.push((at, Deed::Sessions(revoked))),
                Mischief::Key { which, at, lasts } => {
                    deeds.push((at, Deed::Key(which, KeyState::Disabled)));
                    deeds.push((at + lasts, Deed::Key(which, KeyState::Enabled)));
                }
                Mischief::Clock { .. } => {}
                Mischief::Redelivery { role, at } => deeds.push((at, Deed::Redeliver(role))),
                Mischief::Deceit(Deceit::Plaintext { until }) => {
                    deceit::encrypt(stage, false);
                    deeds.push((until, Deed::Encrypt));
                }
                Mischief::Expire { at } => deeds.push((at, Deed::Expire)),
                Mischief::Deceit(_) => {}
                Mischief::Neighbour(neighbour) => {
                    neighbour.move_in(stage);
                    kept = neighbour.faults();
                }
                Mischief::Garbage { role, at, count } => {
                    deeds.push((at, Deed::Garbage(role, count)));
                }
                Mischief::Quota { which, gb, at, lasts } => {
                    deeds.push((at, Deed::Quota(which, gb)));
                    match lasts {
                        None => quota::configure(stage, which, gb),
                        Some(span) => {
                            deeds.push((at + span, Deed::Quota(which, quota::usual(stage, which))));
                        }
                    }
                }
                Mischief::Image { index, after, change } => {
                    let at = plan.fleet[index].after + after;
                    deeds.push((at, Deed::Change(index, change)));
                    if let Change::Disable { lasts } = change {
                        deeds.push((at + lasts, Deed::Enable(index)));
                    }
                }
            }
            if let Some(kind) = mischief.kind() {
                *counted.entry(kind).or_default() += 1;
            }
        }
        stage.world.faults().install(faults).unwrap();
        stage.world.faults().install(kept.clone()).unwrap();
        watch::begin(stage);
        for role in [Role::Source, Role::Target] {
            if may_bury_messages(plan, role) {
                stage.allow_dead_letters(role);
            }
        }
        deeds.sort_by_key(|(at, _)| *at);
        let listener = Listener::of(stage, plan);
        Self {
            plan,
            stage,
            deeds: deeds.into(),
            kept,
            passed: Duration::ZERO,
            audited: Duration::ZERO,
            fleet: BTreeMap::new(),
            ids: BTreeMap::new(),
            recorded: BTreeMap::new(),
            complete: BTreeSet::new(),
            pages: Pages::default(),
            listener,
            outcome: Outcome { faults: counted, ..Outcome::default() },
        }
    }

    async fn play_out(mut self) -> Outcome {
        for (_, who) in self.plan.workers.clone() {
            self.start(who);
        }
        let mut healed = self.stage.world.now();
        while self.passed < self.plan.chaos && self.outcome.wrongs.is_empty() {
            self.step().await;
        }
        if self.outcome.wrongs.is_empty() {
            self.heal();
            healed = self.stage.world.now();
            let deadline = self.passed + self.plan.deadline();
            while !self.rests() && self.passed < deadline && self.outcome.wrongs.is_empty() {
                self.step().await;
            }
        }
        if let Some(listener) = self.listener.as_mut().filter(|_| self.outcome.wrongs.is_empty()) {
            self.outcome.wrongs = listener.agrees(self.stage, self.plan).await;
        }
        if self.outcome.wrongs.is_empty() {
            let wrongs = truth::check(self.stage).await;
            self.outcome.wrongs.extend(wrongs);
            self.outcome.wrongs.extend(truth::unowned(self.stage));
            self.outcome.wrongs.extend(watch::look_back(self.stage, self.plan, self.fleet.keys()));
            self.source_is_unchanged();
            self.outcome.wrongs.extend(neighbour::is_shown(self.stage, &self.plan.mischief).await);
        }
        if self.plan.deceived && self.outcome.wrongs.is_empty() {
            self.outcome.wrongs = manners::check(self.stage, healed);
        }
        if self.outcome.wrongs.is_empty() {
            let (seed, sweep) = (self.plan.seed, self.plan.sweep);
            self.outcome.wrongs = match self.plan.pruned {
                true => retention::play(self.stage, seed, sweep).await,
                false => aftermath::play(self.stage, seed, sweep).await,
            };
        }
        if self.plan.deceived && self.outcome.wrongs.is_empty() {
            self.outcome.wrongs = deceit::bereave(self.stage, self.plan.seed).await;
        }
        for (kind, times) in self.stage.world.faults().kinds() {
            *self.outcome.faults.entry(kind).or_default() += times;
        }
        self.outcome.calls = self.stage.wire.count() as u64;
        self.outcome.seconds = self.passed.as_secs();
        self.outcome.images = self.stage.expected().len() as u64;
        self.outcome.digest = self.stage.wire.digest();
        self.outcome
    }

    /// Starts a worker on its machine, whose clock is as wrong as before.
    fn start(&mut self, who: &'static str) {
        let (role, _) = self.plan.workers.iter().find(|worker| worker.1 == who).unwrap();
        let ahead = self.plan.mischief.iter().find_map(|mischief| match mischief {
            Mischief::Clock { who: of, ahead } if *of == who => Some(*ahead),
            _ => None,
        });
        let ahead = SignedDuration::from_secs(ahead.unwrap_or_default());
        let clock = SkewedClock::new(self.stage.world.clock(), ahead);
        self.stage.start_as(*role, who, Arc::new(clock));
    }

    async fn step(&mut self) {
        while self.deeds.front().is_some_and(|(at, _)| *at <= self.passed) {
            let (_, deed) = self.deeds.pop_front().unwrap();
            self.perform(deed);
        }
        self.stage.pass(STEP).await;
        self.passed += STEP;
        self.bury();
        self.claims_are_true();
        let again = self.passed.as_secs().is_multiple_of(AGAIN);
        self.outcome.wrongs.extend(self.pages.look(self.stage, again));
        if let Some(listener) = &mut self.listener {
            self.outcome.wrongs.extend(listener.hear(self.stage));
        }
        if self.passed - self.audited >= AUDIT {
            self.audited = self.passed;
            self.audit().await;
        }
    }

    fn perform(&mut self, deed: Deed) {
        let now = self.stage.world.now();
        match deed {
            Deed::Arrive(index) => self.arrive(index),
            Deed::Kill(who, away) => {
                self.stage.kill_named(who);
                self.later(away, Deed::Start(who));
            }
            Deed::Start(who) => {
                // Two crashes can overlap; one process comes back.
                self.stage.kill_named(who);
                self.start(who);
            }
            Deed::Sessions(revoked) => {
                let role = self.stage.landscape.read_role.clone();
                let mut state = self.stage.world.lock();
                match revoked {
                    true => sts::revoke_sessions(&mut state, &role),
                    false => sts::expire_sessions(&mut state, &role, now),
                }
            }
            Deed::Key(which, to) => self.set_key(which, to),
            Deed::Redeliver(role) => {
                let queue = self.stage.queue(role);
                sqs::redeliver(&mut self.stage.world.lock(), now, &queue);
            }
            Deed::Expire => {
                life::take_staged(self.stage);
                self.stage.staged_is_gone();
            }
            Deed::Encrypt => deceit::encrypt(self.stage, true),
            Deed::Garbage(role, count) => {
                for n in 0..count {
                    self.stage.send(role, format!("{{\"garbage\": {n}}}"));
                }
            }
            Deed::Quota(which, gb) => quota::set(self.stage, which, gb),
            Deed::Change(index, change) => self.change(index, change),
            Deed::Enable(index) => {
                let Some(id) = self.ids.get(&index).cloned() else { return };
                self.stage.set_enabled(&id, true);
                let looks = self.look_of(&id);
                self.fleet.insert(id, looks);
            }
        }
    }

    fn arrive(&mut self, index: usize) {
        let arrival = &self.plan.fleet[index];
        let spec = arrival.spec.clone();
        let spec = match arrival.key {
            VolumeKey::None => spec,
            VolumeKey::Aws => spec.encrypted(&aws_managed()),
            VolumeKey::Customer => spec.encrypted(&self.stage.landscape.workload_key),
        };
        let created = self.stage.world.now() - SignedDuration::try_from(arrival.age).unwrap();
        let spec = ImageSpec { created: Some(created), ..spec };
        let mut spec = deceit::disguised(&self.plan.mischief, index, spec);
        if life::hardens(&self.plan.mischief, index) {
            spec.metadata.imds_support = None;
        }
        let id = self.stage.image(spec.clone());
        deceit::squat(&self.plan.mischief, index, self.stage, &id, &spec);
        deceit::note(&self.plan.mischief, index, self.stage, &id);
        let looks = self.look_of(&id);
        self.ids.insert(index, id.clone());
        self.fleet.insert(id, looks);
    }

    /// An owner does something with an image.
    fn change(&mut self, index: usize, change: Change) {
        let Some(id) = self.ids.get(&index).cloned() else { return };
        life::change(self.stage, &id, change, format!("{:?}", self.passed));
        let looks = self.look_of(&id);
        self.fleet.insert(id, looks);
    }

    fn set_key(&mut self, which: WhichKey, to: KeyState) {
        let landscape = &self.stage.landscape;
        let key = match which {
            WhichKey::Staging => &landscape.staging_key,
            WhichKey::Workload => &landscape.workload_key,
            WhichKey::Vault => &landscape.vault_key,
        };
        kms::set_key_state(&mut self.stage.world.lock(), key, to).unwrap();
    }

    fn later(&mut self, span: Duration, deed: Deed) {
        let at = self.passed + span;
        let behind = self.deeds.partition_point(|(other, _)| *other <= at);
        self.deeds.insert(behind, (at, deed));
    }

    /// Takes those away who died at a call.
    fn bury(&mut self) {
        for (_, who) in self.plan.workers.clone() {
            if self.stage.wire.died(who) {
                let away = self.plan.mischief.iter().find_map(|mischief| match mischief {
                    Mischief::Crash { who: of, when: Fall::Call(..), away } if *of == who => {
                        Some(*away)
                    }
                    _ => None,
                });
                self.stage.kill_named(who);
                self.later(away.unwrap_or_default(), Deed::Start(who));
            }
        }
        for who in self.stage.ended() {
            self.wrong("I-18", format!("{who} ended by itself"));
        }
    }

    /// Everything that went wrong ends, and every worker runs.
    fn heal(&mut self) {
        self.stage.world.faults().clear();
        self.stage.world.faults().install(self.kept.clone()).unwrap();
        self.stage.wire.mend();
        for which in [WhichKey::Staging, WhichKey::Workload, WhichKey::Vault] {
            self.set_key(which, KeyState::Enabled);
        }
        let left = std::mem::take(&mut self.deeds);
        for (_, deed) in left {
            let heals = matches!(deed, Deed::Arrive(_) | Deed::Start(_) | Deed::Enable(_));
            if heals || matches!(deed, Deed::Quota(..)) {
                self.perform(deed);
            }
        }
        deceit::end(self.stage);
    }

    fn rests(&self) -> bool {
        let recorded = self.stage.expected().keys().all(|id| truth::is_recorded(self.stage, id));
        recorded
            && truth::queues_are_empty(self.stage)
            && truth::open_uploads(&self.stage.world.lock()).is_empty()
    }

    /// A manifest says that a recovery point is complete: it must be, at every moment from then on.
    fn claims_are_true(&mut self) {
        for id in self.stage.recordable() {
            let record = truth::record(self.stage, &id);
            let again =
                self.recorded.contains_key(&id) && !self.passed.as_secs().is_multiple_of(AGAIN);
            if let Some(record) = record.as_ref().filter(|_| !again) {
                let wrongs = truth::missing(self.stage, &id).into_iter().map(|wrong| Wrong {
                    invariant: "I-1",
                    what: format!("recorded, and {wrong}"),
                });
                self.outcome.wrongs.extend(wrongs);
                self.recorded.entry(id.clone()).or_insert_with(|| record.clone());
            }
            let before = self.recorded.get(&id);
            let is_kept = match (before, &record) {
                (None, record) => record.is_none(),
                (Some(before), record) => record.as_ref().is_some_and(|now| now.keeps(before)),
            };
            if !is_kept {
                let what = format!("{id} was {before:?} and is {record:?}");
                self.wrong("I-13", what);
            }
        }
    }

    /// The audit, too, says so of none that is not, and goes on saying so while it can know. One that cannot be made says nothing.
    async fn audit(&mut self) {
        let Ok(report) = inventory::report(self.stage).await else { return };
        self.outcome.audits += 1;
        let mut complete = BTreeSet::new();
        let (account, _) = self.stage.landscape.source.clone();
        for point in &report.recovery_points {
            if point.state == AuditState::Complete && point.source_account == account {
                complete.insert(point.source_image_id.clone());
                for wrong in truth::missing(self.stage, &point.source_image_id) {
                    self.wrong("I-1", format!("complete to the audit, and {wrong}"));
                }
            }
        }
        if !self.audit_may_err() {
            for id in self.complete.difference(&complete).cloned().collect::<Vec<_>>() {
                self.wrong("I-13", format!("{id} was complete to the audit, and is not any more"));
            }
            self.complete = complete;
        }
    }

    /// Whether the vault's key is off, or AWS may answer the audit with nonsense.
    fn audit_may_err(&self) -> bool {
        self.plan.mischief.iter().any(|mischief| match mischief {
            Mischief::Aws(_) => self.passed <= self.plan.chaos + STEP,
            Mischief::Key { which: WhichKey::Vault, at, lasts } => {
                (*at..=*at + *lasts + STEP).contains(&self.passed)
            }
            _ => false,
        })
    }

    /// No image of the source has changed except by its owner.
    fn source_is_unchanged(&mut self) {
        for (id, before) in self.fleet.clone() {
            let now = self.look_of(&id);
            if now != before {
                self.wrong("I-7", format!("{id} was {before} and is {now}"));
            }
        }
    }

    fn look_of(&self, id: &ImageId) -> String {
        let (account, region) = &self.stage.landscape.source;
        let state = self.stage.world.lock();
        let snapshots = ec2::snapshots(&state, account, region, id);
        format!("{:?} {snapshots:?}", ec2::image(&state, account, region, id))
    }

    fn wrong(&mut self, invariant: &'static str, what: String) {
        self.outcome.wrongs.push(Wrong { invariant, what });
    }
}
