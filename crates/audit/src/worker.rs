//! Takes what only running workers know into a report, and says whether they were asked.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::answer::{LONGEST_REASON, Refusal, SourceAnswer, TargetAnswer};
use amiferry_core::code::Code;
use amiferry_core::fleet::State;
use amiferry_core::ids::{AccountId, Region};
use amiferry_core::text::visible;
use jiff::Timestamp;
use serde::Serialize;

use crate::inventory::{Inventory, RecoveryPoint, Unfinished};
use crate::report::Report;

/// Whether the worker of a vault was asked, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerAsked {
    /// The vault account.
    pub target_account: AccountId,
    pub target_region: Region,
    /// When it answered; `None` if it did not.
    pub answered_at: Option<Timestamp>,
    /// Why it did not.
    pub why: Option<String>,
}

/// A source worker that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceWorkerAsked {
    pub source_account: AccountId,
    pub source_region: Region,
    pub answered_at: Timestamp,
}

impl From<&SourceAnswer> for SourceWorkerAsked {
    fn from(answer: &SourceAnswer) -> Self {
        Self {
            source_account: answer.source_account.clone(),
            source_region: answer.source_region.clone(),
            answered_at: answer.as_of,
        }
    }
}

impl Inventory {
    /// Takes up what the worker of a vault knows: of what AWS shows under way, that it is refused; of
    /// everything that is not complete, the next try.
    pub fn hear(&mut self, answer: &TargetAnswer) {
        let vault = answer.vault();
        for open in &answer.recovery_points {
            let id = open.of_vault(&vault);
            let mut points = self.recovery_points.iter_mut();
            if let Some(point) = points.find(|point| point.id() == id)
                && point.state != State::Complete
            {
                point.next_try = open.next_try;
                point.refused(open.refusal.as_ref());
            }
        }
        let unfinished = answer.unfinished.iter().map(|family| Unfinished {
            source: family.source(),
            family: family.family.clone(),
            policy: family.policy.clone(),
            vault: vault.clone(),
            since: family.since,
        });
        self.unfinished.extend(unfinished);
    }

    /// Takes up what a source worker knows: of what is not staged yet, that its store is refused or
    /// failed.
    pub fn hear_source(&mut self, answer: &SourceAnswer) {
        let source = answer.source();
        let images: BTreeMap<_, _> =
            answer.images.iter().map(|image| (&image.source_image_id, image)).collect();
        for point in self.recovery_points.iter_mut().filter(|point| is_to_be_stored(point)) {
            let image = images.get(&point.source_image_id).copied();
            if let Some(image) = image.filter(|_| point.id().source() == source) {
                point.next_try = Some(image.next_try);
                point.refused_in_source = true;
                point.refused(Some(&image.refusal));
            }
        }
    }
}

/// Whether a recovery point is under way and waits for its source worker.
fn is_to_be_stored(point: &RecoveryPoint) -> bool {
    point.state == State::InProgress && point.code == Code::NotStaged
}

impl RecoveryPoint {
    /// Says what a worker was refused as the worker's own page does.
    fn refused(&mut self, refusal: Option<&Refusal>) {
        let Some(refusal) = refusal else { return };
        self.failed_attempts = Some(refusal.failed_attempts);
        if self.state != State::InProgress {
            return;
        }
        if refusal.parked {
            self.state = State::Parked;
        }
        self.code = refusal.code;
        self.detail = visible(&refusal.detail, LONGEST_REASON);
    }
}

/// Whether what only workers know is in a report, in sentences; `None` where none was to be asked.
pub fn sentences(report: &Report) -> Option<String> {
    let vaults = report.workers.as_deref().and_then(heard);
    let both: Vec<String> = vaults.into_iter().chain(unheard_sources(report)).collect();
    (!both.is_empty()).then(|| both.join(" "))
}

/// How many images wait for a source worker that was not asked why, in a sentence; `None` where every
/// one was, or where no worker was to be asked.
fn unheard_sources(report: &Report) -> Option<String> {
    report.workers.as_ref()?;
    Some(format!("{}: name it with --worker.", unstored(report)?))
}

/// The same on the page of a target worker, which asks no source worker: a vault opens no connection to
/// the network of a source.
pub fn beside_sources(report: &Report) -> Option<String> {
    Some(format!(
        "{}: read its log or its metric amiferry_parked, or name it to amiferry status with --worker.",
        unstored(report)?
    ))
}

fn unstored(report: &Report) -> Option<String> {
    let is_asked = |point: &RecoveryPoint| {
        report.source_workers.iter().any(|asked| {
            (&asked.source_account, &asked.source_region)
                == (&point.source_account, &point.source_region)
        })
    };
    let points = report.recovery_points.iter();
    let images: BTreeSet<_> = points
        .filter(|point| is_to_be_stored(point) && !is_asked(point))
        .map(|point| (&point.source_account, &point.source_region, &point.source_image_id))
        .collect();
    let waits = match images.len() {
        0 => return None,
        1 => "1 image is not staged yet. Whether its store is refused".to_owned(),
        more => format!("{more} images are not staged yet. Whether their stores are refused"),
    };
    Some(format!("{waits}, only the source worker can say"))
}

/// Whether what only the workers of the vaults know is in a report; `None` where none was to be asked.
pub fn heard(asked: &[WorkerAsked]) -> Option<String> {
    let silent: Vec<&WorkerAsked> =
        asked.iter().filter(|worker| worker.answered_at.is_none()).collect();
    let first = asked.first()?;
    Some(match silent.first() {
        None if asked.len() == 1 => {
            "The target worker answered: this report includes the calls that AWS refused it."
                .to_owned()
        }
        None => {
            "The target workers answered: this report includes the calls that AWS refused them."
                .to_owned()
        }
        Some(other) if silent.len() == asked.len() => format!(
            "No target worker answered, so this report lacks the calls that AWS refused it{}.",
            because(if asked.len() == 1 { first } else { other })
        ),
        Some(other) => format!(
            "The worker of vault {}/{} did not answer, so this report lacks the calls that AWS refused it{}.",
            other.target_account,
            other.target_region,
            because(other)
        ),
    })
}

fn because(worker: &WorkerAsked) -> String {
    let why = worker.why.as_ref().map(|why| format!(" ({})", visible(why, LONGEST_REASON)));
    why.unwrap_or_default()
}
