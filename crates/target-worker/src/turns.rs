//! Whose turn it is: daily budgets of sources, the restore quota with its create calls, and those
//! outside a look whose turn has come.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::Effect;
use amiferry_core::fault::Fault;
use amiferry_core::fleet::Step;
use amiferry_core::model::Image;
use amiferry_core::names::{self, RecoveryPointId, SourceId};
use amiferry_core::plan::{Line, Placed, Turn};
use jiff::Timestamp;

use crate::look::{Decisions, Look};
use crate::observe::SourceView;
use crate::role::TargetRole;

/// Most keys that one look wakes: the next look wakes the others.
const WOKEN: usize = 100;

/// The wait of a recovery point that the plan does not rank.
const UNPLANNED: amiferry_core::plan::Why = amiferry_core::plan::Why::Older;

impl TargetRole {
    /// Makes copies wait whose source has used up its daily budget.
    pub(crate) fn hold_to_budgets(&self, decisions: &mut Decisions, now: Timestamp) {
        let wants_copy =
            |decision: &Decision<Effect>| matches!(decision, Decision::Act(Effect::Copy(_)));
        if !decisions.iter().any(|(_, decision)| wants_copy(decision)) {
            return;
        }
        let spent = self.fleet().spent(now);
        for (id, decision) in decisions.iter_mut().filter(|(_, decision)| wants_copy(decision)) {
            let Some(share) = self.observer.source(id).map(|source| source.share) else { continue };
            let spent = spent.get(&id.source()).copied().unwrap_or_default();
            if share.budget.is_spent(spent) {
                *decision = Decision::Wait {
                    until: self.pace.park.after(now),
                    code: Code::OverBudget,
                    detail: format!(
                        "{} images and {} GB within 24 hours, of {} and {}",
                        spent.images, spent.gb, share.budget.images, share.budget.gb
                    ),
                };
            }
        }
    }

    /// Admits as many restores as the quota and the create calls allow, in the order of the plan,
    /// and counts them if they are to be `reserved`. The others wait.
    pub(crate) async fn take_turns(
        &self,
        look: &mut Look,
        decisions: &mut Decisions,
        reserved: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let wants =
            |decision: &Decision<Effect>| matches!(decision, Decision::Act(Effect::Restore(_)));
        if !decisions.iter().any(|(_, decision)| wants(decision)) {
            return Ok(());
        }
        let asked: BTreeSet<RecoveryPointId> =
            decisions.iter().filter(|(_, wish)| wants(wish)).map(|(id, _)| id.clone()).collect();
        if !self.is_counted(now) || !self.have_room(&asked, now) {
            self.count(look, now).await?;
        }
        let sources: Vec<SourceId> = self.observer.sources.iter().map(SourceView::id).collect();
        let doubt = self.fleet().doubt(&look.vault, self.pace);
        let may_probe = doubt.as_ref();
        let may_probe =
            may_probe.is_some_and(|doubt| self.memory().may_probe(doubt, asked.iter(), now));
        self.in_line(now, |restores, placed, superseded| {
            let turns: BTreeMap<&RecoveryPointId, _> = placed
                .iter()
                .filter(|placed| asked.contains(placed.key))
                .map(|placed| (placed.key, (placed.turn, placed.why)))
                .collect();
            let probe = may_probe.then(|| {
                let mut first = placed.iter().filter(|placed| placed.turn == Turn::Now);
                let first = first.find(|placed| asked.contains(placed.key));
                let is_other =
                    |id: &&RecoveryPointId| !turns.contains_key(id) && !superseded.contains(id);
                first.map(|placed| placed.key.clone()).or(asked.iter().find(is_other).cloned())
            });
            let probe = probe.flatten();
            for (id, decision) in decisions.iter_mut() {
                let Decision::Act(Effect::Restore(order)) = &*decision else { continue };
                if superseded.contains(&*id) {
                    let detail = "the policy's backfill asks for fewer older images".to_owned();
                    *decision = Decision::Ineligible { code: Code::Superseded, detail };
                    continue;
                }
                if let Some(doubt) = doubt.as_ref().filter(|_| probe.as_ref() != Some(&*id)) {
                    *decision = doubt.wait(self.pace, now);
                    continue;
                }
                // A recovery point outside the plan has failed recently: it waits for its own retry.
                let (turn, why) = turns.get(id).copied().unwrap_or((Turn::Now, UNPLANNED));
                if let Some(wait) = turn.wait(why, self.pace, now) {
                    *decision = wait;
                } else if reserved {
                    let source = sources.iter().position(|source| *source == id.source());
                    let source = source.unwrap_or(sources.len());
                    restores.reserve(id.clone(), source, order.size_gb, now);
                }
            }
        });
        Ok(())
    }

