//! Answers what the vault has of one image or family, and lists all that its bucket records.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{self, Effect, Judged, Recovery, Vault};
use amiferry_core::manifest::Manifest;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::policy::Pattern;
use amiferry_core::recovery::next::Next;
use amiferry_core::recovery::select::Selection;
use amiferry_target_worker::patience::Patience;

use crate::Recoverer;
use crate::bucket::Records;
use crate::chosen::{BATCH, PACE, unrecorded};
use crate::report::{Answer, Found, GIVEN_UP, Mapped, Recovered, SCHEMA_VERSION, State};

impl Recoverer {
    /// What the vault has of a source image (by its id, its name or the id of its AMI) or of a family;
    /// `*` stands for any characters.
    pub async fn lookup(&self, records: &Records, what: &str) -> Answer {
        let pattern = Pattern::new(what);
        let is_meant = |manifest: &Manifest| {
            let restored = manifest.restored.as_ref().map(|restored| restored.image_id.as_str());
            let id = manifest.recovery_point.source_image_id.as_str();
            let names = [id, &manifest.source.name, &manifest.family];
            names.into_iter().chain(restored).any(|name| pattern.matches(name))
        };
        let meant = records.told().filter(|(_, manifest)| is_meant(manifest));
        let ids: Vec<RecoveryPointId> = meant.map(|(id, _)| id.clone()).collect();
        let facts = self.observer.vault().await;
        let (recovery, nothing) = (Recovery::default(), BTreeSet::new());
        let mut points = Vec::new();
        for batch in ids.chunks(BATCH) {
            let seen = self.look(batch, records, &facts, &recovery, &nothing).await;
            let verdicts = self.verdicts(batch, records, &facts).await;
            points.extend(seen.into_iter().filter_map(|(id, seen)| {
                let (state, (code, detail)) = match records.is_given_up(&id) {
                    true => (State::GivenUp, (Code::Pruned, GIVEN_UP.to_owned())),
                    false => (State::Recorded, verdicts.get(&id)?.clone()),
                };
                let restored = match &seen.next {
                    Next::There(restored) => Some(restored.as_ref()),
                    _ => None,
                };
                Some(Found {
                    mapped: Mapped::of(&seen.manifest, restored, state),
                    complete: code == Code::Complete,
                    code,
                    detail,
                    storage_class: seen.class,
                    archived: seen.archived.map(|archived| archived.place),
                })
            }));
        }
        let named = what.parse().into_iter().collect();
        let selection = Selection { images: named, ..Selection::default() };
        let unreadable = unrecorded(records, &selection);
        Answer { schema_version: SCHEMA_VERSION, points, unreadable }
    }

    /// Whether each of these is complete, as the audit says.
    async fn verdicts(
        &self,
        ids: &[RecoveryPointId],
        records: &Records,
        facts: &Vault,
    ) -> BTreeMap<RecoveryPointId, (Code, String)> {
        let now = self.clock.now();
        let observations = ids.iter().map(|id| records.observation(id));
        let (nothing, mut verdicts) = (BTreeSet::new(), facts.verdicts());
        let (observations, patience) = (observations.collect(), Patience::patient());
        let answers =
            self.observer.observe_each(observations, &nothing, &mut verdicts, &patience, now).await;
        let verdict = |answer: Result<Observation, vault::Unanswered>| match answer {
            Ok(observation) => {
                said(vault::judge(&self.observer.policies, facts, &observation.observed, PACE, now))
            }
            Err(unanswered) => (Code::Failing, unanswered.fault.to_string()),
        };
        ids.iter().cloned().zip(answers.into_iter().map(verdict)).collect()
    }

    /// Everything that the bucket records, as a map without a word of EC2.
    pub fn inventory(&self, records: &Records) -> Recovered {
        let mut listed = Recovered::new(self.vault(), false, self.clock.now());
        let state = |id: &RecoveryPointId| match records.is_given_up(id) {
            true => State::GivenUp,
            false => State::Recorded,
        };
        listed.map = records
            .told()
            .map(|(id, manifest)| Mapped::of(manifest, manifest.restored.as_ref(), state(id)))
            .collect();
        let all = Selection { all: true, ..Selection::default() };
        listed.not_restored = unrecorded(records, &all);
        listed
    }
}

/// What is so about a recorded recovery point, in one code with its particulars.
fn said(judged: Judged) -> (Code, String) {
    if let Some(loss) = judged.loss {
        return (loss.code, loss.detail);
    }
    match judged.decision {
        Decision::Done(code) => (code, String::new()),
        Decision::Wait { code, detail, .. }
        | Decision::Park { code, detail, .. }
        | Decision::Ineligible { code, detail } => (code, detail),
        Decision::Act(effect) => (Code::InTurn, Effect::what(&effect).to_owned()),
    }
}
