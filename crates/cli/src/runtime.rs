//! The tokio runtime that a command runs on.

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