    /// Whether the last count of what is being restored still counts.
    fn is_counted(&self, now: Timestamp) -> bool {
        let memory = self.memory();
        let counts_for = memory.restores.ledger.count_lasts();
        memory.counted_at.is_some_and(|at| now.duration_since(at) < counts_for)
    }

    /// Whether the quota has room for all of these by the last count.
    fn have_room(&self, asked: &BTreeSet<RecoveryPointId>, now: Timestamp) -> bool {
        self.in_line(now, |_, placed, _| {
            let mut placed = placed.iter().filter(|placed| asked.contains(placed.key));
            placed.all(|placed| !matches!(placed.turn, Turn::QuotaFull { .. }))
        })
    }

    /// Counts what is being restored, as EC2 shows it.
    async fn count(&self, look: &mut Look, now: Timestamp) -> Result<(), Fault> {
        let pending = match &mut look.pending {
            Some(pending) => pending,
            None => look.pending.insert(self.observer.vault.images.pending().await?.items),
        };
        self.counted(pending, now);
        Ok(())
    }

    /// Counts what is being restored after a walk. A fault is left to the looks, which ask again.
    pub(crate) async fn count_restores(&self) {
        if let Ok(pending) = self.observer.vault.images.pending().await {
            self.counted(&pending.items, self.clock.now());
        }
    }

    fn counted(&self, pending: &[Image], now: Timestamp) {
        let vault = self.observer.vault_id();
        let tasks = pending
            .iter()
            .map(|image| (names::restored_owner(&vault, &image.name), image.size_gib()));
        let mut memory = self.memory();
        memory.restores.ledger.shown(tasks, now);
        memory.counted_at = Some(now);
    }

    /// Recovery points outside this look whose turn has come, once there is room.
    pub(crate) async fn woken(
        &self,
        look: &mut Look,
        ids: &[RecoveryPointId],
    ) -> Vec<RecoveryPointId> {
        let now = self.clock.now();
        if !look.made_room && look.pending.is_none() {
            return Vec::new();
        }
        let wait = |fleet: &amiferry_core::fleet::Fleet| {
            fleet.points().any(|(_, shown)| shown.point.wants == Some(Step::Restore))
        };
        if !wait(&self.fleet()) || self.count(look, now).await.is_err() {
            return Vec::new();
        }
        let here: BTreeSet<&RecoveryPointId> = ids.iter().collect();
        let doubt = self.fleet().doubt(&look.vault, self.pace);
        let most = match &doubt {
            None => WOKEN,
            Some(doubt) => usize::from(self.memory().may_probe(doubt, std::iter::empty(), now)),
        };
        self.in_line(now, |restores, placed, _| {
            let due = restores.due(placed);
            due.into_iter().filter(|id| !here.contains(id)).take(most).cloned().collect()
        })
    }

    /// Reads the line before the restore quota, planned over the whole fleet: who waits, with the
    /// answer to each, and those that the policy does not ask for.
    fn in_line<T>(
        &self,
        now: Timestamp,
        read: impl FnOnce(
            &mut Line<RecoveryPointId>,
            &[Placed<'_, RecoveryPointId>],
            &BTreeSet<&RecoveryPointId>,
        ) -> T,
    ) -> T {
        let sources: Vec<SourceId> = self.observer.sources.iter().map(SourceView::id).collect();
        let fleet = self.fleet();
        let restores = &mut self.memory().restores;
        let members = fleet.members(Step::Restore, now);
        let promises = fleet.promises(&self.observer.policies, &sources);
        let (placed, superseded) = restores.answers(&members, &promises, now);
        read(restores, &placed, &superseded.into_iter().collect())
    }
}
