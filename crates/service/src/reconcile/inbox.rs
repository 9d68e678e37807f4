//! Which received messages still wait for looks, how long they stay hidden, and which may be
//! deleted.
//!
//! A message is deleted once every key it named was looked at, for then a sweep would find the
//! remaining work without it. It is not held for the hours a task takes. Until then it is hidden
//! anew at half of its time: were it to come again, its receives would be counted, and trouble of
//! AWS would send it to the dead-letter queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{HIDDEN, Receipt};
use tokio::time::Instant;

use super::work::MessageId;

/// Most receipts of one call, set by SQS.
const BATCH: usize = 10;

/// When a message is hidden anew, counted from when it was hidden: early enough for a few tries.
const RENEW_AFTER: Duration = Duration::from_secs(HIDDEN.as_secs() / 2);

#[derive(Debug)]
struct Pending {
    receipt: Receipt,
    /// Keys not yet looked at.
    open: usize,
    /// When it is to be hidden anew; `None` while that is being asked for, and where it was
    /// refused for good.
    renew_at: Option<Instant>,
}

/// Messages by id: a redelivery replaces the receipt, so duplicates need no memory.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pending: BTreeMap<MessageId, Pending>,
    to_renew: BTreeSet<(Instant, MessageId)>,
    settled: Vec<Receipt>,
}

impl Inbox {
    /// Whether this is a redelivery of a message that still waits; the newest receipt is kept.
    pub(super) fn redelivered(&mut self, id: &str, receipt: &Receipt, now: Instant) -> bool {
        let Some((id, _)) = self.pending.get_key_value(id) else { return false };
        let id = Arc::clone(id);
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.receipt = receipt.clone();
        }
        self.renew_at(&id, Some(now + RENEW_AFTER));
        true
    }

    /// Holds a message until this many keys were looked at; none: it may be deleted now.
    pub(super) fn hold(&mut self, id: &MessageId, receipt: Receipt, open: usize, now: Instant) {
        if open == 0 || has(Bug::DeletedBeforeLook) {
            self.settled.push(receipt);
        } else {
            self.pending.insert(Arc::clone(id), Pending { receipt, open, renew_at: None });
            self.renew_at(id, Some(now + RENEW_AFTER));
        }
    }

    fn renew_at(&mut self, id: &MessageId, at: Option<Instant>) {
        let Some(pending) = self.pending.get_mut(id) else { return };
        if let Some(before) = std::mem::replace(&mut pending.renew_at, at) {
            self.to_renew.remove(&(before, Arc::clone(id)));
        }
        if let Some(at) = at {
            self.to_renew.insert((at, Arc::clone(id)));
        }
    }

    /// When the next message is to be hidden anew.
    pub(super) fn next_renewal(&self) -> Option<Instant> {
        self.to_renew.first().filter(|_| !has(Bug::NoHeartbeat)).map(|(at, _)| *at)
    }

    /// Up to 10 messages that are to be hidden anew now.
    pub(super) fn take_renewals(&mut self, now: Instant) -> Vec<(MessageId, Receipt)> {
        let mut taken = Vec::new();
        while taken.len() < BATCH
            && self.next_renewal().is_some_and(|at| at <= now)
            && let Some((_, id)) = self.to_renew.pop_first()
        {
            if let Some(pending) = self.pending.get_mut(&id) {
                pending.renew_at = None;
                taken.push((id, pending.receipt.clone()));
            }
        }
        taken
    }

    /// Hiding a message anew ended. One that was settled or redelivered meanwhile is left as it is.
    pub(super) fn renewed(&mut self, id: &MessageId, receipt: &Receipt, next: Renewal) {
        if self.pending.get(id).is_some_and(|pending| pending.receipt == *receipt) {
            let at = match next {
                Renewal::HiddenAt(at) => Some(at + RENEW_AFTER),
                Renewal::TryAgainAt(at) => Some(at),
                Renewal::Refused => None,
            };
            self.renew_at(id, at);
        }
    }

    /// One key of each of these messages was looked at.
    pub(super) fn settle(&mut self, ids: &[MessageId]) {
        for id in ids {
            if let Some(pending) = self.pending.get_mut(id) {
                pending.open = pending.open.saturating_sub(1);
                if pending.open == 0 {
                    self.renew_at(id, None);
                    if let Some(pending) = self.pending.remove(id) {
                        self.settled.push(pending.receipt);
                    }
                }
            }
        }
    }

    /// Up to 10 receipts of messages to delete.
    pub(super) fn take_settled(&mut self) -> Vec<Receipt> {
        let most = self.settled.len().min(BATCH);
        self.settled.drain(..most).collect()
    }

    /// Messages in memory.
    pub(super) fn len(&self) -> usize {
        self.pending.len() + self.settled.len()
    }

    /// Receipts of all messages that were not settled.
    pub(super) fn take_pending(&mut self) -> Vec<Receipt> {
        self.to_renew.clear();
        std::mem::take(&mut self.pending).into_values().map(|pending| pending.receipt).collect()
    }
}

/// How hiding a message anew ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// It was asked for at this time and granted.
    HiddenAt(Instant),
    /// It failed for now.
    TryAgainAt(Instant),
    /// It is refused for good: the message comes again when its time is over.
    Refused,
}
