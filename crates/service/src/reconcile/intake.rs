//! Receives messages by long polling, while the loop has room for more.

use std::sync::Arc;
use std::time::Duration;

use amiferry_core::fault::Fault;
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{Message, QueueDepth, WorkQueue};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::backoff::Remedy;

/// The longest that SQS lets a receive wait, which makes the fewest empty answers.
const LONG_POLL: Duration = Duration::from_secs(20);

/// A queue that answers an empty receive sooner than it was asked to is not asked more often.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// How often the queue's depth is asked for.
const DEPTH_INTERVAL: Duration = Duration::from_secs(60);

/// How often the dead-letter queue's is: it takes three calls, and a message takes minutes to get
/// there.
const DEAD_LETTERS_INTERVAL: Duration = Duration::from_secs(300);

/// What came in.
#[derive(Debug)]
pub(super) enum Arrived {
    /// Messages, perhaps none.
    Messages(Vec<Message>),
    /// The depth of the queue.
    Depth(QueueDepth),
    /// How many messages are in the dead-letter queue behind it.
    DeadLetters(u64),
    /// Receiving failed; it is repeated after a pause.
    Fault { fault: Fault, pause: Duration },
}

/// Receives until dropped. `room` is whether the loop takes more.
pub(super) async fn receive(
    queue: Arc<dyn WorkQueue>,
    mut room: watch::Receiver<bool>,
    arrived: mpsc::Sender<Arrived>,
    mut rng: fastrand::Rng,
) {
    let mut faults = 0;
    // The first answer comes at once, so that readiness need not wait for a long poll.
    let mut wait = Duration::ZERO;
    let mut depth_at = Instant::now();
    let mut dead_letters_at = depth_at;
    loop {
        if room.wait_for(|room| *room).await.is_err() {
            return;
        }
        let asked = Instant::now();
        let (news, pause) = match queue.receive(10, wait).await {
            Ok(messages) => {
                faults = 0;
                let early = messages.is_empty() && asked.elapsed() < SHORTEST_POLL;
                (Arrived::Messages(messages), if early { SHORTEST_POLL } else { Duration::ZERO })
            }
            Err(_) if has(Bug::IntakeEndsOnFault) => return,
            Err(fault) => {
                faults += 1;
                let pause = Remedy::of(fault.class).delay(faults, rng.f64());
                (Arrived::Fault { fault, pause }, pause)
            }
        };
        wait = LONG_POLL;
        if arrived.send(news).await.is_err() {
            return;
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
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}
