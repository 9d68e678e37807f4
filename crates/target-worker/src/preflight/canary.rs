//! Copies one part of a staged object into the vault and gives it up: before the first recovery point
//! nothing else proves that a copy gets through. Nothing is left that would have to be removed.

use amiferry_core::check::{Finding, Hop};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, Malformed};
use amiferry_core::model::{Checksum, StoredObject};
use amiferry_core::names;
use amiferry_core::ports::{ByteRange, CopyPart, NewUpload, Upload};
use amiferry_service::preflight::{Findings, Unmet};

use crate::observe::{Observer, SourceView};

/// The image under whose key the part is copied: no worker ever copies it.
const IMAGE: &str = "ami-00000000000000000";

/// How much of an object is copied, in bytes; smaller objects are copied whole. S3 copies a range only of
/// objects of more than 5 MB.
const PART: u64 = 5 << 20;

/// Tries the way of a copy from one source.
pub(super) async fn fly(
    findings: &mut Findings,
    source: &SourceView,
    observer: &Observer,
    arn: &str,
) {
    let bucket = &source.scope.staging_bucket;
    let need = format!("a copied part from {bucket} into {}", observer.vault.bucket);
    let staged = match staged(source).await {
        Ok(staged) => staged,
        Err(fault) => return refused(findings, need, &fault, arn),
    };
    let settled_by = "the next store; then run check --canary again";
    let Some(staged) = staged else {
        return findings.add(Finding::unknown(Hop::Copy, need, "nothing is staged", settled_by));
    };
    let Some(checksum) = &staged.checksum else {
        let cause = format!("{} has no checksum, which a copy needs", staged.at.key);
        return findings.add(Finding::unknown(Hop::Copy, need, cause, settled_by));
    };
    let upload = match begin(source, observer, checksum).await {
        Ok(upload) => upload,
        Err(fault) => return refused(findings, need, &fault, arn),
    };
    match copy(source, observer, &staged, &upload).await {
        Ok(()) => findings.ok(Hop::Copy, need, format!("S3 copied a part of {}", staged.at.key)),
        Err(fault) => refused(findings, need, &fault, arn),
    }
    give_up(findings, observer, &upload, arn).await;
}

/// A fault that says nothing about the way itself leaves it unknown.
fn refused(findings: &mut Findings, need: String, fault: &Fault, arn: &str) {
    let unmet = Unmet::call(need, arn, fault);
    match fault.class {
        FaultClass::Denied | FaultClass::KeyUnusable | FaultClass::NotFound => {
            findings.fail(Hop::Copy, unmet);
        }
        FaultClass::Throttled
        | FaultClass::QuotaFull
        | FaultClass::Conflict
        | FaultClass::OutcomeUnknown
        | FaultClass::Unavailable
        | FaultClass::Invalid
        | FaultClass::Credentials
        | FaultClass::Bug => findings.doubt(Hop::Copy, unmet),
    }
}

/// The first staged object that a copy could read.
async fn staged(source: &SourceView) -> Result<Option<StoredObject>, Fault> {
    let scope = &source.scope;
    let (owner, bucket) = (&scope.account, &scope.staging_bucket);
    let prefix = names::folder(&scope.staging_prefix);
    let (listed, _) = source.objects.list(owner, bucket, &prefix, None).await?;
    let keys = listed.items.into_iter().filter(|object| object.size > 0).map(|object| object.key);
    let Some(key) = keys.into_iter().find(|key| scope.image_of(key).is_some()) else {
        return Ok(None);
    };
    source.objects.head(owner, bucket, &key).await
}

async fn begin(
    source: &SourceView,
    observer: &Observer,
    checksum: &Checksum,
) -> Result<Upload, Fault> {
    let vault = &observer.vault;
    let id = observer.recovery_point(&source.scope, canary()?);
    let key = observer.keys_of(&id)?.image;
    let settings = NewUpload { key: Some(vault.key.to_string()), ..NewUpload::default() };
    let begun = vault.uploads.begin(&vault.account, &vault.bucket, &key, checksum, &settings).await;
    Ok(Upload { bucket: vault.bucket.clone(), key, id: begun?, begun: None })
}

async fn copy(
    source: &SourceView,
    observer: &Observer,
    staged: &StoredObject,
    upload: &Upload,
) -> Result<(), Fault> {
    let part = CopyPart {
        number: 1,
        source: staged.at.clone(),
        source_owner: source.scope.account.clone(),
        source_etag: staged.etag.clone(),
        range: (staged.size > PART).then_some(ByteRange { start: 0, length: PART }),
    };
    observer.vault.parts.copy(&observer.vault.account, upload, &part).await.map(drop)
}

async fn give_up(findings: &mut Findings, observer: &Observer, upload: &Upload, arn: &str) {
    let Err(fault) = observer.vault.uploads.abort(&observer.vault.account, upload).await else {
        return;
    };
    let unmet = Unmet::call(format!("the end of the upload {}", upload.id), arn, &fault);
    let remedy = format!(
        "{}; until then the lifecycle rule of the vault bucket ends the upload, or \
         aws s3api abort-multipart-upload --bucket {} --key {} --upload-id {}",
        unmet.fix, upload.bucket, upload.key, upload.id
    );
    findings.add(Finding::warn(Hop::Copy, unmet.need, unmet.found, remedy));
}

fn canary() -> Result<ImageId, Fault> {
    IMAGE.parse().map_err(|error: Malformed| Fault {
        class: FaultClass::Bug,
        operation: "check:Canary",
        resource: IMAGE.to_owned(),
        code: "Malformed".to_owned(),
        detail: error.to_string(),
        request_id: None,
    })
}
