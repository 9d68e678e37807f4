//! One seed decides everything: the same run twice in this process and once in another one
//! leaves the same trace, faults included; another seed leaves another.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use amiferry_simulator::faults::{
    Break, Effect, EventEffect, EventRule, FaultPlan, Outage, Reply, Rule, When, exchange,
};
use amiferry_simulator::landscape::{self, Landscape, STAGING_BUCKET};
use amiferry_simulator::trace::Summary;
use amiferry_simulator::wire::scope::Service;
use amiferry_simulator::wire::{AnswerBody, Incoming};
use amiferry_simulator::{Settings, SimClock, World};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

/// Set in the other process: the seed to run.
const SEED: &str = "AMIFERRY_TEST_SEED";

const ROUNDS: u32 = 40;

/// What a run leaves behind.
#[derive(Debug, PartialEq)]
struct Outcome {
    trace: Summary,
    faults: BTreeMap<&'static str, u64>,
    lines: Vec<String>,
}

/// The last answer of a client, by which it decides what it does next.
struct Client {
    world: World,
    account: &'static str,
    region: &'static str,
}

impl Client {
    async fn send(
        &self,
        service: &str,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<String> {
        let (account, region) = (self.account, self.region);
        let mut request = Request::builder().method(method).uri(uri).header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request, Signature=0"),
        );
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {});
        let request = request.body(Incoming::new(body)).unwrap();
        match exchange(&self.world, request, Some(Duration::from_secs(10))).await {
            Reply::Whole(answer) => {
                let AnswerBody::Bytes(bytes) = answer.body else { return None };
                Some(String::from_utf8(bytes.to_vec()).unwrap())
            }
            Reply::Faulty(_, body) => {
                let whole = body.collect().await.ok()?.to_bytes();
                Some(String::from_utf8(whole.to_vec()).unwrap())
            }
            Reply::Nothing(Break::Silent) => {
                self.world.clock().sleep(Duration::from_secs(10)).await;
                None
            }
            Reply::Nothing(_) => None,
        }
    }

    async fn ec2(&self, form: &str) -> Option<String> {
        self.send("ec2", "POST", "/", &[], form).await
    }
}

/// Describes images and stores what it finds, some of it again and again.
async fn store(client: Client) {
    for round in 0..ROUNDS {
        let images = client.ec2("Action=DescribeImages&Owner.1=self").await.unwrap_or_default();
        let ids: Vec<&str> =
            images.split("<imageId>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
        if !ids.is_empty() {
            let id = ids[round as usize % ids.len()];
            client
                .ec2(&format!("Action=CreateStoreImageTask&ImageId={id}&Bucket={STAGING_BUCKET}"))
                .await;
        }
        client.ec2("Action=DescribeStoreImageTasks").await;
        client.world.clock().sleep(Duration::from_millis(700)).await;
    }
}

/// Writes, copies and reads small objects.
async fn write(client: Client) {
    for round in 0..ROUNDS {
        let key = format!("/{STAGING_BUCKET}/small/{}", round % 7);
        client.send("s3", "PUT", &key, &[], &format!("content {round}")).await;
        let copy = format!("/{STAGING_BUCKET}/copy/{round}");
        client.send("s3", "PUT", &copy, &[("x-amz-copy-source", &key)], "").await;
        client.send("s3", "GET", &copy, &[], "").await;
        client.send("s3", "GET", &format!("/{STAGING_BUCKET}?list-type=2"), &[], "").await;
        client.world.clock().sleep(Duration::from_millis(300)).await;
    }
}

/// Receives messages with long polls, and deletes two of three.
async fn receive(client: Client, queue: &'static str) {
    let url = format!("https://sqs.{}.amazonaws.com/{}/{queue}", client.region, client.account);
    for round in 0..ROUNDS {
        let ask = serde_json::json!({ "QueueUrl": url, "WaitTimeSeconds": 3, "VisibilityTimeout": 5, "MaxNumberOfMessages": 3 });
        let target = [("x-amz-target", "AmazonSQS.ReceiveMessage")];
        let answer = client.send("sqs", "POST", "/", &target, &ask.to_string()).await;
        let answer: serde_json::Value =
            answer.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let Some(handle) = answer["Messages"][0]["ReceiptHandle"].as_str() else { continue };
        if round % 3 > 0 {
            let delete =
                serde_json::json!({ "QueueUrl": url, "ReceiptHandle": handle }).to_string();
            client
                .send("sqs", "POST", "/", &[("x-amz-target", "AmazonSQS.DeleteMessage")], &delete)
                .await;
        }
    }
}

fn plan() -> FaultPlan {
    let half_minute = Duration::from_secs(30);
    let chance = |effect| Rule::new(effect).when(When::probability(0.05));
    FaultPlan::new()
        .fault(chance(Effect::ResponseLost))
        .fault(chance(Effect::Throttle))
        .fault(chance(Effect::Timeout).of(Service::S3))
        .fault(chance(Effect::DelayRequest(half_minute)))
        .fault(chance(Effect::DelayResponse(Duration::from_secs(2))))
        .fault(chance(Effect::Truncate(20)))
        .fault(Rule::new(Effect::ErrorIn200).on(Service::S3, "CopyObject").when(When::every(6)))
        .event_fault(EventRule::new(EventEffect::Duplicate(1)).when(When::probability(0.2)))
        .event_fault(EventRule::new(EventEffect::Reorder(half_minute)))
        .outage(
            Outage::of_region("us-west-2".parse().unwrap()).between(half_minute / 3, half_minute),
        )
}

async fn play(seed: u64) -> Outcome {
    let clock = SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap(), 1);
    let world = World::new(clock, Settings { seed, ..landscape::brisk() });
    let landscape = Landscape::build(&world).unwrap();
    world.faults().install(plan()).unwrap();
    world.lock().trace.start(true);
    for planned in landscape::fleet(&landscape, world.now()) {
        planned.appear(&world, &landscape);
    }
    let source = |world: &World| Client {
        world: world.clone(),
        account: landscape::SOURCE_ACCOUNT,
        region: landscape::SOURCE_REGION,
    };
    let vault = Client {
        world: world.clone(),
        account: landscape::VAULT_ACCOUNT,
        region: landscape::VAULT_REGION,
    };
    let mut clients = tokio::task::JoinSet::new();
    clients.spawn(store(source(&world)));
    clients.spawn(write(source(&world)));
    clients.spawn(receive(source(&world), landscape::SOURCE_QUEUE));
    clients.spawn(receive(vault, landscape::TARGET_QUEUE));
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let lines = world.lock().trace.lines().to_vec();
    Outcome { trace: world.trace().unwrap(), faults: world.faults().kinds(), lines }
}

