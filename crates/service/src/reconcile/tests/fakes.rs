//! A role in memory, scripted by the tests, and a running loop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::event::{EventKind, Reject, RejectCode};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ports::WorkQueue;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::queue::Queue;
use crate::clock::TokioClock;
use crate::metrics::{Stage, Worker};
use crate::reconcile::{
    Answers, Failure, Found, Interpreted, Lane, Reconciler, Role, Settings, Snapshot,
};
use crate::stop::{Ended, Stopper};
use crate::telemetry::Subject;

pub(super) fn fault(class: FaultClass) -> Fault {
    Fault {
        class,
        operation: "test:Call",
        resource: "it".to_owned(),
        code: "Code".to_owned(),
        detail: "as the test asks".to_owned(),
        request_id: None,
    }
}

/// What performing does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Take(Duration),
    Fail(FaultClass),
    Panic,
    /// Like `Take`, from the budget of long effects.
    Long(Duration),
}

/// What the next look says; the last one of a script stays.
#[derive(Debug, Clone, Copy)]
pub(super) enum Say {
    Act(Deed),
    Wait(Code, i64),
    Park(Code, i64),
    Done,
    Ineligible,
    /// AWS does not show it.
    Gone,
    /// Leave the key out of the answer.
    Nothing,
    /// A fault about this key.
    Fault(FaultClass),
}

/// How a party answers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mood {
    /// After so long, that it is unavailable.
    Silent(Duration),
    /// At once, with a fault about each key.
    Refuses(FaultClass),
}

/// A role whose keys are numbers and whose answers are scripted.
#[derive(Debug, Default)]
pub(super) struct Script(Mutex<ScriptState>);

#[derive(Debug, Default)]
pub(super) struct ScriptState {
    pub(super) says: BTreeMap<u32, VecDeque<Say>>,
    pub(super) scope: Vec<u32>,
    /// Another place, which sweeps ask at the same time.
    pub(super) other_scope: Vec<u32>,
    pub(super) sweep_faults: VecDeque<FaultClass>,
    pub(super) sweeps: usize,
    pub(super) tidy_faults: VecDeque<FaultClass>,
    pub(super) tidied: usize,
    pub(super) sweep_takes: Duration,
    pub(super) sweeps_at_once: usize,
    pub(super) look_fault: Option<FaultClass>,
    /// A look that contains this key fails.
    pub(super) bad_key: Option<(u32, FaultClass)>,
    pub(super) look_takes: Duration,
    /// Parties that do not answer as scripted; they are apart from the end of such a look on.
    pub(super) moods: BTreeMap<u32, Mood>,
    pub(super) apart: BTreeSet<u32>,
    /// A look at the first key finds that the turn of the others has come.
    pub(super) due: BTreeMap<u32, Vec<u32>>,
    /// Effects that a role starts before all others.
    pub(super) preferred: BTreeSet<u32>,
    /// Each look: when it began, and at what.
    pub(super) rounds: Vec<(Instant, Vec<u32>)>,
    /// What the role was told about faults: key, attempts, whether parked, since when, until when.
    pub(super) failed: Vec<(u32, u32, bool, Timestamp, Timestamp)>,
    pub(super) looks: BTreeMap<u32, usize>,
    pub(super) calls: usize,
    pub(super) performed: Vec<u32>,
    pub(super) busy: BTreeSet<u32>,
    pub(super) busy_most: usize,
}

impl Script {
    pub(super) fn state(&self) -> MutexGuard<'_, ScriptState> {
        self.0.lock().unwrap()
    }

    /// Marks a key busy until dropped; a key must never be busy twice.
    fn busy(self: &Arc<Self>, keys: &[u32]) -> Busy {
        let mut state = self.state();
        for key in keys {
            assert!(state.busy.insert(*key), "{key} is looked at or performed twice at once");
        }
        Busy(Arc::clone(self), keys.to_vec())
    }
}

struct Busy(Arc<Script>, Vec<u32>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        for key in &self.1 {
            state.busy.remove(key);
        }
    }
}

/// A thousand keys each.
pub(super) fn party(key: u32) -> u32 {
    key / 1000
}

/// The role: a handle on the script.
pub(super) struct Scripted {
    script: Arc<Script>,
    clock: TokioClock,
}

