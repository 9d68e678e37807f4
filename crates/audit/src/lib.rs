//! How old is the newest restorable copy? The answer comes from observations of AWS only.
//!
//! [`inventory`] turns observations into recovery points, [`family`] judges each image family
//! against its RPO, [`milestone`] says how far a recovery point is, [`report`] makes one document
//! of it, [`filter`] narrows it, [`cost`] says what it costs, [`freed`] what retention would free, [`archived`] what a restore of it
//! waits for, [`plan`] what will come of it, [`retry`] what of it workers can take up again, and
//! [`told`] what an event bus is told of; [`worker`] is what only a running worker knows. [`render`]
//! writes it as tables, JSON or CSV, [`page`] as HTML. Pure: the caller supplies the observations and
//! the time.

pub mod archived;
pub mod cost;
pub mod family;
pub mod filter;
pub mod freed;
pub mod inventory;
pub mod milestone;
pub mod page;
pub mod plan;
pub mod render;
pub mod report;
pub mod retry;
pub mod told;
pub mod worker;

#[cfg(test)]
mod tests;
