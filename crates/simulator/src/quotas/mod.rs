//! Simulated Service Quotas: what AWS lists of EC2's quotas, for each account and Region.
//!
//! EC2's developer guide names the quotas on the calls of its API and says that Service Quotas has them.
//! Their codes are not documented; those here are made up.

mod list;
pub mod wire;
#[cfg(test)]
mod wire_tests;

use amiferry_core::ids::{AccountId, Region};
use serde::{Deserialize, Serialize};

pub use list::{Quota, applied, default_values};

/// The switches for what AWS leaves open, and what it raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether the token buckets of EC2's calls are listed. EC2's guide says so, which was never tried: yes.
    pub buckets_listed: bool,
    /// Token buckets that AWS has changed for an account and Region. EC2 keeps to them.
    pub raised: Vec<Raised>,
    /// How many quotas one page holds at most, whatever was asked for. An answer may hold fewer than
    /// `MaxResults`, and AWS does not say how many fewer: as many as asked for.
    pub longest_page: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { buckets_listed: true, raised: Vec::new(), longest_page: usize::MAX }
    }
}

/// The token bucket of one call, where AWS has changed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raised {
    pub account: AccountId,
    pub region: Region,
    /// The call, such as `CreateStoreImageTask`.
    pub operation: String,
    /// Tokens of a full bucket.
    pub capacity: f64,
    /// Tokens a second.
    pub refill: f64,
}

impl Settings {
    /// The bucket of a call as AWS has changed it: capacity, and tokens a second.
    pub fn raised(
        &self,
        account: &AccountId,
        region: &Region,
        operation: &str,
    ) -> Option<(f64, f64)> {
        let is_it = |one: &&Raised| {
            (&one.account, &one.region, one.operation.as_str()) == (account, region, operation)
        };
        // What is changed twice is as it was changed last.
        self.raised.iter().rfind(is_it).map(|one| (one.capacity, one.refill))
    }
}
