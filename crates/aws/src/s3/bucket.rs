//! Reads the settings of a bucket, for the checks at start and before a lock is set.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, Arn, BucketName, Region};
use amiferry_core::model::{DefaultRetention, LifecycleRule};
use amiferry_core::policy::StorageClass;
use amiferry_core::ports::Buckets;
use async_trait::async_trait;
use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleRule as Shown, LifecycleRuleFilter, ObjectOwnership,
};

use super::S3Objects;
use super::objects::{is_refusal, is_silent, retention_mode};
use crate::call::Call;

/// A bucket's settings as its owner made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFacts {
    /// Where it is.
    pub region: Region,
    /// Whether new objects become versions.
    pub versioned: bool,
    /// Whether Object Lock is enabled.
    pub lockable: bool,
    /// The retention that a new object gets unless it brings its own.
    pub default_retention: Option<DefaultRetention>,
    /// What new objects are encrypted with unless they bring their own.
    pub encryption: BucketEncryption,
}

/// Whom a bucket admits by its own settings, apart from its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// Whether all four settings of its block of public access are on.
    pub public_access_blocked: bool,
    /// Whether it has no ACLs, and its owner owns every object.
    pub owner_enforced: bool,
}

/// Who is told of a bucket's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notified {
    /// Whether EventBridge is.
    pub event_bridge: bool,
    /// How many queues, topics and functions are.
    pub others: usize,
}

/// The default encryption of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BucketEncryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`; `None` where S3 names none.
    pub algorithm: Option<String>,
    /// The default KMS key, by ARN, alias or id.
    pub key: Option<String>,
}

impl BucketEncryption {
    /// Whether it is `aws/s3`, which S3 takes with `aws:kms` and no key, and which cannot be shared
    /// across accounts.
    pub fn is_managed(&self) -> bool {
        let uses_kms = self.algorithm.as_deref().is_some_and(|name| name.starts_with("aws:kms"));
        uses_kms && self.key.as_deref().is_none_or(|key| key.ends_with("alias/aws/s3"))
    }

    /// The ARN of the KMS key, where a key is named, for a bucket of this account and Region.
    pub fn key_arn(&self, account: &AccountId, region: &Region) -> Option<Arn> {
        crate::ec2::key_arn(self.key.as_deref()?, region, account)
    }
}

