//! How a worker is told to stop, and how it ended.
//!
//! The first SIGTERM or SIGINT drains the worker: it starts no new work, and running work may
//! finish within the grace period. The second ends it at once. Either way nothing is lost: as after
//! a crash, the next sweep finds the dropped work again.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Signals within this time of the first are the same request: `timeout(1)` signals the child and
/// then its process group, and a terminal signals the whole group, in which a parent may pass it
/// on.
const TOGETHER: Duration = Duration::from_millis(200);

/// Tells everything that holds a clone to stop. Repeating a request changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Stopper {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Stopper {
    /// A stopper without any request yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests a drain: finish running work and start nothing new.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Requests to end at once.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Whether a drain or an end was requested.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Whether an end at once was requested.
    pub fn is_aborted(&self) -> bool {
        self.abort.is_cancelled()
    }

    /// Completes once a drain or an end is requested. Cancellation safe.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Completes once an end at once is requested. Cancellation safe.
    pub async fn aborted(&self) {
        self.abort.cancelled().await;
    }

    /// Turns the process's SIGTERM and SIGINT into calls of [`drain`](Self::drain), then
    /// [`abort`](Self::abort). What comes within 200 ms of the first is part of it. Runs until
    /// the second; spawn it.
    ///
    /// # Errors
    ///
    /// When the signal handlers cannot be installed.
    pub async fn follow_signals(self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (send, signals) = mpsc::channel(1);
        let receive = async {
            loop {
                let name = tokio::select! {
                    biased;
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if send.send(name).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = receive => {}
            () = self.follow(signals) => {}
        }
        Ok(())
    }

    async fn follow(&self, mut signals: mpsc::Receiver<&'static str>) {
        let Some(name) = signals.recv().await else { return };
        tracing::info!(amiferry.signal = name, "draining; a second signal ends at once");
        self.drain();
        let first_ends = Instant::now() + TOGETHER;
        while let Ok(Some(_)) = timeout_at(first_ends, signals.recv()).await {}
        let Some(name) = signals.recv().await else { return };
        tracing::warn!(amiferry.signal = name, "ending at once");
        self.abort();
    }
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// On request, and all running work finished. Exit status 0.
    Drained,
    /// On request; this many effects still ran when the grace period ended and were dropped. A
    /// sweep finds them again. Exit status 3.
    GraceExceeded(usize),
    /// By itself, when nothing was left to do now; so many keys wait for a person. Exit status 3.
    Parked(usize),
    /// On a second request; everything was dropped. Exit status 130, as a shell shows Ctrl-C.
    Aborted,
    /// A part of the worker panicked or ended unexpectedly. Exit status 1.
    Failed(String),
}

impl Ended {
    /// The process's exit status.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Drained => 0,
            Self::GraceExceeded(_) | Self::Parked(_) => 3,
            Self::Aborted => 130,
            Self::Failed(_) => 1,
        }
    }
}

impl From<&Ended> for ExitCode {
    fn from(ended: &Ended) -> Self {
        ended.exit_status().into()
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drained => f.write_str("drained: everything that ran came to its end"),
            Self::GraceExceeded(effects) => write!(
                f,
                "the grace period ended with {effects} effect(s) running; they were dropped and \
                 will be found again"
            ),
            Self::Parked(keys) => {
                write!(f, "nothing is left to do now; {keys} image(s) wait for a person")
            }
            Self::Aborted => f.write_str("ended at once by a second signal"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep_until;

    use super::*;

    fn send_self(signal: &str) {
        let id = std::process::id().to_string();
        let status = std::process::Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(status.success());
    }

    #[tokio::test]
    async fn the_first_signal_drains_and_a_later_one_aborts() {
        let stopper = Stopper::new();
        let following = tokio::spawn(stopper.clone().follow_signals());
        // The handlers are installed when the task first runs.
        tokio::task::yield_now().await;
        send_self("-TERM");
        stopper.draining().await;
        assert!(!stopper.is_aborted());
        while !stopper.is_aborted() {
            send_self("-INT");
            tokio::task::yield_now().await;
        }
        following.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn signals_that_come_together_are_one_request() {
        let stopper = Stopper::new();
        let (send, signals) = mpsc::channel(1);
        let following = tokio::spawn({
            let stopper = stopper.clone();
            async move { stopper.follow(signals).await }
        });
        let start = Instant::now();
        for after in [0, 0, 199] {
            sleep_until(start + Duration::from_millis(after)).await;
            send.send("SIGTERM").await.unwrap();
        }
        stopper.draining().await;
        sleep_until(start + TOGETHER).await;
        tokio::task::yield_now().await;
        assert!(!stopper.is_aborted());
        send.send("SIGINT").await.unwrap();
        following.await.unwrap();
        assert!(stopper.is_aborted());
    }
}
