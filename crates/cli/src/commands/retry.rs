//! `amiferry retry`: asks the workers that have to act to look again at once.

use std::collections::BTreeMap;
use std::process::ExitCode;

use amiferry_audit::inventory::NotAssessed;
use amiferry_audit::render::table::{Cell, Column, Table};
use amiferry_audit::render::{self, Look};
use amiferry_audit::report::Report;
use amiferry_audit::retry::{Actor, Retry, retries};
use amiferry_core::code::Code;
use amiferry_core::event;
use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::text::visible;
use amiferry_service::config::{Config, ProcessEnv, Vault};
use amiferry_service::metrics::Worker;
use amiferry_service::telemetry::{self, LogFormat};
use serde::Serialize;
use tokio::task::JoinSet;

use super::place::{self, Identity, Place};
use super::report;
use crate::args::{self, DemoOutput, DlqRole};
use crate::exit::Exit;
use crate::runtime;
use crate::terminal::{self, print};

/// The word for everything.
const ALL: &str = "all";

/// Messages on their way to one queue at once.
const AT_ONCE: usize = 16;

/// The longest name in a table.
const LONGEST_NAME: usize = 60;

/// The longest reason in a table.
const LONGEST_REASON: usize = 2_000;

/// What became of the message about one image to one worker.
#[derive(Debug, Serialize)]
struct Row {
    /// `null` where the configuration has no such worker.
    #[serde(flatten)]
    worker: Option<Identity>,
    source_account: AccountId,
    source_region: Region,
    source_image_id: ImageId,
    family: String,
    state: &'static str,
    code: Option<Code>,
    outcome: Outcome,
    /// SQS's id of the message, where it was sent.
    message_id: Option<String>,
    /// Empty for a message that was sent.
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Sent,
    WouldSend,
    Skipped,
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::WouldSend => "would_send",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Serialize)]
struct Sent<'a> {
    schema_version: u32,
    dry_run: bool,
    messages: Vec<Row>,
    /// What could not be assessed, and may need a retry too.
    not_assessed: &'a [NotAssessed],
}

impl Sent<'_> {
    fn is_partial(&self) -> bool {
        let undone = |row: &Row| matches!(row.outcome, Outcome::Skipped | Outcome::Failed);
        !self.not_assessed.is_empty() || self.messages.iter().any(undone)
    }
}

/// Runs the command.
///
/// # Errors
/// A bad configuration, an image, family or filter that matches nothing, or AWS not answering.
pub fn run(what: &args::Retry) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Human, "warn", &ProcessEnv)?;
    let config = Config::load(&what.file.config)?;
    let filter = what.scope.in_states(&what.state);
    let (_, rows) = report::filtered(&config, &args::Asked::default(), &filter)?;
    let meant = if what.what == ALL { rows } else { report::about(&rows, &what.what)? };
    let vaults: Vec<VaultId> = config.vaults.iter().map(Vault::id).collect();
    let retries = retries(&meant, &vaults);
    let messages = runtime::until_signal(send(&config, retries, what.dry_run))?;
    let sent = Sent {
        schema_version: 1,
        dry_run: what.dry_run,
        messages,
        not_assessed: &meant.not_assessed,
    };
    print(&match what.output {
        DemoOutput::Json => render::json(&sent)?,
        DemoOutput::Table => table(&sent, &meant, what),
    })?;
    Ok(if sent.is_partial() { Exit::Partial } else { Exit::Ok }.into())
}

/// Sends each worker its messages. A queue that refuses one is not asked for the rest.
async fn send(config: &Config, retries: Vec<Retry>, dry_run: bool) -> anyhow::Result<Vec<Row>> {
    let places = place::all(config, DlqRole::All).await?;
    let mut left = retries;
    let mut rows = Vec::new();
    for place in &places {
        let (ours, others) = left.into_iter().partition(|retry| is_for(place, retry));
        left = others;
        rows.extend(send_to(place, ours, dry_run).await);
    }
    rows.extend(left.into_iter().map(|retry| {
        let reason = match &retry.actor {
            Actor::Source => format!("the configuration has no source {}", retry.source),
            Actor::Vault(vault) => format!("the configuration has no vault {vault}"),
        };
        row(None, retry, Outcome::Skipped, None, reason)
    }));
    Ok(rows)
}

fn is_for(place: &Place, retry: &Retry) -> bool {
    let Identity { worker, account, region, .. } = &place.identity;
    match &retry.actor {
        Actor::Source => {
            let SourceId { account: theirs, region: there } = &retry.source;
            *worker == Worker::Source.as_str() && (account, region) == (theirs, there)
        }
        Actor::Vault(VaultId { account: theirs, region: there }) => {
            *worker == Worker::Target.as_str() && (account, region) == (theirs, there)
        }
    }
}

