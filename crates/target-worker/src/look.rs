//! One look at many recovery points: for those that wait, it only checks whether they still have
//! to; it observes and decides all others.
//!
//! An earlier observation may be out of date, so it can only prolong a wait: acting, parking and
//! *complete* need a new observation. The plan over the whole fleet decides which recovery point
//! may act, not the choice of keys in this look.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::sight::{COUNTS_FOR, Part, Sight};
use amiferry_core::decide::vault::{
    self, Asked, Effect, ManifestFact, Observed, Unanswered, Vault,
};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::fleet::{State, Step};
use amiferry_core::model::{Image, ImageState};
use amiferry_core::names::{self, RecoveryPointId, SourceId};
use amiferry_core::plan::Turn;
use amiferry_service::reconcile::Answers;
use jiff::Timestamp;

use crate::observe::SourceView;
use crate::patience::Patience;
use crate::role::TargetRole;

/// Most keys that one look wakes: the next look wakes the others.
const WOKEN: usize = 100;

type Answered = Vec<(RecoveryPointId, Result<Decision<Effect>, Fault>)>;
type Decisions = Vec<(RecoveryPointId, Decision<Effect>)>;

/// How much of a recovery point a look asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// What it waits for; the rest was recalled.
    Part,
}

/// What one look shares.
struct Look {
    vault: Vault,
    patience: Patience,
    /// The images that EC2 is creating in the vault, asked for at most once in a look.
    pending: Option<Vec<Image>>,
    /// Whether a restore ended, which makes room for others.
    made_room: bool,
    /// What was seen of those whose next step may come.
    sights: BTreeMap<RecoveryPointId, Sight>,
}

