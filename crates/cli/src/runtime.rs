//! The tokio runtime that a command runs on, and the signals that end it.

use anyhow::Context;

/// Runs a future to its end.
///
/// # Errors
/// A runtime that cannot be made, or the future's own error.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?
        .block_on(future)
}

/// Completes at Ctrl-C or SIGTERM.
///
/// # Errors
/// Signals that cannot be waited for.
pub async fn stopped() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    tokio::select! {
        biased;
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
