//! Fills a fleet once, from AWS itself, for commands that have no worker's fleet to read. The walk,
//! the observations and the judgement are those of the worker.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use amiferry_audit::inventory::{Inventory, VaultBucket};
use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{self, DefaultEncryption, Effect, Vault};
use amiferry_core::fault::Fault;
use amiferry_core::fleet::{
    Ask, Fleet, Once, Outlook, Place, SourceStores, State, Stores, StoresToAsk,
};
use amiferry_core::forecast::WhatIf;
use amiferry_core::model::StoreTaskState;
use amiferry_core::names::{RecoveryPointId, SourceId};
use amiferry_core::ports::Clock;
use amiferry_service::reconcile::Found;
use jiff::Timestamp;

use crate::observe::{Observer, SourceView};
use crate::patience::Patience;
use crate::walk::walk;

/// How many recovery points are observed in one round.
const BATCH: usize = 100;

impl Observer {
    /// The inventory of this vault, from its fleet, with what a forecast says of it.
    pub fn inventory(&self, fleet: &Fleet, outlook: &Outlook) -> Inventory {
        Inventory::of(fleet, outlook, &self.vault_id(), &self.bucket())
    }

    /// Where the vault's keys lie.
    pub fn bucket(&self) -> VaultBucket {
        let vault = &self.vault;
        VaultBucket { bucket: vault.bucket.clone(), prefix: vault.prefix.clone() }
    }

    /// The forecast of a fleet of this vault, with images that do not exist. Those of a policy that has no
    /// copies here are left out.
    pub fn outlook(
        &self,
        fleet: &Fleet,
        stores: &Stores,
        what_if: &[WhatIf],
        now: Timestamp,
    ) -> Outlook {
        let sources: Vec<SourceId> = self.sources.iter().map(SourceView::id).collect();
        let is_covered = |wanted: &&WhatIf| {
            let policy = self.policies.named(&wanted.policy);
            policy.is_some_and(|policy| policy.covers(&self.vault_id()))
        };
        let what_if: Vec<WhatIf> = what_if.iter().filter(is_covered).cloned().collect();
        let (policies, capacity) = (&self.policies, &self.capacity);
        let (sources, what_if) = (&sources, &what_if);
        fleet.outlook(Ask { policies, sources, capacity, stores, what_if }, now)
    }

    /// What the sources show of their store tasks, where something waits for its store. A source that
    /// refuses or does not answer is left out: the forecast then has less to go by.
    pub async fn stores(&self, fleet: &Fleet) -> Stores {
        let mut stores = Stores::default();
        for StoresToAsk { source, ended } in fleet.stores_to_ask() {
            let Some(view) = self.sources.iter().find(|view| view.id() == source) else { continue };
            let Ok(running) = view.store_tasks.running().await else { continue };
            // Without them the rates of stores are less certain.
            let ended = view.store_tasks.newest(&ended).await;
            let ended = ended.map(|listing| listing.items).unwrap_or_default();
            let shown = SourceStores {
                running: running.items.into_iter().map(|task| (task.image, task.started)).collect(),
                ended: ended
                    .into_iter()
                    .filter(|task| task.state == StoreTaskState::Completed)
                    .filter_map(|task| Some((task.image, task.started?)))
                    .collect(),
            };
            stores.0.insert(source, shown);
        }
        stores
    }

