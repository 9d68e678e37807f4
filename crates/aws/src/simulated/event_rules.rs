//! Rules of a default bus, and who is told of a bucket's events.

use amiferry_core::fault::FaultClass;
use amiferry_core::ids::Arn;
use amiferry_core::ports::{EventRule, EventRules};
use amiferry_simulator::s3::{Notifications, QueueNotification};
use amiferry_simulator::{World, events, s3};
use serde_json::json;

use super::*;
use crate::{DefaultBus, Notified, S3Objects};

const PATTERN: &str = r#"{"source":["aws.ec2"]}"#;

fn queue(name: &str) -> Arn {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}").parse().unwrap()
}

fn rule(world: &World, name: &str, target: &Arn) {
    let to = std::slice::from_ref(target);
    events::put_rule(&mut world.lock(), &account(ACCOUNT), &region(), name, PATTERN, to).unwrap();
}

fn bus(world: &World) -> DefaultBus {
    DefaultBus::new(&session(world, ACCOUNT), &queue("mine"))
}

#[tokio::test(start_paused = true)]
async fn the_rules_of_a_target_are_listed_over_all_pages_and_those_of_others_are_not() {
    let world = world();
    assert_eq!(bus(&world).sending_to(&queue("mine")).await.unwrap(), Vec::<String>::new());
    let names: Vec<String> = (0..205).map(|number| format!("rule-{number:03}")).collect();
    names.iter().for_each(|name| rule(&world, name, &queue("mine")));
    rule(&world, "other", &queue("other"));
    let before = calls(&world, "events", "ListRuleNamesByTarget");
    assert_eq!(bus(&world).sending_to(&queue("mine")).await.unwrap(), names);
    assert_eq!(calls(&world, "events", "ListRuleNamesByTarget") - before, 3);
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_told_as_it_is_and_one_that_is_gone_is_none() {
    let world = world();
    rule(&world, "ours", &queue("mine"));
    let told = EventRule {
        name: "ours".to_owned(),
        arn: format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/ours"),
        is_enabled: true,
        pattern: Some(PATTERN.to_owned()),
    };
    assert_eq!(bus(&world).rule("ours").await.unwrap(), Some(told.clone()));
    let place = (account(ACCOUNT), region());
    assert!(events::enable_rule(&mut world.lock(), &place, "ours", false));
    let disabled = EventRule { is_enabled: false, ..told };
    assert_eq!(bus(&world).rule("ours").await.unwrap(), Some(disabled));
    assert_eq!(bus(&world).rule("gone").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn eventbridge_says_which_events_a_pattern_takes() {
    let world = world();
    let event = |source: &str| {
        json!({
            "id": "1", "account": ACCOUNT, "source": source, "time": "2026-01-01T00:00:00Z",
            "region": REGION, "resources": [], "detail-type": "a change", "detail": {},
        })
        .to_string()
    };
    assert!(bus(&world).takes(PATTERN, &event("aws.ec2")).await.unwrap());
    assert!(!bus(&world).takes(PATTERN, &event("aws.s3")).await.unwrap());
    let fault = bus(&world).takes("{", &event("aws.ec2")).await.unwrap_err();
    assert_eq!(
        (fault.operation, fault.code.as_str()),
        ("events:TestEventPattern", "InvalidEventPatternException")
    );
    let fault = bus(&world).takes(PATTERN, r#"{"source":"aws.ec2"}"#).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Invalid);
}

fn queue_told() -> QueueNotification {
    QueueNotification {
        id: "ours".to_owned(),
        queue: queue("mine"),
        events: vec!["s3:ObjectCreated:*".to_owned()],
        prefix: String::new(),
        suffix: String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_says_whether_it_tells_eventbridge_and_how_many_others() {
    let world = world();
    let objects = S3Objects::new(&session(&world, ACCOUNT));
    for (name, event_bridge, queues) in
        [("silent", false, vec![]), ("events", true, vec![]), ("both", true, vec![queue_told()])]
    {
        let told = Notified { event_bridge, others: queues.len() };
        let spec = s3::BucketSpec::new(name, account(ACCOUNT), region());
        let notifications = Notifications { event_bridge, queues };
        let now = world.now();
        let spec = s3::BucketSpec { notifications, ..spec };
        s3::create_bucket(&mut world.lock(), now, spec).unwrap();
        let bucket = name.parse().unwrap();
        assert_eq!(objects.notified(&account(ACCOUNT), &bucket).await.unwrap(), told, "{name}");
    }
}
