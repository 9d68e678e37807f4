//! Restores that failed: what is known of them, and what the failures of several images say about
//! the vault.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{DefaultEncryption, Observed, Vault};
use crate::code::Code;
use crate::decide::{Decision, Later, Pace, URGED, after, growing, pause, shown};
use crate::ids::ImageId;
use crate::model::{Image, ImageState, KeyVerdict};
use crate::names;
use crate::text::visible;

/// The longest pause between the starts of two restores that fail.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_hours(6);

/// Longest reason that is kept, in characters.
const MOST_REASON: usize = 200;

/// The newest restores of one recovery point, which failed in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRestores {
    /// When each of them began, the newest last. EC2 does not tell when one failed.
    pub started: Box<[Timestamp]>,
    /// Why the newest failed, in EC2's words.
    pub reason: Box<str>,
}

impl FailedRestores {
    /// Those that an observation shows; `None` unless the newest restored image is one.
    pub fn of(observed: &Observed) -> Option<Self> {
        let failed = failed(observed);
        let newest = failed.last()?;
        let started = failed.iter().map(|image| image.created).collect();
        Some(Self { started, reason: reason(newest).into() })
    }
}

/// Our newest restored images as long as they failed, the newest last.
pub(super) fn failed(observed: &Observed) -> Vec<&Image> {
    let id = &observed.id;
    let is_failed = |image: &&Image| {
        image.state == ImageState::Failed
            && image.owner == id.target_account
            && names::is_tagged_for(id, &image.tags)
    };
    let mut failed: Vec<&Image> = observed.restored.iter().rev().take_while(is_failed).collect();
    failed.reverse();
    failed
}

/// Why an image failed, in EC2's words.
pub(super) fn reason(image: &Image) -> String {
    visible(image.state_reason.as_deref().unwrap_or("EC2 gives no reason"), MOST_REASON)
}

/// When the next restore may begin after these; sooner if it is `urged` by a person.
pub(super) fn retry_at(failed: &[&Image], urged: bool, pace: Pace) -> Option<Timestamp> {
    let times = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    let pause = pause(pace.park.signed(), times, LONGEST, urged);
    failed.last().map(|newest| after(newest.created, pause))
}

/// Which images failed, for people; the newest of many.
pub(super) fn listed(failed: &[&Image]) -> String {
    let ids: Vec<&str> = failed.iter().rev().take(3).map(|image| image.id.as_str()).collect();
    let more = failed.len().saturating_sub(ids.len());
    let more = if more > 0 { format!(" and {more} older") } else { String::new() };
    format!("{}{more}", ids.join(", "))
}

/// A doubt about all restores of a vault: while it lasts, one restore at a time goes ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// When the next restore may begin.
    pub until: Timestamp,
    /// When the next restore for which a person asks may begin.
    pub urged: Timestamp,
    /// Why.
    pub code: Code,
    /// The particulars, for people.
    pub detail: String,
}

