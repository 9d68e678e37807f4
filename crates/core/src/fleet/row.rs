//! What is known about one recovery point, in little memory: the result of the last observation,
//! and what has failed since.

use jiff::Timestamp;
use serde::Serialize;

use super::families::FamilyIndex;
use super::newest::Disputed;
use super::once::{Once, Versions};
use super::rest::Files;
use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{
    Effect, FailedRestores, Judged, LossKind, ManifestFact, Observed, Promised,
};
use crate::ids::ImageId;
use crate::model::{ImageState, StoredObject};
use crate::names;
use crate::planted::{Bug, has};
use crate::policy::Tier;
use crate::repeats::Snap;

/// How far a recovery point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Every fact was observed.
    Complete,
    /// Under way, or waiting for something that passes by itself.
    InProgress,
    /// Waiting for a person or another system.
    Parked,
    /// It was complete, and a part of it is gone.
    Lost,
    /// What the vault has of it was changed from outside.
    Tampered,
    /// It was complete and is there, but cannot be used.
    Unusable,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Complete,
        Self::InProgress,
        Self::Parked,
        Self::Lost,
        Self::Tampered,
        Self::Unusable,
    ];

    /// The states of what was complete and is not any more.
    pub const LOST: [Self; 3] = [Self::Lost, Self::Tampered, Self::Unusable];

    /// Whether it is one of [`LOST`](Self::LOST).
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Lost | Self::Tampered | Self::Unusable)
    }

    /// The name in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::InProgress => "in_progress",
            Self::Parked => "parked",
            Self::Lost => "lost",
            Self::Tampered => "tampered",
            Self::Unusable => "unusable",
        }
    }
}

impl From<LossKind> for State {
    fn from(kind: LossKind) -> Self {
        match kind {
            LossKind::Lost => Self::Lost,
            LossKind::Tampered => Self::Tampered,
            LossKind::Unusable => Self::Unusable,
        }
    }
}

/// One row of the fleet.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// When it was last observed; `None` for one that a walk met and no look has seen yet.
    pub(super) observed_at: Option<Timestamp>,
    /// What was observed; `None` before that.
    pub(super) fact: Option<Fact>,
    /// When it is looked at again, unless an event comes first; `None` where no worker does.
    pub(super) next: Option<Timestamp>,
    /// Why the last look could not observe it; the earlier observation stays, and grows old.
    pub(super) unobserved: Option<Box<str>>,
    /// What the loop decided after its last fault, until it works again.
    pub(super) failure: Option<Box<Failure>>,
    /// Steps that failed in a row, for reasons of its own.
    pub(super) failed_steps: u32,
    /// The step in progress.
    pub(super) begun: Option<Step>,
    /// Whether a step ever began, so that the vault may hold something that no walk has met yet.
    pub(super) touched: bool,
    /// The number of the last walk over its source, and over the vault, that met it; 0 for none.
    pub(super) met: [u32; 2],
    /// How many versions of its manifest, of the vault's note, of records that give it up, and of its
    /// object the last walk over the vault saw.
    pub(super) once: [Versions; 4],
    /// The number of the last round of walks in which it was met.
    pub(super) round: u32,
    /// The snapshots that its source image is made of, as far as they are known.
    pub(super) snapshots: Box<[Snap]>,
    /// What is recorded of it, if a record gives it up or makes it unreadable.
    pub(super) disputed: Option<Box<Disputed>>,
    /// What a cheap look needs of the last observation; see [`super::memo`].
    pub(super) memo: Option<super::memo::Memo>,
}

/// The result of an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// It is promised, and can be kept.
    Point(Box<Point>),
    /// Its image is left out.
    LeftOut(Box<LeftOut>),
    /// It could not be observed yet. Its image is promised to this family.
    Unread(FamilyIndex),
}

