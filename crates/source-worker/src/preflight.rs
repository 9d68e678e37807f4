//! What the source worker needs: its account, its queue, its staging bucket and key, permission to
//! describe and store images, and a view of its own recovery points in each vault.

mod events;

use amiferry_aws::{
    BucketEncryption, Ec2Images, KmsKeys, QueueFacts, S3Objects, ServiceQuotas, Session, SqsQueue,
    StsIdentity,
};
use amiferry_core::check::{Finding, Hop, Task};
use amiferry_core::fault::FaultClass;
use amiferry_core::model::{ImageState, KeyPurpose, KeyVerdict};
use amiferry_core::names;
use amiferry_core::ports::{Images, Keys, Objects, StoreTasks};
use amiferry_core::staging;
use amiferry_service::config::{Config, Source};
use amiferry_service::preflight::{self, Findings, Unmet};

/// Checks what the worker cannot start without, logs what else is wrong, and says what it found.
///
/// # Errors
/// The first that is not met.
pub async fn check(source: &Source, session: &Session) -> Result<Findings, Unmet> {
    start(source, session).await.0.started()
}

/// Checks everything, in the order in which a person would set it up, and changes nothing.
pub async fn examine(config: &Config, source: &Source, session: &Session) -> Findings {
    let (mut findings, caller, queue) = start(source, session).await;
    let Some(arn) = caller.filter(|_| !findings.is_pointless()) else { return findings };
    may_store(&mut findings, source, session, &arn).await;
    let (task, quotas) = ((Task::Store, &source.region), ServiceQuotas::new(session));
    let configured = (source.store_quota_gb.get(), source.store_calls);
    preflight::judge_quotas(&mut findings, &quotas, task, configured, &arn).await;
    for vault in &config.vaults {
        // A convenience of the source, which works without it.
        let need =
            format!("the list of its own recovery points in {}/{}", vault.account, vault.region);
        let objects = S3Objects::new(&session.in_region(&vault.region));
        let folder = names::folder(&vault.prefix);
        let prefix = format!("{folder}{}/{}/", source.account, source.region);
        match objects.list(&vault.account, &vault.bucket, &prefix, None).await {
            Ok(_) => findings.ok(Hop::VaultRecords, need, "S3 lists its prefix"),
            Err(fault) => findings.warn(Hop::VaultRecords, Unmet::call(need, &arn, &fault)),
        }
    }
    if let Some(queue) = queue {
        events::judge(&mut findings, config, source, session, &queue, &arn).await;
    }
    findings
}

/// What the worker asks at its start, its principal, if AWS tells it, and its queue, if SQS does.
async fn start(
    source: &Source,
    session: &Session,
) -> (Findings, Option<String>, Option<QueueFacts>) {
    let mut findings = Findings::default();
    let caller = match preflight::identity(&StsIdentity::new(session), &source.account).await {
        Ok(caller) => caller,
        Err(unmet) => {
            findings.stop(Hop::Identity, unmet);
            return (findings, None, None);
        }
    };
    let arn = caller.arn;
    let need = format!("credentials of account {}", source.account);
    findings.ok(Hop::Identity, need, format!("{arn}; STS accepts the signature and its time"));
    let queue = ask(&mut findings, source, session, &arn).await;
    (findings, Some(arn), queue)
}

async fn ask(
    findings: &mut Findings,
    source: &Source,
    session: &Session,
    arn: &str,
) -> Option<QueueFacts> {
    let keys = KmsKeys::new(session, &source.account);
    let queue = SqsQueue::new(session, source.queue_url.as_str());
    let queue = match queue.facts().await {
        Ok(facts) => {
            let is_under_aws_key = facts.is_under_aws_key(&keys).await;
            preflight::judge_queue(findings, &facts.arn, facts.redrive.is_some(), is_under_aws_key);
            preflight::judge_queue_policy(findings, &facts.arn, facts.policy.as_deref(), arn);
            Some(facts)
        }
        Err(fault) => {
            let need = format!("the source worker's queue {}", source.queue_url);
            findings.stop(Hop::Queue, Unmet::call(need, arn, &fault));
            if findings.is_pointless() {
                return None;
            }
            None
        }
    };
    let need = format!("the staging bucket {} in {}", source.staging_bucket, source.region);
    let bucket =
        S3Objects::new(session).bucket_facts(&source.account, &source.staging_bucket).await;
    match bucket {
        Ok(bucket) if bucket.versioned => {
            findings.ok(Hop::StagingBucket, format!("{need}, versioned"), "S3 tells its settings");
            staging_key(findings, source, &keys, &bucket.encryption, arn).await;
            staging_rules(findings, source, session, arn).await;
        }
        Ok(_) => {
            let unmet = Unmet::unsuitable(
                format!("{need} with versioning, so that a copy can pin what it reads"),
                arn,
                "versioning is off",
                "turn on versioning of the bucket",
            );
            findings.stop(Hop::StagingBucket, unmet);
        }
        Err(fault) => {
            findings.stop(Hop::StagingBucket, Unmet::call(need, arn, &fault));
            if findings.is_pointless() {
                return queue;
            }
        }
    }
    let images = Ec2Images::new(session, source.account.clone());
    let listed = preflight::reached(images.page(None).await);
    judge(findings, "the account's images", "EC2 lists them", listed, arn);
    let tasks = preflight::reached(images.running().await);
    judge(findings, "the account's store tasks", "EC2 lists them", tasks, arn);
    queue
}

