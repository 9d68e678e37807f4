//! A worker that runs on the stage, and what is held of it.

use std::sync::Arc;

use amiferry_service::answerer::Answerer;
use amiferry_service::reconcile::Snapshot;
use amiferry_service::stop::{Ended, Stopper};
use amiferry_target_worker::status::StatusPage;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Role;

/// A worker of the stage.
pub(super) struct Running {
    pub(super) role: Role,
    pub(super) who: &'static str,
    pub(super) task: JoinHandle<Ended>,
    pub(super) stopper: Stopper,
    pub(super) snapshots: watch::Receiver<Snapshot>,
    /// What it answers reports.
    pub(super) answerer: Arc<dyn Answerer>,
    /// What a target worker shows.
    pub(super) page: Option<Arc<StatusPage>>,
    /// What tells an event bus, where one is configured.
    pub(super) notifier: Option<JoinHandle<()>>,
}

impl Running {
    /// Ends it as SIGKILL would.
    pub(super) fn abort(&self) {
        self.task.abort();
        self.notifier.iter().for_each(JoinHandle::abort);
    }
}
