//! Receives messages by long polling, while the loop has room for more.
//!
//! While the queue has little, one receive waits. While batches come full, ten messages each, more
//! receives run in parallel; as soon as one is not full, their number falls again, so that an empty
//! queue costs as few calls as a single receive makes.

use std::sync::Arc;
use std::time::Duration;

use amiferry_core::fault::Fault;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{Listing, Message, QueueDepth, WorkQueue};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::backoff::Remedy;
use super::inbox::BATCH;

/// The longest that SQS lets a receive wait, which makes the fewest empty answers.
pub(super) const LONG_POLL: Duration = Duration::from_secs(20);

/// How long a receive in addition to the first one waits, and each of a run that ends by itself. With
/// any wait, SQS asks all its servers.
pub(super) const SHORT_POLL: Duration = Duration::from_secs(1);

/// Most receives at once.
const RECEIVES: usize = 8;

/// Answers of receives on their way to the loop.
pub(super) const CHANNEL: usize = RECEIVES;

/// A queue that answers an empty receive sooner than it was asked to is not asked more often.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// How often the worker reads the queue's depth.
const DEPTH_INTERVAL: Duration = Duration::from_secs(60);

/// How often it reads the dead-letter queue's depth: that takes three calls, and a message needs
/// minutes to get there.
const DEAD_LETTERS_INTERVAL: Duration = Duration::from_secs(300);

/// What came in.
#[derive(Debug)]
pub(super) enum Arrived {
    /// Messages, perhaps none.
    Messages(Listing<Message>),
    /// The depth of the queue.
    Depth(QueueDepth),
    /// How many messages are in the dead-letter queue behind it.
    DeadLetters(u64),
    /// Receiving failed; it is repeated after a pause.
    Fault { fault: Fault, pause: Duration },
}

/// How a receive ended; its messages are with the loop already.
enum Received {
    /// This many messages came, after this time.
    Messages(usize, Duration),
    /// It was asked for at this time and failed.
    Fault(Instant, Fault),
    /// The loop takes no more.
    Closed,
}

/// Receives until dropped, each time waiting at most so long. `room` is whether the loop takes more.
pub(super) async fn receive(
    queue: Arc<dyn WorkQueue>,
    mut room: watch::Receiver<bool>,
    arrived: mpsc::Sender<Arrived>,
    longest: Duration,
    mut rng: fastrand::Rng,
) {
    let mut faults = 0;
    let mut wanted = 1;
    let mut running = JoinSet::new();
    // The first answer comes at once, so that readiness need not wait for a long poll.
    let mut wait = Duration::ZERO;
    let mut not_before = Instant::now();
    let mut failed_at = not_before;
    let mut depth_at = not_before;
    let mut dead_letters_at = not_before;
    loop {
        if running.is_empty() && room.wait_for(|room| *room).await.is_err() {
            return;
        }
        if running.is_empty() {
            tokio::time::sleep_until(not_before).await;
        }
        while running.len() < wanted && *room.borrow() && not_before <= Instant::now() {
            let wait = if running.is_empty() { wait } else { wait.min(SHORT_POLL) };
            running.spawn(receive_once(Arc::clone(&queue), wait, arrived.clone()));
        }
        let received = match running.join_next().await {
            None => continue,
            Some(Ok(received)) => received,
            Some(Err(died)) => match died.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return,
            },
        };
        match received {
            Received::Closed => return,
            Received::Messages(count, took) => {
                faults = 0;
                wait = longest;
                wanted = match count {
                    BATCH => (wanted + 1).min(RECEIVES),
                    0 => 1,
                    _ => wanted.saturating_sub(1).max(1),
                };
                if count == 0 && took < SHORTEST_POLL {
                    not_before = Instant::now() + SHORTEST_POLL;
                }
            }
            Received::Fault(..) if has(Bug::IntakeEndsOnFault) => return,
            // The receives that run in parallel met the same fault.
            Received::Fault(asked, _) if asked < failed_at => {}
            Received::Fault(_, fault) => {
                failed_at = Instant::now();
                wanted = 1;
                wait = longest;
                faults += 1;
                let pause = Remedy::of_all(fault.class).delay(faults, rng.f64());
                not_before = Instant::now() + pause;
                if arrived.send(Arrived::Fault { fault, pause }).await.is_err() {
                    return;
                }
            }
        }
        // A role without the permission to ask still works; the gauges stay absent.
        if depth_at <= Instant::now() {
            depth_at = Instant::now() + DEPTH_INTERVAL;
            if let Ok(depth) = queue.depth().await
                && arrived.send(Arrived::Depth(depth)).await.is_err()
            {
                return;
            }
        }
        if dead_letters_at <= Instant::now() {
            dead_letters_at = Instant::now() + DEAD_LETTERS_INTERVAL;
            if let Ok(Some(letters)) = queue.dead_letter_count().await
                && arrived.send(Arrived::DeadLetters(letters)).await.is_err()
            {
                return;
            }
        }
    }
}

async fn receive_once(
    queue: Arc<dyn WorkQueue>,
    wait: Duration,
    arrived: mpsc::Sender<Arrived>,
) -> Received {
    let asked = Instant::now();
    match queue.receive(10, wait).await {
        Ok(messages) => {
            let (count, took) = (messages.items.len(), asked.elapsed());
            match arrived.send(Arrived::Messages(messages)).await {
                Ok(()) => Received::Messages(count, took),
                Err(_) => Received::Closed,
            }
        }
        Err(fault) => Received::Fault(asked, fault),
    }
}
