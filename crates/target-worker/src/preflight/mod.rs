//! What the target worker needs: its account, its queue, its vault bucket, its keys, permission to
//! restore, and a way into each source.

mod canary;
mod events;
mod keys;
mod source;

use amiferry_aws::{
    BucketFacts, Ec2Images, QueueFacts, S3Objects, ServiceQuotas, Session, SqsQueue, StsIdentity,
};
use amiferry_core::check::{Finding, Hop, Task};
use amiferry_core::fault::FaultClass;
use amiferry_core::names;
use amiferry_core::policy::{Policies, Policy};
use amiferry_service::config::{Config, Vault};
use amiferry_service::preflight::{self, Findings, Unmet};
use futures::{StreamExt, stream};

use crate::observe::{CALLS_IN_FLIGHT, Observer};

/// Checks what the worker cannot start without, logs what else is wrong, and says what it found.
///
/// EBS encryption by default is not part of that: without it restores are parked and copies continue.
/// Nor is anything of a source: what stands in the way into one is logged.
///
/// # Errors
/// The first precondition of the worker itself that is not met.
pub async fn check(
    vault: &Vault,
    policies: &Policies,
    session: &Session,
    observer: &Observer,
) -> Result<Findings, Unmet> {
    start(vault, policies, session, observer).await.0.started()
}

/// Checks everything, in the order in which a person would set it up, and changes nothing. With
/// `canary`, also copies one part from each source and gives it up.
pub async fn examine(
    config: &Config,
    vault: &Vault,
    session: &Session,
    observer: &Observer,
    canary: bool,
) -> Findings {
    let policies = &config.policies;
    let (mut findings, caller, queue) = start(vault, policies, session, observer).await;
    if let Some(arn) = caller.filter(|_| !findings.is_pointless()) {
        for source in observer.sources.iter().filter(|_| canary) {
            canary::fly(&mut findings, source, observer, &arn).await;
        }
        may_restore(&mut findings, vault, session, &arn).await;
        let (task, quotas) = ((Task::Restore, &vault.region), ServiceQuotas::new(session));
        let configured = (vault.restore_quota_gb.get(), vault.restore_calls);
        preflight::judge_quotas(&mut findings, &quotas, task, configured, &arn).await;
        if let Some(queue) = queue {
            events::judge(&mut findings, config, session, observer, &queue, &arn).await;
        }
    }
    findings
}

/// What the worker asks at its start, its principal, if AWS tells it, and its queue, if SQS does.
async fn start(
    vault: &Vault,
    policies: &Policies,
    session: &Session,
    observer: &Observer,
) -> (Findings, Option<String>, Option<QueueFacts>) {
    let mut findings = Findings::default();
    let caller = match preflight::identity(&StsIdentity::new(session), &vault.account).await {
        Ok(caller) => caller,
        Err(unmet) => {
            findings.stop(Hop::Identity, unmet);
            return (findings, None, None);
        }
    };
    let arn = caller.arn;
    let need = format!("credentials of account {}", vault.account);
    findings.ok(Hop::Identity, need, format!("{arn}; STS accepts the signature and its time"));
    let queue = ask(&mut findings, vault, policies, session, observer, &arn).await;
    (findings, Some(arn), queue)
}

