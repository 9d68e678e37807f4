//! Why the store of an image has not begun or has failed: what a source worker tells reports.

use jiff::Timestamp;

use super::Failure;
use crate::decide::Decision;

/// The latest trouble of one image, until its store begins.
#[derive(Debug, Clone, Default)]
pub(super) struct Trouble {
    failure: Option<Box<Failure>>,
    /// Whether a create call ended in vain, about which nothing was said yet.
    in_vain: bool,
    /// Whether the trouble is that of a create call: only another one shows that it is over.
    of_call: bool,
}

impl Trouble {
    /// What a report is told; `None` if there is no trouble.
    pub fn shown(&self) -> Option<&Failure> {
        self.failure.as_deref()
    }

    /// A create call ended.
    pub fn called(&mut self, well: bool) {
        self.in_vain = !well;
        if well {
            self.over();
        }
    }

    /// A look, or the create call before this, failed.
    pub fn failed(&mut self, failure: Failure) {
        self.of_call = std::mem::take(&mut self.in_vain);
        self.failure = Some(Box::new(failure));
    }

    /// The store runs, or the image needs none.
    pub fn over(&mut self) {
        self.failure = None;
    }

    /// What a look decided, after so many attempts. A wait for a turn does not undo a refused create
    /// call; any other fault is over with a look that decides.
    pub fn decided<A>(&mut self, decision: &Decision<A>, attempts: u32, now: Timestamp) {
        match decision {
            Decision::Park { until, code, detail } => {
                let before = self.failure.as_ref().filter(|before| before.code == *code);
                let since = before.map_or(now, |before| before.since);
                self.of_call = false;
                self.failure = Some(Box::new(Failure {
                    code: *code,
                    detail: detail.as_str().into(),
                    parked: true,
                    attempts,
                    since,
                    retry_at: *until,
                }));
            }
            Decision::Act(_) | Decision::Wait { .. } if self.of_call => {}
            Decision::Act(_)
            | Decision::Wait { .. }
            | Decision::Done(_)
            | Decision::Ineligible { .. } => self.over(),
        }
    }
}
