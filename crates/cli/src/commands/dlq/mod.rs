//! `amiferry dlq`: lists the dead letters, explains each, and sends them back.

mod not_asked;
mod redrive;

use std::process::ExitCode;

use amiferry_audit::render::{self, moment, tables};
use amiferry_core::fault::Fault;
use amiferry_core::ports::{DeadLetter, DeadLetters as _};
use amiferry_core::text::visible;
use amiferry_service::config::{Config, ProcessEnv};
use amiferry_service::dead_letters;
use amiferry_service::telemetry::{self, LogFormat};
use anyhow::bail;
use jiff::Timestamp;
use serde::Serialize;

use self::not_asked::{NotAsked, not_asked, not_asked_lines, other_queue};
use super::meaning::{Meaning, OTHER_QUEUE};
use super::place::{self, Place};
use crate::args::{DeadLetters, DemoOutput, Dlq, DlqList, DlqShow};
use crate::exit::Exit;
use crate::runtime;
use crate::terminal::print;

/// The longest cell of a table.
const LONGEST_CELL: usize = 100;

/// Runs the command.
///
/// # Errors
/// A bad configuration, or AWS not answering about any queue.
pub fn run(dlq: &Dlq) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Human, "warn", &ProcessEnv)?;
    match dlq {
        Dlq::List(what) => runtime::until_signal(list(what)),
        Dlq::Show(what) => runtime::until_signal(show(what)),
        Dlq::Redrive(what) => runtime::until_signal(redrive::run(what)),
    }
}

/// A dead letter and what it means.
#[derive(Debug, Serialize)]
struct Letter {
    message_id: String,
    first_sent_at: Option<Timestamp>,
    receive_count: u32,
    bytes: usize,
    #[serde(flatten)]
    meaning: Meaning,
}

impl Letter {
    fn new(place: &Place, letter: &DeadLetter) -> Self {
        let (mut meaning, _) = (place.judge)(&letter.message.body);
        if let Some(other) = &letter.elsewhere {
            "ignore".clone_into(&mut meaning.decision);
            OTHER_QUEUE.clone_into(&mut meaning.code);
            meaning.reason = other_queue(other);
        }
        Self {
            message_id: letter.message.id.clone(),
            first_sent_at: letter.sent,
            receive_count: letter.message.receive_count,
            bytes: letter.message.body.len(),
            meaning,
        }
    }

    fn row(&self) -> [String; 7] {
        let Meaning { kind, decision, code, reason, .. } = &self.meaning;
        [
            cell(&self.message_id),
            self.first_sent_at.map(moment).unwrap_or_default(),
            self.receive_count.to_string(),
            kind.unwrap_or("unreadable").to_owned(),
            cell(&self.meaning.names()),
            decision.clone(),
            cell(&format!("{code}: {reason}")),
        ]
    }
}

/// One worker's dead letters.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    worker: place::Identity,
    /// `null` where the worker's queue has none.
    dead_letter_queue: Option<String>,
    /// How many there are, approximately; the list may be shorter.
    messages: u64,
    letters: Vec<Letter>,
}

#[derive(Debug, Serialize)]
struct List {
    schema_version: u32,
    queues: Vec<Listed>,
    not_asked: Vec<NotAsked>,
}

async fn list(what: &DlqList) -> anyhow::Result<ExitCode> {
    let config = Config::load(&what.letters.file.config)?;
    let mut queues = Vec::new();
    let mut failed = Vec::new();
    for place in place::all(&config, what.letters.role).await? {
        match read(&place, what.limit).await {
            Ok(listed) => queues.push(listed),
            Err(fault) => failed.push((place, fault)),
        }
    }
    let not_asked = not_asked(failed, !queues.is_empty())?;
    let exit = if not_asked.is_empty() { Exit::Ok } else { Exit::Partial };
    let list = List { schema_version: 1, queues, not_asked };
    print(&match what.letters.output {
        DemoOutput::Json => render::json(&list)?,
        DemoOutput::Table => table(&list),
    })?;
    Ok(exit.into())
}

