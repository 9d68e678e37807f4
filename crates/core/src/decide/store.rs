//! Decides the source worker's next step for one image: store it, wait, or leave it.

use jiff::Timestamp;

use super::eligibility;
use super::order::Urgency;
use super::{Decision, Later, Pace};
use crate::code::Code;
use crate::ids::ImageId;
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
    /// Its newest store task into the staging bucket, if EC2 still lists one.
    pub task: Option<&'a StoreTask>,
    /// Its staged object, if there is one.
    pub staged: Option<&'a StoredObject>,
    /// Whether we started a task so recently that EC2 may not list it yet.
    pub settling: bool,
    /// Since when we look for an image that EC2 does not show.
    pub missing_since: Option<Timestamp>,
    /// When we first saw that this task had failed.
    pub failed_since: Option<Timestamp>,
}

/// The source worker's only effect: `CreateStoreImageTask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The image.
    pub image: ImageId,
    /// The sum of its volumes, as the quota counts it.
    pub size_gb: u64,
    /// The governing policy's name.
    pub policy: String,
    /// Its family.
    pub family: String,
    /// Who goes first under the quota.
    pub urgency: Urgency,
}

/// How long an image that EC2 does not show is waited for: AWS advises to allow a few minutes
/// for a new id to appear (EC2 developer guide, *Eventual consistency*).
pub const APPEARANCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// The next step for an image of a source.
pub fn next_step(
    policies: &Policies,
    source: &SourceId,
    observed: Observed<'_>,
    pace: Pace,
    now: Timestamp,
) -> Decision<Store> {
    let later = Later { now, pace };
    let Some(image) = observed.image else {
        let since = observed.missing_since.unwrap_or(now);
        return if now.duration_since(since) < APPEARANCE {
            later.wait(Code::Settling, "EC2 does not show the image yet")
        } else {
            Decision::Ineligible {
                code: Code::ImageGone,
                detail: format!("{} is not shown by EC2", observed.id),
            }
        };
    };
    let policy = match eligibility::governing(policies, source, image, now) {
        Ok(policy) => policy,
        Err(left_out) => return later.left_out(left_out),
    };
    if observed.staged.is_some_and(|object| object.size > 0) {
        return Decision::Done(Code::Staged);
    }
    match observed.task {
        Some(task) if task.state == StoreTaskState::InProgress => {
            let progress = format!("{} %", task.progress);
            return later.follow(task.started, Code::StoreRunning, progress);
        }
        Some(task) if failed_lately(task, observed.failed_since, pace, now) => {
            let reason = task.failure.as_deref().unwrap_or("EC2 gives no reason");
            return later.park(Code::StoreFailed, reason);
        }
        Some(_) | None if observed.settling => {
            return later.wait(Code::Settling, "a store task was just started");
        }
        Some(_) | None => {}
    }
    Decision::Act(Store {
        image: image.id.clone(),
        size_gb: image.size_gib(),
        policy: policy.name.to_string(),
        family: policy.family.of(image),
        urgency: Urgency {
            priority: policy.priority,
            deadline: policy.rpo.after(image.created),
            image: image.id.clone(),
        },
    })
}

/// Whether a task failed and the time to try again has not come. It counts from when the failure
/// was first seen: EC2 tells when a task began, not when it ended.
fn failed_lately(task: &StoreTask, seen: Option<Timestamp>, pace: Pace, now: Timestamp) -> bool {
    task.state == StoreTaskState::Failed
        && (now.duration_since(seen.unwrap_or(now)) < pace.park.signed()
            || has(Bug::StoreFailureFinal))
}
