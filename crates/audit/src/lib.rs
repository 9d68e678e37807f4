//! How old is the newest restorable copy? The answer comes from observations of AWS only.
//!
//! [`inventory`] turns observations into recovery points, [`family`] judges each image family
//! against its RPO, [`milestone`] says how far a recovery point is, [`report`] makes one document
//! of it, [`filter`] narrows it, [`cost`] says what it costs and [`plan`] what will come of it, [`retry`] says what of it workers can take up again, [`told`] what an event bus is told of, and [`render`]
//! writes it as tables, JSON or CSV, [`page`] as HTML. [`worker`] is what only a running worker knows. Pure: the caller supplies the observations and
//! the time.

pub mod cost;
pub mod family;
pub mod filter;
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
