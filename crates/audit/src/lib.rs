//! How old is the newest restorable copy? Computed from what was observed in AWS, never from
//! memory.
//!
//! [`inventory`] turns observations into recovery points, [`family`] judges each image family
//! against its RPO, [`stage`] says how far a recovery point is, [`report`] puts all into one document,
//! [`render`] writes it as a table, JSON or CSV, and [`page`] as HTML. Pure: the caller brings the observations and the time.

pub mod family;
pub mod inventory;
pub mod page;
pub mod render;
pub mod report;
pub mod stage;

#[cfg(test)]
mod tests;
