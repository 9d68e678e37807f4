//! `amiferry restore`, `lookup` and `rebuild`: what a person does with the vault alone.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use amiferry_audit::render::{self, moment, span};
use amiferry_aws::{Session, StsIdentity};
use amiferry_core::decide::vault::Recovery;
use amiferry_core::policy::Pattern;
use amiferry_core::ports::Clock as _;
use amiferry_core::recovery::select::Selection;
use amiferry_core::text::visible;
use amiferry_recovery::Recoverer;
use amiferry_recovery::render as shown;
use amiferry_recovery::report::Recovered;
use amiferry_recovery::run::Event;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::{Config, ProcessEnv, Vault};
use amiferry_service::preflight;
use amiferry_service::telemetry::{self, LogFormat};
use anyhow::bail;

use super::announce::announce;
use super::session;
use crate::args::{DemoOutput, Lookup, MapOutput, NewName, Output, Rebuild, Restore};
use crate::exit::Exit;
use crate::runtime;
use crate::terminal::{look, print, tell};

/// The longest reason in a line of progress.
const LONGEST_REASON: usize = 200;

/// Runs `amiferry restore`.
///
/// # Errors
/// Nothing is selected, a bad configuration, or AWS not answering.
pub fn restore(restore: &Restore) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Human, "warn", &ProcessEnv)?;
    let selection = selection(restore);
    if selection.is_empty() {
        bail!(
            "nothing is selected; write source image ids, --family NAME, --policy NAME, --tag KEY=VALUE, \
             --as-of TIME or --all. `amiferry rebuild` lists what the vault has"
        )
    }
    let recovery = Recovery {
        share_with: restore.share_with.iter().cloned().collect(),
        original_name: restore.name == NewName::Original,
    };
    let recovered = interruptible(async {
        let Opened { recoverer, vault, session } =
            open(&restore.file.config, restore.only.as_deref()).await?;
        if recovery.share_with.contains(&recoverer.vault().account) {
            bail!("--share-with names the vault's own account, which may launch its images anyway");
        }
        let records = recoverer.records().await?;
        let survey = recoverer.survey(&records, &selection, &recovery).await;
        tell(&match survey.wanted.len() {
            1 => "1 image selected".to_owned(),
            count => format!("{count} images selected"),
        });
        if restore.dry_run {
            return Ok(recoverer.planned(survey));
        }
        let recovered = recoverer.run(&records, survey, &recovery, &progress).await;
        announce(&vault, &session, recovered.notification()).await;
        Ok(recovered)
    })?;
    print(&match restore.output {
        MapOutput::Table => shown::table(&recovered, look()),
        MapOutput::Json => render::json(&recovered)?,
        MapOutput::Csv => shown::csv(&recovered),
        MapOutput::Ssm => shown::ssm(&recovered),
    })?;
    if restore.output == MapOutput::Ssm {
        tell(&shown::missing(&recovered.not_restored, look()));
    }
    Ok(exit(&recovered))
}

fn exit(recovered: &Recovered) -> ExitCode {
    if recovered.is_whole() { Exit::Ok } else { Exit::Partial }.into()
}

/// Runs `amiferry lookup`.
///
/// # Errors
/// The vault has nothing of that name, a bad configuration, or AWS not answering.
pub fn lookup(lookup: &Lookup) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Human, "warn", &ProcessEnv)?;
    let answer = interruptible(async {
        let Opened { recoverer, .. } = open(&lookup.file.config, lookup.only.as_deref()).await?;
        let records = recoverer.records().await?;
        Ok(recoverer.lookup(&records, &lookup.what).await)
    })?;
    if answer.is_empty() {
        bail!(
            "the vault has no record of {}; `amiferry rebuild` lists what it has",
            visible(&lookup.what, LONGEST_REASON)
        )
    }
    print(&match lookup.output {
        DemoOutput::Table => shown::answer(&answer),
        DemoOutput::Json => render::json(&answer)?,
    })?;
    Ok(if answer.is_whole() { Exit::Ok } else { Exit::Partial }.into())
}

/// Runs `amiferry rebuild`.
///
/// # Errors
/// A bad configuration, or AWS not answering.
pub fn rebuild(rebuild: &Rebuild) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Human, "warn", &ProcessEnv)?;
    let listed = interruptible(async {
        let Opened { recoverer, .. } = open(&rebuild.file.config, rebuild.only.as_deref()).await?;
        let records = recoverer.records().await?;
        Ok(recoverer.inventory(&records))
    })?;
    print(&match rebuild.output {
        Output::Table => shown::inventory(&listed, look()),
        Output::Json => render::json(&listed)?,
        Output::Csv => shown::csv(&listed),
    })?;
    Ok(exit(&listed))
}

/// Runs to the end, or to the first signal. What was begun stays begun, and is found again.
fn interruptible<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    runtime::until_signal(work).map_err(|error| match error.is::<runtime::Interrupted>() {
        true => error.context("what has begun goes on in EC2; the same command takes it up again"),
        false => error,
    })
}

/// A recovery, and the vault that it is from.
struct Opened {
    recoverer: Recoverer,
    vault: Vault,
    session: Session,
}

/// A recovery from the vault that is meant, by the credentials of its account.
async fn open(path: &Path, only: Option<&str>) -> anyhow::Result<Opened> {
    let config = Config::load_vaults(path)?;
    if config.policies.0.is_empty() && !config.warnings.problems.is_empty() {
        tell(&format!("{}\n", config.warnings));
    }
    let vault = config.vault(only)?;
    let session = session::vault(&config, vault).await?;
    preflight::identity(&StsIdentity::new(&session), &vault.account).await?;
    let recoverer = Recoverer::new(&config, vault, &session, Arc::new(SystemClock));
    Ok(Opened { recoverer, vault: vault.clone(), session })
}

/// What a selection on the command line means.
fn selection(restore: &Restore) -> Selection {
    let patterns = |names: &[String]| names.iter().map(Pattern::new).collect();
    let tag = |(key, value): &(String, String)| (key.clone(), Pattern::new(value));
    Selection {
        images: restore.images.iter().cloned().collect(),
        families: patterns(&restore.family),
        policies: patterns(&restore.policy),
        tags: restore.tag.iter().map(tag).collect(),
        as_of: restore.as_of,
        all: restore.all,
    }
}

/// One line for each event.
fn progress(event: &Event) {
    let text = match event {
        Event::Began { id, image, size_gb } => {
            format!("{}: restoring as {image}, {size_gb} GB", id.source_image_id)
        }
        Event::There { id, image } => format!("{}: {image} is there", id.source_image_id),
        Event::GivenUp { id, code, reason } => {
            let reason = visible(reason, LONGEST_REASON);
            format!("{}: not restored: {code}: {reason}", id.source_image_id)
        }
        Event::Progress { done, of, in_progress_gb, expected_end } => {
            let left = expected_end.duration_since(SystemClock.now()).as_secs().max(0);
            format!(
                "{done} of {of} done, {in_progress_gb} GB in progress, expected end {} (in {})",
                moment(*expected_end),
                span(left)
            )
        }
    };
    tell(&text);
}