#[async_trait]
impl Role for Scripted {
    type Key = u32;
    type Party = u32;
    type Effect = Deed;

    /// `1,2,3` names keys, `please 1,2,3` by a person; anything else among the commas is refused.
    fn interpret(&self, body: &str) -> Interpreted<u32> {
        let (kind, body) = match body.strip_prefix("please ") {
            Some(body) => (EventKind::Operator, body),
            None => (EventKind::AmiStateChange, body),
        };
        let mut interpreted =
            Interpreted { kind: Some(kind), keys: Vec::new(), rejected: Vec::new() };
        for part in body.split(',').filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(key) => interpreted.keys.push(key),
                Err(_) => interpreted
                    .rejected
                    .push(Reject { code: RejectCode::BadField, detail: "no number".to_owned() }),
            }
        }
        interpreted
    }

    async fn sweep(&self, found: &Found<u32>) -> Result<(), Fault> {
        let (scope, other_scope, takes, failing) = {
            let mut state = self.script.state();
            state.sweeps += 1;
            state.sweeps_at_once += 1;
            assert_eq!(state.sweeps_at_once, 1, "two sweeps at once");
            let failing = state.sweep_faults.pop_front();
            (state.scope.clone(), state.other_scope.clone(), state.sweep_takes, failing)
        };
        let report = async |keys: Vec<u32>| {
            for key in keys {
                found.add(key).await;
            }
        };
        tokio::join!(report(scope), report(other_scope));
        tokio::time::sleep(takes).await;
        self.script.state().sweeps_at_once -= 1;
        failing.map_or(Ok(()), |class| Err(fault(class)))
    }

    async fn tidy(&self) -> Result<(), Fault> {
        let mut state = self.script.state();
        state.tidied += 1;
        state.tidy_faults.pop_front().map_or(Ok(()), |class| Err(fault(class)))
    }

    fn party(&self, key: &u32) -> u32 {
        party(*key)
    }

    fn is_apart(&self, party: &u32) -> bool {
        self.script.state().apart.contains(party)
    }

    fn next(&self, _: Lane, ready: &[&u32]) -> usize {
        let preferred = &self.script.state().preferred;
        ready.iter().position(|key| preferred.contains(key)).unwrap_or_default()
    }

    fn failed(&self, key: &u32, failure: &Failure<'_>) {
        let Failure { attempts, parked, since, retry_at, .. } = *failure;
        self.script.state().failed.push((*key, attempts, parked, since, retry_at));
    }

    async fn look(&self, keys: &[u32]) -> Result<Answers<u32, Deed>, Fault> {
        let busy = self.script.busy(keys);
        let takes = {
            let mut state = self.script.state();
            state.calls += 1;
            state.rounds.push((Instant::now(), keys.to_vec()));
            for key in keys {
                *state.looks.entry(*key).or_default() += 1;
            }
            let moods = keys.iter().filter_map(|key| state.moods.get(&party(*key)));
            let silence = moods.map(|mood| match mood {
                Mood::Silent(time) => *time,
                Mood::Refuses(_) => Duration::ZERO,
            });
            silence.fold(state.look_takes, Duration::max)
        };
        tokio::time::sleep(takes).await;
        drop(busy);
        let mut state = self.script.state();
        if let Some(class) = state.look_fault {
            return Err(fault(class));
        }
        if let Some((bad, class)) = state.bad_key
            && keys.contains(&bad)
        {
            return Err(fault(class));
        }
        let now = amiferry_core::ports::Clock::now(&self.clock);
        let at = |seconds: i64| -> Timestamp { now + SignedDuration::from_secs(seconds) };
        let mut answers = Vec::new();
        let mut due = Vec::new();
        for key in keys {
            due.extend(state.due.get(key).into_iter().flatten());
            let class = state.moods.get(&party(*key)).map(|mood| match mood {
                Mood::Silent(_) => FaultClass::Unavailable,
                Mood::Refuses(class) => *class,
            });
            if let Some(class) = class {
                state.apart.insert(party(*key));
                answers.push((*key, Err(fault(class))));
                continue;
            }
            state.apart.remove(&party(*key));
            let says = state.says.entry(*key).or_insert_with(|| VecDeque::from([Say::Done]));
            let say = if says.len() > 1 { says.pop_front() } else { says.front().copied() };
            let detail = String::new();
            let look = match say.unwrap() {
                Say::Act(deed) => Decision::Act(deed),
                Say::Wait(code, secs) => Decision::Wait { code, until: at(secs), detail },
                Say::Park(code, secs) => Decision::Park { code, until: at(secs), detail },
                Say::Done => Decision::Done(Code::Complete),
                Say::Ineligible => Decision::Ineligible { code: Code::NoPolicy, detail },
                Say::Gone => Decision::Ineligible { code: Code::ImageGone, detail },
                Say::Nothing => continue,
                Say::Fault(class) => {
                    answers.push((*key, Err(fault(class))));
                    continue;
                }
            };
            answers.push((*key, Ok(look)));
        }
        Ok(Answers { decisions: answers, due })
    }

    async fn perform(&self, key: &u32, deed: Deed) -> Result<(), Fault> {
        let _busy = self.script.busy(&[*key]);
        {
            let mut state = self.script.state();
            state.busy_most = state.busy_most.max(state.busy.len());
        }
        match deed {
            Deed::Take(time) | Deed::Long(time) => tokio::time::sleep(time).await,
            Deed::Fail(class) => return Err(fault(class)),
            Deed::Panic => panic!("as the test asks"),
        }
        self.script.state().performed.push(*key);
        Ok(())
    }

    fn subject(&self, key: &u32) -> Subject {
        Subject {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            image: format!("ami-{key:08x}").parse().unwrap(),
            target_region: None,
            governed: None,
        }
    }

    fn stage(&self, _: &Deed) -> Stage {
        Stage::Store
    }

    fn lane(&self, deed: &Deed) -> Lane {
        if matches!(deed, Deed::Long(_)) { Lane::Long } else { Lane::Short }
    }
}

