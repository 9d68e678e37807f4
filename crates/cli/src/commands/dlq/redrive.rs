//! `amiferry dlq redrive`: sends messages back, and reports what became of each.

use std::collections::BTreeSet;
use std::process::ExitCode;

use amiferry_audit::render::{self, tables};
use amiferry_core::fault::Fault;
use amiferry_service::config::Config;
use amiferry_service::dead_letters::{self, Outcome, Redrive, Redriven};
use serde::Serialize;

use super::super::place::{self, Place};
use super::cell;
use super::not_asked::{NotAsked, not_asked, not_asked_lines, other_queue};
use crate::args::{DemoOutput, DlqRedrive};
use crate::exit::Exit;
use crate::terminal::print;

#[derive(Debug, Serialize)]
struct RedriveReport {
    schema_version: u32,
    dry_run: bool,
    messages: Vec<Row>,
    not_asked: Vec<NotAsked>,
}

/// What became of one message.
#[derive(Debug, Serialize)]
struct Row {
    /// `null` for a message that was not found anywhere.
    #[serde(flatten)]
    worker: Option<place::Identity>,
    message_id: String,
    outcome: &'static str,
    /// Its id in the worker's queue, where it was sent.
    new_message_id: Option<String>,
    /// Empty for a message that was simply sent.
    reason: String,
    /// Whether the message was sent back, or would be.
    #[serde(skip)]
    done: bool,
}

impl Row {
    fn new(worker: Option<&place::Identity>, message_id: String, outcome: Outcome) -> Self {
        let (word, new_message_id, reason) = match outcome {
            Outcome::SentBack(new) => ("sent_back", Some(new), String::new()),
            Outcome::WouldSendBack => ("would_send_back", None, String::new()),
            Outcome::Refused(reject) => (
                "skipped",
                None,
                format!("the worker would refuse it again: {reject}; see --force"),
            ),
            Outcome::Elsewhere(arn) => ("skipped", None, other_queue(&arn)),
            Outcome::Doubled(new, fault) => (
                "sent_and_kept",
                Some(new),
                format!("the message is now in both queues, which does no harm: {fault}"),
            ),
            Outcome::Failed(fault) => ("failed", None, fault.to_string()),
        };
        let done = matches!(word, "sent_back" | "would_send_back");
        let worker = worker.cloned();
        Self { worker, message_id, outcome: word, new_message_id, reason, done }
    }

    fn not_found(message_id: String) -> Self {
        let reason = "no such message; another reader may hide it for up to a minute".to_owned();
        Self {
            worker: None,
            message_id,
            outcome: "not_found",
            new_message_id: None,
            reason,
            done: false,
        }
    }

    fn cells(&self) -> [String; 5] {
        [
            cell(&self.message_id),
            self.worker.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.outcome.to_owned(),
            self.new_message_id.clone().unwrap_or_default(),
            amiferry_core::text::visible(&self.reason, 400),
        ]
    }
}

/// Runs the command.
///
/// # Errors
/// A bad configuration, or AWS not answering about any queue.
pub async fn run(what: &DlqRedrive) -> anyhow::Result<ExitCode> {
    let config = Config::load(&what.letters.file.config)?;
    let mut left: BTreeSet<String> = what.message.iter().cloned().collect();
    let mut messages: Vec<Row> = Vec::new();
    let mut failed = Vec::new();
    let mut answered = false;
    for place in place::all(&config, what.letters.role).await? {
        if !what.all && left.is_empty() {
            break;
        }
        let only = (!what.all).then(|| left.clone());
        let asked = Redrive { only, dry_run: what.dry_run, force: what.force };
        let Redriven { outcomes, stopped } = match redrive(&place, &asked).await {
            Ok(redriven) => redriven,
            Err(fault) => Redriven { outcomes: Vec::new(), stopped: Some(fault) },
        };
        answered |= stopped.is_none() || !outcomes.is_empty();
        for (id, outcome) in outcomes {
            left.remove(&id);
            messages.push(Row::new(Some(&place.identity), id, outcome));
        }
        if let Some(fault) = stopped {
            failed.push((place, fault));
        }
    }
    let not_asked = not_asked(failed, answered)?;
    messages.extend(left.into_iter().map(Row::not_found));
    let done = not_asked.is_empty() && messages.iter().all(|row| row.done);
    let report = RedriveReport { schema_version: 1, dry_run: what.dry_run, messages, not_asked };
    print(&match what.letters.output {
        DemoOutput::Json => render::json(&report)?,
        DemoOutput::Table => table(&report),
    })?;
    Ok(if done { Exit::Ok } else { Exit::Partial }.into())
}

async fn redrive(place: &Place, asked: &Redrive) -> Result<Redriven, Fault> {
    match place.queue.dead_letters().await? {
        Some(queue) => Ok(dead_letters::redrive(&queue, asked, |body| (place.judge)(body).1).await),
        None => Ok(Redriven { outcomes: Vec::new(), stopped: None }),
    }
}

fn table(report: &RedriveReport) -> String {
    let lines = not_asked_lines(&report.not_asked);
    if report.messages.is_empty() {
        return format!("no dead letters\n{lines}");
    }
    let header = ["MESSAGE ID", "WORKER", "OUTCOME", "NEW MESSAGE ID", "REASON"];
    tables::plain(header, report.messages.iter().map(Row::cells)) + &lines
}
