//! Copies objects to the destination of a restore, some at once, while other images restore there.
//!
//! A copy that is dropped half way leaves its parts in their multipart upload, where the next run finds
//! them; see `target_worker::copy`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::decide::vault::observation::COUNTS_FOR;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::names::RecoveryPointId;
use amiferry_target_worker::copy::Origin;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::{Event, Run};
use crate::chosen::POLL;

/// Two runs that began a copy in the same second wait up to so many seconds before they try again.
const APART: u64 = 20;

/// The copies that run. Dropping it ends them.
#[derive(Default)]
pub(super) struct Copying {
    set: JoinSet<(RecoveryPointId, Result<(), Fault>)>,
    ids: BTreeSet<RecoveryPointId>,
}

impl Copying {
    pub(super) fn ids(&self) -> impl Iterator<Item = &RecoveryPointId> {
        self.ids.iter()
    }
}

impl Run<'_> {
    /// How far each copy is.
    pub(super) fn copies_now(&self) -> BTreeMap<RecoveryPointId, CopyProgress> {
        let there = self.recoverer.destination.as_ref();
        there.map(|there| there.copier.copies.now()).unwrap_or_default()
    }

    /// Starts copies in the order of the plan, as long as there is room for one.
    pub(super) fn start_copies(&mut self) {
        let recoverer = self.recoverer;
        let Some(there) = &recoverer.destination else { return };
        let now = self.now();
        let copies = self.copies_now();
        self.turns.copying = self
            .copying
            .ids()
            .map(|id| {
                let left = copies.get(id).and_then(|copy| copy.seconds_left(now));
                let left = left.and_then(|left| i64::try_from(left).ok());
                (id.clone(), left.map(SignedDuration::from_secs))
            })
            .collect();
        let order = self.turns.copy_order(&recoverer.observer.policies, now);
        for id in order {
            if self.copying.ids.len() >= there.copies {
                return;
            }
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            let Some((order, decided_at)) = task.copy.take() else { continue };
            if now.duration_since(decided_at) > COUNTS_FOR {
                // Only a new look acts.
                task.at = Some(now);
                continue;
            }
            let keys = match there.observer.keys_of(&id) {
                Ok(keys) => keys,
                Err(fault) => {
                    self.settle(&id, Err(fault));
                    continue;
                }
            };
            let home = &recoverer.observer.vault;
            let (copier, objects) = (Arc::clone(&there.copier), Arc::clone(&home.objects));
            let (owner, name, bytes) = (home.account.clone(), id.clone(), order.staged.size);
            self.copying.set.spawn(async move {
                let origin = Origin { owner: &owner, objects: objects.as_ref() };
                let copied = async {
                    copier.copy(&order, &name, &keys, origin).await?;
                    copier.clear(&keys.image).await
                };
                let copied = copied.await;
                (name, copied)
            });
            self.turns.copying.insert(id.clone(), None);
            self.copying.ids.insert(id.clone());
            (self.tell)(&Event::Copying { id, bytes });
        }
    }

    /// Sleeps, or until a copy ends.
    pub(super) async fn rest(&mut self, pause: Duration) {
        if self.copying.set.is_empty() {
            tokio::time::sleep(pause).await;
            return;
        }
        match tokio::time::timeout(pause, self.copying.set.join_next()).await {
            Ok(Some(Ok((id, ended)))) => self.copied(&id, ended),
            Ok(Some(Err(error))) if error.is_panic() => {
                std::panic::resume_unwind(error.into_panic())
            }
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }

    fn copied(&mut self, id: &RecoveryPointId, ended: Result<(), Fault>) {
        self.copying.ids.remove(id);
        self.turns.copying.remove(id);
        match ended {
            // Another run copies it: its parts are ours as soon as it stops.
            Err(fault) if fault.class == FaultClass::Conflict => {
                let at = self.after_the_other(id);
                if let Some(task) = self.tasks.get_mut(id) {
                    task.at = Some(at);
                }
            }
            ended => self.settle(id, ended),
        }
    }

    /// When to look again at a copy that another run has begun.
    fn after_the_other(&self, id: &RecoveryPointId) -> Timestamp {
        let now = self.now();
        let there = self.recoverer.destination.as_ref();
        let known = there.and_then(|there| {
            let key = there.observer.keys_of(id).ok()?.image;
            there.copier.others_until(&key)
        });
        // Neither of two that began in the same second can know which was first.
        let apart = i64::try_from(self.recoverer.seed % APART).unwrap_or_default();
        let poll = POLL.after(now);
        let tied = now.saturating_add(SignedDuration::from_secs(1 + apart)).unwrap_or(poll);
        known.map_or(tied, |until| until.min(poll).max(now))
    }
}
