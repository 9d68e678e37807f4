//! The lock of what must stay: the newest recovery point of a family, and its only help if
//! the source makes no newer one. A lock that lapses there leaves it to everyone who may delete.

use jiff::{SignedDuration, Timestamp};

use super::{Effect, ManifestFact, Observed, Terms};
use crate::manifest::Manifest;
use crate::model::Retention;
use crate::policy::Policies;
use crate::span::Span;

/// A lock is extended once this part of its length or less remains. Families that go on making images
/// are then served by each new one, and none of theirs is ever extended.
const REMAINS: i32 = 2;

/// From this part on, an extension that did not come is told.
const NEARLY_OVER: i32 = 4;

/// How the lock of a complete recovery point is to be extended, if it is the newest of its family.
///
/// The new lock is as long from now on as the policy demands or as the recorded one was, whichever is
/// longer. Extending is allowed in both modes and needs no more than
/// `s3:PutObjectRetention` (S3 user guide, *Managing Object Lock*). Repeating it changes nothing
/// until half of the new length has passed.
pub(super) fn renewal(terms: &Terms, observed: &Observed, now: Timestamp) -> Option<Effect> {
    let ManifestFact::Present(manifest) = &observed.manifest else { return None };
    extended(terms.retention, manifest, observed, now)
}

/// The same for one that a record gives up or makes unreadable. Such a record ends no lock: its writer
/// would only have to wait.
pub(super) fn of_disputed(
    policies: &Policies,
    observed: &Observed,
    now: Timestamp,
) -> Option<Effect> {
    let manifest = observed.disputed()?;
    let policy = policies.named(&manifest.policy);
    extended(policy.and_then(|policy| policy.retention), manifest, observed, now)
}

fn extended(
    demanded: Option<Span>,
    manifest: &Manifest,
    observed: &Observed,
    now: Timestamp,
) -> Option<Effect> {
    let due = due(demanded, manifest, observed, now, REMAINS)?;
    let until = now.saturating_add(due.length).unwrap_or(Timestamp::MAX);
    let at = observed.object.as_ref()?.at.clone();
    Some(Effect::Lock(at, Retention { mode: due.lock.mode, until }))
}

/// That the lock is nearly over, or is, and was not extended.
pub(super) fn neglected(terms: &Terms, observed: &Observed, now: Timestamp) -> Option<String> {
    let ManifestFact::Present(manifest) = &observed.manifest else { return None };
    let until = due(terms.retention, manifest, observed, now, NEARLY_OVER)?.lock.until;
    Some(match until > now {
        true => format!("its lock ends at {until} and was not extended"),
        false => format!(
            "nothing extended its lock, and it ended at {until}: everyone who may delete objects can delete it"
        ),
    })
}

struct Due<'a> {
    lock: &'a Retention,
    /// How long its successor is.
    length: SignedDuration,
}

