//! The real workers, with their real adapters, against the simulated AWS in one process.
//!
//! Everything runs on one thread under tokio's paused clock: hours of AWS's time pass in
//! milliseconds, and a seed gives the same run every time. [`stage`] builds the world, starts and
//! kills workers, and holds every end to the true state of the world; the other files are plays.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a whole crate of tests, of which clippy knows only the functions that are marked"
)]

mod aws_switches;
mod capacity;
mod crashes;
mod determinism;
mod eligibility;
mod golden;
mod hostile;
mod keys;
mod loops;
mod lost_answers;
mod messages;
mod observability;
mod sessions;
mod stage;