async fn read(place: &Place, limit: usize) -> Result<Listed, Fault> {
    let worker = place.identity.clone();
    let Some(queue) = place.queue.dead_letters().await? else {
        return Ok(Listed { worker, dead_letter_queue: None, messages: 0, letters: Vec::new() });
    };
    let depth = queue.depth().await?;
    let letters = dead_letters::list(&queue, limit, |letter| Letter::new(place, letter)).await?;
    // The number is approximate and may lag behind what was just read.
    let messages = (depth.waiting + depth.in_flight).max(letters.len() as u64);
    Ok(Listed { worker, dead_letter_queue: Some(queue.url().to_owned()), messages, letters })
}

fn table(list: &List) -> String {
    let mut text = String::new();
    for listed in &list.queues {
        let worker = &listed.worker;
        match &listed.dead_letter_queue {
            None => text.push_str(&format!(
                "{worker}: the queue has no dead-letter queue; messages are delivered again until \
                 they expire\n",
            )),
            Some(url) => text.push_str(&format!("{worker}: {} in {url}\n", listed.messages)),
        }
        if !listed.letters.is_empty() {
            let header = ["MESSAGE ID", "FIRST SENT", "RECEIVES", "KIND", "NAMES", "NOW", "REASON"];
            text.push_str(&tables::plain(header, listed.letters.iter().map(Letter::row)));
        }
    }
    text + &not_asked_lines(&list.not_asked)
}

#[derive(Debug, Serialize)]
struct LetterWithBody {
    schema_version: u32,
    #[serde(flatten)]
    worker: place::Identity,
    #[serde(flatten)]
    letter: Letter,
    body: String,
}

async fn show(what: &DlqShow) -> anyhow::Result<ExitCode> {
    let DeadLetters { file, role, output } = &what.letters;
    let config = Config::load(&file.config)?;
    let mut failed = Vec::new();
    let mut asked = false;
    for place in place::all(&config, *role).await? {
        match find(&place, &what.message).await {
            Ok(None) => asked = true,
            Ok(Some(letter)) => {
                let shown = LetterWithBody {
                    schema_version: 1,
                    worker: place.identity.clone(),
                    letter: Letter::new(&place, &letter),
                    body: letter.message.body,
                };
                print(&match output {
                    DemoOutput::Json => render::json(&shown)?,
                    DemoOutput::Table => page(&shown),
                })?;
                return Ok(Exit::Ok.into());
            }
            Err(fault) => failed.push((place, fault)),
        }
    }
    let not_asked = not_asked(failed, asked)?;
    bail!(
        "no dead letter has the id {}; another reader may hide it for up to a minute{}",
        visible(&what.message, LONGEST_CELL),
        not_asked_lines(&not_asked),
    )
}

async fn find(place: &Place, id: &str) -> Result<Option<DeadLetter>, Fault> {
    match place.queue.dead_letters().await? {
        Some(queue) => dead_letters::find(&queue, id).await,
        None => Ok(None),
    }
}

fn page(shown: &LetterWithBody) -> String {
    let Letter { message_id, first_sent_at, receive_count, bytes, meaning } = &shown.letter;
    let Meaning { kind, decision, code, reason, .. } = meaning;
    let mut text = format!(
        "message     {message_id}\nqueue       {}\nfirst sent  {}\nreceived    {receive_count} times\n\
         kind        {}\nnames       {}\nnow         {decision}\nreason      {code}: {reason}\n\
         body        {bytes} bytes\n\n",
        shown.worker,
        first_sent_at.map_or("unknown".to_owned(), moment),
        kind.unwrap_or("unreadable"),
        visible(&meaning.names(), usize::MAX),
    );
    for line in shown.body.lines() {
        text.push_str(&visible(line, usize::MAX));
        text.push('\n');
    }
    text
}

fn cell(text: &str) -> String {
    visible(text, LONGEST_CELL)
}
