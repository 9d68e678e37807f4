//! The end of the loop: no new work starts, running work gets its grace period, messages go back.

use std::sync::Arc;
use std::time::Duration;

use amiferry_core::ports::Receipt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::inbox::BATCH;
use super::intake::Arrived;
use super::log;
use super::role::Role;
use super::run::{CALLS, Reconciler};
use crate::metrics::{self, Outcome};
use crate::stop::{Ended, Stopper};

/// How long returning messages may take; later SQS makes them visible by itself.
const RELEASE: Duration = Duration::from_secs(5);

/// Drains after a first request to stop.
pub(super) async fn drain<R: Role>(
    mut this: Reconciler<R>,
    mut arrived: mpsc::Receiver<Arrived>,
    stopper: &Stopper,
) -> Ended {
    let deadline = Instant::now() + this.settings.grace;
    this.gauges.snapshot.draining = true;
    this.publish();
    arrived.close();
    let mut receipts = Vec::new();
    while let Some(news) = arrived.recv().await {
        if let Arrived::Messages(messages) = news {
            receipts.extend(messages.items.into_iter().map(|message| message.receipt));
        }
    }
    let ended = loop {
        let effects = this.work.performing();
        if stopper.is_aborted() {
            break Ended::Aborted;
        }
        if effects == 0 {
            break Ended::Drained;
        }
        tokio::select! {
            biased;
            () = stopper.aborted() => break Ended::Aborted,
            Some(ended) = this.tasks.join_next_with_id() => {
                if let Err(why) = this.finished(ended) {
                    return fail(this, why).await;
                }
            }
            () = tokio::time::sleep_until(deadline) => break Ended::GraceExceeded(effects),
        }
        this.publish();
    };
    count_dropped(&this);
    if ended == Ended::Aborted {
        // SQS makes the messages visible by itself when their timeout ends.
        this.tasks.shutdown().await;
    } else {
        tokio::select! {
            biased;
            () = stopper.aborted() => {}
            () = give_back(this, receipts) => {}
        }
    }
    tracing::info!(amiferry.detail = %ended, "worker ended");
    ended
}

/// Ends after a failure: drops everything, and returns messages for another worker.
pub(super) async fn fail<R: Role>(this: Reconciler<R>, why: String) -> Ended {
    tracing::error!(amiferry.detail = why, "worker failed");
    count_dropped(&this);
    give_back(this, Vec::new()).await;
    Ended::Failed(why)
}

fn count_dropped<R: Role>(this: &Reconciler<R>) {
    for (stage, effects) in &this.gauges.snapshot.in_flight {
        for _ in 0..*effects {
            metrics::stage_ended(*stage, Outcome::Dropped, None, Duration::ZERO);
        }
    }
}

/// Deletes what is settled and releases the rest, within [`RELEASE`].
async fn give_back<R: Role>(mut this: Reconciler<R>, mut receipts: Vec<Receipt>) {
    this.tasks.shutdown().await;
    receipts.extend(this.undeleted());
    let queue = Arc::clone(&this.queue);
    let mut batches = Vec::new();
    loop {
        let settled = this.inbox.take_settled();
        if settled.is_empty() {
            break;
        }
        batches.push((true, settled));
    }
    batches.extend(receipts.chunks(BATCH).map(|some| (false, some.to_vec())));
    let work = async {
        let (mut batches, mut calls) = (batches.into_iter(), JoinSet::new());
        loop {
            while calls.len() < CALLS
                && let Some((is_settled, receipts)) = batches.next()
            {
                let queue = Arc::clone(&queue);
                calls.spawn(async move {
                    match is_settled {
                        true => queue.delete(&receipts).await,
                        false => queue.release(&receipts, Duration::ZERO).await,
                    }
                });
            }
            match calls.join_next().await {
                Some(Ok(Err(fault))) => log::not_given_back(&fault),
                Some(_) => {}
                None => break,
            }
        }
    };
    if tokio::time::timeout(RELEASE, work).await.is_err() {
        tracing::warn!("messages were not released in time; they come again by themselves");
    }
}