async fn send_to(place: &Place, retries: Vec<Retry>, dry_run: bool) -> Vec<Row> {
    let worker = &place.identity;
    let mut rows = Vec::new();
    let mut refused: Option<Fault> = None;
    let mut left = retries.into_iter().peekable();
    while left.peek().is_some() {
        let mut sending = JoinSet::new();
        for retry in left.by_ref().take(AT_ONCE) {
            let body = event::operator(&retry.source, &retry.image);
            if let Some(reject) = (place.judge)(&body).1 {
                let reason = format!("the worker would refuse the message: {reject}");
                rows.push(row(Some(worker), retry, Outcome::Skipped, None, reason));
            } else if dry_run {
                rows.push(row(Some(worker), retry, Outcome::WouldSend, None, String::new()));
            } else if let Some(fault) = &refused {
                rows.push(row(Some(worker), retry, Outcome::Failed, None, fault.to_string()));
            } else {
                let queue = place.queue.clone();
                sending.spawn(async move { (retry, queue.send(&body).await) });
            }
        }
        for (retry, sent) in sending.join_all().await {
            rows.push(match sent {
                Ok(id) => row(Some(worker), retry, Outcome::Sent, Some(id), String::new()),
                Err(fault) => {
                    let reason = refused.insert(fault).to_string();
                    row(Some(worker), retry, Outcome::Failed, None, reason)
                }
            });
        }
    }
    rows.sort_by(|a, b| a.source_image_id.cmp(&b.source_image_id));
    rows
}

fn row(
    worker: Option<&Identity>,
    retry: Retry,
    outcome: Outcome,
    message_id: Option<String>,
    reason: String,
) -> Row {
    Row {
        worker: worker.cloned(),
        source_account: retry.source.account,
        source_region: retry.source.region,
        source_image_id: retry.image,
        family: retry.family,
        state: retry.state,
        code: retry.code,
        outcome,
        message_id,
        reason,
    }
}

fn table(sent: &Sent<'_>, meant: &Report, what: &args::Retry) -> String {
    let look = terminal::look();
    let (table, said) = match sent.messages.as_slice() {
        [] => (String::new(), nothing(meant)),
        messages => (outcomes(messages, look), counts(messages)),
    };
    let mut text = table;
    said.lines().for_each(|line| text.push_str(&render::wrapped(line, "", look.width)));
    for NotAssessed { source_account, source_region, source_image_id, reason } in sent.not_assessed
    {
        let image = source_image_id.as_deref().map(|id| format!(" {}", visible(id, LONGEST_NAME)));
        let line = format!(
            "NOT ASSESSED {source_account}/{source_region}{}: {}",
            image.unwrap_or_default(),
            visible(reason, LONGEST_REASON)
        );
        text.push_str(&format!("\n{}", render::wrapped(&line, "", look.width)));
    }
    if sent.messages.iter().any(|row| row.outcome == Outcome::Sent) {
        let next = match what.what.as_str() {
            ALL => "status".to_owned(),
            one => format!("show {}", visible(one, LONGEST_NAME)),
        };
        let said = "The workers look at these now and decide by what AWS shows. What comes of it:";
        text.push_str(&format!("\n{}", render::wrapped(said, "", look.width)));
        text.push_str(&format!("  amiferry {next} --config {}\n", what.file.config.display()));
    }
    text
}

/// Why there is nothing to send.
fn nothing(meant: &Report) -> String {
    let complete = meant.recovery_points.len();
    let mut text = format!(
        "Nothing to retry: {}.\n",
        match complete {
            0 => "no recovery point is open".to_owned(),
            1 => "the recovery point is complete".to_owned(),
            count => format!("all {count} recovery points are complete"),
        }
    );
    if let [left] = meant.rejected.as_slice() {
        let reason = visible(&left.reason, LONGEST_REASON);
        text.push_str(&format!("{} is left out: {}: {reason}\n", left.source_image_id, left.code));
    }
    text
}

/// A row for each message under its worker, and below them why some were not sent.
fn outcomes(rows: &[Row], look: Look) -> String {
    let mut table = Table::new([
        Column::whole("SOURCE IMAGE"),
        Column::cut("FAMILY", 12),
        Column::whole("STATE").rank(1),
        Column::whole("CODE").rank(2),
        Column::whole("OUTCOME"),
    ]);
    let mut reasons: BTreeMap<&str, Vec<&ImageId>> = BTreeMap::new();
    for row in rows {
        let worker = row.worker.as_ref().map(ToString::to_string);
        table.heading(worker.unwrap_or_else(|| "no such worker is configured".to_owned()));
        table.row([
            Cell::new(row.source_image_id.as_str()),
            Cell::name(&row.family),
            Cell::new(row.state),
            Cell::new(row.code.map(|code| code.to_string()).unwrap_or_default()),
            Cell::new(row.outcome.as_str()),
        ]);
        if !row.reason.is_empty() {
            reasons.entry(&row.reason).or_default().push(&row.source_image_id);
        }
    }
    let mut text = table.write(look);
    for (reason, images) in reasons {
        let whose = match images.as_slice() {
            [one] => one.to_string(),
            [first, others @ ..] => format!("{first} and {} more", others.len()),
            [] => continue,
        };
        let line = format!("{whose}: {}", visible(reason, LONGEST_REASON));
        text.push_str(&render::wrapped(&line, "", look.width));
    }
    text
}

/// How many messages went to which queue.
fn counts(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut rows = rows;
    while let Some(first) = rows.first() {
        let url = |row: &Row| row.worker.as_ref().map(|worker| worker.queue_url.clone());
        let same = rows.iter().take_while(|row| url(row) == url(first)).count();
        let (here, rest) = rows.split_at(same);
        rows = rest;
        let Some(url) = url(first) else { continue };
        for (outcome, word) in [(Outcome::Sent, "sent"), (Outcome::WouldSend, "would be sent")] {
            match here.iter().filter(|row| row.outcome == outcome).count() {
                0 => {}
                1 => text.push_str(&format!("1 message {word} to {url}\n")),
                count => text.push_str(&format!("{count} messages {word} to {url}\n")),
            }
        }
    }
    text
}
