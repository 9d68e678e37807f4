//! The page's words and tone for the state of a family.

use super::facts::Tone;
use crate::family::RpoState;

/// Every state, the good ones first.
pub(super) const BY_TONE: [RpoState; 7] = [
    RpoState::WithinRpo,
    RpoState::Pending,
    RpoState::Retired,
    RpoState::NotAssessed,
    RpoState::Breached,
    RpoState::Unprotected,
    RpoState::Lost,
];

/// How it is shown.
pub fn tone(state: RpoState) -> Tone {
    match state {
        RpoState::WithinRpo => Tone::Good,
        RpoState::Pending | RpoState::Retired => Tone::Busy,
        RpoState::Breached | RpoState::Unprotected | RpoState::Lost => Tone::Bad,
        RpoState::NotAssessed => Tone::Unknown,
    }
}

/// The name of tables and JSON, as people write it.
pub(super) fn words(state: RpoState) -> String {
    state.as_str().replace('_', " ").replace("rpo", "RPO")
}

/// What it says.
pub(super) fn meaning(state: RpoState) -> &'static str {
    match state {
        RpoState::WithinRpo => "the newest complete recovery point is within the RPO",
        RpoState::Pending => {
            "nothing is complete yet, and the RPO has not passed since the oldest image"
        }
        RpoState::Breached => "the newest complete recovery point is older than the RPO",
        RpoState::Unprotected => {
            "nothing is complete, and the RPO has passed since the oldest image, or there is none"
        }
        RpoState::Lost => {
            "what was complete is lost, tampered with or unusable, and nothing else is complete"
        }
        RpoState::Retired => "its workload has ended, so nothing is promised any more",
        RpoState::NotAssessed => {
            "nothing of it is known to be complete and something could not be read, or it has no RPO"
        }
    }
}
