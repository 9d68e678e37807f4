//! How long to wait after a fault: by its class, longer each time, with jitter.
//!
//! Full jitter (a uniform draw below an exponential ceiling) spreads workers that failed together;
//! see the AWS Architecture Blog, *Exponential Backoff And Jitter*. For faults that a person has to
//! repair, the draw is from the upper half only, so that no wait is shorter than the one before.

use std::time::Duration;

use amiferry_core::code::Code;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::refusal::Circumstance;
use backon::{BackoffBuilder, ExponentialBuilder};

/// The shortest wait, so that no draw of the jitter makes a busy loop.
const FLOOR: Duration = Duration::from_millis(200);

/// What a fault asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The service or the network has to recover: repeat later.
    Retry,
    /// Other work has to end first: look seldom.
    Wait,
    /// A person has to change something: look less and less often, and show it.
    Park,
    /// The picture was out of date: look again soon.
    LookAgain,
}

impl Remedy {
    pub(super) fn of(class: FaultClass) -> Self {
        match class {
            FaultClass::Throttled
            | FaultClass::Unavailable
            | FaultClass::Credentials
            | FaultClass::Bug => Self::Retry,
            FaultClass::QuotaFull => Self::Wait,
            FaultClass::KeyUnusable | FaultClass::Denied | FaultClass::Invalid => Self::Park,
            FaultClass::Conflict | FaultClass::OutcomeUnknown | FaultClass::NotFound => {
                Self::LookAgain
            }
        }
    }

    /// The remedy for a fault of the loop's own work, such as receiving: everything depends on that
    /// work, so its waits stay short.
    pub(super) fn of_all(class: FaultClass) -> Self {
        match Self::of(class) {
            Self::Park => Self::Wait,
            other => other,
        }
    }

    /// The first ceiling and the last.
    fn bounds(self) -> (Duration, Duration) {
        match self {
            Self::Retry => (Duration::from_secs(1), Duration::from_secs(300)),
            Self::Wait => (Duration::from_secs(30), Duration::from_secs(600)),
            Self::Park => (Duration::from_secs(30), Duration::from_secs(24 * 60 * 60)),
            Self::LookAgain => (Duration::from_secs(2), Duration::from_secs(60)),
        }
    }

    /// The most that is waited after `attempts` faults in a row, at least 1.
    fn ceiling(self, attempts: u32) -> Duration {
        let (first, last) = self.bounds();
        // Doubling reaches every ceiling within 12 steps.
        let step = attempts.saturating_sub(1).min(16) as usize;
        ExponentialBuilder::new()
            .with_min_delay(first)
            .with_max_delay(last)
            .without_max_times()
            .build()
            .nth(step)
            .unwrap_or(last)
            .min(last)
    }

    /// How long to wait after `attempts` faults in a row; `share` is drawn from 0 to 1.
    pub(super) fn delay(self, attempts: u32, share: f64) -> Duration {
        let ceiling = self.ceiling(attempts);
        let least = if self == Self::Park { ceiling / 2 } else { FLOOR };
        least + ceiling.saturating_sub(least).mul_f64(share)
    }
}

