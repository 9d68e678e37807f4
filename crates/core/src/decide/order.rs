//! Decides who goes first when a quota has room for some but not for all.

use jiff::Timestamp;

use crate::ids::ImageId;

/// What the order of a task depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urgency {
    /// The policy's priority: higher goes first.
    pub priority: i32,
    /// When the image's family breaks its RPO unless this image is complete: earlier goes first.
    pub deadline: Timestamp,
    /// The image, so that equal urgencies have one order.
    pub image: ImageId,
}

impl Ord for Urgency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |u: &Self| (std::cmp::Reverse(u.priority), u.deadline, u.image.clone());
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Urgency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
