//! Which work a person can have taken up again, and which workers have to act on it.

use std::collections::BTreeSet;

use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_core::names::{SourceId, VaultId};

use crate::inventory::{NotAssessed, RecoveryPoint, State};
use crate::report::Report;

/// The state of an image about which too little is known, as filters call it.
const NOT_ASSESSED: &str = "not_assessed";

/// Whose worker has to act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// That of the image's own source.
    Source,
    /// That of a vault.
    Vault(VaultId),
}

/// One worker that is to take up the work on one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The image's source.
    pub source: SourceId,
    pub image: ImageId,
    pub actor: Actor,
    /// Its family; empty while it is not known.
    pub family: String,
    /// The word for its state, as reports show it.
    pub state: &'static str,
    /// Why it is not complete; `None` for an image that could not be assessed.
    pub code: Option<Code>,
}

/// What of a report can be taken up again: each recovery point that is not complete, and each image
/// that could not be assessed, once for each worker.
///
/// An image that could not be assessed concerns its source and all these vaults.
pub fn retries(report: &Report, vaults: &[VaultId]) -> Vec<Retry> {
    let points = report.recovery_points.iter().filter(|point| point.state != State::Complete);
    let unknown = report.not_assessed.iter().flat_map(|unknown| of_unknown(unknown, vaults));
    let mut met = BTreeSet::new();
    let all = points.flat_map(of_point).chain(unknown);
    all.filter(|retry| met.insert((retry.source.clone(), retry.image.clone(), retry.actor.clone())))
        .collect()
}

fn of_point(point: &RecoveryPoint) -> impl Iterator<Item = Retry> {
    let id = point.id();
    let actors = match point.code {
        _ if point.refused_in_source => [Some(Actor::Source), None],
        Code::ImagePending | Code::NotStaged => [Some(Actor::Source), None],
        // The staged object is missing, or the image has to change: the source stores it again.
        Code::StagedObjectUnverifiable
        | Code::ObjectLost
        | Code::CreatedInFuture
        | Code::TooManyTags => [Some(Actor::Source), Some(Actor::Vault(id.vault()))],
        _ => [Some(Actor::Vault(id.vault())), None],
    };
    actors.into_iter().flatten().map(move |actor| Retry {
        source: id.source(),
        image: id.source_image_id.clone(),
        actor,
        family: point.family.clone(),
        state: point.state.as_str(),
        code: Some(point.code),
    })
}

fn of_unknown(unknown: &NotAssessed, vaults: &[VaultId]) -> Vec<Retry> {
    // A text that is no id names nothing that a worker could look at.
    let image = unknown.source_image_id.as_deref().and_then(|id| id.parse::<ImageId>().ok());
    let Some(image) = image else { return Vec::new() };
    let (account, region) = (unknown.source_account.clone(), unknown.source_region.clone());
    let source = SourceId { account, region };
    let actors = std::iter::once(Actor::Source).chain(vaults.iter().cloned().map(Actor::Vault));
    let retry = |actor| Retry {
        source: source.clone(),
        image: image.clone(),
        actor,
        family: String::new(),
        state: NOT_ASSESSED,
        code: None,
    };
    actors.map(retry).collect()
}
