//! S3 through the wire: requests as clients send them, answers as they read them.

use std::time::Duration;

use amiferry_core::ids::AccountId;
use bytes::Bytes;
use http::Request as HttpRequest;
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use proptest::prelude::*;

use super::document::Element;
use crate::agenda;
use crate::iam::{RoleSpec, create_role};
use crate::principal::Principal;
use crate::s3::bucket::{BucketSpec, Encryption, Notifications, QueueNotification};
use crate::s3::checksum::Algorithm;
use crate::s3::content::Content;
use crate::s3::{self, Due, NewObject};
use crate::wire::{self, Answer, AnswerBody};
use crate::{Settings, SimClock, World, sts};

const OWNER: &str = "111111111111";
const OTHER: &str = "222222222222";

mod denials;
mod keys;
mod options;

#[derive(Clone)]
struct Client {
    world: World,
    access_key: String,
    token: Option<String>,
    region: &'static str,
}

impl Client {
    /// A world with the versioned bucket `bkt` of the owner in us-east-1.
    fn new() -> Self {
        let clock = SimClock::starting_at("2026-05-01T00:00:00Z".parse().unwrap(), 1);
        let client = Self {
            world: World::new(clock, Settings::default()),
            access_key: OWNER.to_owned(),
            token: None,
            region: "us-east-1",
        };
        client.make("bkt", |spec| spec.versioned = true);
        client
    }

    fn as_account(&self, account: &'static str) -> Self {
        Self { access_key: account.to_owned(), ..self.clone() }
    }

    fn in_region(&self, region: &'static str) -> Self {
        Self { region, ..self.clone() }
    }

    /// A new session of the account's role `worker` with these permissions.
    fn as_worker(&self, account: &str, permissions: &str) -> Self {
        let account: AccountId = account.parse().unwrap();
        let spec = RoleSpec {
            name: "worker",
            trust_json: r#"{"Statement":[]}"#,
            permissions_json: permissions,
            max_session: 3600,
        };
        let now = self.world.now();
        let mut state = self.world.lock();
        create_role(&mut state, &account, &spec).unwrap();
        let principal = Principal::session(account, "worker", "s", Timestamp::MAX);
        let issued = sts::issue(&mut state, now, principal);
        drop(state);
        Self { access_key: issued.access_key, token: Some(issued.token), ..self.clone() }
    }

    fn make(&self, name: &str, adjust: impl FnOnce(&mut BucketSpec)) {
        let (owner, region) = (OWNER.parse().unwrap(), self.region.parse().unwrap());
        let mut spec = BucketSpec::new(name, owner, region);
        adjust(&mut spec);
        let now = self.world.now();
        s3::create_bucket(&mut self.world.lock(), now, spec).unwrap();
    }

    async fn send(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let (method, uri) = line.split_once(' ').unwrap();
        let credential = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260501/{}/s3/aws4_request, SignedHeaders=host, \
             Signature=0",
            self.access_key, self.region
        );
        let mut request =
            HttpRequest::builder().method(method).uri(uri).header("authorization", credential);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("x-amz-security-token", token);
        }
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        wire::answer(&self.world, request.body(body).unwrap()).await
    }

    async fn ok(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let answer = self.send(line, headers, body).await;
        assert!(answer.status < 300, "{line}: {} {}", answer.status, text(&answer));
        answer
    }

    /// Starts an upload; returns its id.
    async fn upload(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let answer = self.ok(&format!("POST {path}?uploads"), headers, "").await;
        element(&answer, "InitiateMultipartUploadResult").required("UploadId").unwrap().to_owned()
    }

    /// Uploads a part; returns its `ETag`.
    async fn part(&self, path: &str, id: &str, number: u32, body: impl Into<Bytes>) -> String {
        let line = format!("PUT {path}?partNumber={number}&uploadId={id}");
        header(&self.ok(&line, &[], body).await, "etag").to_owned()
    }

    async fn complete(&self, path: &str, id: &str, parts: &[(u32, &str)]) -> Answer {
        self.send(&format!("POST {path}?uploadId={id}"), &[], completion(parts)).await
    }

    fn content(&self, bucket: &str, key: &str) -> Content {
        s3::read_by_service(&self.world.lock(), self.world.now(), bucket, key).unwrap()
    }
}

