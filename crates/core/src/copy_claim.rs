//! Decides which of several workers copies an object: the one that began its multipart upload
//! first.
//!
//! Workers that meet the same staged object would all send its parts. So each worker begins an
//! upload before it copies, and then lists the uploads on the key; the list shows every upload that
//! began earlier. A worker that finds an older live upload leaves the copy to that one. An upload
//! without a new part for some time counts as abandoned, and another worker takes over its parts.
//!
//! Claims only save work. The completion's `If-None-Match` ensures that one object results,
//! whatever clocks and listings say.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The longest that a worker is silent between two parts of usual size: throttled, or waiting for
/// an answer that never comes.
const SILENCE: Duration = Duration::from_secs(120);

/// How long an upload that no worker seems to need is left alone after its last sign of life:
/// longer than a live worker is silent, and longer than a clock that AWS still accepts can be
/// wrong.
const QUIET: SignedDuration = SignedDuration::from_hours(1);

/// The slowest expected copy of a part, in bytes a second: larger parts may take longer.
const SLOW_COPY: u64 = 128 << 20;

/// What S3 shows of one upload on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadActivity {
    pub id: String,
    /// When it was begun; S3 tells whole seconds.
    pub begun: Option<Timestamp>,
    /// When its newest part was copied.
    pub newest_part: Option<Timestamp>,
}

/// Who copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The worker that asks.
    Ours,
    /// Another worker, which counts as alive until this time.
    Theirs {
        /// When to ask again.
        until: Timestamp,
    },
    /// Several began within the same second, and none of them can know that it was first: all give
    /// up, and try again at different times.
    Tied,
}

/// How long an upload counts as alive after its last sign of life, if a worker looks at running
/// work every `poll` and parts have `part` bytes.
pub fn patience(poll: Duration, part: u64) -> SignedDuration {
    let silence = SILENCE.min(poll.saturating_mul(4)) + Duration::from_secs(part / SLOW_COPY);
    SignedDuration::try_from(silence).unwrap_or(SignedDuration::MAX)
}

impl UploadActivity {
    /// Until when it counts as alive; `None` once that time has passed.
    pub fn alive_until(&self, patience: SignedDuration, now: Timestamp) -> Option<Timestamp> {
        let until = self.begun.max(self.newest_part)?.saturating_add(patience).ok()?;
        (until > now).then_some(until)
    }

    /// Whether it may be aborted if no worker needs it. An upload whose age S3 does not show is
    /// left alone.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.begun.is_some() && self.alive_until(QUIET, now).is_none()
    }
}

/// Who copies, when `own` was begun before `uploads` were listed, which may contain it.
pub fn judge(
    own: &str,
    uploads: &[UploadActivity],
    patience: SignedDuration,
    now: Timestamp,
) -> Claim {
    let ours = uploads.iter().find(|upload| upload.id == own).and_then(|upload| upload.begun);
    let (mut older, mut tied) = (None, false);
    for other in uploads.iter().filter(|upload| upload.id != own) {
        let Some(until) = other.alive_until(patience, now) else { continue };
        match other.begun.zip(ours) {
            // One that was begun later finds ours in its own list.
            Some((theirs, ours)) if theirs > ours => {}
            Some((theirs, ours)) if theirs < ours => older = older.max(Some(until)),
            Some(_) | None => tied = true,
        }
    }
    match older {
        Some(until) => Claim::Theirs { until },
        None if tied => Claim::Tied,
        None => Claim::Ours,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: SignedDuration = SignedDuration::from_secs(120);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn upload(id: &str, begun: i64, newest_part: Option<i64>) -> UploadActivity {
        UploadActivity {
            id: id.to_owned(),
            begun: Some(at(begun)),
            newest_part: newest_part.map(at),
        }
    }

    #[test]
    fn an_older_upload_that_is_alive_goes_first_and_others_do_not_count() {
        let theirs = |second| Claim::Theirs { until: at(second) };
        for (others, expected) in [
            (vec![], Claim::Ours),
            (vec![upload("a", -1, None)], theirs(119)),
            (vec![upload("a", -500, Some(-30))], theirs(90)),
            (vec![upload("a", -500, Some(-30)), upload("b", -5, None)], theirs(115)),
            (vec![upload("a", -500, Some(-200))], Claim::Ours),
            (vec![upload("a", -120, None)], Claim::Ours),
            (vec![upload("a", 1, None)], Claim::Ours),
            (vec![upload("a", 0, None)], Claim::Tied),
            (vec![upload("a", 0, None), upload("b", -1, None)], theirs(119)),
            (vec![upload("a", -1, None), upload("b", 0, None)], theirs(119)),
        ] {
            let mut uploads = others.clone();
            uploads.push(upload("own", 0, None));
            assert_eq!(judge("own", &uploads, PATIENCE, at(0)), expected, "{others:?}");
        }
    }

    #[test]
    fn an_upload_whose_age_is_not_told_wins_nothing() {
        let unknown =
            |id: &str| UploadActivity { id: id.to_owned(), begun: None, newest_part: None };
        let others = [upload("a", 0, None), unknown("own")];
        assert_eq!(judge("own", &others, PATIENCE, at(0)), Claim::Tied);
        assert_eq!(judge("own", &[unknown("own")], PATIENCE, at(0)), Claim::Ours);
    }

    #[test]
    fn an_upload_is_quiet_an_hour_after_its_last_sign_of_life() {
        for (begun, newest_part, quiet) in [
            (-3_600, None, true),
            (-3_599, None, false),
            (-9_000, Some(-3_600), true),
            (-9_000, Some(-3_599), false),
        ] {
            let upload = upload("a", begun, newest_part);
            assert_eq!(upload.is_quiet(at(0)), quiet, "{upload:?}");
        }
        let unknown =
            UploadActivity { id: "a".to_owned(), begun: None, newest_part: Some(at(-9_000)) };
        assert!(!unknown.is_quiet(at(0)));
    }

    #[test]
    fn patience_follows_the_poll_and_grows_with_the_parts() {
        let patience = |poll, part| patience(Duration::from_secs(poll), part).as_secs();
        assert_eq!(patience(30, 64 << 20), 120);
        assert_eq!(patience(2, 64 << 20), 8);
        assert_eq!(patience(3_600, 64 << 20), 120);
        assert_eq!(patience(30, 5 << 30), 160);
    }

    proptest! {
        /// S3 tells whole seconds, and a list shows what was begun before it.
        #[test]
        fn of_workers_that_begin_at_any_moments_at_most_one_copies(
            workers in prop::collection::vec((0..5_000_i64, 1..3_000_i64), 1..6),
        ) {
            let listed = |moment: i64| -> Vec<UploadActivity> {
                let begun = workers.iter().enumerate().filter(|(_, (begun, _))| *begun <= moment);
                begun.map(|(n, (begun, _))| upload(&n.to_string(), begun / 1_000, None)).collect()
            };
            let winners = workers.iter().enumerate().filter(|(n, (begun, later))| {
                let uploads = listed(begun + later);
                judge(&n.to_string(), &uploads, PATIENCE, at(10)) == Claim::Ours
            });
            prop_assert!(winners.count() <= 1);
        }
    }
}
