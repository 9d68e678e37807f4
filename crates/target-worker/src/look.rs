//! One look at many recovery points: for those that wait, it only checks whether they still have
//! to; it observes and decides all others.
//!
//! An earlier observation may be out of date, so it can only prolong a wait: acting, parking and
//! *complete* need a new observation. The plan over the whole fleet decides which recovery point
//! may act, not the choice of keys in this look.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::observation::{Observation, Part};
use amiferry_core::decide::vault::{
    self, Asked, Effect, ManifestFact, Observed, Unanswered, Vault,
};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::fleet::{Once, State};
use amiferry_core::model::{Image, ImageState, KeyVerdict};
use amiferry_core::names::{RecoveryPointId, SourceId};
use amiferry_service::reconcile::Answers;
use jiff::Timestamp;

use crate::patience::Patience;
use crate::role::TargetRole;

type Answered = Vec<(RecoveryPointId, Result<Decision<Effect>, Fault>)>;
pub(crate) type Decisions = Vec<(RecoveryPointId, Decision<Effect>)>;

/// How much of a recovery point a look asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// What it waits for; the rest was recalled.
    Part,
}

/// What one look shares.
pub(crate) struct Look {
    pub(crate) vault: Vault,
    patience: Patience,
    /// The images that EC2 is creating in the vault, asked for at most once in a look.
    pub(crate) pending: Option<Vec<Image>>,
    /// Whether a restore ended, which makes room for others.
    pub(crate) made_room: bool,
    /// What was seen of those whose next step may come.
    observations: BTreeMap<RecoveryPointId, Observation>,
}

