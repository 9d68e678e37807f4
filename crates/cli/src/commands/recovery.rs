//! `amiferry restore`, `lookup` and `rebuild`: what a person does with the vault alone.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use amiferry_audit::render;
use amiferry_aws::{Session, StsIdentity};
use amiferry_core::decide::vault::Recovery;
use amiferry_core::model::Retrieval;
use amiferry_core::policy::Pattern;
use amiferry_core::ports::Clock as _;
use amiferry_core::recovery::select::Selection;
use amiferry_core::text::visible;
use amiferry_recovery::Recoverer;
use amiferry_recovery::assemble::session_in;
use amiferry_recovery::render as shown;
use amiferry_recovery::report::Recovered;
use amiferry_recovery::run::Event;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::{Config, ProcessEnv, Vault};
use amiferry_service::preflight;
use amiferry_service::telemetry::{self, LogFormat};
use anyhow::{Context as _, bail};

use super::announce::announce;
use super::progress::Progress;
use super::session;
use crate::args::{DemoOutput, Lookup, MapOutput, NewName, Output, Rebuild, Restore};
use crate::exit::Exit;
use crate::runtime::{self, Interrupted};
use crate::terminal::{look, print, tell};

/// The longest name in an error.
const LONGEST_NAME: usize = 200;

/// Runs `amiferry restore`.
///
/// # Errors
/// Nothing is selected, nothing fits all of the selection, a bad configuration, or AWS not answering.
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
        let Opened { mut recoverer, config, vault, session } =
            open(&restore.file.config, restore.only.as_deref()).await?;
        recoverer.seed = u64::from(std::process::id());
        recoverer.retrieval =
            Retrieval { speed: restore.retrieval.into(), days: restore.retrieval_days };
        if recovery.share_with.contains(&recoverer.vault().account) {
            bail!("--share-with names the vault's own account, which may launch its images anyway");
        }
        if let Some(into) = &restore.into {
            recoverer = elsewhere(recoverer, &config, (&vault, &session), into).await?;
        }
        let records = recoverer.records().await?;
        let chosen = recoverer.choose(&records, &selection, &recovery).await;
        if chosen.is_empty() {
            bail!(
                "nothing that the vault can restore fits all of this together; `amiferry rebuild` lists \
                 what it has"
            );
        }
        tell(&match chosen.wanted.len() {
            1 => "1 image selected".to_owned(),
            count => format!("{count} images selected"),
        });
        if restore.dry_run {
            return Ok(recoverer.planned(chosen));
        }
        let progress = Progress::new();
        let tell = |event: &Event| progress.tell(event, SystemClock.now());
        let recovered = recoverer.run(&records, chosen, &recovery, &tell).await;
        drop(progress);
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
    match recovered.is_whole() {
        true => Exit::Ok,
        false if recovered.is_about_nothing() => Exit::Failed,
        false => Exit::Partial,
    }
    .into()
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
            visible(&lookup.what, LONGEST_NAME)
        )
    }
    print(&match lookup.output {
        DemoOutput::Table => shown::answer(&answer, look()),
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
    let begun = "what has begun goes on in EC2, and the same command takes it up again";
    runtime::until_signal(work).map_err(|error| Interrupted::explained(error, begun))
}

/// The same recovery into the destination that a person names, once it is known to answer.
async fn elsewhere(
    recoverer: Recoverer,
    config: &Config,
    (vault, session): (&Vault, &Session),
    into: &str,
) -> anyhow::Result<Recoverer> {
    let here = vault.id();
    let of_vault = [here.to_string(), here.region.to_string(), here.account.to_string()];
    let destination = match config.destination(into) {
        Ok(destination) => destination,
        Err(_) if of_vault.iter().any(|name| name == into) => {
            bail!("--into {into} names the vault itself; leave it out to restore there")
        }
        Err(error) => return Err(error.into()),
    };
    let place = destination.id();
    if destination.account != vault.account && destination.role_arn.is_none() {
        bail!(
            "the destination {place} is not in the vault's account {} and has no role_arn",
            vault.account
        )
    }
    let own = StsIdentity::new(&session_in(destination, session));
    preflight::identity(&own, &destination.account)
        .await
        .with_context(|| format!("the destination {place}"))?;
    let recoverer = recoverer.restoring_into(config, destination, session);
    let bucket = &destination.bucket;
    let cannot = || format!("the bucket {bucket} of the destination {place} cannot be used");
    recoverer.reach().await.with_context(cannot)?;
    Ok(recoverer)
}

/// A recovery, and the vault that it is from.
struct Opened {
    recoverer: Recoverer,
    config: Config,
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
    let vault = vault.clone();
    Ok(Opened { recoverer, config, vault, session })
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