impl Doubt {
    /// What restores of different images say about all of them: these `failed`, and the newest
    /// one that succeeded began at `proven`.
    ///
    /// There is a doubt if the restores of two images failed for the same reason and none that
    /// began later succeeded. If nothing proves that the EBS key can be used, the first failure is
    /// enough, and so is that no restore has succeeded yet.
    pub fn about<'f>(
        vault: &Vault,
        failed: impl Iterator<Item = (&'f ImageId, &'f FailedRestores)>,
        proven: Option<Timestamp>,
        pace: Pace,
    ) -> Option<Self> {
        let is_new = |start: &Timestamp| proven.is_none_or(|proven| *start > proven);
        let recent = failed.filter(|(_, failed)| failed.started.last().is_some_and(is_new));
        let mut causes: BTreeMap<String, Vec<(&ImageId, &FailedRestores)>> = BTreeMap::new();
        for (id, failed) in recent {
            causes.entry(cause(&failed.reason)).or_default().push((id, failed));
        }
        let unknown = match &vault.default_encryption {
            DefaultEncryption::With(key, KeyVerdict::Unknown(why)) => Some(format!("{key}: {why}")),
            DefaultEncryption::With(..)
            | DefaultEncryption::Off
            | DefaultEncryption::NotTold(_) => None,
        };
        let same = causes.into_values().max_by_key(Vec::len).unwrap_or_default();
        if same.len() < 2 && unknown.is_none() {
            return None;
        }
        let Some((id, newest)) = same.iter().max_by_key(|(_, failed)| failed.started.last()) else {
            let unproven = proven.is_none();
            return unknown.filter(|_| unproven).map(|detail| Self {
                until: Timestamp::MIN,
                urged: Timestamp::MIN,
                code: Code::KeyUnproven,
                detail,
            });
        };
        let starts = same.iter().flat_map(|(_, failed)| failed.started.iter().copied());
        let until = next_probe(starts.filter(is_new).collect(), pace);
        let last = newest.started.last().copied().unwrap_or(Timestamp::MIN);
        let urged = until.min(after(last, URGED));
        let detail = format!("{} images, the last {id}: {}", same.len(), newest.reason);
        Some(Self { until, urged, code: Code::RestoresPaused, detail })
    }

    /// The answer to a recovery point whose restore waits for another one, or until it is time.
    pub fn wait<A>(&self, pace: Pace, now: Timestamp) -> Decision<A> {
        let later = Later { now, pace };
        if self.code == Code::KeyUnproven {
            // The end of the restore that goes ahead wakes the others.
            let (code, detail) = (self.code, shown(self.detail.clone()));
            return Decision::Wait { until: pace.park.after(now), code, detail };
        }
        match later.park(self.code, self.detail.clone()) {
            Decision::Park { code, detail, .. } if now < self.until => {
                Decision::Park { until: self.until, code, detail }
            }
            parked => parked,
        }
    }
}

/// When the next restore may begin, given the starts of those that failed. Restores that began
/// together count as one failure.
fn next_probe(mut starts: Vec<Timestamp>, pace: Pace) -> Timestamp {
    let first = pace.park.signed();
    starts.sort_unstable();
    let mut times = 0;
    let mut counted = None;
    for start in &starts {
        if counted.is_none_or(|before: Timestamp| start.duration_since(before) >= first) {
            times += 1;
            counted = Some(*start);
        }
    }
    let pause = growing(first, times, LONGEST);
    starts.last().map_or(Timestamp::MIN, |last| after(*last, pause))
}

