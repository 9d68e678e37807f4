//! Which received messages still wait for looks, how long they stay hidden, and which may be
//! deleted.
//!
//! The worker deletes a message once it has looked at every key that the message names: from then
//! on a sweep would find the remaining work, so the message need not be held for the hours a task
//! takes. Until then the worker extends its visibility timeout when half of it has passed.
//! Otherwise SQS would deliver the message again and count the receive, and an outage of AWS would
//! send it to the dead-letter queue. Each timeout is twice as long as the one before, so a long
//! wait costs few calls.
//!
//! Memory is bounded by bytes. Messages whose looks fail take at most half of it: beyond that, the
//! inbox drops the oldest of the party with the most of them, and SQS delivers those again later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{HIDDEN, Receipt};
use tokio::time::Instant;

/// Most receipts of one call, set by SQS.
pub(super) const BATCH: usize = 10;

/// How long a message that may be deleted waits for others, to share a call with them. It stays hidden
/// for longer: its timeout is extended when half of it has passed.
const SHARED: Duration = Duration::from_secs(20);

/// The longest visibility timeout: after a crash, SQS delivers the message again within this time.
const LONGEST: Duration = Duration::from_secs(900);

/// About what one message costs in memory in addition to its id and its receipt, in bytes.
const OVERHEAD: usize = 256;

/// Room for some 20,000 messages with the receipts that SQS gives, in bytes.
pub(super) const ROOM: usize = 16 << 20;

/// A message that is held, by a number of its own: a redelivery keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held(u64);

#[derive(Debug)]
struct Pending<P, K> {
    id: Arc<str>,
    receipt: Receipt,
    /// Whose first key it is.
    party: P,
    /// What it names.
    keys: Vec<Arc<K>>,
    /// Keys not yet looked at.
    open: usize,
    /// A look at one of its keys failed.
    stuck: bool,
    /// Its last visibility timeout.
    hidden: Duration,
    /// When to extend its timeout; `None` while such a call runs, and once SQS refused it for good.
    renew_at: Option<Instant>,
}

impl<P, K> Pending<P, K> {
    fn bytes(&self) -> usize {
        self.id.len() + self.receipt.0.len() + OVERHEAD
    }
}

/// Messages by id: a redelivery replaces the receipt, so duplicates need no memory.
#[derive(Debug)]
pub(super) struct Inbox<P, K> {
    pending: BTreeMap<Held, Pending<P, K>>,
    ids: BTreeMap<Arc<str>, Held>,
    to_renew: BTreeSet<(Instant, Held)>,
    settled: VecDeque<Receipt>,
    /// Since when the oldest of these waits.
    settled_at: Option<Instant>,
    stuck: BTreeMap<P, BTreeSet<Held>>,
    stuck_bytes: usize,
    stuck_count: usize,
    bytes: usize,
    room: usize,
    next: u64,
}

impl<P: Ord + Clone, K> Inbox<P, K> {
    /// An inbox with room for this many bytes.
    pub(super) fn new(room: usize) -> Self {
        Self {
            pending: BTreeMap::new(),
            ids: BTreeMap::new(),
            to_renew: BTreeSet::new(),
            settled: VecDeque::new(),
            settled_at: None,
            stuck: BTreeMap::new(),
            stuck_bytes: 0,
            stuck_count: 0,
            bytes: 0,
            room,
            next: 0,
        }
    }

