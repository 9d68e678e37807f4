//! The loop: one task that owns all state, and supervised tasks that do the waiting.
//!
//! Every task of a worker is in one set. Receiving, looks, sweeps, deletions and effects end by
//! telling the loop. A panic or an unexpected end of a task ends the worker with an error, so that
//! its supervisor restarts it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::fault::Fault;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{Clock, Message, Receipt, WorkQueue};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::entry::Voice;
use super::found;
use super::gauges::{Gauges, Snapshot};
use super::inbox::{Held, Inbox};
use super::intake::{self, Arrived};
use super::looks::LookEnded;
use super::role::{Consistency, Lane, Role};
use super::trouble::Trouble;
use super::work::WorkSet;
use super::{Settings, drain, once};
use crate::metrics::{self, EventOutcome, Stage};
use crate::stop::{Ended, Stopper};
use crate::telemetry;

/// Most calls at once that delete messages, and as many that hide them.
pub(super) const CALLS: usize = 8;

/// A role and its queue, ready to run.
pub struct Reconciler<R: Role> {
    pub(super) role: Arc<R>,
    pub(super) queue: Arc<dyn WorkQueue>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Settings,
    pub(super) work: WorkSet<R::Party, R::Key, R::Effect>,
    pub(super) inbox: Inbox<R::Party, R::Key>,
    pub(super) gauges: Gauges,
    published: watch::Sender<Snapshot>,
    pub(super) tasks: JoinSet<Finished<R>>,
    /// What each task is doing, for the error when it panics.
    names: BTreeMap<Id, String>,
    room: watch::Sender<bool>,
    /// Parties of which a sweep reports no more for now.
    pub(super) full: watch::Sender<BTreeSet<R::Party>>,
    /// Whether a look at keys of all parties is running.
    pub(super) looking: bool,
    /// Running looks at parties apart.
    pub(super) looking_apart: usize,
    /// Running deletions.
    pub(super) deleting: usize,
    /// Running calls that extend messages' visibility timeouts.
    hiding: usize,
    pub(super) hide_faults: u32,
    /// Receives in a row that brought nothing.
    pub(super) empty_receives: u32,
    pub(super) sweeping: bool,
    pub(super) sweep_at: Instant,
    pub(super) sweep_faults: u32,
    /// When sweeps become overdue.
    pub(super) overdue_at: Instant,
    /// Most keys in the next look; halved after a fault, so that one bad key cannot affect the
    /// others.
    pub(super) batch: usize,
    /// Whether the last look at keys of all parties failed as a whole.
    pub(super) blind: bool,
    /// Looks in a row that failed as a whole.
    pub(super) look_faults: u32,
    pub(super) look_after: Instant,
    pub(super) rng: fastrand::Rng,
}

/// How long a loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Unlimited,
    /// Until nothing is left that can be done now.
    Once,
}

impl Time {
    /// How long a receive waits: no one waits for the end of a worker that runs on.
    fn longest_poll(self) -> Duration {
        match self {
            Self::Unlimited => intake::LONG_POLL,
            Self::Once => intake::SHORT_POLL,
        }
    }
}

/// How a task ended.
pub(super) enum Finished<R: Role> {
    Intake,
    Sweep { swept: Result<(), Fault>, tidied: Result<(), Fault> },
    Look(LookEnded<R>),
    Effect(R::Key, Performed),
    Deleted(EntryResults),
    Hidden { asked: Instant, time: Duration, messages: Vec<(Held, Receipt)>, result: EntryResults },
}

/// How a step ended.
pub(super) struct Performed {
    pub(super) stage: Stage,
    pub(super) consistency: Consistency,
    pub(super) took: Duration,
    pub(super) result: Result<(), Fault>,
    /// The span in which all of it is logged.
    pub(super) span: Span,
}

/// The answers to a batch, by entry.
pub(super) type EntryResults = Result<Vec<Result<(), Fault>>, Fault>;

