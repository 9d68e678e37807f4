//! Asks what of the recorded recovery points can be restored, and which of them a person means.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::code::Code;
use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{self, FailedRestores, Recovery, Unanswered, Vault};
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::manifest::Manifest;
use amiferry_core::model::{Archived, Image, ImageState};
use amiferry_core::names::RecoveryPointId;
use amiferry_core::recovery::next::{Next, next};
use amiferry_core::recovery::select::{Candidate, Selection};
use amiferry_core::span::Span;
use amiferry_target_worker::patience::Patience;

use crate::Recoverer;
use crate::bucket::{Records, Said};
use crate::report::{GIVEN_UP, NotRestored};

/// How many recovery points are observed in one round.
pub(crate) const BATCH: usize = 100;

/// How often what runs is looked at: one call shows all of it.
pub(crate) const POLL: Span = Span::from_secs(10);

pub(crate) const PACE: Pace = Pace { poll: POLL, park: Span::from_secs(300) };

/// What was seen of one recovery point, and what is next.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What is recorded of it.
    pub manifest: Manifest,
    /// The next step.
    pub next: Next,
    /// The newest image under the names of its restores.
    pub image: Option<Image>,
    /// The storage class of its object as S3 names it; `None` for `STANDARD`.
    pub class: Option<String>,
    /// In which archive its object is, if it has to be retrieved.
    pub archived: Option<Archived>,
    /// How many of its restores failed in a row.
    pub failures: u32,
    /// Whether nothing is known of it because of a call that may succeed when it is repeated.
    pub passing: bool,
    /// How far its restore is, in percent of its snapshots.
    pub percent: Option<u8>,
}

/// What a person wants, with what is known of each.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Those that are to be restored, or are there.
    pub wanted: BTreeMap<RecoveryPointId, Seen>,
    /// What cannot be restored, and why.
    pub not_restored: Vec<NotRestored>,
}

impl Chosen {
    /// Whether nothing of all that is known fits the selection: each of its parts may fit something, and
    /// nothing fits all of them.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.not_restored.is_empty()
    }
}

impl Recoverer {
    /// Finds out what a selection comes to.
    pub async fn choose(
        &self,
        records: &Records,
        selection: &Selection,
        recovery: &Recovery,
    ) -> Chosen {
        // What a record gives up is restored only where a person names it: of the rest it is known.
        let is_left = |id: &RecoveryPointId| {
            records.is_given_up(id) && !selection.images.contains(&id.source_image_id)
        };
        let meant = records.told().filter(|(_, manifest)| selection.may_choose(manifest));
        let (left, meant): (Vec<_>, Vec<_>) = meant.partition(|(id, _)| is_left(id));
        let ids: Vec<RecoveryPointId> = meant.into_iter().map(|(id, _)| id.clone()).collect();
        let facts = self.facts().await;
        let settling = BTreeSet::new();
        let mut seen = BTreeMap::new();
        for batch in ids.chunks(BATCH) {
            seen.extend(self.look(batch, records, &facts, recovery, &settling).await);
        }
        let left = left.into_iter();
        seen.extend(left.map(|(id, manifest)| (id.clone(), Seen::given_up(manifest.clone()))));
        let candidates: Vec<Candidate<'_>> = seen
            .values()
            .map(|seen| Candidate {
                manifest: &seen.manifest,
                usable: seen.next.is_usable() || seen.passing,
            })
            .collect();
        let choice = selection.choose(&candidates);
        let mut chosen = Chosen::default();
        for (index, (id, seen)) in seen.into_iter().enumerate() {
            match &seen.next {
                Next::Impossible(..) if choice.unusable.contains(&index) && is_left(&id) => {
                    chosen.not_restored.push(NotRestored::given_up(&id, &seen.manifest));
                }
                Next::Impossible(code, detail) if choice.unusable.contains(&index) => {
                    let not = NotRestored::point(&id, Some(&seen.manifest), *code, detail.clone());
                    chosen.not_restored.push(not);
                }
                _ if choice.wanted.contains(&index) => {
                    chosen.wanted.insert(id, seen);
                }
                _ => {}
            }
        }
        chosen.not_restored.extend(unrecorded(records, selection));
        let known = records.told().map(|(_, manifest)| manifest);
        let unmatched = selection.unmatched(known).into_iter();
        let is_held = |what: &String| {
            let mut ids = records.said.keys().map(|id| format!("image {}", id.source_image_id));
            ids.any(|held| held == *what)
        };
        let unmatched = unmatched.filter(|what| !is_held(what));
        chosen.not_restored.extend(unmatched.map(NotRestored::unknown));
        let young = selection.too_young(records.told().map(|(_, manifest)| manifest));
        chosen.not_restored.extend(young.into_iter().map(NotRestored::too_young));
        if records.said.is_empty() && chosen.not_restored.is_empty() {
            chosen.not_restored.push(NotRestored::unknown("any image".to_owned()));
        }
        chosen
    }

