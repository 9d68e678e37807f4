//! `amiferry demo`: protects fifteen images in a simulated AWS, with the real workers.
//!
//! Nothing here is faked: images appear, EventBridge sends their events to SQS, both workers do
//! what they do in production, and the result is read back from AWS as in an audit.

mod doors;
mod environment;
mod owners;
mod progress;

use std::process::ExitCode;
use std::time::Duration;

use amiferry_audit::inventory::{RecoveryPoint, Rejected, State};
use amiferry_audit::render;
use amiferry_audit::report::Report;
use amiferry_core::code::Code;
use anyhow::{Context, bail};
use serde::Serialize;
use tokio::time::Instant;

use super::{inventory, report};
use crate::args::{Demo, DemoOutput};
use crate::exit::Exit;
use crate::runtime::{self, Interrupted, Signals};
use crate::terminal::print;
use environment::Environment;
use progress::Progress;

/// How often the inventory is taken.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When no image has advanced for this long, the demo has failed: it usually takes well under a
/// minute.
const PATIENCE: Duration = Duration::from_secs(240);

/// What a reader of the result can do with amiferry.
const GO_ON: &str = "
Go on: `amiferry demo --keep` keeps everything running and serves a status page,
`amiferry config example` prints a configuration for your own accounts.
";

/// The version of the JSON that the demo prints.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Result {
    schema_version: u32,
    recovery_points: Vec<RecoveryPoint>,
    rejected: Vec<Rejected>,
}

/// Runs the demo.
///
/// # Errors
/// A worker that ended early, or images that did not complete in time.
pub fn run(demo: &Demo) -> anyhow::Result<ExitCode> {
    runtime::block_on(play(demo))
}

async fn play(demo: &Demo) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut environment = Environment::open(demo).await?;
    let progress = Progress::new(environment.fleet_size());
    let result = watch(&mut environment, &progress, &mut signals).await;
    progress.finish();
    let (report, complete) = result?;
    print(&match demo.output {
        DemoOutput::Json => render::json(&Result {
            schema_version: SCHEMA_VERSION,
            recovery_points: report.recovery_points.clone(),
            rejected: report.rejected.clone(),
        })?,
        DemoOutput::Table => format!("\n{}{GO_ON}", report::everything(&report, &report)),
    })?;
    if demo.keep {
        environment.keep(&mut signals).await?;
    }
    environment.close().await?;
    Ok(if complete { Exit::Ok } else { Exit::Failed }.into())
}

/// Takes the inventory until every eligible image is complete, or patience ends.
async fn watch(
    environment: &mut Environment,
    progress: &Progress,
    signals: &mut Signals,
) -> anyhow::Result<(Report, bool)> {
    let (mut standings, mut deadline) = (Vec::new(), Instant::now() + PATIENCE);
    loop {
        let report = inventory::report(environment.observers()?, environment.clock())
            .await
            .context("cannot take the inventory")?;
        progress.show(&report);
        if environment.has_all_appeared() && is_complete(&report, environment.fleet_size()) {
            return Ok((report, true));
        }
        let now = standings_of(&report);
        if now != standings {
            (standings, deadline) = (now, Instant::now() + PATIENCE);
        }
        if Instant::now() > deadline {
            return Ok((report, false));
        }
        tokio::select! {
            biased;
            ended = environment.worker_ended() => bail!("a worker ended early: {ended}"),
            () = signals.stopped() => return Err(Interrupted::default().into()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn is_complete(report: &Report, fleet: usize) -> bool {
    report.recovery_points.len() + report.rejected.len() >= fleet
        && report.recovery_points.iter().all(|point| point.state == State::Complete)
}

/// What changes when the demo gets on.
fn standings_of(report: &Report) -> Vec<(State, Code)> {
    report.recovery_points.iter().map(|point| (point.state, point.code)).collect()
}