impl TargetRole {
    pub(crate) async fn look_at(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<Answers<RecoveryPointId, Effect>, Fault> {
        let vault = self.vault(self.clock.now()).await?;
        let apart = ids.first().is_some_and(|id| self.memory().apart.contains(&id.source()));
        let patience = if apart { Patience::patient() } else { Patience::brief() };
        let sights = {
            let mut memory = self.memory();
            let kept = ids.iter().filter_map(|id| Some((id.clone(), memory.sights.take(id)?)));
            kept.collect()
        };
        let mut look = Look { vault, patience, pending: None, made_room: false, sights };
        let mut decisions = self.still_waiting(&mut look, ids).await;
        let answered: BTreeSet<&RecoveryPointId> = decisions.iter().map(|(id, _)| id).collect();
        let others: Vec<RecoveryPointId> =
            ids.iter().filter(|id| !answered.contains(id)).cloned().collect();
        decisions.extend(self.observe_whole(&mut look, &others).await);
        self.note(&decisions);
        self.keep_sights(&mut look, &decisions);
        let due = self.woken(&mut look, ids).await;
        Ok(Answers { decisions, due })
    }

    /// Judges an observation, and tells the fleet.
    fn judge(
        &self,
        look: &mut Look,
        observed: &mut Observed,
        extent: Extent,
        now: Timestamp,
    ) -> Decision<Effect> {
        let id = observed.id.clone();
        let mut fleet = self.fleet();
        let mut memory = self.memory();
        memory.restores.ledger.reconsider(&id);
        if observed.restored.is_empty() {
            observed.settling = memory.restores.ledger.is_settling(&id, now);
        } else {
            if memory.restores.ledger.is_open(&id) {
                // It counts as shown from now on, which only a new count does.
                memory.counted_at = None;
            }
            memory.restores.ledger.settled(&id);
        }
        observed.claimed_until =
            self.observer.keys_of(&id).ok().and_then(|keys| self.copier.others_until(&keys.image));
        let policies = &self.observer.policies;
        let judged = vault::judge(policies, &look.vault, observed, self.pace, now);
        look.made_room |= memory.restores_seen(observed, &judged.decision, now);
        match extent {
            Extent::Whole => fleet.observed(observed, &judged, now),
            Extent::Part => fleet.observed_in_part(observed, &judged, now),
        }
        judged.decision
    }

    /// The answers about recovery points that waited and, by a cheap look, still wait; and the
    /// faults of those whose cheap look failed.
    async fn still_waiting(&self, look: &mut Look, ids: &[RecoveryPointId]) -> Answered {
        let now = self.clock.now();
        let recalled: Vec<Observed> = {
            let fleet = self.fleet();
            ids.iter().filter_map(|id| fleet.recall(id, now)).collect()
        };
        let sight = |seen: Observed| match look.sights.remove(&seen.id) {
            Some(sight) => sight,
            None => of_memo(seen, now),
        };
        let before: Vec<Sight> = recalled.into_iter().map(sight).collect();
        let seen: Vec<(RecoveryPointId, bool)> = before
            .iter()
            .map(|Sight { observed, .. }| (observed.id.clone(), observed.object.is_none()))
            .collect();
        let again = self.observer.observe_part(before, &look.patience, now).await;
        // Of those with an object in the vault no source was asked.
        let asked = seen.iter().zip(&again).filter(|((_, asks_source), _)| *asks_source);
        self.note_sources(asked.map(|((id, _), again)| (id, again)));
        let now = self.clock.now();
        let mut answers = Vec::new();
        let mut orders = Vec::new();
        for ((id, _), seen) in seen.into_iter().zip(again) {
            let mut sight = match seen {
                Ok(sight) => sight,
                Err(unanswered) => {
                    answers.push(self.unanswered(look, id, unanswered, now));
                    continue;
                }
            };
            if !is_restored(&sight.observed) {
                match self.judge(look, &mut sight.observed, Extent::Part, now) {
                    wait @ Decision::Wait { .. } => {
                        answers.push((id, Ok(wait)));
                        continue;
                    }
                    order @ Decision::Act(Effect::Restore(_)) => orders.push((id.clone(), order)),
                    _ => {}
                }
            }
            look.sights.insert(id, sight);
        }
        match self.take_turns(look, &mut orders, false, now).await {
            Ok(()) => {
                orders.retain(|(_, decision)| !matches!(decision, Decision::Act(_)));
                answers.extend(orders.into_iter().map(|(id, wait)| (id, Ok(wait))));
            }
            Err(fault) => {
                answers.extend(orders.into_iter().map(|(id, _)| (id, Err(fault.clone()))));
            }
        }
        answers
    }

    async fn observe_whole(&self, look: &mut Look, ids: &[RecoveryPointId]) -> Answered {
        let known = self.memory().vault.as_ref().map(|facts| facts.verdicts.clone());
        let mut verdicts = known.unwrap_or_default();
        let holds_nothing = {
            let fleet = self.fleet();
            ids.iter().filter(|id| fleet.holds_nothing(id)).cloned().collect()
        };
        let sight = |id: &RecoveryPointId| {
            look.sights.remove(id).unwrap_or_else(|| Sight::nothing(id.clone()))
        };
        let sights: Vec<Sight> = ids.iter().map(sight).collect();
        let now = self.clock.now();
        let asks_source: Vec<bool> =
            sights.iter().map(|sight| !sight.counts(Part::Source, now)).collect();
        let observed = self
            .observer
            .observe_each(sights, &holds_nothing, &mut verdicts, &look.patience, now)
            .await;
        let asked = ids.iter().zip(&observed).zip(asks_source);
        let asked = asked.filter(|((_, seen), asked)| *asked || seen.is_err());
        self.note_sources(asked.map(|(seen, _)| seen));
        // The vault's keys are checked again if they may explain what was met.
        if observed.iter().any(may_be_a_key)
            && let Ok(vault) = self.examine_vault(self.clock.now()).await
        {
            look.vault = vault;
        }
        let now = self.clock.now();
        let mut answers = Vec::new();
        let mut decisions = Decisions::new();
        for (id, observed) in ids.iter().cloned().zip(observed) {
            match observed {
                Err(unanswered) => answers.push(self.unanswered(look, id, unanswered, now)),
                Ok(mut sight) => {
                    let decision = self.judge(look, &mut sight.observed, Extent::Whole, now);
                    look.sights.insert(id.clone(), sight);
                    decisions.push((id, decision));
                }
            }
        }
        if let Some(facts) = &mut self.memory().vault {
            facts.verdicts = verdicts;
        }
        self.hold_to_budgets(&mut decisions, now);
        let turns = self.take_turns(look, &mut decisions, true, now).await;
        answers.extend(decisions.into_iter().map(|(id, decision)| match (&turns, &decision) {
            (Err(fault), Decision::Act(Effect::Restore(_))) => (id, Err(fault.clone())),
            _ => (id, Ok(decision)),
        }));
        answers
    }

    /// A call got no answer: either the vault's key explains that, or it is a fault.
    fn unanswered(
        &self,
        look: &Look,
        id: RecoveryPointId,
        unanswered: Unanswered,
        now: Timestamp,
    ) -> (RecoveryPointId, Result<Decision<Effect>, Fault>) {
        let mut fleet = self.fleet();
        match unanswered.explained(&look.vault, self.pace, now) {
            Some(Decision::Park { until, code, detail }) => {
                fleet.doubted(&id, code, &detail, now);
                (id, Ok(Decision::Park { until, code, detail }))
            }
            Some(decision) => (id, Ok(decision)),
            None => {
                fleet.unobserved(&id, &unanswered.fault.to_string());
                (id, Err(unanswered.fault))
            }
        }
    }

    /// Notes which sources answered: one that did not is looked at apart from the others. One about
    /// which these say nothing stays where it is.
    fn note_sources<'a>(
        &self,
        seen: impl Iterator<Item = (&'a RecoveryPointId, &'a Result<Sight, Unanswered>)>,
    ) {
        let mut heard: BTreeMap<SourceId, BTreeSet<Heard>> = BTreeMap::new();
        for (id, seen) in seen {
            heard.entry(id.source()).or_default().extend(heard_from_source(seen));
        }
        let mut memory = self.memory();
        for (source, heard) in heard {
            match heard.first() {
                Some(Heard::NoStagedObject | Heard::Nothing) => memory.apart.insert(source),
                Some(Heard::Answer) => memory.apart.remove(&source),
                None => continue,
            };
        }
    }

