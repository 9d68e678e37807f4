//! `PutEvents` through the wire.

use serde_json::{Value, json};

use crate::sqs::{self, QueueSpec};
use crate::testing::{ACCOUNT, OTHER, REGION, Reply, json as call, pass, world};
use crate::{World, events};

/// A queue that gets what is put on the default bus with the source `amiferry`.
fn listen(world: &World) -> amiferry_core::ids::Arn {
    let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    let policy = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},
        "Action":"sqs:SendMessage","Resource":"*"}}"#;
    let spec = QueueSpec { policy: Some(policy.to_owned()), ..QueueSpec::named("told") };
    let now = world.now();
    let mut state = world.lock();
    let queue = sqs::create_queue(&mut state, now, &account, &region, &spec).unwrap();
    let (rule, targets) = (r#"{"source":["amiferry"]}"#, std::slice::from_ref(&queue));
    events::put_rule(&mut state, &account, &region, "told", rule, targets).unwrap();
    queue
}

fn entry(change: impl FnOnce(&mut Value)) -> Value {
    let mut entry = json!({"Source": "amiferry", "DetailType": "a change", "Detail": "{\"n\":1}"});
    change(&mut entry);
    entry
}

async fn put(world: &World, account: &str, entries: &[Value]) -> Reply {
    call(world, account, "events", "PutEvents", json!({ "Entries": entries })).await
}

#[tokio::test(start_paused = true)]
async fn what_is_put_on_the_default_bus_reaches_the_targets_of_its_rules() {
    let world = world();
    let queue = listen(&world);
    let bus = format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default");
    for name in [None, Some("default"), Some(bus.as_str())] {
        let named = entry(|entry| entry["EventBusName"] = json!(name));
        let answer = put(&world, ACCOUNT, &[named]).await.ok();
        assert_eq!(answer["FailedEntryCount"], 0);
        pass(&world, 5).await;
        let now = world.now();
        let mut state = world.lock();
        let bodies = sqs::bodies(&state, &queue);
        sqs::purge(&mut state, now, &queue);
        let [body] = &bodies[..] else { panic!("{bodies:?}") };
        let event: Value = serde_json::from_str(body).unwrap();
        assert_eq!(event["id"], answer["Entries"][0]["EventId"]);
        assert_eq!(
            [&event["account"], &event["source"], &event["detail-type"], &event["detail"]["n"]],
            [&json!(ACCOUNT), &json!("amiferry"), &json!("a change"), &json!(1)]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_entry_has_its_own_answer_and_a_bad_one_stops_no_other() {
    let world = world();
    let queue = listen(&world);
    let entries = [
        entry(|entry| entry["Detail"] = json!("[1]")),
        entry(|_| {}),
        entry(|entry| entry["DetailType"] = Value::Null),
        entry(|entry| entry["Source"] = json!("aws.ec2")),
    ];
    let answer = put(&world, ACCOUNT, &entries).await.ok();
    assert_eq!(answer["FailedEntryCount"], 3);
    let codes: Vec<_> =
        answer["Entries"].as_array().unwrap().iter().map(|e| &e["ErrorCode"]).collect();
    let expected = [
        json!("MalformedDetail"),
        Value::Null,
        json!("InvalidArgument"),
        json!("NotAuthorizedForSourceException"),
    ];
    assert_eq!(codes, expected.iter().collect::<Vec<_>>());
    pass(&world, 5).await;
    assert_eq!(sqs::depth(&world.lock(), &queue), 1);
}

#[tokio::test(start_paused = true)]
async fn the_bus_of_another_account_needs_its_policy_and_too_many_entries_are_refused() {
    let world = world();
    listen(&world);
    let bus = format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default");
    let named = entry(|entry| entry["EventBusName"] = json!(bus));
    let refused = put(&world, OTHER, std::slice::from_ref(&named)).await;
    assert_eq!(
        (refused.status, refused.header("x-amzn-errortype")),
        (400, "AccessDeniedException")
    );
    let policy = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":"{OTHER}"}},"Action":"events:PutEvents","Resource":"{bus}"}}}}"#
    );
    let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    events::put_bus_policy(&mut world.lock(), &account, &region, &policy).unwrap();
    put(&world, OTHER, &[named]).await.ok();
    for entries in [vec![], vec![entry(|_| {}); 11]] {
        let refused = put(&world, ACCOUNT, &entries).await;
        assert_eq!(refused.header("x-amzn-errortype"), "ValidationException", "{}", entries.len());
    }
    let other = entry(|entry| entry["EventBusName"] = json!("of-my-own"));
    assert_eq!(put(&world, ACCOUNT, &[other]).await.status, 501);
}
