//! Asks what is complete now, and judges it by the rules.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{self, ManifestFact, Unanswered, Vault};
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::manifest::{Manifest, RestoredRecord};
use amiferry_core::names::{RecoveryPointId, SourceId};
use amiferry_core::policy::Tier;
use amiferry_core::repeats::{Made, Snap, repeats};
use amiferry_core::retention::{Fate, Fates, Kept, Point, Rules, judge, judge_given_up};
use amiferry_core::span::Span;
use amiferry_target_worker::patience::Patience;
use amiferry_target_worker::walk::Held;
use jiff::{SignedDuration, Timestamp};

use crate::Pruner;
use crate::report::{Outcome, Row, What};

/// How many recovery points are observed in one round.
const BATCH: usize = 100;

const PACE: Pace = Pace { poll: Span::from_secs(30), park: Span::from_secs(300) };

/// How wrong this machine's clock may be: AWS itself accepts no signature that is so far off.
const MOST_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The recovery points of one family: those of a source under a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    pub source: SourceId,
    pub policy: String,
    pub name: String,
}

/// What is known of one recovery point that has a record.
#[derive(Debug, Clone)]
pub struct Known {
    pub manifest: Manifest,
    pub standing: Standing,
    /// The AMIs that records gave up.
    pub given_up: Vec<RestoredRecord>,
    /// Whether there is any object under its key.
    pub has_object: bool,
}

/// How a recovery point stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every fact was observed a moment ago.
    Complete {
        /// Whether a record says that its AMI was given up.
        retired: bool,
    },
    /// A record says that all of it was given up.
    Pruned,
    /// It is not complete now, or no one can say.
    Other(Code, String),
}

/// All that is known of a vault.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    pub known: BTreeMap<RecoveryPointId, Known>,
    /// Recovery points of which not even a record is known, and why.
    pub unknown: Vec<(RecoveryPointId, Code, String)>,
    /// From when the data are of images that repeat older ones.
    pub data_from: BTreeMap<RecoveryPointId, Timestamp>,
    /// What was given up and of which nothing is left to delete.
    pub finished: BTreeSet<RecoveryPointId>,
    /// What becomes of each that is complete or was given up.
    pub fates: BTreeMap<RecoveryPointId, Fates>,
    /// Why nothing may be deleted at all.
    pub doubts: Vec<String>,
    /// What the listing showed.
    pub held: Held,
}

impl Contents {
    /// Those of which something goes, in the order of their families and ids.
    pub fn going(&self) -> Vec<(RecoveryPointId, Fates)> {
        let goes = self.fates.iter().filter(|(_, fates)| fates.goes());
        let mut going: Vec<_> = goes.map(|(id, fates)| (id.clone(), *fates)).collect();
        going.sort_by_key(|(id, _)| (self.family(id), id.clone()));
        going
    }

    /// The rows of those of which not even a record is known.
    pub(crate) fn unknown_rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.unknown.iter().map(|(id, code, why)| {
            let row = Row::of(id, None, What::All, Outcome::NotAssessed, why.clone());
            Row { code: Some(*code), ..row }
        })
    }

    /// How many are complete, or were given up and are not gone.
    pub fn counted(&self) -> usize {
        self.fates.len()
    }

    /// The family of a recovery point with a record.
    pub fn family(&self, id: &RecoveryPointId) -> Option<Family> {
        let manifest = &self.known.get(id)?.manifest;
        let (policy, name) = (manifest.policy.clone(), manifest.family.clone());
        Some(Family { source: id.source(), policy, name })
    }

    /// A recovery point with a record, as the rules see it.
    pub(crate) fn point(&self, id: &RecoveryPointId) -> Point {
        let manifest = &self.known[id].manifest;
        let created = manifest.source.created_at;
        Point {
            created,
            data_from: self.data_from.get(id).copied().unwrap_or(created),
            completed: manifest.completed_at,
            verified: false,
            has_image: manifest.tier == Tier::Ready && manifest.restored.is_some(),
        }
    }

    /// All recovery points of a family.
    pub fn members(&self, family: &Family) -> Vec<RecoveryPointId> {
        let of_it = |id: &&RecoveryPointId| self.family(id).as_ref() == Some(family);
        self.known.keys().filter(of_it).cloned().collect()
    }
}

