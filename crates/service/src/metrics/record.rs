//! One function for each thing that is recorded, so that names and labels are spelled once.

use std::time::Duration;

use amiferry_core::check::{Finding, Level};
use amiferry_core::code::Code;
use amiferry_core::event::{EventKind, RejectCode};
use amiferry_core::fault::FaultClass;
use amiferry_core::ids::Region;
use amiferry_core::model::KeyVerdict;
use amiferry_core::ports::{CallMeter, QueueDepth};
use jiff::Timestamp;
use metrics::{counter, gauge, histogram};

use super::label::{KeyUse, Needed, Outcome, Quota, Stage, Worker};
use super::table::*;

/// A gauge's value; exact for whole numbers below 2^53.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

pub(super) fn since_1970(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// Starts every counter whose labels are known in advance, so that dashboards see zero instead of
/// nothing, and records the version.
pub(super) fn start_at_zero() {
    gauge!(BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for worker in Worker::ALL.iter().map(|worker| worker.as_str()) {
        counter!(FOUND_BY_SWEEP.name, "worker" => worker).absolute(0);
        for reason in RejectCode::ALL {
            let reason = reason.as_str();
            counter!(QUARANTINED.name, "worker" => worker, "reason" => reason).absolute(0);
        }
        for kind in EventKind::ALL.iter().map(|kind| kind.as_str()).chain([UNREADABLE]) {
            for outcome in EventOutcome::ALL {
                let outcome = outcome.as_str();
                counter!(EVENTS.name, "worker" => worker, "kind" => kind, "outcome" => outcome)
                    .absolute(0);
            }
        }
    }
    for outcome in [Outcome::Succeeded, Outcome::Failed] {
        notified(outcome, 0);
    }
    for stage in Stage::ALL {
        stage_counter(*stage, Outcome::Succeeded, None).absolute(0);
        // A rate sees no growth in a series that begins with its first failure.
        for class in FaultClass::ALL {
            stage_counter(*stage, Outcome::Failed, Some(class)).absolute(0);
        }
    }
}

/// The kind of a message that could not be read.
const UNREADABLE: &str = "unreadable";

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// It names something to look at, and nothing else.
    Accepted,
    /// It is well-formed and asks for nothing.
    Ignored,
    /// It, or a record of it, was refused.
    Quarantined,
}

impl EventOutcome {
    const ALL: [Self; 3] = [Self::Accepted, Self::Ignored, Self::Quarantined];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Quarantined => "quarantined",
        }
    }
}

/// Counts a message.
pub fn event(worker: Worker, kind: Option<EventKind>, outcome: EventOutcome) {
    let kind = kind.map_or(UNREADABLE, EventKind::as_str);
    let (worker, outcome) = (worker.as_str(), outcome.as_str());
    counter!(EVENTS.name, "worker" => worker, "kind" => kind, "outcome" => outcome).increment(1);
}

/// Counts a refused message or record.
pub fn quarantined(worker: Worker, reason: RejectCode) {
    let (worker, reason) = (worker.as_str(), reason.as_str());
    counter!(QUARANTINED.name, "worker" => worker, "reason" => reason).increment(1);
}

/// Counts notifications by whether the event bus took them.
pub fn notified(outcome: Outcome, count: usize) {
    counter!(NOTIFICATIONS.name, "outcome" => outcome.as_str()).increment(count as u64);
}

/// Counts an image that only a sweep found in need of work.
pub fn found_by_sweep(worker: Worker) {
    counter!(FOUND_BY_SWEEP.name, "worker" => worker.as_str()).increment(1);
}

/// Records how many items of AWS's listings could not be read.
pub fn unreadable_items(worker: Worker, items: usize) {
    gauge!(UNREADABLE_ITEMS.name, "worker" => worker.as_str()).set(number(items as u64));
}

/// Records how often a worker sweeps.
pub fn sweep_interval(worker: Worker, interval: Duration) {
    gauge!(SWEEP_INTERVAL.name, "worker" => worker.as_str()).set(interval.as_secs_f64());
}

/// Records that a sweep ended well.
pub fn sweep_succeeded(worker: Worker, now: Timestamp) {
    gauge!(SWEEP_LAST_SUCCESS.name, "worker" => worker.as_str()).set(since_1970(now));
}

/// Records how many images are parked for a reason.
pub fn parked(worker: Worker, reason: Code, images: usize) {
    let (worker, reason) = (worker.as_str(), reason.as_str());
    gauge!(PARKED.name, "worker" => worker, "reason" => reason).set(number(images as u64));
}

/// Records how many images wait for a reason.
pub fn waiting(worker: Worker, reason: Code, images: usize) {
    let (worker, reason) = (worker.as_str(), reason.as_str());
    gauge!(WAITING.name, "worker" => worker, "reason" => reason).set(number(images as u64));
}

/// Records how many effects of a stage are being performed.
pub fn in_flight(worker: Worker, stage: Stage, effects: usize) {
    let (worker, stage) = (worker.as_str(), stage.as_str());
    gauge!(IN_FLIGHT_EFFECTS.name, "worker" => worker, "stage" => stage)
        .set(number(effects as u64));
}

