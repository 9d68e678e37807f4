//! Why a key pauses, and since when.

use std::time::Duration;

use amiferry_core::code::Code;
use tokio::time::Instant;

/// Why a key is not being worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pause {
    Waiting(Code),
    Parked(Code),
}

impl Pause {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting(_) => "waiting",
            Self::Parked(_) => "parked",
        }
    }
}

/// A key's pause, and since when.
pub(super) type Slot = Option<(Pause, Instant)>;

/// A pause that was replaced, with how long it held.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) old: Option<(Pause, Duration)>,
    pub(super) new: Option<Pause>,
}
