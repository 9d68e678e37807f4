//! `amiferry source run` and `amiferry target run`: a worker until a signal.

use std::process::ExitCode;
use std::sync::Arc;

use amiferry_aws::Session;
use amiferry_core::ports::Clock;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::stop::Stopper;
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;

use crate::args::Run;
use crate::runtime;

/// Runs the source worker.
///
/// # Errors
/// A bad configuration, or a precondition that is not met.
pub fn source(run: &Run) -> anyhow::Result<ExitCode> {
    let config = Config::load(&run.file.config)?;
    let source = config.source(run.only.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ended = runtime::block_on(async {
        let aws = &config.aws;
        let profile = aws.source_profile.as_deref();
        let session =
            Session::from_environment(&source.region, profile, aws.endpoint_url.as_deref()).await;
        source_worker::preflight::check(source, &session).await?;
        let reconciler = source_worker::assemble::reconciler(
            &config,
            source,
            &session,
            clock,
            fastrand::u64(..),
        );
        let stopper = Stopper::new();
        tokio::spawn(stopper.clone().follow_signals());
        Ok(reconciler.run(stopper).await)
    })?;
    Ok(ExitCode::from(&ended))
}

/// Runs the target worker.
///
/// # Errors
/// A bad configuration, or a precondition that is not met.
pub fn target(run: &Run) -> anyhow::Result<ExitCode> {
    let config = Config::load(&run.file.config)?;
    let vault = config.vault(run.only.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ended = runtime::block_on(async {
        let aws = &config.aws;
        let profile = aws.vault_profile.as_deref();
        let session =
            Session::from_environment(&vault.region, profile, aws.endpoint_url.as_deref()).await;
        let observer = target_worker::assemble::observer(&config, vault, &session)?;
        target_worker::preflight::check(vault, &config.policies, &session, &observer).await?;
        let reconciler = target_worker::assemble::reconciler(
            &config,
            vault,
            &session,
            clock,
            fastrand::u64(..),
        )?;
        let stopper = Stopper::new();
        tokio::spawn(stopper.clone().follow_signals());
        Ok(reconciler.run(stopper).await)
    })?;
    Ok(ExitCode::from(&ended))
}
