//! How much of a vault one source may use.

use amiferry_core::plan::Budget;

/// The share and the budget of a source in the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many turns it has for each turn of a source of weight 1.
    pub weight: u32,
    /// What is copied of it within 24 hours.
    pub budget: Budget,
}
