//! Looks back over a run: whether messages were kept until they were looked at, whether refused
//! ones were recorded, and whether the workers called AWS more often than they should.

use std::collections::{BTreeMap, VecDeque};

use amiferry_core::ids::ImageId;
use amiferry_simulator::faults::{Effect, Entry};
use amiferry_simulator::sqs;
use jiff::{SignedDuration, Timestamp};

use crate::mischief::{Change, Mischief, WhichQuota};
use crate::plan::Plan;
use crate::stage::truth::{self, Wrong};
use crate::stage::wire::Call;
use crate::stage::{Role, Stage};

/// The time over which calls without an answer are counted.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// So many calls without an answer may one worker make in a window: a retry of the SDK's own
/// counts, and each part of a copy that is under way.
const STORM: usize = 300;

/// From now on the queues keep what is deleted.
pub fn begin(stage: &Stage) {
    let mut state = stage.world.lock();
    for role in [Role::Source, Role::Target] {
        sqs::keep_deleted(&mut state, &stage.queue(role));
    }
}

/// Everything that is wrong with the way of a run.
pub fn look_back<'a>(
    stage: &Stage,
    plan: &Plan,
    images: impl Iterator<Item = &'a ImageId>,
) -> Vec<Wrong> {
    let mut wrongs = refused_unrecorded(stage);
    stage.wire.read(|calls| {
        wrongs.extend(deleted_unread(stage, calls, images));
        wrongs.extend(storms(calls));
        wrongs.extend(over_quota(stage, plan, calls));
        if !may_break_off(plan) {
            wrongs.extend(stored_though_complete(stage, calls));
        }
    });
    wrongs
}

/// Whether answers can break off: such a listing was answered, and the worker has not seen all of it.
fn may_break_off(plan: &Plan) -> bool {
    plan.mischief.iter().any(|mischief| match mischief {
        Mischief::Aws(entry) => match &**entry {
            Entry::Fault(rule) => matches!(rule.effect, Effect::Truncate(_) | Effect::EmptyBody),
            Entry::EventFault(_) | Entry::Outage(_) => false,
        },
        _ => false,
    })
}

/// What a look knows may be so much older than what a sweep has just listed.
const LOOK: SignedDuration = SignedDuration::from_mins(2);

/// What a source worker saw to be complete in the vault it does not store again, whatever became of
/// the staged object.
fn stored_though_complete(stage: &Stage, calls: &[Call]) -> Vec<Wrong> {
    let (account, region) = &stage.landscape.source;
    let own = [format!("amiferry%2F{account}%2F{region}"), format!("amiferry/{account}/{region}")];
    let lists = |call: &&Call| {
        call.operation == "ListObjectsV2" && own.iter().any(|own| call.text.contains(own.as_str()))
    };
    let recorded = truth::recorded(stage);
    let stores = calls.iter().filter(|call| call.operation == "CreateStoreImageTask");
    let mut wrongs = Vec::new();
    for store in stores {
        let about = |(id, _): &&(ImageId, Timestamp)| store.text.contains(id.as_str());
        let Some((id, recorded)) = recorded.iter().find(about) else { continue };
        let seen = calls
            .iter()
            .filter(lists)
            .find(|call| call.who == store.who && call.succeeded() && call.at > *recorded);
        if let Some(seen) = seen.filter(|seen| store.at > seen.at + LOOK) {
            wrongs.push(Wrong {
                invariant: "I-18",
                what: format!("{id}: stored at {}, seen complete at {}", store.at, seen.at),
            });
        }
    }
    wrongs
}

/// When each role had its first answer to a question that names an image.
fn first_answers<'a>(
    calls: &'a [Call],
    ids: &[&'a ImageId],
) -> BTreeMap<(Role, &'a str), Timestamp> {
    let mut first = BTreeMap::new();
    let looks = calls.iter().filter(|call| call.succeeded() && !call.mutates());
    for call in looks.filter(|call| call.operation != "ReceiveMessage") {
        let Some(role) = role_of(call) else { continue };
        for id in ids.iter().filter(|id| call.text.contains(id.as_str())) {
            first.entry((role, id.as_str())).or_insert(call.at);
        }
    }
    first
}

/// A message about an image may be deleted only when the image was asked about: before that
/// no worker could know that there is nothing to do, or that a sweep would find what there is. The note of
/// an image is announced, too, and names no work.
fn deleted_unread<'a>(
    stage: &Stage,
    calls: &[Call],
    images: impl Iterator<Item = &'a ImageId>,
) -> Vec<Wrong> {
    let ids: Vec<&ImageId> = images.collect();
    let first = first_answers(calls, &ids);
    let mut wrongs = Vec::new();
    for role in [Role::Source, Role::Target] {
        let state = stage.world.lock();
        for (at, body) in sqs::deleted(&state, &stage.queue(role)) {
            let names_work = |id: &&&ImageId| {
                body.contains(id.as_str()) && !body.contains(&format!("{id}.json"))
            };
            let Some(id) = ids.iter().find(names_work) else { continue };
            if first.get(&(role, id.as_str())).is_none_or(|asked| *asked > at) {
                let what = format!("{role:?}: deleted at {at} without a look at {id}: {body}");
                wrongs.push(Wrong { invariant: "I-2", what });
            }
        }
    }
    wrongs
}