fn judge(
    findings: &mut Findings,
    need: &str,
    proof: &str,
    answer: Result<(), amiferry_core::fault::Fault>,
    arn: &str,
) {
    match answer {
        Ok(()) => findings.ok(Hop::Images, need, proof),
        Err(fault) => findings.stop(Hop::Images, Unmet::call(need, arn, &fault)),
    }
}

/// Asks EC2 by DryRun whether it would store an image, if there is one.
async fn may_store(findings: &mut Findings, source: &Source, session: &Session, arn: &str) {
    let images = Ec2Images::new(session, source.account.clone());
    let need = format!("permission to store images in {}", source.staging_bucket);
    let is_there = |state: &ImageState| *state == ImageState::Available;
    let page = images.page(None).await.map(|(listing, _)| listing.items);
    let Some(image) = page.ok().and_then(|all| all.into_iter().find(|one| is_there(&one.state)))
    else {
        let settled_by = "an image in the account: EC2 checks the permission for a given one";
        return findings.add(Finding::unknown(Hop::Store, need, "there is no image", settled_by));
    };
    let path = names::staging_path(&source.staging_prefix, &source.region);
    match images.may_store(&image.id, &source.staging_bucket, &path).await {
        Ok(()) => findings.ok(Hop::Store, need, format!("DryRun of a store of {}", image.id)),
        Err(fault) if fault.class == FaultClass::Denied => {
            findings.fail(Hop::Store, Unmet::call(need, arn, &fault));
        }
        Err(fault) => findings.doubt(Hop::Store, Unmet::call(need, arn, &fault)),
    }
}

/// Judges the lifecycle rules of the staging bucket. No work depends on them, and their bill does.
async fn staging_rules(findings: &mut Findings, source: &Source, session: &Session, arn: &str) {
    let (account, bucket) = (&source.account, &source.staging_bucket);
    let need = format!("a lifecycle rule of {bucket} that removes what has been copied");
    let rules = match S3Objects::new(session).lifecycle(account, bucket).await {
        Ok(rules) => rules,
        Err(fault) => return findings.doubt(Hop::StagingBucket, Unmet::call(need, arn, &fault)),
    };
    let path = names::staging_path(&source.staging_prefix, &source.region);
    match staging::doubt(&rules, &format!("{path}/")) {
        None => findings.ok(Hop::StagingBucket, need, "S3 tells its rules"),
        Some(why) => {
            tracing::warn!(
                amiferry.resource = %bucket,
                amiferry.detail = why,
                amiferry.remedy = RULE,
                "the lifecycle rules of the staging bucket"
            );
            findings.add(Finding::warn(Hop::StagingBucket, need, why, RULE));
        }
    }
}

const RULE: &str = "give the bucket the rule of docs/retention.md: it expires staged objects after 7 days and \
                    deletes noncurrent versions a day later";

/// Judges the key that staged objects get. Stores that it fails are parked, and no other work needs it.
async fn staging_key(
    findings: &mut Findings,
    source: &Source,
    keys: &KmsKeys,
    encryption: &BucketEncryption,
    arn: &str,
) {
    let key = encryption.key_arn(&source.account, &source.region);
    let facts = match &key {
        Some(key) => keys.examine(key, &[KeyPurpose::Writing]).await.ok(),
        None => None,
    };
    let need = format!("a key of {} with which stores and vaults can work", source.staging_bucket);
    let shared = facts.as_ref().is_none_or(|facts| facts.aws_managed != Some(true));
    if encryption.is_managed() || !shared {
        tracing::warn!(
            amiferry.resource = %source.staging_bucket,
            amiferry.detail = MANAGED_KEY,
            amiferry.remedy = OWN_KEY,
            "no vault can copy what is staged"
        );
        let unmet = Unmet::unsuitable(need, arn, MANAGED_KEY, OWN_KEY);
        return findings.fail(Hop::StagingKey, unmet);
    }
    let Some(key) = key else {
        return findings.ok(Hop::StagingKey, need, "its objects need no KMS key");
    };
    match facts.map(|facts| facts.verdict(KeyPurpose::Writing)) {
        Some(KeyVerdict::Unusable(why)) => {
            let remedy = format!(
                "enable the key or cancel its deletion, and let its policy allow \
                 kms:GenerateDataKey and kms:Decrypt to {arn}"
            );
            tracing::warn!(
                amiferry.resource = %key,
                amiferry.detail = why,
                amiferry.remedy = remedy,
                "the staging key cannot be used: stores fail"
            );
            findings.fail(Hop::StagingKey, Unmet::unsuitable(need, arn, why, remedy));
        }
        Some(KeyVerdict::Usable) => findings.ok(Hop::StagingKey, need, format!("{key} is usable")),
        // A policy that admits S3 alone denies the direct probe.
        Some(KeyVerdict::Unknown(why)) => {
            findings.add(Finding::unknown(Hop::StagingKey, need, why, SETTLED_BY_STORE));
        }
        None => {
            let why = format!("KMS does not tell of {key}");
            findings.add(Finding::unknown(Hop::StagingKey, need, why, SETTLED_BY_STORE));
        }
    }
}

const MANAGED_KEY: &str = "its default key is aws/s3, with which no other account can decrypt";

const OWN_KEY: &str = "make a customer managed key the default encryption of the bucket, \
                       and let its policy allow kms:Decrypt to the vault";

const SETTLED_BY_STORE: &str = "the first store: it fails if the key cannot be used";
