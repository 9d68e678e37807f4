//! The target role: what it keeps across looks, and how it serves the loop.
//!
//! `pin` says which recovery point a message names, `walk` what is in scope, `look` what to do, and
//! `perform` does it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiferry_audit::inventory::Inventory;
use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::decide::vault::{DefaultEncryption, Doubt, Effect, Observed, Vault};
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::fault::Fault;
use amiferry_core::fleet::{Fleet, Outlook, Place, Step};
use amiferry_core::ids::{Arn, ImageId};
use amiferry_core::model::{ImageState, KeyVerdict};
use amiferry_core::names::{RecoveryPointId, SourceId};
use amiferry_core::pacing::CallBudget;
use amiferry_core::plan::ledger::BYTES_PER_GB;
use amiferry_core::plan::{Line, plan};
use amiferry_core::policy::Policies;
use amiferry_core::ports::Clock;
use amiferry_service::metrics::{self as measure, KeyUse, Outcome, Stage, Worker};
use amiferry_service::reconcile::{Answers, Consistency, Failure, Found, Interpreted, Lane, Role};
use amiferry_service::telemetry::Subject;
use amiferry_service::unreadable::UnreadableItems;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::copy::Copier;
use crate::coverage::{self, Scope, ShownFamilies};
use crate::forecasts::Forecasts;
use crate::observations::Observations;
use crate::observe::{Observer, SourceView};
use crate::walk::walk;

/// How long the worker relies on its last check of the vault's preconditions. Each sweep makes
/// one, and so does a look that meets a refusal or a failed restore which they may explain.
const VAULT_FACTS_AGE: SignedDuration = SignedDuration::from_mins(30);

/// How long it relies on one that found a fault, so that a repair is noticed soon.
const FAULTY_FACTS_AGE: SignedDuration = SignedDuration::from_secs(60);

/// The target worker's role.
pub struct TargetRole {
    pub(crate) observer: Observer,
    pub(crate) copier: Copier,
    pub(crate) pace: Pace,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) unreadable: UnreadableItems,
    fleet: Mutex<Fleet>,
    memory: Mutex<Memory>,
}

/// Memory that saves calls and avoids races; losing it only costs a repeated look.
pub(crate) struct Memory {
    pub(crate) vault: Option<VaultFacts>,
    /// What was seen of recovery points that take a step.
    pub(crate) observations: Observations,
    /// The line before the restore quota.
    pub(crate) restores: Line<RecoveryPointId>,
    /// When EC2 last showed what is being restored.
    pub(crate) counted_at: Option<Timestamp>,
    /// Restored images that EC2 is still making: for their `available` events, and for the gauges.
    pub(crate) restoring: BTreeMap<ImageId, Restoring>,
    /// Sources that did not answer the last look, or refused it.
    pub(crate) apart: BTreeSet<SourceId>,
    /// Recovery points for whose next step a person asks.
    pub(crate) urged: BTreeSet<RecoveryPointId>,
    /// What must stay as the newest of its family, as of the end of the last walk over the vault.
    pub(crate) newest: BTreeSet<RecoveryPointId>,
    /// Places that the log reports as not walked.
    told: BTreeSet<Place>,
    shown: ShownFamilies,
    forecasts: Forecasts,
}

/// The vault's preconditions as they were at a time, and verdicts on keys of staged objects and of what
/// the vault holds. That one can be used counts until a copy fails or a look meets what the key may
/// explain.
pub(crate) struct VaultFacts {
    at: Timestamp,
    vault: Vault,
    pub(crate) verdicts: BTreeMap<Arn, KeyVerdict>,
}

impl VaultFacts {
    fn count_for(&self) -> SignedDuration {
        if self.are_faulty() { FAULTY_FACTS_AGE } else { VAULT_FACTS_AGE }
    }

    /// What is wrong may be mended: the next look asks again.
    pub(crate) fn doubt(&mut self) {
        if self.are_faulty() {
            self.at = Timestamp::MIN;
        }
    }

    /// The verdicts on keys of staged objects that can be used. Of what the vault holds, each key is
    /// asked about again: it has to be usable for as long as that is kept.
    fn of_staged(self) -> BTreeMap<Arn, KeyVerdict> {
        let own = self.vault.verdicts();
        let staged = self.verdicts.into_iter().filter(|(key, _)| !own.contains_key(key));
        staged.filter(|(_, verdict)| *verdict == KeyVerdict::Usable).collect()
    }

