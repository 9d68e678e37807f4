//! The wire between a worker and the simulated AWS: it records every call, and can lose requests
//! and answers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

use amiferry_simulator::World;
use amiferry_simulator::in_process::InProcess;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use jiff::Timestamp;

/// One call as it went over the wire.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it was sent.
    pub at: Timestamp,
    /// Who sent it.
    pub who: &'static str,
    /// The access key id that signed it.
    pub access_key: String,
    /// The Region it was signed for.
    pub region: String,
    /// The operation, such as `CreateStoreImageTask`.
    pub operation: String,
    /// The path and query, and the body of a query or JSON protocol.
    pub text: String,
    /// The status of the answer; `None` when there was none.
    pub status: Option<u16>,
    /// When the answer came.
    pub answered: Option<Timestamp>,
}

impl Call {
    /// Whether AWS changes something when it is asked this.
    pub fn mutates(&self) -> bool {
        const READS: [&str; 7] =
            ["Describe", "Get", "List", "Head", "Receive", "AssumeRole", "TestEventPattern"];
        let probes = self.text.contains("\"DryRun\":true");
        !probes && !READS.iter().any(|read| self.operation.starts_with(read))
    }

    /// Whether it leaves the note of an image in this bucket.
    pub fn leaves_note(&self, bucket: &str) -> bool {
        self.operation == "PutObject" && self.text.contains(bucket) && self.text.contains(".json")
    }

    /// Whether AWS did it.
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status < 300)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It never reaches AWS.
    RequestLost,
    /// AWS does it, and the answer is lost.
    AnswerLost,
    /// The process dies before the call reaches AWS.
    DiesBefore,
    /// The process dies after AWS did it, without the answer.
    DiesAfter,
    /// The process gets the answer, and dies before its next call.
    DiesAnswered,
}

/// Which calls a mishap befalls.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation; `None` for every one.
    pub operation: Option<&'static str>,
    /// What the path or body contains; empty for all.
    pub containing: String,
    /// How many of those go well first.
    pub after: usize,
    /// How many then do not.
    pub times: usize,
    /// What happens to them.
    pub mishap: Mishap,
}

impl Fault {
    /// The first call of an operation meets a mishap.
    pub fn first(operation: &'static str, mishap: Mishap) -> Self {
        let containing = String::new();
        Self { operation: Some(operation), containing, after: 0, times: 1, mishap }
    }

    /// Every call from now on meets a mishap.
    pub fn every(mishap: Mishap) -> Self {
        Self { operation: None, containing: String::new(), after: 0, times: usize::MAX, mishap }
    }

