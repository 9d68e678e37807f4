//! What came of a run of the swarm, as seeds are counted and compared by it.

use std::collections::BTreeMap;

use crate::stage::truth::Wrong;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wrong; nothing if all is well.
    pub wrongs: Vec<Wrong>,
    /// Calls of all workers and audits.
    pub calls: u64,
    /// Simulated seconds.
    pub seconds: u64,
    /// Images that had to become complete.
    pub images: u64,
    /// Audits that were compared with the truth.
    pub audits: u64,
    /// What went wrong on purpose, and how often, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Of all calls and answers, to compare two runs.
    pub digest: u64,
}
