//! What was seen of a recovery point, part by part, so that a look right after a step asks only
//! for what the step may have changed (ADR 0009).
//!
//! A step that AWS has confirmed is as good as seen. Each step is fenced in AWS, so acting on a
//! part that changed within these seconds does no harm, and the next sweep asks for all of it.

use jiff::{SignedDuration, Timestamp};

use super::{Effect, ManifestFact, Observed};
use crate::fault::Fault;
use crate::model::{DeregistrationProtection, Image, ImageState, SnapshotState};
use crate::names::RecoveryPointId;
use crate::shape::IMDS_V2;

/// How long a part counts.
pub const COUNTS_FOR: SignedDuration = SignedDuration::from_secs(30);

/// How long it counts that an object is not recorded, which is as long as what waits is recalled: S3
/// refuses to write a record where one is.
const UNRECORDED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What one question of an observation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The source image.
    Source,
    /// The staged object, and whether its key can be used.
    Staged,
    /// The object in the vault.
    Object,
    /// What lies under the manifest's key.
    Manifest,
    /// The images under the names of its restores.
    Restored,
    /// Snapshots and launch permissions of the newest of them.
    Details,
}

const PARTS: usize = Part::Details as usize + 1;

/// What was observed, and when each part of it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What was seen.
    pub observed: Observed,
    seen: [Option<Timestamp>; PARTS],
}

impl Observation {
    /// Nothing was asked for yet.
    pub fn nothing(id: RecoveryPointId) -> Self {
        Self { observed: Observed::nothing(id), seen: [None; PARTS] }
    }

    /// An observation of which these parts were asked for at a time.
    pub fn of(observed: Observed, parts: &[Part], now: Timestamp) -> Self {
        let mut observation = Self { observed, seen: [None; PARTS] };
        parts.iter().for_each(|part| observation.saw(*part, now));
        observation
    }

    /// A part was asked for.
    pub fn saw(&mut self, part: Part, now: Timestamp) {
        self.seen[part as usize] = Some(now);
    }

    /// Takes in the answer of the source, if it was asked. Returns its fault: then nothing is known
    /// about the image.
    pub fn source_answered(
        &mut self,
        answer: Option<Result<Option<Image>, Fault>>,
        now: Timestamp,
    ) -> Option<Fault> {
        let (image, fault) = match answer? {
            Ok(image) => (image, None),
            Err(fault) => (None, Some(fault)),
        };
        self.observed.source = image;
        self.observed.source_asked = fault.is_none();
        self.saw(Part::Source, now);
        fault
    }

    /// A part may have changed.
    pub fn forget(&mut self, part: Part) {
        self.seen[part as usize] = None;
    }

    /// Whether a part need not be asked for again: it was seen a moment ago, and shows something
    /// that a step builds on. What is missing or unfinished is asked for again, except a manifest and
    /// a restored image: where one is meanwhile, AWS refuses to make another.
    pub fn counts(&self, part: Part, now: Timestamp) -> bool {
        let Observed { source, staged, object, manifest, .. } = &self.observed;
        let Observed { restored, snapshots, launch_permissions, .. } = &self.observed;
        let lasts = match part {
            Part::Manifest if object.is_some() && *manifest == ManifestFact::Absent => {
                UNRECORDED_FOR
            }
            _ => COUNTS_FOR,
        };
        let is_recent = self.seen[part as usize].is_some_and(|at| now.duration_since(at) < lasts);
        is_recent
            && match part {
                Part::Source => source.is_some(),
                Part::Staged => staged.as_ref().is_some_and(|staged| staged.size > 0),
                Part::Object => object.is_some(),
                Part::Manifest => true,
                Part::Restored => {
                    restored.last().is_none_or(|image| image.state == ImageState::Available)
                }
                Part::Details => {
                    launch_permissions.is_some()
                        && snapshots.iter().all(|one| one.state == SnapshotState::Completed)
                        && restored.last().is_some_and(|image| {
                            let mut needed = image.snapshots();
                            needed.all(|id| snapshots.iter().any(|one| one.id == *id))
                        })
                }
            }
    }

    /// AWS has confirmed a step. What it certainly changed counts as seen, and what else it may
    /// have changed is forgotten.
    pub fn after(&mut self, effect: &Effect, now: Timestamp) {
        let newest = self.observed.restored.last_mut();
        match effect {
            Effect::Copy(_) => {
                // Each part was read from this version of the staged object, with its key.
                self.saw(Part::Staged, now);
                self.forget(Part::Object);
                // What a first copy made has no restored image and no manifest yet.
                if self.observed.manifest == ManifestFact::Absent {
                    self.saw(Part::Manifest, now);
                    self.saw(Part::Restored, now);
                }
            }
            Effect::Lock(_, retention) => {
                if let Some(object) = &mut self.observed.object {
                    object.retention = Some(retention.clone());
                }
            }
            Effect::Restore(_) => self.forget(Part::Restored),
            Effect::Protect(id) => {
                if let Some(image) = newest.filter(|image| image.id == *id) {
                    image.deregistration_protection = DeregistrationProtection::Enabled;
                }
            }
            Effect::DemandImdsV2(id) => {
                if let Some(image) = newest.filter(|image| image.id == *id) {
                    image.imds_support = Some(IMDS_V2.to_owned());
                }
            }
            Effect::Record(manifest) => {
                self.observed.manifest = ManifestFact::Present(manifest.clone());
                self.saw(Part::Manifest, now);
            }
            Effect::RecordAgain(record) => {
                if let ManifestFact::Present(manifest) = &mut self.observed.manifest {
                    manifest.vault_object = record.vault_object.clone();
                    manifest.restored.clone_from(&record.restored);
                }
                self.observed.newest_record = Some((record.number, record.kind));
                self.saw(Part::Manifest, now);
            }
        }
    }
}
