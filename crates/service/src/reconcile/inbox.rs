//! Which received messages still wait for looks, and which may be deleted.
//!
//! A message is deleted once every key it named was looked at, for then a sweep would find the
//! remaining work without it. It is not held for the hours a task takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use amiferry_core::ports::Receipt;

use super::work::MessageId;

#[derive(Debug)]
struct Pending {
    receipt: Receipt,
    /// Keys not yet looked at.
    open: usize,
}

/// Messages by id: a redelivery replaces the receipt, so duplicates need no memory.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pending: BTreeMap<MessageId, Pending>,
    settled: Vec<Receipt>,
}

impl Inbox {
    /// Whether this is a redelivery of a message that still waits; the newest receipt is kept.
    pub(super) fn renew(&mut self, id: &str, receipt: &Receipt) -> bool {
        match self.pending.get_mut(id) {
            Some(pending) => {
                pending.receipt = receipt.clone();
                true
            }
            None => false,
        }
    }

    /// Holds a message until this many keys were looked at; none: it may be deleted now.
    pub(super) fn hold(&mut self, id: &MessageId, receipt: Receipt, open: usize) {
        if open == 0 {
            self.settled.push(receipt);
        } else {
            self.pending.insert(Arc::clone(id), Pending { receipt, open });
        }
    }

    /// One key of each of these messages was looked at.
    pub(super) fn settle(&mut self, ids: &[MessageId]) {
        for id in ids {
            if let Some(pending) = self.pending.get_mut(id) {
                pending.open = pending.open.saturating_sub(1);
                if pending.open == 0
                    && let Some(pending) = self.pending.remove(id)
                {
                    self.settled.push(pending.receipt);
                }
            }
        }
    }

    /// Up to 10 receipts of messages to delete.
    pub(super) fn take_settled(&mut self) -> Vec<Receipt> {
        let most = self.settled.len().min(10);
        self.settled.drain(..most).collect()
    }

    /// Messages in memory.
    pub(super) fn len(&self) -> usize {
        self.pending.len() + self.settled.len()
    }

    /// Receipts of all messages that were not settled.
    pub(super) fn take_pending(&mut self) -> Vec<Receipt> {
        std::mem::take(&mut self.pending).into_values().map(|pending| pending.receipt).collect()
    }
}