    /// Makes copies wait whose source has used up its daily budget.
    fn hold_to_budgets(&self, decisions: &mut Decisions, now: Timestamp) {
        let wants_copy =
            |decision: &Decision<Effect>| matches!(decision, Decision::Act(Effect::Copy(_)));
        if !decisions.iter().any(|(_, decision)| wants_copy(decision)) {
            return;
        }
        let spent = self.fleet().spent(now);
        for (id, decision) in decisions.iter_mut().filter(|(_, decision)| wants_copy(decision)) {
            let Some(share) = self.observer.source(id).map(|source| source.share) else { continue };
            let spent = spent.get(&id.source()).copied().unwrap_or_default();
            if spent.images >= share.daily_images || spent.gb >= share.daily_gb {
                *decision = Decision::Wait {
                    until: self.pace.park.after(now),
                    code: Code::OverBudget,
                    detail: format!(
                        "{} images and {} GB within 24 hours, of {} and {}",
                        spent.images, spent.gb, share.daily_images, share.daily_gb
                    ),
                };
            }
        }
    }

    /// Admits as many restores as the quota and the create calls allow, in the order of the plan,
    /// and counts them if they are to be `reserved`. The others wait.
    async fn take_turns(
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
        let fleet = self.fleet();
        let mut memory = self.memory();
        let members = fleet.members(Step::Restore, now);
        let promises = fleet.promises(&self.observer.policies, &sources);
        let (placed, superseded) = memory.restores.answers(&members, &promises, now);
        let turns: BTreeMap<RecoveryPointId, _> = placed
            .iter()
            .filter(|placed| asked.contains(placed.key))
            .map(|placed| (placed.key.clone(), (placed.turn, placed.why)))
            .collect();
        let superseded: BTreeSet<&RecoveryPointId> = superseded.into_iter().collect();
        let doubt = fleet.doubt(&look.vault, self.pace);
        let probe = match &doubt {
            Some(doubt) if memory.may_probe(doubt, now) => {
                let is_planned = |id: &RecoveryPointId| turns.contains_key(id);
                let mut first = placed.iter().filter(|placed| placed.turn == Turn::Now);
                let first = first.find(|placed| asked.contains(placed.key));
                let other = asked.iter().find(|id| !is_planned(id) && !superseded.contains(id));
                first.map(|placed| placed.key.clone()).or(other.cloned())
            }
            Some(_) | None => None,
        };
        for (id, decision) in decisions.iter_mut() {
            let Decision::Act(Effect::Restore(order)) = &*decision else { continue };
            if superseded.contains(id) {
                let detail = "the policy's backfill asks for fewer older images".to_owned();
                *decision = Decision::Ineligible { code: Code::Superseded, detail };
                continue;
            }
            if let Some(doubt) = doubt.as_ref().filter(|_| probe.as_ref() != Some(id)) {
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
                memory.restores.reserve(id.clone(), source, order.size_gb, now);
            }
        }
        Ok(())
    }

    /// Whether EC2 showed a moment ago what is being restored.
    fn is_counted(&self, now: Timestamp) -> bool {
        self.memory().counted_at.is_some_and(|at| now.duration_since(at) < COUNTS_FOR)
    }

    /// Whether the quota has room for all of these by the last count.
    fn have_room(&self, asked: &BTreeSet<RecoveryPointId>, now: Timestamp) -> bool {
        let sources: Vec<SourceId> = self.observer.sources.iter().map(SourceView::id).collect();
        let fleet = self.fleet();
        let mut memory = self.memory();
        let members = fleet.members(Step::Restore, now);
        let promises = fleet.promises(&self.observer.policies, &sources);
        let (placed, _) = memory.restores.answers(&members, &promises, now);
        let mut placed = placed.iter().filter(|placed| asked.contains(placed.key));
        placed.all(|placed| !matches!(placed.turn, Turn::QuotaFull { .. }))
    }

