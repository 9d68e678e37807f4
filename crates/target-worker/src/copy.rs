//! Copies one staged object into the vault, part by part inside S3, and resumes an interrupted
//! copy.
//!
//! Cancelling it is safe at every await: copied parts stay in the upload, and `ListParts` shows
//! them again; nothing becomes visible before `CompleteMultipartUpload`, which S3 refuses unless
//! size and checksum equal the source's and the key is still free. Where the source's checksum covers
//! its parts, the copy has the same parts, and the adapter compares.
//!
//! Only one of several workers copies: its upload is its claim, see [`amiferry_core::copy_claim`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amiferry_core::copy_claim::{Claim, UploadActivity, judge, patience};
use amiferry_core::copy_plan::{CopyPlan, MIB};
use amiferry_core::copy_progress::CopyProgress;
use amiferry_core::decide::vault::CopyOrder;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, BucketName, ObjectKey, Region};
use amiferry_core::model::{PartFacts, Retention};
use amiferry_core::names::{RecoveryPointId, VaultKeys};
use amiferry_core::ports::{
    ByteRange, Clock, CompleteUpload, CopyPart, NewUpload, Objects, Parts, Upload, Uploads,
    WriteOutcome,
};
use amiferry_service::metrics as measure;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use tracing::Span;
use tracing::field::display;

use crate::claims::{Claims, Ours};
use crate::copies::{Copies, Copying};
use crate::default_lock::DefaultLock;

/// The part size if none is configured. Server-side time is per byte, so parts are small enough for
/// many to run at once and large enough that the time of the requests does not matter.
const PREFERRED_PART: u64 = 64 * MIB;

/// What every copy needs, whatever its order.
pub struct Copier {
    /// S3 of the target Region, with the vault's own credentials.
    pub objects: Arc<dyn Objects>,
    /// The lock that the vault bucket gives by itself.
    pub lock: DefaultLock,
    /// Multipart uploads there.
    pub uploads: Arc<dyn Uploads>,
    /// Their parts: one principal reads the staging bucket and writes the vault.
    pub parts: Arc<dyn Parts>,
    /// The vault account.
    pub account: AccountId,
    /// The target Region.
    pub region: Region,
    /// The vault bucket.
    pub bucket: BucketName,
    /// The key that encrypts the copy.
    pub key: String,
    /// Parts in flight of one object.
    pub parts_in_flight: usize,
    /// Part size in bytes, where configured.
    pub part_size: Option<u64>,
    /// How often running work is looked at, which decides how soon a copy counts as abandoned.
    pub poll: Duration,
    /// What is known about the claims on copies.
    pub claims: Claims,
    /// The copies that run now.
    pub copies: Copies,
    /// The source of the time.
    pub clock: Arc<dyn Clock>,
}

/// Where copies come from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The owner of the bucket.
    pub owner: &'a AccountId,
    /// S3 of its Region, with the credentials of the copy.
    pub objects: &'a dyn Objects,
}

/// The parts that an upload holds, by number.
type Held = BTreeMap<u32, PartFacts>;

