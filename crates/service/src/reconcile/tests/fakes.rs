//! A queue and a role in memory, scripted by the tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::event::{EventKind, Reject, RejectCode};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ports::{HIDDEN, Message, QueueDepth, Receipt, WorkQueue};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::TokioClock;
use crate::metrics::{Stage, Worker};
use crate::reconcile::{Answers, Found, Interpreted, Lane, Reconciler, Role, Settings, Snapshot};
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

/// An SQS queue: what is received is hidden for its time, and comes again after it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    sent: Notify,
}

#[derive(Debug, Default)]
pub(super) struct QueueState {
    pub(super) visible: VecDeque<Message>,
    pub(super) in_flight: BTreeMap<Receipt, Message>,
    pub(super) deleted: Vec<String>,
    pub(super) released: Vec<String>,
    /// Messages that came again because their time was over.
    pub(super) came_again: usize,
    /// How often a message was hidden anew.
    pub(super) hidden_anew: usize,
    /// Why hiding anew is refused.
    pub(super) hide_fault: Option<FaultClass>,
    hidden_until: BTreeMap<Receipt, Instant>,
    pub(super) receives: usize,
    pub(super) receive_fault: Option<FaultClass>,
    /// Answer empty receives at once, as some emulators do.
    pub(super) impatient: bool,
    next: u64,
}

impl Queue {
    pub(super) fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap()
    }

    pub(super) fn send(&self, body: &str) {
        let mut state = self.state();
        state.next += 1;
        let id = format!("message-{}", state.next);
        let receipt = Receipt(format!("receipt-{}", state.next));
        let body = body.to_owned();
        state.visible.push_back(Message { receipt, id, body, receive_count: 1 });
        self.sent.notify_one();
    }

    /// Delivers everything in flight again under new receipts, which a standard queue may do.
    pub(super) fn redeliver(&self) {
        let mut state = self.state();
        let receipts: Vec<Receipt> = state.in_flight.keys().cloned().collect();
        state.deliver_again(&receipts);
        self.sent.notify_one();
    }
}

impl QueueState {
    fn deliver_again(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            self.hidden_until.remove(receipt);
            let Some(mut message) = self.in_flight.remove(receipt) else { continue };
            self.next += 1;
            message.receipt = Receipt(format!("receipt-{}", self.next));
            message.receive_count += 1;
            self.visible.push_back(message);
        }
    }

    fn let_time_pass(&mut self) {
        let now = Instant::now();
        let due = self.hidden_until.iter().filter(|(_, until)| **until <= now);
        let due: Vec<Receipt> = due.map(|(receipt, _)| receipt.clone()).collect();
        self.came_again += due.iter().filter(|due| self.in_flight.contains_key(due)).count();
        self.deliver_again(&due);
    }
}

