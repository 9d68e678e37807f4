//! One look at a batch of images: what is observed, which of them wait for a turn, and what is decided.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::store::{self, Observed, Store};
use amiferry_core::fault::Fault;
use amiferry_core::ids::ImageId;
use amiferry_core::plan::Why;
use amiferry_core::plan::ledger::BYTES_PER_GB;
use amiferry_service::metrics as measure;
use amiferry_service::reconcile::Answers;
use jiff::Timestamp;

use crate::observe::{Observer, Round, holder};
use crate::role::{Memory, SourceRole, measure_end};

/// Most images that one look wakes: the next look wakes the others.
const WOKEN: usize = 100;

impl SourceRole {
    /// Whether EC2 shows this image in the source.
    ///
    /// # Errors
    /// EC2 does not answer, or its answer about this image cannot be read.
    pub async fn shows(&self, image: &ImageId) -> Result<bool, Fault> {
        let asked = std::slice::from_ref(image);
        let shown = self.observer.images.describe(asked).await?;
        let mut shown = shown.by_id(asked, |image| image.id.clone(), "ec2:DescribeImages");
        Ok(shown.remove(image).transpose()?.is_some())
    }

    /// Looks at these images: what is decided about each, and whose turn has come.
    pub(crate) async fn answers(&self, ids: &[ImageId]) -> Result<Answers<ImageId, Store>, Fault> {
        self.know_vaults().await;
        let mut decisions = self.followed(ids).await;
        decisions.extend(self.stored(ids).await);
        let known: BTreeSet<&ImageId> = decisions.iter().map(|(id, _)| id).collect();
        let rest: Vec<ImageId> = ids.iter().filter(|id| !known.contains(id)).cloned().collect();
        if rest.is_empty() && !self.memory().fleet.anything_waits() {
            self.export_tasks();
            return Ok(Answers::of(decisions));
        }
        let ids = &rest;
        let sizes = |id: &ImageId| self.memory().fleet.size_gb(id);
        let listed = self.must_list(ids);
        let mut round = self.observer.observe(ids, listed, &sizes).await?;
        let now = self.clock.now();
        if listed {
            self.count(&round, now);
        }
        let candidates = self.take_in(ids, &round, now);
        let (asked, mut waiting) = self.sort(candidates, now);
        let may_be_staged = |id: &ImageId| {
            let memory = self.memory();
            memory.fleet.may_be_staged(id) || memory.stores.ledger.is_settling(id, now)
        };
        self.observer.observe_ended(&mut round, &asked, may_be_staged).await?;
        let now = self.clock.now();
        let mut silent = std::mem::take(&mut round.silent);
        let mut decide = |id: &ImageId| match silent.remove(id) {
            Some(fault) => Err(fault),
            None => Ok(waiting.remove(id).unwrap_or_else(|| self.decide(id, &round, now))),
        };
        decisions.extend(ids.iter().map(|id| (id.clone(), decide(id))));
        self.export_tasks();
        Ok(Answers { decisions, due: self.woken(ids, now) })
    }

    /// Takes the results of a round into the fleet. Returns the images that may have to be stored:
    /// eligible, not being stored, and not complete.
    fn take_in(&self, ids: &[ImageId], round: &Round, now: Timestamp) -> Vec<ImageId> {
        let scope = &self.observer.scope;
        let mut memory = self.memory();
        let mut candidates = Vec::new();
        for id in ids {
            memory.stores.ledger.reconsider(id);
            let Some(image) = round.images.get(id) else { continue };
            let Some(policy) = self.governing(image, now) else { continue };
            memory.fleet.selected(image, policy, self.vaults(policy));
            if round.task(id, scope).is_none() && !memory.fleet.is_complete(id) {
                candidates.push(id.clone());
            }
        }
        candidates
    }