    /// The preconditions where images are made. What is recorded stays the vault's, so the tags of a
    /// destination's images name the vault's manifests.
    pub(crate) async fn facts(&self) -> Vault {
        let facts = self.maker().vault().await;
        let home = &self.observer.vault;
        Vault { bucket: home.bucket.clone(), prefix: home.prefix.clone(), ..facts }
    }

    /// Observes recorded recovery points where images are made, and says what is next for each. Those
    /// that are `settling` have a restore that EC2 may not show yet.
    pub(crate) async fn look(
        &self,
        ids: &[RecoveryPointId],
        records: &Records,
        facts: &Vault,
        recovery: &Recovery,
        settling: &BTreeSet<RecoveryPointId>,
    ) -> Vec<(RecoveryPointId, Seen)> {
        match &self.destination {
            Some(there) => self.look_in(there, ids, records, facts, recovery, settling).await,
            None => self.look_in_vault(ids, records, facts, recovery, settling).await,
        }
    }

    async fn look_in_vault(
        &self,
        ids: &[RecoveryPointId],
        records: &Records,
        facts: &Vault,
        recovery: &Recovery,
        settling: &BTreeSet<RecoveryPointId>,
    ) -> Vec<(RecoveryPointId, Seen)> {
        let now = self.clock.now();
        let observations = ids.iter().map(|id| {
            let mut observation = records.observation(id);
            observation.observed.recovery = Some(recovery.clone());
            observation.observed.settling = settling.contains(id);
            observation
        });
        let observations = observations.collect();
        let (nothing, mut verdicts) = (BTreeSet::new(), facts.verdicts());
        let patience = Patience::patient();
        let answers =
            self.observer.observe_each(observations, &nothing, &mut verdicts, &patience, now).await;
        ids.iter()
            .zip(answers)
            .filter_map(|(id, answer)| {
                let manifest = records.manifest(id)?.clone();
                let seen = match answer {
                    Ok(Observation { observed, .. }) => {
                        let judged = self.judged(facts, &observed);
                        let manifest = current(&observed, manifest);
                        Seen::of(manifest, next(&judged, &observed), &observed)
                    }
                    Err(unanswered) => self.unseen(manifest, &unanswered, facts),
                };
                Some((id.clone(), seen))
            })
            .collect()
    }

    pub(crate) fn judged(&self, facts: &Vault, observed: &vault::Observed) -> vault::Judged {
        vault::judge(&self.observer.policies, facts, observed, PACE, self.clock.now())
    }

    /// What is known of one after a call about it that got no answer.
    pub(crate) fn unseen(
        &self,
        manifest: Manifest,
        unanswered: &Unanswered,
        facts: &Vault,
    ) -> Seen {
        let next = match unanswered.explained(facts, PACE, self.clock.now()) {
            Some(Decision::Park { code, detail, .. }) => Next::Impossible(code, detail),
            Some(_) | None => impossible(&unanswered.fault),
        };
        let passing = is_passing(unanswered.fault.class)
            && matches!(next, Next::Impossible(Code::Failing, _));
        Seen { passing, ..Seen::nothing(manifest, next) }
    }
}

impl Seen {
    /// Nothing but what is recorded, and what is next.
    fn nothing(manifest: Manifest, next: Next) -> Self {
        let (image, class, archived, percent) = (None, None, None, None);
        Self { manifest, next, image, class, archived, failures: 0, passing: false, percent }
    }

    /// One that a record gives up, and that no one names.
    fn given_up(manifest: Manifest) -> Self {
        Self::nothing(manifest, Next::Impossible(Code::Pruned, GIVEN_UP.to_owned()))
    }

