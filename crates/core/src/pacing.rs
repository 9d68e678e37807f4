//! How often a worker may call EC2 to create a task: a copy of EC2's token bucket, so that the
//! worker waits instead of being refused.
//!
//! `CreateStoreImageTask` and `CreateRestoreImageTask` have a bucket each per account and Region.

use jiff::{SignedDuration, Timestamp};

use crate::span::Span;

/// The size of the bucket of one create call, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRate {
    /// Tokens in a full bucket, at least 1.
    pub burst: u32,
    /// Time for one token.
    pub refill: Span,
}

impl CallRate {
    /// EC2 admits no larger burst from any account: one above it is a mistake.
    pub const LARGEST_BURST: u32 = 10_000;

    /// EC2 has no faster rate.
    pub const SHORTEST_REFILL: Span = Span::from_millis(10);

    /// EC2 has no slower rate.
    pub const LONGEST_REFILL: Span = Span::from_secs(3_600);
}

impl Default for CallRate {
    /// EC2's own: 50 tokens, refilled at 0.1 a second (EC2 developer guide, *Request throttling for
    /// the Amazon EC2 API*). Service Quotas raises them for an account and Region.
    fn default() -> Self {
        Self { burst: 50, refill: Span::from_secs(10) }
    }
}

/// How much later than its decision the first call of a burst may reach EC2, whose full bucket
/// begins to refill only then. EC2 would refuse a call at the very moment of its token.
const LATENESS: SignedDuration = SignedDuration::from_secs(1);

/// What is left of the bucket of one create call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallBudget {
    rate: CallRate,
    tokens: u32,
    /// Since when the next token fills; irrelevant while the bucket is full.
    since: Timestamp,
}

impl CallBudget {
    /// A full bucket: no other caller is known.
    pub fn full(rate: CallRate, now: Timestamp) -> Self {
        Self { rate, tokens: rate.burst, since: now }
    }

    /// Most calls at once: those of a full bucket, at least 1.
    pub fn burst(&self) -> u32 {
        self.rate.burst.max(1)
    }

    /// How many tokens fill within a time.
    pub fn grown_in(&self, time: SignedDuration) -> u32 {
        let grown = time.as_nanos().max(0) / self.rate.refill.signed().as_nanos().max(1);
        u32::try_from(grown).unwrap_or(u32::MAX)
    }

    /// How many calls may be made now.
    pub fn available(&mut self, now: Timestamp) -> u32 {
        let grown = self.grown_in(now.duration_since(self.since));
        if self.tokens.saturating_add(grown) >= self.rate.burst {
            *self = Self::full(self.rate, now);
        } else {
            self.tokens += grown;
            self.since = self.time_of(grown);
        }
        self.tokens
    }

    /// Counts a call that is made now.
    pub fn spend(&mut self, now: Timestamp) {
        if self.available(now) == self.rate.burst {
            self.since = now.saturating_add(LATENESS).unwrap_or(Timestamp::MAX);
        }
        self.tokens = self.tokens.saturating_sub(1);
    }

    /// EC2 refused a call: another caller uses the bucket too, and it is empty.
    pub fn empty(&mut self, now: Timestamp) {
        *self = Self { tokens: 0, since: now, ..*self };
    }

    /// When the call that is `position` calls behind those available now can be made; the first
    /// has position 0.
    pub fn time_of_call(&self, position: u32) -> Timestamp {
        self.time_of(position.saturating_add(1))
    }

    fn time_of(&self, tokens: u32) -> Timestamp {
        let tokens = i32::try_from(tokens).unwrap_or(i32::MAX);
        let wait = self.rate.refill.signed().saturating_mul(tokens);
        self.since.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn fifty_calls_go_at_once_and_then_one_every_ten_seconds() {
        let mut budget = CallBudget::full(CallRate::default(), at(0));
        for _ in 0..50 {
            assert!(budget.available(at(0)) > 0);
            budget.spend(at(0));
        }
        for (seconds, available) in [(0, 0), (10, 0), (11, 1), (20, 1), (21, 2), (1_000, 50)] {
            assert_eq!(budget.clone().available(at(seconds)), available, "after {seconds} s");
        }
        assert_eq!(budget.time_of_call(0), at(11));
        assert_eq!(budget.time_of_call(4), at(51));
    }

    #[test]
    fn a_call_that_reaches_ec2_late_makes_none_of_those_after_it_too_early() {
        let mut budget = CallBudget::full(CallRate::default(), at(0));
        // EC2's own bucket, which the first call reached after a second.
        let (mut tokens, mut then) = (50.0, at(1));
        for second in 0..2_000 {
            let now = at(second);
            while budget.available(now) > 0 {
                budget.spend(now);
                let reached = now.max(at(1));
                tokens += reached.duration_since(then).as_secs_f64() / 10.0;
                then = reached;
                assert!(tokens >= 0.999_999, "refused after {second} s");
                tokens -= 1.0;
            }
        }
    }

    #[test]
    fn a_raised_rate_is_used_to_its_end_and_a_fraction_of_a_second_counts() {
        let rate = CallRate { burst: 3, refill: "250ms".parse().unwrap() };
        let mut budget = CallBudget::full(rate, at(0));
        for _ in 0..3 {
            assert!(budget.available(at(0)) > 0);
            budget.spend(at(0));
        }
        // The bucket begins to fill a second after the first call.
        for (seconds, available) in [(0, 0), (1, 0), (2, 3), (100, 3)] {
            assert_eq!(budget.clone().available(at(seconds)), available, "after {seconds} s");
        }
        assert_eq!(budget.time_of_call(1), at(1) + SignedDuration::from_millis(500));
        assert_eq!(budget.time_of_call(u32::MAX), budget.time_of_call(u32::MAX - 1));
    }

    #[test]
    fn a_refusal_empties_the_bucket() {
        let mut budget = CallBudget::full(CallRate::default(), at(0));
        budget.empty(at(5));
        assert_eq!(budget.available(at(14)), 0);
        assert_eq!(budget.available(at(15)), 1);
    }

    proptest! {
        #[test]
        fn no_window_sees_more_calls_than_the_bucket_allows(
            burst in 1_u32..80,
            refill in 1_u64..20,
            pauses in proptest::collection::vec(0_i64..40, 1..300),
        ) {
            let rate = CallRate { burst, refill: Span::from_secs(refill) };
            let mut budget = CallBudget::full(rate, at(0));
            let mut now = 0;
            let mut calls = 0_i64;
            for pause in pauses {
                now += pause;
                while budget.available(at(now)) > 0 {
                    budget.spend(at(now));
                    calls += 1;
                }
                prop_assert!(calls <= i64::from(burst) + now / i64::try_from(refill).unwrap(), "{calls} calls in {now} s");
            }
        }
    }
}
