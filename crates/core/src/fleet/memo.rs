//! The part of an observation that a cheap look at a waiting recovery point reuses, packed as JSON:
//! thousands can wait for days, and the observation itself takes several times the memory.

use jiff::{SignedDuration, Timestamp};

use crate::code::Code;
use crate::decide::Decision;
use crate::decide::vault::{Effect, Observed};
use crate::names::RecoveryPointId;

/// How long what was seen of something that waits counts; then all of it is observed again.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(1);

/// The last whole observation of a recovery point that waits, without its id.
#[derive(Debug, Clone)]
pub(super) struct Memo {
    at: Timestamp,
    packed: Box<[u8]>,
}

impl Memo {
    /// What to keep of an observation, if a part of it tells whether the recovery point still
    /// waits.
    pub(super) fn of(
        observed: &Observed,
        decision: &Decision<Effect>,
        now: Timestamp,
    ) -> Option<Self> {
        let waits = match decision {
            Decision::Act(Effect::Restore(_)) => true,
            Decision::Wait { code, .. } => {
                matches!(code, Code::NotStaged | Code::RestoreRunning | Code::Settling)
            }
            _ => false,
        };
        let whole = waits.then(|| serde_json::to_vec(&lasting(observed.clone())).ok()).flatten()?;
        let packed = whole.strip_prefix(&*beginning(&observed.id)?)?;
        Some(Self { at: now, packed: packed.into() })
    }

    /// When all of it was observed.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// The same, observed at another time.
    pub(super) fn dated(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// What was seen of this recovery point, where that still counts. What cannot be read is not
    /// remembered: it is observed again.
    pub(super) fn recall(&self, id: &RecoveryPointId, now: Timestamp) -> Option<Observed> {
        let counts = now.duration_since(self.at) < COUNTS_FOR;
        let mut whole = beginning(id).filter(|_| counts)?;
        whole.extend(&self.packed);
        serde_json::from_slice(&whole).ok()
    }
}

/// How the JSON of an observation begins. Not kept: the row has the id, and often there is little else.
fn beginning(id: &RecoveryPointId) -> Option<Vec<u8>> {
    let mut begins = br#"{"id":"#.to_vec();
    serde_json::to_writer(&mut begins, id).ok()?;
    Some(begins)
}

/// What is left of an observation without all that a cheap look asks for again: the restored
/// images of those with an object in the vault, source image and staged object of the others.
fn lasting(mut observed: Observed) -> Observed {
    match observed.object {
        Some(_) => observed.restored.clear(),
        None => (observed.source, observed.staged) = (None, None),
    }
    observed
}
