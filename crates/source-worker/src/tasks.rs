//! What EC2 stores now: how the worker follows its own tasks to their end, and counts all of them
//! for the quota.

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::ids::ImageId;
use amiferry_core::model::StoreTaskState;
use amiferry_service::metrics::{self as measure, Needed, Stage};
use amiferry_service::unreadable::Pages;
use jiff::Timestamp;

use crate::observe::Round;
use crate::role::{Decisions, SourceRole, measure_end};

/// Up to so many tasks are followed by the ids of their images, which takes one call; a list of all
/// tasks says nothing about those that ended.
const FOLLOWED: usize = 20;

impl SourceRole {
    /// Whether to list the tasks in progress: not where the last list still counts and none of these
    /// may be among them. What the worker has started since is counted anyway.
    pub(crate) fn must_list(&self, ids: &[ImageId]) -> bool {
        let memory = self.memory();
        let now = self.clock.now();
        let ledger = &memory.stores.ledger;
        let counts =
            memory.listed_at.is_some_and(|at| now.duration_since(at) < ledger.count_lasts());
        let cannot_run = |id: &ImageId| memory.fleet.is_waiting(id) || memory.fleet.is_new(id);
        !counts || !ledger.has_room() || !ids.iter().all(cannot_run)
    }

    /// Counts the tasks in progress, as EC2 lists them.
    pub(crate) fn count(&self, round: &Round, now: Timestamp) {
        self.unreadable.met("store tasks in progress", Pages::ALL, &round.unread_tasks);
        let scope = &self.observer.scope;
        let mut memory = self.memory();
        let ours = |id: &ImageId| round.task(id, scope).is_some();
        let others = round.running.iter().filter(|task| !ours(&task.image));
        memory.others = others.map(|task| task.progress).collect();
        let in_progress = round.in_progress(scope, |id| memory.fleet.size_gb(id));
        memory.stores.ledger.shown(in_progress, now);
        memory.listed_at = Some(now);
        for task in round.running.iter().filter(|task| ours(&task.image)) {
            memory.fleet.runs(task);
        }
    }

    /// Lists the tasks in progress after a walk. A fault is left to the looks, which ask again.
    pub(crate) async fn list_tasks(&self) {
        let sizes = |id: &ImageId| self.memory().fleet.size_gb(id);
        if let Ok(round) = self.observer.observe(&[], true, &sizes).await {
            self.count(&round, self.clock.now());
        }
    }

    pub(crate) fn export_tasks(&self) {
        let memory = self.memory();
        let others = memory.others.iter().copied();
        let progress: Vec<u8> = memory.fleet.progress().chain(others).collect();
        measure::tasks(Stage::StoreTask, progress.len(), &progress);
    }

    /// How much was staged at the last sweep, and how much of it is still needed.
    pub(crate) fn export_staged(&self) {
        let staged = self.memory().fleet.staged_bytes();
        measure::staged(Needed::Yes, staged.needed);
        measure::staged(Needed::No, staged.done_with);
    }

    /// Those whose tasks still run, in one call that says also which ended. Nothing where a list of
    /// all tasks takes fewer calls, or where the call failed: then it is for the list to say why.
    pub(crate) async fn followed(&self, ids: &[ImageId]) -> Decisions {
        let followed: Vec<ImageId> = {
            let memory = self.memory();
            let follows =
                |id: &&ImageId| memory.fleet.is_running(id) && !memory.announced.contains(*id);
            ids.iter().filter(follows).cloned().collect()
        };
        if followed.is_empty() || followed.len() > FOLLOWED {
            return Decisions::new();
        }
        let Ok(round) = self.observer.tasks_of(&followed).await else { return Decisions::new() };
        let scope = &self.observer.scope;
        let now = self.clock.now();
        let mut decisions = Decisions::new();
        for id in followed {
            match round.task(&id, scope) {
                Some(task) if task.is_running() => {
                    let decision = self.decide(&id, &round, now);
                    decisions.push((id, Ok(decision)));
                }
                Some(task) if task.state == StoreTaskState::Completed => {
                    self.memory().announced.insert(id);
                }
                Some(_) | None => {}
            }
        }
        decisions
    }

    /// Those whose staged object is announced, by a message or by the end of the task, and S3 shows
    /// it: one call each, and nothing else need be asked.
    pub(crate) async fn stored(&self, ids: &[ImageId]) -> Decisions {
        let announced: Vec<ImageId> = {
            let mut memory = self.memory();
            ids.iter().filter(|id| memory.announced.remove(*id)).cloned().collect()
        };
        let mut round = Round::default();
        self.observer.staged(&mut round, &announced).await;
        let now = self.clock.now();
        let mut memory = self.memory();
        let mut stored = Decisions::new();
        for (id, _) in round.staged.into_iter().filter(|(_, object)| object.size > 0) {
            let (_, ended) = memory.fleet.observed(&id, None, true, now);
            measure_end(ended);
            memory.missing_since.remove(&id);
            memory.stores.ledger.ended(&id);
            stored.push((id, Ok(Decision::Done(Code::Staged))));
        }
        stored
    }
}