fn stage_counter(stage: Stage, outcome: Outcome, reason: Option<FaultClass>) -> metrics::Counter {
    let reason = reason.map_or("", FaultClass::as_str);
    let (stage, outcome) = (stage.as_str(), outcome.as_str());
    counter!(STAGE.name, "stage" => stage, "outcome" => outcome, "reason" => reason)
}

/// Records the end of a stage. The loop does it for every effect; a role does it for stages that
/// run in AWS, such as a store task.
pub fn stage_ended(stage: Stage, outcome: Outcome, reason: Option<FaultClass>, took: Duration) {
    stage_counter(stage, outcome, reason).increment(1);
    let (stage, outcome) = (stage.as_str(), outcome.as_str());
    histogram!(STAGE_DURATION.name, "stage" => stage, "outcome" => outcome)
        .record(took.as_secs_f64());
}

/// Records the tasks that EC2 runs, and the progress of each in percent where it is shown.
pub fn tasks(stage: Stage, running: usize, progress: &[u8]) {
    gauge!(TASKS_RUNNING.name, "stage" => stage.as_str()).set(number(running as u64));
    let sum = progress.iter().map(|percent| u64::from(*percent)).sum::<u64>();
    let mean = number(sum) / number(100 * progress.len().max(1) as u64);
    gauge!(TASK_PROGRESS.name, "stage" => stage.as_str()).set(mean);
}

/// Records that the queue answered a receive.
pub fn received(worker: Worker, now: Timestamp) {
    gauge!(QUEUE_LAST_RECEIVE.name, "worker" => worker.as_str()).set(since_1970(now));
}

/// Records how full the worker's queue is.
pub fn queue_depth(worker: Worker, depth: QueueDepth) {
    for (state, messages) in [("waiting", depth.waiting), ("in_flight", depth.in_flight)] {
        gauge!(QUEUE_MESSAGES.name, "worker" => worker.as_str(), "state" => state)
            .set(number(messages));
    }
}

/// Records how many messages are in the dead-letter queue behind the worker's queue.
pub fn dead_letters(worker: Worker, messages: u64) {
    gauge!(DEAD_LETTERS.name, "worker" => worker.as_str()).set(number(messages));
}

/// Records a quota in bytes.
pub fn quota(quota: Quota, used_bytes: u64, limit_bytes: u64) {
    gauge!(QUOTA_USED.name, "quota" => quota.as_str()).set(number(used_bytes));
    gauge!(QUOTA_LIMIT.name, "quota" => quota.as_str()).set(number(limit_bytes));
}

/// Records at `now` what a check of the deployment found.
pub fn checked(worker: Worker, findings: &[Finding], now: Timestamp) {
    let worker = worker.as_str();
    for level in [Level::Ok, Level::Unknown, Level::Warn, Level::Fail] {
        let count = findings.iter().filter(|finding| finding.level == level).count();
        let level = level.as_str().to_ascii_lowercase();
        gauge!(CHECK_FINDINGS.name, "worker" => worker, "level" => level).set(number(count as u64));
    }
    gauge!(CHECK_AT.name, "worker" => worker).set(since_1970(now));
}

/// Records how many bytes are staged that vaults still need, or do not need any more.
pub fn staged(needed: Needed, bytes: u64) {
    gauge!(STAGED.name, "needed" => needed.as_str()).set(number(bytes));
}

/// Counts parts that were copied into a vault bucket.
pub fn copied(target: &Region, parts: u64, bytes: u64) {
    counter!(COPIED_PARTS.name, "target_region" => target.to_string()).increment(parts);
    counter!(COPIED_BYTES.name, "target_region" => target.to_string()).increment(bytes);
}

/// Records at `now` whether a key can be used.
pub fn key_usable(purpose: KeyUse, verdict: &KeyVerdict, now: Timestamp) {
    let value = match verdict {
        KeyVerdict::Usable => 1.0,
        KeyVerdict::Unusable(_) => 0.0,
        KeyVerdict::Unknown(_) => -1.0,
    };
    gauge!(KMS_KEY_USABLE.name, "use" => purpose.as_str()).set(value);
    gauge!(KMS_CHECKED.name, "use" => purpose.as_str()).set(since_1970(now));
}

/// Counts the calls of a worker's sessions.
#[derive(Debug, Clone, Copy)]
pub struct AwsCalls(pub Worker);

impl CallMeter for AwsCalls {
    fn ended(&self, operation: &'static str, fault: Option<FaultClass>, took: Duration) {
        let (service, operation) = operation.split_once(':').unwrap_or(("", operation));
        let outcome = fault.map_or("ok", FaultClass::as_str);
        let worker = self.0.as_str();
        counter!(
            AWS_REQUESTS.name,
            "worker" => worker, "service" => service, "operation" => operation, "outcome" => outcome
        )
        .increment(1);
        histogram!(
            AWS_DURATION.name,
            "worker" => worker, "service" => service, "operation" => operation
        )
        .record(took.as_secs_f64());
    }
}
