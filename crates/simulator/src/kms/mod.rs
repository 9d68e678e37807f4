//! Simulated KMS: keys, their states, policies and grants.

pub mod wire;

/// KMS of one account and Region.
#[derive(Debug, Default)]
pub struct Site {}
