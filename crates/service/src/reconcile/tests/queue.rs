//! A queue in memory, with the times of SQS.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ports::{HIDDEN, Listing, Message, QueueDepth, Receipt, WorkQueue};
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::fakes::fault;

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
    /// How often a visibility timeout was extended.
    pub(super) extended: usize,
    /// The class of fault that refuses extensions.
    pub(super) hide_fault: Option<FaultClass>,
    hidden_until: BTreeMap<Receipt, Instant>,
    pub(super) receives: usize,
    /// How long a receive takes by itself.
    pub(super) receive_takes: Duration,
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
    async fn receive(&self, max: u8, wait: Duration) -> Result<Listing<Message>, Fault> {
        let takes = self.state().receive_takes;
        tokio::time::sleep(takes).await;
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
        Ok(messages.into())
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
            state.extended += 1;
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
