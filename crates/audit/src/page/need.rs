//! What needs a person now: what is lost, broken promises with their reasons, parked work, and what is
//! not assessed. Everything is listed: what is too much to stand alone is folded.

use std::collections::BTreeMap;

use amiferry_core::answer::LONGEST_REASON;
use amiferry_core::check::{Finding, Level};
use amiferry_core::code::Code;
use amiferry_core::decide::vault::UNKNOWN;
use amiferry_core::text::{distinct, visible};

use super::facts::{Facts, LONGEST_TEXT, Tone, because};
use super::fold::{Need, One, folded};
use super::view::Excerpt;
use crate::family::{Family, RpoState};
use crate::inventory::{NotAssessed, RecoveryPoint, Rejected, State};
use crate::render::{moment, span};
use crate::report::{IdlePolicy, Report};

/// Everything that needs a person, the worst first.
pub(super) fn needs(facts: Facts<'_>) -> Vec<Need> {
    let report = facts.report;
    let mut needs = folded(lost(report), "recovery points are lost, tampered with or unusable");
    needs.extend(folded(broken(report), "families are over their RPO"));
    needs.extend(folded(not_assessed(report), "things are not assessed"));
    needs.extend(troubles(facts));
    needs.extend(folded(checked(facts), "things that the deployment lacks"));
    needs.extend(parked(report));
    needs.extend(folded(retired_and_not(report), "retired families still get images"));
    needs.extend(folded(retired_unknown(report), "retired families are not there"));
    needs.extend(taken_out(report));
    needs.extend(folded(relabelled(report), "images no longer match their records"));
    needs.extend(repeated(report));
    needs.extend(left_out(report));
    needs.extend(folded(idle(report), "policies select no image"));
    needs
}

/// What tells one recovery point from the others, for people: its family, the name of its image,
/// and the id.
pub(super) fn one_of(point: &RecoveryPoint) -> String {
    let name = distinct(&point.source_image_name, LONGEST_TEXT);
    let family = distinct(&point.family, LONGEST_TEXT);
    match name.is_empty() {
        true => format!("{} of {family}", point.source_image_id),
        false => format!("{} \u{201c}{name}\u{201d} of {family}", point.source_image_id),
    }
}

/// Everything that was complete and is not any more, one by one, the newest image first.
fn lost(report: &Report) -> Vec<Need> {
    let mut points: Vec<&RecoveryPoint> =
        report.recovery_points.iter().filter(|point| point.state.is_lost()).collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.source_created_at));
    let one = |point: &RecoveryPoint| {
        let how = match point.state {
            State::Tampered => "was tampered with",
            State::Unusable => "cannot be used",
            _ => "is lost",
        };
        Need {
            tone: Tone::Bad,
            what: format!("{} in {} {how}", one_of(point), point.target_region),
            why: format!("{}{}", because(point.code, &point.detail), tries(&[point])),
            remedy: point.code.remedy().to_owned(),
            code: Some(point.code),
            each: Excerpt::none(),
        }
    };
    points.into_iter().map(one).collect()
}

/// Every broken promise, the one that is broken for longest first.
fn broken(report: &Report) -> Vec<Need> {
    let mut families: Vec<&Family> =
        report.families.iter().filter(|family| family.state.is_breach()).collect();
    families.sort_by_key(|family| family.margin_seconds);
    families.into_iter().map(|family| broken_one(report, family)).collect()
}

fn broken_one(report: &Report, family: &Family) -> Need {
    let name = distinct(&family.family, LONGEST_TEXT);
    let target = &family.target_region;
    let Some(margin) = family.margin_seconds else {
        let policy = distinct(&family.policy, LONGEST_TEXT);
        return Need {
            tone: Tone::Bad,
            what: format!("{name} in {target} has no image"),
            why: format!("policy {policy} names this family, and no source has an image of it"),
            remedy: "make its first image, or take the family out of the policy".to_owned(),
            code: None,
            each: Excerpt::none(),
        };
    };
    let over = span(margin.saturating_neg());
    let (why, remedy, code) = cause(report, family);
    Need {
        tone: Tone::Bad,
        what: format!("{name} in {target} is {over} over its RPO"),
        why,
        remedy,
        code,
        each: Excerpt::none(),
    }
}