    /// Whether more may be received.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.room
    }

    /// Whether this is a redelivery of a message that still waits; the newest receipt is kept.
    pub(super) fn redelivered(&mut self, id: &str, receipt: &Receipt, now: Instant) -> bool {
        let Some(held) = self.ids.get(id).copied() else { return false };
        if let Some(pending) = self.pending.get_mut(&held) {
            self.bytes = self.bytes + receipt.0.len() - pending.receipt.0.len();
            if pending.stuck {
                self.stuck_bytes = self.stuck_bytes + receipt.0.len() - pending.receipt.0.len();
            }
            pending.receipt = receipt.clone();
            pending.hidden = HIDDEN;
        }
        self.renew_at(held, Some(now + HIDDEN / 2));
        true
    }

    /// The number of the next message that is held.
    pub(super) fn number(&mut self) -> Held {
        self.next += 1;
        Held(self.next)
    }

    /// Holds a message of a party until these keys were looked at.
    pub(super) fn hold(
        &mut self,
        held: Held,
        (id, receipt): (String, Receipt),
        party: P,
        keys: Vec<Arc<K>>,
        now: Instant,
    ) {
        let open = keys.len();
        if open == 0 || has(Bug::DeletedBeforeLook) {
            self.settled(receipt);
            return;
        }
        let id: Arc<str> = id.into();
        self.ids.insert(Arc::clone(&id), held);
        let (stuck, hidden, renew_at) = (false, HIDDEN, None);
        let pending = Pending { id, receipt, party, keys, open, stuck, hidden, renew_at };
        self.bytes += pending.bytes();
        self.pending.insert(held, pending);
        self.renew_at(held, Some(now + HIDDEN / 2));
    }

    /// When the next messages are deleted: at once if there are as many as one call takes.
    pub(super) fn next_deletion(&self) -> Option<Instant> {
        let at = self.settled_at?;
        Some(if self.settled.len() < BATCH { at + SHARED } else { at })
    }

    /// A message that may be deleted.
    pub(super) fn settled(&mut self, receipt: Receipt) {
        self.settled_at.get_or_insert_with(Instant::now);
        self.bytes += receipt.0.len() + OVERHEAD;
        self.settled.push_back(receipt);
    }

    fn renew_at(&mut self, held: Held, at: Option<Instant>) {
        let Some(pending) = self.pending.get_mut(&held) else { return };
        if let Some(before) = std::mem::replace(&mut pending.renew_at, at) {
            self.to_renew.remove(&(before, held));
        }
        if let Some(at) = at {
            self.to_renew.insert((at, held));
        }
    }

    /// When the next message's timeout must be extended.
    pub(super) fn next_renewal(&self) -> Option<Instant> {
        self.to_renew.first().filter(|_| !has(Bug::NoHeartbeat)).map(|(at, _)| *at)
    }

    /// Up to 10 messages whose timeout must be extended now, and to how long.
    pub(super) fn take_renewals(&mut self, now: Instant) -> (Duration, Vec<(Held, Receipt)>) {
        let (mut taken, mut time) = (Vec::new(), HIDDEN);
        while taken.len() < BATCH
            && self.next_renewal().is_some_and(|at| at <= now)
            && let Some((at, held)) = self.to_renew.pop_first()
            && let Some(pending) = self.pending.get_mut(&held)
        {
            let next = (pending.hidden * 2).min(LONGEST);
            if taken.is_empty() {
                time = next;
            } else if time != next {
                self.to_renew.insert((at, held));
                break;
            }
            pending.renew_at = None;
            taken.push((held, pending.receipt.clone()));
        }
        (time, taken)
    }

    /// A call to extend a message's timeout ended. A message that was settled or redelivered
    /// meanwhile stays as it is.
    pub(super) fn renewed(&mut self, held: Held, receipt: &Receipt, next: Renewal) {
        let pending = self.pending.get_mut(&held);
        if let Some(pending) = pending.filter(|pending| pending.receipt == *receipt) {
            let at = match next {
                Renewal::Hidden { from, time } => {
                    pending.hidden = time;
                    Some(from + time / 2)
                }
                Renewal::TryAgainAt(at) => Some(at),
                Renewal::Refused => None,
            };
            self.renew_at(held, at);
        }
    }

    /// One key of each of these messages was looked at.
    pub(super) fn settle(&mut self, messages: impl IntoIterator<Item = Held>) {
        for held in messages {
            if let Some(pending) = self.pending.get_mut(&held) {
                pending.open = pending.open.saturating_sub(1);
                if pending.open == 0
                    && let Some(pending) = self.drop(held)
                {
                    self.settled(pending.receipt);
                }
            }
        }
    }

    /// Looks at a key that each of these messages names fail, or may take long. Returns the
    /// messages that are dropped to make room, with the keys that they name.
    pub(super) fn stick(
        &mut self,
        messages: impl IntoIterator<Item = Held>,
    ) -> Vec<(Held, Vec<Arc<K>>)> {
        for held in messages {
            if let Some(pending) = self.pending.get_mut(&held)
                && !std::mem::replace(&mut pending.stuck, true)
            {
                self.stuck_bytes += pending.bytes();
                self.stuck_count += 1;
                self.stuck.entry(pending.party.clone()).or_default().insert(held);
            }
        }
        let mut gone = Vec::new();
        while self.stuck_bytes > self.room / 2
            && let Some(most) = self.stuck.values().max_by_key(|messages| messages.len())
            && let Some(oldest) = most.first().copied()
            && let Some(pending) = self.drop(oldest)
        {
            gone.push((oldest, pending.keys));
        }
        gone
    }

    fn drop(&mut self, held: Held) -> Option<Pending<P, K>> {
        self.renew_at(held, None);
        let pending = self.pending.remove(&held)?;
        self.ids.remove(&pending.id);
        self.bytes -= pending.bytes();
        if pending.stuck {
            self.stuck_bytes -= pending.bytes();
            self.stuck_count -= 1;
            if let Some(messages) = self.stuck.get_mut(&pending.party) {
                messages.remove(&held);
                if messages.is_empty() {
                    self.stuck.remove(&pending.party);
                }
            }
        }
        Some(pending)
    }

    /// Up to 10 receipts of messages to delete.
    pub(super) fn take_settled(&mut self) -> Vec<Receipt> {
        let most = self.settled.len().min(BATCH);
        self.settled_at = (self.settled.len() > most).then(Instant::now);
        let taken: Vec<Receipt> = self.settled.drain(..most).collect();
        self.bytes -= taken.iter().map(|receipt| receipt.0.len() + OVERHEAD).sum::<usize>();
        taken
    }

    /// Messages in memory.
    pub(super) fn len(&self) -> usize {
        self.pending.len() + self.settled.len()
    }

    /// Messages that wait, but not for keys whose looks fail.
    pub(super) fn fresh(&self) -> usize {
        self.pending.len() - self.stuck_count
    }

    /// Receipts of all messages that were not settled.
    pub(super) fn take_pending(&mut self) -> Vec<Receipt> {
        let held: Vec<Held> = self.pending.keys().copied().collect();
        held.into_iter().filter_map(|held| self.drop(held)).map(|pending| pending.receipt).collect()
    }
}

