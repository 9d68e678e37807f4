//! The target role: pulls staged objects into the vault, restores, protects and records them.
//!
//! [`observe`] asks AWS about many recovery points at once, as long as [`patience`] says, [`walk`] finds all of them and [`survey`]
//! does both once, for reports; [`role`] keeps the fleet and answers the loop: `pin` reads messages,
//! `look` has the core decide, `perform` takes the steps and [`copy`] the long one, of which [`claims`]
//! remembers whose it is and [`copies`] how far; `leftovers` ends uploads that nothing will complete;
//! `coverage` sums the fleet up for the metrics and [`status`] for the page; [`preflight`] says what is
//! missing at start, [`assemble`] wires all of it to an AWS session.

pub mod assemble;
pub mod claims;
pub mod copies;
pub mod copy;
mod coverage;
mod leftovers;
mod look;
pub mod observe;
pub mod patience;
mod perform;
mod pin;
pub mod preflight;
mod restored;
pub mod role;
pub mod status;
pub mod survey;
pub mod walk;
