//! The questions and effects that the workers put to AWS, in the words of the domain.
//!
//! Every method is one AWS call or one paginated series. None retries beyond what the SDK does,
//! no effect waits for its work to finish, and its doc says why it is safe to repeat. All are
//! cancellation safe: dropping the future leaves at most an effect whose outcome is unknown,
//! which the next observation finds.
//!
//! A question about many answers with a [`Listing`]: an item that cannot be read is named in it,
//! and is no reason to lose the others. A page that cannot be parsed at all is a fault.

mod buckets;
mod dead_letters;
mod event_rules;
mod image_details;
mod image_protection;
mod image_removal;
mod image_sharing;
mod image_use;
mod images;
mod keys;
mod listing;
mod notifications;
mod objects;
mod parts;
mod queue;
mod quotas;
mod restore_tasks;
mod retrieval;
mod store_tasks;
mod true_time;
mod uploads;
mod version_removal;
mod versions;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::fault::{Fault, FaultClass};
use crate::ids::AccountId;

pub use buckets::Buckets;
pub use dead_letters::{DeadLetter, DeadLetters};
pub use event_rules::{EventRule, EventRules};
pub use image_details::ImageDetails;
pub use image_protection::ImageProtection;
pub use image_removal::{ImageRemoval, Removal};
pub use image_sharing::ImageSharing;
pub use image_use::{ImageUse, OwnSnapshot};
pub use images::Images;
pub use keys::Keys;
pub use listing::{Listing, Unreadable};
pub use notifications::{NOTIFICATIONS, Notifications};
pub use objects::{BEHIND_A_MARKER, ListedObject, NewUpload, Objects, SmallObject, WriteOutcome};
pub use parts::{ByteRange, CopyPart, Parts};
pub use queue::{HIDDEN, Message, QueueDepth, Receipt, WorkQueue};
pub use quotas::{ListedQuota, Quotas};
pub use restore_tasks::{RestoreRequest, RestoreTasks};
pub use retrieval::ObjectRetrieval;
pub use store_tasks::{StoreRequest, StoreTasks};
pub use true_time::TrueTime;
pub use uploads::{CompleteUpload, Upload, Uploads};
pub use version_removal::{VersionLock, VersionRemoval};
pub use versions::{KeyVersion, Versions};

/// What time it is. Ages, deadlines and backoff come from here and from nowhere else.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// Is told of every call to AWS when it ended.
pub trait CallMeter: Send + Sync + std::fmt::Debug {
    /// A call of `service:Operation` ended, with a fault of this class or well, after this time,
    /// in which the SDK may have repeated it.
    fn ended(&self, operation: &'static str, fault: Option<FaultClass>, took: Duration);
}

/// Who we are to AWS (`GetCallerIdentity`, which needs no permission).
#[async_trait]
pub trait Identity: Send + Sync {
    /// The account and ARN of the credentials in use.
    async fn caller(&self) -> Result<Caller, Fault>;

    /// What chooses the credentials, as far as that is known. Asks no one.
    fn choice(&self) -> Option<CredentialChoice> {
        None
    }
}

/// What a person sets to choose the credentials of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialChoice {
    /// The setting, as people write it: `source_profile in [aws]`, `AWS_PROFILE`.
    pub setting: String,
    /// The profile that it names; `None` where nothing names one.
    pub profile: Option<String>,
}

/// The credentials' owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub account: AccountId,
    /// The ARN of the user, role session or root.
    pub arn: String,
}