/// A reason without the names that differ from image to image.
fn cause(reason: &str) -> String {
    let is_own = |word: &&str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_id = ["ami-", "snap-", "vol-"].iter().any(|kind| word.starts_with(kind));
        let is_request =
            word.len() == 36 && word.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        is_id || is_request
    };
    let words: Vec<&str> = reason.split_whitespace().filter(|word| !is_own(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::fixture::{PACE, With, ebs, now, observed, vault};

    /// The restores of image `number` that failed, at these minutes after noon.
    fn failing(number: u8, minutes: &[i64], reason: &str) -> (ImageId, FailedRestores) {
        let start = |minute: &i64| now() + SignedDuration::from_mins(*minute);
        let started = minutes.iter().map(start).collect();
        let id = format!("ami-0123456789abcdef{number}").parse().unwrap();
        (id, FailedRestores { started, reason: reason.into() })
    }

    fn doubt(
        vault: &Vault,
        failed: &[(ImageId, FailedRestores)],
        proven: Option<i64>,
    ) -> Option<Doubt> {
        let proven = proven.map(|minute| now() + SignedDuration::from_mins(minute));
        Doubt::about(vault, failed.iter().map(|(id, failed)| (id, failed)), proven, PACE)
    }

    fn unproven() -> Vault {
        vault().with(|vault| {
            let unknown = KeyVerdict::Unknown("denied".to_owned());
            vault.default_encryption = ebs(unknown);
        })
    }

    const KEY: &str = "AccessDenied: key/ebs";

    #[test]
    fn only_the_same_failure_of_several_images_that_nothing_has_refuted_is_a_doubt() {
        for (failed, proven, expected, why) in [
            (vec![], None, false, "nothing failed"),
            (vec![failing(1, &[0, 20, 50], KEY)], None, false, "one image may be the cause itself"),
            (vec![failing(1, &[0], KEY), failing(2, &[1], KEY)], None, true, "the same twice"),
            (
                vec![failing(1, &[0], "ami-1 is odd"), failing(2, &[1], "ami-2 is odd")],
                None,
                true,
                "the same but for the image's id",
            ),
            (
                vec![failing(1, &[0], "a/1.bin is bad"), failing(2, &[1], "a/2.bin is bad")],
                None,
                false,
                "each for its own object",
            ),
            (vec![failing(1, &[0], ""), failing(2, &[1], "")], None, true, "EC2 gives no reason"),
            (
                vec![failing(1, &[0], KEY), failing(2, &[3], KEY)],
                Some(4),
                false,
                "one that began later succeeded",
            ),
            (
                vec![failing(1, &[0], KEY), failing(2, &[3], KEY)],
                Some(2),
                false,
                "since that success only one failed",
            ),
        ] {
            assert_eq!(doubt(&vault(), &failed, proven).is_some(), expected, "{why}");
        }
    }

    #[test]
    fn while_nothing_proves_the_key_the_first_restore_goes_alone_and_its_failure_is_a_doubt() {
        let first = doubt(&unproven(), &[], None).unwrap();
        assert_eq!((first.code, first.until), (Code::KeyUnproven, Timestamp::MIN));
        assert!(matches!(first.wait::<()>(PACE, now()), Decision::Wait { .. }));
        assert_eq!(doubt(&unproven(), &[], Some(0)), None);
        let failed = [failing(1, &[0], KEY)];
        assert_eq!(doubt(&unproven(), &failed, None).unwrap().code, Code::RestoresPaused);
        assert_eq!(doubt(&unproven(), &failed, Some(1)), None);
    }

    #[test]
    fn restores_that_began_together_count_as_one_failure_and_pauses_grow_to_hours() {
        let minutes = |doubt: Option<Doubt>| doubt.unwrap().until.duration_since(now()).as_mins();
        let many: Vec<_> = (1..9).map(|n| failing(n, &[i64::from(n) / 4], KEY)).collect();
        assert_eq!(minutes(doubt(&vault(), &many, None)), 2 + 15);
        // Each probe after that failed, too.
        let mut starts = vec![2];
        for pause in [15, 30, 60, 120, 240, 360, 360, 360] {
            let failed = [many.clone(), vec![failing(9, &starts, KEY)]].concat();
            let last = *starts.last().unwrap();
            assert_eq!(minutes(doubt(&vault(), &failed, None)) - last, pause);
            starts.push(last + pause);
        }
    }

    #[test]
    fn a_person_has_the_next_restore_begin_a_minute_after_the_last_one_however_many_failed() {
        let starts = [0, 15, 45, 105, 225];
        let failed = [failing(1, &starts, KEY), failing(2, &[1], KEY)];
        let doubt = doubt(&vault(), &failed, None).unwrap();
        let minute = |minute: i64| now() + SignedDuration::from_mins(minute);
        assert_eq!((doubt.urged, doubt.until > minute(300)), (minute(226), true));
        let seen = observed().staged().copied().failed(5);
        let failed = super::failed(&seen);
        let begins = |urged| retry_at(&failed, urged, PACE).unwrap();
        let last = failed.last().unwrap().created;
        assert_eq!(begins(true), last + SignedDuration::from_mins(1));
        assert!(begins(false) > last + SignedDuration::from_hours(1));
    }

    #[test]
    fn only_our_own_failed_images_at_the_end_count() {
        let seen = observed().staged().copied().failed(3);
        assert_eq!(FailedRestores::of(&seen).unwrap().started.len(), 3);
        for (change, expected) in [(0, Some(2)), (1, Some(1)), (2, None)] {
            let seen =
                seen.clone().with(|seen| seen.restored[change].state = ImageState::Available);
            assert_eq!(FailedRestores::of(&seen).map(|failed| failed.started.len()), expected);
        }
        let foreign = seen.with(|seen| seen.restored[2].tags.clear());
        assert_eq!(FailedRestores::of(&foreign), None);
        assert_eq!(FailedRestores::of(&observed()), None);
    }
}
