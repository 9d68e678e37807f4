//! EC2's rates, quotas and the switches for what AWS does not document.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How fast simulated EC2 works, what it admits, and how it answers where AWS is silent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Token buckets of the API calls.
    pub throttling: Throttling,
    /// Time that a store task takes.
    pub store: Pace,
    /// Time that a restore takes.
    pub restore: Pace,
    /// Time that `CopyImage` takes.
    pub copy: Pace,
    /// Time that the snapshots of `CreateImage` and `CreateSnapshot` take.
    pub snapshot: Pace,
    /// Gigabytes of running store tasks from which on no further one is admitted.
    pub store_quota_gb: u64,
    /// Gigabytes of running restores from which on no further one is admitted.
    pub restore_quota_gb: u64,
    /// Size of a `.bin` in percent of the volumes; what compression leaves.
    pub stored_percent: u64,
    /// The checksum that EC2 gives a `.bin`. Not documented; without any, S3 computes CRC64NVME.
    pub stored_checksum: StoredChecksum,
    /// What counts as a second copy of an image in a bucket. The documentation only says "you
    /// cannot create multiple copies of one AMI in the same bucket"; the strictest reading is
    /// the default.
    pub one_copy: OneCopy,
    /// Whether a second store of an image is admitted while one runs. People met a refusal, whatever
    /// the bucket: no.
    pub concurrent_stores: bool,
    /// Whether `DescribeStoreImageTasks` lists older tasks of an image beside its newest. People saw
    /// only the newest, also where the older one went to another bucket: no.
    pub older_tasks_listed: bool,
    /// Whether an image that failed still occupies its name. It is still listed, so: yes.
    pub failed_image_keeps_name: bool,
    /// How long the name of a deregistered image stays taken.
    #[serde(with = "crate::span")]
    pub name_release: Duration,
    /// What becomes of the tags inside a `.bin` when the restore brings its own.
    pub restored_tags: RestoredTags,
    /// Whether a restored image has the product codes of the stored one. Not documented; the cautious
    /// reading is that all metadata survives.
    pub product_codes_survive: bool,
    /// Whether a restored image has the UEFI data of the stored one. Not documented, as above.
    pub uefi_data_survives: bool,
    /// Whether a restored image has the watermarks of the stored one. `CreateImage` and `CopyImage` are
    /// documented to carry them over, and restores are not: no.
    pub watermarks_survive: bool,
    /// Whether a restored image has the rules for instance types of the stored one. Not documented, as
    /// for product codes.
    pub instance_types_survive: bool,
    /// How long after its creation an image may be missing from answers. Until then every look
    /// is a coin toss of the world's seed.
    #[serde(with = "crate::span")]
    pub consistency_window: Duration,
    /// Whether store and restore accept a bucket of another account. Not documented; refused.
    pub foreign_buckets: bool,
    /// Which S3 and EBS permissions of the caller store and restore need.
    pub task_permissions: TaskPermissions,
    /// Whether a key that the caller may not use is refused at the call. EBS documents that it
    /// looks at keys asynchronously, so a task fails at its end.
    pub keys_checked_at_call: bool,
    /// What the gigabyte quotas are counted over. The documentation says "per account"; EC2's
    /// quotas are per Region as a rule.
    pub quota_scope: QuotaScope,
    /// How long a deregistered image is still listed, as `deregistered`. "A short interval" in the
    /// documentation; the default is no delay.
    #[serde(with = "crate::span")]
    pub deregistered_listed: Duration,
    /// The page sizes that `DescribeImages` accepts. The API model has no bounds; these are those
    /// of its siblings.
    pub image_pages: (u32, u32),
    /// How many items one page holds at most, whatever size was asked for. An answer may hold fewer
    /// than `MaxResults`, and AWS does not say how many fewer: as many as asked for.
    pub longest_page: usize,
    /// Whether the snapshots of a restore have their `createSnapshot` events. EBS direct snapshots
    /// are not among the documented sources: none.
    pub restored_snapshot_events: bool,
    /// Whether mutating calls appear as `AWS API Call via CloudTrail` events. It takes a trail,
    /// which a new account does not have: off.
    pub trail: bool,
    /// Error codes that AWS does not document.
    pub codes: Codes,
}