impl Pruner {
    /// Observes the whole vault, and judges it.
    ///
    /// # Errors
    /// The bucket cannot be listed to its end: then nothing is known of any family.
    pub async fn contents(&self) -> Result<Contents, Fault> {
        let mut contents =
            Contents { doubts: self.doubts_about_the_clock().await, ..Contents::default() };
        // What is deleted is asked for by its version again.
        contents.held = Held { objects: BTreeMap::new(), ..self.observer.held().await? };
        if let Some(first) = contents.held.unreadable.first() {
            let count = contents.held.unreadable.len();
            contents.doubts.push(format!(
                "{count} keys of the vault bucket cannot be read, so what it holds is not known; the \
                 first: {}. Delete them, or move them out of the prefix",
                first.why
            ));
        }
        // What has no manifest was never complete: it is the workers' business.
        let recorded = contents.held.points.iter().filter(|(_, written)| written.manifests > 0);
        let ids: Vec<RecoveryPointId> = recorded.map(|(id, _)| id.clone()).collect();
        let facts = self.observer.vault().await;
        for batch in ids.chunks(BATCH) {
            for (id, seen) in self.observe(batch, &contents.held, &facts).await {
                match seen {
                    Ok(known) => {
                        contents.known.insert(id, known);
                    }
                    Err((code, why)) => contents.unknown.push((id, code, why)),
                }
            }
        }
        contents.data_from = data_from(&contents.known);
        match self.finished(&contents.known).await {
            Ok(finished) => contents.finished = finished,
            Err(fault) => contents.doubts.push(format!(
                "what is left of images that were given up is not known: {}",
                fault.statement()
            )),
        }
        self.judge(&mut contents);
        Ok(contents)
    }

    /// Why this machine's clock is not to be trusted, if it is not.
    async fn doubts_about_the_clock(&self) -> Vec<String> {
        let theirs = self.time.now().await;
        let ours = self.clock.now();
        let doubt = match theirs {
            Ok(Some(theirs)) => {
                let skew = ours.duration_since(theirs);
                (skew.abs() > MOST_SKEW).then(|| {
                    format!("this machine's clock says {ours:.0}, and AWS says {theirs:.0}: set it")
                })
            }
            Ok(None) => Some("AWS does not say what time it is: check the endpoint".to_owned()),
            Err(fault) => Some(format!("AWS does not say what time it is: {}", fault.statement())),
        };
        doubt.into_iter().collect()
    }

    /// Observes some again, and judges their family by it. What it cannot observe is in no fate.
    pub(crate) async fn contents_again(&self, before: &Contents, family: &Family) -> Contents {
        let mut contents = Contents {
            held: before.held.clone(),
            data_from: before.data_from.clone(),
            finished: before.finished.clone(),
            ..Contents::default()
        };
        let facts = self.observer.vault().await;
        for batch in before.members(family).chunks(BATCH) {
            for (id, seen) in self.observe(batch, &before.held, &facts).await {
                if let Ok(known) = seen {
                    contents.known.insert(id, known);
                }
            }
        }
        self.judge(&mut contents);
        contents
    }

    async fn observe(
        &self,
        ids: &[RecoveryPointId],
        held: &Held,
        facts: &Vault,
    ) -> Vec<(RecoveryPointId, Result<Known, (Code, String)>)> {
        let now = self.clock.now();
        let observation = |id: &RecoveryPointId| {
            let mut observation = Observation::nothing(id.clone());
            let written = held.points.get(id).copied().unwrap_or_default();
            observation.observed.manifests = written.manifests;
            observation.observed.notes = written.notes;
            observation.observed.endings = written.endings;
            observation
        };
        let observations = ids.iter().map(observation).collect();
        let (nothing, mut verdicts) = (BTreeSet::new(), facts.verdicts());
        let patience = Patience::patient();
        let answers =
            self.observer.observe_each(observations, &nothing, &mut verdicts, &patience, now).await;
        let known = |answer| self.known(answer, facts);
        ids.iter().cloned().zip(answers.into_iter().map(known)).collect()
    }

