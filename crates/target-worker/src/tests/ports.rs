//! The ports of a source or of the vault, each of which answers what a case states, records that it
//! was asked, and knows nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, Arn, BucketName, ImageId, ObjectKey, SnapshotId};
use amiferry_core::model::StoreTask;
use amiferry_core::model::{
    Checksum, DefaultRetention, Grant, Image, KeyFacts, KeyPurpose, ObjectVersion, PartFacts,
    Retention, Snapshot, StoredObject,
};
use amiferry_core::ports::{
    Buckets, Clock, CompleteUpload, CopyPart, ImageDetails, ImageProtection, Images, KeyVersion,
    Keys, ListedObject, Listing, NewUpload, Objects, Parts, RestoreRequest, RestoreTasks,
    SmallObject, Upload, Uploads, Versions, WriteOutcome,
};
use amiferry_core::ports::{StoreRequest, StoreTasks};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// What one method answers, by what it is asked about.
#[derive(Debug)]
pub(super) struct Answer<T>(Mutex<BTreeMap<Option<String>, Said<T>>>);

#[derive(Debug, Clone)]
enum Said<T> {
    Answer(Result<T, Fault>),
    Once(Result<T, Fault>),
    Silence,
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Answer<T> {
    /// From now on, the answer to whatever is not answered by itself.
    pub(super) fn is(&self, answer: Result<T, Fault>) {
        self.0.lock().unwrap().insert(None, Said::Answer(answer));
    }

    /// From now on, the answer to a question about this.
    pub(super) fn about(&self, what: &str, answer: Result<T, Fault>) {
        self.0.lock().unwrap().insert(Some(what.to_owned()), Said::Answer(answer));
    }

    /// The answer to the next question about this; from then on, what holds for all.
    pub(super) fn next(&self, what: &str, answer: Result<T, Fault>) {
        self.0.lock().unwrap().insert(Some(what.to_owned()), Said::Once(answer));
    }

    /// From now on, no question is ever answered.
    pub(super) fn never_comes(&self) {
        self.0.lock().unwrap().insert(None, Said::Silence);
    }
}

/// The calls to all ports of a case, in their order.
pub(super) type Calls = Arc<Mutex<Vec<String>>>;

/// One side, a source or the vault. What a case does not state no method may be asked for.
#[derive(Debug, Default)]
pub(super) struct Ports {
    side: &'static str,
    calls: Calls,
    pub(super) describe: Answer<Listing<Image>>,
    pub(super) named: Answer<Listing<Image>>,
    pub(super) pending: Answer<Listing<Image>>,
    /// By the token.
    pub(super) page: Answer<(Listing<Image>, Option<String>)>,
    pub(super) snapshots: Answer<Listing<Snapshot>>,
    pub(super) launch_permissions: Answer<Listing<String>>,
    pub(super) start_restore: Answer<ImageId>,
    pub(super) default_encryption: Answer<Option<Arn>>,
    pub(super) protect: Answer<()>,
    pub(super) demand_imds_v2: Answer<()>,
    /// By image and file: `1/image.bin`, `1.bin`; so are all that follow.
    pub(super) head: Answer<Option<StoredObject>>,
    /// By image, file and number: `1.bin 2`.
    pub(super) part_length: Answer<u64>,
    pub(super) read: Answer<Option<Vec<u8>>>,
    pub(super) create: Answer<WriteOutcome>,
    pub(super) lock: Answer<()>,
    /// By the token, or else by the prefix.
    pub(super) list: Answer<(Listing<ObjectKey>, Option<String>)>,
    pub(super) in_progress: Answer<Listing<Upload>>,
    pub(super) begin: Answer<String>,
    /// By the id of the upload; so are those that follow.
    pub(super) complete: Answer<WriteOutcome>,
    pub(super) abort: Answer<()>,
    pub(super) held: Answer<Listing<PartFacts>>,
    /// By upload and number: `u-1 2`.
    pub(super) copy: Answer<PartFacts>,
    /// By the last part of the ARN.
    pub(super) examine: Answer<KeyFacts>,
    /// The vault bucket's default.
    pub(super) default_retention: Mutex<Option<DefaultRetention>>,
    /// What was last asked for.
    pub(super) sent: Mutex<Sent>,
}

/// The particulars of effects.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) restore: Option<RestoreRequest>,
    pub(super) lock: Option<(ObjectVersion, Retention)>,
    pub(super) create: Option<(ObjectKey, Vec<u8>, NewUpload)>,
    pub(super) begin: Option<NewUpload>,
    pub(super) parts: Vec<CopyPart>,
    pub(super) complete: Option<CompleteUpload>,
}

impl Ports {
    pub(super) fn of(side: &'static str, calls: &Calls) -> Arc<Self> {
        Arc::new(Self { side, calls: Arc::clone(calls), ..Self::default() })
    }

