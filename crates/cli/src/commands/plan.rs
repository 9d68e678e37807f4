//! `amiferry plan`: what will be complete when.

use std::process::ExitCode;

use amiferry_audit::plan::{Known, Plan as Planned};
use amiferry_audit::render;
use amiferry_audit::render::plan as shown;
use amiferry_core::fleet::Outlook;
use amiferry_core::forecast::WhatIf;
use amiferry_core::names::VaultId;
use amiferry_core::text::distinct;
use amiferry_service::config::Config;
use amiferry_target_worker::observe::Observer;
use anyhow::bail;

use super::inventory::Seen;
use super::report;
use crate::args::{Asked, Output, Plan};
use crate::exit::Exit;
use crate::terminal::{look, print};

/// The longest name that an error repeats.
const LONGEST_NAME: usize = 80;

/// One vault with its forecasts.
struct Forecast {
    vault: VaultId,
    observer: Observer,
    outlook: Outlook,
    without: Option<Outlook>,
}

/// Runs `amiferry plan`.
///
/// # Errors
/// A policy that is not configured, a bad configuration, or AWS not answering.
pub fn run(plan: &Plan) -> anyhow::Result<ExitCode> {
    let config = Config::load(&plan.file.config)?;
    check(&config, &plan.what_if)?;
    let (report, fleets) = report::fleets(&config, &Asked::default())?;
    let now = report.as_of;
    let forecast = |Seen { observer, fleet, stores }: Seen| {
        let without =
            (!plan.what_if.is_empty()).then(|| observer.outlook(&fleet, &stores, &[], now));
        let outlook = observer.outlook(&fleet, &stores, &plan.what_if, now);
        Forecast { vault: observer.vault_id(), observer, outlook, without }
    };
    let seen: Vec<Forecast> = fleets.into_iter().map(forecast).collect();
    let known: Vec<Known<'_>> = seen
        .iter()
        .map(|seen| Known {
            vault: &seen.vault,
            outlook: &seen.outlook,
            without: seen.without.as_ref(),
            capacity: &seen.observer.capacity,
            policies: &seen.observer.policies,
        })
        .collect();
    let planned = Planned::new(&report, &known, &config.prices);
    print(&match plan.output {
        Output::Table => shown::table(&planned, look()),
        Output::Json => render::json(&planned)?,
        Output::Csv => shown::csv(&planned)?,
    })?;
    let is_whole = planned.not_assessed.is_empty() && planned.not_planned.is_empty();
    Ok(if is_whole { Exit::Ok } else { Exit::Partial }.into())
}

/// Whether each policy is configured and has images of some source.
fn check(config: &Config, what_if: &[WhatIf]) -> anyhow::Result<()> {
    for WhatIf { policy: name, .. } in what_if {
        let Some(policy) = config.policies.named(name) else {
            let names = config.policies.0.iter().map(|policy| policy.name.as_str());
            let choices = names.collect::<Vec<_>>().join(", ");
            bail!(
                "--what-if names the policy {}, which is not configured; choose from: {choices}",
                distinct(name, LONGEST_NAME)
            )
        };
        if !config.sources.iter().any(|source| policy.speaks_of(&source.id())) {
            bail!("--what-if names the policy {name}, which applies to no configured source");
        }
    }
    Ok(())
}
