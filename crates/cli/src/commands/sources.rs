//! `amiferry source run --once --all`: a schedule that serves many small sources from one process.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;

use amiferry_service::clock::SystemClock;
use amiferry_service::config::{Config, ProcessEnv, Source};
use amiferry_service::stop::{Ended, Stopper};
use amiferry_service::telemetry;
use amiferry_source_worker as source_worker;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::session;
use super::worker::log_format;
use crate::args::Run;
use crate::exit::Exit;
use crate::runtime;

/// Sources that are served side by side.
const AT_ONCE: usize = 8;

/// Runs the worker of every source once. What one of them lacks is that one's trouble only: the log names
/// it, and the others are done.
///
/// # Errors
/// A bad configuration.
pub fn once(run: &Run) -> anyhow::Result<ExitCode> {
    let config = Arc::new(Config::load(&run.file.config)?);
    telemetry::start(log_format(run.log_format), "info", &ProcessEnv)?;
    let exit = runtime::block_on(async { Ok(all(config).await) })?;
    Ok(exit.into())
}

async fn all(config: Arc<Config>) -> Exit {
    let stopper = Stopper::new();
    tokio::spawn(stopper.clone().follow_signals());
    let mut waiting: VecDeque<Source> = config.sources.iter().cloned().collect();
    let mut running = JoinSet::new();
    let mut exit = Exit::Ok;
    loop {
        while running.len() < AT_ONCE
            && let Some(source) = waiting.pop_front()
        {
            let span = telemetry::of_source(&source.account, &source.region);
            running.spawn(one(Arc::clone(&config), source, stopper.clone()).instrument(span));
        }
        let Some(ended) = running.join_next().await else { return exit };
        exit = match (exit, ended.unwrap_or(Exit::Failed)) {
            (Exit::Interrupted, _) | (_, Exit::Interrupted) => Exit::Interrupted,
            (Exit::Ok, Exit::Ok) => Exit::Ok,
            _ => Exit::Partial,
        };
    }
}

/// Serves one source.
async fn one(config: Arc<Config>, source: Source, stopper: Stopper) -> Exit {
    let starting = async {
        let session = session::source(&config, &source).await?;
        source_worker::preflight::check(&source, &session).await?;
        Ok(session)
    };
    let session = tokio::select! {
        biased;
        () = stopper.draining() => {
            tracing::warn!("the source was not served: the run was told to end");
            return Exit::Partial;
        }
        started = starting => match started {
            Ok(session) => session,
            Err(error) => {
                let error: anyhow::Error = error;
                tracing::error!(error.message = format!("{error:#}"), "the source cannot be served");
                return Exit::Failed;
            }
        },
    };
    let (clock, seed) = (Arc::new(SystemClock), fastrand::u64(..));
    let told_to_end = stopper.clone();
    let (worker, _) = source_worker::assemble::worker(&config, &source, &session, clock, seed);
    match worker.run_once(stopper).await {
        // A run that is told to end has not done all that it could.
        Ended::Drained if told_to_end.is_draining() => Exit::Partial,
        Ended::Drained => Exit::Ok,
        Ended::Aborted => Exit::Interrupted,
        Ended::GraceExceeded(_) | Ended::Parked(_) | Ended::Failed(_) => Exit::Partial,
    }
}
