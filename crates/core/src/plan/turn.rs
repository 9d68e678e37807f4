//! What the plan answers to one image that waits: go, or wait, how long and why.

use jiff::Timestamp;

use super::order::Why;
use crate::code::Code;
use crate::decide::{Decision, Pace};
use crate::span::Span;

/// The answer to an image that waits for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Its task may be started now.
    Now,
    /// The quota has no room.
    QuotaFull {
        /// What is in progress in GB, as EC2 counts volumes; those whose turn is now included.
        in_progress_gb: u64,
        /// The quota in GB.
        limit_gb: u64,
        /// How many others go before it.
        position: usize,
    },
    /// The quota has room, but no create call is left.
    Paced {
        /// How many others go before it, counting from those that wait for a call.
        position: usize,
        /// When EC2 admits its call.
        at: Timestamp,
    },
}

/// So many of those that wait are looked at as often as running work: tasks that others start and
/// end fill and empty the quota, too, without any event for us.
const FRONT: usize = 8;

/// The others are woken when their turn comes, and looked at this often in case it never does.
const BACK: Span = Span::from_secs(3_600);

impl Turn {
    /// The wait of one whose turn has not come; `None` for one that goes now.
    pub fn wait<A>(self, why: Why, pace: Pace, now: Timestamp) -> Option<Decision<A>> {
        let after = |position: usize| match position {
            ..FRONT => pace.poll.after(now),
            _ => pace.park.max(BACK).after(now),
        };
        let (until, code, room, position) = match self {
            Self::Now => return None,
            Self::QuotaFull { in_progress_gb, limit_gb, position } => {
                let room = format!("{in_progress_gb} GB in progress of {limit_gb}; ");
                (after(position), Code::QuotaFull, room, position)
            }
            Self::Paced { position, at } => {
                (at.min(BACK.after(now)), Code::Paced, String::new(), position)
            }
        };
        let before = match position {
            0 => "next".to_owned(),
            1 => "1 image goes before it".to_owned(),
            many => format!("{many} images go before it"),
        };
        Some(Decision::Wait { until, code, detail: format!("{room}{before}: {}", why.shown(now)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_of_the_line_is_looked_at_soon_and_the_rest_when_its_turn_comes() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let pace = Pace { poll: Span::from_secs(30), park: Span::from_secs(300) };
        let full = |position| Turn::QuotaFull { in_progress_gb: 9, limit_gb: 9, position };
        let at = Span::from_secs(40).after(now);
        for (turn, expected) in [
            (Turn::Now, None),
            (full(0), Some((Code::QuotaFull, 30))),
            (full(7), Some((Code::QuotaFull, 30))),
            (full(8), Some((Code::QuotaFull, 3_600))),
            (Turn::Paced { position: 3, at }, Some((Code::Paced, 40))),
        ] {
            let waited = match turn.wait::<()>(Why::Older, pace, now) {
                Some(Decision::Wait { until, code, .. }) => {
                    Some((code, until.duration_since(now).as_secs()))
                }
                Some(_) | None => None,
            };
            assert_eq!(waited, expected, "{turn:?}");
        }
    }
}
