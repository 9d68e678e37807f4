//! Which quotas are listed, and their values.

use amiferry_core::ids::{AccountId, Region};

use super::Settings;
use crate::ec2::throttle;

/// One quota.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota {
    pub code: String,
    pub name: String,
    pub value: f64,
}

/// A few others, with their values in a new account (Amazon EC2 endpoints and quotas).
const OTHERS: [(&str, &str, f64); 3] = [
    ("L-0263D0A3", "EC2-VPC Elastic IPs", 5.0),
    ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5.0),
    ("L-B665C33B", "AMIs", 50_000.0),
];

/// The calls whose buckets are listed.
const CALLS: [&str; 12] = [
    "CopyImage",
    "CreateRestoreImageTask",
    "CreateSnapshot",
    "CreateStoreImageTask",
    "CreateTags",
    "DeleteSnapshot",
    "DeleteTags",
    "DeregisterImage",
    "DescribeImages",
    "DescribeSnapshots",
    "DescribeStoreImageTasks",
    "ModifyImageAttribute",
];

/// The quotas of EC2 that apply to an account in a Region, by name.
pub fn applied(settings: &Settings, account: &AccountId, region: &Region) -> Vec<Quota> {
    listed(settings, |call| {
        settings.raised(account, region, call).unwrap_or_else(|| throttle::documented(call))
    })
}

/// The same as every account has them at first.
pub fn default_values(settings: &Settings) -> Vec<Quota> {
    listed(settings, throttle::documented)
}

fn listed(settings: &Settings, bucket: impl Fn(&str) -> (f64, f64)) -> Vec<Quota> {
    let others = OTHERS.iter().map(|(code, name, value)| Quota {
        code: (*code).to_owned(),
        name: (*name).to_owned(),
        value: *value,
    });
    let buckets = CALLS.iter().filter(|_| settings.buckets_listed).enumerate();
    let buckets = buckets.flat_map(|(index, call)| {
        let (capacity, refill) = bucket(call);
        let quota = |number, words, value| Quota {
            code: format!("L-0000{:04X}", 2 * index + number),
            name: format!("{call} request bucket {words}"),
            value,
        };
        [quota(0, "maximum capacity", capacity), quota(1, "refill rate", refill)]
    });
    let mut all: Vec<Quota> = others.chain(buckets).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}
