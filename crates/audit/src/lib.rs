//! How old is the newest restorable copy? Computed from what was observed in AWS, never from
//! memory.
//!
//! [`inventory`] turns observations into recovery points, [`family`] judges each image family
//! against its RPO, [`report`] puts both into one document and [`render`] writes it as a table,
//! JSON or CSV. Pure: the caller brings the observations and the time.

pub mod family;
pub mod inventory;
pub mod render;
pub mod report;

#[cfg(test)]
mod tests;
