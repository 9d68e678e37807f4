//! What the page is folded from, and what its parts share: tones, and the reasons in words.

use std::collections::BTreeMap;

use amiferry_core::answer::LONGEST_REASON;
use amiferry_core::check::Finding;
use amiferry_core::code::Code;
use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::span::Span;
use amiferry_core::text::visible;
use jiff::Timestamp;

use crate::report::Report;

/// The longest text of others that the page shows in one place, in characters.
pub(super) const LONGEST_TEXT: usize = 200;

/// Time for a look itself, before its facts are called old.
pub const PATIENCE: Span = Span::from_secs(300);

/// What the page is folded from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The state of every promise, judged at [`now`](Self::now).
    pub report: &'a Report,
    /// When everything in the report was last known to be so; `None`: never yet.
    pub known_at: Option<Timestamp>,
    /// The page calls its facts old when they were not renewed for this long.
    pub old_after: Span,
    /// What the worker that shows the page also knows; `None` when AWS alone was asked.
    pub worker: Option<&'a WorkerState>,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Facts<'a> {
    /// A report from AWS alone, shown at the time at which it was made.
    pub fn asked_once(report: &'a Report) -> Self {
        Self {
            report,
            known_at: Some(report.as_of),
            old_after: PATIENCE,
            worker: None,
            now: report.as_of,
        }
    }
}

/// What a running process knows that its report does not say.
#[derive(Debug, Clone, Default)]
pub struct WorkerState {
    /// Images that are left out and not in the report one by one.
    pub left_out: BTreeMap<Code, usize>,
    /// Effects being performed, by the name of their stage.
    pub in_flight: BTreeMap<&'static str, usize>,
    /// How far the copies are that it performs.
    pub copies: BTreeMap<RecoveryPointId, CopyProgress>,
    /// What the worker itself cannot do, such as receiving, each with the last fault.
    pub troubles: Vec<(String, String)>,
    /// What its latest check of the deployment found.
    pub findings: Vec<Finding>,
    /// Whether it is stopping.
    pub draining: bool,
}

/// How a thing stands, for its colour and sign; never said by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// As promised.
    Good,
    /// On its way.
    Busy,
    /// A person should look.
    Warn,
    /// A promise is broken.
    Bad,
    /// Not known, which is never good.
    Unknown,
}

/// A reason with its particulars. What is about to be done says so by itself.
pub(super) fn because(code: Code, detail: &str) -> String {
    match (code, detail) {
        (Code::InTurn, detail) if !detail.is_empty() => visible(detail, LONGEST_REASON),
        (code, detail) if code.meaning().contains(detail) => code.meaning().to_owned(),
        (code, detail) => format!("{}: {}", code.meaning(), visible(detail, LONGEST_REASON)),
    }
}
