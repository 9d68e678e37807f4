//! Judges a family against its RPO: the one rule behind audit, status and metrics.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::manifest::ALLOWED_SKEW;
use crate::span::Span;

/// The state of a family against its RPO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RpoState {
    /// The newest complete recovery point is within the RPO.
    WithinRpo,
    /// There is none yet, and the RPO has not passed since the first image.
    Pending,
    /// The newest complete recovery point is older than the RPO.
    Breached,
    /// There is none, and the RPO has passed; or there is not even an image.
    Unprotected,
    /// There is none any more: what was complete is lost, tampered with or unusable.
    Lost,
    /// Nothing of it is known to be complete, and something of it, or maybe of it, could not be read; or it
    /// has no RPO, because its policy is no longer configured.
    NotAssessed,
    /// Its workload has ended, as the configuration says: nothing is promised any more.
    Retired,
}

impl RpoState {
    /// Every state; of those that are judged, the good ones first.
    pub const ALL: [Self; 7] = [
        Self::WithinRpo,
        Self::Pending,
        Self::Breached,
        Self::Unprotected,
        Self::Lost,
        Self::NotAssessed,
        Self::Retired,
    ];

    /// The name in tables, CSV, JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WithinRpo => "within_rpo",
            Self::Pending => "pending",
            Self::Breached => "breached",
            Self::Unprotected => "unprotected",
            Self::Lost => "lost",
            Self::NotAssessed => "not_assessed",
            Self::Retired => "retired",
        }
    }

    /// Whether the promise is broken.
    pub fn is_breach(self) -> bool {
        matches!(self, Self::Breached | Self::Unprotected)
    }
}

/// The images of one family in one target Region, as far as the RPO cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Members {
    /// When the oldest image was created, also of those that are gone.
    pub oldest: Option<Timestamp>,
    /// When the source image behind the newest complete recovery point was created, or the older one
    /// that it repeats.
    pub newest_complete: Option<Timestamp>,
    /// Whether something of it was complete and is not any more.
    pub lost: bool,
    /// Whether something that is or may be of it was never observed: it could be complete.
    pub unread: bool,
}

impl Members {
    /// Counts one image in; `complete` says when its data are from, once its recovery point is
    /// complete. One that was created in the future counts as if it were not there: it would keep a
    /// promise until then.
    pub fn add(&mut self, created: Timestamp, complete: Option<Timestamp>, now: Timestamp) {
        if is_in_future(created, now) {
            return;
        }
        self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
        self.newest_complete = self.newest_complete.max(complete);
    }

    /// An image that is gone was created then, and no recovery point of the family was complete
    /// since: the family is as old as that.
    pub fn had(&mut self, created: Timestamp) {
        self.oldest = self.oldest.map(|oldest| oldest.min(created));
    }

    /// From when on the RPO is counted: a family without a complete recovery point is measured by
    /// its oldest image, so that a new image does not renew a promise that was never kept.
    pub fn measured_from(&self) -> Option<Timestamp> {
        self.newest_complete.or(self.oldest)
    }

    /// RPO minus age: how long the promise can still be kept, or for how long it is broken.
    pub fn margin(&self, rpo: Span, now: Timestamp) -> Option<SignedDuration> {
        let age = now.duration_since(self.measured_from()?);
        Some(rpo.signed().saturating_sub(age))
    }

    /// The family's state; `rpo` is `None` if its policy is not configured.
    pub fn state(&self, rpo: Option<Span>, now: Timestamp) -> RpoState {
        let Some(rpo) = rpo else { return RpoState::NotAssessed };
        let late = self.margin(rpo, now).is_none_or(|margin| margin.is_negative());
        match (self.newest_complete.is_some(), late) {
            (false, _) if self.lost => RpoState::Lost,
            (false, _) if self.unread => RpoState::NotAssessed,
            (true, false) => RpoState::WithinRpo,
            (true, true) => RpoState::Breached,
            (false, false) => RpoState::Pending,
            (false, true) => RpoState::Unprotected,
        }
    }
}

/// Whether an image cannot have been created at this time, whatever clocks differ.
pub fn is_in_future(created: Timestamp, now: Timestamp) -> bool {
    created.duration_since(now) > ALLOWED_SKEW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_without_any_image_is_unprotected_because_nothing_could_be_restored() {
        let nothing = Members::default();
        let day = Span::from_secs(86_400);
        assert_eq!(nothing.state(Some(day), Timestamp::UNIX_EPOCH), RpoState::Unprotected);
        assert_eq!(nothing.margin(day, Timestamp::UNIX_EPOCH), None);
        assert_eq!(nothing.state(None, Timestamp::UNIX_EPOCH), RpoState::NotAssessed);
    }

    #[test]
    fn of_a_family_with_nothing_complete_and_something_unread_nothing_is_said() {
        let (day, now) = (Some(Span::from_secs(86_400)), Timestamp::UNIX_EPOCH);
        let old = now - SignedDuration::from_hours(48);
        let unread = Members { oldest: Some(old), unread: true, ..Members::default() };
        assert_eq!(unread.state(day, now), RpoState::NotAssessed);
        assert_eq!(
            Members { unread: true, ..Members::default() }.state(day, now),
            RpoState::NotAssessed
        );
        // What is known to be complete says enough, and so does what is lost.
        let complete = Members { newest_complete: Some(old), ..unread };
        assert_eq!(complete.state(day, now), RpoState::Breached);
        assert_eq!(Members { lost: true, ..unread }.state(day, now), RpoState::Lost);
    }

    #[test]
    fn an_image_from_the_future_keeps_no_promise_unless_clocks_can_differ_so_much() {
        let rpo = Some(Span::from_secs(3_600));
        let now = Timestamp::from_second(1_000_000).unwrap();
        let state = |ahead: i64, complete: bool| {
            let mut members = Members::default();
            let created = now + SignedDuration::from_secs(ahead);
            members.add(created, complete.then_some(created), now);
            members.state(rpo, now)
        };
        assert_eq!(state(3_600, true), RpoState::WithinRpo);
        assert_eq!(state(3_601, true), RpoState::Unprotected);
        assert_eq!(state(3_600, false), RpoState::Pending);
        assert_eq!(state(3_601, false), RpoState::Unprotected);
    }
}
