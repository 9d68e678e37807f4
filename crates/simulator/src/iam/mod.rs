//! Simulated IAM: roles, policies, and whether a call is allowed.

/// IAM of one account.
#[derive(Debug, Default)]
pub struct Account {}
