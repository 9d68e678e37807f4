//! Decides the source worker's next step for one image: store it, wait, or leave it.
//!
//! An image that is complete in every vault is not stored again, whatever became of its staged
//! object. An incomplete image that lost its staged object is stored again, after a longer wait
//! each time: the lifecycle rule that removed this object may also remove the next one.

use jiff::{SignedDuration, Timestamp};

use super::eligibility;
use super::{Decision, Later, Pace, after, pause, shown};
use crate::code::Code;
use crate::ids::ImageId;
use crate::manifest::{Note, Teller};
use crate::model::{Image, StoreTask, StoreTaskState, StoredObject};
use crate::names::SourceId;
use crate::planted::{Bug, has};
use crate::policy::Policies;

/// What AWS says about one image of the source.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The image's id.
    pub id: &'a ImageId,
    /// The image, unless EC2 does not show it.
    pub image: Option<&'a Image>,
    /// Its newest store task to its staged key, if EC2 still lists one.
    pub task: Option<&'a StoreTask>,
    /// Its newest store task to another key or bucket, if EC2 lists that one instead: EC2 lists
    /// only the newest task of an image, so one of ours may have ended in any way.
    pub other: Option<&'a StoreTask>,
    /// EC2's refusal because the staging bucket holds the image already.
    pub refused: Option<&'a Refused>,
    /// The other key in the staging bucket that EC2 stored it under, if it still lists that task.
    pub holder: Option<&'a str>,
    /// Its staged object, if there is one.
    pub staged: Option<&'a StoredObject>,
    /// Whether every vault that its policy demands shows it as complete, or as given up.
    pub complete: bool,
    /// Whether one of them shows it as given up.
    pub pruned: bool,
    /// Until when the image waits for a vault that has not yet said whether it is complete there.
    pub unknown_until: Option<Timestamp>,
    /// Whether this worker started a task so recently that EC2 may not list it yet.
    pub settling: bool,
    /// Since when this worker has looked for an image that EC2 does not show.
    pub missing_since: Option<Timestamp>,
    /// When this worker first saw that this task had failed.
    pub failed_since: Option<Timestamp>,
    /// How many of its tasks in a row this worker saw fail, this one included.
    pub failures: u32,
    /// How often this worker saw that its staged object was gone.
    pub losses: u32,
    /// Whether a person asks for the next try now: no pause after failures holds it for long.
    pub urged: bool,
}

/// A store that EC2 refused because the bucket holds the image already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When it was last refused.
    pub at: Timestamp,
    /// How often it was refused in a row.
    pub times: u32,
    /// EC2's words.
    pub words: String,
}

/// The source worker's only effect: `CreateStoreImageTask`, with a note of the image beside the
/// staged object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub image: ImageId,
    /// The sum of its volumes, as the quota counts it.
    pub size_gb: u64,
    /// The governing policy's name.
    pub policy: String,
    pub family: String,
    /// What the image shows now, in case it is gone when the vault copies.
    pub note: Box<Note>,
}

/// How long to wait for an image that EC2 does not show: AWS advises to allow a few minutes for a
/// new id to appear (EC2 developer guide, *Eventual consistency*).
pub const APPEARANCE: SignedDuration = SignedDuration::from_mins(5);

/// How long after the start of a store the worker acts on the first loss of its staged object.
const FIRST_LOSS: SignedDuration = SignedDuration::from_mins(15);

