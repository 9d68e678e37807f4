//! What an observation asks for, and what follows when one of its questions gets no answer.

use jiff::Timestamp;

use super::{Effect, Vault};
use crate::code::Code;
use crate::decide::{Decision, Later, Pace};
use crate::fault::{Fault, FaultClass};
use crate::model::{Image, KeyVerdict};

/// One question of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The source image.
    Source,
    /// The staged object, or its key.
    Staged,
    /// The vault's own objects: the copy and the manifest.
    VaultObjects,
    /// The restored images, their snapshots and their launch permissions.
    Restored,
}

/// A question that got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// What was asked.
    pub asked: Asked,
    /// Why there is no answer.
    pub fault: Fault,
    /// The source image, if an earlier question was answered with it.
    pub image: Option<Box<Image>>,
}

impl Unanswered {
    /// Whether an unusable vault key can be the cause of the fault: S3 then refuses to show the
    /// checksums of objects under that key, and gives a `HEAD` no reason.
    pub fn may_be_the_key(&self) -> bool {
        let Fault { class, .. } = &self.fault;
        self.asked == Asked::VaultObjects
            && matches!(class, FaultClass::Invalid | FaultClass::Denied | FaultClass::KeyUnusable)
    }

    /// The decision if a key explains the fault, else `None`: S3 says so itself, about whichever key the
    /// object has, or the vault's key cannot be used and S3 does not say why it refuses.
    pub fn explained(&self, vault: &Vault, pace: Pace, now: Timestamp) -> Option<Decision<Effect>> {
        let later = Later { now, pace };
        match &vault.key_verdict {
            _ if !self.may_be_the_key() => None,
            KeyVerdict::Unusable(why) => {
                Some(later.park(Code::KeyUnusable, format!("{why}; {}", self.fault)))
            }
            KeyVerdict::Usable | KeyVerdict::Unknown(_) => (self.fault.class
                == FaultClass::KeyUnusable)
                .then(|| later.park(Code::KeyUnusable, self.fault.to_string())),
        }
    }
}
