//! What benches share.

pub mod process;
#[path = "../../tests/stage/staged.rs"]
pub mod staged;
pub mod witness;