    async fn answer<T: Clone>(
        &self,
        method: &str,
        about: &str,
        to: &Answer<T>,
    ) -> Result<T, Fault> {
        let call = format!("{} {method} {about}", self.side);
        self.calls.lock().unwrap().push(call.trim_end().to_owned());
        let said = {
            let mut answers = to.0.lock().unwrap();
            let about = Some(about.to_owned());
            let said = answers.get(&about).or_else(|| answers.get(&None)).cloned();
            if let Some(Said::Once(_)) = said {
                answers.remove(&about);
            }
            said
        };
        match said {
            Some(Said::Answer(answer) | Said::Once(answer)) => answer,
            Some(Said::Silence) => std::future::pending().await,
            None => panic!("the case does not state what {call:?} answers"),
        }
    }

    fn sent(&self, note: impl FnOnce(&mut Sent)) {
        note(&mut self.sent.lock().unwrap());
    }
}

/// What the id of an image ends with.
fn short(id: &ImageId) -> &str {
    after(id.as_str(), "ami-")
}

/// What stands behind a prefix and the zeros after it, wherever the prefix stands.
fn after<'t>(text: &'t str, prefix: &str) -> &'t str {
    text.split_once(prefix).map_or(text, |(_, rest)| rest.trim_start_matches('0'))
}

fn shorts<'i>(ids: impl IntoIterator<Item = &'i ImageId>) -> String {
    ids.into_iter().map(short).collect::<Vec<_>>().join(" ")
}

/// The end of a key, from the number of its image on.
fn file(key: &ObjectKey) -> &str {
    after(key.as_str(), "ami-")
}

#[async_trait]
impl Images for Ports {
    async fn describe(&self, ids: &[ImageId]) -> Result<Listing<Image>, Fault> {
        self.answer("describe", &shorts(ids), &self.describe).await
    }

    async fn named(&self, names: &[String]) -> Result<Listing<Image>, Fault> {
        let ids: Vec<ImageId> =
            names.iter().filter_map(|name| name.rsplit('/').next()?.parse().ok()).collect();
        self.answer("named", &shorts(&ids), &self.named).await
    }

    async fn pending(&self) -> Result<Listing<Image>, Fault> {
        self.answer("pending", "", &self.pending).await
    }

    async fn page(&self, token: Option<String>) -> Result<(Listing<Image>, Option<String>), Fault> {
        self.answer("page", token.as_deref().unwrap_or_default(), &self.page).await
    }
}

#[async_trait]
impl Buckets for Ports {
    async fn default_retention(
        &self,
        _owner: &AccountId,
        _bucket: &BucketName,
    ) -> Result<Option<DefaultRetention>, Fault> {
        Ok(*self.default_retention.lock().unwrap())
    }
}

#[async_trait]
impl ImageDetails for Ports {
    async fn snapshots(&self, ids: &[SnapshotId]) -> Result<Listing<Snapshot>, Fault> {
        let about = ids.iter().map(|id| after(id.as_str(), "snap-"));
        self.answer("snapshots", &about.collect::<Vec<_>>().join(" "), &self.snapshots).await
    }

    async fn launch_permissions(&self, id: &ImageId) -> Result<Listing<String>, Fault> {
        self.answer("permissions", short(id), &self.launch_permissions).await
    }

    async fn has_uefi_data(&self, _: &ImageId) -> Result<bool, Fault> {
        panic!("no image of these tests boots with UEFI")
    }
}

#[async_trait]
impl RestoreTasks for Ports {
    async fn start_restore(&self, request: &RestoreRequest) -> Result<ImageId, Fault> {
        self.sent(|sent| sent.restore = Some(request.clone()));
        self.answer("restore", file(&request.key), &self.start_restore).await
    }

    async fn default_encryption(&self) -> Result<Option<Arn>, Fault> {
        self.answer("encryption", "", &self.default_encryption).await
    }
}

#[async_trait]
impl ImageProtection for Ports {
    async fn protect(&self, id: &ImageId, with_cooldown: bool) -> Result<(), Fault> {
        assert!(!with_cooldown, "it is not asked for");
        self.answer("protect", short(id), &self.protect).await
    }

    async fn demand_imds_v2(&self, id: &ImageId) -> Result<(), Fault> {
        self.answer("demand", short(id), &self.demand_imds_v2).await
    }
}

