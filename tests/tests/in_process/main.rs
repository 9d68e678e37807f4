//! The real workers, with their real adapters, against the simulated AWS in one process.
//!
//! Everything runs on one thread under tokio's paused clock: hours of AWS's time pass in
//! milliseconds, and a seed gives the same run every time. `tests/src/stage` builds the world, starts
//! and kills workers, and compares every result with the true state of the world; the other files
//! are plays.

#[cfg(test)]
use amiferry_tests::stage;

#[cfg(test)]
mod aws_switches;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod capacity;
#[cfg(test)]
#[path = "../tidy/check.rs"]
mod check;
#[cfg(test)]
mod churn;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod differences;
#[cfg(test)]
mod eligibility;
#[cfg(test)]
mod event_path;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod forecast;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod least;
mod leftovers;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod lost_answers;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod observability;
#[cfg(test)]
mod odd_items;
#[cfg(test)]
mod own_delay;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod records;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod repeats;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod restores;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod staging_keys;
#[cfg(test)]
mod stolen;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod vault_keys;
