//! What is next for one recovery point that a person wants as an image.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{
    CopyOrder, Effect, FailedRestores, Judged, ManifestFact, Observed, RestoreOrder,
};
use crate::ids::{AccountId, ImageId};
use crate::manifest::RestoredRecord;
use crate::model::{Archived, ObjectVersion};

/// How often a restore may fail before a command gives it up: each try takes the place of others in
/// the quota.
pub const MOST_FAILURES: usize = 3;

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Start a restore, once its turn in the quota has come.
    Restore(Box<RestoreOrder>),
    /// Copy the object to the destination of the restore.
    Copy(Box<CopyOrder>),
    /// Have S3 retrieve the object, which is archived.
    Retrieve(ObjectVersion, Archived),
    /// S3 is retrieving the object; look again then.
    Retrieving(Timestamp, Archived),
    /// Protect the image, or record it.
    Act(Effect),
    /// Let these accounts launch the image.
    Share(ImageId, BTreeSet<AccountId>),
    /// The image is there, and recorded.
    There(Box<RestoredRecord>),
    /// Look again then.
    Wait(Timestamp, Code, String),
    /// It cannot be restored until a person changes something.
    Impossible(Code, String),
}

/// The next step for a recovery point that was observed with a
/// [`Recovery`](crate::decide::vault::Recovery) and judged.
///
/// What the worker would park is impossible now, except a failed restore, which is repeated a few
/// times, and an archived object, which is retrieved.
pub fn next(judged: &Judged, observed: &Observed) -> Next {
    let failures = FailedRestores::of(observed).map_or(0, |failed| failed.started.len());
    match &judged.decision {
        Decision::Act(Effect::Restore(order)) => Next::Restore(order.clone()),
        Decision::Act(
            effect @ (Effect::Protect(_) | Effect::DemandImdsV2(_) | Effect::RecordAgain(_)),
        ) => Next::Act(effect.clone()),
        Decision::Act(effect @ (Effect::Copy(_) | Effect::Lock(..) | Effect::Record(_))) => {
            Next::Impossible(Code::ManifestMismatch, effect.what().to_owned())
        }
        Decision::Wait { until, code, detail } => Next::Wait(*until, *code, detail.clone()),
        Decision::Park { until, code: code @ Code::RestoreFailed, detail }
            if (1..MOST_FAILURES).contains(&failures) =>
        {
            Next::Wait(*until, *code, detail.clone())
        }
        Decision::Park { until, code: Code::ObjectArchived, detail } => {
            let object = observed.object.as_ref();
            match object.and_then(|object| Some((object, object.archived.clone()?))) {
                Some((_, archived)) if archived.retrieving => Next::Retrieving(*until, archived),
                Some((object, archived)) => Next::Retrieve(object.at.clone(), archived),
                None => Next::Impossible(Code::ObjectArchived, detail.clone()),
            }
        }
        Decision::Park { code, detail, .. } | Decision::Ineligible { code, detail } => {
            Next::Impossible(*code, detail.clone())
        }
        Decision::Done(_) => there(observed),
    }
}

fn there(observed: &Observed) -> Next {
    let restored = match &observed.manifest {
        ManifestFact::Present(manifest) => manifest.restored.clone(),
        ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Pruned(_) => None,
    };
    let Some(restored) = restored else {
        return Next::Impossible(Code::ManifestMismatch, "it records no image".to_owned());
    };
    let shown = observed.launch_permissions.iter().flatten();
    let shown: BTreeSet<&str> = shown.map(String::as_str).collect();
    let wanted = observed.recovery.iter().flat_map(|recovery| &recovery.share_with);
    let lacking: BTreeSet<AccountId> =
        wanted.filter(|account| !shown.contains(account.as_str())).cloned().collect();
    match lacking.is_empty() {
        true => Next::There(Box::new(restored)),
        false => Next::Share(restored.image_id, lacking),
    }
}

impl Next {
    /// Whether the recovery point can be had as an image: it is one, or is becoming one.
    pub fn is_usable(&self) -> bool {
        !matches!(self, Self::Impossible(..))
    }
}