/// A running loop with everything it touches.
pub(super) struct Bench {
    pub(super) queue: Arc<Queue>,
    pub(super) script: Arc<Script>,
    pub(super) stopper: Stopper,
    snapshots: tokio::sync::watch::Receiver<Snapshot>,
    running: tokio::task::JoinHandle<Ended>,
}

impl Bench {
    /// Starts a loop; `prepare` sets the scene before its first step.
    pub(super) fn start(prepare: impl FnOnce(&Queue, &mut ScriptState, &mut Settings)) -> Self {
        Self::run(false, prepare)
    }

    /// Starts a loop that ends by itself.
    pub(super) fn start_once(
        prepare: impl FnOnce(&Queue, &mut ScriptState, &mut Settings),
    ) -> Self {
        Self::run(true, prepare)
    }

    fn run(once: bool, prepare: impl FnOnce(&Queue, &mut ScriptState, &mut Settings)) -> Self {
        let queue = Arc::new(Queue::default());
        let script = Arc::new(Script::default());
        let mut settings = Settings::new(Worker::Source, &crate::config::Workers::default(), 7);
        prepare(&queue, &mut script.state(), &mut settings);
        let clock = TokioClock::starting_at("2030-01-01T00:00:00Z".parse().unwrap());
        let role = Arc::new(Scripted { script: Arc::clone(&script), clock });
        let reconciler = Reconciler::new(
            role,
            Arc::clone(&queue) as Arc<dyn WorkQueue>,
            Arc::new(clock),
            settings,
        );
        let snapshots = reconciler.snapshots();
        let stopper = Stopper::new();
        let stop = stopper.clone();
        let running = tokio::spawn(async move {
            match once {
                true => reconciler.run_once(stop).await,
                false => reconciler.run(stop).await,
            }
        });
        Self { queue, script, stopper, snapshots, running }
    }

    /// Lets this much paused time pass; every timer on the way fires in turn.
    pub(super) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }

    pub(super) fn looks(&self, key: u32) -> usize {
        self.script.state().looks.get(&key).copied().unwrap_or_default()
    }

    pub(super) fn deleted(&self) -> Vec<String> {
        self.queue.state().deleted.clone()
    }

    pub(super) fn performed(&self) -> Vec<u32> {
        self.script.state().performed.clone()
    }

    /// How the loop ended by itself.
    pub(super) async fn ended(self) -> (Ended, Arc<Queue>, Arc<Script>) {
        (self.running.await.unwrap(), self.queue, self.script)
    }
}
