//! The daily budget of a source in a forecast.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::SourceCapacity;
use crate::plan::budget::DAY;
use crate::plan::{Budget, Spent};

/// What is left of a budget, and when more of it is.
#[derive(Debug)]
pub(super) struct Allowance {
    budget: Budget,
    spent: Spent,
    /// When images were copied, with their GB; oldest first.
    copied: VecDeque<(Timestamp, u64)>,
}

impl Allowance {
    /// The budget of a source after what was copied of it.
    pub(super) fn of(source: &SourceCapacity) -> Self {
        let mut copied: Vec<(Timestamp, u64)> = source.copied.clone();
        copied.sort_unstable();
        let mut spent = Spent::default();
        copied.iter().for_each(|(_, size_gb)| spent.add(*size_gb));
        Self { budget: source.budget, spent, copied: copied.into() }
    }

    /// When a copy may begin: `None` for now. While only running copies use the budget up, that is not
    /// known until one of them ends.
    pub(super) fn reopens(&mut self, at: Timestamp) -> Option<Timestamp> {
        let ends = |copied: Timestamp| copied.saturating_add(DAY).unwrap_or(Timestamp::MAX);
        while let Some((_, size_gb)) = self.copied.pop_front_if(|(copied, _)| ends(*copied) <= at) {
            self.spent.take(size_gb);
        }
        let oldest = self.copied.front().map(|(copied, _)| ends(*copied));
        self.budget.is_spent(self.spent).then_some(oldest.unwrap_or(Timestamp::MAX))
    }

    /// A copy begins, or runs already.
    pub(super) fn begins(&mut self, size_gb: u64) {
        self.spent.add(size_gb);
    }

    /// A copy ended, from when on it counts for a day.
    pub(super) fn ends(&mut self, size_gb: u64, at: Timestamp) {
        self.copied.push_back((at, size_gb));
    }
}