/// A recovery point in scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its family, which names the policy, too.
    pub family: FamilyIndex,
    /// The name of the source image; empty while it is not known.
    pub name: Box<str>,
    /// What it holds when complete.
    pub tier: Tier,
    /// When the source image was created: age is measured from here.
    pub created: Timestamp,
    /// How far it is.
    pub state: State,
    /// Why it is not further, or `complete`.
    pub code: Code,
    /// The particulars, for people.
    pub detail: Box<str>,
    /// The step that it waits to take.
    pub wants: Option<Step>,
    /// Volumes of the source image in GB, as the quotas count them.
    pub size_gb: u64,
    /// Whether the source still has the image.
    pub in_source: bool,
    /// The object in the vault, once there is one.
    pub object: Option<Box<Held>>,
    /// The restored image, once there is one; always `None` for tier `archive`.
    pub restored: Option<ImageId>,
    /// Whether EC2 is restoring the image now.
    pub is_restoring: bool,
    /// When the newest of its restores began.
    pub restore_began: Option<Timestamp>,
    /// The newest restores, if they failed.
    pub failed_restores: Option<Box<FailedRestores>>,
    /// When the manifest was written.
    pub completed_at: Option<Timestamp>,
}

/// The `.bin` in the vault; bucket and key follow from the recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub version: Option<Box<str>>,
    /// Size in bytes.
    pub size: u64,
    /// Its checksum, with its algorithm and a colon before it.
    pub checksum: Option<Box<str>>,
    /// When it was written, where S3 tells.
    pub written: Option<Timestamp>,
    /// Its storage class as S3 names it; `None` for `STANDARD`.
    pub class: Option<Box<str>>,
    /// The archive that it has to be retrieved from, as S3 names it; `None` where it is read at once.
    pub archived: Option<Box<str>>,
}

/// An image that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name; empty while it is not known.
    pub name: Box<str>,
    /// Why.
    pub code: Code,
    /// The particulars.
    pub detail: Box<str>,
    /// Family, tier and creation if a policy promises a copy of it anyway, else `None`.
    pub promised: Option<(FamilyIndex, Tier, Timestamp)>,
    /// Whether the source still has the image.
    pub in_source: bool,
}

/// A step that waits for its turn among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The copy into the vault.
    Copy,
    Restore,
}

impl Step {
    /// The step that an effect is, if it is one that waits for a turn.
    pub fn of(effect: &Effect) -> Option<Self> {
        match effect {
            Effect::Copy(_) => Some(Self::Copy),
            Effect::Restore(_) => Some(Self::Restore),
            Effect::Lock(..)
            | Effect::Protect(_)
            | Effect::DemandImdsV2(_)
            | Effect::Record(_)
            | Effect::RecordAgain(_) => None,
        }
    }
}

/// What the loop decided after a fault about one recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason code.
    pub code: Code,
    /// AWS's words, visible and cut.
    pub detail: Box<str>,
    /// Whether it waits for a person or another system.
    pub parked: bool,
    /// How many attempts failed in a row.
    pub attempts: u32,
    /// When the first of them failed.
    pub since: Timestamp,
    /// When the next one is made, unless an event comes first.
    pub retry_at: Timestamp,
}

impl Row {
    /// The recovery point, if the row is one, as reports show it: it counts as parked if the loop
    /// has parked it since the observation.
    pub fn point(&self) -> Option<PointStatus<'_>> {
        let Some(Fact::Point(point)) = &self.fact else { return None };
        let failure = self.failure.as_deref().filter(|_| point.state == State::InProgress);
        let (state, code, detail) = match failure {
            Some(failure) if failure.parked => (State::Parked, failure.code, &*failure.detail),
            Some(failure) => (point.state, failure.code, &*failure.detail),
            None => (point.state, point.code, &*point.detail),
        };
        let next = self.failure.as_deref().map(|failure| failure.retry_at).or(self.next);
        Some(PointStatus { point, state, code, detail, next, failure: self.failure.as_deref() })
    }

    /// The left-out image, if the row is one.
    pub fn left_out(&self) -> Option<&LeftOut> {
        match &self.fact {
            Some(Fact::LeftOut(left_out)) => Some(left_out),
            Some(Fact::Point(_) | Fact::Unread(_)) | None => None,
        }
    }

    /// Whether a look failed, and none has ever observed it: nothing is known of it.
    pub fn is_unread(&self) -> bool {
        self.unobserved.is_some() && matches!(self.fact, None | Some(Fact::Unread(_)))
    }

    /// Why the last look could not observe it.
    pub fn unobserved(&self) -> Option<&str> {
        self.unobserved.as_deref()
    }
}

