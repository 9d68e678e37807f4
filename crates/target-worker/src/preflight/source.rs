//! The way into a source at the start: its images, its staging bucket, and the keys of what is
//! staged. A source that refuses is told, and affects no other.

use std::time::Duration;

use amiferry_aws::{KmsKeys, S3Objects, Session};
use amiferry_core::check::{Finding, Hop};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{Arn, ObjectKey};
use amiferry_core::model::{KeyPurpose, KeyVerdict};
use amiferry_core::names;
use amiferry_core::ports::Keys;
use amiferry_service::preflight::{self, Unmet, UnmetKind};

use crate::observe::{DESCRIBE_IMAGES, SourceView};
use crate::patience;

/// How long a start waits for one source.
const LONGEST_QUESTION: Duration = Duration::from_secs(10);

/// What was found on the way into a source.
#[derive(Default)]
pub(super) struct Way {
    pub(super) findings: Vec<Finding>,
    /// Where the way ends, and why.
    pub(super) obstacle: Option<(Hop, Unmet)>,
}

/// Goes the way into a source as far as it leads, within the time that one source has.
pub(super) async fn way_into(source: &SourceView, session: &Session, arn: &str) -> Way {
    let way = tokio::time::timeout(LONGEST_QUESTION, go(source, session, arn)).await;
    way.unwrap_or_else(|_| {
        let fault = patience::no_answer(DESCRIBE_IMAGES, &source.id());
        let unmet = Unmet::call(format!("an answer of {} in time", source.id()), arn, &fault);
        Way { obstacle: Some((Hop::ReadRole, unmet)), ..Way::default() }
    })
}

async fn go(source: &SourceView, session: &Session, arn: &str) -> Way {
    let mut way = Way::default();
    way.obstacle = steps(&mut way.findings, source, session, arn).await.err();
    way
}

async fn steps(
    findings: &mut Vec<Finding>,
    source: &SourceView,
    session: &Session,
    arn: &str,
) -> Result<(), (Hop, Unmet)> {
    let scope = &source.scope;
    let need =
        format!("the images of {} in {}, through its read role", scope.account, scope.region);
    preflight::reached(source.images.page(None).await)
        .map_err(|fault| (Hop::ReadRole, through_role(need.clone(), arn, &fault)))?;
    findings.push(Finding::ok(
        Hop::ReadRole,
        need,
        "STS lets the role be assumed, and EC2 lists them",
    ));
    let need = format!("read access to the staging bucket {}", scope.staging_bucket);
    let prefix = names::folder(&scope.staging_prefix);
    let (owner, bucket) = (&scope.account, &scope.staging_bucket);
    let listed = source.objects.list(owner, bucket, &prefix, None).await;
    let staged = listed
        .as_ref()
        .ok()
        .and_then(|(keys, _)| keys.items.iter().map(|o| &o.key).find(|k| is_image(k)));
    let staged = staged.cloned();
    preflight::reached(listed)
        .map_err(|fault| (Hop::StagedObjects, Unmet::call(need.clone(), arn, &fault)))?;
    findings.push(Finding::ok(Hop::StagedObjects, need, "S3 lists it"));
    let need = format!("staged objects in {bucket} that can be read");
    let proven = match &staged {
        Some(key) => read(source, key, arn).await.map_err(|unmet| (Hop::StagedObjects, unmet))?,
        None => None,
    };
    findings.push(match &staged {
        Some(key) => Finding::ok(Hop::StagedObjects, need, format!("S3 opens {key}")),
        None => {
            let settled_by = "the first store; until then nothing shows that its key can be used";
            Finding::unknown(Hop::StagedObjects, need, "nothing is staged", settled_by)
        }
    });
    let keyed = default_key(source, session, arn, proven.as_deref()).await;
    keyed.map_err(|unmet| (Hop::StagingKey, unmet))
}

fn is_image(key: &ObjectKey) -> bool {
    key.as_str().ends_with(".bin")
}

/// Reads a staged object through S3, with its checksum, which only its key opens. Returns that key.
async fn read(source: &SourceView, key: &ObjectKey, arn: &str) -> Result<Option<String>, Unmet> {
    let (owner, bucket) = (&source.scope.account, &source.scope.staging_bucket);
    let need = format!("staged objects that can be read, such as {key} in {bucket}");
    match source.objects.head(owner, bucket, key).await {
        Ok(staged) => Ok(staged.and_then(|staged| staged.key)),
        Err(fault) if fault.class == FaultClass::Bug => Ok(None),
        Err(fault) => Err(Unmet::call(need, arn, &fault)),
    }
}

/// Judges the key that the staging bucket gives to new objects, as far as it is shown: without
/// `s3:GetEncryptionConfiguration` and `kms:DescribeKey` nothing is known, and nothing is wrong.
async fn default_key(
    source: &SourceView,
    session: &Session,
    arn: &str,
    proven: Option<&str>,
) -> Result<(), Unmet> {
    let scope = &source.scope;
    let bucket = S3Objects::new(&session.in_region(&scope.region));
    let asked = bucket.encryption(&scope.account, &scope.staging_bucket).await;
    let Ok(encryption) = asked else { return Ok(()) };
    let need =
        format!("a key of the staging bucket {} that the vault can use", scope.staging_bucket);
    if encryption.is_managed() {
        return Err(managed(need, arn));
    }
    let Some(key) = encryption.key_arn(&scope.account, &scope.region) else { return Ok(()) };
    if proven == Some(key.as_str()) {
        return Ok(());
    }
    let keys = KmsKeys::new(session, &scope.account);
    let Ok(facts) = keys.examine(&key, &[KeyPurpose::Reading]).await else { return Ok(()) };
    if facts.aws_managed == Some(true) {
        return Err(managed(need, arn));
    }
    match facts.verdict(KeyPurpose::Reading) {
        KeyVerdict::Usable => Ok(()),
        // A policy that admits S3 alone denies the direct probe, and is as it should be.
        KeyVerdict::Unknown(why) => {
            tracing::info!(
                amiferry.resource = %key,
                amiferry.detail = why,
                amiferry.remedy = allow(&key, scope.region.as_str(), arn),
                "no staged object proves yet that the staging key can be used"
            );
            Ok(())
        }
        KeyVerdict::Unusable(why) => {
            let fix = format!(
                "enable the key or cancel its deletion, or give the staging bucket another one; {}",
                allow(&key, scope.region.as_str(), arn)
            );
            Err(Unmet::unsuitable(need, arn, why, fix))
        }
    }
}

fn allow(key: &Arn, region: &str, arn: &str) -> String {
    format!(
        "the policy of {key} must allow kms:Decrypt to {arn}; a condition on kms:ViaService must \
         name s3.{region}.amazonaws.com"
    )
}

fn managed(need: String, arn: &str) -> Unmet {
    Unmet::unsuitable(
        need,
        arn,
        "its objects are encrypted with aws/s3, the key that AWS manages for the source account: \
         no other account can ever decrypt with it",
        "make a customer managed key in the source account, let its policy allow kms:Decrypt to the \
         vault, make it the bucket's default encryption, and store the images again",
    )
}

/// The worker's own credentials were good, so the refusal concerns the read role or its Region.
fn through_role(need: String, arn: &str, fault: &Fault) -> Unmet {
    let mut unmet = Unmet::call(need, arn, fault);
    if unmet.kind.is_of_caller() {
        unmet.kind = UnmetKind::Resource;
    }
    unmet
}