    fn are_faulty(&self) -> bool {
        let is_faulty = |verdict: &KeyVerdict| matches!(verdict, KeyVerdict::Unusable(_));
        let default_is_faulty = match &self.vault.default_encryption {
            DefaultEncryption::With(_, verdict) => is_faulty(verdict),
            DefaultEncryption::Off | DefaultEncryption::NotTold(_) => true,
        };
        is_faulty(&self.vault.key_verdict)
            || default_is_faulty
            || self.verdicts.values().any(is_faulty)
    }
}

/// A restored image that EC2 is making.
pub(crate) struct Restoring {
    pub(crate) id: RecoveryPointId,
    pub(crate) size_gb: u64,
    /// In percent.
    pub(crate) progress: u8,
}

impl TargetRole {
    /// A role over `observer` that copies with `copier` under a restore quota in GB and a rate of
    /// create calls.
    pub fn new(
        observer: Observer,
        copier: Copier,
        restore_quota_gb: u64,
        calls: CallBudget,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let pace = observer.pace;
        let fleet = Fleet::new(observer.sources.iter().map(SourceView::id));
        let weights = observer.sources.iter().map(|source| source.share.weight).collect();
        let memory = Memory {
            vault: None,
            observations: Observations::default(),
            restores: Line::new(restore_quota_gb, calls, weights),
            counted_at: None,
            restoring: BTreeMap::new(),
            apart: BTreeSet::new(),
            urged: BTreeSet::new(),
            newest: BTreeSet::new(),
            told: BTreeSet::new(),
            shown: ShownFamilies::default(),
            forecasts: Forecasts::default(),
        };
        let (fleet, memory) = (Mutex::new(fleet), Mutex::new(memory));
        let unreadable = UnreadableItems::new(Worker::Target);
        Self { observer, copier, pace, clock, unreadable, fleet, memory }
    }

    /// What is promised.
    pub fn policies(&self) -> &Policies {
        &self.observer.policies
    }

