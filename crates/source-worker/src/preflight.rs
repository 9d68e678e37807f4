//! Checks what the source worker needs before its first message: its account, its queue, its staging
//! bucket, and permission to describe images and store tasks.

use amiferry_aws::{
    BucketEncryption, Ec2Images, KmsKeys, S3Objects, Session, SqsQueue, StsIdentity,
};
use amiferry_core::model::{KeyPurpose, KeyVerdict};
use amiferry_core::ports::{Images, Keys, StoreTasks};
use amiferry_service::config::Source;
use amiferry_service::preflight::{self, Unmet};

/// Checks each precondition in AWS once, in the order in which a person would set them up.
///
/// # Errors
/// The first that is not met.
pub async fn check(source: &Source, session: &Session) -> Result<(), Unmet> {
    let caller = preflight::identity(&StsIdentity::new(session), &source.account).await?;
    let arn = caller.arn.as_str();
    let queue = SqsQueue::new(session, source.queue_url.as_str());
    let facts = queue.facts().await.map_err(|fault| {
        Unmet::call(format!("the source worker's queue {}", source.queue_url), arn, &fault)
    })?;
    let keys = KmsKeys::new(session, &source.account);
    let is_under_aws_key = facts.is_under_aws_key(&keys).await;
    preflight::tell_queue(&facts.arn, facts.redrive.is_some(), is_under_aws_key);
    let need = format!("the staging bucket {} in {}", source.staging_bucket, source.region);
    let bucket = S3Objects::new(session)
        .bucket_facts(&source.account, &source.staging_bucket)
        .await
        .map_err(|fault| Unmet::call(need.clone(), arn, &fault))?;
    if !bucket.versioned {
        return Err(Unmet::unsuitable(
            format!("{need} with versioning, so that a copy can pin what it reads"),
            arn,
            "versioning is off",
            "turn on versioning of the bucket",
        ));
    }
    staging_key(source, &keys, &bucket.encryption, arn).await;
    let images = Ec2Images::new(session, source.account.clone());
    preflight::reached(images.page(None).await)
        .map_err(|fault| Unmet::call("the account's images", arn, &fault))?;
    preflight::reached(images.running().await)
        .map_err(|fault| Unmet::call("the account's store tasks", arn, &fault))?;
    Ok(())
}

/// Tells what is wrong with the key that staged objects get. Stores that it fails are parked, and no
/// other work needs it.
async fn staging_key(source: &Source, keys: &KmsKeys, encryption: &BucketEncryption, arn: &str) {
    let key = encryption.key_arn(&source.account, &source.region);
    let facts = match &key {
        Some(key) => keys.examine(key, &[KeyPurpose::Writing]).await.ok(),
        None => None,
    };
    let shared = facts.as_ref().is_none_or(|facts| facts.aws_managed != Some(true));
    if encryption.is_managed() || !shared {
        tracing::warn!(
            amiferry.resource = %source.staging_bucket,
            amiferry.detail = "its default key is aws/s3, with which no other account can decrypt",
            amiferry.remedy = "make a customer managed key the default encryption of the bucket, \
                               and let its policy allow kms:Decrypt to the vault",
            "no vault can copy what is staged"
        );
    }
    match facts.map(|facts| facts.verdict(KeyPurpose::Writing)) {
        Some(KeyVerdict::Unusable(why)) => tracing::warn!(
            amiferry.resource = key.as_ref().map(tracing::field::display),
            amiferry.detail = why,
            amiferry.remedy = format!(
                "enable the key or cancel its deletion, and let its policy allow \
                 kms:GenerateDataKey and kms:Decrypt to {arn}"
            ),
            "the staging key cannot be used: stores fail"
        ),
        // A policy that admits S3 alone denies the direct probe.
        Some(KeyVerdict::Usable | KeyVerdict::Unknown(_)) | None => {}
    }
}