    fn known(
        &self,
        answer: Result<Observation, Unanswered>,
        facts: &Vault,
    ) -> Result<Known, (Code, String)> {
        let now = self.clock.now();
        let observed = match answer {
            Ok(observation) => observation.observed,
            Err(Unanswered { fault, .. }) => {
                let code = match fault.class {
                    FaultClass::Denied => Code::Denied,
                    FaultClass::KeyUnusable => Code::KeyUnusable,
                    _ => Code::Failing,
                };
                return Err((code, fault.to_string()));
            }
        };
        let judged = vault::judge(&self.observer.policies, facts, &observed, PACE, now);
        let manifest = match &observed.manifest {
            ManifestFact::Present(manifest) | ManifestFact::Pruned(manifest) => manifest,
            ManifestFact::Absent => {
                return Err((Code::NotStaged, "it was never recorded as complete".to_owned()));
            }
            ManifestFact::Unreadable(why) => return Err((Code::ManifestUnreadable, why.clone())),
        };
        if manifest.recovery_point != observed.id {
            let why = "its manifest is of another recovery point".to_owned();
            return Err((Code::ManifestUnreadable, why));
        }
        let standing = match (&judged.decision, &judged.loss) {
            (Decision::Done(_), _) => Standing::Complete { retired: observed.endings > 0 },
            (Decision::Ineligible { code: Code::Pruned, .. }, _) => Standing::Pruned,
            (_, Some(loss)) => Standing::Other(loss.code, loss.detail.clone()),
            (
                Decision::Wait { code, detail, .. }
                | Decision::Park { code, detail, .. }
                | Decision::Ineligible { code, detail },
                None,
            ) => Standing::Other(*code, detail.clone()),
            (Decision::Act(effect), None) => {
                Standing::Other(Code::InTurn, effect.what().to_owned())
            }
        };
        Ok(Known {
            manifest: manifest.as_ref().clone(),
            standing,
            has_object: observed.object.is_some(),
            given_up: observed.given_up,
        })
    }

    /// Applies the rules to each family. What a record gave up takes no one's place, and goes only if
    /// the rules would give it up, too: a record alone deletes nothing.
    fn judge(&self, contents: &mut Contents) {
        let now = self.clock.now();
        let mut families: BTreeMap<Family, Vec<RecoveryPointId>> = BTreeMap::new();
        for id in contents.known.keys() {
            if let Some(family) = contents.family(id) {
                families.entry(family).or_default().push(id.clone());
            }
        }
        for (family, ids) in families {
            let rules = self.observer.policies.named(&family.policy);
            let rules = rules.and_then(|policy| Rules::of(policy, self.limits.floor));
            let stands = |id: &&RecoveryPointId| {
                matches!(contents.known[*id].standing, Standing::Complete { .. })
            };
            let complete: Vec<&RecoveryPointId> = ids.iter().filter(stands).collect();
            let points: Vec<Point> = complete.iter().map(|id| contents.point(id)).collect();
            let Some(rules) = rules else {
                let stays = Fates { point: Fate::Stays(Kept::NoRule), image: None };
                let is_there = |id: &&RecoveryPointId| {
                    !matches!(contents.known[*id].standing, Standing::Other(..))
                        && !contents.finished.contains(*id)
                };
                let none = ids.iter().filter(is_there);
                let none: Vec<_> = none.map(|id| (id.clone(), stays)).collect();
                contents.fates.extend(none);
                continue;
            };
            let mut fates: Vec<(RecoveryPointId, Fates)> =
                complete.iter().map(|id| (*id).clone()).zip(judge(&rules, &points, now)).collect();
            // An AMI that a record gave up is judged as if it were still promised.
            for (at, id) in complete.iter().enumerate() {
                let is_retired =
                    contents.known[*id].standing == (Standing::Complete { retired: true });
                if is_retired && !contents.finished.contains(*id) {
                    let mut among = points.clone();
                    among[at].has_image = true;
                    let again = judge_given_up(&rules, &among, at, false, now);
                    fates[at].1.image = again.image;
                }
            }
            let is_pruned = |id: &&RecoveryPointId| {
                contents.known[*id].standing == Standing::Pruned && !contents.finished.contains(*id)
            };
            for id in ids.iter().filter(is_pruned) {
                let among: Vec<Point> =
                    points.iter().copied().chain([contents.point(id)]).collect();
                let again = judge_given_up(&rules, &among, points.len(), true, now);
                fates.push((id.clone(), again));
            }
            contents.fates.extend(fates);
        }
    }
}

/// From when the data of images are that were made of old snapshots, as the audit counts it.
fn data_from(known: &BTreeMap<RecoveryPointId, Known>) -> BTreeMap<RecoveryPointId, Timestamp> {
    let snapshots: Vec<(&RecoveryPointId, Timestamp, Vec<Snap>)> = known
        .iter()
        .map(|(id, known)| {
            let source = &known.manifest.source;
            (id, source.created_at, source.snapshots.iter().map(Snap::from).collect())
        })
        .collect();
    let made: Vec<Made<'_, RecoveryPointId>> =
        snapshots.iter().map(|(id, created, of)| Made { id: *id, created: *created, of }).collect();
    let is_of_one = |one: &Made<'_, RecoveryPointId>, other: &Made<'_, RecoveryPointId>| {
        one.id.source() == other.id.source()
    };
    let found = made.chunk_by(is_of_one).flat_map(repeats);
    found.map(|(id, repeat)| (id, repeat.data_from)).collect()
}