async fn ask(
    findings: &mut Findings,
    vault: &Vault,
    policies: &Policies,
    session: &Session,
    observer: &Observer,
    arn: &str,
) -> Option<QueueFacts> {
    let queue = SqsQueue::new(session, vault.queue_url.as_str());
    let queue = match queue.facts().await {
        Ok(facts) => {
            let is_under_aws_key = facts.is_under_aws_key(observer.vault.keys.as_ref()).await;
            preflight::judge_queue(findings, &facts.arn, facts.redrive.is_some(), is_under_aws_key);
            preflight::judge_queue_policy(findings, &facts.arn, facts.policy.as_deref(), arn);
            Some(facts)
        }
        Err(fault) => {
            let need = format!("the target worker's queue {}", vault.queue_url);
            findings.stop(Hop::Queue, Unmet::call(need, arn, &fault));
            if findings.is_pointless() {
                return None;
            }
            None
        }
    };
    bucket(findings, vault, policies, session, observer, arn).await;
    if findings.is_pointless() {
        return queue;
    }
    keys::of_bucket(findings, vault, &observer.vault, arn).await;
    if findings.is_pointless() {
        return queue;
    }
    // A source that does not answer affects no other: it is not assessed.
    let ways: Vec<_> = observer
        .sources
        .iter()
        .map(|source| async move { (source, source::way_into(source, session, arn).await) })
        .collect();
    let mut ways = stream::iter(ways).buffered(CALLS_IN_FLIGHT);
    while let Some((source, way)) = ways.next().await {
        findings.all.extend(way.findings);
        if let Some((hop, unmet)) = way.obstacle {
            tracing::warn!(
                amiferry.resource = %source.id(),
                amiferry.detail = format!("no {} for {}: {}", unmet.need, unmet.principal, unmet.found),
                amiferry.remedy = unmet.fix,
                "a source cannot be reached"
            );
            findings.fail(hop, unmet);
        }
    }
    keys::of_snapshots(findings, &observer.vault, arn).await;
    if let Some(bus) = &vault.event_bus_arn {
        // EventBridge has no dry run.
        findings.add(Finding::unknown(
            Hop::EventBus,
            format!("events:PutEvents on {bus}"),
            "only a notification shows whether the bus takes it",
            "the first change that is told: amiferry_notifications_total counts it, and the log of the \
             worker says why the bus refuses",
        ));
    }
    queue
}

async fn bucket(
    findings: &mut Findings,
    vault: &Vault,
    policies: &Policies,
    session: &Session,
    observer: &Observer,
    arn: &str,
) {
    let hop = Hop::VaultBucket;
    let need = format!("the vault bucket {} in {}", vault.bucket, vault.region);
    let facts = match S3Objects::new(session).bucket_facts(&vault.account, &vault.bucket).await {
        Ok(facts) => facts,
        Err(fault) => return findings.stop(hop, Unmet::call(need, arn, &fault)),
    };
    let versioned = format!("{need} with versioning");
    if facts.versioned {
        findings.ok(hop, versioned, "S3 tells its settings");
    } else {
        let fix = "turn on versioning of the bucket";
        findings.stop(hop, Unmet::unsuitable(versioned, arn, "versioning is off", fix));
    }
    // Every sweep needs it.
    let versions = &observer.vault.versions;
    let prefix = names::folder(&vault.prefix);
    let listed = versions.versions(&vault.account, &vault.bucket, &prefix, None).await;
    let listing = format!("the list of versions in {}", vault.bucket);
    match preflight::reached(listed) {
        Ok(()) => findings.ok(hop, listing, "S3 lists them"),
        Err(fault) => findings.stop(hop, Unmet::call(listing, arn, &fault)),
    }
    let id = observer.vault_id();
    let own: Vec<&Policy> = policies.0.iter().filter(|policy| policy.covers(&id)).collect();
    lock(findings, vault, &own, &facts, arn);
    encryption(findings, vault, &facts);
    exposure(findings, vault, session, arn).await;
}

