//! How many real SDK calls a second one core makes against the simulated AWS in its own process.
//!
//! `cargo bench -p amiferry-tests --bench simulated_calls` prints, for each kind of call, the
//! median, minimum and maximum of 5 rounds, in calls per second. Everything is in it that a worker
//! does: building the request, signing, the simulated service, parsing the answer.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and fails loudly")]

use std::sync::Arc;
use std::time::Duration;

use amiferry_aws::{
    InProcess, KmsKeys, S3Objects, Session, SharedHttpClient, SqsQueue, StsIdentity,
};
use amiferry_core::ids::{AccountId, BucketName, ObjectKey};
use amiferry_core::model::KeyPurpose;
use amiferry_core::ports::{Clock, Identity, Keys, NewUpload, Objects, WorkQueue};
use amiferry_service::clock::SystemClock;
use amiferry_simulator::landscape::{self, Landscape};
use amiferry_simulator::{Settings, SimClock, World, in_process};

/// Calls in one round.
const CALLS: u32 = 5_000;
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(all());
}

async fn all() {
    let world = World::new(SimClock::starting_at(SystemClock.now(), 1), Settings::default());
    let landscape = Landscape::build(&world).unwrap();
    let (account, region) = landscape.vault.clone();
    let session = Session::in_process(InProcess {
        http: SharedHttpClient::new(in_process::InProcess::new(world.clone())),
        region: region.clone(),
        access_key: account.to_string(),
        secret: "any".to_owned(),
        clock: Arc::new(SystemClock),
    });
    let url = format!("https://sqs.{region}.amazonaws.com/{account}/{}", landscape::TARGET_QUEUE);
    let queue = SqsQueue::new(&session, url);
    measure("sqs:ReceiveMessage (empty)", async || {
        queue.receive(10, Duration::ZERO).await.unwrap();
    })
    .await;
    let identity = StsIdentity::new(&session);
    measure("sts:GetCallerIdentity", async || {
        identity.caller().await.unwrap();
    })
    .await;
    let bucket: BucketName = landscape::VAULT_BUCKET.parse().unwrap();
    let key = object(&session, &account, &bucket).await;
    let objects = S3Objects::new(&session);
    measure("s3:HeadObject", async || {
        objects.head(&account, &bucket, &key).await.unwrap();
    })
    .await;
    measure("s3:GetObject (4 KiB)", async || {
        objects.read(&account, &bucket, &key, 1 << 20).await.unwrap();
    })
    .await;
    let keys = KmsKeys::new(&session, &account);
    measure("kms:DescribeKey, 6 dry runs (7 calls as one)", async || {
        let purposes = [KeyPurpose::Writing, KeyPurpose::Snapshots];
        keys.examine(&landscape.vault_key, &purposes).await.unwrap();
    })
    .await;
}

async fn object(session: &Session, account: &AccountId, bucket: &BucketName) -> ObjectKey {
    let key: ObjectKey = "bench/object".parse().unwrap();
    let body = vec![7; 4096];
    S3Objects::new(session)
        .create(account, bucket, &key, body, &NewUpload::default())
        .await
        .unwrap();
    key
}

/// Prints the calls per second of `call`, after one round that does not count.
async fn measure(name: &str, mut call: impl AsyncFnMut()) {
    let mut rates = Vec::new();
    for round in 0..=ROUNDS {
        let start = tokio::time::Instant::now();
        for _ in 0..CALLS {
            call().await;
        }
        if round > 0 {
            rates.push(f64::from(CALLS) / start.elapsed().as_secs_f64());
        }
    }
    rates.sort_by(f64::total_cmp);
    let (min, max) = (rates[0], rates[ROUNDS - 1]);
    println!("{name:<60} {:>8.0} calls/s  (min {min:.0}, max {max:.0})", rates[ROUNDS / 2]);
}
