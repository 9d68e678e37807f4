//! Answers that are lost, and a clock that is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amiferry_core::fault::FaultClass;
use amiferry_core::ports::{
    Images, Listing, NewUpload, Objects, RestoreRequest, RestoreTasks, WriteOutcome,
};
use amiferry_simulator::{iam, s3};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::*;
use crate::{Ec2Images, S3Objects};

/// Passes requests on and loses the answers while it is told to.
#[derive(Debug, Clone)]
struct Lossy {
    inner: SimulatedAws,
    losing: Arc<AtomicBool>,
}

impl HttpConnector for Lossy {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, losing) = (self.inner.call(request), self.losing.clone());
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            if losing.load(Ordering::SeqCst) {
                return Err(ConnectorError::io("connection reset by peer".into()));
            }
            answer
        })
    }
}

impl HttpClient for Lossy {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A session whose answers are lost while the switch is on.
fn lossy(world: &World) -> (Session, Arc<AtomicBool>) {
    let losing = Arc::new(AtomicBool::new(true));
    let http = Lossy { inner: SimulatedAws::new(world.clone()), losing: losing.clone() };
    let session = Session::in_process(InProcess {
        http: SharedHttpClient::new(http),
        region: region(),
        access_key: ACCOUNT.to_owned(),
        secret: "secret".to_owned(),
        clock: Arc::new(MachineClock { world: world.clock(), behind_seconds: 0 }),
    });
    (session, losing)
}

#[tokio::test(start_paused = true)]
async fn a_question_is_repeated_three_times_and_then_unavailable() {
    let world = world();
    let (session, losing) = lossy(&world);
    let images = Ec2Images::new(&session, account(ACCOUNT));
    let fault = images.pending().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Unavailable, "{fault}");
    assert_eq!(calls(&world, "ec2", "DescribeImages"), 3);
    losing.store(false, Ordering::SeqCst);
    assert_eq!(images.pending().await, Ok(Listing::default()));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_uses_up_its_own_retries_and_not_those_of_looks() {
    let world = world();
    let (session, _) = lossy(&world);
    let images = Ec2Images::new(&session, account(ACCOUNT));
    let objects = S3Objects::new(&session);
    let (owner, bucket) = (account(ACCOUNT), "vault".parse().unwrap());
    let key = "image.bin".parse().unwrap();
    let attempts =
        |operation: (&'static str, &'static str)| calls(&world, operation.0, operation.1);
    let (describe, list) = (("ec2", "DescribeImages"), ("s3", "ListObjectsV2"));
    for _ in 0..60 {
        images.page(None).await.unwrap_err();
        objects.list(&owner, &bucket, "", None).await.unwrap_err();
    }
    let (before_describe, before_list) = (attempts(describe), attempts(list));
    images.page(None).await.unwrap_err();
    objects.list(&owner, &bucket, "", None).await.unwrap_err();
    assert_eq!(attempts(describe) - before_describe, 1, "the sweep has no retries left");
    assert_eq!(attempts(list) - before_list, 1, "the sweep has no retries left");

    let (before_describe, before_head) = (attempts(describe), attempts(("s3", "HeadObject")));
    images.pending().await.unwrap_err();
    objects.head(&owner, &bucket, &key).await.unwrap_err();
    assert_eq!(attempts(describe) - before_describe, 3, "a look has all of its own");
    assert_eq!(attempts(("s3", "HeadObject")) - before_head, 3, "a look has all of its own");
}

#[tokio::test(start_paused = true)]
async fn a_restore_whose_answer_is_lost_is_attempted_once_and_its_outcome_is_unknown() {
    let world = world();
    let (session, _) = lossy(&world);
    let request = RestoreRequest {
        bucket: "vault".parse().unwrap(),
        key: "image.bin".parse().unwrap(),
        name: "restored".to_owned(),
        image_tags: Default::default(),
        snapshot_tags: Default::default(),
    };
    let images = Ec2Images::new(&session, account(ACCOUNT));
    let fault = images.start_restore(&request).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::OutcomeUnknown, "{fault}");
    assert_eq!(calls(&world, "ec2", "CreateRestoreImageTask"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_there_when_one_looks_again() {
    let world = world();
    let (session, losing) = lossy(&world);
    let now = world.now();
    let spec = s3::BucketSpec::new("vault", account(ACCOUNT), region());
    s3::create_bucket(&mut world.lock(), now, spec).unwrap();
    let objects = S3Objects::new(&session);
    let (owner, bucket) = (account(ACCOUNT), "vault".parse().unwrap());
    let key = "manifest.json".parse().unwrap();
    let settings = NewUpload::default();
    let body = b"{}".to_vec();
    let fault = objects.create(&owner, &bucket, &key, body.clone(), &settings).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::OutcomeUnknown, "{fault}");
    losing.store(false, Ordering::SeqCst);
    let again = objects.create(&owner, &bucket, &key, body, &settings).await;
    assert_eq!(again, Ok(WriteOutcome::AlreadyThere));
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_clock_is_slow_gets_new_credentials_after_one_refusal() {
    const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"sts:AssumeRole"}]}"#;
    const ALL: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let world = world();
    let spec = iam::RoleSpec {
        name: "reader",
        trust_json: TRUST,
        permissions_json: ALL,
        max_session: 3600,
    };
    let role = iam::create_role(&mut world.lock(), &account(ACCOUNT), &spec).unwrap();
    // More than 15 minutes and AWS would refuse the signatures themselves.
    let base = session_behind(&world, VAULT, 600);
    let images =
        Ec2Images::new(&base.assume_role(&role, None, "amiferry", &region()), account(ACCOUNT));
    images.pending().await.unwrap();
    // By the slow clock the session has 5 minutes left; AWS ended it 5 minutes ago.
    world.clock().sleep(Duration::from_secs(3900)).await;
    let fault = images.pending().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Credentials, "{fault}");
    images.pending().await.unwrap();
}
