//! One standard queue: where each of its messages is, and what sending, receiving, deleting,
//! extending and the passing of time do to it.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::Arn;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::attributes::Attributes;
use super::message::MessageAttribute;

/// How long one receive may keep a message in flight, extensions included.
const LONGEST_FLIGHT: SignedDuration = SignedDuration::from_hours(12);

/// How many messages of a standard queue may be in flight.
pub const IN_FLIGHT_LIMIT: usize = 120_000;

/// A message in a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// The id that SQS gave it.
    pub id: String,
    pub body: String,
    /// The sender's own attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// `SenderId`.
    pub sender: String,
    /// `AWSTraceHeader`.
    pub trace: Option<String>,
    /// `MessageGroupId`, for fair queues.
    pub group: Option<String>,
    /// When it was sent; a move to the dead-letter queue keeps it.
    pub sent: Timestamp,
    /// How often it was received, in all queues.
    pub receives: u32,
    /// When it was first received.
    pub first_received: Option<Timestamp>,
    /// The queue from which it was moved here.
    pub dead_letter_source: Option<Arn>,
    last_received: Timestamp,
    receipt: u64,
    place: Place,
}

impl Message {
    /// A message that was sent at `sent` and is in no queue yet.
    pub fn new(id: String, body: String, sender: String, sent: Timestamp) -> Self {
        Self {
            id,
            body,
            attributes: BTreeMap::new(),
            sender,
            trace: None,
            group: None,
            sent,
            receives: 0,
            first_received: None,
            dead_letter_source: None,
            last_received: sent,
            receipt: 0,
            place: Place::Available(sent),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Available(Timestamp),
    Delayed(Timestamp),
    InFlight(Timestamp),
}

/// A message as one receive returns it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The receipt handle of this receive.
    pub handle: String,
    /// The message, this receive counted.
    pub message: Message,
}

/// What one look into the queue took out of it.
#[derive(Debug, Default)]
pub struct Taken {
    /// For the receiver.
    pub received: Vec<Received>,
    /// For the dead-letter queue.
    pub dead: Vec<Message>,
}

/// Why a receipt handle was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleError {
    /// It is no handle of this queue.
    Invalid,
    /// The message is not in flight by this receive.
    NotInFlight,
    /// It would be in flight for more than twelve hours.
    TooLong,
}

/// A standard queue.
#[derive(Debug)]
pub struct Queue {
    pub arn: Arn,
    /// What `SetQueueAttributes` sets.
    pub attributes: Attributes,
    /// When it was made.
    pub created: Timestamp,
    /// When its attributes were last set.
    pub modified: Timestamp,
    /// When it was last purged.
    pub purged: Option<Timestamp>,
    pub tags: BTreeMap<String, String>,
    messages: BTreeMap<u64, Message>,
    available: BTreeSet<(Timestamp, u64)>,
    delayed: BTreeSet<(Timestamp, u64)>,
    in_flight: BTreeSet<(Timestamp, u64)>,
    by_age: BTreeSet<(Timestamp, u64)>,
    sequence: u64,
    /// What was deleted by receipt handle and when; `None` unless a test asked to record it.
    pub(super) deleted: Option<Vec<(Timestamp, Message)>>,
}

impl Queue {
    /// An empty queue.
    pub fn new(arn: Arn, attributes: Attributes, now: Timestamp) -> Self {
        Self {
            arn,
            attributes,
            created: now,
            modified: now,
            purged: None,
            tags: BTreeMap::new(),
            messages: BTreeMap::new(),
            available: BTreeSet::new(),
            delayed: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            by_age: BTreeSet::new(),
            sequence: 0,
            deleted: None,
        }
    }

    /// The last part of its ARN.
    pub fn name(&self) -> &str {
        self.arn.resource()
    }

    /// Lets time pass: delays and visibility timeouts end, messages past their retention go.
    pub fn settle(&mut self, now: Timestamp) {
        let retention = SignedDuration::from_secs(i64::from(self.attributes.retention));
        while let Some((sent, sequence)) = self.by_age.first().copied() {
            if now.duration_since(sent) < retention {
                break;
            }
            self.remove(sequence);
        }
        for waiting in [&mut self.delayed, &mut self.in_flight] {
            while let Some((until, sequence)) = waiting.first().copied().filter(|w| w.0 <= now) {
                waiting.pop_first();
                self.available.insert((until, sequence));
                if let Some(message) = self.messages.get_mut(&sequence) {
                    message.place = Place::Available(until);
                }
            }
        }
    }

    /// When the next message becomes available by itself, as of the last [`Queue::settle`].
    pub fn next_available(&self) -> Option<Timestamp> {
        let first = |set: &BTreeSet<(Timestamp, u64)>| set.first().map(|(until, _)| *until);
        first(&self.delayed).into_iter().chain(first(&self.in_flight)).min()
    }

    /// Adds a message, to be received from `from` on.
    pub fn put(&mut self, mut message: Message, from: Timestamp, now: Timestamp) {
        self.sequence += 1;
        message.place = if from > now { Place::Delayed(from) } else { Place::Available(from) };
        self.by_age.insert((message.sent, self.sequence));
        self.enter(message.place, self.sequence);
        self.messages.insert(self.sequence, message);
    }