    /// Counts what is being restored, as EC2 shows it.
    async fn count(&self, look: &mut Look, now: Timestamp) -> Result<(), Fault> {
        let pending = match &mut look.pending {
            Some(pending) => pending,
            None => look.pending.insert(self.observer.vault.images.pending().await?.items),
        };
        let vault = self.observer.vault_id();
        let tasks = pending
            .iter()
            .map(|image| (names::restored_owner(&vault, &image.name), image.size_gib()));
        let mut memory = self.memory();
        memory.restores.ledger.shown(tasks, now);
        memory.counted_at = Some(now);
        Ok(())
    }

    /// Recovery points outside this look whose turn has come, once there is room.
    async fn woken(&self, look: &mut Look, ids: &[RecoveryPointId]) -> Vec<RecoveryPointId> {
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
        let sources: Vec<SourceId> = self.observer.sources.iter().map(SourceView::id).collect();
        let fleet = self.fleet();
        let mut memory = self.memory();
        let members = fleet.members(Step::Restore, now);
        let promises = fleet.promises(&self.observer.policies, &sources);
        let (placed, _) = memory.restores.answers(&members, &promises, now);
        let here: BTreeSet<&RecoveryPointId> = ids.iter().collect();
        let due = memory.restores.due(&placed);
        let most = match fleet.doubt(&look.vault, self.pace) {
            None => WOKEN,
            Some(doubt) => usize::from(memory.may_probe(&doubt, now)),
        };
        due.into_iter().filter(|id| !here.contains(id)).take(most).cloned().collect()
    }

    /// Keeps what was seen of those that take a step now.
    fn keep_sights(&self, look: &mut Look, decisions: &Answered) {
        let now = self.clock.now();
        let mut memory = self.memory();
        for (id, decision) in decisions {
            if let Ok(Decision::Act(_)) = decision
                && let Some(sight) = look.sights.remove(id)
            {
                memory.sights.keep(sight, now);
            }
        }
    }

    /// Tells the fleet the final decisions of the look.
    fn note(&self, decisions: &Answered) {
        let mut fleet = self.fleet();
        for (id, decision) in decisions {
            match decision {
                Ok(Decision::Wait { code, detail, .. }) => {
                    fleet.answered(id, State::InProgress, *code, detail);
                }
                Ok(Decision::Park { code, detail, .. }) => {
                    fleet.answered(id, State::Parked, *code, detail);
                }
                Ok(Decision::Act(_) | Decision::Done(_) | Decision::Ineligible { .. }) | Err(_) => {
                }
            }
        }
    }
}

/// What was heard from a source about one image; the first of all that is says how the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    /// Its S3 or KMS did not answer, and would not about other images.
    NoStagedObject,
    /// Its EC2 answered, also about this image.
    Answer,
    /// Its EC2 did not answer, refused, or told something unreadable about this image.
    Nothing,
}

/// What an observation heard from the source; `None` where it did not ask there.
fn heard_from_source(seen: &Result<Sight, Unanswered>) -> Option<Heard> {
    match seen {
        Ok(Sight { observed, .. }) if observed.source_asked => Some(Heard::Answer),
        Ok(_) => Some(Heard::Nothing),
        Err(unanswered) => match unanswered.asked {
            Asked::Source => Some(Heard::Nothing),
            Asked::Staged if unanswered.fault.class == FaultClass::Unavailable => {
                Some(Heard::NoStagedObject)
            }
            Asked::Staged => Some(Heard::Answer),
            Asked::VaultObjects | Asked::Restored => None,
        },
    }
}

/// The wait of a recovery point that the plan does not rank.
const UNPLANNED: amiferry_core::plan::Why = amiferry_core::plan::Why::Older;

/// Whether an unusable key of the vault can be the cause of what was met.
fn may_be_a_key(seen: &Result<Sight, Unanswered>) -> bool {
    match seen {
        Ok(Sight { observed, .. }) => {
            observed.restored.last().is_some_and(|image| image.state == ImageState::Failed)
        }
        Err(unanswered) => unanswered.may_be_the_key(),
    }
}

/// What is recalled of something that waits: a manifest that was not there is not there yet, or
/// its creation fails.
fn of_memo(observed: Observed, now: Timestamp) -> Sight {
    let unrecorded = observed.object.is_some() && observed.manifest == ManifestFact::Absent;
    let counts: &[Part] = if unrecorded { &[Part::Manifest] } else { &[] };
    Sight::of(observed, counts, now)
}

/// Whether the newest restored image is finished, so that its details can be asked for.
fn is_restored(observed: &Observed) -> bool {
    observed.restored.last().is_some_and(|image| image.state == ImageState::Available)
}