fn run(seed: u64) -> Outcome {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(play(seed))
}

fn report(outcome: &Outcome) -> String {
    format!("trace {} {} {:?}", outcome.trace.calls, outcome.trace.hash, outcome.faults)
}

#[test]
fn a_seed_leaves_the_same_trace_here_twice_and_in_another_process() {
    if let Some(seed) = std::env::var_os(SEED) {
        println!("\n{}", report(&run(seed.to_str().unwrap().parse().unwrap())));
        return;
    }
    let first = run(7);
    assert!(first.trace.calls > 300, "{}", first.trace.calls);
    for kind in [
        "response-lost",
        "throttle",
        "timeout",
        "truncate",
        "error-in-200",
        "event-duplicate",
        "event-reorder",
        "outage",
    ] {
        assert!(first.faults.contains_key(kind), "{kind} was never met: {:?}", first.faults);
    }
    let second = run(7);
    let differs = first.lines.iter().zip(&second.lines).find(|(a, b)| a != b);
    assert_eq!(differs, None, "the first line that differs");
    assert_eq!(first, second);
    let name = "a_seed_leaves_the_same_trace_here_twice_and_in_another_process";
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(SEED, "7")
        .output()
        .unwrap();
    let output = String::from_utf8(other.stdout).unwrap();
    let there = output.lines().find(|line| line.starts_with("trace "));
    assert_eq!(there, Some(report(&first).as_str()), "{output}");
}

#[test]
fn another_seed_leaves_another_trace() {
    assert_ne!(run(7).trace, run(8).trace);
}

/// The world's own randomness is not drawn for faults.
#[test]
fn a_rule_that_meets_nothing_changes_nothing() {
    let with = |extra: bool| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(async move {
            let clock = SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap(), 1);
            let world = World::new(clock, Settings::default());
            Landscape::build(&world).unwrap();
            if extra {
                let rule = Rule::new(Effect::Throttle).on(Service::Kms, "Decrypt");
                world.faults().install(FaultPlan::new().fault(rule)).unwrap();
            }
            world.lock().trace.start(false);
            let client = Client {
                world: world.clone(),
                account: landscape::SOURCE_ACCOUNT,
                region: landscape::SOURCE_REGION,
            };
            write(client).await;
            world.trace().unwrap()
        })
    };
    assert_eq!(with(true), with(false));
}
