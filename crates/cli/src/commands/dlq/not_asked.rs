//! Queues that a command could not ask, and messages that are not theirs.

use amiferry_core::fault::Fault;
use amiferry_core::ids::Arn;
use amiferry_core::text::visible;
use anyhow::Context;
use serde::Serialize;

use super::super::place::{Identity, Place};

/// A queue that could not be asked, or not to the end.
#[derive(Debug, Serialize)]
pub struct NotAsked {
    #[serde(flatten)]
    worker: Identity,
    reason: String,
}

/// The queues that could not be asked, to be shown beside those that could.
///
/// # Errors
/// The first fault, where no queue answered at all.
pub fn not_asked(failed: Vec<(Place, Fault)>, any_answered: bool) -> anyhow::Result<Vec<NotAsked>> {
    let mut shown = Vec::new();
    for (Place { identity, .. }, fault) in failed {
        if !any_answered {
            return Err(fault).with_context(|| format!("the dead letters of {identity}"));
        }
        shown.push(NotAsked { worker: identity, reason: fault.to_string() });
    }
    Ok(shown)
}

/// The same, as lines for people.
pub fn not_asked_lines(not_asked: &[NotAsked]) -> String {
    let line = |queue: &NotAsked| {
        format!("\nNOT ASKED {}: {}\n", queue.worker, visible(&queue.reason, 400))
    };
    not_asked.iter().map(line).collect()
}

/// Why a message of another queue stays.
pub fn other_queue(arn: &Arn) -> String {
    format!("it came from {arn} and is for that queue's worker")
}