    /// Sorts the candidates into those that wait, about which the worker does not ask S3, and those
    /// whose turn it is or that the last sweep found staged.
    fn sort(
        &self,
        candidates: Vec<ImageId>,
        now: Timestamp,
    ) -> (Vec<ImageId>, BTreeMap<ImageId, Decision<Store>>) {
        let mut memory = self.memory();
        let Memory { fleet, stores, .. } = &mut *memory;
        let mut asked = Vec::new();
        let mut waiting = BTreeSet::new();
        for id in candidates {
            if fleet.was_staged(&id) || stores.ledger.is_settling(&id, now) {
                asked.push(id);
            } else {
                fleet.waits(&id);
                waiting.insert(id);
            }
        }
        let members = fleet.members(now);
        let promises = fleet.promises(&self.observer.policies);
        let (placed, superseded) = stores.answers(&members, &promises, now);
        let mut waits = BTreeMap::new();
        for placed in placed.iter().filter(|placed| waiting.contains(placed.key)) {
            if let Some(wait) = placed.turn.wait(placed.why, self.pace, now) {
                waits.insert(placed.key.clone(), wait);
            }
        }
        for id in superseded.into_iter().filter(|id| waiting.contains(*id)) {
            let detail = Why::Superseded.shown(now);
            waits.insert(id.clone(), Decision::Ineligible { code: Code::Superseded, detail });
        }
        asked.extend(waiting.into_iter().filter(|id| !waits.contains_key(id)));
        let bytes = |gb: u64| gb.saturating_mul(BYTES_PER_GB);
        let (used, limit) = (stores.ledger.in_progress_gb(), stores.ledger.limit_gb());
        measure::quota(measure::Quota::Store, bytes(used), bytes(limit));
        (asked, waits)
    }

    pub(crate) fn decide(&self, id: &ImageId, round: &Round, now: Timestamp) -> Decision<Store> {
        let mut memory = self.memory();
        let image = round.images.get(id);
        let missing_since = match image {
            Some(_) => {
                memory.missing_since.remove(id);
                None
            }
            None => Some(*memory.missing_since.entry(id.clone()).or_insert(now)),
        };
        let task = round.task(id, &self.observer.scope);
        let staged = round.staged.get(id);
        let other = round.other(id, &self.observer.scope);
        let (tasks, ended) = memory.fleet.observed(id, task, staged.is_some(), now);
        measure_end(ended);
        let observed = Observed {
            id,
            image,
            task,
            other,
            refused: memory.fleet.held(id),
            holder: other.and_then(|task| holder(task, &self.observer.scope)),
            staged,
            complete: memory.fleet.is_complete(id),
            pruned: memory.fleet.is_pruned(id),
            unknown_until: memory.fleet.unknown_until(id),
            settling: memory.stores.ledger.is_settling(id, now),
            missing_since,
            failed_since: tasks.failed_since(),
            failures: tasks.failures,
            losses: tasks.losses,
            urged: memory.urged.contains(id),
        };
        let Observer { scope, policies, .. } = &self.observer;
        let decision = store::next_step(policies, &scope.id(), observed, self.pace, now);
        if !matches!(decision, Decision::Wait { .. } | Decision::Park { .. }) {
            memory.urged.remove(id);
        }
        match &decision {
            // Counted as running already: the next look must not give away the same quota and call
            // while this one still waits for a free slot.
            Decision::Act(store) => {
                memory.fleet.waits(id);
                memory.stores.reserve(id.clone(), 0, store.size_gb, now);
            }
            Decision::Done(_) | Decision::Ineligible { .. } => {
                memory.missing_since.remove(id);
                memory.stores.ledger.settled(id);
            }
            Decision::Wait { .. } | Decision::Park { .. } => {}
        }
        decision
    }

    /// Those whose turn has come and that are not in this look.
    fn woken(&self, ids: &[ImageId], now: Timestamp) -> Vec<ImageId> {
        let mut memory = self.memory();
        let Memory { fleet, stores, .. } = &mut *memory;
        let members = fleet.members(now);
        let promises = fleet.promises(&self.observer.policies);
        let (placed, _) = stores.answers(&members, &promises, now);
        let here: BTreeSet<&ImageId> = ids.iter().collect();
        let due = stores.due(&placed);
        due.into_iter().filter(|id| !here.contains(id)).take(WOKEN).cloned().collect()
    }
}