impl Row {
    /// Whether its family does not follow from its image: that was not seen, or there is a record.
    pub fn may_be_of_any_family(&self) -> bool {
        self.family().is_none() || self.versions(Once::Manifest) > 0
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.observed_at.is_none() && self.unobserved.is_none()
    }

    pub(super) fn is_in_source(&self) -> bool {
        match &self.fact {
            Some(Fact::Point(point)) => point.in_source,
            Some(Fact::LeftOut(left_out)) => left_out.in_source,
            Some(Fact::Unread(_)) | None => false,
        }
    }

    /// Whether no walk found anything of it in the vault.
    pub(super) fn is_nowhere(&self) -> bool {
        let held = matches!(&self.fact, Some(Fact::Point(point)) if point.object.is_some());
        self.met[0] == 0 && !self.touched && !held
    }

    /// When its source image was created, if it was given up: images that repeat it are as old.
    pub(super) fn given_up(&self) -> Option<Timestamp> {
        self.disputed.as_ref()?.given_up().map(|(created, _)| created)
    }

    /// The files that the last look knew of, if it was given up.
    pub(super) fn files_given_up(&self) -> Option<Files> {
        self.disputed.as_ref()?.given_up().map(|(_, files)| files)
    }

    /// The family to which a copy is promised.
    pub fn family(&self) -> Option<FamilyIndex> {
        match &self.fact {
            Some(Fact::Point(point)) => Some(point.family),
            Some(Fact::LeftOut(left_out)) => left_out.promised.map(|(family, ..)| family),
            Some(Fact::Unread(family)) => Some(*family),
            None => None,
        }
    }

    /// The family and the creation of an image that was never complete.
    pub(super) fn unfinished(&self) -> Option<(FamilyIndex, Timestamp)> {
        match &self.fact {
            Some(Fact::Point(point)) if point.completed_at.is_some() || point.state.is_lost() => {
                None
            }
            _ => self.family().zip(self.created()),
        }
    }

    pub(super) fn family_mut(&mut self) -> Option<&mut FamilyIndex> {
        match &mut self.fact {
            Some(Fact::Point(point)) => Some(&mut point.family),
            Some(Fact::LeftOut(left_out)) => left_out
                .promised
                .as_mut()
                .map(|(family, ..): &mut (FamilyIndex, Tier, Timestamp)| family),
            Some(Fact::Unread(family)) => Some(family),
            None => None,
        }
    }
}

/// The present status of a recovery point.
#[derive(Debug, Clone, Copy)]
pub struct PointStatus<'a> {
    /// What was observed.
    pub point: &'a Point,
    /// How far it is.
    pub state: State,
    /// Why it is not further, or `complete`.
    pub code: Code,
    /// The particulars, for people.
    pub detail: &'a str,
    /// When it is looked at again, unless an event comes first.
    pub next: Option<Timestamp>,
    /// What failed since.
    pub failure: Option<&'a Failure>,
}

