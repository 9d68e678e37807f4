//! The spans that tie a line to its worker, its recovery point and the step that is being taken.
//!
//! They have the level `error`, so that even a log of errors alone names the image of each. Where
//! nothing is logged, they cost one comparison.

use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::text::visible;
use tracing::field::Empty;
use tracing::{Span, error_span};

use crate::metrics::{Stage, Worker};

/// The target of the spans: what the filter always lets through.
pub(super) const TARGET: &str = "amiferry::spans";

/// Longest family that is shown, in characters: a tag's value has no more.
const LONGEST_FAMILY: usize = 256;

/// What lines about a key carry: which image, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The account whose image it is.
    pub source_account: AccountId,
    /// The image's Region.
    pub source_region: Region,
    pub image: ImageId,
    /// Where its copy is or will be; `None` where every vault is meant.
    pub target_region: Option<Region>,
    /// Policy and family, once the image was seen and selected.
    pub governed: Option<(String, String)>,
}

/// Around everything that a worker does.
pub fn of_worker(worker: Worker) -> Span {
    error_span!(target: TARGET, "worker", amiferry.worker = worker.as_str())
}

/// Around everything that one of several source workers in a process does.
pub fn of_source(account: &AccountId, region: &Region) -> Span {
    error_span!(
        target: TARGET,
        "source",
        amiferry.source.account.id = account.as_str(),
        amiferry.source.region = region.as_str(),
    )
}

/// Around a line about a recovery point. `attempt` counts tries in a row, from 1: it is one more
/// than the faults since the last step that succeeded. `subject` is called where something is
/// logged.
pub fn recovery_point(attempt: u32, subject: impl FnOnce() -> Subject) -> Span {
    if !tracing::span_enabled!(target: TARGET, tracing::Level::ERROR, "recovery_point") {
        return Span::none();
    }
    let subject = subject();
    let (policy, family) = subject.governed.unzip();
    let family = family.map(|family| visible(&family, LONGEST_FAMILY));
    error_span!(
        target: TARGET,
        "recovery_point",
        amiferry.source.account.id = %subject.source_account,
        amiferry.source.region = %subject.source_region,
        amiferry.image.id = %subject.image,
        amiferry.target.region = subject.target_region.map(display),
        amiferry.policy = policy,
        amiferry.family = family,
        amiferry.attempt = attempt,
    )
}

/// The span of one step, inside that of its recovery point. The code that takes the step records
/// its results with [`Span::record`] on the current span: the line that ends the step shows them.
pub fn stage(recovery_point: &Span, stage: Stage) -> Span {
    error_span!(
        target: TARGET,
        parent: recovery_point,
        "stage",
        amiferry.stage = stage.as_str(),
        amiferry.image.size_gb = Empty,
        amiferry.restored.image.id = Empty,
        aws.s3.bucket = Empty,
        aws.s3.key = Empty,
        aws.s3.upload_id = Empty,
        amiferry.copy.bytes = Empty,
        amiferry.copy.parts = Empty,
        amiferry.copy.parts_held = Empty,
    )
}