impl TargetRole {
    pub(crate) async fn look_at(
        &self,
        ids: &[RecoveryPointId],
    ) -> Result<Answers<RecoveryPointId, Effect>, Fault> {
        let vault = self.vault(self.clock.now()).await;
        let apart = ids.first().is_some_and(|id| self.memory().apart.contains(&id.source()));
        let patience = if apart { Patience::patient() } else { Patience::brief() };
        let observations = {
            let mut memory = self.memory();
            let kept =
                ids.iter().filter_map(|id| Some((id.clone(), memory.observations.take(id)?)));
            kept.collect()
        };
        let mut look = Look { vault, patience, pending: None, made_room: false, observations };
        let mut decisions = self.still_waiting(&mut look, ids).await;
        let answered: BTreeSet<&RecoveryPointId> = decisions.iter().map(|(id, _)| id).collect();
        let others: Vec<RecoveryPointId> =
            ids.iter().filter(|id| !answered.contains(id)).cloned().collect();
        decisions.extend(self.observe_whole(&mut look, &others).await);
        self.note(&decisions);
        self.keep_observations(&mut look, &decisions);
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
        match observed.restored.last() {
            None => observed.settling = memory.restores.ledger.is_settling(&id, now),
            Some(image) => match image.state {
                ImageState::Pending => memory.restores.ledger.runs(&id, image.size_gib()),
                ImageState::Available => memory.restores.ledger.ended(&id),
                // What was called may be another one, which only a new count shows.
                _ if memory.restores.ledger.is_open(&id) => {
                    memory.restores.ledger.settled(&id);
                    memory.counted_at = None;
                }
                _ => {}
            },
        }
        observed.claimed_until =
            self.observer.keys_of(&id).ok().and_then(|keys| self.copier.others_until(&keys.image));
        observed.urged = memory.urged.contains(&id);
        observed.newest = memory.newest.contains(&id);
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
        let observation = |seen: Observed| {
            let observation = look.observations.remove(&seen.id);
            let mut observation = observation.unwrap_or_else(|| of_memo(seen, now));
            self.count_versions(&mut observation.observed);
            observation
        };
        let before: Vec<Observation> = recalled.into_iter().map(observation).collect();
        let seen: Vec<(RecoveryPointId, bool)> = before
            .iter()
            .map(|Observation { observed, .. }| (observed.id.clone(), observed.object.is_none()))
            .collect();
        let again = self.observer.observe_part(before, &look.patience, now).await;
        // Of those with an object in the vault no source was asked.
        let asked = seen.iter().zip(&again).filter(|((_, asks_source), _)| *asks_source);
        self.note_sources(asked.map(|((id, _), again)| (id, again)));
        let now = self.clock.now();
        let mut answers = Vec::new();
        let mut orders = Vec::new();
        for ((id, _), seen) in seen.into_iter().zip(again) {
            let mut observation = match seen {
                Ok(observation) => observation,
                Err(unanswered) => {
                    answers.push(self.unanswered(look, id, unanswered, now));
                    continue;
                }
            };
            if !is_restored(&observation.observed) {
                match self.judge(look, &mut observation.observed, Extent::Part, now) {
                    wait @ Decision::Wait { .. } => {
                        answers.push((id, Ok(wait)));
                        continue;
                    }
                    order @ Decision::Act(Effect::Restore(_)) => orders.push((id.clone(), order)),
                    _ => {}
                }
            }
            look.observations.insert(id, observation);
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

    /// What the last walk over the vault saw of the files that are written once.
    fn count_versions(&self, observed: &mut Observed) {
        let fleet = self.fleet();
        observed.manifests = fleet.versions(&observed.id, Once::Manifest);
        observed.notes = fleet.versions(&observed.id, Once::Note);
        observed.endings = fleet.versions(&observed.id, Once::Ending);
    }

    async fn observe_whole(&self, look: &mut Look, ids: &[RecoveryPointId]) -> Answered {
        let known = self.memory().vault.as_ref().map(|facts| facts.verdicts.clone());
        let mut verdicts = known.unwrap_or_default();
        let holds_nothing = {
            let fleet = self.fleet();
            ids.iter().filter(|id| fleet.holds_nothing(id)).cloned().collect()
        };
        let observation = |id: &RecoveryPointId| {
            let mut observation =
                look.observations.remove(id).unwrap_or_else(|| Observation::nothing(id.clone()));
            self.count_versions(&mut observation.observed);
            observation
        };
        let observations: Vec<Observation> = ids.iter().map(observation).collect();
        let now = self.clock.now();
        let asks_source: Vec<bool> =
            observations.iter().map(|observation| !observation.counts(Part::Source, now)).collect();
        let observed = self
            .observer
            .observe_each(observations, &holds_nothing, &mut verdicts, &look.patience, now)
            .await;
        let asked = ids.iter().zip(&observed).zip(asks_source);
        let asked = asked.filter(|((_, seen), asked)| *asked || seen.is_err());
        self.note_sources(asked.map(|(seen, _)| seen));
        // The vault's keys are checked again if they may explain what was met.
        if observed.iter().any(may_be_a_key) {
            verdicts.retain(|_, verdict| *verdict != KeyVerdict::Usable);
            look.vault = self.examine_vault(self.clock.now()).await;
            verdicts.extend(look.vault.verdicts());
        }
        let now = self.clock.now();
        let mut answers = Vec::new();
        let mut decisions = Decisions::new();
        for (id, observed) in ids.iter().cloned().zip(observed) {
            match observed {
                Err(unanswered) => answers.push(self.unanswered(look, id, unanswered, now)),
                Ok(mut observation) => {
                    let decision = self.judge(look, &mut observation.observed, Extent::Whole, now);
                    look.observations.insert(id.clone(), observation);
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
        let image = unanswered.image.as_deref();
        let policies = &self.observer.policies;
        match unanswered.explained(&look.vault, self.pace, now) {
            Some(Decision::Park { until, code, detail }) => {
                let promised = vault::promised_unread(policies, &id, image, now);
                fleet.doubted(&id, (code, &detail), &promised, image.is_some(), now);
                fleet.looks_again(&id, until);
                (id, Ok(Decision::Park { until, code, detail }))
            }
            Some(decision) => (id, Ok(decision)),
            None => {
                let promised = vault::promised_of(policies, &id, image);
                fleet.unobserved(&id, &unanswered.fault.to_string(), promised.as_ref());
                (id, Err(unanswered.fault))
            }
        }
    }

    /// Notes which sources answered: one that did not is looked at apart from the others. One about
    /// which these say nothing stays where it is.
    fn note_sources<'a>(
        &self,
        seen: impl Iterator<Item = (&'a RecoveryPointId, &'a Result<Observation, Unanswered>)>,
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

    /// Keeps what was seen of those that take a step now.
    fn keep_observations(&self, look: &mut Look, decisions: &Answered) {
        let now = self.clock.now();
        let mut memory = self.memory();
        for (id, decision) in decisions {
            if let Ok(Decision::Act(_)) = decision
                && let Some(observation) = look.observations.remove(id)
            {
                memory.observations.keep(observation, now);
            }
        }
    }

    /// Tells the fleet the final decisions of the look. A person who asks for a step has it.
    fn note(&self, decisions: &Answered) {
        let mut fleet = self.fleet();
        let mut memory = self.memory();
        for (id, decision) in decisions {
            if let Ok(Decision::Act(_) | Decision::Done(_) | Decision::Ineligible { .. }) = decision
            {
                memory.urged.remove(id);
            }
            match decision {
                Ok(Decision::Wait { until, code, detail }) => {
                    fleet.answered(id, State::InProgress, *code, detail);
                    fleet.looks_again(id, *until);
                }
                Ok(Decision::Park { until, code, detail }) => {
                    fleet.answered(id, State::Parked, *code, detail);
                    fleet.looks_again(id, *until);
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
fn heard_from_source(seen: &Result<Observation, Unanswered>) -> Option<Heard> {
    match seen {
        Ok(Observation { observed, .. }) if observed.source_asked => Some(Heard::Answer),
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

/// Whether an unusable key of the vault can be the cause of what was met.
fn may_be_a_key(seen: &Result<Observation, Unanswered>) -> bool {
    match seen {
        Ok(Observation { observed, .. }) => {
            observed.restored.last().is_some_and(|image| image.state == ImageState::Failed)
        }
        Err(unanswered) => unanswered.may_be_the_key(),
    }
}

/// What is recalled of something that waits: a manifest that was not there is not there yet, or
/// its creation fails.
fn of_memo(observed: Observed, now: Timestamp) -> Observation {
    let unrecorded = observed.object.is_some() && observed.manifest == ManifestFact::Absent;
    let counts: &[Part] = if unrecorded { &[Part::Manifest] } else { &[] };
    Observation::of(observed, counts, now)
}

/// Whether the newest restored image is finished, so that its details can be asked for.
fn is_restored(observed: &Observed) -> bool {
    observed.restored.last().is_some_and(|image| image.state == ImageState::Available)
}