fn due<'a>(
    demanded: Option<Span>,
    manifest: &Manifest,
    observed: &'a Observed,
    now: Timestamp,
    part: i32,
) -> Option<Due<'a>> {
    let (true, Some(object)) = (observed.newest, &observed.object) else { return None };
    let recorded = || {
        let until = manifest.vault_object.retention.as_ref()?.until;
        Some(until.duration_since(object.last_modified?))
    };
    let lock = object.retention.as_ref()?;
    let length = demanded.map(|span| span.signed()).max(recorded())?;
    let remains = lock.until.duration_since(now);
    (length.is_positive() && remains <= length / part).then_some(Due { lock, length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::decide::Decision;
    use crate::decide::tests::fixture::{PACE, With, now, policies, vault};
    use crate::decide::vault::{Judged, judge};
    use crate::policy::{Policies, Tier};

    const HOUR: i64 = 3_600;

    /// How the newest of its family is judged so many hours after its object got a lock of 35 days.
    fn judged(policies: &Policies, seen: &Observed, hours: i64) -> Judged {
        let later = now() + SignedDuration::from_secs(hours * HOUR);
        judge(policies, &vault(), seen, PACE, later)
    }

    fn newest(tier: Tier) -> Observed {
        Observed::complete(tier).with(|seen| seen.newest = true)
    }

    fn until(hours: i64) -> Timestamp {
        now() + SignedDuration::from_secs(hours * HOUR)
    }

    #[test]
    fn the_lock_of_the_newest_is_extended_once_half_of_it_is_over() {
        for tier in [Tier::Ready, Tier::Archive] {
            let seen = newest(tier);
            let half = 35 * 24 / 2;
            for (hours, extended) in [(half - 1, false), (half, true), (36 * 24, true)] {
                let judged = judged(&policies(), &seen, hours);
                let expected = match extended {
                    false => Decision::Done(Code::Complete),
                    true => {
                        let object = seen.object.as_ref().unwrap();
                        let lock = object.retention.clone().unwrap();
                        let lock = Retention { until: until(hours + 35 * 24), ..lock };
                        Decision::Act(Effect::Lock(object.at.clone(), lock))
                    }
                };
                assert_eq!(judged.decision, expected, "after {hours} h");
                assert_eq!(judged.loss, None, "it is complete all the while");
            }
            let older = seen.with(|seen| seen.newest = false);
            assert_eq!(
                judged(&policies(), &older, 36 * 24).decision,
                Decision::Done(Code::Complete)
            );
        }
    }

    #[test]
    fn an_extended_lock_is_left_alone_until_half_of_it_is_over() {
        let seen = newest(Tier::Ready);
        let Decision::Act(effect) = judged(&policies(), &seen, 20 * 24).decision else {
            panic!("not extended")
        };
        let seen = seen.after(&effect);
        for (hours, extended) in [(20 * 24, false), (37 * 24, false), (38 * 24, true)] {
            let decision = judged(&policies(), &seen, hours).decision;
            assert_eq!(decision != Decision::Done(Code::Complete), extended, "after {hours} h");
        }
    }

    #[test]
    fn a_record_that_gives_the_newest_up_or_makes_it_unreadable_ends_no_lock() {
        let with = |change: fn(&mut Observed, Box<Manifest>)| {
            newest(Tier::Archive).with(|seen| {
                let ManifestFact::Present(manifest) = seen.manifest.clone() else { panic!("none") };
                change(seen, manifest);
            })
        };
        let given_up = with(|seen, manifest| seen.manifest = ManifestFact::Pruned(manifest));
        let unreadable = with(|seen, manifest| {
            seen.manifest = ManifestFact::Unreadable("a record of another object".to_owned());
            seen.doubted = Some(manifest);
        });
        let half = 35 * 24 / 2;
        for (seen, code) in [(&given_up, Code::Pruned), (&unreadable, Code::ManifestUnreadable)] {
            let before = judged(&policies(), seen, half - 1);
            let told = match &before.decision {
                Decision::Ineligible { code, .. } | Decision::Park { code, .. } => *code,
                other => panic!("{other:?}"),
            };
            assert_eq!(told, code);
            let extended = judged(&policies(), seen, half);
            let Decision::Act(Effect::Lock(at, lock)) = &extended.decision else {
                panic!("{extended:?}")
            };
            assert_eq!(
                (at, lock.until),
                (&seen.object.as_ref().unwrap().at, until(half + 35 * 24))
            );
            // What is said of it stays the same.
            assert_eq!((&extended.loss, &extended.left_out), (&before.loss, &before.left_out));
            let others = [
                seen.clone().with(|seen| seen.newest = false),
                seen.clone().with(|seen| seen.object = None),
                seen.clone().with(|seen| seen.id.source_image_id = "ami-0abcdef1".parse().unwrap()),
            ];
            for other in others {
                let decision = judged(&policies(), &other, half).decision;
                assert!(!matches!(decision, Decision::Act(_)), "{decision:?}");
            }
        }
    }

    #[test]
    fn a_policy_that_demands_no_lock_extends_by_the_length_of_the_recorded_one() {
        let unlocked = policies().0.into_iter().map(|p| p.with(|p| p.retention = None));
        let without = Policies(unlocked.collect(), Vec::new());
        let seen = newest(Tier::Ready);
        let Decision::Act(Effect::Lock(_, lock)) = judged(&without, &seen, 20 * 24).decision else {
            panic!("not extended")
        };
        assert_eq!(lock.until, until((20 + 35) * 24));
        let unlocked = seen.with(|seen| {
            seen.object.as_mut().unwrap().retention = None;
            let ManifestFact::Present(manifest) = &mut seen.manifest else { panic!("none") };
            manifest.vault_object.retention = None;
        });
        let decision = judged(&without, &unlocked, 20 * 24).decision;
        assert_eq!(decision, Decision::Done(Code::Complete));
    }

    #[test]
    fn a_lock_that_is_not_extended_is_told_before_it_ends() {
        let seen = newest(Tier::Ready);
        for (hours, words) in
            [(26 * 24, None), (27 * 24, Some("was not extended")), (36 * 24, Some("it ended at"))]
        {
            let finding = judged(&policies(), &seen, hours).finding;
            let told = words.is_none_or(|words| finding.iter().any(|said| said.contains(words)));
            assert!(told && finding.is_some() == words.is_some(), "{hours} h: {finding:?}");
        }
    }
}
