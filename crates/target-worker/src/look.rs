//! One look at many recovery points: what waits is asked only whether it still has to, all else is
//! observed anew and decided.
//!
//! What was seen before may be out of date, so it leads to nothing but more waiting: a decision to
//! act, to park or to call something complete is made on a new observation.

use std::collections::BTreeSet;

use amiferry_core::admission::Admission;
use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::turns::{Applicant, turns};
use amiferry_core::decide::vault::{Effect, Observed, Vault};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::ImageId;
use amiferry_core::model::{Image, ImageState, KeyVerdict};
use amiferry_core::names::RecoveryPointId;
use jiff::Timestamp;

use crate::role::TargetRole;

/// What a look came to, by recovery point.
pub(crate) type Answers = Vec<(RecoveryPointId, Result<Decision<Effect>, Fault>)>;

type Decisions = Vec<(RecoveryPointId, Decision<Effect>)>;

/// The images being made in the vault, asked for at most once in a look.
type Pending = Option<Vec<Image>>;

impl TargetRole {
    pub(crate) async fn look_at(&self, ids: &[RecoveryPointId]) -> Result<Answers, Fault> {
        let vault = self.vault(self.clock.now()).await?;
        let mut pending = None;
        let mut answers = self.still_waiting(&vault, ids, &mut pending).await;
        let answered: BTreeSet<&RecoveryPointId> = answers.iter().map(|(id, _)| id).collect();
        let others: Vec<RecoveryPointId> =
            ids.iter().filter(|id| !answered.contains(id)).cloned().collect();
        answers.extend(self.observe_anew(&vault, &others, &mut pending).await);
        let answers = self.without_key(answers).await;
        let now = self.clock.now();
        for (id, answer) in &answers {
            if let Ok(decision) = answer {
                self.memory().rows.answered(id, decision, now);
            }
        }
        Ok(answers)
    }

    /// The answers about those that waited before and, at a glance, still do; and the faults of
    /// those that could not be glanced at.
    async fn still_waiting(
        &self,
        vault: &Vault,
        ids: &[RecoveryPointId],
        pending: &mut Pending,
    ) -> Answers {
        let before = self.memory().waiting.recall(ids, self.clock.now());
        let seen: Vec<RecoveryPointId> = before.iter().map(|seen| seen.id.clone()).collect();
        let glances = self.observer.glance(before).await;
        let now = self.clock.now();
        let mut answers = Vec::new();
        let mut orders = Vec::new();
        for (id, glance) in seen.into_iter().zip(glances) {
            match glance {
                Err(fault) => answers.push((id, Err(fault))),
                Ok(observed) if is_restored(&observed) => {}
                Ok(mut observed) => match self.decide(vault, &mut observed, now) {
                    wait @ Decision::Wait { .. } => answers.push((id, Ok(wait))),
                    order @ Decision::Act(Effect::Restore(_)) => orders.push((id, order)),
                    _ => {}
                },
            }
        }
        match self.take_turns(&mut orders, pending, false, now).await {
            Ok(()) => {
                orders.retain(|(_, decision)| matches!(decision, Decision::Wait { .. }));
                answers.extend(orders.into_iter().map(|(id, wait)| (id, Ok(wait))));
            }
            Err(fault) => {
                answers.extend(orders.into_iter().map(|(id, _)| (id, Err(fault.clone()))));
            }
        }
        answers
    }

