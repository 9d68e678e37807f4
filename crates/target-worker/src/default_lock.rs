//! The lock that new objects of the vault get: the stronger one of what is wanted and of the vault
//! bucket's default, which is asked for before the write.

use std::sync::{Arc, Mutex, PoisonError};

use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, BucketName};
use amiferry_core::model::{DefaultRetention, Retention};
use amiferry_core::ports::Buckets;
use jiff::{SignedDuration, Timestamp};

/// How long an answer counts.
const COUNTS_FOR: SignedDuration = SignedDuration::from_mins(10);

/// See the module's doc.
pub struct DefaultLock {
    buckets: Arc<dyn Buckets>,
    account: AccountId,
    bucket: BucketName,
    /// The last answer, and when it came.
    seen: Mutex<Option<(Timestamp, Option<DefaultRetention>)>>,
}

impl DefaultLock {
    /// The lock of a vault bucket. Asks AWS nothing yet.
    pub fn new(buckets: Arc<dyn Buckets>, account: AccountId, bucket: BucketName) -> Self {
        Self { buckets, account, bucket, seen: Mutex::default() }
    }

    /// The retention to ask for where one is wanted: see [`DefaultRetention::joined`].
    ///
    /// # Errors
    /// The question about the bucket failed: then nothing is written, because it might be weaker
    /// than the bucket's default.
    pub async fn joined(
        &self,
        wanted: Option<&Retention>,
        now: Timestamp,
    ) -> Result<Option<Retention>, Fault> {
        // One that has ended holds nothing, and S3 refuses to give it.
        let Some(wanted) = wanted.filter(|wanted| wanted.until > now) else { return Ok(None) };
        let recent = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = recent.filter(|(at, _)| now.duration_since(*at) < COUNTS_FOR);
        let default = match recent {
            Some((_, default)) => default,
            None => {
                let asked = self.buckets.default_retention(&self.account, &self.bucket);
                let default = asked.await?;
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, default));
                default
            }
        };
        Ok(DefaultRetention::joined(default, wanted, now))
    }
}
