//! What a running source worker answers reports.

use std::fmt;
use std::sync::Arc;

use amiferry_core::answer::SourceAnswer;
use amiferry_service::answerer::Answerer;

use crate::role::SourceRole;

/// The answers of a role. They make no calls to AWS.
pub struct Status(Arc<SourceRole>);

impl Status {
    /// The answers of this role.
    pub fn of(role: Arc<SourceRole>) -> Self {
        Self(role)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status").field("source", &self.0.observer.scope.id()).finish()
    }
}

impl Answerer for Status {
    fn answer(&self) -> String {
        SourceAnswer::of(&self.0.memory().fleet, self.0.clock.now()).to_json()
    }
}
