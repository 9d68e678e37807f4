//! `amiferry source run` and `amiferry target run`: run a worker until a signal.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use amiferry_core::ports::Clock;
use amiferry_service::admin::{Admin, Shown};
use amiferry_service::checkup::Checkup;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::{Config, ProcessEnv};
use amiferry_service::http::Access;
use amiferry_service::metrics::{Exporter, Worker};
use amiferry_service::reconcile::{Reconciler, Role};
use amiferry_service::stop::{Ended, Stopper};
use amiferry_service::telemetry;
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use tracing::Instrument;

use super::{session, sources};
use crate::args::{self, Run, RunSource};
use crate::runtime;

/// Runs the source worker.
///
/// # Errors
/// A bad configuration, a token that is not where it says, or a precondition that is not met.
pub fn source(RunSource { run, all }: &RunSource) -> anyhow::Result<ExitCode> {
    if *all {
        return sources::once(run);
    }
    let config = Config::load(&run.file.config)?;
    let source = config.source(run.only.as_deref())?;
    let access = config.listen_token.access()?;
    telemetry::start(log_format(run.log_format), "info", &ProcessEnv)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let starting = async {
        let session = session::source(&config, source).await?;
        let found = source_worker::preflight::check(source, &session).await?;
        let checkup = Checkup::new(Worker::Source, found.all, {
            let (config, source, session) = (config.clone(), source.clone(), session.clone());
            Box::new(move || {
                let (config, source, session) = (config.clone(), source.clone(), session.clone());
                Box::pin(async move {
                    source_worker::preflight::examine(&config, &source, &session).await.all
                })
            })
        });
        let seed = fastrand::u64(..);
        let (reconciler, status) =
            source_worker::assemble::worker(&config, source, &session, clock, seed);
        let shown = Shown { answerer: Arc::new(status), page: None };
        Ok(Started { reconciler, shown, checkup })
    };
    let work = until_stopped(starting, config.workers.source_listen, access, run.once);
    let ended = runtime::block_on(work.instrument(telemetry::of_worker(Worker::Source)))?;
    Ok(ExitCode::from(&ended))
}

/// Runs the target worker.
///
/// # Errors
/// A bad configuration, a token that is not where it says, or a precondition that is not met.
pub fn target(run: &Run) -> anyhow::Result<ExitCode> {
    let config = Config::load(&run.file.config)?;
    let vault = config.vault(run.only.as_deref())?;
    let access = config.listen_token.access()?;
    telemetry::start(log_format(run.log_format), "info", &ProcessEnv)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let starting = async {
        let session = session::vault(&config, vault).await?;
        let observer = target_worker::assemble::observer(&config, vault, &session);
        let policies = &config.policies;
        let found = target_worker::preflight::check(vault, policies, &session, &observer).await?;
        let checkup = Checkup::new(Worker::Target, found.all, {
            let (config, vault) = (config.clone(), vault.clone());
            let (session, observer) = (session.clone(), observer.clone());
            Box::new(move || {
                let (config, vault) = (config.clone(), vault.clone());
                let (session, observer) = (session.clone(), observer.clone());
                Box::pin(async move {
                    let examine = target_worker::preflight::examine;
                    examine(&config, &vault, &session, &observer, false).await.all
                })
            })
        });
        let seed = fastrand::u64(..);
        let (reconciler, page) =
            target_worker::assemble::worker(&config, vault, &session, clock, seed);
        let page = Arc::new(page.with_findings(checkup.findings()));
        if let Some(notifier) = target_worker::assemble::notifier(vault, &session, &page) {
            tokio::spawn(notifier.run().in_current_span());
        }
        let answerer = Arc::clone(&page);
        let shown = Shown { answerer, page: Some(page) };
        Ok(Started { reconciler, shown, checkup })
    };
    let work = until_stopped(starting, config.workers.target_listen, access, run.once);
    let ended = runtime::block_on(work.instrument(telemetry::of_worker(Worker::Target)))?;
    Ok(ExitCode::from(&ended))
}

/// `auto` means JSON unless stderr is a terminal.
pub fn log_format(asked: args::LogFormat) -> telemetry::LogFormat {
    match asked {
        args::LogFormat::Human => telemetry::LogFormat::Human,
        args::LogFormat::Json => telemetry::LogFormat::Json,
        args::LogFormat::Auto if std::io::stderr().is_terminal() => telemetry::LogFormat::Human,
        args::LogFormat::Auto => telemetry::LogFormat::Json,
    }
}

/// A worker whose preconditions are met.
struct Started<R: Role> {
    reconciler: Reconciler<R>,
    shown: Shown,
    checkup: Checkup,
}

/// Starts a worker and runs it with its admin server until a signal, or `once` until it has done what can
/// be done now. It handles signals from the
/// beginning: the first process of a container gets only signals that it handles.
async fn until_stopped<R: Role>(
    starting: impl Future<Output = anyhow::Result<Started<R>>>,
    listen: SocketAddr,
    access: Access,
    once: bool,
) -> anyhow::Result<Ended> {
    let stopper = Stopper::new();
    tokio::spawn(stopper.clone().follow_signals().in_current_span());
    let Started { reconciler, shown, checkup } = tokio::select! {
        biased;
        // No work has begun that would have to be finished or given back.
        () = stopper.draining() => return Ok(Ended::Drained),
        started = starting => started?,
    };
    let exporter = Exporter::install()?;
    tokio::spawn(exporter.clone().upkeep());
    tokio::spawn(async move { checkup.repeat(&SystemClock).await }.in_current_span());
    let admin = Admin::bind(listen, access, exporter, reconciler.snapshots()).await?;
    let admin = admin.showing(shown);
    // Runs until the process ends: it answers probes and the last scrape while the worker drains.
    tokio::spawn(admin.serve());
    Ok(match once {
        true => reconciler.run_once(stopper).await,
        false => reconciler.run(stopper).await,
    })
}