#[async_trait]
impl WorkQueue for Queue {
    async fn receive(&self, max: u8, wait: Duration) -> Result<Vec<Message>, Fault> {
        let (empty, impatient) = {
            let mut state = self.state();
            state.receives += 1;
            state.let_time_pass();
            if let Some(class) = state.receive_fault {
                return Err(fault(class));
            }
            (state.visible.is_empty(), state.impatient)
        };
        if empty && !impatient {
            let _ = tokio::time::timeout(wait, self.sent.notified()).await;
        }
        let mut state = self.state();
        let count = state.visible.len().min(max.into());
        let messages: Vec<Message> = state.visible.drain(..count).collect();
        for message in &messages {
            state.in_flight.insert(message.receipt.clone(), message.clone());
            state.hidden_until.insert(message.receipt.clone(), Instant::now() + HIDDEN);
        }
        Ok(messages)
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Vec<Result<(), Fault>>, Fault> {
        assert!(!receipts.is_empty() && receipts.len() <= 10);
        let mut state = self.state();
        let outcome = |receipt: &Receipt| match state.in_flight.remove(receipt) {
            Some(message) => {
                state.deleted.push(message.body);
                Ok(())
            }
            None => Err(fault(FaultClass::Invalid)),
        };
        Ok(receipts.iter().map(outcome).collect())
    }

    async fn release(
        &self,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        assert!(!receipts.is_empty() && receipts.len() <= 10);
        let mut state = self.state();
        if !delay.is_zero() {
            state.hidden_anew += 1;
            if let Some(class) = state.hide_fault {
                return Ok(receipts.iter().map(|_| Err(fault(class))).collect());
            }
            for receipt in receipts {
                assert!(state.in_flight.contains_key(receipt), "{receipt:?} is not in flight");
                state.hidden_until.insert(receipt.clone(), Instant::now() + delay);
            }
            return Ok(receipts.iter().map(|_| Ok(())).collect());
        }
        for receipt in receipts {
            if let Some(message) = state.in_flight.remove(receipt) {
                state.released.push(message.body);
            }
        }
        Ok(receipts.iter().map(|_| Ok(())).collect())
    }

    async fn depth(&self) -> Result<QueueDepth, Fault> {
        let state = self.state();
        let count = |n: usize| u64::try_from(n).unwrap();
        Ok(QueueDepth {
            waiting: count(state.visible.len()),
            in_flight: count(state.in_flight.len()),
        })
    }

    async fn dead_letter_count(&self) -> Result<Option<u64>, Fault> {
        Ok(None)
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
    /// Leave the key out of the answer.
    Nothing,
    /// A fault about this key.
    Fault(FaultClass),
}

/// A role whose keys are numbers and whose answers are scripted.
#[derive(Debug, Default)]
pub(super) struct Script(Mutex<ScriptState>);

#[derive(Debug, Default)]
pub(super) struct ScriptState {
    pub(super) says: BTreeMap<u32, VecDeque<Say>>,
    pub(super) scope: Vec<u32>,
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

    /// `1,2,3` names keys; anything else among the commas is refused.
    fn interpret(&self, body: &str) -> Interpreted<u32> {
        let mut interpreted =
            Interpreted { kind: Some(EventKind::Operator), keys: Vec::new(), rejected: Vec::new() };
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
        let (scope, takes, failing) = {
            let mut state = self.script.state();
            state.sweeps += 1;
            state.sweeps_at_once += 1;
            assert_eq!(state.sweeps_at_once, 1, "two sweeps at once");
            (state.scope.clone(), state.sweep_takes, state.sweep_faults.pop_front())
        };
        for key in scope {
            found.add(key).await;
        }
        tokio::time::sleep(takes).await;
        self.script.state().sweeps_at_once -= 1;
        failing.map_or(Ok(()), |class| Err(fault(class)))
    }

    async fn tidy(&self) -> Result<(), Fault> {
        let mut state = self.script.state();
        state.tidied += 1;
        state.tidy_faults.pop_front().map_or(Ok(()), |class| Err(fault(class)))
    }

    /// A thousand keys each.
    fn party(&self, key: &u32) -> u32 {
        key / 1000
    }

    async fn look(&self, keys: &[u32]) -> Result<Answers<u32, Deed>, Fault> {
        let busy = self.script.busy(keys);
        let takes = {
            let mut state = self.script.state();
            state.calls += 1;
            for key in keys {
                *state.looks.entry(*key).or_default() += 1;
            }
            state.look_takes
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
        for key in keys {
            let says = state.says.entry(*key).or_insert_with(|| VecDeque::from([Say::Done]));
            let say = if says.len() > 1 { says.pop_front() } else { says.front().copied() };
            let detail = String::new();
            let look = match say.unwrap() {
                Say::Act(deed) => Decision::Act(deed),
                Say::Wait(code, secs) => Decision::Wait { code, until: at(secs), detail },
                Say::Park(code, secs) => Decision::Park { code, until: at(secs), detail },
                Say::Done => Decision::Done(Code::Complete),
                Say::Ineligible => Decision::Ineligible { code: Code::NoPolicy, detail },
                Say::Nothing => continue,
                Say::Fault(class) => {
                    answers.push((*key, Err(fault(class))));
                    continue;
                }
            };
            answers.push((*key, Ok(look)));
        }
        Ok(Answers::of(answers))
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
        let running = tokio::spawn(reconciler.run(stopper.clone()));
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
