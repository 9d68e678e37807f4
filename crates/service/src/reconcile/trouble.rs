//! What the loop itself cannot do, outside the effects of any key.

use amiferry_core::fault::FaultClass;

/// Failures in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failures {
    /// How many.
    pub(super) count: u32,
    /// Whether the last one is of another class than the one before.
    pub(super) is_new: bool,
    /// The class of the last one.
    pub(super) class: FaultClass,
    /// Whether the log reported them, so that it must also report their end.
    pub(super) told: bool,
}

/// Work of the loop itself, outside the effects of any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    Receiving,
    Sweeping,
    Tidying,
    Looking,
    Deleting,
    Hiding,
}

impl Trouble {
    /// The text of the log and of the snapshot.
    pub(super) fn failing(self) -> &'static str {
        match self {
            Self::Receiving => "receiving from the queue fails",
            Self::Sweeping => "the sweep fails",
            Self::Tidying => "tidying up fails",
            Self::Looking => "looking fails",
            Self::Deleting => "deleting messages fails",
            Self::Hiding => "keeping messages hidden fails",
        }
    }

    /// The text of the log when it works again.
    pub(super) fn recovered(self) -> &'static str {
        match self {
            Self::Receiving => "receiving from the queue works again",
            Self::Sweeping => "the sweep works again",
            Self::Tidying => "tidying up works again",
            Self::Looking => "looking works again",
            Self::Deleting => "deleting messages works again",
            Self::Hiding => "keeping messages hidden works again",
        }
    }
}
