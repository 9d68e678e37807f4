//! Ends workers as SIGTERM does, all of a role or a single one, as the roll of an upgrade does.

use amiferry_service::stop::Ended;

use super::{Role, Running, Stage};

impl Stage {
    /// Ends every worker of a role, and says how they ended.
    pub async fn stop(&mut self, role: Role) -> Vec<Ended> {
        let mut ended = Vec::new();
        for worker in self.workers.extract_if(.., |worker| worker.role == role).collect::<Vec<_>>()
        {
            ended.push(drained(worker).await);
        }
        ended
    }

    /// Ends the worker of this name, and says how it ended.
    ///
    /// # Panics
    /// When there is none.
    pub async fn stop_named(&mut self, who: &str) -> Ended {
        let at = self.workers.iter().position(|worker| worker.who == who);
        let worker = self.workers.remove(at.unwrap_or_else(|| panic!("no worker {who}")));
        drained(worker).await
    }
}

async fn drained(worker: Running) -> Ended {
    worker.stopper.drain();
    worker.task.await.unwrap()
}