impl Point {
    pub(super) fn of(
        observed: &Observed,
        judged: &Judged,
        family: FamilyIndex,
        in_source: bool,
    ) -> Option<Self> {
        let promised = judged.promised.as_ref()?;
        let (state, code, detail) = standing(observed, judged);
        let completed_at = match &observed.manifest {
            ManifestFact::Present(manifest) => Some(manifest.completed_at),
            ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Pruned(_) => None,
        };
        let wants = match &judged.decision {
            Decision::Act(effect) => Step::of(effect),
            _ => None,
        };
        Some(Self {
            family,
            name: observed.image_name().into(),
            tier: promised.tier,
            created: promised.created,
            state,
            code,
            detail: detail.into(),
            wants,
            size_gb: judged.terms.as_ref().map_or(0, |terms| terms.source.size_gib),
            in_source,
            object: observed.object.as_ref().map(|object| Box::new(Held::of(object))),
            restored: restored(observed, promised.tier, code),
            is_restoring: matches!(
                &judged.decision,
                Decision::Wait { code: Code::RestoreRunning, .. }
            ),
            restore_began: restore_began(observed),
            failed_restores: FailedRestores::of(observed).map(Box::new),
            completed_at,
        })
    }
}

impl Point {
    /// A recovery point with a record that cannot be read now.
    pub(super) fn unread(
        family: FamilyIndex,
        promised: &Promised,
        (code, detail): (Code, &str),
        in_source: bool,
    ) -> Self {
        Self {
            family,
            name: "".into(),
            tier: promised.tier,
            created: promised.created,
            state: LossKind::of(code).into(),
            code,
            detail: detail.into(),
            wants: None,
            size_gb: 0,
            in_source,
            object: None,
            restored: None,
            is_restoring: false,
            restore_began: None,
            failed_restores: None,
            completed_at: None,
        }
    }
}

impl Held {
    fn of(object: &StoredObject) -> Self {
        Self {
            version: object.at.version.as_deref().map(Into::into),
            size: object.size,
            checksum: object.checksum.as_ref().map(|sum| sum.to_string().into()),
            written: object.last_modified,
            class: object.class.as_deref().map(Into::into),
            archived: object.archived.as_ref().map(|archived| archived.place.as_str().into()),
        }
    }
}

fn standing<'a>(observed: &Observed, judged: &'a Judged) -> (State, Code, &'a str) {
    match (&judged.decision, &judged.loss) {
        (Decision::Done(code), _) => {
            (State::Complete, *code, judged.finding.as_deref().unwrap_or_default())
        }
        _ if taken_on_trust(observed) => (State::Complete, Code::Complete, ""),
        (_, Some(loss)) => (loss.kind.into(), loss.code, &loss.detail),
        (Decision::Wait { code, detail, .. } | Decision::Ineligible { code, detail }, None) => {
            (State::InProgress, *code, detail)
        }
        (Decision::Park { code, detail, .. }, None) => (State::Parked, *code, detail),
        // Only its lock is extended.
        (Decision::Act(Effect::Lock(..)), None)
            if matches!(observed.manifest, ManifestFact::Present(_)) =>
        {
            (State::Complete, Code::Complete, judged.finding.as_deref().unwrap_or_default())
        }
        (Decision::Act(effect), None) => (State::InProgress, Code::InTurn, effect.what()),
    }
}

/// Only where such a mistake is planted.
fn taken_on_trust(observed: &Observed) -> bool {
    (observed.object.is_some() && has(Bug::AuditTrustsObject))
        || (matches!(observed.manifest, ManifestFact::Present(_)) && has(Bug::AuditTrustsManifest))
}

/// When our restore of this recovery point began, if it succeeded.
pub(super) fn proven_at(observed: &Observed) -> Option<Timestamp> {
    let is_available = observed.restored.last()?.state == ImageState::Available;
    restore_began(observed).filter(|_| is_available)
}

/// When our newest restore of this recovery point began.
fn restore_began(observed: &Observed) -> Option<Timestamp> {
    let image = observed.restored.last()?;
    let id = &observed.id;
    let is_ours = image.owner == id.target_account && names::is_tagged_for(id, &image.tags);
    is_ours.then_some(image.created)
}

/// The restored image: neither a foreign image with its name, nor one that never became usable.
fn restored(observed: &Observed, tier: Tier, code: Code) -> Option<ImageId> {
    let image = observed.restored.last()?;
    let failed = matches!(image.state, ImageState::Failed | ImageState::Deregistered);
    (tier == Tier::Ready && code != Code::NameTaken && !failed).then(|| image.id.clone())
}
