//! What a worker must implement so that the loop can drive it.

use std::fmt::{Debug, Display};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::event::{EventKind, Reject};
use amiferry_core::fault::Fault;
use amiferry_core::fleet;
use async_trait::async_trait;
use jiff::Timestamp;

use super::found::Found;
use crate::metrics::Stage;
use crate::telemetry::Subject;

/// One worker's half of the loop: what a message means, what is in scope, what AWS shows, and what
/// to do about it.
///
/// The loop never looks at a key and performs it at the same time, nor either twice at once.
/// Another process may: every effect is fenced in AWS.
#[async_trait]
pub trait Role: Send + Sync + 'static {
    /// What is reconciled, such as one image.
    type Key: Clone + Ord + Debug + Display + Send + Sync + 'static;
    /// The owner of a key's work, such as a source. Wherever the loop chooses between keys, parties
    /// take turns.
    type Party: Clone + Ord + Debug + Send + Sync + 'static;
    /// One step that is safe to repeat.
    type Effect: Debug + Send + 'static;

    /// What an untrusted message body asks the worker to look at. Pure.
    fn interpret(&self, body: &str) -> Interpreted<Self::Key>;

    /// Reports everything in scope, from AWS itself, page by page. Called at start and then
    /// periodically, never twice at once. [`Found::add`] waits while the loop has enough to do for
    /// the key's party. So a role should walk several places in parallel: then none delays the
    /// others.
    async fn sweep(&self, found: &Found<Self::Key>) -> Result<(), Fault>;

    /// Removes leftovers in AWS that no key leads to. Called after each successful sweep; failures
    /// wait for the next one.
    async fn tidy(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// The party of a key. Pure, and always the same for a key.
    fn party(&self, key: &Self::Key) -> Self::Party;

    /// Whether the last look at a party's keys timed out or was refused as a whole. Then they are
    /// looked at apart, so that no other party waits for this one.
    fn is_apart(&self, _party: &Self::Party) -> bool {
        false
    }

    /// Observes many keys with few calls, and decides about each. A key without an answer is looked
    /// at again soon. A fault that concerns some keys is the answer about those; a fault that
    /// concerns all of them is the error of the look.
    async fn look(&self, keys: &[Self::Key]) -> Result<Answers<Self::Key, Self::Effect>, Fault>;

    /// Which of these effects starts next in a lane with a free slot, by position. Their order lets
    /// parties take turns, so the first is a fair choice. A position out of range means the first.
    fn next(&self, _lane: Lane, _ready: &[&Self::Key]) -> usize {
        0
    }

    /// Notes what the loop decided after a fault about a key, in a look or an effect. The next
    /// decision about the key replaces it.
    fn failed(&self, _key: &Self::Key, _failure: &Failure<'_>) {}

    /// Performs one effect; safe to repeat, may take hours. Dropped when a drain outlasts its
    /// grace period, which must do no more harm than a crash.
    async fn perform(&self, key: &Self::Key, effect: Self::Effect) -> Result<(), Fault>;

    /// The ids that log lines about a key carry, as far as they are known now. Called only if
    /// something is logged.
    fn subject(&self, key: &Self::Key) -> Subject;

    /// The stage an effect belongs to, for metrics and logs.
    fn stage(&self, effect: &Self::Effect) -> Stage;

    /// When AWS shows an effect after it was performed.
    fn consistency(&self, _effect: &Self::Effect) -> Consistency {
        Consistency::Eventual
    }

    /// The budget of concurrency for an effect.
    fn lane(&self, effect: &Self::Effect) -> Lane;
}

/// The result of a look.
#[derive(Debug)]
pub struct Answers<K, E> {
    /// By key.
    pub decisions: Vec<(K, Result<Decision<E>, Fault>)>,
    /// Keys whose turn this look found to have come: they are looked at next, before all others.
    /// One that waits after a fault keeps its time.
    pub due: Vec<K>,
}

impl<K, E> Answers<K, E> {
    /// Answers without turns of other keys.
    pub fn of(decisions: Vec<(K, Result<Decision<E>, Fault>)>) -> Self {
        Self { decisions, due: Vec::new() }
    }
}

/// What the loop decided after a fault about a key.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    pub fault: &'a Fault,
    /// The reason under which reports show it.
    pub code: Code,
    /// Whether a person has to act; otherwise it is expected to pass by itself.
    pub parked: bool,
    /// Faults in a row, this one included.
    pub attempts: u32,
    /// When the first of them was met.
    pub since: Timestamp,
    /// When the key is looked at again, if nothing names it earlier.
    pub retry_at: Timestamp,
}

impl From<&Failure<'_>> for fleet::Failure {
    fn from(failure: &Failure<'_>) -> Self {
        Self {
            code: failure.code,
            detail: failure.fault.to_string().into(),
            parked: failure.parked,
            attempts: failure.attempts,
            since: failure.since,
            retry_at: failure.retry_at,
        }
    }
}

/// What a message asks for. The loop uses its good records and quarantines its bad ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreted<K> {
    /// Its shape; `None` when it could not be read.
    pub kind: Option<EventKind>,
    /// What to look at; may be empty.
    pub keys: Vec<K>,
    /// What is refused, each with its reason.
    pub rejected: Vec<Reject>,
}

impl<K> Interpreted<K> {
    /// A message of which everything is refused.
    pub fn refused(reject: Reject) -> Self {
        Self { kind: None, keys: Vec::new(), rejected: vec![reject] }
    }

    /// The effect of the message, for people who examine it.
    pub fn prospect(self) -> Prospect<K> {
        match self.rejected.into_iter().next() {
            _ if !self.keys.is_empty() => Prospect::Look(self.keys),
            Some(reject) => Prospect::Quarantine(reject),
            None => Prospect::Ignore,
        }
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect<K> {
    /// The worker looks at these keys, at least one.
    Look(Vec<K>),
    /// It is well-formed and asks for nothing.
    Ignore,
    /// All of it is refused, for this first reason.
    Quarantine(Reject),
}

/// When AWS shows an effect, and so when the loop looks at its key again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// AWS shows the effect at once.
    Strong,
    /// AWS usually shows the effect within [`super::Settings::settle`].
    Eventual,
    /// A task runs now, and an event announces its end: the key rests for four times
    /// [`super::Settings::poll`], unless an event comes first.
    Announced,
}

/// A budget of concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A call or a few.
    Short,
    /// Minutes to hours, such as a copy.
    Long,
}
