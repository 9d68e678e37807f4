//! What benches share.

pub mod process;
pub mod witness;
