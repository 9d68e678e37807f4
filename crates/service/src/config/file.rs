//! The shape of the configuration file, before its parts are compared with each other.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use amiferry_core::ids::{AccountId, Arn, BucketName, Region};
use amiferry_core::model::RetentionMode;
use amiferry_core::pacing::CallRate;
use amiferry_core::policy::{Policy, Retired};
use amiferry_core::span::Span;
use serde::Deserialize;

use super::{Aws, Prune, QueueUrl, Secret, Workers};

/// EC2's default quota of AMI data in progress to S3, per account and Region.
const DEFAULT_STORE_QUOTA_GB: NonZeroU64 = gigabytes(1200);
/// EC2's default quota of AMI data being restored, per account and Region.
const DEFAULT_RESTORE_QUOTA_GB: NonZeroU64 = gigabytes(600);

/// More than most accounts store in a day, but a limit on what a source can make its vault spend.
const DEFAULT_DAILY_GB: NonZeroU64 = gigabytes(50_000);
/// The same limit for many small images.
const DEFAULT_DAILY_IMAGES: NonZeroU32 = match NonZeroU32::new(2_000) {
    Some(number) => number,
    None => NonZeroU32::MIN,
};

const fn gigabytes(number: u64) -> NonZeroU64 {
    match NonZeroU64::new(number) {
        Some(number) => number,
        None => NonZeroU64::MIN,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) source: Vec<Source>,
    #[serde(default)]
    pub(super) vault: Vec<Vault>,
    #[serde(default)]
    pub(super) destination: Vec<Destination>,
    #[serde(default)]
    pub(super) policy: Vec<Policy>,
    #[serde(default)]
    pub(super) retired: Vec<Retired>,
    #[serde(default)]
    pub(super) workers: Workers,
    #[serde(default)]
    pub(super) prune: Prune,
    #[serde(default)]
    pub(super) cost: Cost,
    #[serde(default)]
    pub(super) aws: Aws,
}

/// Where the prices of estimates are from.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    pub(super) prices: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) queue_url: QueueUrl,
    pub(super) staging_bucket: BucketName,
    #[serde(default = "default_prefix")]
    pub(super) staging_prefix: String,
    #[serde(default = "default_store_quota")]
    pub(super) store_quota_gb: NonZeroU64,
    #[serde(default)]
    pub(super) store_calls: Calls,
    #[serde(default = "default_weight")]
    pub(super) weight: NonZeroU32,
    #[serde(default = "default_daily_gb")]
    pub(super) daily_gb: NonZeroU64,
    #[serde(default = "default_daily_images")]
    pub(super) daily_images: NonZeroU32,
    pub(super) read_role_arn: Arn,
    pub(super) external_id: Option<Secret>,
    pub(super) external_id_env: Option<String>,
    pub(super) profile: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vault {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) queue_url: QueueUrl,
    pub(super) bucket: BucketName,
    #[serde(default = "default_prefix")]
    pub(super) prefix: String,
    pub(super) key_arn: Arn,
    #[serde(default = "default_restore_quota")]
    pub(super) restore_quota_gb: NonZeroU64,
    #[serde(default)]
    pub(super) restore_calls: Calls,
    #[serde(default = "default_lock_mode")]
    pub(super) lock_mode: RetentionMode,
    #[serde(default)]
    pub(super) allow_same_region: bool,
    pub(super) profile: Option<String>,
    pub(super) prune_profile: Option<String>,
    pub(super) event_bus_arn: Option<Arn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) bucket: BucketName,
    #[serde(default = "default_prefix")]
    pub(super) prefix: String,
    pub(super) key_arn: Arn,
    #[serde(default = "default_restore_quota")]
    pub(super) restore_quota_gb: NonZeroU64,
    #[serde(default)]
    pub(super) restore_calls: Calls,
    pub(super) role_arn: Option<Arn>,
}

/// A [`CallRate`] as the file gives it: what it leaves out is EC2's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Calls {
    burst: Option<NonZeroU32>,
    refill: Option<Span>,
}

impl From<&Calls> for CallRate {
    fn from(calls: &Calls) -> Self {
        let own = Self::default();
        Self {
            burst: calls.burst.map_or(own.burst, NonZeroU32::get),
            refill: calls.refill.unwrap_or(own.refill),
        }
    }
}

fn default_prefix() -> String {
    "amiferry".to_owned()
}

fn default_weight() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn default_daily_gb() -> NonZeroU64 {
    DEFAULT_DAILY_GB
}

fn default_daily_images() -> NonZeroU32 {
    DEFAULT_DAILY_IMAGES
}

fn default_store_quota() -> NonZeroU64 {
    DEFAULT_STORE_QUOTA_GB
}

fn default_restore_quota() -> NonZeroU64 {
    DEFAULT_RESTORE_QUOTA_GB
}

fn default_lock_mode() -> RetentionMode {
    RetentionMode::Governance
}

/// The longest name for which `nearest` searches; no key is half as long.
const LONGEST_NAME: usize = 64;

/// The expected name that is closest to an unknown one, from serde's message
/// ``unknown field `x`, expected one of `a`, `b` ``.
pub(super) fn nearest(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    // The time for a distance grows with both lengths, and the unknown name can be anything.
    let unknown = names.next().filter(|unknown| unknown.len() <= LONGEST_NAME)?;
    names
        .filter(|name| name.len() <= LONGEST_NAME)
        .map(|name| (distance(unknown, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be added, removed or replaced to turn one word into the other.
pub(super) fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distance_counts_letters_added_removed_and_replaced() {
        for (left, right, expected) in
            [("", "", 0), ("a", "", 1), ("quota", "quoat", 2), ("bucket", "buckets", 1)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }
}