/// The longest wait after a failure or a loss.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// The next step for an image of a source.
pub fn next_step(
    policies: &Policies,
    source: &SourceId,
    observed: Observed<'_>,
    pace: Pace,
    now: Timestamp,
) -> Decision<Store> {
    let later = Later { now, pace };
    let pause = |first, times| pause(first, times, LONGEST, observed.urged);
    let is_staged = observed.staged.is_some_and(|object| object.size > 0);
    // What runs is followed to its end, whatever becomes of its image.
    if let Some(following) = follow(observed.task, later)
        && !is_staged
    {
        // It was stored again, and is not needed.
        return match observed.complete && !has(Bug::CompletionForgotten) {
            true => settled(observed.pruned),
            false => following,
        };
    }
    let Some(image) = observed.image else {
        let since = observed.missing_since.unwrap_or(now);
        return if now.duration_since(since) < APPEARANCE {
            later.wait(Code::Settling, "EC2 does not show the image yet")
        } else {
            Decision::Ineligible {
                code: Code::ImageGone,
                detail: format!("EC2 does not show {}", observed.id),
            }
        };
    };
    let policy = match eligibility::governing(policies, source, image, now) {
        Ok(policy) => policy,
        Err(left_out) => return later.left_out(left_out),
    };
    if observed.complete && !has(Bug::CompletionForgotten) {
        return settled(observed.pruned);
    }
    if is_staged {
        return Decision::Done(Code::Staged);
    }
    match observed.task {
        Some(task) if task.state == StoreTaskState::Failed => {
            let reason = task.failure.as_deref().unwrap_or("EC2 gives no reason");
            // It counts from when the failure was first seen: EC2 tells when a task began, not
            // when it ended.
            let since = observed.failed_since.unwrap_or(now);
            let until = after(since, pause(pace.park.signed(), observed.failures));
            if now < until || has(Bug::StoreFailureFinal) {
                let (code, detail) = (Code::StoreFailed, shown(reason));
                return Decision::Park { until: until.max(pace.poll.after(now)), code, detail };
            }
        }
        Some(StoreTask { state: StoreTaskState::Completed, started: Some(started), .. }) => {
            let until = after(*started, pause(FIRST_LOSS, observed.losses));
            if now < until && !observed.settling {
                let detail = format!("stored at {started:.0}; the object is gone");
                return Decision::Wait { until, code: Code::StagedLost, detail };
            }
        }
        Some(_) | None => {}
    }
    // EC2 stores an image into one bucket at a time.
    if let Some(Decision::Wait { until, code, detail }) = follow(observed.other, later) {
        let bucket = observed.other.map_or("", |task| task.bucket.as_str());
        let detail = shown(format!("{detail}, into the bucket {bucket}"));
        return Decision::Wait { until, code, detail };
    }
    if observed.settling {
        return later.wait(Code::Settling, "a store task was just started");
    }
    if let Some(refused) = observed.refused {
        let until = after(refused.at, pause(pace.park.signed(), refused.times));
        if now < until {
            let detail = match observed.holder {
                Some(key) => format!("it is {key}"),
                None => format!("EC2 lists no task that says where: {}", refused.words),
            };
            let until = until.max(pace.poll.after(now));
            return Decision::Park { until, code: Code::StoredElsewhere, detail: shown(detail) };
        }
    }
    if let Some(until) = observed.unknown_until.filter(|until| now < *until) {
        let detail = "a vault has not answered yet".to_owned();
        let until = until.min(after(now, FIRST_LOSS));
        return Decision::Wait { until, code: Code::VaultUnknown, detail };
    }
    let family = policy.family.of(image);
    let governed = (policy.name.as_str(), family.as_str(), policy.tier);
    let note = Box::new(Note::of(image, source, governed, Teller::Source, now));
    Decision::Act(Store {
        image: image.id.clone(),
        size_gb: image.size_gib(),
        policy: policy.name.to_string(),
        family,
        note,
    })
}

/// What there is to say about an image that no vault needs.
fn settled(pruned: bool) -> Decision<Store> {
    match pruned {
        true => Decision::Ineligible {
            code: Code::Pruned,
            detail: "a vault has a record of it".to_owned(),
        },
        false => Decision::Done(Code::Complete),
    }
}

fn follow(task: Option<&StoreTask>, later: Later) -> Option<Decision<Store>> {
    let task = task?;
    let detail = match &task.state {
        StoreTaskState::InProgress => format!("{} %", task.progress),
        // It may still write the object.
        StoreTaskState::Other(state) => format!("state {state}"),
        StoreTaskState::Completed | StoreTaskState::Failed => return None,
    };
    Some(later.follow(task.started, Code::StoreRunning, detail))
}
