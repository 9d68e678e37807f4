//! The source role: turns events and sweeps into `CreateStoreImageTask`.
//!
//! [`observe`] asks AWS about many images at once, `look` lets the core decide, [`role`] performs the only
//! effect, [`preflight`] reports what is missing at start, and [`assemble`] connects all of it
//! to an AWS session.

pub mod assemble;
mod look;
pub mod observe;
pub mod preflight;
pub mod role;
mod status;
mod tasks;

#[cfg(test)]
mod tests;
