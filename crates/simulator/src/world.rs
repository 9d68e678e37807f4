//! The whole simulated AWS behind one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amiferry_core::ids::{AccountId, Region};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::agenda::{Agenda, Due};
use crate::faults::control::FaultControl;
use crate::faults::{self, Faults};
use crate::trace::{Summary, Trace};
use crate::{
    SimClock, cloudformation, ec2, events, iam, kms, quotas, s3, scenario, secrets, sqs, sts,
};

/// Rates, quotas and the switches for what AWS does not document.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// EC2's share.
    pub ec2: ec2::Settings,
    /// EventBridge's share.
    pub events: events::Settings,
    /// S3's share.
    pub s3: s3::Settings,
    /// SQS's share.
    pub sqs: sqs::Settings,
    /// KMS's share.
    pub kms: kms::Settings,
    /// What is asked of credentials.
    pub sts: sts::Settings,
    /// What Service Quotas lists, by the name of the service in ARNs.
    pub servicequotas: quotas::Settings,
    /// Seed of every random choice of the world; a scenario has it outside its settings.
    #[serde(skip)]
    pub seed: u64,
}

/// A handle on the simulated AWS; clones share it.
#[derive(Debug, Clone)]
pub struct World(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: SimClock,
    state: Mutex<State>,
    changed: Notify,
    answers: AtomicU64,
}

/// Everything there is, by service. Accounts and Regions exist once something is put there.
#[derive(Debug)]
pub struct State {
    /// Simulated time, as of the last look: conditions of policies compare with it.
    pub now: Timestamp,
    /// Rates and switches.
    pub settings: Settings,
    /// What will happen by itself.
    pub agenda: Agenda,
    /// The world's own randomness.
    pub rng: fastrand::Rng,
    /// Accounts that are closed: their credentials are unknown to AWS.
    pub closed: BTreeSet<AccountId>,
    /// Roles of each account.
    pub iam: BTreeMap<AccountId, iam::Account>,
    /// Temporary credentials, by access key id.
    pub sts: sts::Sessions,
    /// EC2 of each account and Region.
    pub ec2: BTreeMap<(AccountId, Region), ec2::Site>,
    /// What the `.bin` objects hold, by content seed.
    pub stored_images: BTreeMap<u64, ec2::StoredImage>,
    /// Queues of each account and Region.
    pub sqs: BTreeMap<(AccountId, Region), sqs::Site>,
    /// Keys of each account and Region.
    pub kms: BTreeMap<(AccountId, Region), kms::Site>,
    /// Buckets; their names are global.
    pub s3: s3::Buckets,
    /// EventBridge rules of each account and Region.
    pub events: BTreeMap<(AccountId, Region), events::Bus>,
    /// Secrets of each account and Region.
    pub secrets: BTreeMap<(AccountId, Region), secrets::Site>,
    /// Stacks of each account and Region.
    pub cloudformation: BTreeMap<(AccountId, Region), cloudformation::Site>,
    /// How often each operation was called, by service and name.
    pub calls: BTreeMap<(&'static str, String), u64>,
    /// Of these, how often each operation that is not there, by service and name.
    pub unimplemented: BTreeMap<(&'static str, String), u64>,
    /// How many messages have reached queues; a long poll wakes when it grows.
    pub arrivals: u64,
    /// Faults on purpose.
    pub faults: Faults,
    /// What was asked and answered, if it is traced.
    pub trace: Trace,
    /// Actions of a scenario that could not be done, and why.
    pub mishaps: Vec<String>,
}

impl World {
    /// An empty world.
    pub fn new(clock: SimClock, settings: Settings) -> Self {
        let rng = fastrand::Rng::with_seed(settings.seed);
        let now = clock.now();
        let faults = Faults::new(settings.seed, now);
        Self(Arc::new(Shared {
            clock,
            changed: Notify::new(),
            answers: AtomicU64::new(0),
            state: Mutex::new(State {
                now,
                settings,
                rng,
                agenda: Agenda::default(),
                closed: BTreeSet::new(),
                iam: BTreeMap::new(),
                sts: sts::Sessions::default(),
                ec2: BTreeMap::new(),
                stored_images: BTreeMap::new(),
                sqs: BTreeMap::new(),
                kms: BTreeMap::new(),
                s3: s3::Buckets::default(),
                events: BTreeMap::new(),
                secrets: BTreeMap::new(),
                cloudformation: BTreeMap::new(),
                calls: BTreeMap::new(),
                unimplemented: BTreeMap::new(),
                arrivals: 0,
                faults,
                trace: Trace::default(),
                mishaps: Vec::new(),
            }),
        }))
    }

    /// The world's clock.
    pub fn clock(&self) -> SimClock {
        self.0.clock.clone()
    }

    /// Simulated time.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The number of the next answer, from 1: its request id is made of it.
    pub fn next_answer(&self) -> u64 {
        self.0.answers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Its faults, to be changed and counted.
    pub fn faults(&self) -> FaultControl<'_> {
        FaultControl(self)
    }

    /// What the calls since [`Trace::start`] come to; `None` unless they are traced.
    pub fn trace(&self) -> Option<Summary> {
        self.lock().trace.summary()
    }

    /// The state as of now, after all that was due has happened. Never hold it over an await.
    pub fn lock(&self) -> Guard<'_> {
        let now = self.now();
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let arrivals = state.arrivals;
        while let Some((at, due)) = state.agenda.take_due(now) {
            state.now = at;
            happen(&mut state, at, due);
        }
        state.now = now;
        Guard { state, changed: &self.0.changed, arrivals }
    }

    /// A wait for the next arrival in a queue, the next thing on the agenda, or `until`,
    /// whichever comes first. Arrivals count from this call on: make it before the look that
    /// may find nothing.
    pub fn arrival(&self, until: Timestamp) -> impl Future<Output = ()> + Send + '_ {
        let notified = self.0.changed.notified();
        async move {
            let next = self.0.state.lock().unwrap_or_else(PoisonError::into_inner).agenda.next_at();
            let wake = next.map_or(until, |next| next.min(until));
            tokio::select! {
                biased;
                () = notified => {}
                () = self.0.clock.sleep_until(wake) => {}
            }
        }
    }
}

/// The locked state; derefs to [`State`].
#[derive(Debug)]
pub struct Guard<'a> {
    state: MutexGuard<'a, State>,
    changed: &'a Notify,
    arrivals: u64,
}

impl std::ops::Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.state.arrivals != self.arrivals {
            self.changed.notify_waiters();
        }
    }
}

fn happen(state: &mut State, at: Timestamp, due: Due) {
    match due {
        Due::Ec2(due) => ec2::happen(state, at, due),
        Due::S3(due) => s3::happen(state, at, due),
        Due::Deliver { queue, body } => faults::deliver(state, at, queue, body),
        Due::Retry { first, queue, body } => faults::retry(state, at, first, queue, body),
        Due::Scenario(planned) => scenario::happen(state, at, planned),
    }
}
