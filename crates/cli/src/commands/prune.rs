//! `amiferry prune`: deletes what the rules no longer keep.

use std::process::ExitCode;
use std::sync::Arc;

use amiferry_audit::render;
use amiferry_aws::StsIdentity;
use amiferry_core::text::visible;
use amiferry_prune::Pruner;
use amiferry_prune::render as shown;
use amiferry_prune::report::Row;
use amiferry_prune::run::Allowed;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::{Config, ProcessEnv};
use amiferry_service::preflight;
use amiferry_service::telemetry::{self, LogFormat};
use jiff::tz::TimeZone;

use super::announce::announce;
use super::session;
use crate::args::{Listed, Output, Prune};
use crate::exit::Exit;
use crate::runtime::{self, Interrupted};
use crate::terminal::{look, print, tell};

/// The longest reason in a line of progress.
const LONGEST_REASON: usize = 200;

/// Runs `amiferry prune`.
///
/// # Errors
/// A bad configuration, or AWS not answering.
pub fn prune(prune: &Prune) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Human, "warn", &ProcessEnv)?;
    let begun = "the next run completes what this one has begun";
    let work = runtime::until_signal(run(prune));
    let (text, is_whole) = work.map_err(|error| Interrupted::explained(error, begun))?;
    print(&text)?;
    Ok(if is_whole { Exit::Ok } else { Exit::Partial }.into())
}

async fn run(prune: &Prune) -> anyhow::Result<(String, bool)> {
    let config = Config::load(&prune.file.config)?;
    if !config.warnings.problems.is_empty() {
        tell(&format!("{}\n", config.warnings));
    }
    let vault = config.vault(prune.only.as_deref())?;
    let session = session::prune(&config, vault).await?;
    preflight::identity(&StsIdentity::new(&session), &vault.account).await?;
    let pruner = Pruner::new(&config, vault, &session, Arc::new(SystemClock));
    let contents = pruner.contents().await?;
    if let Some(date) = prune.until {
        let end = date.tomorrow().and_then(|date| date.to_zoned(TimeZone::UTC));
        let until = end.map_err(|error| anyhow::anyhow!("--until: {error}"))?.timestamp();
        let future = pruner.future(&contents, until);
        let text = match prune.output {
            Output::Table => shown::future_table(&future, look()),
            Output::Json => render::json(&future)?,
            Output::Csv => shown::future_csv(&future),
        };
        return Ok((text, future.is_whole()));
    }
    let allowed = Allowed { apply: prune.apply, really: prune.yes_really };
    if prune.leftovers {
        let found = pruner.leftovers(&contents, allowed, &|_| {}).await?;
        let text = match prune.output {
            Output::Table => shown::leftovers_table(&found, look()),
            Output::Json => render::json(&found)?,
            Output::Csv => shown::leftovers_csv(&found),
        };
        return Ok((text, found.is_whole()));
    }
    let progress = |row: &Row| {
        let (id, outcome) = (&row.source_image_id, row.outcome.as_str());
        tell(&format!("{id}: {outcome}: {}", visible(&row.reason, LONGEST_REASON)));
    };
    let quiet = |_: &Row| {};
    let pruned = match prune.apply {
        true => pruner.run(&contents, allowed, &progress).await,
        false => pruner.run(&contents, allowed, &quiet).await,
    };
    if prune.apply {
        announce(vault, &session, pruned.notification()).await;
    }
    let text = match prune.output {
        Output::Table => shown::table(&pruned, prune.list == Listed::All, look()),
        Output::Json => render::json(&pruned)?,
        Output::Csv => shown::csv(&pruned),
    };
    Ok((text, pruned.is_whole()))
}
