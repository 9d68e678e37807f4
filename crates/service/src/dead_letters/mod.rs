//! Reads a dead-letter queue without losing messages, and sends messages back.
//!
//! SQS shows a message only to a consumer that receives it. So a pass hides the messages that it
//! reads for [`HIDDEN`], remembers each receipt, and makes visible again what it did not send back.
//! If the process dies, the messages become visible by themselves after that time.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiferry_core::event::Reject;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::Arn;
use amiferry_core::ports::{DeadLetter, DeadLetters, Receipt};

/// How long a message that is being read is hidden from other readers.
pub const HIDDEN: Duration = Duration::from_secs(60);

/// Most messages of one receive, set by SQS.
const BATCH: usize = 10;

/// How many receives in a row may bring nothing that can be read.
const EMPTY_HANDED: usize = 10;

/// Reads up to `limit` messages and returns the result of `see` for each.
///
/// # Errors
/// A receive that fails. The messages read before are visible again.
pub async fn list<T>(
    queue: &dyn DeadLetters,
    limit: usize,
    mut see: impl FnMut(&DeadLetter) -> T,
) -> Result<Vec<T>, Fault> {
    let mut pass = Pass::new(queue);
    let mut seen = Vec::new();
    let result = loop {
        if seen.len() >= limit {
            break Ok(());
        }
        match pass.next(limit - seen.len()).await {
            Ok(letters) if letters.is_empty() => break Ok(()),
            Ok(letters) => seen.extend(letters.iter().map(&mut see)),
            Err(fault) => break Err(fault),
        }
    };
    pass.end().await;
    result.map(|()| seen)
}

/// Looks for one message by its id. `None` also while another reader hides it.
///
/// # Errors
/// A receive that fails.
pub async fn find(queue: &dyn DeadLetters, id: &str) -> Result<Option<DeadLetter>, Fault> {
    let mut pass = Pass::new(queue);
    let result = loop {
        match pass.next(BATCH).await {
            Ok(letters) if letters.is_empty() => break Ok(None),
            Ok(letters) => {
                if let Some(letter) = letters.into_iter().find(|letter| letter.message.id == id) {
                    break Ok(Some(letter));
                }
            }
            Err(fault) => break Err(fault),
        }
    };
    pass.end().await;
    result
}

/// Which messages to send back, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The messages by id; `None` for all.
    pub only: Option<BTreeSet<String>>,
    /// Report what would be done, and do nothing.
    pub dry_run: bool,
    /// Also send back messages that the worker would refuse again.
    pub force: bool,
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the worker's queue under this new id, and no longer here.
    SentBack(String),
    /// It would be sent back.
    WouldSendBack,
    /// The worker would refuse it again, for this reason: it stays.
    Refused(Reject),
    /// It came from another worker's queue: it stays.
    Elsewhere(Arn),
    /// It is in the worker's queue under this new id and still here, which does no harm.
    Doubled(String, Fault),
    /// It could not be sent: it stays.
    Failed(Fault),
}

/// How sending back ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redriven {
    /// What became of each message that was met, by its id.
    pub outcomes: Vec<(String, Outcome)>,
    /// What ended it before all messages were met; those left are as they were.
    pub stopped: Option<Fault>,
}

/// Sends messages back to the worker's queue, one after the other: first sent, then deleted, so
/// that a crash in between leaves a message twice and never loses one.
///
/// `refused` is why the worker would not take a body now, if it would not. A fault that is not
/// about the one message ends the work.
pub async fn redrive(
    queue: &dyn DeadLetters,
    what: &Redrive,
    refused: impl Fn(&str) -> Option<Reject>,
) -> Redriven {
    let mut pass = Pass::new(queue);
    let mut left = what.only.clone();
    let mut outcomes = Vec::new();
    let mut stopped = None;
    while stopped.is_none() && left.as_ref().is_none_or(|left| !left.is_empty()) {
        let letters = match pass.next(BATCH).await {
            Ok(letters) if letters.is_empty() => break,
            Ok(letters) => letters,
            Err(fault) => {
                stopped = Some(fault);
                break;
            }
        };
        for letter in letters {
            if left.as_mut().is_some_and(|left| !left.remove(&letter.message.id)) {
                continue;
            }
            let refused = if what.force { None } else { refused(&letter.message.body) };
            let outcome = match (&letter.elsewhere, refused) {
                (Some(arn), _) => Outcome::Elsewhere(arn.clone()),
                (None, Some(reject)) => Outcome::Refused(reject),
                (None, None) if what.dry_run => Outcome::WouldSendBack,
                (None, None) => pass.send_back(&letter).await,
            };
            if let Outcome::Failed(fault) = &outcome
                && fault.class != FaultClass::Invalid
            {
                stopped = Some(fault.clone());
            }
            outcomes.push((letter.message.id, outcome));
            if stopped.is_some() {
                break;
            }
        }
    }
    pass.end().await;
    Redriven { outcomes, stopped }
}

/// One walk through a queue.
struct Pass<'a> {
    queue: &'a dyn DeadLetters,
    /// Ids met, so that the walk ends when messages come round again.
    met: BTreeSet<String>,
    /// The newest receipts of what has to be made visible again.
    held: BTreeMap<String, Receipt>,
}

impl<'a> Pass<'a> {
    fn new(queue: &'a dyn DeadLetters) -> Self {
        Self { queue, met: BTreeSet::new(), held: BTreeMap::new() }
    }

    /// The next messages, at most `most`, none of them met before; none: the walk is over.
    async fn next(&mut self, most: usize) -> Result<Vec<DeadLetter>, Fault> {
        let most = u8::try_from(most.min(BATCH)).unwrap_or(1);
        for _ in 0..EMPTY_HANDED {
            let taken = self.queue.take(most, HIDDEN).await?;
            // They stay where they are, hidden for a while; behind them there may be others.
            for letter in &taken.unreadable {
                tracing::warn!(
                    messaging.message.id = letter.id,
                    amiferry.detail = letter.why,
                    "a message cannot be read"
                );
            }
            let mut letters = taken.items;
            for letter in &letters {
                self.held.insert(letter.message.id.clone(), letter.message.receipt.clone());
            }
            letters.retain(|letter| self.met.insert(letter.message.id.clone()));
            if !letters.is_empty() || taken.unreadable.is_empty() {
                return Ok(letters);
            }
        }
        Ok(Vec::new())
    }

    async fn send_back(&mut self, letter: &DeadLetter) -> Outcome {
        let new = match self.queue.send_back(&letter.message.body).await {
            Ok(id) => id,
            Err(fault) => return Outcome::Failed(fault),
        };
        match self.queue.remove(&letter.message.receipt).await {
            Ok(()) => {
                self.held.remove(&letter.message.id);
                Outcome::SentBack(new)
            }
            Err(fault) => Outcome::Doubled(new, fault),
        }
    }

    /// Makes the held messages visible again. A failure only delays that.
    async fn end(self) {
        let receipts: Vec<Receipt> = self.held.into_values().collect();
        if receipts.is_empty() {
            return;
        }
        let faults: Vec<Fault> = match self.queue.put_back(&receipts).await {
            Ok(answers) => answers.into_iter().filter_map(Result::err).collect(),
            Err(fault) => vec![fault],
        };
        if let Some(fault) = faults.first() {
            tracing::warn!(
                error.type = fault.class.as_str(),
                error.message = fault.detail,
                amiferry.error.code = fault.code,
                amiferry.resource = fault.resource,
                aws.request_id = fault.request_id,
                amiferry.duration_s = HIDDEN.as_secs(),
                "messages stay hidden for up to this long"
            );
        }
    }
}