#[async_trait]
impl Buckets for S3Objects {
    async fn default_retention(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<Option<DefaultRetention>, Fault> {
        self.lock_settings(owner, bucket).await.map(|(_, default)| default)
    }
}

impl S3Objects {
    /// What a bucket is set to.
    ///
    /// A bucket in another Region than the session's is `Invalid`, code `BucketInOtherRegion`; one
    /// that `owner` does not own is `Denied`. Needs `s3:ListBucket`, `s3:GetBucketVersioning`,
    /// `s3:GetBucketObjectLockConfiguration` and `s3:GetEncryptionConfiguration`.
    pub async fn bucket_facts(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<BucketFacts, Fault> {
        let region = self.bucket_region(owner, bucket).await?;
        let versioned = self.is_versioned(owner, bucket).await?;
        let (lockable, default_retention) = self.lock_settings(owner, bucket).await?;
        let encryption = self.encryption(owner, bucket).await?;
        Ok(BucketFacts { region, versioned, lockable, default_retention, encryption })
    }

    /// Whom a bucket admits by its own settings. A bucket without such settings blocks nothing.
    ///
    /// Needs `s3:GetBucketPublicAccessBlock` and `s3:GetBucketOwnershipControls`.
    pub async fn exposure(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<Exposure, Fault> {
        let call = Call::new("s3:GetPublicAccessBlock", bucket.as_str());
        let request = self.client.get_public_access_block().bucket(bucket.as_str());
        let request = request.expected_bucket_owner(owner.as_str());
        let block = match self.session.send(&call, request.send()).await {
            Ok(answer) => answer.public_access_block_configuration,
            Err(fault) if fault.code == "NoSuchPublicAccessBlockConfiguration" => None,
            Err(fault) => return Err(fault),
        };
        let call = Call::new("s3:GetBucketOwnershipControls", bucket.as_str());
        let request = self.client.get_bucket_ownership_controls().bucket(bucket.as_str());
        let request = request.expected_bucket_owner(owner.as_str());
        let rules = match self.session.send(&call, request.send()).await {
            Ok(answer) => answer.ownership_controls.map(|controls| controls.rules),
            Err(fault) if fault.code == "OwnershipControlsNotFoundError" => None,
            Err(fault) => return Err(fault),
        };
        let is_on = |setting: Option<bool>| setting == Some(true);
        Ok(Exposure {
            public_access_blocked: block.is_some_and(|block| {
                is_on(block.block_public_acls)
                    && is_on(block.ignore_public_acls)
                    && is_on(block.block_public_policy)
                    && is_on(block.restrict_public_buckets)
            }),
            owner_enforced: rules
                .unwrap_or_default()
                .iter()
                .any(|rule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced),
        })
    }

    /// Who is told of a bucket's events. Needs `s3:GetBucketNotification`.
    pub async fn notified(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<Notified, Fault> {
        let call = Call::new("s3:GetBucketNotificationConfiguration", bucket.as_str());
        let request = self
            .client
            .get_bucket_notification_configuration()
            .bucket(bucket.as_str())
            .expected_bucket_owner(owner.as_str());
        let answer = self.session.send(&call, request.send()).await?;
        Ok(Notified {
            event_bridge: answer.event_bridge_configuration.is_some(),
            others: answer.queue_configurations().len()
                + answer.topic_configurations().len()
                + answer.lambda_function_configurations().len(),
        })
    }

    /// The enabled lifecycle rules of a bucket; none where it has no lifecycle configuration.
    pub async fn lifecycle(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<Vec<LifecycleRule>, Fault> {
        let call = Call::new("s3:GetBucketLifecycleConfiguration", bucket.as_str());
        let request = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(bucket.as_str())
            .expected_bucket_owner(owner.as_str());
        let answer = match self.session.send(&call, request.send()).await {
            Ok(answer) => answer,
            Err(fault) if fault.code == "NoSuchLifecycleConfiguration" => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        let is_on = |rule: &Shown| rule.status == ExpirationStatus::Enabled;
        Ok(answer.rules.unwrap_or_default().iter().filter(|rule| is_on(rule)).map(rule).collect())
    }

    async fn bucket_region(&self, owner: &AccountId, bucket: &BucketName) -> Result<Region, Fault> {
        let call = Call::new("s3:HeadBucket", bucket.as_str());
        let sent = self
            .client
            .head_bucket()
            .bucket(bucket.as_str())
            .expected_bucket_owner(owner.as_str())
            .send()
            .await;
        // S3 answers a request in the wrong Region with the right one in a header.
        let elsewhere = sent.as_ref().err().and_then(|error| {
            let region = error.raw_response()?.headers().get("x-amz-bucket-region")?;
            (region != self.session.region().as_str()).then(|| region.to_owned())
        });
        if let Some(region) = elsewhere {
            let here = self.session.region();
            let detail = format!("the bucket is in {region}, but this session works in {here}");
            return Err(call.fault(FaultClass::Invalid, "BucketInOtherRegion", &detail));
        }
        let answer = match self.session.send(&call, std::future::ready(sent)).await {
            Ok(answer) => answer,
            Err(fault) if is_silent(&fault) => return Err(self.why(owner, bucket, fault).await),
            Err(fault) => return Err(fault),
        };
        match answer.bucket_region {
            // Emulators leave it out; a bucket that answers here is here.
            None => Ok(self.session.region().clone()),
            Some(region) => {
                region.parse().map_err(|_| call.unexpected("x-amz-bucket-region", Some(&region)))
            }
        }
    }

    /// Why S3 refuses a `HEAD` of a bucket: a listing needs the same permission, and its refusal has
    /// a body.
    async fn why(&self, owner: &AccountId, bucket: &BucketName, silent: Fault) -> Fault {
        let call = Call::new("s3:ListObjectsV2", bucket.as_str());
        let request = self
            .client
            .list_objects_v2()
            .bucket(bucket.as_str())
            .max_keys(1)
            .expected_bucket_owner(owner.as_str());
        match self.session.send(&call, request.send()).await {
            Err(fault) if is_refusal(fault.class) => fault,
            Ok(_) | Err(_) => silent,
        }
    }

    async fn is_versioned(&self, owner: &AccountId, bucket: &BucketName) -> Result<bool, Fault> {
        let call = Call::new("s3:GetBucketVersioning", bucket.as_str());
        let request = self
            .client
            .get_bucket_versioning()
            .bucket(bucket.as_str())
            .expected_bucket_owner(owner.as_str());
        let answer = self.session.send(&call, request.send()).await?;
        Ok(answer.status.is_some_and(|status| status.as_str() == "Enabled"))
    }

    async fn lock_settings(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<(bool, Option<DefaultRetention>), Fault> {
        let call = Call::new("s3:GetObjectLockConfiguration", bucket.as_str());
        let request = self
            .client
            .get_object_lock_configuration()
            .bucket(bucket.as_str())
            .expected_bucket_owner(owner.as_str());
        let answer = match self.session.send(&call, request.send()).await {
            Ok(answer) => answer,
            Err(fault) if fault.code == "ObjectLockConfigurationNotFoundError" => {
                return Ok((false, None));
            }
            Err(fault) => return Err(fault),
        };
        let lock = answer.object_lock_configuration;
        let lock = lock.ok_or_else(|| call.unexpected("ObjectLockConfiguration", None))?;
        let lockable = lock.object_lock_enabled.is_some_and(|on| on.as_str() == "Enabled");
        let Some(rule) = lock.rule.and_then(|rule| rule.default_retention) else {
            return Ok((lockable, None));
        };
        let mode = rule.mode.as_ref().map(|mode| mode.as_str());
        let days = rule.days.or_else(|| rule.years?.checked_mul(365));
        Ok((
            lockable,
            Some(DefaultRetention {
                mode: mode
                    .and_then(retention_mode)
                    .ok_or_else(|| call.unexpected("DefaultRetention Mode", mode))?,
                days: days
                    .and_then(|days| u32::try_from(days).ok())
                    .ok_or_else(|| call.unexpected("DefaultRetention Days", None))?,
            }),
        ))
    }

    /// What a bucket encrypts new objects with. Needs `s3:GetEncryptionConfiguration`.
    pub async fn encryption(
        &self,
        owner: &AccountId,
        bucket: &BucketName,
    ) -> Result<BucketEncryption, Fault> {
        let call = Call::new("s3:GetBucketEncryption", bucket.as_str());
        let request = self
            .client
            .get_bucket_encryption()
            .bucket(bucket.as_str())
            .expected_bucket_owner(owner.as_str());
        let answer = match self.session.send(&call, request.send()).await {
            Ok(answer) => answer,
            Err(fault) if fault.code == "ServerSideEncryptionConfigurationNotFoundError" => {
                return Ok(BucketEncryption::default());
            }
            Err(fault) => return Err(fault),
        };
        let rules = answer.server_side_encryption_configuration.map(|all| all.rules);
        let default = rules
            .unwrap_or_default()
            .into_iter()
            .find_map(|rule| rule.apply_server_side_encryption_by_default);
        Ok(match default {
            None => BucketEncryption::default(),
            Some(default) => BucketEncryption {
                algorithm: Some(default.sse_algorithm.as_str().to_owned()),
                key: default.kms_master_key_id,
            },
        })
    }
}

/// What a rule comes to. What it does at a date counts as done at once: staged objects are young.
fn rule(shown: &Shown) -> LifecycleRule {
    let days = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
    let filter = shown.filter.as_ref();
    let both = filter.and_then(LifecycleRuleFilter::and);
    // Rules of the first years have their prefix outside of a filter.
    #[expect(deprecated, reason = "S3 still gives it")]
    let old = shown.prefix();
    let prefix = filter.and_then(LifecycleRuleFilter::prefix).or(both.and_then(|and| and.prefix()));
    let is_narrow = filter.is_some_and(|filter| {
        filter.tag().is_some()
            || filter.object_size_greater_than().is_some()
            || filter.object_size_less_than().is_some()
    }) || both.is_some();
    let expiration = shown.expiration.as_ref();
    let expires = expiration.and_then(|all| days(all.days).or(all.date.map(|_| 0)));
    let noncurrent = shown.noncurrent_version_expiration.as_ref();
    let archives = shown.transitions().iter().filter_map(|transition| {
        let class = transition.storage_class.as_ref()?.as_str().to_owned();
        StorageClass::try_from(class).ok()?.depth()?;
        days(transition.days).or(transition.date.map(|_| 0))
    });
    LifecycleRule {
        prefix: prefix.or(old).unwrap_or_default().to_owned(),
        is_narrow,
        expires_after: expires,
        deletes_after: noncurrent.and_then(|all| days(all.noncurrent_days)),
        archives_after: archives.min(),
    }
}