    /// What an observation shows, and what is next.
    pub(crate) fn of(manifest: Manifest, next: Next, observed: &vault::Observed) -> Self {
        let failed = FailedRestores::of(observed).map_or(0, |failed| failed.started.len());
        Self {
            manifest,
            next,
            image: observed.restored.last().cloned(),
            class: observed.object.as_ref().and_then(|object| object.class.clone()),
            archived: observed.object.as_ref().and_then(|object| object.archived.clone()),
            failures: u32::try_from(failed).unwrap_or(u32::MAX),
            passing: false,
            percent: percent(observed),
        }
    }
}

impl Seen {
    /// Whether its image is made: at most it has to be protected, recorded or shared.
    pub(crate) fn is_made(&self) -> bool {
        match &self.next {
            Next::There(_) | Next::Act(_) | Next::Share(..) => true,
            Next::Wait(..) => {
                self.image.as_ref().is_some_and(|image| image.state == ImageState::Available)
            }
            Next::Restore(_)
            | Next::Copy(_)
            | Next::Retrieve(..)
            | Next::Retrieving(..)
            | Next::Impossible(..) => false,
        }
    }
}

/// How far the newest restore is, as the mean of its snapshots; `None` before EC2 shows any.
fn percent(observed: &vault::Observed) -> Option<u8> {
    let done = observed.snapshots.iter().map(|snapshot| u64::from(snapshot.progress)).sum::<u64>();
    let count = u64::try_from(observed.snapshots.len()).ok()?;
    u8::try_from(done.checked_div(count)?).ok()
}

/// The manifest as this observation found it.
fn current(observed: &vault::Observed, before: Manifest) -> Manifest {
    match &observed.manifest {
        vault::ManifestFact::Present(manifest) => manifest.as_ref().clone(),
        vault::ManifestFact::Absent
        | vault::ManifestFact::Unreadable(_)
        | vault::ManifestFact::Pruned(_) => before,
    }
}

/// What is said of something that a call refused.
pub(crate) fn impossible(fault: &Fault) -> Next {
    let code = match fault.class {
        FaultClass::Denied => Code::Denied,
        FaultClass::KeyUnusable => Code::KeyUnusable,
        _ => Code::Failing,
    };
    Next::Impossible(code, fault.to_string())
}

/// Whether the same call may succeed when it is repeated.
pub(crate) fn is_passing(class: FaultClass) -> bool {
    match class {
        FaultClass::Throttled
        | FaultClass::QuotaFull
        | FaultClass::Conflict
        | FaultClass::OutcomeUnknown
        | FaultClass::NotFound
        | FaultClass::Unavailable
        | FaultClass::Credentials => true,
        FaultClass::Denied | FaultClass::Invalid | FaultClass::KeyUnusable | FaultClass::Bug => {
            false
        }
    }
}

/// What the vault holds and does not record, or records so that it cannot be believed, as far as the
/// selection may mean it.
pub(crate) fn unrecorded(records: &Records, selection: &Selection) -> Vec<NotRestored> {
    let mut found = Vec::new();
    for (id, said) in &records.said {
        let is_named = selection.images.contains(&id.source_image_id);
        let (code, reason) = match said {
            Said::Recorded(_) | Said::GivenUp(_) => continue,
            // Its family may be any.
            Said::Unreadable(why) if is_named || selection.is_general() => {
                (Code::ManifestUnreadable, why.clone())
            }
            Said::Unanswered(fault) if is_named || selection.is_general() => {
                let code = match fault.class {
                    FaultClass::Denied => Code::Denied,
                    FaultClass::KeyUnusable => Code::KeyUnusable,
                    _ => Code::Failing,
                };
                (code, fault.to_string())
            }
            Said::Unrecorded if is_named || selection.all => {
                let why = "it was never recorded as complete: the copy had not ended";
                (Code::NotStaged, why.to_owned())
            }
            // What was given up is missed only where it is named.
            Said::Pruned(manifest) if is_named => {
                let (family, policy) = (&manifest.family, &manifest.policy);
                (Code::Pruned, format!("family {family} of policy {policy}"))
            }
            Said::Unreadable(_) | Said::Unanswered(_) | Said::Unrecorded | Said::Pruned(_) => {
                continue;
            }
        };
        found.push(NotRestored::point(id, None, code, reason));
    }
    found
}

/// Whether an image is still being made.
pub(crate) fn is_pending(image: &Image) -> bool {
    image.state == ImageState::Pending
}