impl<R: Role> Reconciler<R> {
    /// A loop that has not begun.
    pub fn new(
        role: Arc<R>,
        queue: Arc<dyn WorkQueue>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let now = Instant::now();
        let parties = Arc::clone(&role);
        let most = settings.backlog.get().div_ceil(2);
        Self {
            role,
            queue,
            clock,
            work: WorkSet::new(most, move |key| parties.party(key)),
            inbox: Inbox::new(settings.message_bytes),
            gauges: Gauges::new(settings.worker),
            published: watch::Sender::new(Snapshot::default()),
            tasks: JoinSet::new(),
            names: BTreeMap::new(),
            room: watch::Sender::new(true),
            full: watch::Sender::new(BTreeSet::new()),
            looking: false,
            looking_apart: 0,
            deleting: 0,
            hiding: 0,
            hide_faults: 0,
            empty_receives: 0,
            sweeping: false,
            sweep_at: now,
            sweep_faults: 0,
            overdue_at: now + settings.sweep_overdue(),
            batch: settings.batch.get(),
            blind: false,
            look_faults: 0,
            look_after: now,
            rng: fastrand::Rng::with_seed(settings.seed),
            settings,
        }
    }

    /// What the loop is doing, as it changes.
    pub fn snapshots(&self) -> watch::Receiver<Snapshot> {
        self.published.subscribe()
    }

    /// Runs until stopped. Faults of AWS never end it: it shows them, and retries by their class.
    pub async fn run(self, stopper: Stopper) -> Ended {
        self.run_for(Time::Unlimited, stopper).await
    }

    /// Runs until stopped, or until nothing is left that can be done now: then the end says how much waits
    /// for a person. Fails if no sweep succeeds for as long as a running worker calls itself ready without
    /// one.
    pub async fn run_once(self, stopper: Stopper) -> Ended {
        self.run_for(Time::Once, stopper).await
    }

    async fn run_for(self, time: Time, stopper: Stopper) -> Ended {
        let span = telemetry::of_worker(self.settings.worker);
        self.run_on(time, stopper).instrument(span).await
    }

