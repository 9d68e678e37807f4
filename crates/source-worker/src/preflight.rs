//! Checks what the source worker needs before its first message: its account, its queue, its staging
//! bucket, and permission to describe images and store tasks.

use amiferry_aws::{Ec2Images, S3Objects, Session, SqsQueue, StsIdentity};
use amiferry_core::ports::{Images, StoreTasks};
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
    if facts.redrive.is_none() {
        tracing::warn!(amiferry.resource = %facts.arn, "the queue has no dead-letter queue");
    }
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
    let images = Ec2Images::new(session, source.account.clone());
    preflight::reached(images.page(None).await)
        .map_err(|fault| Unmet::call("the account's images", arn, &fault))?;
    preflight::reached(images.running().await)
        .map_err(|fault| Unmet::call("the account's store tasks", arn, &fault))?;
    Ok(())
}
