//! How the page speaks of a family's standing, and in which tone.

use super::view::Tone;
use crate::family::Standing;

/// Every standing, the good ones first.
pub(super) const BY_TONE: [Standing; 5] = [
    Standing::WithinRpo,
    Standing::Pending,
    Standing::NotAssessed,
    Standing::Breached,
    Standing::Unprotected,
];

/// How it is shown.
pub(super) fn tone(standing: Standing) -> Tone {
    match standing {
        Standing::WithinRpo => Tone::Good,
        Standing::Pending => Tone::Busy,
        Standing::Breached | Standing::Unprotected => Tone::Bad,
        Standing::NotAssessed => Tone::Unknown,
    }
}

/// The name of tables and JSON, as people write it.
pub(super) fn words(standing: Standing) -> String {
    standing.as_str().replace('_', " ").replace("rpo", "RPO")
}

/// What it says.
pub(super) fn meaning(standing: Standing) -> &'static str {
    match standing {
        Standing::WithinRpo => "the newest complete recovery point is within the RPO",
        Standing::Pending => {
            "nothing is complete yet, and the RPO has not passed since the oldest image"
        }
        Standing::Breached => "the newest complete recovery point is older than the RPO",
        Standing::Unprotected => {
            "nothing is complete, and the RPO has passed since the oldest image, or there is none"
        }
        Standing::NotAssessed => {
            "its policy is not configured any more, so there is no RPO to judge it by"
        }
    }
}
