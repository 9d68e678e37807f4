//! Restoring from the vault alone: which recorded recovery points a person means, what is next for
//! one of them, in which order they go, and when all of them will be there.
//!
//! Nothing here asks the source. What a recovery point consists of is judged by the same code as for
//! the worker and the audit (`decide::vault`), with [`Recovery`](crate::decide::vault::Recovery) in its
//! observation: that lifts tier `archive` to an image, and lets a person share it.

pub mod destination;
pub mod forecast;
pub mod line;
pub mod next;
pub mod select;

#[cfg(test)]
mod tests;