/// Why a family has nothing newer: the reason of its newest recovery point that is not complete,
/// or of its newest image that is left out, or that the source has made nothing.
fn cause(report: &Report, family: &Family) -> (String, String, Option<Code>) {
    let newer = |created| Some(created) > family.source_created_at;
    let open = report
        .recovery_points
        .iter()
        .filter(|point| family.has(point) && point.state != State::Complete)
        .filter(|point| newer(point.source_created_at))
        .max_by_key(|point| (rank(point.state), point.source_created_at));
    if let Some(point) = open {
        let why = format!("{}: {}", point.source_image_id, because(point.code, &point.detail));
        return (why, point.code.remedy().to_owned(), Some(point.code));
    }
    let left_out = report
        .rejected
        .iter()
        .filter_map(|image| Some((image, image.promised.as_ref()?)))
        .filter(|(image, promised)| family.suffers_from(image) && newer(promised.created))
        .max_by_key(|(_, promised)| promised.created);
    if let Some((image, _)) = left_out {
        let why = format!("{}: {}", image.source_image_id, visible(&image.reason, LONGEST_REASON));
        return (why, image.code.remedy().to_owned(), Some(image.code));
    }
    let repeats = report.recovery_points.iter().filter(|point| family.has(point));
    let repeats = repeats.filter_map(|point| Some((point, point.repeats.as_ref()?)));
    let newest = repeats.max_by_key(|(point, _)| point.source_created_at);
    if let Some((point, older)) = newest.filter(|(point, _)| newer(point.source_created_at)) {
        let (image, older) = (&point.source_image_id, &older.source_image_id);
        let why = format!("{image} is complete, but made of the snapshots of {older}");
        return (why, REPEATED.to_owned(), None);
    }
    let age = span(family.age_seconds.unwrap_or_default());
    (
        format!("its newest image is {age} old, and complete"),
        "make a new image, or find out why the source makes none".to_owned(),
        None,
    )
}

/// How much a state explains that nothing newer is complete.
fn rank(state: State) -> u8 {
    match state {
        State::Complete | State::InProgress => 0,
        State::Parked => 1,
        State::Lost | State::Tampered | State::Unusable => 2,
    }
}

fn not_assessed(report: &Report) -> Vec<Need> {
    let one = |unknown: &NotAssessed| {
        let place = format!("{} {}", unknown.source_account, unknown.source_region);
        let (what, remedy) = match &unknown.source_image_id {
            Some(image) => (
                format!("{} of {place} cannot be observed", visible(image, LONGEST_TEXT)),
                "fix what the reason names; amiferry looks at the image again by itself",
            ),
            None => (
                format!("{place} does not answer every question"),
                "do what the reason says, or find out why the source does not answer; until \
                 then amiferry does not see new images",
            ),
        };
        let why = visible(&unknown.reason, LONGEST_REASON);
        let remedy = remedy.to_owned();
        Need { tone: Tone::Unknown, what, why, remedy, code: None, each: Excerpt::none() }
    };
    // Sources first: what holds for all of a source is said once before its images.
    let (sources, images): (Vec<_>, Vec<_>) =
        report.not_assessed.iter().partition(|unknown| unknown.source_image_id.is_none());
    let sources = sources.into_iter().chain(images).map(one);
    let mut policies: BTreeMap<&str, usize> = BTreeMap::new();
    let unjudged = report.families.iter().filter(|family| family.state == RpoState::NotAssessed);
    // What has no readable record is named as tampered with already.
    let unjudged = unjudged.filter(|family| family.rpo_seconds.is_none());
    for family in unjudged.filter(|family| family.policy != UNKNOWN) {
        *policies.entry(family.policy.as_str()).or_default() += 1;
    }
    let policies = policies.into_iter().map(|(policy, count)| Need {
        tone: Tone::Unknown,
        what: format!(
            "{count} {} of policy {} cannot be judged",
            if count == 1 { "family" } else { "families" },
            distinct(policy, LONGEST_TEXT)
        ),
        why: "it is no longer configured, so it has no RPO".to_owned(),
        remedy: "configure the policy again, or let its copies expire".to_owned(),
        code: None,
        each: Excerpt::none(),
    });
    sources.chain(policies).collect()
}

fn troubles(facts: Facts<'_>) -> Vec<Need> {
    let Some(worker) = facts.worker else { return Vec::new() };
    let trouble = |(what, why): &(String, String)| Need {
        tone: Tone::Warn,
        what: visible(what, LONGEST_TEXT),
        why: visible(why, LONGEST_REASON),
        remedy: "read the log entry; it is repeated automatically".to_owned(),
        code: None,
        each: Excerpt::none(),
    };
    let stopping = worker.draining.then(|| Need {
        tone: Tone::Warn,
        what: "the worker is stopping".to_owned(),
        why: "it was asked to".to_owned(),
        remedy: "start it again; it goes on from what AWS shows".to_owned(),
        code: None,
        each: Excerpt::none(),
    });
    worker.troubles.iter().map(trouble).chain(stopping).collect()
}