impl Copier {
    /// Copies the staged object of a recovery point, which its origin shows, and writes the note of its
    /// source image first, where the order has one. Repeating it copies only what is missing; when the object is there already,
    /// nothing is written, and that is the outcome.
    ///
    /// # Errors
    /// The first call that failed. `NotFound` on the upload means that another worker completed or
    /// aborted it: look again. `Conflict` means that another worker copies: see
    /// [`Copier::others_until`].
    pub async fn copy(
        &self,
        order: &CopyOrder,
        id: &RecoveryPointId,
        keys: &VaultKeys,
        origin: Origin<'_>,
    ) -> Result<WriteOutcome, Fault> {
        let key = &keys.image;
        let staged = &order.staged;
        let plan = self.plan(order, origin).await?;
        let retention = self.lock.joined(order.retention.as_ref(), self.clock.now()).await?;
        // First, so that no upload is begun without it: another worker would wait for its parts.
        let noted = self.note(order, &keys.note, retention.clone()).await?;
        let first = noted != WriteOutcome::AlreadyThere;
        // A worker that finds the note there already may be late: it leaves no upload behind then.
        if !first && self.is_there(key).await? {
            return Ok(WriteOutcome::AlreadyThere);
        }
        let Some((upload, held)) = self.claim(order, key, &plan, retention, first).await? else {
            return Ok(WriteOutcome::AlreadyThere);
        };
        let there = held.values().map(|part| part.size).sum();
        let progress = CopyProgress::new(staged.size, there, self.clock.now());
        let copying = self.copies.begin(id, progress);
        let missing: Vec<(u32, ByteRange)> = (1..=plan.parts())
            .filter(|number| !held.contains_key(number))
            .filter_map(|number| plan.part(number).map(|range| (number, range)))
            .collect();
        Span::current()
            .record("aws.s3.bucket", display(&self.bucket))
            .record("aws.s3.key", display(key))
            .record("aws.s3.upload_id", &upload.id)
            .record("amiferry.copy.bytes", staged.size)
            .record("amiferry.copy.parts", plan.parts())
            .record("amiferry.copy.parts_held", held.len());
        tracing::info!("copy started");
        let calls: Vec<_> = missing
            .into_iter()
            .map(|(number, range)| {
                let range = (!plan.is_whole()).then_some(range);
                self.part(&upload, (order, origin.owner), &copying, number, range)
            })
            .collect();
        let copied: Vec<PartFacts> =
            stream::iter(calls).buffer_unordered(self.parts_in_flight).try_collect().await?;
        let mut parts: Vec<PartFacts> = held.into_values().chain(copied).collect();
        parts.sort_by_key(|part| part.number);
        self.complete(order, &upload, parts).await
    }

    async fn plan(&self, order: &CopyOrder, origin: Origin<'_>) -> Result<CopyPlan, Fault> {
        let CopyOrder { staged, checksum, .. } = order;
        let Origin { owner, objects } = origin;
        let plan = match checksum.parts() {
            None => CopyPlan::new(staged.size, self.part_size.unwrap_or(PREFERRED_PART)),
            Some(parts) => {
                let first = objects.part_length(owner, &staged.at, 1).await?;
                let last = objects.part_length(owner, &staged.at, parts).await?;
                CopyPlan::like(staged.size, parts, first, last)
            }
        };
        plan.map_err(|error| Fault {
            class: FaultClass::Invalid,
            operation: "s3:UploadPartCopy",
            resource: format!("{}/{}", staged.at.bucket, staged.at.key),
            code: "Uncopyable".to_owned(),
            detail: error.to_string(),
            request_id: None,
        })
    }

    /// Until when the copy to `key` is left to another worker; `None` if none is known to copy.
    pub fn others_until(&self, key: &ObjectKey) -> Option<Timestamp> {
        self.claims.theirs(key, self.clock.now())
    }

    /// The upload to copy to and the parts that it holds; `None` if the object exists meanwhile.
    async fn claim(
        &self,
        order: &CopyOrder,
        key: &ObjectKey,
        plan: &CopyPlan,
        retention: Option<Retention>,
        first: bool,
    ) -> Result<Option<(Upload, Held)>, Fault> {
        let longest = plan.part(1).map_or(0, |range| range.length);
        let patience = patience(self.poll, longest);
        let own = match self.claims.ours(key, patience, self.clock.now()) {
            Some(Ours { upload, granted: true, .. }) => {
                return self.take_up(self.upload(key, upload), plan).await.map(Some);
            }
            Some(Ours { upload, .. }) => self.upload(key, upload),
            None => self.begin(order, key, retention).await?,
        };
        self.claims.claim(key, &own.id, false, self.clock.now());
        let listed = self.uploads_on(key).await?;
        let now = self.clock.now();
        let (activities, abandoned) = self.activities(listed, &own, plan, patience, now).await?;
        match judge(&own.id, &activities, patience, now) {
            Claim::Ours => {}
            Claim::Theirs { until } => {
                self.claims.yield_until(key, until, now);
                self.give_up(&own).await?;
                return Err(elsewhere(&own));
            }
            Claim::Tied => {
                self.give_up(&own).await?;
                return Err(elsewhere(&own));
            }
        }
        // Another worker may have completed the copy before the list: its upload is gone, and the
        // object is there. Every copy begins with a note, so the worker that wrote it hardly meets
        // that, and S3 refuses to complete a second copy.
        if !first && self.is_there(key).await? {
            self.give_up(&own).await?;
            return Ok(None);
        }
        let is_alone = activities.iter().all(|upload| upload.id == own.id);
        let (upload, held) = abandoned.unwrap_or((own, Held::new()));
        self.claims.claim(key, &upload.id, true, now);
        if is_alone {
            self.claims.alone(key);
        }
        Ok(Some((upload, held)))
    }

