//! Says how many recovery points may lose something in one run.

use serde::Deserialize;

use crate::planted::{Bug, has};

/// The most that goes in one run without a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Brake {
    /// So many recovery points.
    pub most: u32,
    /// So many of a hundred, rounded up.
    pub most_percent: u32,
}

impl Default for Brake {
    fn default() -> Self {
        Self { most: 100, most_percent: 25 }
    }
}

impl Brake {
    /// How many of so many recovery points may lose something.
    pub fn allows(&self, of: usize) -> usize {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let percent = usize::try_from(self.most_percent).unwrap_or(usize::MAX);
        most.min(of.saturating_mul(percent).div_ceil(100))
    }

    /// Whether it stops a run in which so many of so many would lose something.
    pub fn stops(&self, going: usize, of: usize) -> bool {
        going > self.allows(of) && !has(Bug::BrakeOff)
    }
}