    async fn observe_anew(
        &self,
        vault: &Vault,
        ids: &[RecoveryPointId],
        pending: &mut Pending,
    ) -> Answers {
        let known = self.memory().vault.as_ref().map(|facts| facts.verdicts.clone());
        let mut verdicts = known.unwrap_or_default();
        let observed = self.observer.observe_each(ids, &mut verdicts).await;
        let now = self.clock.now();
        let mut answers = Vec::new();
        let mut decisions = Vec::new();
        for (id, observed) in ids.iter().cloned().zip(observed) {
            match observed {
                Err(fault) => answers.push((id, Err(fault))),
                Ok(mut observed) => {
                    let decision = self.decide(vault, &mut observed, now);
                    self.memory().waiting.note(&observed, &decision, now);
                    decisions.push((id, decision));
                }
            }
        }
        if let Some(facts) = &mut self.memory().vault {
            facts.verdicts = verdicts;
        }
        let turns = self.take_turns(&mut decisions, pending, true, now).await;
        answers.extend(decisions.into_iter().map(|(id, decision)| match (&turns, &decision) {
            (Err(fault), Decision::Act(Effect::Restore(_))) => (id, Err(fault.clone())),
            _ => (id, Ok(decision)),
        }));
        answers
    }

    /// Lets as many restores through as the quota has room for, the most urgent first, and counts
    /// them if they are to be `reserved`.
    async fn take_turns(
        &self,
        decisions: &mut Decisions,
        pending: &mut Pending,
        reserved: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (mut orders, mut applicants) = (Vec::new(), Vec::new());
        for (_, decision) in decisions {
            if let Decision::Act(Effect::Restore(order)) = decision {
                let urgency = order.urgency.clone();
                applicants.push(Applicant { urgency, size_gb: order.size_gb });
                orders.push(decision);
            }
        }
        if orders.is_empty() {
            return Ok(());
        }
        let pending = match pending {
            Some(pending) => pending,
            None => pending.insert(self.observer.vault.images.pending().await?),
        };
        let mut memory = self.memory();
        let shown = |id: &ImageId| pending.iter().any(|image| image.name.contains(id.as_str()));
        let unseen = memory.started.unseen_gb(shown, now);
        let in_progress = pending.iter().map(Image::size_gib).sum::<u64>() + unseen;
        let mut quota = Admission::new(self.restore_quota_gb, in_progress);
        let calls = memory.calls.available(now);
        for (turn, decision) in turns(&applicants, &mut quota, calls).into_iter().zip(orders) {
            if let Some(wait) = turn.wait(self.restore_quota_gb, &memory.calls, self.pace, now) {
                *decision = wait;
            } else if let Decision::Act(Effect::Restore(order)) = &*decision
                && reserved
            {
                // Counted as if it ran already: the next look must not give quota and calls away
                // again while this one still waits for a free slot.
                let image = order.urgency.image.clone();
                memory.started.reserve(image, order.size_gb, now);
                memory.calls.spend(now);
            }
        }
        Ok(())
    }

    /// Parks those whose fault the vault's key explains. S3 then refuses to tell the checksums of
    /// what it encrypts, and gives a `HEAD` no reason.
    async fn without_key(&self, answers: Answers) -> Answers {
        if !answers.iter().any(|(_, answer)| answer.as_ref().is_err_and(is_refused)) {
            return answers;
        }
        let now = self.clock.now();
        self.memory().vault = None;
        let Ok(Vault { key_verdict: KeyVerdict::Unusable(why), .. }) = self.vault(now).await else {
            return answers;
        };
        let mut memory = self.memory();
        let until = self.pace.park.after(now);
        let explained = answers.into_iter().map(|(id, answer)| match answer {
            Err(fault) if is_refused(&fault) => {
                memory.inventory.doubt(&id, now);
                let (code, detail) = (Code::KeyUnusable, format!("{why}; {fault}"));
                (id, Ok(Decision::Park { until, code, detail }))
            }
            answer => (id, answer),
        });
        explained.collect()
    }
}

/// Whether the vault's key, when it is unusable, may be what a fault is about. Only S3 uses it in
/// a look: what EC2 refuses to tell has another cause.
fn is_refused(fault: &Fault) -> bool {
    fault.operation.starts_with("s3:")
        && matches!(fault.class, FaultClass::Invalid | FaultClass::Denied | FaultClass::KeyUnusable)
}

/// Whether the newest restored image is done: then there is more to ask.
fn is_restored(observed: &Observed) -> bool {
    observed.restored.last().is_some_and(|image| image.state == ImageState::Available)
}
