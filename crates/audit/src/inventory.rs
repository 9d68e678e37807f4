//! Turns what was observed of each recovery point into one row, through the target worker's own
//! decision: complete is what it would leave alone.

use std::collections::BTreeSet;

use amiferry_core::code::{Code, Kind};
pub use amiferry_core::decide::vault::Promised;
use amiferry_core::decide::vault::{self, Effect, ManifestFact, Observed, Vault};
use amiferry_core::decide::{Decision, Pace, eligibility::LeftOut};
use amiferry_core::ids::{AccountId, BucketName, ImageId, ObjectKey, Region};
use amiferry_core::model::{ImageState, StoredObject};
use amiferry_core::names::{RecoveryPointId, SourceId, VaultId};
use amiferry_core::planted::{Bug, has};
use amiferry_core::policy::{Policies, Tier};
use amiferry_core::span::Span;
use jiff::Timestamp;
use serde::Serialize;

/// All that is known at one time about one vault.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The images in scope and the recovery points that the vault holds.
    pub recovery_points: Vec<RecoveryPoint>,
    /// The images that are left out, each with its reason.
    pub rejected: Vec<Rejected>,
    /// The sources that could not be asked: their images are unknown, their copies are not.
    pub not_assessed: Vec<NotAssessed>,
    /// The sources that were asked for all their images, each with the vault.
    pub places: BTreeSet<Place>,
}

/// A source and a vault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The source.
    pub source: SourceId,
    /// The vault.
    pub vault: VaultId,
}

/// One source image in one target Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveryPoint {
    /// The source account.
    pub source_account: AccountId,
    /// The source Region.
    pub source_region: Region,
    /// The source image.
    pub source_image_id: ImageId,
    /// Its family.
    pub family: String,
    /// The governing policy.
    pub policy: String,
    /// What it holds when complete.
    pub tier: Tier,
    /// The vault account.
    pub target_account: AccountId,
    /// The target Region.
    pub target_region: Region,
    /// How far it is.
    pub state: State,
    /// Why it is not further, or `complete`.
    pub code: Code,
    /// The particulars, for people.
    pub detail: String,
    /// The restored image, once there is one; always `None` for tier `archive`.
    pub restored_image_id: Option<ImageId>,
    /// The object in the vault, once there is one.
    pub vault_object: Option<VaultObject>,
    /// When the source image was created: age is measured from here.
    pub source_created_at: Timestamp,
    /// When the manifest was written.
    pub completed_at: Option<Timestamp>,
}

impl RecoveryPoint {
    /// Which it is.
    pub fn id(&self) -> RecoveryPointId {
        RecoveryPointId {
            source_account: self.source_account.clone(),
            source_region: self.source_region.clone(),
            source_image_id: self.source_image_id.clone(),
            target_account: self.target_account.clone(),
            target_region: self.target_region.clone(),
        }
    }
}

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
}

impl State {
    /// The name in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::InProgress => "in_progress",
            Self::Parked => "parked",
        }
    }
}

/// The `.bin` in the vault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VaultObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The version.
    pub version_id: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// Full-object checksum, `CRC64NVME:` and base64.
    pub checksum: Option<String>,
}

/// An image that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The account whose image it is.
    pub source_account: AccountId,
    /// Its Region.
    pub source_region: Region,
    /// The image.
    pub source_image_id: ImageId,
    /// The Region that holds no copy of it.
    pub target_region: Region,
    /// Why.
    pub code: Code,
    /// The particulars.
    pub reason: String,
    /// The family and RPO that suffer from it; `None` when nothing was promised.
    #[serde(skip)]
    pub promised: Option<Promised>,
}

/// A source that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotAssessed {
    /// The account.
    pub source_account: AccountId,
    /// The Region.
    pub source_region: Region,
    /// What went wrong.
    pub reason: String,
}

/// What one observed recovery point comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// It is in scope.
    Point(RecoveryPoint),
    /// Its image is left out.
    Rejected(Rejected),
}

impl Row {
    /// The row of a recovery point that was observed at `now`, and about which this was decided.
    pub fn new(
        policies: &Policies,
        vault: &Vault,
        observed: &Observed,
        decision: &Decision<Effect>,
        now: Timestamp,
    ) -> Self {
        match vault::terms(policies, observed, now) {
            Ok(terms) => {
                let promised = Promised {
                    policy: terms.policy,
                    family: terms.family,
                    tier: terms.tier,
                    created: terms.source.created_at,
                };
                Self::Point(row(vault, observed, promised, decision))
            }
            Err(left) => match (left.code, vault::promised(policies, observed, left.code)) {
                // Not left out: it is looked at again until it is there.
                (code, Some(promised)) if code.kind() == Kind::Waiting => {
                    Self::Point(row(vault, observed, promised, decision))
                }
                (_, promised) => Self::Rejected(rejected(&observed.id, left, promised)),
            },
        }
    }
}

