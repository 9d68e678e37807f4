//! The four milestones of a recovery point, and which of them it has reached.

use amiferry_core::code::Code;
use amiferry_core::policy::Tier;

use crate::inventory::{RecoveryPoint, State};

/// A milestone that is observed as reached, in the order in which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// The staged object is there.
    Stored,
    /// The object is in the vault.
    Copied,
    /// The image is restored from it; tier `ready` only.
    Restored,
    /// Everything was observed, and the manifest says so.
    Complete,
}

impl Milestone {
    /// Every milestone in order.
    pub const ALL: [Self; 4] = [Self::Stored, Self::Copied, Self::Restored, Self::Complete];

    /// What a recovery point is called that has reached it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Copied => "copied",
            Self::Restored => "restored",
            Self::Complete => "complete",
        }
    }

    /// Whether recovery points of a tier pass it.
    pub fn is_of(self, tier: Tier) -> bool {
        self != Self::Restored || tier == Tier::Ready
    }

    /// Whether this recovery point has reached it.
    pub fn is_reached_by(self, point: &RecoveryPoint) -> bool {
        match self {
            Self::Stored => {
                point.vault_object.is_some()
                    || !matches!(point.code, Code::ImagePending | Code::NotStaged)
            }
            Self::Copied => point.vault_object.is_some(),
            Self::Restored => point.tier == Tier::Ready && point.restored_image_id.is_some(),
            Self::Complete => point.state == State::Complete,
        }
    }

    /// The milestone that a recovery point is on its way to; `None` when it is complete.
    pub fn ahead_of(point: &RecoveryPoint) -> Option<Self> {
        if point.state == State::Complete {
            return None;
        }
        let mut milestones = Self::ALL.into_iter().filter(|milestone| milestone.is_of(point.tier));
        milestones.find(|milestone| !milestone.is_reached_by(point)).or(Some(Self::Complete))
    }
}
