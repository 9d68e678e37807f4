//! Restores from the vault alone: no source is asked, no worker runs, and nothing is known but the
//! vault's bucket and EC2.
//!
//! [`bucket`] reads what is recorded, [`chosen`] asks what of it can be restored, [`dry_run`] says what a
//! person's choice would come to, [`run`] restores it in the plan's order, and [`report`] says what came of it. [`assemble`] connects all
//! of it to an AWS session. The decisions are core's: `decide::vault` judges a recovery point as for the
//! worker, and `recovery` says what is next.

pub mod assemble;
pub mod bucket;
pub mod chosen;
mod destination;
mod dry_run;
mod lookup;
pub mod render;
pub mod report;
pub mod run;
mod turns;

pub use assemble::Recoverer;