    /// The picture of everything in scope, for reading: the caller must not await while it holds
    /// this.
    pub fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copies that run now.
    pub fn copies(&self) -> BTreeMap<RecoveryPointId, CopyProgress> {
        self.copier.copies.now()
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn vault(&self, now: Timestamp) -> Vault {
        if let Some(facts) = &self.memory().vault
            && now.duration_since(facts.at) < facts.count_for()
        {
            return facts.vault.clone();
        }
        self.examine_vault(now).await
    }

    /// Checks the vault's preconditions, however recently they were.
    pub(crate) async fn examine_vault(&self, now: Timestamp) -> Vault {
        let vault = self.observer.vault().await;
        measure::key_usable(KeyUse::VaultBucket, &vault.key_verdict, now);
        match &vault.default_encryption {
            DefaultEncryption::With(_, verdict) => measure::key_usable(KeyUse::Ebs, verdict, now),
            // What was true of a key before says nothing now.
            DefaultEncryption::NotTold(fault) => {
                let unknown = KeyVerdict::Unknown(fault.statement());
                measure::key_usable(KeyUse::Ebs, &unknown, now);
            }
            DefaultEncryption::Off => {
                let unknown = KeyVerdict::Unknown("EBS encryption by default is off".to_owned());
                measure::key_usable(KeyUse::Ebs, &unknown, now);
            }
        }
        let mut memory = self.memory();
        let mut verdicts = memory.vault.take().map(VaultFacts::of_staged).unwrap_or_default();
        verdicts.extend(vault.verdicts());
        memory.vault = Some(VaultFacts { at: now, vault: vault.clone(), verdicts });
        vault
    }

    /// What the plan comes to if it runs on, as of a minute ago or so.
    pub fn outlook(&self) -> Arc<Outlook> {
        let fleet = self.fleet();
        self.memory().forecasts.of(&self.observer, &fleet, self.clock.now())
    }

    fn export(&self) {
        let fleet = self.fleet();
        let Observer { sources, policies, .. } = &self.observer;
        let sources: Vec<SourceId> = sources.iter().map(SourceView::id).collect();
        let mut memory = self.memory();
        let vault = self.observer.vault_id();
        let now = self.clock.now();
        let outlook = memory.forecasts.of(&self.observer, &fleet, now);
        let scope = Scope { policies, sources: &sources, vault: &vault, outlook: &outlook };
        coverage::export(&mut memory.shown, &fleet, scope, now);
        let restoring = || memory.restoring.values();
        let used = restoring().map(|image| image.size_gb).sum::<u64>();
        let bytes = |gb: u64| gb.saturating_mul(BYTES_PER_GB);
        let limit = memory.restores.ledger.limit_gb();
        measure::quota(measure::Quota::Restore, bytes(used), bytes(limit));
        let progress: Vec<u8> = restoring().map(|image| image.progress).collect();
        measure::tasks(Stage::RestoreTask, progress.len(), &progress);
    }

    /// Estimates what each policy costs a month, once the fleet has an observation of everything.
    fn export_costs(&self) {
        let Observer { policies, prices, floor, .. } = &self.observer;
        let now = self.clock.now();
        let mut costs = Vec::new();
        {
            let fleet = self.fleet();
            if fleet.assessed().is_none() {
                return;
            }
            Inventory::for_each_source(&fleet, &self.observer.bucket(), |points| {
                costs.extend(coverage::costs_of(points, (policies, *floor), prices, now));
            });
        }
        coverage::export_costs(&costs, policies, prices, &self.observer.vault_id());
    }

    /// Logs once that a place cannot be walked, and once that it can again.
    fn tell(&self, failed: &[(Place, Fault)]) {
        let mut memory = self.memory();
        for (place, fault) in failed {
            // If the vault cannot be walked, the sweep fails and the loop logs that.
            if *place != Place::Vault && memory.told.insert(place.clone()) {
                let (service, method) = fault.operation.split_once(':').unwrap_or_default();
                tracing::warn!(
                    error.type = fault.class.as_str(),
                    error.message = fault.detail,
                    amiferry.error.code = fault.code,
                    rpc.service = service,
                    rpc.method = method,
                    aws.request_id = fault.request_id,
                    amiferry.resource = %place,
                    amiferry.remedy = fault.remedy(),
                    "source not assessed"
                );
            }
        }
        let works_again: Vec<Place> = memory
            .told
            .iter()
            .filter(|told| !failed.iter().any(|(place, _)| place == *told))
            .cloned()
            .collect();
        for place in works_again {
            memory.told.remove(&place);
            tracing::info!(amiferry.resource = %place, "source assessed again");
        }
    }

    /// The order in which ready copies start: that of the plan.
    fn next_copy(&self, ready: &[&RecoveryPointId]) -> usize {
        let now = self.clock.now();
        let sources: Vec<SourceId> = self.observer.sources.iter().map(SourceView::id).collect();
        let weights: Vec<u32> =
            self.observer.sources.iter().map(|source| source.share.weight).collect();
        let fleet = self.fleet();
        let members = fleet.members(Step::Copy, now);
        let promises = fleet.promises(&self.observer.policies, &sources);
        let mut turns = amiferry_core::plan::Turns::default();
        let planned = plan(&members, &promises, &weights, &mut turns, now);
        let positions: BTreeMap<&RecoveryPointId, usize> =
            ready.iter().enumerate().map(|(position, id)| (*id, position)).collect();
        planned.iter().find_map(|planned| positions.get(planned.key)).copied().unwrap_or_default()
    }
}

impl Memory {
    /// Whether one of these restores may go ahead in spite of a doubt: it is time, also because a
    /// person asks for one of them, and no other one runs.
    pub(crate) fn may_probe<'a>(
        &self,
        doubt: &Doubt,
        mut wanted: impl Iterator<Item = &'a RecoveryPointId>,
        now: Timestamp,
    ) -> bool {
        let is_time =
            doubt.until <= now || (doubt.urged <= now && wanted.any(|id| self.urged.contains(id)));
        is_time && !self.restores.ledger.has_begun_any()
    }