    async fn is_there(&self, key: &ObjectKey) -> Result<bool, Fault> {
        Ok(self.objects.head(&self.account, &self.bucket, key).await?.is_some())
    }

    /// Goes on with an upload that this worker has claimed.
    async fn take_up(&self, upload: Upload, plan: &CopyPlan) -> Result<(Upload, Held), Fault> {
        // A part that cannot be read counts as missing: copied again, it replaces the first one.
        let parts = match self.parts.held(&self.account, &upload).await {
            Ok(parts) => parts.items,
            Err(fault) => {
                if fault.class == FaultClass::NotFound {
                    self.claims.forget(&upload.key);
                }
                return Err(fault);
            }
        };
        match fitting(parts, plan) {
            Some(held) => Ok((upload, held)),
            // The staged object was replaced by one of another size.
            None => {
                self.give_up(&upload).await?;
                Err(elsewhere(&upload))
            }
        }
    }

    /// The activity of the uploads on a key, and of the abandoned ones the upload that holds the
    /// most parts of this plan.
    async fn activities(
        &self,
        listed: Vec<Upload>,
        own: &Upload,
        plan: &CopyPlan,
        patience: SignedDuration,
        now: Timestamp,
    ) -> Result<(Vec<UploadActivity>, Option<(Upload, Held)>), Fault> {
        let mut activities = Vec::with_capacity(listed.len());
        let mut best: Option<(Upload, Held)> = None;
        for upload in listed {
            let mut seen =
                UploadActivity { id: upload.id.clone(), begun: upload.begun, newest_part: None };
            // Only an old one needs a call to find out whether its worker is still alive.
            if upload.id != own.id && seen.alive_until(patience, now).is_none() {
                let parts = match self.parts.held(&self.account, &upload).await {
                    Ok(parts) => parts.items,
                    Err(fault) if fault.class == FaultClass::NotFound => continue,
                    Err(fault) => return Err(fault),
                };
                seen.newest_part = parts.iter().filter_map(|part| part.copied_at).max();
                if let Some(held) = fitting(parts, plan)
                    && held.len() > best.as_ref().map_or(0, |(_, held)| held.len())
                {
                    best = Some((upload, held));
                }
            }
            activities.push(seen);
        }
        Ok((activities, best))
    }

    async fn uploads_on(&self, key: &ObjectKey) -> Result<Vec<Upload>, Fault> {
        let uploads = self.uploads.in_progress(&self.account, &self.bucket, key.as_str()).await?;
        let mut uploads = uploads.items;
        // The listing also shows longer keys with this prefix.
        uploads.retain(|upload| upload.key == *key);
        Ok(uploads)
    }

    fn upload(&self, key: &ObjectKey, id: String) -> Upload {
        Upload { bucket: self.bucket.clone(), key: key.clone(), id, begun: None }
    }

    /// Writes the note of the source image, unless one is there: it stands for the image from now on,
    /// under the key and the lock of the copy.
    async fn note(
        &self,
        order: &CopyOrder,
        key: &ObjectKey,
        retention: Option<Retention>,
    ) -> Result<WriteOutcome, Fault> {
        // Without a note nothing says who is first: that is as if another worker were.
        let Some(note) = &order.note else { return Ok(WriteOutcome::AlreadyThere) };
        let settings = NewUpload {
            content_type: Some("application/json".to_owned()),
            key: Some(self.key.clone()),
            retention,
            ..NewUpload::default()
        };
        let body = note.to_json();
        self.objects.create(&self.account, &self.bucket, key, body, &settings).await
    }