    /// Receives up to `most` messages, as far as not more than `limit_in_flight` are in flight
    /// then, and hides them for `visibility`; those that were received
    /// as often as the redrive policy allows are taken out for the dead-letter queue instead.
    pub fn take(
        &mut self,
        now: Timestamp,
        (most, limit_in_flight): (usize, usize),
        visibility: u32,
        redrive: bool,
        rng: &mut fastrand::Rng,
    ) -> Taken {
        self.settle(now);
        let most = most.min(limit_in_flight.saturating_sub(self.in_flight.len()));
        let limit = self.attributes.redrive.as_ref().filter(|_| redrive);
        let limit = limit.map_or(u32::MAX, |redrive| redrive.max_receive_count);
        let until = after(now, visibility);
        let mut taken = Taken::default();
        while taken.received.len() < most
            && let Some((_, sequence)) = self.available.pop_first()
        {
            if self.messages.get(&sequence).is_some_and(|message| message.receives >= limit) {
                taken.dead.extend(self.remove(sequence));
                continue;
            }
            let Some(message) = self.messages.get_mut(&sequence) else { continue };
            message.receives += 1;
            message.first_received.get_or_insert(now);
            message.last_received = now;
            message.receipt = rng.u64(..);
            message.place = Place::InFlight(until);
            let message = message.clone();
            self.in_flight.insert((until, sequence));
            let handle = format!("{}/{sequence}/{:016x}", self.arn.as_str(), message.receipt);
            taken.received.push(Received { handle: STANDARD.encode(handle), message });
        }
        taken
    }

    /// Deletes the message of a receipt handle. One that is gone already is a success. With the
    /// handle of an earlier receive the call succeeds too, but the message stays unless `stale`.
    ///
    /// # Errors
    /// [`HandleError::Invalid`].
    pub fn delete(&mut self, now: Timestamp, handle: &str, stale: bool) -> Result<(), HandleError> {
        let (sequence, receipt) = self.read(handle)?;
        if self.messages.get(&sequence).is_some_and(|m| stale || m.receipt == receipt) {
            let removed = self.remove(sequence);
            if let Some(deleted) = &mut self.deleted {
                deleted.extend(removed.map(|message| (now, message)));
            }
        }
        Ok(())
    }

    /// Sets when a message in flight becomes visible again: `visibility` seconds from now. The
    /// twelve hours count from the receive that the handle is of, whatever was asked since.
    ///
    /// # Errors
    /// Any [`HandleError`].
    pub fn change_visibility(
        &mut self,
        now: Timestamp,
        handle: &str,
        visibility: u32,
    ) -> Result<(), HandleError> {
        self.settle(now);
        let (sequence, receipt) = self.read(handle)?;
        let message = self.messages.get_mut(&sequence).ok_or(HandleError::NotInFlight)?;
        let Place::InFlight(before) = message.place else { return Err(HandleError::NotInFlight) };
        if message.receipt != receipt {
            return Err(HandleError::NotInFlight);
        }
        let until = after(now, visibility);
        if until.duration_since(message.last_received) > LONGEST_FLIGHT {
            return Err(HandleError::TooLong);
        }
        self.in_flight.remove(&(before, sequence));
        let place = if visibility == 0 { Place::Available(now) } else { Place::InFlight(until) };
        message.place = place;
        self.enter(place, sequence);
        Ok(())
    }

    /// Makes everything in flight available again, as a visibility timeout does, but at once:
    /// delivery is at least once, even inside the window.
    pub fn redeliver(&mut self, now: Timestamp) -> usize {
        let flying = std::mem::take(&mut self.in_flight);
        for (_, sequence) in &flying {
            self.available.insert((now, *sequence));
            if let Some(message) = self.messages.get_mut(sequence) {
                message.place = Place::Available(now);
            }
        }
        flying.len()
    }

    /// Takes out everything that can be received now.
    pub fn drain(&mut self, now: Timestamp) -> Vec<Message> {
        self.settle(now);
        let sequences: Vec<u64> = self.available.iter().map(|(_, sequence)| *sequence).collect();
        sequences.into_iter().filter_map(|sequence| self.remove(sequence)).collect()
    }

    /// Deletes all messages.
    pub fn purge(&mut self, now: Timestamp) {
        self.purged = Some(now);
        self.messages.clear();
        for set in [&mut self.available, &mut self.delayed, &mut self.in_flight, &mut self.by_age] {
            set.clear();
        }
    }

    /// How many messages are available, in flight and delayed, as of the last settling.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.available.len(), self.in_flight.len(), self.delayed.len())
    }

    /// Every message, in the order of arrival.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    fn read(&self, handle: &str) -> Result<(u64, u64), HandleError> {
        let parse = || {
            let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
            let fields = text.strip_prefix(self.arn.as_str())?.strip_prefix('/')?;
            let (sequence, receipt) = fields.split_once('/')?;
            Some((sequence.parse().ok()?, u64::from_str_radix(receipt, 16).ok()?))
        };
        parse().ok_or(HandleError::Invalid)
    }

    fn enter(&mut self, place: Place, sequence: u64) {
        match place {
            Place::Available(at) => self.available.insert((at, sequence)),
            Place::Delayed(until) => self.delayed.insert((until, sequence)),
            Place::InFlight(until) => self.in_flight.insert((until, sequence)),
        };
    }

    fn remove(&mut self, sequence: u64) -> Option<Message> {
        let message = self.messages.remove(&sequence)?;
        self.by_age.remove(&(message.sent, sequence));
        match message.place {
            Place::Available(at) => self.available.remove(&(at, sequence)),
            Place::Delayed(until) => self.delayed.remove(&(until, sequence)),
            Place::InFlight(until) => self.in_flight.remove(&(until, sequence)),
        };
        Some(message)
    }
}

/// `seconds` after `now`.
pub(super) fn after(now: Timestamp, seconds: u32) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}
