//! Events from a bus to queues, over one hop, and only where they may go.

use amiferry_core::ids::{AccountId, Arn, Region};
use serde_json::{Value, json};

use super::{emit, put_bus_policy, put_rule};
use crate::World;
use crate::sqs::{self, QueueSpec};
use crate::testing::{ACCOUNT, OTHER, REGION, json as call_json, pass, world};

const ALL: &str = r#"{"source":["aws.test"]}"#;
const SENDER: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}"#;

fn home(account: &str) -> (AccountId, Region) {
    (account.parse().unwrap(), REGION.parse().unwrap())
}

fn queue(world: &World, account: &str, policy: Option<&str>) -> Arn {
    let (account, region) = home(account);
    let spec = QueueSpec { policy: policy.map(str::to_owned), ..QueueSpec::named("q") };
    let now = world.now();
    sqs::create_queue(&mut world.lock(), now, &account, &region, &spec).unwrap()
}

fn rule(world: &World, account: &str, name: &str, target: &str) {
    let (account, region) = home(account);
    let target = target.parse().unwrap();
    put_rule(&mut world.lock(), &account, &region, name, ALL, &[target]).unwrap();
}

/// Lets `from` put events on the bus of `to`.
fn open_bus(world: &World, to: &str, from: &str) {
    let (account, region) = home(to);
    let policy = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":"{from}"}},"Action":"events:PutEvents","Resource":"*"}}}}"#
    );
    put_bus_policy(&mut world.lock(), &account, &region, &policy).unwrap();
}

fn send(world: &World, account: &str, source: &str) {
    let (account, region) = home(account);
    let event = json!({"source": source, "detail-type": "Test", "detail": {"n": 1}});
    let now = world.now();
    emit(&mut world.lock(), now, &account, &region, &event);
}

async fn receive(world: &World, account: &str) -> Vec<Value> {
    let request = json!({"QueueUrl": format!("http://x/{account}/q"), "MaxNumberOfMessages": 10});
    let answer = call_json(world, account, "sqs", "ReceiveMessage", request).await.ok();
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    let bodies = messages.iter().map(|message| message["Body"].as_str().unwrap());
    bodies.map(|body| serde_json::from_str(body).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_matching_event_reaches_the_queue_in_its_envelope_after_the_delay() {
    let world = world();
    let queue = queue(&world, ACCOUNT, Some(SENDER));
    rule(&world, ACCOUNT, "all", queue.as_str());
    send(&world, ACCOUNT, "aws.test");
    send(&world, ACCOUNT, "aws.other");
    assert!(receive(&world, ACCOUNT).await.is_empty(), "not before the delay");
    pass(&world, 1).await;
    let events = receive(&world, ACCOUNT).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    for (key, value) in [
        ("version", json!("0")),
        ("source", json!("aws.test")),
        ("detail-type", json!("Test")),
        ("account", json!(ACCOUNT)),
        ("region", json!(REGION)),
        ("time", json!("2026-01-01T00:00:00Z")),
        ("resources", json!([])),
        ("detail", json!({"n": 1})),
    ] {
        assert_eq!(event[key], value, "{key}");
    }
    let id = event["id"].as_str().unwrap();
    let shape: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(shape, [8, 4, 4, 4, 12], "{id}");
    assert_eq!(&id[14..15], "4", "{id} is of version 4");
}

#[tokio::test(start_paused = true)]
async fn an_event_crosses_to_one_other_bus_and_no_further() {
    let world = world();
    let third = "333333333333";
    for (from, to) in [(ACCOUNT, OTHER), (OTHER, third)] {
        open_bus(&world, to, from);
        rule(&world, from, "on", &format!("arn:aws:events:{REGION}:{to}:event-bus/default"));
    }
    for account in [OTHER, third] {
        let queue = queue(&world, account, Some(SENDER));
        rule(&world, account, "keep", queue.as_str());
    }
    send(&world, ACCOUNT, "aws.test");
    pass(&world, 60).await;
    let events = receive(&world, OTHER).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["account"], ACCOUNT, "it still names where it comes from");
    assert!(receive(&world, third).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_let_the_rule_send_gets_nothing() {
    let only = |rule: &str| {
        let arn = format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}");
        let mut policy: Value = serde_json::from_str(SENDER).unwrap();
        policy["Statement"]["Condition"] = json!({"ArnEquals": {"aws:SourceArn": arn}});
        policy.to_string()
    };
    for (policy, expected) in [(None, 0), (Some(only("other")), 0), (Some(only("mine")), 1)] {
        let world = world();
        let queue = queue(&world, ACCOUNT, policy.as_deref());
        rule(&world, ACCOUNT, "mine", queue.as_str());
        send(&world, ACCOUNT, "aws.test");
        pass(&world, 60).await;
        assert_eq!(receive(&world, ACCOUNT).await.len(), expected, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rules_that_could_not_work_are_refused_by_name() {
    let world = world();
    let (account, region) = home(ACCOUNT);
    for (pattern, target, word) in [
        ("{", "arn:aws:sqs:us-east-1:111111111111:q", "mine"),
        (ALL, "arn:aws:sns:us-east-1:111111111111:topic", "sns"),
        (ALL, "arn:aws:sqs:us-east-1:111111111111:q.fifo", "fifo"),
        (ALL, "arn:aws:events:us-east-1:111111111111:event-bus/own", "default"),
    ] {
        let targets = [target.parse().unwrap()];
        let error = put_rule(&mut world.lock(), &account, &region, "mine", pattern, &targets);
        let error = error.unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_takes_events_of_other_accounts_only_by_its_policy() {
    for (opened_for, expected) in [(None, 0), (Some("333333333333"), 0), (Some(ACCOUNT), 1)] {
        let world = world();
        let queue = queue(&world, OTHER, Some(SENDER));
        rule(&world, OTHER, "keep", queue.as_str());
        rule(&world, ACCOUNT, "on", &format!("arn:aws:events:{REGION}:{OTHER}:event-bus/default"));
        if let Some(from) = opened_for {
            open_bus(&world, OTHER, from);
        }
        send(&world, ACCOUNT, "aws.test");
        pass(&world, 60).await;
        assert_eq!(receive(&world, OTHER).await.len(), expected, "{opened_for:?}");
    }
}