/// What the worker's latest check found that a person should mend.
fn checked(facts: Facts<'_>) -> Vec<Need> {
    let Some(worker) = facts.worker else { return Vec::new() };
    let one = |finding: &Finding| Need {
        tone: if finding.level == Level::Fail { Tone::Bad } else { Tone::Warn },
        what: format!("the deployment lacks {}", visible(&finding.need, LONGEST_TEXT)),
        why: visible(&finding.cause, LONGEST_REASON),
        remedy: match &finding.remedy {
            Some(remedy) => visible(remedy, LONGEST_REASON),
            None => "run amiferry check".to_owned(),
        },
        code: None,
        each: Excerpt::none(),
    };
    let mut open: Vec<&Finding> =
        worker.findings.iter().filter(|finding| finding.level >= Level::Warn).collect();
    open.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    open.into_iter().map(one).collect()
}

/// What is parked, by reason, each with its name and its next try.
fn parked(report: &Report) -> Vec<Need> {
    let mut reasons: BTreeMap<Code, Vec<&RecoveryPoint>> = BTreeMap::new();
    for point in report.recovery_points.iter().filter(|point| point.state == State::Parked) {
        reasons.entry(point.code).or_default().push(point);
    }
    let mut needs: Vec<(usize, Need)> = reasons
        .into_iter()
        .map(|(code, points)| {
            let count = points.len();
            let what = match count {
                1 => "1 recovery point is parked".to_owned(),
                count => format!("{count} recovery points are parked"),
            };
            let common = points.first().map(|point| point.detail.as_str()).unwrap_or_default();
            let is_common = points.iter().all(|point| point.detail == common);
            let one = |point: &&RecoveryPoint| {
                let own = match is_common || point.detail.is_empty() {
                    true => String::new(),
                    false => format!("; {}", visible(&point.detail, LONGEST_REASON)),
                };
                One { who: one_of(point), why: format!("{own}{}", tries(&[point])) }
            };
            let all = if count > 1 { tries(&points) } else { String::new() };
            let why = format!("{}{all}", because(code, if is_common { common } else { "" }));
            let remedy = code.remedy().to_owned();
            let each = Excerpt::none();
            let need = Need { tone: Tone::Warn, what, why, remedy, code: Some(code), each };
            (count, need.of_each(points.iter().map(one).collect()))
        })
        .collect();
    needs.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    needs.into_iter().map(|(_, need)| need).collect()
}

/// How often a worker has tried in vain, and when it tries again, where one does.
fn tries(points: &[&RecoveryPoint]) -> String {
    let failed = points.iter().filter_map(|point| point.failed_attempts).max();
    let failed = match failed {
        None | Some(0) => String::new(),
        Some(1) => "; 1 attempt has failed".to_owned(),
        Some(failed) => format!("; {failed} attempts have failed"),
    };
    let next = points.iter().filter_map(|point| point.next_try).min();
    let next = next.map(|at| format!("; next try at {}", moment(at))).unwrap_or_default();
    failed + &next
}

/// The same of rows that only have names.
fn names(names: impl Iterator<Item = String>) -> Vec<One> {
    names.map(|who| One { who, why: String::new() }).collect()
}

/// Families that are retired and still get images.
fn retired_and_not(report: &Report) -> Vec<Need> {
    let one = |family: &Family| {
        let retired = family.retired.as_ref().filter(|retired| retired.younger_images > 0)?;
        let count = retired.younger_images;
        let images = if count == 1 { "1 image".to_owned() } else { format!("{count} images") };
        let name = distinct(&family.family, LONGEST_TEXT);
        Some(Need {
            tone: Tone::Warn,
            what: format!(
                "the retired family {name} in {} still gets images",
                family.target_region
            ),
            why: format!(
                "{images} of it were made after {}; no RPO is judged for them",
                moment(retired.since)
            ),
            remedy:
                "take it out of [[retired]] if its workload goes on; otherwise stop making images"
                    .to_owned(),
            code: None,
            each: Excerpt::none(),
        })
    };
    report.families.iter().filter_map(one).collect()
}

/// Entries of the configuration that retire nothing: most often a name that is spelled wrong.
fn retired_unknown(report: &Report) -> Vec<Need> {
    let one = |retired: &String| Need {
        tone: Tone::Warn,
        what: format!("the retired family {} is not there", visible(retired, LONGEST_TEXT)),
        why: "no source has an image of it, and no vault a recovery point".to_owned(),
        remedy: "correct its name in [[retired]], or take it out".to_owned(),
        code: None,
        each: Excerpt::none(),
    };
    report.retired_unknown.iter().map(one).collect()
}

