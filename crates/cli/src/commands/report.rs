//! `amiferry status` and `amiferry audit`: the state of every promise, from AWS alone.

use std::process::ExitCode;

use amiferry_audit::inventory::State;
use amiferry_audit::render;
use amiferry_audit::report::{Report, Verdict};
use amiferry_core::text::visible;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_target_worker::assemble;
use amiferry_target_worker::observe::Observer;

use super::{inventory, print, session, watch};
use crate::args::{Audit, ConfigFile, Output, Status, StatusOutput};
use crate::exit::Exit;
use crate::runtime;

/// Runs `amiferry status`.
///
/// # Errors
/// A bad configuration, or AWS not answering.
pub fn status(status: &Status) -> anyhow::Result<ExitCode> {
    if let Some(address) = status.serve {
        return watch::serve(&status.file, address, status.every);
    }
    run(&status.file, |report| match status.output {
        StatusOutput::Table => Ok(open_work(report)),
        StatusOutput::Json => Ok(render::json(report)?),
        StatusOutput::Csv => Ok(render::csv(report)?),
        StatusOutput::Html => Ok(watch::file(report)),
    })
}

fn open_work(report: &Report) -> String {
    let mut text = render::families(report);
    let open: Vec<_> = report
        .recovery_points
        .iter()
        .filter(|point| point.state != State::Complete)
        .cloned()
        .collect();
    if !open.is_empty() {
        text.push_str("\nUNDER WAY\n");
        text.push_str(&render::recovery_points(&open, report.as_of));
    }
    text.push_str(&not_assessed(report));
    text
}

/// Runs `amiferry audit`.
///
/// # Errors
/// A bad configuration, or AWS not answering.
pub fn audit(audit: &Audit) -> anyhow::Result<ExitCode> {
    run(&audit.file, |report| match audit.output {
        Output::Table => Ok(everything(report)),
        Output::Json => Ok(render::json(report)?),
        Output::Csv => Ok(render::csv(report)?),
    })
}

fn everything(report: &Report) -> String {
    let mut text = format!(
        "As of {}. Age is measured from the creation of the source image.\n\n",
        report.as_of.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    text.push_str(&render::families(report));
    text.push_str("\nRECOVERY POINTS\n");
    text.push_str(&render::recovery_points(&report.recovery_points, report.as_of));
    if !report.rejected.is_empty() {
        text.push_str("\nLEFT OUT\n");
        text.push_str(&render::rejected(&report.rejected));
    }
    text.push_str(&not_assessed(report));
    text
}

fn run(
    file: &ConfigFile,
    write: impl Fn(&Report) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(&file.config)?;
    let report = runtime::block_on(async {
        Ok(inventory::report(observers(&config).await?, &SystemClock).await?)
    })?;
    print(&write(&report)?)?;
    Ok(match report.verdict() {
        Verdict::Kept => Exit::Ok,
        Verdict::Partial => Exit::Partial,
        Verdict::Breached => Exit::RpoBreached,
    }
    .into())
}

/// The observers of every configured vault.
///
/// # Errors
/// The environment variable of an external id is unset.
pub async fn observers(config: &Config) -> anyhow::Result<Vec<Observer>> {
    let mut observers = Vec::new();
    for vault in &config.vaults {
        let session = session::vault(config, vault).await;
        observers.push(assemble::observer(config, vault, &session)?);
    }
    Ok(observers)
}

fn not_assessed(report: &Report) -> String {
    let mut text = String::new();
    for source in &report.not_assessed {
        let (account, region) = (&source.source_account, &source.source_region);
        let image = source.source_image_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        text.push_str(&format!(
            "\nNOT ASSESSED {account} {region}{image}: {}\n",
            visible(&source.reason, 400)
        ));
    }
    text
}