impl Inventory {
    /// Adds one observed recovery point, as a row or as a rejection.
    pub fn add(&mut self, policies: &Policies, vault: &Vault, observed: &Observed, now: Timestamp) {
        // Only the decision's kind is used, so the pace does not matter.
        let pace = Pace { poll: Span::from_secs(1), park: Span::from_secs(1) };
        let decision = vault::next_step(policies, vault, observed, pace, now);
        self.push(Row::new(policies, vault, observed, &decision, now));
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        match row {
            Row::Point(point) => self.recovery_points.push(point),
            Row::Rejected(image) => self.rejected.push(image),
        }
    }

    /// Adds an image that is left out.
    pub fn reject(&mut self, id: &RecoveryPointId, left: LeftOut, promised: Option<Promised>) {
        self.rejected.push(rejected(id, left, promised));
    }

    /// Adds the rows of another vault.
    pub fn merge(&mut self, other: Self) {
        self.recovery_points.extend(other.recovery_points);
        self.rejected.extend(other.rejected);
        self.places.extend(other.places);
        for source in other.not_assessed {
            if !self.not_assessed.contains(&source) {
                self.not_assessed.push(source);
            }
        }
    }
}

fn rejected(id: &RecoveryPointId, left: LeftOut, promised: Option<Promised>) -> Rejected {
    Rejected {
        source_account: id.source_account.clone(),
        source_region: id.source_region.clone(),
        source_image_id: id.source_image_id.clone(),
        target_region: id.target_region.clone(),
        code: left.code,
        reason: format!("{}: {}", left.code.meaning(), left.detail),
        promised,
    }
}

fn row(
    vault: &Vault,
    observed: &Observed,
    promised: Promised,
    decision: &Decision<Effect>,
) -> RecoveryPoint {
    let (state, code, detail) = match decision {
        Decision::Done(code) => (State::Complete, *code, String::new()),
        _ if taken_on_trust(observed) => (State::Complete, Code::Complete, String::new()),
        Decision::Wait { code, detail, .. } | Decision::Ineligible { code, detail } => {
            (State::InProgress, *code, detail.clone())
        }
        Decision::Park { code, detail, .. } => (State::Parked, *code, detail.clone()),
        Decision::Act(effect) => (State::InProgress, Code::InTurn, next(effect).to_owned()),
    };
    let completed_at = match &observed.manifest {
        ManifestFact::Present(manifest) => Some(manifest.completed_at),
        ManifestFact::Absent | ManifestFact::Unreadable(_) => None,
    };
    let id = &observed.id;
    RecoveryPoint {
        source_account: id.source_account.clone(),
        source_region: id.source_region.clone(),
        source_image_id: id.source_image_id.clone(),
        family: promised.family,
        policy: promised.policy,
        tier: promised.tier,
        target_account: vault.account.clone(),
        target_region: id.target_region.clone(),
        state,
        code,
        detail,
        restored_image_id: restored(observed, promised.tier, code),
        vault_object: observed.object.as_ref().map(object),
        source_created_at: promised.created,
        completed_at,
    }
}

/// Only where such a mistake is planted.
fn taken_on_trust(observed: &Observed) -> bool {
    (observed.object.is_some() && has(Bug::AuditTrustsObject))
        || (matches!(observed.manifest, ManifestFact::Present(_)) && has(Bug::AuditTrustsManifest))
}

/// The restored image: not one that only has its name, nor one that never became usable.
fn restored(observed: &Observed, tier: Tier, code: Code) -> Option<ImageId> {
    let image = observed.restored.last()?;
    let failed = matches!(image.state, ImageState::Failed | ImageState::Deregistered);
    (tier == Tier::Ready && code != Code::NameTaken && !failed).then(|| image.id.clone())
}

fn next(effect: &Effect) -> &'static str {
    match effect {
        Effect::Copy(_) => "to be copied",
        Effect::Restore(_) => "to be restored",
        Effect::Lock(..) | Effect::Protect(_) | Effect::DemandImdsV2(_) => "to be protected",
        Effect::Record(_) => "to be recorded",
    }
}

fn object(object: &StoredObject) -> VaultObject {
    VaultObject {
        bucket: object.at.bucket.clone(),
        key: object.at.key.clone(),
        version_id: object.at.version.clone(),
        size: object.size,
        checksum: object.checksum.as_ref().map(|sum| format!("CRC64NVME:{}", sum.value())),
    }
}
