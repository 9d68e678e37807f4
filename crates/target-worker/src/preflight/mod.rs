//! What the target worker needs before its first message: its account, its queue, its vault
//! bucket, its keys, and a way into each source.

mod keys;
mod source;

use amiferry_aws::{S3Objects, Session, SqsQueue, StsIdentity};
use amiferry_core::names;
use amiferry_core::policy::Policies;
use amiferry_service::config::Vault;
use amiferry_service::preflight::{self, Unmet};
use futures::{StreamExt, stream};

use crate::observe::{CALLS_IN_FLIGHT, Observer};

/// Checks each precondition in AWS once, in the order in which a person would set them up.
///
/// EBS encryption by default is not one of them: without it restores are parked and copies continue.
/// Nor is anything of a source: what stands in the way into one is logged.
///
/// # Errors
/// The first unmet precondition of the worker itself. A source that refuses is only logged.
pub async fn check(
    vault: &Vault,
    policies: &Policies,
    session: &Session,
    observer: &Observer,
) -> Result<(), Unmet> {
    let caller = preflight::identity(&StsIdentity::new(session), &vault.account).await?;
    let arn = caller.arn.as_str();
    let queue = SqsQueue::new(session, vault.queue_url.as_str());
    let facts = queue.facts().await.map_err(|fault| {
        Unmet::call(format!("the target worker's queue {}", vault.queue_url), arn, &fault)
    })?;
    let is_under_aws_key = facts.is_under_aws_key(observer.vault.keys.as_ref()).await;
    preflight::tell_queue(&facts.arn, facts.redrive.is_some(), is_under_aws_key);
    bucket(vault, policies, session, observer, arn).await?;
    keys::of_bucket(vault, &observer.vault, arn).await?;
    // A source that does not answer affects no other: it is not assessed.
    let ways: Vec<_> = observer
        .sources
        .iter()
        .map(|source| async move { (source, source::obstacle(source, session, arn).await) })
        .collect();
    let mut ways = stream::iter(ways).buffered(CALLS_IN_FLIGHT);
    while let Some((source, way)) = ways.next().await {
        if let Some(unmet) = way {
            tracing::warn!(
                amiferry.resource = %source.id(),
                amiferry.detail = format!("no {} for {}: {}", unmet.need, unmet.principal, unmet.found),
                amiferry.remedy = unmet.fix,
                "a source cannot be reached"
            );
        }
    }
    keys::of_snapshots(&observer.vault, arn).await;
    Ok(())
}

async fn bucket(
    vault: &Vault,
    policies: &Policies,
    session: &Session,
    observer: &Observer,
    arn: &str,
) -> Result<(), Unmet> {
    let need = format!("the vault bucket {} in {}", vault.bucket, vault.region);
    let facts = S3Objects::new(session)
        .bucket_facts(&vault.account, &vault.bucket)
        .await
        .map_err(|fault| Unmet::call(need.clone(), arn, &fault))?;
    if !facts.versioned {
        let fix = "turn on versioning of the bucket";
        return Err(Unmet::unsuitable(need, arn, "versioning is off", fix));
    }
    // Every sweep needs it.
    let versions = &observer.vault.versions;
    let prefix = names::folder(&vault.prefix);
    let listed = versions.versions(&vault.account, &vault.bucket, &prefix, None).await;
    preflight::reached(listed).map_err(|fault| Unmet::call(need.clone(), arn, &fault))?;
    let locked = policies.0.iter().find(|policy| policy.retention.is_some());
    if let Some(policy) = locked.filter(|_| !facts.lockable) {
        return Err(Unmet::unsuitable(
            format!(
                "{need} with Object Lock, which the retention of policy {} requires",
                policy.name
            ),
            arn,
            "Object Lock is off",
            "enable Object Lock on the bucket, or remove the policy's retention",
        ));
    }
    Ok(())
}
