//! Rules and targets through the wire.

use serde_json::{Value, json};

use crate::World;
use crate::sqs::{self, QueueSpec};
use crate::testing::{ACCOUNT, OTHER, REGION, Reply, json as call, pass, world};

async fn ask(world: &World, operation: &str, body: Value) -> Reply {
    call(world, ACCOUNT, "events", operation, body).await
}

fn queue(world: &World) -> String {
    let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    let policy = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},
        "Action":"sqs:SendMessage","Resource":"*"}}"#;
    let spec = QueueSpec { policy: Some(policy.to_owned()), ..QueueSpec::named("told") };
    let now = world.now();
    sqs::create_queue(&mut world.lock(), now, &account, &region, &spec).unwrap().to_string()
}

/// How many messages came of one event.
async fn told(world: &World, queue: &str) -> usize {
    let entry = json!({"Source": "amiferry", "DetailType": "a change", "Detail": "{}"});
    ask(world, "PutEvents", json!({ "Entries": [entry] })).await.ok();
    pass(world, 5).await;
    let (now, queue) = (world.now(), queue.parse().unwrap());
    let mut state = world.lock();
    let count = sqs::depth(&state, &queue);
    sqs::purge(&mut state, now, &queue);
    count
}

#[tokio::test(start_paused = true)]
async fn a_rule_sends_to_its_targets_until_they_are_removed() {
    let world = world();
    let queue = queue(&world);
    let pattern = r#"{"source":["amiferry"]}"#;
    let rule = json!({ "Name": "mine", "EventPattern": pattern });
    let made = ask(&world, "PutRule", rule.clone()).await.ok();
    assert_eq!(made["RuleArn"], format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/mine"));
    assert_eq!(told(&world, &queue).await, 0);
    let target = json!({ "Id": "queue", "Arn": queue });
    ask(&world, "PutTargets", json!({ "Rule": "mine", "Targets": [target] })).await.ok();
    assert_eq!(told(&world, &queue).await, 1);
    let listed = ask(&world, "ListTargetsByRule", json!({ "Rule": "mine" })).await.ok();
    assert_eq!(listed["Targets"], json!([target]));
    // A rule that is put again keeps its targets.
    let other = json!({ "Name": "mine", "EventPattern": r#"{"source":["other"]}"# });
    ask(&world, "PutRule", other).await.ok();
    assert_eq!(told(&world, &queue).await, 0);
    ask(&world, "PutRule", rule).await.ok();
    assert_eq!(told(&world, &queue).await, 1);
    let refused = ask(&world, "DeleteRule", json!({ "Name": "mine" })).await;
    assert_eq!(refused.header("x-amzn-errortype"), "ValidationException");
    ask(&world, "RemoveTargets", json!({ "Rule": "mine", "Ids": ["queue"] })).await.ok();
    assert_eq!(told(&world, &queue).await, 0);
    let rules = ask(&world, "ListRules", json!({ "NamePrefix": "mi" })).await.ok();
    assert_eq!(rules["Rules"][0]["EventPattern"], pattern);
    for _ in 0..2 {
        ask(&world, "DeleteRule", json!({ "Name": "mine" })).await.ok();
    }
    let rules = ask(&world, "ListRules", json!({})).await.ok();
    assert_eq!(rules["Rules"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_would_be_simulated_wrongly_is_refused_and_so_is_another_accounts_rule() {
    let world = world();
    let queue = queue(&world);
    let pattern = r#"{"source":["amiferry"]}"#;
    ask(&world, "PutRule", json!({ "Name": "mine", "EventPattern": pattern })).await.ok();
    let rule = |change: Value| {
        let mut rule = json!({ "Name": "other", "EventPattern": pattern });
        rule.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        rule
    };
    for (change, status) in [
        (json!({ "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" }), 501),
        (json!({ "ScheduleExpression": "rate(1 hour)" }), 501),
        (json!({ "EventBusName": "of-my-own" }), 501),
        (json!({ "EventPattern": r#"{"source":[{"cidr":"10.0.0.0/8"}]}"# }), 400),
        (json!({ "Name": "two words" }), 400),
    ] {
        assert_eq!(ask(&world, "PutRule", rule(change.clone())).await.status, status, "{change}");
    }
    let changed = json!({ "Id": "1", "Arn": queue, "InputPath": "$.detail" });
    let lambda =
        json!({ "Id": "1", "Arn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:f") });
    for target in [changed, lambda] {
        let body = json!({ "Rule": "mine", "Targets": [target] });
        assert_eq!(ask(&world, "PutTargets", body).await.status, 501);
    }
    let body = json!({ "Rule": "mine" });
    let foreign = call(&world, OTHER, "events", "ListTargetsByRule", body).await;
    assert_eq!(foreign.header("x-amzn-errortype"), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_disabled_rule_sends_nothing_and_is_described_as_it_is() {
    let world = world();
    let queue = queue(&world);
    let pattern = r#"{"source":["amiferry"]}"#;
    let rule = json!({ "Name": "mine", "EventPattern": pattern, "State": "DISABLED" });
    ask(&world, "PutRule", rule).await.ok();
    let targets = json!({ "Rule": "mine", "Targets": [{ "Id": "q", "Arn": queue }] });
    ask(&world, "PutTargets", targets).await.ok();
    assert_eq!(told(&world, &queue).await, 0);
    let named = json!({ "Name": "mine" });
    ask(&world, "EnableRule", named.clone()).await.ok();
    assert_eq!(told(&world, &queue).await, 1);
    ask(&world, "DisableRule", named.clone()).await.ok();
    assert_eq!(told(&world, &queue).await, 0);
    let described = ask(&world, "DescribeRule", named).await.ok();
    assert_eq!(
        (&described["State"], &described["EventPattern"]),
        (&json!("DISABLED"), &json!(pattern))
    );
    let by_target = ask(&world, "ListRuleNamesByTarget", json!({ "TargetArn": queue })).await.ok();
    assert_eq!(by_target, json!({ "RuleNames": ["mine"] }));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_is_tested_with_an_event_that_is_whole() {
    let world = world();
    let event = json!({
        "id": "1", "account": ACCOUNT, "source": "aws.ec2", "time": "2026-01-01T00:00:00Z",
        "region": REGION, "resources": [], "detail-type": "a change",
    });
    for (source, takes) in [("aws.ec2", true), ("aws.s3", false)] {
        let pattern = json!({ "source": [source] }).to_string();
        let body = json!({ "EventPattern": pattern, "Event": event.to_string() });
        assert_eq!(ask(&world, "TestEventPattern", body).await.ok(), json!({ "Result": takes }));
    }
}
