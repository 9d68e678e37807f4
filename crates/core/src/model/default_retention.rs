//! The retention that a bucket gives to new objects, and how a policy's goes with it.

use jiff::{SignedDuration, Timestamp};

use super::object::{Retention, RetentionMode};

/// How much later than its request a new object may appear: S3 counts the bucket's days from then.
/// The longest copies take a day.
const WRITING: SignedDuration = SignedDuration::from_hours(48);

/// The retention that a bucket's Object Lock configuration gives to new objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Whether principals with a special permission can shorten it.
    pub mode: RetentionMode,
    /// For how many days; a year counts 365.
    pub days: u32,
}

impl DefaultRetention {
    /// The retention to ask for, so that a new object gets the stronger mode and the later date of
    /// the bucket's default and of what is `wanted`. `None` leaves it to the bucket, whose own is
    /// at least as strong in both.
    ///
    /// A retention in the request replaces the default whole (S3 user guide, *Object Lock*), so a
    /// weaker one would weaken it.
    pub fn joined(default: Option<Self>, wanted: &Retention, now: Timestamp) -> Option<Retention> {
        let Some(default) = default else { return Some(wanted.clone()) };
        let days = SignedDuration::from_hours(24)
            .saturating_mul(i32::try_from(default.days).unwrap_or(i32::MAX));
        let after = |span: SignedDuration| now.saturating_add(span).unwrap_or(Timestamp::MAX);
        let is_stricter = default.mode == RetentionMode::Compliance;
        if (is_stricter || default.mode == wanted.mode) && after(days) >= wanted.until {
            return None;
        }
        Some(Retention {
            mode: if is_stricter { RetentionMode::Compliance } else { wanted.mode },
            until: wanted.until.max(after(days.saturating_add(WRITING))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::RetentionMode::{Compliance, Governance};
    use super::*;

    fn in_days(days: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + days * 86_400).unwrap()
    }

    #[test]
    fn the_stronger_mode_and_the_later_date_win() {
        for (default, wanted, expected) in [
            (None, (Governance, 35), Some((Governance, 35))),
            // The bucket's own is as strong: it counts from when the object is there.
            (Some((Governance, 35)), (Governance, 35), None),
            (Some((Governance, 36)), (Governance, 35), None),
            (Some((Compliance, 35)), (Governance, 35), None),
            (Some((Compliance, 90)), (Compliance, 35), None),
            // The policy's is stronger in one: the other is kept.
            (Some((Governance, 30)), (Governance, 35), Some((Governance, 35))),
            (Some((Governance, 34)), (Governance, 35), Some((Governance, 36))),
            (Some((Governance, 90)), (Compliance, 35), Some((Compliance, 92))),
            (Some((Compliance, 7)), (Governance, 35), Some((Compliance, 35))),
            (Some((Governance, 7)), (Compliance, 35), Some((Compliance, 35))),
        ] {
            let default = default.map(|(mode, days)| DefaultRetention { mode, days });
            let wanted = Retention { mode: wanted.0, until: in_days(wanted.1) };
            let expected = expected.map(|(mode, days)| Retention { mode, until: in_days(days) });
            let joined = DefaultRetention::joined(default, &wanted, in_days(0));
            assert_eq!(joined, expected, "{default:?} and {wanted:?}");
        }
    }

    #[test]
    fn a_default_of_a_thousand_years_is_no_overflow() {
        let default = Some(DefaultRetention { mode: Governance, days: u32::MAX });
        let wanted = Retention { mode: Compliance, until: in_days(1) };
        let joined = DefaultRetention::joined(default, &wanted, in_days(0)).unwrap();
        assert_eq!(joined.until, Timestamp::MAX);
    }
}