/// The reason code that a fault is shown under.
pub(super) fn code(fault: &Fault) -> Code {
    let refused = matches!(fault.class, FaultClass::Invalid | FaultClass::Denied);
    let circumstance = refused.then(|| Circumstance::of(&fault.code, &fault.detail)).flatten();
    if let Some(code) = circumstance.and_then(Circumstance::shown_as) {
        return code;
    }
    match fault.class {
        FaultClass::QuotaFull => Code::QuotaFull,
        FaultClass::KeyUnusable => Code::KeyUnusable,
        FaultClass::Denied => Code::Denied,
        FaultClass::Conflict | FaultClass::OutcomeUnknown | FaultClass::NotFound => Code::Settling,
        FaultClass::Throttled
        | FaultClass::Unavailable
        | FaultClass::Credentials
        | FaultClass::Invalid
        | FaultClass::Bug => Code::Failing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMEDIES: [Remedy; 4] = [Remedy::Retry, Remedy::Wait, Remedy::Park, Remedy::LookAgain];

    #[test]
    fn every_delay_lies_between_the_floor_and_the_last_ceiling() {
        let mut rng = fastrand::Rng::with_seed(1);
        for remedy in REMEDIES {
            for attempts in (0..200).chain([u32::MAX]) {
                let delay = remedy.delay(attempts, rng.f64());
                assert!(delay >= FLOOR && delay <= remedy.bounds().1, "{remedy:?} {attempts}");
            }
        }
    }

    #[test]
    fn ceilings_start_at_the_first_double_and_never_fall() {
        for remedy in REMEDIES {
            let (first, last) = remedy.bounds();
            assert_eq!(remedy.ceiling(1), first);
            assert_eq!(remedy.ceiling(2), (first * 2).min(last));
            assert_eq!(remedy.ceiling(u32::MAX), last);
            for attempts in 1..40 {
                assert!(remedy.ceiling(attempts) <= remedy.ceiling(attempts + 1));
            }
        }
    }

    #[test]
    fn delays_after_the_same_fault_are_spread() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut delays: Vec<_> = (0..100).map(|_| Remedy::Retry.delay(9, rng.f64())).collect();
        delays.sort();
        assert!(delays[10] < Duration::from_secs(90) && delays[90] > Duration::from_secs(200));
    }

    #[test]
    fn what_a_person_has_to_put_right_waits_no_shorter_than_before_and_a_day_in_the_end() {
        let mut rng = fastrand::Rng::with_seed(1);
        let waits: Vec<_> = (1..=20).map(|n| Remedy::Park.delay(n, rng.f64())).collect();
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(waits[0] >= Duration::from_secs(15) && waits[0] <= Duration::from_secs(30));
        assert!(waits[..12].is_sorted(), "{waits:?}");
        assert!(waits[12..].iter().all(|wait| (day / 2..=day).contains(wait)), "{waits:?}");
    }

    #[test]
    fn each_class_of_fault_has_its_remedy_and_code() {
        for (class, remedy, shown) in [
            (FaultClass::Throttled, Remedy::Retry, Code::Failing),
            (FaultClass::Unavailable, Remedy::Retry, Code::Failing),
            (FaultClass::Credentials, Remedy::Retry, Code::Failing),
            (FaultClass::Bug, Remedy::Retry, Code::Failing),
            (FaultClass::QuotaFull, Remedy::Wait, Code::QuotaFull),
            (FaultClass::KeyUnusable, Remedy::Park, Code::KeyUnusable),
            (FaultClass::Denied, Remedy::Park, Code::Denied),
            (FaultClass::Invalid, Remedy::Park, Code::Failing),
            (FaultClass::Conflict, Remedy::LookAgain, Code::Settling),
            (FaultClass::OutcomeUnknown, Remedy::LookAgain, Code::Settling),
            (FaultClass::NotFound, Remedy::LookAgain, Code::Settling),
        ] {
            let shows = code(&fault(class, "Code"));
            assert_eq!((Remedy::of(class), shows), (remedy, shown), "{class}");
        }
    }

    fn fault(class: FaultClass, code: &str) -> Fault {
        Fault {
            class,
            operation: "ec2:CreateRestoreImageTask",
            resource: "ami-1".to_owned(),
            code: code.to_owned(),
            detail: String::new(),
            request_id: None,
        }
    }

    #[test]
    fn a_refusal_that_no_permission_ends_is_shown_under_its_own_code() {
        let endpoint = "VPC endpoints do not support cross-region requests";
        for (class, name, detail, shown) in [
            (FaultClass::Invalid, "TagLimitExceeded", "", Code::TooManyTags),
            (FaultClass::Invalid, "OptInRequired", "", Code::RegionOff),
            (FaultClass::Denied, "RegionDisabledException", "", Code::RegionOff),
            (FaultClass::Invalid, "PendingVerification", "", Code::AccountOff),
            (FaultClass::Invalid, "InvalidObjectState", "", Code::StagedArchived),
            (FaultClass::Denied, "AccessDenied", "protected by object lock", Code::ObjectLocked),
            (FaultClass::Denied, "AccessDenied", endpoint, Code::EndpointOfOneRegion),
            (FaultClass::Denied, "AccessDenied", "Access Denied", Code::Denied),
            (FaultClass::Unavailable, "OptInRequired", "", Code::Failing),
        ] {
            let refused = Fault { detail: detail.to_owned(), ..fault(class, name) };
            assert_eq!(code(&refused), shown, "{name}: {detail}");
        }
    }
}