/// What is refused is deleted, and leaves a record that is counted.
fn refused_unrecorded(stage: &Stage) -> Vec<Wrong> {
    let metrics = stage.metrics();
    let mut wrongs = Vec::new();
    for role in [Role::Source, Role::Target] {
        let state = stage.world.lock();
        let deleted = sqs::deleted(&state, &stage.queue(role));
        let refused = deleted.filter(|(_, body)| body.starts_with("{\"garbage\"")).count();
        let recorded = quarantined(&metrics, role);
        if recorded < refused {
            let what = format!("{role:?}: {refused} refused messages, {recorded} records");
            wrongs.push(Wrong { invariant: "I-2", what });
        }
    }
    wrongs
}

fn quarantined(metrics: &str, role: Role) -> usize {
    let worker = format!("worker=\"{}\"", role.as_str());
    sum(metrics, "amiferry_quarantined_messages_total{", &[&worker])
}

/// The sum of the series that begin so and have all of these labels.
fn sum(metrics: &str, name: &str, labels: &[&str]) -> usize {
    let series = metrics
        .lines()
        .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

/// Where one worker works alone and undisturbed and knows the quota, EC2 refuses at most one
/// submission in a hundred for it. The task of an image that is gone disturbs: it counts as long
/// as it runs, and only EC2 still knows the image's size.
fn over_quota(stage: &Stage, plan: &Plan, calls: &[Call]) -> Vec<Wrong> {
    let metrics = stage.metrics();
    let mut wrongs = Vec::new();
    for (role, which, operation) in [
        (Role::Source, WhichQuota::Store, "CreateStoreImageTask"),
        (Role::Target, WhichQuota::Restore, "CreateRestoreImageTask"),
    ] {
        let alone = plan.workers.iter().filter(|(of, _)| *of == role).count() == 1;
        let disturbed = plan.mischief.iter().any(|mischief| match mischief {
            Mischief::Aws(_) | Mischief::Crash { .. } => true,
            Mischief::Image { change: Change::Deregister { .. }, .. } => true,
            Mischief::Quota { which: of, lasts, .. } => *of == which && lasts.is_some(),
            _ => false,
        });
        if !alone || disturbed {
            continue;
        }
        let labels = [format!("operation=\"ec2:{operation}\""), "class=\"quota_full\"".to_owned()];
        let refused =
            sum(&metrics, "amiferry_aws_faults_total{", &labels.each_ref().map(String::as_str));
        let made = calls.iter().filter(|call| call.operation == operation).count();
        if refused * 100 > made {
            let what = format!("{refused} of {made} calls of {operation} are over the quota");
            wrongs.push(Wrong { invariant: "I-12", what });
        }
    }
    wrongs
}

/// No worker floods an AWS that gives no answer with calls.
fn storms(calls: &[Call]) -> Vec<Wrong> {
    let mut silent: BTreeMap<&str, VecDeque<&Call>> = BTreeMap::new();
    let mut worst: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.who != "audit") {
        let window = silent.entry(call.who).or_default();
        if call.status.is_some_and(|status| status < 500) {
            window.clear();
            continue;
        }
        window.push_back(call);
        while window.front().is_some_and(|first| call.at.duration_since(first.at) > WINDOW) {
            window.pop_front();
        }
        let most = worst.entry(call.who).or_default();
        if window.len() > STORM.max(most.len()) {
            *most = window.iter().copied().collect();
        }
    }
    let storms = worst.into_iter().filter(|(_, most)| !most.is_empty());
    storms
        .map(|(who, most)| {
            let mut each: BTreeMap<&str, usize> = BTreeMap::new();
            most.iter().for_each(|call| *each.entry(&call.operation).or_default() += 1);
            let count = most.len();
            let what =
                format!("{who} called {count} times in {WINDOW:?} without any answer: {each:?}");
            Wrong { invariant: "I-21", what }
        })
        .collect()
}

fn role_of(call: &Call) -> Option<Role> {
    match call.who.split('-').next() {
        Some("source") => Some(Role::Source),
        Some("target") => Some(Role::Target),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(who: &'static str, second: i64, status: Option<u16>) -> Call {
        Call {
            at: Timestamp::from_second(second).unwrap(),
            who,
            access_key: String::new(),
            region: String::new(),
            operation: "DescribeImages".to_owned(),
            text: "ImageId.1=ami-0abcdef1".to_owned(),
            status,
            answered: None,
        }
    }

    #[test]
    fn many_calls_without_an_answer_are_a_storm_and_one_answer_ends_it() {
        let mut calls: Vec<Call> = (0..=300).map(|n| call("target", n, None)).collect();
        assert_eq!(storms(&calls)[0].invariant, "I-21");
        calls[150].status = Some(200);
        assert!(storms(&calls).is_empty());
        let slow: Vec<Call> = (0..=300).map(|n| call("target", n * 10, Some(503))).collect();
        assert!(storms(&slow).is_empty());
    }

    #[test]
    fn only_an_answered_question_of_the_same_role_counts_as_a_look() {
        let id: ImageId = "ami-0abcdef1".parse().unwrap();
        let calls =
            [call("audit", 1, Some(200)), call("source", 2, None), call("source-2", 3, Some(200))];
        let first = first_answers(&calls, &[&id]);
        let looks: Vec<_> = first.iter().map(|((role, _), at)| (*role, at.as_second())).collect();
        assert_eq!(looks, [(Role::Source, 3)]);
    }
}