/// Complete recovery points whose images no policy selects any more. Those of retired families are
/// meant to be so.
fn taken_out(report: &Report) -> Option<Need> {
    let is_retired = |point: &RecoveryPoint| {
        report.families.iter().any(|family| family.retired.is_some() && family.has(point))
    };
    let points = report.recovery_points.iter().filter(|point| point.no_policy);
    let each = names(points.filter(|point| !is_retired(point)).map(one_of));
    let what = match each.len() {
        0 => return None,
        1 => "1 image that no policy selects any more has a recovery point".to_owned(),
        count => format!("{count} images that no policy selects any more have recovery points"),
    };
    let need = Need {
        tone: Tone::Warn,
        what,
        why: "new images like them are not copied".to_owned(),
        remedy: "correct the policy or the tags; if the workload has ended, name its family in [[retired]]"
            .to_owned(),
        code: None,
        each: Excerpt::none(),
    };
    Some(need.of_each(each))
}

/// Complete recovery points whose images say another policy or family now than their records.
fn relabelled(report: &Report) -> Vec<Need> {
    let points = report.recovery_points.iter();
    let found = points.filter(|point| {
        point.state == State::Complete && !point.detail.is_empty() && !point.no_policy
    });
    let one = |point: &RecoveryPoint| Need {
        tone: Tone::Warn,
        what: format!("the image {} no longer matches its record", one_of(point)),
        why: visible(&point.detail, LONGEST_REASON),
        remedy:
            "find out who changed its tags; the recovery point stays as it was recorded, and a \
                 new image is recorded as it says itself"
                .to_owned(),
        code: None,
        each: Excerpt::none(),
    };
    found.map(one).collect()
}

/// Images that were registered again from the snapshots of older ones.
fn repeated(report: &Report) -> Option<Need> {
    let named = |point: &RecoveryPoint| {
        let older = point.repeats.as_ref()?;
        Some(format!("{} has those of {}", one_of(point), older.source_image_id))
    };
    let each = names(report.recovery_points.iter().filter_map(named));
    let what = match each.len() {
        0 => return None,
        1 => "1 image is made of the snapshots of an older one".to_owned(),
        count => format!("{count} images are made of the snapshots of older ones"),
    };
    let need = Need {
        tone: Tone::Warn,
        what,
        why: "their data are no younger".to_owned(),
        remedy: REPEATED.to_owned(),
        code: None,
        each: Excerpt::none(),
    };
    Some(need.of_each(each))
}

/// What leads out of a family that only repeats.
const REPEATED: &str = "make images from new snapshots, as ec2:CreateImage does; an image that is \
                        registered again from old ones makes no RPO younger";

/// Images of which a policy promises a copy that there cannot be.
fn left_out(report: &Report) -> Vec<Need> {
    let mut reasons: BTreeMap<Code, Vec<&Rejected>> = BTreeMap::new();
    for image in report.rejected.iter().filter(|image| image.promised.is_some()) {
        reasons.entry(image.code).or_default().push(image);
    }
    let named = |image: &&Rejected| match image.source_image_name.as_str() {
        "" => image.source_image_id.to_string(),
        name => {
            format!("{} \u{201c}{}\u{201d}", image.source_image_id, distinct(name, LONGEST_TEXT))
        }
    };
    reasons
        .into_iter()
        .map(|(code, images)| {
            let need = Need {
                tone: Tone::Warn,
                what: match images.len() {
                    1 => "1 image that a policy selects has no copy".to_owned(),
                    count => format!("{count} images that a policy selects have no copy"),
                },
                why: code.meaning().to_owned(),
                remedy: code.remedy().to_owned(),
                code: Some(code),
                each: Excerpt::none(),
            };
            need.of_each(names(images.iter().map(named)))
        })
        .collect()
}

/// Policies that select nothing: most often a selector that is spelled wrong.
fn idle(report: &Report) -> Vec<Need> {
    let one = |idle: &IdlePolicy| Need {
        tone: Tone::Warn,
        what: format!(
            "policy {} selects no image for {}",
            distinct(&idle.policy, LONGEST_TEXT),
            idle.target_region
        ),
        why: "no source that it speaks of has an image with its tags and name".to_owned(),
        remedy: "correct what it selects, or take the policy out of the configuration".to_owned(),
        code: None,
        each: Excerpt::none(),
    };
    report.idle_policies.iter().map(one).collect()
}