/// How a call to extend a message's timeout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// SQS extended it by this long, in a call at this time.
    Hidden { from: Instant, time: Duration },
    /// It failed for now.
    TryAgainAt(Instant),
    /// It is refused for good: the message comes again when its time is over.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An inbox with room for this many messages of `fill`.
    fn inbox(messages: usize) -> Inbox<&'static str, u32> {
        Inbox::new(messages * (OVERHEAD + 2 * "message-0001".len()))
    }

    /// Returns the dropped messages.
    fn fill(
        inbox: &mut Inbox<&'static str, u32>,
        party: &'static str,
        numbers: std::ops::Range<u32>,
    ) -> Vec<u32> {
        let mut gone = Vec::new();
        for number in numbers {
            let name = format!("message-{number:04}");
            let held = inbox.number();
            let keys = vec![Arc::new(number)];
            inbox.hold(held, (name.clone(), Receipt(name)), party, keys, Instant::now());
            gone.extend(inbox.stick([held]).into_iter().flat_map(|(_, keys)| keys).map(|key| *key));
        }
        gone
    }

    #[tokio::test(start_paused = true)]
    async fn messages_whose_looks_fail_leave_half_of_the_room_and_the_party_with_the_most_pays() {
        let mut inbox = inbox(100);
        assert_eq!(fill(&mut inbox, "quiet", 0..5), [0; 0]);
        assert_eq!(fill(&mut inbox, "loud", 5..5_000), (5..4_955).collect::<Vec<u32>>());
        assert_eq!((inbox.len(), inbox.has_room()), (50, true));
        let mut known = |id: &str| inbox.redelivered(id, &Receipt(id.to_owned()), Instant::now());
        assert!(known("message-0000") && known("message-4955") && !known("message-4954"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_settled_or_deleted_takes_no_room() {
        let mut inbox = inbox(10);
        for round in 0..3 {
            fill(&mut inbox, "one", 0..5);
            inbox.settle((round * 5 + 1..=round * 5 + 5).map(Held));
            assert_eq!(inbox.take_settled().len(), 5);
        }
        assert_eq!((inbox.len(), inbox.bytes, inbox.stuck_bytes), (0, 0, 0));
        assert!(inbox.to_renew.is_empty() && inbox.ids.is_empty() && inbox.stuck.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_hidden_for_twice_as_long_each_time() {
        let mut inbox = inbox(10);
        fill(&mut inbox, "one", 0..1);
        let mut times = Vec::new();
        for _ in 0..6 {
            let now = inbox.next_renewal().unwrap();
            let (time, taken) = inbox.take_renewals(now);
            let [(held, receipt)] = taken.as_slice() else { panic!("{taken:?}") };
            inbox.renewed(*held, receipt, Renewal::Hidden { from: now, time });
            assert_eq!(inbox.next_renewal(), Some(now + time / 2));
            times.push(time.as_secs());
        }
        assert_eq!(times, [120, 240, 480, 900, 900, 900]);
    }
}
