//! The target role: pulls staged objects into the vault, restores, protects and records them.
//!
//! [`observe`] asks AWS about many recovery points at once, as long as [`patience`] allows; [`walk`]
//! finds all of them, and [`inventory`] does both once, for reports. [`role`] keeps the fleet and
//! implements the loop's role: `pin` reads messages, `look` lets the core decide, `perform` takes
//! the short steps, some of them from [`effects`], and [`copy`] the long one; [`observations`] remembers what need not be asked for again,
//! [`claims`] which worker copies, and [`copies`] how far each copy is. `noted` reads what stands for
//! an image that its source no longer shows; `leftovers` aborts uploads that nothing will complete.
//! `coverage` sums up the fleet for the metrics, `forecasts` runs its plan forward, [`status`] for the page, and [`notifier`] tells an event bus what changed. [`preflight`] reports
//! what is missing at start, and [`assemble`] connects all of it to an AWS session.

pub mod assemble;
pub mod claims;
pub mod copies;
pub mod copy;
mod coverage;
pub mod default_lock;
pub mod effects;
mod forecasts;
pub mod inventory;
mod key_verdicts;
mod leftovers;
mod look;
mod noted;
pub mod notifier;
pub mod observations;
pub mod observe;
pub mod patience;
mod perform;
pub mod pin;
pub mod preflight;
mod read_role;
pub mod records;
mod restored;
pub mod role;
pub mod share;
mod staged;
pub mod status;
mod turns;
mod unasked;
pub mod walk;

#[cfg(test)]
mod tests;
