//! Retention: deletes what the rules of the policies give up, with a role that no worker has.
//!
//! [`contents`] asks what is complete now and judges it by `amiferry_core::retention`, `remains` asks what
//! AWS has of one recovery point that goes and what holds it, [`run`] takes the steps, and [`report`] says
//! what came of each. [`assemble`] connects all of it to an AWS session. Nothing is remembered between two
//! runs: a later run finds in AWS what an earlier one has left.

pub mod assemble;
pub mod contents;
mod future;
mod leftovers;
mod remains;
pub mod render;
pub mod report;
pub mod run;

pub use assemble::Pruner;
