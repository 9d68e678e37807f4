//! The status page of a running target worker: what it last observed, judged at the time of each
//! request. The page makes no calls to AWS, so readers cost nothing.

use std::fmt;
use std::sync::Arc;

use amiferry_audit::inventory;
use amiferry_audit::page;
use amiferry_audit::page::view::{Facts, WorkerState, view};
use amiferry_audit::report::Report;
use amiferry_core::answer::TargetAnswer;
use amiferry_core::check::Finding;
use amiferry_core::ports::Clock;
use amiferry_core::span::Span;
use amiferry_service::answerer::Answerer;
use amiferry_service::page::{Page, Rendered};
use amiferry_service::reconcile::Snapshot;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::role::TargetRole;

/// The page calls its facts old after this many sweeps that did not succeed.
const MISSED_SWEEPS: u64 = 3;

/// Time that the page also allows for the looks that follow a sweep.
const PATIENCE_SECONDS: u64 = 300;

/// See the module's doc.
pub struct StatusPage {
    role: Arc<TargetRole>,
    snapshots: watch::Receiver<Snapshot>,
    clock: Arc<dyn Clock>,
    old_after: Span,
    /// What the latest check of the deployment found, where one is made.
    findings: Option<watch::Receiver<Vec<Finding>>>,
}

impl StatusPage {
    /// The page of a role whose loop sweeps every so often and publishes these snapshots.
    pub fn new(
        role: Arc<TargetRole>,
        snapshots: watch::Receiver<Snapshot>,
        clock: Arc<dyn Clock>,
        sweep_interval: Span,
    ) -> Self {
        let sweeps = sweep_interval.duration().as_secs().saturating_mul(MISSED_SWEEPS);
        let old_after = Span::from_secs(sweeps.saturating_add(PATIENCE_SECONDS));
        Self { role, snapshots, clock, old_after, findings: None }
    }

    /// The same page, with what checks of the deployment find.
    pub fn with_findings(self, findings: watch::Receiver<Vec<Finding>>) -> Self {
        Self { findings: Some(findings), ..self }
    }
}

impl StatusPage {
    /// What the worker last observed, judged now, and when all of it was last known to be so.
    pub fn report(&self) -> (Report, Option<Timestamp>) {
        let (inventory, known_at) = {
            let outlook = self.role.outlook();
            let fleet = self.role.fleet();
            (self.role.observer.inventory(&fleet, &outlook), fleet.known_at())
        };
        (Report::new(inventory, self.role.policies(), self.clock.now()), known_at)
    }
}

impl fmt::Debug for StatusPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusPage").field("old_after", &self.old_after).finish_non_exhaustive()
    }
}

impl Answerer for StatusPage {
    fn answer(&self) -> String {
        let vault = self.role.observer.vault_id();
        TargetAnswer::of(&self.role.fleet(), &vault, self.clock.now()).to_json()
    }
}

impl Page for StatusPage {
    fn render(&self, query: Option<&str>) -> Rendered {
        let now = self.clock.now();
        let snapshot = self.snapshots.borrow().clone();
        let (report, known_at) = self.report();
        let left_out = inventory::unselected(&self.role.fleet());
        let trouble = |(what, fault): (&str, String)| (what.to_owned(), fault);
        let in_flight = snapshot.in_flight.iter().map(|(stage, count)| (stage.as_str(), *count));
        let worker = WorkerState {
            left_out,
            in_flight: in_flight.collect(),
            copies: self.role.copies(),
            troubles: snapshot.troubles.into_iter().map(trouble).collect(),
            findings: self
                .findings
                .as_ref()
                .map(|found| found.borrow().clone())
                .unwrap_or_default(),
            draining: snapshot.draining,
        };
        let view = view(Facts {
            report: &report,
            known_at,
            old_after: self.old_after,
            worker: Some(&worker),
            now,
        });
        let updates = page::updates(&view, query);
        Rendered {
            html: page::html(&view, updates),
            headers: page::headers().to_vec(),
            refresh: updates.seconds(),
        }
    }
}