fn completion(parts: &[(u32, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        })
        .collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

fn text(answer: &Answer) -> String {
    let bytes = match &answer.body {
        AnswerBody::Bytes(bytes) => bytes.clone(),
        AnswerBody::Content(content) => content.to_bytes(),
    };
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn element(answer: &Answer, root: &str) -> Element {
    Element::parse(text(answer).as_bytes(), root).unwrap()
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, element(answer, "Error").required("Code").unwrap().to_owned())
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// Request line, headers and body; status and code of the answer.
type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], &'static str, u16, &'static str);

#[tokio::test(start_paused = true)]
async fn every_refusal_has_the_status_and_code_of_s3() {
    let client = Client::new();
    client.make("plain", |_| {});
    client.make("locked", |spec| spec.object_lock = Some(None));
    client.ok("PUT /bkt/k", &[], "hello").await;
    client.ok("DELETE /bkt/gone", &[], "").await;
    let long = format!("PUT /bkt/{}", "k".repeat(1025));
    let metadata = "v".repeat(2048);
    let table: &[Refused<'_>] = &[
        ("GET /none/k", &[], "", 404, "NoSuchBucket"),
        ("GET /bkt/none", &[], "", 404, "NoSuchKey"),
        ("GET /bkt/gone", &[], "", 404, "NoSuchKey"),
        ("GET /bkt/k?versionId=none", &[], "", 404, "NoSuchVersion"),
        ("GET /bkt/k", &[("range", "bytes=5-")], "", 416, "InvalidRange"),
        ("GET /bkt/k", &[("if-match", "\"0\"")], "", 412, "PreconditionFailed"),
        ("GET /bkt/k", &[("x-amz-expected-bucket-owner", OTHER)], "", 403, "AccessDenied"),
        ("GET /bkt?acl", &[], "", 501, "NotImplemented"),
        ("GET /bkt?policy", &[], "", 404, "NoSuchBucketPolicy"),
        ("GET /bkt?object-lock", &[], "", 404, "ObjectLockConfigurationNotFoundError"),
        ("GET /bkt?list-type=2&max-keys=x", &[], "", 400, "InvalidArgument"),
        ("GET /bkt?list-type=2&continuation-token=%21", &[], "", 400, "InvalidArgument"),
        ("GET /bkt?list-type=2&continuation-token=", &[], "", 400, "InvalidArgument"),
        ("POST /bkt/k", &[], "", 405, "MethodNotAllowed"),
        ("PUT /Bad_Name", &[], "", 400, "InvalidBucketName"),
        ("DELETE /bkt", &[], "", 409, "BucketNotEmpty"),
        (&long, &[], "", 400, "KeyTooLongError"),
        ("PUT /bkt/k", &[("if-none-match", "*")], "", 412, "PreconditionFailed"),
        ("PUT /bkt/k", &[("if-match", "\"0\"")], "", 412, "PreconditionFailed"),
        ("PUT /bkt/k", &[("content-md5", "AAAA")], "", 400, "InvalidDigest"),
        ("PUT /bkt/k", &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], "", 400, "BadDigest"),
        ("PUT /bkt/k", &[("x-amz-checksum-crc32", "AAAAAQ==")], "x", 400, "BadDigest"),
        ("PUT /bkt/k", &[("content-length", "9")], "x", 400, "IncompleteBody"),
        ("PUT /bkt/k", &[("content-length", "6000000000")], "x", 400, "EntityTooLarge"),
        ("PUT /bkt/k", &[("x-amz-meta-m", &metadata)], "", 400, "MetadataTooLarge"),
        ("PUT /bkt/k", &[("x-amz-tagging", "a=1&a=2")], "", 400, "InvalidTag"),
        ("PUT /bkt/k", &[("x-amz-server-side-encryption", "x")], "", 400, "InvalidArgument"),
        ("PUT /plain/k", &[("x-amz-object-lock-legal-hold", "ON")], "", 400, "InvalidRequest"),
        ("PUT /locked/k", &[("x-amz-object-lock-legal-hold", "ON")], "", 400, "InvalidRequest"),
        ("PUT /locked/k", &[("x-amz-object-lock-mode", "COMPLIANCE")], "", 400, "InvalidArgument"),
        ("PUT /bkt/c", &[("x-amz-copy-source", "nokey")], "", 400, "InvalidArgument"),
        ("PUT /bkt/c", &[("x-amz-copy-source", "bkt/none")], "", 404, "NoSuchKey"),
        ("PUT /bkt/k", &[("x-amz-copy-source", "bkt/k")], "", 400, "InvalidRequest"),
        (
            "PUT /bkt/c",
            &[("x-amz-copy-source", "bkt/k"), ("x-amz-copy-source-if-match", "\"0\"")],
            "",
            412,
            "PreconditionFailed",
        ),
        (
            "PUT /bkt/c",
            &[("x-amz-copy-source", "bkt/k"), ("x-amz-source-expected-bucket-owner", OTHER)],
            "",
            403,
            "AccessDenied",
        ),
        ("PUT /bkt/k?partNumber=0&uploadId=u", &[], "", 400, "InvalidArgument"),
        ("PUT /bkt/k?partNumber=1&uploadId=u", &[], "", 404, "NoSuchUpload"),
        ("GET /bkt/k?uploadId=u", &[], "", 404, "NoSuchUpload"),
        ("DELETE /bkt/k?uploadId=u", &[], "", 404, "NoSuchUpload"),
        ("POST /bkt?delete", &[], "<Delete/>", 400, "MalformedXML"),
        ("PUT /bkt?versioning", &[], "<X/>", 400, "MalformedXML"),
        ("PUT /bkt?policy", &[], "{", 400, "MalformedPolicy"),
    ];
    for (line, headers, body, status, name) in table {
        let answer = client.send(line, headers, *body).await;
        assert_eq!(code(&answer), (*status, (*name).to_owned()), "{line} {headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_elsewhere_answers_with_its_region() {
    let client = Client::new().in_region("us-west-2");
    let answer = client.send("GET /bkt?list-type=2", &[], "").await;
    assert_eq!(code(&answer), (301, "PermanentRedirect".to_owned()));
    assert_eq!(header(&answer, "x-amz-bucket-region"), "us-east-1");
    let answer = client.send("HEAD /bkt", &[], "").await;
    assert_eq!((answer.status, answer.body.len()), (301, 0));
    client.ok("GET /bkt?location", &[], "").await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_list_learns_nothing_about_missing_keys() {
    let client = Client::new();
    client.ok("PUT /bkt/k", &[], "hello").await;
    let other = client.as_account(OTHER);
    assert_eq!(other.send("GET /bkt/k", &[], "").await.status, 403);
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OTHER}:root"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*"}}]}}"#
    );
    client.ok("PUT /bkt?policy", &[], policy).await;
    assert_eq!(text(&other.ok("GET /bkt/k", &[], "").await), "hello");
    assert_eq!(other.send("HEAD /bkt/none", &[], "").await.status, 403);
    assert_eq!(client.send("HEAD /bkt/none", &[], "").await.status, 404);
    assert_eq!(code(&other.send("PUT /bkt/k", &[], "x").await), (403, "AccessDenied".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_object_comes_back_with_all_that_was_said_about_it() {
    let client = Client::new();
    let headers = [
        ("content-type", "text/plain"),
        ("x-amz-meta-colour", "blue"),
        ("x-amz-tagging", "a=1&b=2"),
        ("x-amz-checksum-crc32", "DUoRhQ=="),
    ];
    client.ok("PUT /bkt/a%20b", &headers, "hello world").await;
    let host = [("host", "bkt.s3.us-east-1.amazonaws.com"), ("x-amz-checksum-mode", "ENABLED")];
    let answer = client.ok("GET /a%20b", &host, "").await;
    assert_eq!(text(&answer), "hello world");
    for (name, value) in [
        ("content-type", "text/plain"),
        ("x-amz-meta-colour", "blue"),
        ("x-amz-tagging-count", "2"),
        ("x-amz-checksum-crc32", "DUoRhQ=="),
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("etag", "\"5eb63bbbe01eeed093cb22bb8f5acdc3\""),
        ("x-amz-server-side-encryption", "AES256"),
        ("content-length", "11"),
    ] {
        assert_eq!(header(&answer, name), value, "{name}");
    }
    let answer = client.ok("GET /bkt/a%20b", &[("range", "bytes=6-")], "").await;
    assert_eq!((answer.status, text(&answer).as_str()), (206, "world"));
    assert_eq!(header(&answer, "content-range"), "bytes 6-10/11");
    let etag = "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"";
    let answer = client.send("GET /bkt/a%20b", &[("if-none-match", etag)], "").await;
    assert_eq!((answer.status, answer.body.len()), (304, 0));

    client.ok("PUT /bkt/copy", &[("x-amz-copy-source", "/bkt/a%20b")], "").await;
    let answer = client.ok("HEAD /bkt/copy", &[], "").await;
    assert_eq!(header(&answer, "x-amz-meta-colour"), "blue");
    assert_eq!(header(&answer, "x-amz-tagging-count"), "2");
}

#[tokio::test(start_paused = true)]
async fn a_trailing_checksum_is_checked() {
    let client = Client::new();
    let headers = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "11"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    for (value, status) in [("DUoRhQ==", 200), ("DUoRhA==", 400)] {
        let body = format!("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:{value}\r\n\r\n");
        let answer = client.send("PUT /bkt/k", &headers, body).await;
        assert_eq!(answer.status, status, "{}", text(&answer));
    }
    let answer = client.ok("GET /bkt/k", &[], "").await;
    assert_eq!(text(&answer), "hello world");
    assert!(!answer.headers.contains_key("content-encoding"));
}

#[tokio::test(start_paused = true)]
async fn a_completion_follows_the_rules_of_parts() {
    let client = Client::new();
    let big = Content::synthetic(1, 5 << 20).to_bytes();
    let id = client.upload("/bkt/m", &[]).await;
    let one = client.part("/bkt/m", &id, 1, big.clone()).await;
    let two = client.part("/bkt/m", &id, 2, "small").await;
    let three = client.part("/bkt/m", &id, 3, "end").await;
    for (parts, expected) in [
        (vec![], (400, "MalformedXML")),
        (vec![(2, two.as_str()), (1, one.as_str())], (400, "InvalidPartOrder")),
        (vec![(1, one.as_str()), (1, one.as_str())], (400, "InvalidPartOrder")),
        (vec![(1, two.as_str())], (400, "InvalidPart")),
        (vec![(9, one.as_str())], (400, "InvalidPart")),
        (vec![(1, &one), (2, &two), (3, &three)], (400, "EntityTooSmall")),
    ] {
        let answer = client.complete("/bkt/m", &id, &parts).await;
        assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{parts:?}");
    }
    let parts = [(1, one.as_str()), (2, two.as_str())];
    let line = format!("POST /bkt/m?uploadId={id}");
    for (name, value, expected) in [
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAE=", "BadDigest"),
        ("x-amz-checksum-type", "COMPOSITE", "InvalidRequest"),
        ("x-amz-mp-object-size", "7", "InvalidRequest"),
    ] {
        let answer = client.send(&line, &[(name, value)], completion(&parts)).await;
        assert_eq!(code(&answer), (400, expected.to_owned()), "{name}");
    }
    let whole = Content::concat([big, Bytes::from_static(b"small")].map(Content::from));
    let checksum = Algorithm::Crc64Nvme.of(&whole);
    let headers = [("x-amz-checksum-crc64nvme", checksum.as_str()), ("if-none-match", "*")];
    client.ok(&line, &headers, completion(&parts)).await;
    let answer = client.ok("HEAD /bkt/m?partNumber=2", &[], "").await;
    assert_eq!(header(&answer, "content-length"), "5");
    assert_eq!(header(&answer, "x-amz-mp-parts-count"), "2");
    assert!(header(&answer, "etag").ends_with("-2\""));
    let again = client.send(&line, &headers, completion(&parts)).await;
    assert_eq!(code(&again), (404, "NoSuchUpload".to_owned()));
    let id = client.upload("/bkt/m", &[]).await;
    let only = client.part("/bkt/m", &id, 1, "x").await;
    let line = format!("POST /bkt/m?uploadId={id}");
    let lost = client.send(&line, &[("if-none-match", "*")], completion(&[(1, &only)])).await;
    assert_eq!(code(&lost), (412, "PreconditionFailed".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn of_concurrent_uploads_the_latest_initiated_is_current() {
    let client = Client::new();
    let (first, second) = (client.upload("/bkt/m", &[]).await, client.upload("/bkt/m", &[]).await);
    for (id, body) in [(&second, "second"), (&first, "first")] {
        let etag = client.part("/bkt/m", id, 1, body).await;
        assert_eq!(client.complete("/bkt/m", id, &[(1, &etag)]).await.status, 200);
    }
    assert_eq!(text(&client.ok("GET /bkt/m", &[], "").await), "second");
    assert_eq!(client.world.lock().s3.bucket("bkt").unwrap().versions("m").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn terabytes_are_copied_in_parts_without_memory_and_in_simulated_time() {
    const SIZE: u64 = 5_000_000_000_000;
    let client = Client::new();
    let content = Content::synthetic(77, SIZE);
    let object = NewObject { content: content.clone(), metadata: [].into(), tags: [].into() };
    let now = client.world.now();
    s3::put_by_service(&mut client.world.lock(), now, "bkt", "big", object).unwrap();
    let vault = client.in_region("us-west-2");
    vault.make("vault", |spec| spec.versioned = true);
    let id = vault.upload("/vault/big", &[("x-amz-checksum-algorithm", "CRC64NVME")]).await;
    let part = 5 << 30;
    let mut etags = Vec::new();
    for (number, start) in (1..).zip((0..SIZE).step_by(part)) {
        let end = (start + part as u64).min(SIZE) - 1;
        let line = format!("PUT /vault/big?partNumber={number}&uploadId={id}");
        let range = format!("bytes={start}-{end}");
        let headers =
            [("x-amz-copy-source", "bkt/big"), ("x-amz-copy-source-range", range.as_str())];
        let copied = element(&vault.ok(&line, &headers, "").await, "CopyPartResult");
        etags.push((number, copied.required("ETag").unwrap().to_owned()));
    }
    let parts: Vec<_> = etags.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
    assert_eq!(vault.complete("/vault/big", &id, &parts).await.status, 200);
    assert_eq!(vault.content("vault", "big"), content);
    let mode = [("x-amz-checksum-mode", "ENABLED")];
    let shown = |answer: &Answer| header(answer, "x-amz-checksum-crc64nvme").to_owned();
    let source = shown(&client.ok("HEAD /bkt/big", &mode, "").await);
    assert_eq!(shown(&vault.ok("HEAD /vault/big", &mode, "").await), source);
    let took = client.world.now().duration_since(now);
    let expected = Duration::from_secs(50_000) + Duration::from_millis(20) * parts.len() as u32;
    let late = Duration::try_from(took).unwrap().saturating_sub(expected);
    assert!(took.as_secs() >= 50_000 && late < Duration::from_secs(10), "{took}");
}

#[tokio::test(start_paused = true)]
async fn locked_versions_stay_and_everything_else_goes_on() {
    let client = Client::new();
    client.make("locked", |spec| spec.object_lock = Some(None));
    let until = "2026-06-01T00:00:00Z";
    let mut versions = Vec::new();
    for mode in ["GOVERNANCE", "COMPLIANCE"] {
        let headers = [
            ("x-amz-object-lock-mode", mode),
            ("x-amz-object-lock-retain-until-date", until),
            ("x-amz-checksum-crc32", "DUoRhQ=="),
        ];
        let answer = client.ok("PUT /locked/k", &headers, "hello world").await;
        versions.push(header(&answer, "x-amz-version-id").to_owned());
    }
    let marker = client.ok("DELETE /locked/k", &[], "").await;
    assert_eq!(header(&marker, "x-amz-delete-marker"), "true");
    let retention = "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2026-05-02T00:00:00Z\
                     </RetainUntilDate></Retention>";
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    let [governance, compliance] = [&versions[0], &versions[1]];
    for (id, headers, status) in
        [(governance, &[][..], 403), (compliance, &[][..], 403), (compliance, &bypass[..], 403)]
    {
        let line = format!("DELETE /locked/k?versionId={id}");
        assert_eq!(client.send(&line, headers, "").await.status, status, "{id} {headers:?}");
        let line = format!("PUT /locked/k?retention&versionId={id}");
        assert_eq!(client.send(&line, headers, retention).await.status, status);
    }
    client.ok(&format!("DELETE /locked/k?versionId={governance}"), &bypass, "").await;
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    client.ok(&format!("PUT /locked/k?legal-hold&versionId={compliance}"), &[], hold).await;
    client.world.clock().sleep_until("2026-06-02T00:00:00Z".parse().unwrap()).await;
    let line = format!("DELETE /locked/k?versionId={compliance}");
    assert_eq!(client.send(&line, &[], "").await.status, 403, "the legal hold has no end");
    let release = hold.replace("ON", "OFF");
    client.ok(&format!("PUT /locked/k?legal-hold&versionId={compliance}"), &[], release).await;
    client.ok(&line, &[], "").await;
}

#[tokio::test(start_paused = true)]
async fn events_reach_queue_and_bus_in_their_two_shapes() {
    let client = Client::new();
    let queue = QueueNotification {
        id: "config".to_owned(),
        queue: "arn:aws:sqs:us-east-1:111111111111:q".parse().unwrap(),
        events: vec!["s3:ObjectCreated:*".to_owned()],
        prefix: "a ".to_owned(),
        suffix: ".bin".to_owned(),
    };
    client.make("noisy", |spec| {
        spec.versioned = true;
        spec.notifications = Notifications { queues: vec![queue], event_bridge: true };
    });
    let id = client.upload("/noisy/a%20b/%C3%BC.bin", &[]).await;
    let etag = client.part("/noisy/a%20b/%C3%BC.bin", &id, 1, "x").await;
    client.complete("/noisy/a%20b/%C3%BC.bin", &id, &[(1, &etag)]).await;
    client.ok("PUT /noisy/other.bin", &[], "x").await;
    client.ok("DELETE /noisy/other.bin", &[], "").await;

    let (mut messages, mut events) = (Vec::new(), Vec::new());
    let mut state = client.world.lock();
    while let Some((at, due)) = state.agenda.take_due(Timestamp::MAX) {
        assert!(at > client.world.now(), "an event takes time");
        match due {
            agenda::Due::Deliver { body, .. } => {
                messages.push(serde_json::from_str::<serde_json::Value>(&body).unwrap());
            }
            agenda::Due::S3(Due::Emit { event, .. }) => events.push(event),
            other => panic!("{other:?} has no place here"),
        }
    }
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0]["Event"], "s3:TestEvent");
    let record = &messages[1]["Records"][0];
    assert_eq!(record["eventName"], "ObjectCreated:CompleteMultipartUpload");
    assert_eq!(record["s3"]["object"]["key"], "a+b/%C3%BC.bin");
    assert_eq!(record["s3"]["object"]["size"], 1);
    assert_eq!(record["s3"]["configurationId"], "config");
    assert_eq!(record["eventTime"], "2026-05-01T00:00:00.000Z");
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            let (detail, kind) = (&event["detail"], event["detail-type"].as_str().unwrap());
            (kind, detail["reason"].as_str().unwrap(), detail["object"]["key"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("Object Created", "CompleteMultipartUpload", "a b/ü.bin"),
            ("Object Created", "PutObject", "other.bin"),
            ("Object Deleted", "DeleteObject", "other.bin"),
        ]
    );
    assert_eq!(events[2]["detail"]["deletion-type"], "Delete Marker Created");
    assert_eq!(events[0]["detail"]["object"]["version-id"], record["s3"]["object"]["versionId"]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_gives_its_encryption_to_what_says_nothing() {
    let client = Client::new();
    let key = "arn:aws:kms:us-east-1:111111111111:alias/aws/s3";
    client.make("secret", |spec| spec.encryption = Encryption::Kms(key.parse().unwrap()));
    let answer = client.ok("PUT /secret/k", &[], "x").await;
    assert_eq!(header(&answer, "x-amz-server-side-encryption"), "aws:kms");
    assert_eq!(header(&answer, "x-amz-server-side-encryption-aws-kms-key-id"), key);
    let answer =
        client.ok("PUT /secret/k", &[("x-amz-server-side-encryption", "AES256")], "").await;
    assert_eq!(header(&answer, "x-amz-server-side-encryption"), "AES256");
    assert!(!answer.headers.contains_key("x-amz-version-id"));
}

/// All pages of a listing: keys and common prefixes.
#[tokio::test(start_paused = true)]
async fn the_encryption_of_a_bucket_comes_back_with_its_bucket_key() {
    let client = Client::new();
    client.make("plain", |_| {});
    let rule = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
                <SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
                <BucketKeyEnabled>true</BucketKeyEnabled></Rule>\
                </ServerSideEncryptionConfiguration>";
    client.ok("PUT /plain?encryption", &[], rule).await;
    let answer = client.ok("GET /plain?encryption", &[], "").await;
    let root = element(&answer, "ServerSideEncryptionConfiguration");
    assert_eq!(root.child("Rule").unwrap().text_of("BucketKeyEnabled"), Some("true"));
}

async fn pages(client: &Client, query: &str) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let line = format!("GET /bkt?list-type=2&{query}{token}");
        let page = element(&client.ok(&line, &[], "").await, "ListBucketResult");
        found.extend(page.all("Contents").map(|e| e.text_of("Key").unwrap().to_owned()));
        found.extend(page.all("CommonPrefixes").map(|e| e.text_of("Prefix").unwrap().to_owned()));
        match page.text_of("NextContinuationToken") {
            Some(next) => token = format!("&continuation-token={next}"),
            None => return found,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_together_hold_every_key_or_its_common_prefix_once(
        keys in proptest::collection::btree_set("[ab/]{1,4}", 0..20), prefix in "[ab/]{0,2}", size in 1..5usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let client = Client::new();
            for key in &keys {
                client.ok(&format!("PUT /bkt/{}", key.replace('/', "%2F")), &[], "").await;
            }
            let of_prefix = keys.iter().filter(|key| key.starts_with(&prefix));
            let plain: Vec<String> = of_prefix.clone().cloned().collect();
            let query = format!("prefix={prefix}&max-keys={size}");
            assert_eq!(pages(&client, &query).await, plain);
            let mut folded: Vec<String> = of_prefix
                .map(|key| match key[prefix.len()..].find('/') {
                    Some(at) => key[..=prefix.len() + at].to_owned(),
                    None => key.clone(),
                })
                .collect();
            folded.dedup();
            let mut found = pages(&client, &format!("{query}&delimiter=/")).await;
            found.sort();
            folded.sort();
            assert_eq!(found, folded);
        });
    }
}