    /// Walks and observes everything in scope. Whatever does not answer is not assessed; recovery
    /// points of a silent source are judged by their records, because a report matters most when the
    /// source is gone. Also returns what the vault answered, if its keys or its EBS setting cannot be
    /// asked.
    pub async fn observe_all(&self, clock: &dyn Clock) -> (Fleet, Option<Fault>) {
        let facts = self.vault().await;
        let sources = self.sources.iter().map(SourceView::id);
        let fleet = Mutex::new(Fleet::new(sources).naming_unselected());
        let (ids, unlisted) = self.walked(&fleet, clock).await;
        let ids: Vec<RecoveryPointId> = ids.into_iter().collect();
        let mut verdicts = facts.verdicts();
        let mut fleet = fleet.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut to_restore = Vec::new();
        for batch in ids.chunks(BATCH) {
            let nothing = batch.iter().filter(|id| fleet.holds_nothing(id)).cloned().collect();
            let observations = batch.iter().map(|id| {
                let mut observation = Observation::nothing(id.clone());
                observation.observed.manifests = fleet.versions(id, Once::Manifest);
                observation.observed.notes = fleet.versions(id, Once::Note);
                observation.observed.endings = fleet.versions(id, Once::Ending);
                observation
            });
            let observations = observations.collect();
            let (patience, now) = (Patience::patient(), clock.now());
            let seen =
                self.observe_each(observations, &nothing, &mut verdicts, &patience, now).await;
            for (id, seen) in batch.iter().zip(seen) {
                let decision = self.take_in(&mut fleet, &facts, id, seen, clock);
                if matches!(decision, Some(Decision::Act(Effect::Restore(_)))) {
                    to_restore.push(id);
                }
            }
        }
        self.hold_back(&mut fleet, &facts, &to_restore, clock);
        let DefaultEncryption::NotTold(fault) = facts.default_encryption else {
            return (fleet, unlisted);
        };
        fleet.walk_failed(&Place::Vault, &fault.to_string(), clock.now());
        (fleet, unlisted.or(Some(*fault)))
    }

    fn take_in(
        &self,
        fleet: &mut Fleet,
        facts: &Vault,
        id: &RecoveryPointId,
        seen: Result<Observation, vault::Unanswered>,
        clock: &dyn Clock,
    ) -> Option<Decision<Effect>> {
        let now = clock.now();
        match seen {
            Ok(Observation { observed, .. }) => {
                let judged = vault::judge(&self.policies, facts, &observed, self.pace, now);
                fleet.observed(&observed, &judged, now);
                return Some(judged.decision);
            }
            Err(unanswered) => match unanswered.explained(facts, self.pace, now) {
                Some(Decision::Park { code, detail, .. }) => {
                    let image = unanswered.image.as_deref();
                    let promised = vault::promised_unread(&self.policies, id, image, now);
                    fleet.doubted(id, (code, &detail), &promised, image.is_some(), now);
                }
                Some(_) | None => {
                    let image = unanswered.image.as_deref();
                    let promised = vault::promised_of(&self.policies, id, image);
                    fleet.unobserved(id, &unanswered.fault.to_string(), promised.as_ref());
                }
            },
        }
        None
    }

    /// Says of what is to be restored that it waits, if other restores speak against it. A worker lets
    /// one of them go ahead.
    fn hold_back(
        &self,
        fleet: &mut Fleet,
        facts: &Vault,
        to_restore: &[&RecoveryPointId],
        clock: &dyn Clock,
    ) {
        let Some(doubt) = fleet.doubt(facts, self.pace) else { return };
        let (state, code, detail) = match doubt.wait::<Effect>(self.pace, clock.now()) {
            Decision::Park { code, detail, .. } => (State::Parked, code, detail),
            Decision::Wait { code, detail, .. } => (State::InProgress, code, detail),
            Decision::Act(_) | Decision::Done { .. } | Decision::Ineligible { .. } => return,
        };
        for id in to_restore {
            fleet.answered(id, state, code, &detail);
        }
    }

    async fn walked(
        &self,
        fleet: &Mutex<Fleet>,
        clock: &dyn Clock,
    ) -> (BTreeSet<RecoveryPointId>, Option<Fault>) {
        let (found, mut ids) = Found::channel(BATCH);
        let walking = async move { walk(self, fleet, clock, &found, None).await };
        let collecting = async {
            let mut all = BTreeSet::new();
            while let Some(id) = ids.recv().await {
                all.insert(id);
            }
            all
        };
        let (failed, ids) = tokio::join!(walking, collecting);
        let unlisted = failed.into_iter().find(|(place, _)| *place == Place::Vault);
        (ids, unlisted.map(|(_, fault)| fault))
    }
}
