//! `amiferry status` and `amiferry audit`: the state of every promise, from AWS alone.

use std::process::ExitCode;

use amiferry_audit::inventory::State;
use amiferry_audit::render;
use amiferry_audit::report::{Report, Verdict};
use amiferry_aws::Session;
use amiferry_core::text::visible;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_target_worker::assemble;

use super::{inventory, print};
use crate::args::{Look, Output};
use crate::exit::Exit;
use crate::runtime;

/// Runs `amiferry status`.
///
/// # Errors
/// A bad configuration, or AWS not answering.
pub fn status(look: &Look) -> anyhow::Result<ExitCode> {
    run(look, |report| {
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
        text
    })
}

/// Runs `amiferry audit`.
///
/// # Errors
/// A bad configuration, or AWS not answering.
pub fn audit(look: &Look) -> anyhow::Result<ExitCode> {
    run(look, |report| {
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
        text
    })
}

fn run(look: &Look, table: impl Fn(&Report) -> String) -> anyhow::Result<ExitCode> {
    let config = Config::load(&look.file.config)?;
    let report = runtime::block_on(async {
        let mut observers = Vec::new();
        for vault in &config.vaults {
            let aws = &config.aws;
            let session = Session::from_environment(
                &vault.region,
                aws.vault_profile.as_deref(),
                aws.endpoint_url.as_deref(),
            )
            .await;
            observers.push(assemble::observer(&config, vault, &session)?);
        }
        Ok(inventory::report(observers, &SystemClock).await?)
    })?;
    let text = match look.output {
        Output::Table => table(&report) + &not_assessed(&report),
        Output::Json => render::json(&report)?,
        Output::Csv => render::csv(&report)?,
    };
    print(&text)?;
    Ok(match report.verdict() {
        Verdict::Kept => Exit::Ok,
        Verdict::Partial => Exit::Partial,
        Verdict::Breached => Exit::RpoBreached,
    }
    .into())
}

fn not_assessed(report: &Report) -> String {
    let mut text = String::new();
    for source in &report.not_assessed {
        let (account, region) = (&source.source_account, &source.source_region);
        text.push_str(&format!(
            "\nNOT ASSESSED {account} {region}: {}\n",
            visible(&source.reason, 400)
        ));
    }
    text
}