#[async_trait]
impl Objects for Ports {
    async fn head(
        &self,
        _: &AccountId,
        _: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<StoredObject>, Fault> {
        self.answer("head", file(key), &self.head).await
    }

    async fn part_length(
        &self,
        _: &AccountId,
        version: &ObjectVersion,
        number: u32,
    ) -> Result<u64, Fault> {
        let about = format!("{} {number}", file(&version.key));
        self.answer("part", &about, &self.part_length).await
    }

    async fn read(
        &self,
        _: &AccountId,
        _: &BucketName,
        key: &ObjectKey,
        _: u64,
    ) -> Result<Option<SmallObject>, Fault> {
        let bytes = self.answer("read", file(key), &self.read).await?;
        Ok(bytes.map(|bytes| SmallObject { bytes, written: None }))
    }

    async fn create(
        &self,
        _: &AccountId,
        _: &BucketName,
        key: &ObjectKey,
        body: Vec<u8>,
        settings: &NewUpload,
    ) -> Result<WriteOutcome, Fault> {
        self.sent(|sent| sent.create = Some((key.clone(), body, settings.clone())));
        self.answer("create", file(key), &self.create).await
    }

    async fn lock(
        &self,
        _: &AccountId,
        version: &ObjectVersion,
        retention: &Retention,
    ) -> Result<(), Fault> {
        self.sent(|sent| sent.lock = Some((version.clone(), retention.clone())));
        self.answer("lock", file(&version.key), &self.lock).await
    }

    async fn list(
        &self,
        _: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<ListedObject>, Option<String>), Fault> {
        // No case has further records, and all else in the vault is listed by versions.
        if prefix.ends_with("/record-") {
            return Ok((Listing::default(), None));
        }
        let about = token.unwrap_or_else(|| format!("{bucket}/{prefix}"));
        let (keys, next) = self.answer("staged", &about, &self.list).await?;
        Ok((keys.map(|key| ListedObject { key, size: 9 }), next))
    }
}

#[async_trait]
impl Versions for Ports {
    async fn versions(
        &self,
        _: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<KeyVersion>, Option<String>), Fault> {
        let about = token.unwrap_or_else(|| format!("{bucket}/{prefix}"));
        let (keys, next) = self.answer("list", &about, &self.list).await?;
        let version = |key| KeyVersion { key, hides: false, version: None };
        let items = keys.items.into_iter().map(version).collect();
        Ok((Listing { items, unreadable: keys.unreadable }, next))
    }
}

#[async_trait]
impl Uploads for Ports {
    async fn in_progress(
        &self,
        _: &AccountId,
        _: &BucketName,
        prefix: &str,
    ) -> Result<Listing<Upload>, Fault> {
        self.answer("uploads", after(prefix, "ami-"), &self.in_progress).await
    }

    async fn begin(
        &self,
        _: &AccountId,
        _: &BucketName,
        key: &ObjectKey,
        _: &Checksum,
        settings: &NewUpload,
    ) -> Result<String, Fault> {
        self.sent(|sent| sent.begin = Some(settings.clone()));
        self.answer("begin", file(key), &self.begin).await
    }

    async fn complete(
        &self,
        _: &AccountId,
        upload: &Upload,
        complete: &CompleteUpload,
    ) -> Result<WriteOutcome, Fault> {
        self.sent(|sent| sent.complete = Some(complete.clone()));
        self.answer("complete", &upload.id, &self.complete).await
    }

    async fn abort(&self, _: &AccountId, upload: &Upload) -> Result<(), Fault> {
        self.answer("abort", &upload.id, &self.abort).await
    }
}

#[async_trait]
impl Parts for Ports {
    async fn held(&self, _: &AccountId, upload: &Upload) -> Result<Listing<PartFacts>, Fault> {
        self.answer("parts", &upload.id, &self.held).await
    }

    async fn copy(
        &self,
        _: &AccountId,
        upload: &Upload,
        part: &CopyPart,
    ) -> Result<PartFacts, Fault> {
        self.sent(|sent| sent.parts.push(part.clone()));
        self.answer("copy", &format!("{} {}", upload.id, part.number), &self.copy).await
    }
}

#[async_trait]
impl Keys for Ports {
    async fn examine(&self, key: &Arn, _: &[KeyPurpose]) -> Result<KeyFacts, Fault> {
        let about = key.as_str().rsplit('/').next().unwrap_or_default();
        self.answer("examine", about, &self.examine).await
    }

    async fn policy(&self, _: &Arn) -> Result<String, Fault> {
        panic!("no look reads the policy of a key")
    }

    async fn grants(&self, _: &Arn) -> Result<Option<Vec<Grant>>, Fault> {
        panic!("no look lists grants")
    }
}

/// A clock that the test turns.
#[derive(Debug)]
pub(super) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(super) fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new(now)))
    }

    pub(super) fn pass(&self, seconds: i64) {
        *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A refusal or silence of AWS.
pub(super) fn fault(class: FaultClass) -> Fault {
    Fault {
        class,
        operation: "aws:Call",
        resource: "what was asked".to_owned(),
        code: class.as_str().to_owned(),
        detail: "as the case states".to_owned(),
        request_id: None,
    }
}

/// No worker asks a source for its store tasks.
#[async_trait]
impl StoreTasks for Ports {
    async fn running(&self) -> Result<Listing<StoreTask>, Fault> {
        panic!("{} is asked for its store tasks", self.side)
    }

    async fn newest(&self, _: &[ImageId]) -> Result<Listing<StoreTask>, Fault> {
        panic!("{} is asked for its store tasks", self.side)
    }

    async fn start_store(&self, _: &StoreRequest) -> Result<String, Fault> {
        panic!("{} is asked to store", self.side)
    }
}