fn lock(
    findings: &mut Findings,
    vault: &Vault,
    policies: &[&Policy],
    facts: &BucketFacts,
    arn: &str,
) {
    let need = format!("Object Lock of {}", vault.bucket);
    let (locking, bare): (Vec<&Policy>, Vec<&Policy>) =
        policies.iter().copied().partition(|policy| policy.retention.is_some());
    if !facts.lockable {
        return match locking.first() {
            Some(policy) => {
                let unmet = Unmet::unsuitable(
                    format!("{need}, which the retention of policy {} requires", policy.name),
                    arn,
                    "Object Lock is off",
                    "enable Object Lock on the bucket, or remove the policy's retention",
                );
                findings.stop(Hop::VaultBucket, unmet);
            }
            None => {
                let cause =
                    "Object Lock is off: everyone who may delete objects can delete every copy";
                let remedy = "enable Object Lock on the bucket, and give each policy a retention";
                findings.add(Finding::warn(Hop::VaultBucket, need, cause, remedy));
            }
        };
    }
    if bare.is_empty() || facts.default_retention.is_some() {
        return findings.ok(Hop::VaultBucket, need, "it is on, and every copy gets a lock");
    }
    let names: Vec<&str> = bare.iter().map(|policy| policy.name.as_str()).collect();
    let cause = format!(
        "it is on, but neither the bucket nor these policies have a retention, so their copies are not locked: {}",
        names.join(", ")
    );
    let remedy = "give each of these policies a retention, or the bucket a default";
    findings.add(Finding::warn(Hop::VaultBucket, need, cause, remedy));
}

/// Judges whom the bucket admits by its own settings. No work depends on them.
async fn exposure(findings: &mut Findings, vault: &Vault, session: &Session, arn: &str) {
    let need = format!("a block of public access to {}, and no ACLs on its objects", vault.bucket);
    let exposure = match S3Objects::new(session).exposure(&vault.account, &vault.bucket).await {
        Ok(exposure) => exposure,
        Err(fault) => return findings.doubt(Hop::VaultBucket, Unmet::call(need, arn, &fault)),
    };
    let open = [
        (exposure.public_access_blocked, "its block of public access is not wholly on"),
        (exposure.owner_enforced, "its objects can have ACLs"),
    ];
    let open: Vec<&str> = open.iter().filter(|(closed, _)| !closed).map(|(_, why)| *why).collect();
    if open.is_empty() {
        return findings.ok(Hop::VaultBucket, need, "S3 tells its settings");
    }
    let remedy = format!(
        "aws s3api put-public-access-block --bucket {0} --public-access-block-configuration \
         BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true \
         and then aws s3api put-bucket-ownership-controls --bucket {0} --ownership-controls \
         'Rules=[{{ObjectOwnership=BucketOwnerEnforced}}]'",
        vault.bucket
    );
    let why = open.join("; ");
    tracing::warn!(
        amiferry.resource = %vault.bucket,
        amiferry.detail = why,
        amiferry.remedy = remedy,
        "the vault bucket is open to others"
    );
    findings.add(Finding::warn(Hop::VaultBucket, need, why, remedy));
}

fn encryption(findings: &mut Findings, vault: &Vault, facts: &BucketFacts) {
    let need = format!("{} as the default key of {}", vault.key_arn, vault.bucket);
    let key = facts.encryption.key_arn(&vault.account, &vault.region);
    if key.as_ref() == Some(&vault.key_arn) {
        return findings.ok(Hop::VaultBucket, need, "S3 tells its default encryption");
    }
    // Each copy names its key; an alias may stand for it.
    let cause = match &facts.encryption.key {
        Some(key) => format!("the bucket's default key is {key}"),
        None => "the bucket has no KMS key by default".to_owned(),
    };
    let settled_by = "nothing has to change: every copy names key_arn. If another program writes to the bucket, \
                      make key_arn its default";
    findings.add(Finding::unknown(Hop::VaultBucket, need, cause, settled_by));
}

/// Asks EC2 by DryRun whether it would restore an image: that checks permissions and no object.
async fn may_restore(findings: &mut Findings, vault: &Vault, session: &Session, arn: &str) {
    let images = Ec2Images::new(session, vault.account.clone());
    let need = format!("permission to restore images from {}", vault.bucket);
    match images.may_restore(&vault.bucket, &vault.prefix).await {
        Ok(()) => findings.ok(Hop::Restore, need, "DryRun of a restore"),
        Err(fault) if fault.class == FaultClass::Denied => {
            findings.fail(Hop::Restore, Unmet::call(need, arn, &fault));
        }
        Err(fault) => findings.doubt(Hop::Restore, Unmet::call(need, arn, &fault)),
    }
}
