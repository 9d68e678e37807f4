//! Object Lock: what may be deleted or changed before its time, and by whom.

use jiff::{SignedDuration, Timestamp};

use super::object::Object;

/// How strictly a retention holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// A request with the bypass header and `s3:BypassGovernanceRetention` can override it.
    Governance,
    /// No request can override it until it ends.
    Compliance,
}

impl LockMode {
    /// The name in headers and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// The mode of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.name() == name)
    }
}

/// How long a version must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How strictly.
    pub mode: LockMode,
    pub until: Timestamp,
}

/// The retention that a bucket gives to objects that are written without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// How strictly.
    pub mode: LockMode,
    /// How long.
    pub period: Period,
}

/// The length of a default retention, as it was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Days of 24 hours.
    Days(u32),
    /// Years of 365 days.
    Years(u32),
}

impl DefaultRetention {
    /// The retention of a version written at `at`.
    pub fn from(self, at: Timestamp) -> Retention {
        let days = match self.period {
            Period::Days(days) => i64::from(days),
            Period::Years(years) => i64::from(years) * 365,
        };
        let until = at.saturating_add(SignedDuration::from_hours(days * 24));
        Retention { mode: self.mode, until: until.unwrap_or(Timestamp::MAX) }
    }
}

/// Why a locked version stays as it is; S3 answers 403 `AccessDenied` with these words.
pub const LOCKED: &str = "Access Denied because object protected by object lock.";

/// Whether a version may be deleted now. `bypass`: the caller may override governance mode and
/// said so.
pub fn may_delete(object: &Object, now: Timestamp, bypass: bool) -> bool {
    !object.legal_hold
        && object.retention.is_none_or(|retention| {
            retention.until <= now || retention.mode == LockMode::Governance && bypass
        })
}

/// Whether a retention may take the place of the present one: it may always become stricter and
/// longer; less only when the present one is over, or is in governance mode and bypassed.
pub fn may_retain(
    present: Option<Retention>,
    next: Option<Retention>,
    now: Timestamp,
    bypass: bool,
) -> bool {
    let Some(present) = present.filter(|present| present.until > now) else { return true };
    let stricter = next.is_some_and(|next| {
        next.until >= present.until
            && (next.mode == present.mode || next.mode == LockMode::Compliance)
    });
    stricter || present.mode == LockMode::Governance && bypass
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_retention_only_grows_unless_governance_is_bypassed() {
        use LockMode::{Compliance, Governance};
        let some = |mode, until| Some(Retention { mode, until: at(until) });
        for (present, next, bypass, allowed) in [
            (None, some(Governance, 20), false, true),
            (some(Compliance, 20), some(Compliance, 20), false, true),
            (some(Compliance, 20), some(Compliance, 30), false, true),
            (some(Compliance, 20), some(Compliance, 19), true, false),
            (some(Compliance, 20), some(Governance, 30), true, false),
            (some(Compliance, 20), None, true, false),
            (some(Governance, 20), some(Governance, 19), false, false),
            (some(Governance, 20), some(Governance, 19), true, true),
            (some(Governance, 20), some(Compliance, 20), false, true),
            (some(Governance, 20), None, false, false),
            (some(Compliance, 10), None, false, true),
        ] {
            assert_eq!(
                may_retain(present, next, at(10), bypass),
                allowed,
                "{present:?} to {next:?}, bypass {bypass}"
            );
        }
    }
}
