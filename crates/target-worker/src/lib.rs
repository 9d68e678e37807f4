//! The target role: pulls staged objects into the vault, restores, protects and records them.
//!
//! [`observe`] asks AWS about many recovery points at once and [`scope`] finds all of them;
//! [`role`] lets the core decide and performs the effects, [`copy`] the long one, of which
//! [`claims`] remembers whose it is and [`copies`] how far; `look` spares the calls that would tell
//! nothing new, by what `waiting` recalls; `leftovers` ends what no look comes by; `inventory`
//! keeps what was last seen and `coverage` sums it up for the metrics, `rows` keeps it for the page
//! of [`status`]; [`preflight`] says what is missing at start, [`assemble`] wires all of it to an
//! AWS session.

pub mod assemble;
pub mod claims;
pub mod copies;
pub mod copy;
mod coverage;
mod inventory;
mod leftovers;
mod look;
pub mod observe;
pub mod preflight;
pub mod role;
mod rows;
pub mod scope;
pub mod status;
mod waiting;