    fn strikes(&mut self, call: &Call) -> bool {
        let meant = self.operation.is_none_or(|operation| operation == call.operation)
            && call.text.contains(&self.containing);
        if !meant || self.times == 0 {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

#[derive(Debug, Default)]
struct Shared {
    calls: Vec<Call>,
    faults: Vec<(&'static str, Fault)>,
    dead: Vec<&'static str>,
    hasher: DefaultHasher,
}

/// All calls of all workers of one world, and what should happen to them. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Wire(Arc<Mutex<Shared>>);

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap()
    }

    /// An HTTP client for the sessions of `who`.
    pub fn client(&self, world: &World, who: &'static str) -> Line {
        let aws = InProcess::new(world.clone());
        Line { wire: self.clone(), aws, world: world.clone(), who }
    }

    /// Lets a mishap befall calls of `who`.
    pub fn upset(&self, who: &'static str, fault: Fault) {
        self.lock().faults.push((who, fault));
    }

    /// From now on nothing befalls anybody.
    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    /// Whether a mishap killed `who` since this was last asked.
    pub fn died(&self, who: &'static str) -> bool {
        let mut shared = self.lock();
        let before = shared.dead.len();
        shared.dead.retain(|dead| *dead != who);
        shared.dead.len() < before
    }

    fn is_dead(&self, who: &str) -> bool {
        self.lock().dead.contains(&who)
    }

    /// A new worker replaces the one that died as `who`: calls under that name are carried again.
    pub fn revive(&self, who: &'static str) {
        self.lock().dead.retain(|dead| *dead != who);
    }

    /// How many calls were made so far.
    pub fn count(&self) -> usize {
        self.lock().calls.len()
    }

    /// How many calls `who` made so far.
    pub fn count_of(&self, who: &str) -> usize {
        self.lock().calls.iter().filter(|call| call.who == who).count()
    }

    /// Every call of an operation so far.
    pub fn calls(&self, operation: &str) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// Every call so far.
    pub fn all(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// What comes of a look at every call so far.
    pub fn read<T>(&self, look: impl FnOnce(&[Call]) -> T) -> T {
        look(&self.lock().calls)
    }

    /// A digest of every call and answer so far, signatures and times included.
    pub fn digest(&self) -> u64 {
        self.lock().hasher.finish()
    }
}

/// The client of one worker.
#[derive(Debug, Clone)]
pub struct Line {
    wire: Wire,
    aws: InProcess,
    world: World,
    who: &'static str,
}

impl Line {
    async fn carry(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let broken = |what: &str| ConnectorError::io(what.to_owned().into());
        let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| broken("the body broke off"))?.to_bytes();
        let call = describe(self.who, self.world.now(), &parts, &body);
        if self.wire.is_dead(self.who) {
            return std::future::pending().await;
        }
        let (index, mishap) = {
            let mut shared = self.wire.lock();
            let mut headers: Vec<_> = parts
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
                .collect();
            headers.sort_unstable();
            (self.who, call.at.as_nanosecond(), parts.method.as_str()).hash(&mut shared.hasher);
            (parts.uri.to_string(), headers, &body).hash(&mut shared.hasher);
            let mine = |fault: &&mut (&str, Fault)| fault.0 == self.who;
            let strikes =
                |(_, fault): &mut (&str, Fault)| fault.strikes(&call).then_some(fault.mishap);
            let mishap = shared.faults.iter_mut().filter(mine).find_map(strikes);
            if matches!(mishap, Some(Mishap::DiesBefore)) {
                shared.dead.push(self.who);
            }
            shared.calls.push(call);
            (shared.calls.len() - 1, mishap)
        };
        match mishap {
            Some(Mishap::RequestLost) => return Err(broken("connection reset by peer")),
            Some(Mishap::DiesBefore) => return std::future::pending().await,
            Some(Mishap::AnswerLost | Mishap::DiesAfter | Mishap::DiesAnswered) | None => {}
        }
        let request = http::Request::from_parts(parts, SdkBody::from(body));
        let request = HttpRequest::try_from(request).map_err(|e| ConnectorError::user(e.into()))?;
        let answer = self.aws.call(request).await;
        if self.wire.is_dead(self.who) {
            return std::future::pending().await;
        }
        {
            let mut shared = self.wire.lock();
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            shared.calls[index].status = status;
            shared.calls[index].answered = status.map(|_| self.world.now());
            (index, status, self.world.now().as_nanosecond()).hash(&mut shared.hasher);
            if matches!(mishap, Some(Mishap::DiesAfter | Mishap::DiesAnswered)) {
                shared.dead.push(self.who);
            }
        }
        match mishap {
            Some(Mishap::AnswerLost) => Err(broken("connection reset by peer")),
            Some(Mishap::DiesAfter) => std::future::pending().await,
            Some(Mishap::RequestLost | Mishap::DiesBefore | Mishap::DiesAnswered) | None => answer,
        }
    }
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().carry(request))
    }
}

impl HttpClient for Line {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn describe(who: &'static str, at: Timestamp, parts: &http::request::Parts, body: &[u8]) -> Call {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let credential = header("authorization")
        .and_then(|value| value.split("Credential=").nth(1)?.split(',').next())
        .unwrap_or_default();
    let mut scope = credential.split('/');
    let access_key = scope.next().unwrap_or_default().to_owned();
    let region = scope.nth(1).unwrap_or_default().to_owned();
    let service = scope.next().unwrap_or_default().to_owned();
    let target = parts.uri.path_and_query().map(|target| target.as_str()).unwrap_or_default();
    let collected = match service.as_str() {
        "s3" => String::new(),
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    let operation = match (service.as_str(), header("x-amz-target")) {
        ("s3", _) => s3_operation(parts).to_owned(),
        (_, Some(target)) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        _ => {
            let action = collected.split('&').find_map(|pair| pair.strip_prefix("Action="));
            action.unwrap_or_default().to_owned()
        }
    };
    let text = format!("{target} {collected}");
    Call { at, who, access_key, region, operation, text, status: None, answered: None }
}

fn s3_operation(parts: &http::request::Parts) -> &'static str {
    let query = parts.uri.query().unwrap_or_default();
    let names: Vec<&str> =
        query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect();
    let has = |name: &str| names.contains(&name);
    let in_bucket = parts.uri.path().trim_matches('/').contains('/');
    match parts.method.as_str() {
        "HEAD" if in_bucket => "HeadObject",
        "HEAD" => "HeadBucket",
        "GET" if has("uploadId") => "ListParts",
        "GET" if has("uploads") => "ListMultipartUploads",
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" if has("versions") => "ListObjectVersions",
        "GET" if in_bucket => "GetObject",
        "GET" => "GetBucketConfiguration",
        "PUT" if has("partNumber") && parts.headers.contains_key("x-amz-copy-source") => {
            "UploadPartCopy"
        }
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" if has("retention") => "PutObjectRetention",
        "PUT" if in_bucket => "PutObject",
        "POST" if has("restore") => "RestoreObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        _ => "OtherS3",
    }
}