    async fn begin(
        &self,
        order: &CopyOrder,
        key: &ObjectKey,
        retention: Option<Retention>,
    ) -> Result<Upload, Fault> {
        let settings = NewUpload {
            content_type: order.staged.content_type.clone(),
            metadata: order.metadata(),
            key: Some(self.key.clone()),
            retention,
            class: order.class,
        };
        let begun =
            self.uploads.begin(&self.account, &self.bucket, key, &order.checksum, &settings);
        let id = begun.await?;
        Ok(self.upload(key, id))
    }

    async fn give_up(&self, upload: &Upload) -> Result<(), Fault> {
        self.claims.forget(&upload.key);
        self.uploads.abort(&self.account, upload).await
    }

    /// Aborts the uploads on a key that already has its object: ours if another worker was faster,
    /// and one that was begun twice because the first answer came late. None can ever be completed.
    /// Asks nothing if the copy found its own upload alone; what was begun since then is aborted by
    /// the tidying after a sweep.
    ///
    /// # Errors
    /// The first call that failed; those before it stay aborted.
    pub async fn clear(&self, key: &ObjectKey) -> Result<(), Fault> {
        if self.claims.is_clean(key) {
            return Ok(());
        }
        for upload in self.uploads_on(key).await? {
            self.uploads.abort(&self.account, &upload).await?;
        }
        Ok(())
    }

    async fn part(
        &self,
        upload: &Upload,
        (order, owner): (&CopyOrder, &AccountId),
        copying: &Copying<'_>,
        number: u32,
        range: Option<ByteRange>,
    ) -> Result<PartFacts, Fault> {
        let part = CopyPart {
            number,
            source: order.staged.at.clone(),
            source_owner: owner.clone(),
            source_etag: order.staged.etag.clone(),
            range,
        };
        let mut copied = self.parts.copy(&self.account, upload, &part).await?;
        copied.size = range.map_or(order.staged.size, |range| range.length);
        self.claims.touch(&upload.key, self.clock.now());
        copying.add(copied.size);
        measure::copied(&self.region, 1, copied.size);
        Ok(copied)
    }

    async fn complete(
        &self,
        order: &CopyOrder,
        upload: &Upload,
        parts: Vec<PartFacts>,
    ) -> Result<WriteOutcome, Fault> {
        let complete =
            CompleteUpload { parts, size: order.staged.size, checksum: order.checksum.clone() };
        match self.uploads.complete(&self.account, upload, &complete).await {
            Ok(WriteOutcome::Written(version)) => {
                tracing::debug!(amiferry.object.version = version, "upload completed");
                // Other uploads on the key are cleared before the manifest is written.
                self.claims.completed(&upload.key, self.clock.now());
                Ok(WriteOutcome::Written(version))
            }
            Ok(WriteOutcome::AlreadyThere) => {
                tracing::info!("another worker completed the copy first");
                self.give_up(upload).await?;
                Ok(WriteOutcome::AlreadyThere)
            }
            // Wrong bytes: these parts can never become the object.
            Err(fault) if fault.class == FaultClass::Invalid => {
                self.give_up(upload).await?;
                Err(fault)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// The parts by number, if all of them are parts of this plan.
fn fitting(parts: Vec<PartFacts>, plan: &CopyPlan) -> Option<Held> {
    let fits =
        |part: &PartFacts| plan.part(part.number).is_some_and(|range| range.length == part.size);
    parts.iter().all(fits).then(|| parts.into_iter().map(|part| (part.number, part)).collect())
}

fn elsewhere(upload: &Upload) -> Fault {
    Fault {
        class: FaultClass::Conflict,
        operation: "s3:UploadPartCopy",
        resource: format!("{}/{}", upload.bucket, upload.key),
        code: "CopiedElsewhere".to_owned(),
        detail: "another worker copies to this key".to_owned(),
        request_id: None,
    }
}
