//! The tokio runtime that a command runs on, and the signals that end it.

use std::fmt;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// A signal ended a command before it was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interrupted {
    /// What becomes of what the command had begun, if there is something.
    pub begun: Option<&'static str>,
}

impl Interrupted {
    /// The same error, which says what becomes of what the command had begun, if it is one; any other error
    /// as it is.
    pub fn explained(error: anyhow::Error, begun: &'static str) -> anyhow::Error {
        match error.is::<Self>() {
            true => Self { begun: Some(begun) }.into(),
            false => error,
        }
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted by a signal")?;
        self.begun.map_or(Ok(()), |begun| write!(f, "; {begun}"))
    }
}

impl std::error::Error for Interrupted {}

/// Runs a future to its end, or until the first signal.
///
/// # Errors
/// As [`block_on`], or [`Interrupted`].
pub fn until_signal<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            biased;
            () = signals.stopped() => Err(Interrupted::default().into()),
            done = future => done,
        }
    })
}

/// Ctrl-C and SIGTERM, from the moment at which this is made: a signal that comes while other work
/// is done is kept until it is waited for.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Signals that cannot be listened for.
    pub fn listen() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        Ok(Self { interrupt, terminate })
    }

    /// Completes at the first signal, also when it has come already. Cancellation safe.
    pub async fn stopped(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn an_interruption_is_said_first_and_then_what_becomes_of_the_work() {
        let error = Interrupted::explained(Interrupted::default().into(), "it goes on");
        assert_eq!(format!("error: {error:#}"), "error: interrupted by a signal; it goes on");
        assert!(error.is::<Interrupted>());
        let other = Interrupted::explained(anyhow::anyhow!("another"), "it goes on");
        assert_eq!(format!("{other:#}"), "another");
    }

    #[tokio::test]
    async fn a_signal_that_comes_while_nothing_waits_for_it_is_not_lost() {
        for name in ["INT", "TERM"] {
            let mut signals = Signals::listen().unwrap();
            let mut seen = signal(SignalKind::interrupt()).unwrap();
            let mut ended = signal(SignalKind::terminate()).unwrap();
            let kill = format!("kill -{name} {}", id());
            assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
            // It has arrived, and is known to everything that listens.
            tokio::select! {
                _ = seen.recv() => {}
                _ = ended.recv() => {}
            }
            signals.stopped().await;
        }
    }
}
