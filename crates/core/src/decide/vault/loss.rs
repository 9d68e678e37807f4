//! Says what a recovery point has lost that was recorded as complete.
//!
//! The decision says what is next; this says what is so meanwhile. A recovery point on its way back
//! is as lost as one that nothing brings back.

use super::{Effect, ManifestFact, Observed};
use crate::code::{Code, Kind};
use crate::decide::Decision;
use crate::ids::SnapshotId;
use crate::model::ImageState;
use crate::policy::Tier;

/// How something that was recorded as complete is not complete any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossKind {
    /// A part of it is gone.
    Lost,
    /// A part of it was changed from outside.
    Tampered,
    /// It is there, but cannot be used.
    Unusable,
}

impl LossKind {
    /// The kind of loss that a code says of a recovery point that was complete.
    pub fn of(code: Code) -> Self {
        match code.kind() {
            Kind::Lost => Self::Lost,
            Kind::Tampered | Kind::Mismatch => Self::Tampered,
            Kind::Unusable
            | Kind::LeftOut
            | Kind::Unprotectable
            | Kind::Waiting
            | Kind::Parked
            | Kind::Done => Self::Unusable,
        }
    }
}

/// What a recovery point has lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// How it is not complete any more.
    pub kind: LossKind,
    /// Why.
    pub code: Code,
    /// The particulars, for people.
    pub detail: String,
}

impl Loss {
    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { kind: LossKind::of(code), code, detail: detail.into() }
    }
}

/// What was lost, if anything was: a recovery point with a record is complete or has lost
/// something, and nothing between. Without a record, only what another can have done counts.
pub(super) fn loss(
    observed: &Observed,
    tier: Option<Tier>,
    decision: &Decision<Effect>,
) -> Option<Loss> {
    let parked = match decision {
        Decision::Done(_) => return None,
        Decision::Park { code, detail, .. } => Some((*code, detail.as_str())),
        Decision::Act(_) | Decision::Wait { .. } | Decision::Ineligible { .. } => None,
    };
    let said = |wanted: fn(Kind) -> bool| parked.filter(|(code, _)| wanted(code.kind()));
    // Another image in the place of the recorded one is no forgery: the worker restored it again.
    if let Some((Code::ManifestMismatch, detail)) = parked
        && let Some(what) = replaced(observed)
    {
        return Some(Loss::new(Code::RestoredImageLost, format!("{what}; {detail}")));
    }
    // An archived object stands only in the way of its image's return.
    if let Some((Code::ObjectArchived, _)) = parked
        && tier == Some(Tier::Ready)
        && matches!(observed.manifest, ManifestFact::Present(_))
        && let Some(what) = missing_image(observed)
    {
        return Some(Loss::new(Code::RestoredImageLost, also(&what, parked)));
    }
    if let Some((code, detail)) = said(Kind::is_loss) {
        return Some(Loss::new(code, detail));
    }
    if observed.manifest == ManifestFact::Absent {
        return None;
    }
    if observed.object.is_none() {
        return Some(Loss::new(Code::ObjectLost, also("nothing is under its key", parked)));
    }
    let is_mismatch = |kind| kind == Kind::Mismatch;
    let is_key = |(code, _): &(Code, &str)| *code == Code::KeyUnusable;
    if let Some((code, detail)) = said(is_mismatch).or(parked.filter(is_key)) {
        return Some(Loss::new(code, detail));
    }
    if tier == Some(Tier::Ready)
        && let Some(what) = missing_image(observed)
    {
        return Some(Loss::new(Code::RestoredImageLost, also(&what, parked)));
    }
    Some(match (decision, parked) {
        (Decision::Act(Effect::Protect(id)), _) => {
            Loss::new(Code::ImageUnprotected, id.to_string())
        }
        (Decision::Act(Effect::DemandImdsV2(id)), _) => {
            Loss::new(Code::MetadataMismatch, format!("{id} no longer requires IMDSv2"))
        }
        (Decision::Act(effect), _) => Loss::new(Code::ManifestMismatch, effect.what()),
        (Decision::Wait { code: Code::Settling, detail, .. }, _) => {
            Loss::new(Code::ImageUnprotected, detail.as_str())
        }
        (Decision::Wait { code, detail, .. }, _)
        | (Decision::Ineligible { code, detail }, _)
        | (Decision::Park { code, detail, .. }, _) => Loss::new(*code, detail.as_str()),
        (Decision::Done(_), _) => return None,
    })
}

/// That another image of ours is in the place of the recorded one.
fn replaced(observed: &Observed) -> Option<String> {
    let ManifestFact::Present(manifest) = &observed.manifest else { return None };
    let (recorded, image) = (manifest.restored.as_ref()?, observed.restored.last()?);
    (recorded.image_id != image.id)
        .then(|| format!("EC2 shows {} instead of {}", image.id, recorded.image_id))
}

/// Why the recorded image is not there as a whole.
fn missing_image(observed: &Observed) -> Option<String> {
    let recorded = match &observed.manifest {
        ManifestFact::Present(manifest) => manifest.restored.as_ref().map(|image| &image.image_id),
        ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Pruned(_) => None,
    };
    let name = recorded.map_or("the restored image".to_owned(), ToString::to_string);
    let Some(image) = observed.restored.last() else {
        return Some(format!("EC2 does not show {name}"));
    };
    if let Some(what) = replaced(observed) {
        return Some(what);
    }
    match &image.state {
        // One that is only disabled can be enabled again.
        ImageState::Available | ImageState::Disabled => {}
        ImageState::Failed => return Some(format!("{name} failed")),
        ImageState::Deregistered => return Some(format!("{name} is deregistered")),
        ImageState::Pending => return Some(format!("{name} is being restored")),
        ImageState::Other(state) => return Some(format!("{name} is {state}")),
    }
    let shown = |id: &SnapshotId| observed.snapshots.iter().any(|snapshot| snapshot.id == *id);
    if let Some(missing) = image.snapshots().find(|id| !shown(id)) {
        return Some(format!("EC2 does not show {missing} of {name}"));
    }
    let unknown = image.state == ImageState::Available && observed.launch_permissions.is_none();
    unknown.then(|| format!("EC2 does not know {name} everywhere"))
}

/// A loss, and what stands in the way back.
fn also(what: &str, parked: Option<(Code, &str)>) -> String {
    match parked {
        Some((code, detail)) => format!("{what}; {code}: {detail}"),
        None => what.to_owned(),
    }
}
