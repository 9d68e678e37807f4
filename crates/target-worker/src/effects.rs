//! The short steps that a worker and a person's restore share: start a restore, write a further
//! record.

use amiferry_core::decide::vault::RestoreOrder;
use amiferry_core::fault::Fault;
use amiferry_core::ids::{ImageId, ObjectKey};
use amiferry_core::manifest::Record;
use amiferry_core::names::VaultKeys;
use amiferry_core::ports::{NewUpload, RestoreRequest, WriteOutcome};
use jiff::Timestamp;
use tracing::Span;
use tracing::field::display;

use crate::default_lock::DefaultLock;
use crate::observe::{VaultView, bad_key};

/// Starts a restore of the object under a key. Its name fences it: EC2 refuses a second one.
///
/// # Errors
/// What EC2 answered; after a lost answer the image may be there.
pub async fn start_restore(
    vault: &VaultView,
    order: &RestoreOrder,
    key: ObjectKey,
) -> Result<ImageId, Fault> {
    let request = RestoreRequest {
        bucket: vault.bucket.clone(),
        key,
        name: order.name.clone(),
        image_tags: order.image_tags.clone(),
        snapshot_tags: order.snapshot_tags.clone(),
    };
    vault.restore_tasks.start_restore(&request).await
}

/// Writes a further record, once, under the lock of the object that it is about.
///
/// # Errors
/// What S3 answered, or a configured prefix that makes the key too long.
pub async fn record_again(
    vault: &VaultView,
    lock: &DefaultLock,
    record: &Record,
    keys: &VaultKeys,
    now: Timestamp,
) -> Result<WriteOutcome, Fault> {
    let (account, bucket) = (&vault.account, &vault.bucket);
    let key = keys
        .record(record.number, record.kind)
        .map_err(|error| bad_key(&record.recovery_point, &error))?;
    Span::current().record("aws.s3.bucket", display(bucket)).record("aws.s3.key", display(&key));
    let settings = NewUpload {
        content_type: Some("application/json".to_owned()),
        key: Some(vault.key.to_string()),
        retention: lock.joined(record.vault_object.retention.as_ref(), now).await?,
        ..NewUpload::default()
    };
    vault.objects.create(account, bucket, &key, record.to_json(), &settings).await
}
