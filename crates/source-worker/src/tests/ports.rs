//! The ports of a source, each of which answers what a case states, records that it was asked, and
//! knows nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, BucketName, ImageId, ObjectKey};
use amiferry_core::model::{Image, ObjectVersion, Retention, StoreTask, StoredObject};
use amiferry_core::ports::{
    Clock, Images, ListedObject, Listing, NewUpload, Objects, SmallObject, StoreRequest,
    StoreTasks, WriteOutcome,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// What one method answers, by what it is asked about.
#[derive(Debug)]
pub(super) struct Answer<T>(Mutex<BTreeMap<Option<String>, Result<T, Fault>>>);

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Answer<T> {
    /// From now on, the answer to whatever is not answered by itself.
    pub(super) fn is(&self, answer: Result<T, Fault>) {
        self.0.lock().unwrap().insert(None, answer);
    }

    /// From now on, the answer to a question about this.
    pub(super) fn about(&self, what: &str, answer: Result<T, Fault>) {
        self.0.lock().unwrap().insert(Some(what.to_owned()), answer);
    }
}

/// One side of a source; of the methods that have no field here none may be called.
#[derive(Debug, Default)]
pub(super) struct Ports {
    calls: Mutex<Vec<String>>,
    pub(super) running: Answer<Listing<StoreTask>>,
    pub(super) newest: Answer<Listing<StoreTask>>,
    pub(super) start_store: Answer<String>,
    /// The last request.
    pub(super) requested: Mutex<Option<StoreRequest>>,
    pub(super) describe: Answer<Listing<Image>>,
    /// By the token.
    pub(super) page: Answer<(Listing<Image>, Option<String>)>,
    /// By the file's name.
    pub(super) create: Answer<WriteOutcome>,
    /// The last note that was left, and how.
    pub(super) noted: Mutex<Option<(Vec<u8>, NewUpload)>>,
    /// By the key.
    pub(super) head: Answer<Option<StoredObject>>,
    /// By the token, or else by the prefix.
    pub(super) list: Answer<(Listing<ObjectKey>, Option<String>)>,
}

impl Ports {
    /// The calls since this was last asked, in their order.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn answer<T: Clone>(&self, method: &str, about: &str, to: &Answer<T>) -> Result<T, Fault> {
        let call = format!("{method} {about}");
        self.calls.lock().unwrap().push(call.trim_end().to_owned());
        let answers = to.0.lock().unwrap();
        let answer = answers.get(&Some(about.to_owned())).or_else(|| answers.get(&None));
        answer.cloned().unwrap_or_else(|| panic!("the case does not state what {call} answers"))
    }
}

/// The numbers that the ids of these images end with.
fn numbers(ids: &[ImageId]) -> String {
    let number = |id: &ImageId| id.as_str().trim_start_matches("ami-0000000").to_owned();
    ids.iter().map(number).collect::<Vec<_>>().join(" ")
}

#[async_trait]
impl StoreTasks for Ports {
    async fn running(&self) -> Result<Listing<StoreTask>, Fault> {
        self.answer("running", "", &self.running)
    }

    async fn newest(&self, ids: &[ImageId]) -> Result<Listing<StoreTask>, Fault> {
        self.answer("newest", &numbers(ids), &self.newest)
    }

    async fn start_store(&self, request: &StoreRequest) -> Result<String, Fault> {
        *self.requested.lock().unwrap() = Some(request.clone());
        self.answer("start", &numbers(std::slice::from_ref(&request.image)), &self.start_store)
    }
}

#[async_trait]
impl Images for Ports {
    async fn describe(&self, ids: &[ImageId]) -> Result<Listing<Image>, Fault> {
        self.answer("describe", &numbers(ids), &self.describe)
    }

    async fn named(&self, names: &[String]) -> Result<Listing<Image>, Fault> {
        panic!("a source asks for no image by its name: {names:?}")
    }

    async fn pending(&self) -> Result<Listing<Image>, Fault> {
        panic!("a source waits for no image that it makes")
    }

    async fn page(&self, token: Option<String>) -> Result<(Listing<Image>, Option<String>), Fault> {
        self.answer("page", token.as_deref().unwrap_or_default(), &self.page)
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
        self.answer("head", key.as_str(), &self.head)
    }

    async fn part_length(
        &self,
        _: &AccountId,
        version: &ObjectVersion,
        _: u32,
    ) -> Result<u64, Fault> {
        panic!("a source copies no object: {}", version.key)
    }

    async fn read(
        &self,
        _: &AccountId,
        _: &BucketName,
        key: &ObjectKey,
        _: u64,
    ) -> Result<Option<SmallObject>, Fault> {
        panic!("a source reads no object: {key}")
    }

    async fn create(
        &self,
        _: &AccountId,
        _: &BucketName,
        key: &ObjectKey,
        body: Vec<u8>,
        settings: &NewUpload,
    ) -> Result<WriteOutcome, Fault> {
        *self.noted.lock().unwrap() = Some((body, settings.clone()));
        let name = key.as_str().rsplit('/').next().unwrap_or_default();
        self.answer("create", name, &self.create)
    }

    async fn lock(
        &self,
        _: &AccountId,
        version: &ObjectVersion,
        _: &Retention,
    ) -> Result<(), Fault> {
        panic!("a source locks no object: {version:?}")
    }

    async fn list(
        &self,
        _: &AccountId,
        bucket: &BucketName,
        prefix: &str,
        token: Option<String>,
    ) -> Result<(Listing<ListedObject>, Option<String>), Fault> {
        let about = token.unwrap_or_else(|| format!("{bucket}/{prefix}"));
        let (keys, next) = self.answer("list", &about, &self.list)?;
        Ok((keys.map(|key| ListedObject { key, size: 9 }), next))
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