    /// Updates the restores of a recovery point that run or have ended. Returns whether one ended,
    /// which makes room for others.
    pub(crate) fn restores_seen(
        &mut self,
        observed: &Observed,
        decision: &Decision<Effect>,
        now: Timestamp,
    ) -> bool {
        let newest = observed.restored.last();
        let ended = newest.filter(|image| {
            image.state != ImageState::Pending && self.restoring.contains_key(&image.id)
        });
        if let Some(image) = ended {
            let outcome = match image.state {
                ImageState::Available => Outcome::Succeeded,
                _ => Outcome::Failed,
            };
            let took = Duration::try_from(now.duration_since(image.created)).unwrap_or_default();
            measure::stage_ended(Stage::RestoreTask, outcome, None, took);
        }
        self.restoring.retain(|_, image| image.id != observed.id);
        if let (Decision::Wait { .. }, Some(image)) = (decision, newest)
            && image.state == ImageState::Pending
        {
            let snapshots = || observed.snapshots.iter().map(|snapshot| snapshot.progress);
            let progress = snapshots().min().unwrap_or_default();
            let restoring =
                Restoring { id: observed.id.clone(), size_gb: image.size_gib(), progress };
            self.restoring.insert(image.id.clone(), restoring);
        }
        ended.is_some()
    }
}

#[async_trait]
impl Role for TargetRole {
    type Key = RecoveryPointId;
    type Party = SourceId;
    type Effect = Effect;

    fn interpret(&self, body: &str) -> Interpreted<RecoveryPointId> {
        self.interpreted(body)
    }

    async fn sweep(&self, found: &Found<RecoveryPointId>) -> Result<(), Fault> {
        let odd = Some(&self.unreadable);
        let failed = walk(&self.observer, &self.fleet, self.clock.as_ref(), found, odd).await;
        self.tell(&failed);
        // Without the vault nothing can be assessed; a failing source affects no other.
        let vault = failed.into_iter().find(|(place, _)| *place == Place::Vault);
        let swept = match vault {
            Some((_, fault)) => Err(fault),
            None => {
                self.memory().newest = self.fleet().must_stay();
                self.count_restores().await;
                self.examine_vault(self.clock.now()).await;
                Ok(())
            }
        };
        // Also after a failure, because families age meanwhile.
        self.export();
        self.export_costs();
        swept
    }

    async fn tidy(&self) -> Result<(), Fault> {
        self.abort_leftovers().await
    }

    fn party(&self, id: &RecoveryPointId) -> SourceId {
        id.source()
    }

    fn is_apart(&self, source: &SourceId) -> bool {
        self.memory().apart.contains(source)
    }

    async fn look(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<Answers<RecoveryPointId, Effect>, Fault> {
        let answers = self.look_at(ids).await;
        if let Err(fault) = &answers {
            let mut fleet = self.fleet();
            ids.iter().for_each(|id| fleet.unobserved(id, &fault.to_string(), None));
        }
        self.export();
        answers
    }

    fn next(&self, lane: Lane, ready: &[&RecoveryPointId]) -> usize {
        match lane {
            Lane::Long => self.next_copy(ready),
            Lane::Short => 0,
        }
    }

    fn failed(&self, id: &RecoveryPointId, failure: &Failure<'_>) {
        self.fleet().failed(id, failure.into());
    }

    async fn perform(&self, id: &RecoveryPointId, effect: Effect) -> Result<(), Fault> {
        self.take_step(id, effect).await
    }

    fn subject(&self, id: &RecoveryPointId) -> Subject {
        Subject {
            source_account: id.source_account.clone(),
            source_region: id.source_region.clone(),
            image: id.source_image_id.clone(),
            target_region: Some(id.target_region.clone()),
            governed: self.fleet().governed(id),
        }
    }

    fn lane(&self, effect: &Effect) -> Lane {
        match effect {
            Effect::Copy(_) => Lane::Long,
            Effect::Lock(..)
            | Effect::Restore(_)
            | Effect::Protect(_)
            | Effect::DemandImdsV2(_)
            | Effect::Record(_)
            | Effect::RecordAgain(_) => Lane::Short,
        }
    }

    fn consistency(&self, effect: &Effect) -> Consistency {
        match effect {
            // S3 is strongly consistent, and EC2's confirmation counts as seen.
            Effect::Copy(_)
            | Effect::Lock(..)
            | Effect::Protect(_)
            | Effect::DemandImdsV2(_)
            | Effect::Record(_)
            | Effect::RecordAgain(_) => Consistency::Strong,
            Effect::Restore(_) => Consistency::Announced,
        }
    }

    fn stage(&self, effect: &Effect) -> Stage {
        match effect {
            Effect::Copy(_) => Stage::Copy,
            Effect::Restore(_) => Stage::Restore,
            Effect::Lock(..) | Effect::Protect(_) | Effect::DemandImdsV2(_) => Stage::Protect,
            Effect::Record(_) | Effect::RecordAgain(_) => Stage::Manifest,
        }
    }
}
