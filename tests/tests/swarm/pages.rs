//! What the workers show without a call is never green when it is not, at every moment of a run.

use std::collections::BTreeSet;

use amiferry_audit::family::RpoState;
use amiferry_audit::inventory::State;
use amiferry_core::ids::ImageId;

use crate::stage::Stage;
use crate::stage::truth::{self, Wrong};

/// What the workers have called complete so far.
#[derive(Debug, Default)]
pub struct Pages {
    shown: BTreeSet<ImageId>,
}

impl Pages {
    /// Holds every worker's own picture to the world: what it calls complete is complete, and a
    /// family of which nothing is complete is not within its RPO. What was found true before is
    /// compared only now and `again`.
    pub fn look(&mut self, stage: &Stage, again: bool) -> Vec<Wrong> {
        let (account, _) = &stage.landscape.source;
        let mut wrongs = Vec::new();
        let mut wrong = |what: String| wrongs.push(Wrong { invariant: "never green", what });
        for report in stage.shown_by_all() {
            let points = report.recovery_points.iter();
            let complete: Vec<_> = points
                .filter(|point| point.source_account == *account)
                .filter(|point| point.state == State::Complete)
                .collect();
            for point in &complete {
                let is_new = self.shown.insert(point.source_image_id.clone());
                if is_new || again {
                    for missing in truth::missing(stage, &point.source_image_id) {
                        wrong(format!("complete to a worker, and {missing}"));
                    }
                }
            }
            let families = report.families.iter();
            for family in families.filter(|family| family.source_account == *account) {
                let has_any = complete.iter().any(|point| family.has(point));
                if family.state == RpoState::WithinRpo && !has_any {
                    wrong(format!("{} is within its RPO with nothing complete", family.family));
                }
            }
        }
        wrongs
    }
}
