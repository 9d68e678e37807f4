//! What the target worker needs before its first message: its account, its queue, its vault
//! bucket, its keys, and a way into each source.

use std::time::Duration;

use amiferry_aws::{KmsKeys, S3Objects, Session, SqsQueue, StsIdentity};
use amiferry_core::fault::Fault;
use amiferry_core::model::{KeyState, KeyVerdict};
use amiferry_core::names;
use amiferry_core::policy::Policies;
use amiferry_core::ports::Keys;
use amiferry_service::config::Vault;
use amiferry_service::preflight::{self, Unmet, UnmetKind};
use futures::{StreamExt, stream};

use crate::observe::{CALLS_IN_FLIGHT, DESCRIBE_IMAGES, Observer, SourceView};
use crate::patience;

/// How long a start waits for one source.
const LONGEST_QUESTION: Duration = Duration::from_secs(10);

/// Checks each precondition in AWS once, in the order in which a person would set them up. EBS
/// encryption by default is not one of them: without it restores are parked and copies continue.
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
    if facts.redrive.is_none() {
        tracing::warn!(amiferry.resource = %facts.arn, "the queue has no dead-letter queue");
    }
    bucket(vault, policies, session, observer, arn).await?;
    key(vault, session, arn).await?;
    // A source that does not answer affects no other: it is not assessed.
    let ways: Vec<_> = observer
        .sources
        .iter()
        .map(|source| async move { (source, way_into_in_time(source, arn).await) })
        .collect();
    let mut ways = stream::iter(ways).buffered(CALLS_IN_FLIGHT);
    while let Some((source, way)) = ways.next().await {
        if let Err(unmet) = way {
            tracing::warn!(
                amiferry.resource = %source.id(),
                amiferry.detail = format!("no {} for {}: {}", unmet.need, unmet.principal, unmet.found),
                amiferry.remedy = unmet.fix,
                "a source cannot be reached"
            );
        }
    }
    if observer.vault.restore_tasks.default_encryption().await.is_ok_and(|key| key.is_none()) {
        tracing::warn!(
            cloud.region = %vault.region,
            "EBS encryption by default is off: restores are parked until it is on"
        );
    }
    Ok(())
}

async fn way_into_in_time(source: &SourceView, arn: &str) -> Result<(), Unmet> {
    let way = tokio::time::timeout(LONGEST_QUESTION, way_into(source, arn)).await;
    way.unwrap_or_else(|_| {
        let fault = patience::no_answer(DESCRIBE_IMAGES, &source.id());
        Err(Unmet::call(format!("an answer of {} in time", source.id()), arn, &fault))
    })
}

async fn way_into(source: &SourceView, arn: &str) -> Result<(), Unmet> {
    let scope = &source.scope;
    let need =
        format!("the images of {} in {}, through its read role", scope.account, scope.region);
    preflight::reached(source.images.page(None).await)
        .map_err(|fault| through_role(need, arn, &fault))?;
    let need = format!("read access to the staging bucket {}", scope.staging_bucket);
    let prefix = names::folder(&scope.staging_prefix);
    let (owner, bucket) = (&scope.account, &scope.staging_bucket);
    let listed = source.objects.list(owner, bucket, &prefix, None).await;
    preflight::reached(listed).map_err(|fault| Unmet::call(need, arn, &fault))
}

/// The worker's own credentials were good, so the refusal concerns the read role or its Region.
fn through_role(need: String, arn: &str, fault: &Fault) -> Unmet {
    let mut unmet = Unmet::call(need, arn, fault);
    if unmet.kind == UnmetKind::Identity {
        unmet.kind = UnmetKind::Resource;
    }
    unmet
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

async fn key(vault: &Vault, session: &Session, arn: &str) -> Result<(), Unmet> {
    let need = format!("the vault key {}", vault.key_arn);
    let facts = KmsKeys::new(session)
        .examine(&vault.key_arn)
        .await
        .map_err(|fault| Unmet::call(need.clone(), arn, &fault))?;
    // Neither absent nor listed grants prove anything: they are logged, never judged.
    tracing::info!(
        amiferry.resource = %vault.key_arn,
        amiferry.key.state = facts.state.as_ref().map_or("unknown", KeyState::as_str),
        amiferry.key.usable = %facts.usable,
        amiferry.key.grants = facts.grants,
        "examined the vault key"
    );
    match facts.verdict() {
        KeyVerdict::Usable => Ok(()),
        // Usual key policies deny direct probes; the first copy shows whether the key works.
        KeyVerdict::Unknown(why) => {
            tracing::warn!(
                amiferry.resource = %vault.key_arn,
                amiferry.detail = why,
                "cannot tell whether the vault key is usable"
            );
            Ok(())
        }
        // Copies are parked until the key is enabled again.
        KeyVerdict::Unusable(why)
            if matches!(facts.state, Some(KeyState::Disabled | KeyState::PendingDeletion)) =>
        {
            tracing::error!(
                amiferry.resource = %vault.key_arn,
                amiferry.detail = why,
                "the vault key cannot be used: work is parked"
            );
            Ok(())
        }
        KeyVerdict::Unusable(why) => Err(Unmet::unsuitable(
            need,
            arn,
            why,
            "correct key_arn: it must name an enabled symmetric key for encryption",
        )),
    }
}
