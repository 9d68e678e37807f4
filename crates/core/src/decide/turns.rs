//! Decides who may start a task now: the most urgent first, as far as quota and call rate allow.

use jiff::Timestamp;

use super::order::Urgency;
use super::{Decision, Pace};
use crate::admission::Admission;
use crate::code::Code;
use crate::pacing::CallBudget;

/// Someone who wants to start a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// How urgent it is.
    pub urgency: Urgency,
    /// What the quota will count.
    pub size_gb: u64,
}

/// The answer to an applicant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Start now.
    Now,
    /// The quota has no room: this much is in progress, those who go now included.
    QuotaFull {
        /// In GB, as EC2 counts volumes.
        in_progress_gb: u64,
    },
    /// The quota has room, but no call is left; so many others wait before it.
    Paced {
        /// 0 for the next one.
        position: u32,
    },
}

impl Turn {
    /// The wait of one whose turn has not come, under a quota of `limit_gb`; `None` for one that
    /// goes now.
    pub fn wait<A>(
        self,
        limit_gb: u64,
        calls: &CallBudget,
        pace: Pace,
        now: Timestamp,
    ) -> Option<Decision<A>> {
        match self {
            Self::Now => None,
            Self::QuotaFull { in_progress_gb } => Some(Decision::Wait {
                until: pace.poll.after(now),
                code: Code::QuotaFull,
                detail: format!("{in_progress_gb} GB in progress of {limit_gb}"),
            }),
            Self::Paced { position } => Some(Decision::Wait {
                until: calls.time_of_call(position),
                code: Code::Paced,
                detail: format!("{position} others before it"),
            }),
        }
    }
}

/// Answers all applicants, in their order; `quota` counts those who go now.
pub fn turns(applicants: &[Applicant], quota: &mut Admission, calls: u32) -> Vec<Turn> {
    let mut order: Vec<usize> = (0..applicants.len()).collect();
    order.sort_by_key(|&index| applicants[index].urgency.clone());
    let mut turns = vec![Turn::Now; applicants.len()];
    let (mut calls, mut paced) = (calls, 0);
    for index in order {
        turns[index] = if !quota.has_room() {
            Turn::QuotaFull { in_progress_gb: quota.in_progress_gb() }
        } else if calls == 0 {
            paced += 1;
            Turn::Paced { position: paced - 1 }
        } else {
            calls -= 1;
            quota.admit(applicants[index].size_gb);
            Turn::Now
        };
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn applicant(priority: i32, deadline: i64, size_gb: u64) -> Applicant {
        let urgency = Urgency {
            priority,
            deadline: Timestamp::from_second(deadline).unwrap(),
            image: "ami-0abcdef1".parse().unwrap(),
        };
        Applicant { urgency, size_gb }
    }

    #[test]
    fn priority_goes_before_deadline_and_the_quota_stops_the_rest() {
        let applicants = [applicant(0, 1, 100), applicant(0, 9, 100), applicant(5, 5, 1_200)];
        let turns = turns(&applicants, &mut Admission::new(1_200, 0), 50);
        let full = Turn::QuotaFull { in_progress_gb: 1_200 };
        assert_eq!(turns, [full, full, Turn::Now]);
    }

    #[test]
    fn without_calls_the_others_wait_in_line() {
        let applicants = [applicant(0, 3, 1), applicant(0, 1, 1), applicant(0, 2, 1)];
        let turns = turns(&applicants, &mut Admission::new(1_200, 0), 1);
        assert_eq!(turns, [Turn::Paced { position: 1 }, Turn::Now, Turn::Paced { position: 0 }]);
    }

    #[test]
    fn a_full_quota_is_looked_at_after_a_poll_and_a_call_when_its_token_is_there() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let pace = Pace { poll: Span::from_secs(30), park: Span::from_secs(300) };
        let mut calls = CallBudget::full(now);
        calls.empty(now);
        for (turn, expected) in [
            (Turn::Now, None),
            (Turn::QuotaFull { in_progress_gb: 9 }, Some((Code::QuotaFull, 30))),
            (Turn::Paced { position: 0 }, Some((Code::Paced, 10))),
            (Turn::Paced { position: 3 }, Some((Code::Paced, 40))),
        ] {
            let waited = match turn.wait::<()>(9, &calls, pace, now) {
                Some(Decision::Wait { until, code, .. }) => {
                    Some((code, until.duration_since(now).as_secs()))
                }
                Some(_) | None => None,
            };
            assert_eq!(waited, expected, "{turn:?}");
        }
    }
}