impl Default for Settings {
    fn default() -> Self {
        let pace = Pace {
            start_up: Duration::from_secs(60),
            megabytes_per_second: 100,
            parallel: usize::MAX,
        };
        Self {
            throttling: Throttling::On { refill_factor: 1.0 },
            store: pace,
            restore: pace,
            copy: pace,
            snapshot: pace,
            store_quota_gb: 1_200,
            restore_quota_gb: 600,
            stored_percent: 40,
            stored_checksum: StoredChecksum::Crc64Nvme,
            one_copy: OneCopy::PerBucket,
            concurrent_stores: false,
            older_tasks_listed: false,
            failed_image_keeps_name: true,
            name_release: Duration::ZERO,
            restored_tags: RestoredTags::Merge,
            product_codes_survive: true,
            uefi_data_survives: true,
            watermarks_survive: false,
            instance_types_survive: true,
            consistency_window: Duration::ZERO,
            foreign_buckets: false,
            task_permissions: TaskPermissions::ByDirection,
            keys_checked_at_call: false,
            quota_scope: QuotaScope::AccountAndRegion,
            deregistered_listed: Duration::ZERO,
            image_pages: (1, 1_000),
            longest_page: usize::MAX,
            restored_snapshot_events: false,
            trail: false,
            codes: Codes::default(),
        }
    }
}

/// Whether calls are counted against the token buckets that AWS documents.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throttling {
    /// Every call is admitted.
    Off,
    /// Documented capacities; refill rates multiplied, for scenarios that squeeze hours into
    /// seconds.
    On {
        /// 1.0 is AWS's own rate.
        refill_factor: f64,
    },
}

/// The checksum of what EC2 stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredChecksum {
    /// CRC64NVME of all bytes.
    Crc64Nvme,
    /// CRC32 of all bytes.
    Crc32,
    /// CRC32C of each part.
    Crc32CParts,
    /// SHA-256 of each part; the simulation reads every byte for it, which takes long.
    Sha256Parts,
}

/// How long the service's own work takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Time before the first byte moves.
    #[serde(with = "crate::span")]
    pub start_up: Duration,
    /// Speed after that, in 10⁶ bytes of volume size; 0 counts as 1.
    pub megabytes_per_second: u64,
    /// How many tasks of an account and Region move at a time; the others wait their turn.
    pub parallel: usize,
}

impl Pace {
    /// Time for volumes of `gib` in all, waiting not included.
    pub fn time_for(&self, gib: u64) -> Duration {
        let bytes = gib.saturating_mul(1 << 30);
        let rate = self.megabytes_per_second.max(1).saturating_mul(1_000_000);
        self.start_up + Duration::from_millis(bytes.saturating_mul(1_000) / rate)
    }
}

/// What counts as a second copy of an image in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OneCopy {
    /// Any object of this image in the bucket, under whichever path.
    PerBucket,
    /// Only an object under the same key.
    PerKey,
    /// Nothing: a further store replaces the object.
    Unlimited,
}

/// What becomes of the tags inside a `.bin` when the restore request has tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoredTags {
    /// Both are set; where keys are equal the request wins.
    Merge,
    /// Only those of the request are set.
    Replace,
}

/// Which S3 and EBS permissions of the caller store and restore need. The how-to page has one list
/// for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskPermissions {
    /// None: only the EC2 permission, and no KMS permission either.
    Unchecked,
    /// Those that the direction needs: a store reads snapshots and writes the object, a restore
    /// reads the object and writes snapshots.
    ByDirection,
    /// The whole list for either.
    WholeList,
}

/// What a gigabyte quota is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaScope {
    /// Each Region of an account by itself.
    AccountAndRegion,
    /// All Regions of an account together.
    Account,
}

/// Error codes for refusals that AWS does not document, so that callers can be tested against
/// other guesses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Codes {
    /// Too many gigabytes in progress; the documented general code for a resource limit.
    pub quota: String,
    /// The image is already stored in the bucket.
    pub second_copy: String,
    /// An instance-store, paravirtual or too large image.
    pub unsupported_image: String,
    /// There is no such bucket, or it is not the caller's.
    pub bucket_inaccessible: String,
    /// The bucket is in another Region.
    pub bucket_elsewhere: String,
    /// There is no such object.
    pub object_missing: String,
    /// The caller may not use a key, where that is refused at the call.
    pub key_inaccessible: String,
}

impl Default for Codes {
    fn default() -> Self {
        Self {
            quota: "ResourceLimitExceeded".to_owned(),
            second_copy: "InvalidRequest".to_owned(),
            unsupported_image: "UnsupportedOperation".to_owned(),
            bucket_inaccessible: "InaccessibleStorageLocation".to_owned(),
            bucket_elsewhere: "InvalidParameterValue".to_owned(),
            object_missing: "InvalidParameterValue".to_owned(),
            key_inaccessible: "CustomerKeyHasBeenRevoked".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_size_and_never_divides_by_zero() {
        let pace =
            Pace { start_up: Duration::from_secs(60), megabytes_per_second: 100, parallel: 1 };
        assert_eq!(pace.time_for(0), Duration::from_secs(60));
        assert_eq!(pace.time_for(100), Duration::from_millis(60_000 + 1_073_741));
        let still = Pace { megabytes_per_second: 0, ..pace };
        assert!(still.time_for(5_000) > pace.time_for(5_000));
    }
}
