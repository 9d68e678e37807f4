//! What a worker must answer so that the loop can drive it.

use std::fmt::{Debug, Display};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::event::{EventKind, Reject};
use amiferry_core::fault::Fault;
use async_trait::async_trait;
use jiff::Timestamp;

use super::found::Found;
use crate::metrics::Stage;
use crate::telemetry::Subject;

/// One worker's half of the loop: what a message means, what is in scope, what AWS says, what to
/// do about it.
///
/// The loop never looks at a key and performs it at the same time, nor either twice at once.
/// Another process may: every effect is fenced in AWS.
#[async_trait]
pub trait Role: Send + Sync + 'static {
    /// What is reconciled, such as one image.
    type Key: Clone + Ord + Debug + Display + Send + Sync + 'static;
    /// Whose work a key is, such as a source. Wherever the loop chooses between keys, parties take
    /// turns.
    type Party: Clone + Ord + Debug + Send + Sync + 'static;
    /// One step that is safe to repeat.
    type Effect: Debug + Send + 'static;

    /// What a message body, which anybody may have written, asks to look at. Pure.
    fn interpret(&self, body: &str) -> Interpreted<Self::Key>;

    /// Reports everything in scope, from AWS itself, page by page. Called at start and then
    /// periodically, never twice at once. [`Found::add`] waits while the loop has enough to do for
    /// the key's party. A role that asks several places side by side is held up by none of them.
    async fn sweep(&self, found: &Found<Self::Key>) -> Result<(), Fault>;

    /// Ends what is left in AWS and no key leads to. Called after each sweep that succeeded; what
    /// fails waits for the next one.
    async fn tidy(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Whose work a key is. Pure, and always the same for a key.
    fn party(&self, key: &Self::Key) -> Self::Party;

    /// Whether the last look at a party's keys timed out, or was refused as a whole: then they are
    /// looked at apart from all others, which then never wait for that party.
    fn is_apart(&self, _party: &Self::Party) -> bool {
        false
    }

    /// Observes many keys with few calls, and decides each. A key that is missing from the
    /// answer is looked at again soon. A fault that concerns some keys is the answer about those,
    /// one that concerns all of them the answer of the look.
    async fn look(&self, keys: &[Self::Key]) -> Result<Answers<Self::Key, Self::Effect>, Fault>;

    /// Which of these starts next in a lane that has a free slot, by position. Parties take turns
    /// in their order, so the first is a fair choice. What is out of range means the first.
    fn next(&self, _lane: Lane, _ready: &[&Self::Key]) -> usize {
        0
    }

    /// What the loop made of a fault about a key, whether a look or an effect met it. The next
    /// decision about the key replaces it.
    fn failed(&self, _key: &Self::Key, _failure: &Failure<'_>) {}

    /// Performs one effect; safe to repeat, may take hours. Dropped when a drain outlasts its
    /// grace period, which must do no more harm than a crash.
    async fn perform(&self, key: &Self::Key, effect: Self::Effect) -> Result<(), Fault>;

    /// What lines about a key carry, as far as it is known now. Asked for only where something is
    /// logged.
    fn subject(&self, key: &Self::Key) -> Subject;

    /// The stage an effect belongs to, for metrics and logs.
    fn stage(&self, effect: &Self::Effect) -> Stage;

    /// When AWS shows an effect after it was performed.
    fn shown(&self, _effect: &Self::Effect) -> Shown {
        Shown::Soon
    }

    /// Which budget of concurrency an effect is taken from.
    fn lane(&self, effect: &Self::Effect) -> Lane;
}

/// What a look came to.
#[derive(Debug)]
pub struct Answers<K, E> {
    /// By key.
    pub decisions: Vec<(K, Result<Decision<E>, Fault>)>,
    /// Keys whose turn this look found to have come: they are looked at next, before all others.
    /// One that waits after a fault keeps its time.
    pub due: Vec<K>,
}

impl<K, E> Answers<K, E> {
    /// Answers that no other key's turn follows from.
    pub fn of(decisions: Vec<(K, Result<Decision<E>, Fault>)>) -> Self {
        Self { decisions, due: Vec::new() }
    }
}

/// What the loop made of a fault about a key.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The fault.
    pub fault: &'a Fault,
    /// The reason that it is shown under.
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

/// What a message asks for. Its good records are used, its bad ones quarantined.
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
    /// A message that is refused as a whole.
    pub fn refused(reject: Reject) -> Self {
        Self { kind: None, keys: Vec::new(), rejected: vec![reject] }
    }

    /// What the message comes to, for a person who asks about it.
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
    /// These are looked at; at least one.
    Look(Vec<K>),
    /// It is well-formed and asks for nothing.
    Ignore,
    /// All of it is refused, for this first reason.
    Quarantine(Reject),
}

/// When AWS shows what was done, so that its key is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// At once: the service is strongly consistent.
    AtOnce,
    /// After [`super::Settings::settle`], most of the time.
    Soon,
}

/// A budget of concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A call or a few.
    Short,
    /// Minutes to hours, such as a copy.
    Long,
}