    async fn run_on(mut self, time: Time, stopper: Stopper) -> Ended {
        metrics::sweep_interval(self.settings.worker, self.settings.sweep_interval);
        let (arrived_in, mut arrived) = mpsc::channel(intake::CHANNEL);
        let (found_in, mut found) = mpsc::channel(found::CHANNEL);
        let intake = intake::receive(
            Arc::clone(&self.queue),
            self.room.subscribe(),
            arrived_in,
            time.longest_poll(),
            self.rng.fork(),
        );
        let intake = self.spawn("receiving from the queue".to_owned(), async move {
            intake.await;
            Finished::Intake
        });
        loop {
            self.dispatch(&found_in);
            self.publish();
            if time == Time::Once {
                if self.is_done() {
                    tracing::info!("nothing is left to do now");
                    break;
                }
                if self.gauges.snapshot.sweep_overdue {
                    return drain::fail(self, once::NEVER_SWEPT.to_owned()).await;
                }
            }
            let wake = self.next_wake();
            let sweep_room = self.has_room(self.settings.backlog.get().div_ceil(2));
            tokio::select! {
                biased;
                () = stopper.draining() => break,
                Some(ended) = self.tasks.join_next_with_id() => {
                    if let Err(why) = self.finished(ended) {
                        return drain::fail(self, why).await;
                    }
                }
                Some(news) = arrived.recv() => self.arrived(news),
                Some(key) = found.recv(), if sweep_room => {
                    self.work.named_by_sweep(&key, Instant::now());
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        intake.abort();
        let parked = self.parked_at_the_end(time);
        match drain::drain(self, arrived, &stopper).await {
            Ended::Drained if parked > 0 => Ended::Parked(parked),
            ended => ended,
        }
    }

    pub(super) fn spawn(
        &mut self,
        name: String,
        task: impl Future<Output = Finished<R>> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.tasks.spawn(task.in_current_span());
        self.names.insert(handle.id(), name);
        handle
    }

    /// Starts whatever can start now.
    fn dispatch(&mut self, found: &mpsc::Sender<R::Key>) {
        let now = Instant::now();
        self.start_sweep(found, now);
        self.start_effects(Lane::Short, self.settings.short_effects.get(), now);
        self.start_effects(Lane::Long, self.settings.long_effects.get(), now);
        self.start_looks(now);
        self.start_deletions(now);
        self.start_hiding(now);
    }

    /// Extends the visibility timeouts of messages that still wait for a look.
    fn start_hiding(&mut self, asked: Instant) {
        while self.hiding < CALLS {
            let (time, messages) = self.inbox.take_renewals(asked);
            if messages.is_empty() {
                return;
            }
            self.hiding += 1;
            let queue = Arc::clone(&self.queue);
            self.spawn("keeping messages hidden".to_owned(), async move {
                let receipts: Vec<Receipt> =
                    messages.iter().map(|(_, receipt)| receipt.clone()).collect();
                let result = queue.release(&receipts, time).await;
                Finished::Hidden { asked, time, messages, result }
            });
        }
    }

    fn start_effects(&mut self, lane: Lane, slots: usize, now: Instant) {
        let role = Arc::clone(&self.role);
        let choose = |ready: &[&R::Key]| role.next(lane, ready);
        while let Some((key, effect)) = self.work.start(lane, slots, now, choose) {
            let (stage, consistency) = (self.role.stage(&effect), self.role.consistency(&effect));
            self.gauges.in_flight(stage, true);
            let span = telemetry::stage(&self.span(&key), stage);
            span.in_scope(|| tracing::debug!("attempt begins"));
            let role = Arc::clone(&self.role);
            self.spawn(format!("{stage} of {key}"), async move {
                let start = Instant::now();
                let result = role.perform(&key, effect).instrument(span.clone()).await;
                Finished::Effect(
                    key,
                    Performed { stage, consistency, took: start.elapsed(), result, span },
                )
            });
        }
    }

    fn start_deletions(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        while self.deleting < CALLS && is_due(self.inbox.next_deletion()) {
            let receipts = self.inbox.take_settled();
            self.deleting += 1;
            let queue = Arc::clone(&self.queue);
            self.spawn("deleting messages".to_owned(), async move {
                Finished::Deleted(queue.delete(&receipts).await)
            });
        }
    }

    /// The next time at which something can start that cannot start now.
    fn next_wake(&self) -> Instant {
        let sweep = (!self.sweeping).then_some(self.sweep_at);
        let hide = self.inbox.next_renewal().filter(|_| self.hiding < CALLS);
        let overdue = Some(self.overdue_at).filter(|_| !self.gauges.snapshot.sweep_overdue);
        let far = Instant::now() + Duration::from_secs(3600);
        let delete = self.inbox.next_deletion().filter(|_| self.deleting < CALLS);
        [self.next_look(), sweep, hide, delete, overdue]
            .into_iter()
            .flatten()
            .fold(far, Instant::min)
    }

    /// Whether intake may continue. Waiting work of one party does not stop it for others; but
    /// while no look succeeds at all, it stops at `most` keys and messages.
    fn has_room(&self, most: usize) -> bool {
        !self.blind || self.work.unheard().max(self.inbox.fresh()) < most
    }

    pub(super) fn publish(&mut self) {
        let room = self.inbox.has_room() && self.has_room(self.settings.backlog.get());
        self.room.send_if_modified(|old| std::mem::replace(old, room) != room);
        let (full, work) = (&self.full, &self.work);
        if !work.full().eq(full.borrow().iter()) {
            full.send_replace(work.full().cloned().collect());
        }
        let snapshot = &mut self.gauges.snapshot;
        snapshot.tracked = self.work.len();
        snapshot.unlooked = self.work.unlooked();
        snapshot.ready = self.work.ready();
        snapshot.messages = self.inbox.len();
        snapshot.apart = self.work.aside();
        snapshot.sweep_overdue = self.overdue_at <= Instant::now();
        self.published.send_if_modified(|old| {
            let changed = old != snapshot;
            if changed {
                old.clone_from(snapshot);
            }
            changed
        });
    }

    /// Applies the result of a task; an error ends the worker.
    pub(super) fn finished(
        &mut self,
        ended: Result<(Id, Finished<R>), JoinError>,
    ) -> Result<(), String> {
        let (id, finished) = match ended {
            Ok(ended) => ended,
            // Draining stops the intake.
            Err(error) if error.is_cancelled() && self.gauges.snapshot.draining => return Ok(()),
            Err(error) => {
                let name = self.names.remove(&error.id()).unwrap_or_default();
                return Err(format!("{name} {}", how_it_died(error)));
            }
        };
        self.names.remove(&id);
        match finished {
            Finished::Intake => return Err("receiving from the queue ended".to_owned()),
            Finished::Sweep { swept, tidied } => self.swept(swept, tidied),
            Finished::Look(ended) => self.look_ended(ended),
            Finished::Effect(key, performed) => {
                let span = performed.span.clone();
                span.in_scope(|| self.performed(&key, performed));
            }
            Finished::Deleted(result) => {
                self.deleting -= 1;
                if result.is_err() && has(Bug::DeletionFaultIsEnd) {
                    self.deleting = CALLS * 2;
                }
                self.deletion_ended(result);
            }
            Finished::Hidden { asked, time, messages, result } => {
                self.hiding -= 1;
                self.hiding_ended(asked, time, messages, result);
            }
        }
        Ok(())
    }

    fn arrived(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::Messages(messages) => {
                let is_empty = messages.items.is_empty() && messages.unreadable.is_empty();
                self.empty_receives =
                    if is_empty { self.empty_receives.saturating_add(1) } else { 0 };
                self.gauges.snapshot.receiving = Some(true);
                self.gauges.recovered(Trouble::Receiving);
                metrics::received(self.settings.worker, self.clock.now());
                for message in messages.items {
                    self.take_in(message);
                }
                // It cannot be deleted: SQS delivers it again until it is a dead letter.
                for message in messages.unreadable {
                    tracing::warn!(
                        messaging.message.id = message.id,
                        amiferry.detail = message.why,
                        "a message cannot be read"
                    );
                }
            }
            Arrived::Depth(depth) => metrics::queue_depth(self.settings.worker, depth),
            Arrived::DeadLetters(letters) => metrics::dead_letters(self.settings.worker, letters),
            Arrived::Fault { fault, pause } => {
                self.empty_receives = 0;
                self.gauges.snapshot.receiving = Some(false);
                self.trouble(Trouble::Receiving, &fault, Some(pause));
            }
        }
    }

    fn take_in(&mut self, message: Message) {
        let now = Instant::now();
        if self.inbox.redelivered(&message.id, &message.receipt, now) {
            return;
        }
        let interpreted = self.role.interpret(&message.body);
        for reject in &interpreted.rejected {
            self.gauges.quarantine(&message, reject);
        }
        let outcome = match (interpreted.rejected.is_empty(), interpreted.keys.is_empty()) {
            (false, _) => EventOutcome::Quarantined,
            (true, true) => EventOutcome::Ignored,
            (true, false) => EventOutcome::Accepted,
        };
        metrics::event(self.settings.worker, interpreted.kind, outcome);
        if outcome == EventOutcome::Quarantined && has(Bug::RefusedMessageKept) {
            return;
        }
        let mut keys = interpreted.keys;
        keys.sort();
        keys.dedup();
        let Some(party) = keys.first().map(|key| self.role.party(key)) else {
            self.inbox.settled(message.receipt);
            return;
        };
        let voice = Voice::of(interpreted.kind);
        let held = self.inbox.number();
        let named = keys.iter().filter_map(|key| self.work.named_by_event(key, held, voice, now));
        let open = named.collect();
        let is_aside = self.work.is_aside(&party);
        self.inbox.hold(held, (message.id, message.receipt), party, open, now);
        if is_aside {
            self.stuck(vec![held]);
        }
    }

    fn deletion_ended(&mut self, result: EntryResults) {
        // A message that was not deleted comes again after a while, and is deleted then.
        let faults = match result {
            Ok(answers) => answers.into_iter().filter_map(Result::err).collect::<Vec<_>>(),
            Err(fault) => vec![fault],
        };
        if faults.is_empty() {
            self.gauges.recovered(Trouble::Deleting);
        }
        for fault in faults {
            self.trouble(Trouble::Deleting, &fault, None);
        }
    }

    /// Receipts of messages that were received and not settled.
    pub(super) fn undeleted(&mut self) -> Vec<Receipt> {
        self.inbox.take_pending()
    }
}

fn how_it_died(error: JoinError) -> String {
    if !error.is_panic() {
        return "was cancelled".to_owned();
    }
    let panic = error.into_panic();
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", message.unwrap_or("without a message"))
}
