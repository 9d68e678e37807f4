//! SQS through the wire, under paused time.

use amiferry_core::ids::Arn;
use serde_json::{Value, json};

use crate::sqs::{self, QueueSpec};
use crate::testing::{ACCOUNT, OTHER, REGION, Reply, json as call_json, pass, world, world_with};
use crate::{Settings, World};

#[path = "tests/limits.rs"]
mod limits;

const URL: &str = "http://localhost:4566/111111111111/q";

async fn call(world: &World, operation: &str, body: Value) -> Reply {
    call_json(world, ACCOUNT, "sqs", operation, body).await
}

fn queue(world: &World, spec: &QueueSpec) -> Arn {
    let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    let now = world.now();
    sqs::create_queue(&mut world.lock(), now, &account, &region, spec).unwrap()
}

async fn send(world: &World, body: &str) -> Value {
    call(world, "SendMessage", json!({"QueueUrl": URL, "MessageBody": body})).await.ok()
}

async fn receive(world: &World, url: &str, more: Value) -> Vec<Value> {
    let mut request =
        json!({"QueueUrl": url, "MessageSystemAttributeNames": ["All"], "MaxNumberOfMessages": 10});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = call(world, "ReceiveMessage", request).await.ok();
    let messages = answer.get("Messages").map(|messages| messages.as_array().unwrap().clone());
    assert_ne!(messages, Some(Vec::new()), "an empty answer has no Messages member");
    messages.unwrap_or_default()
}

fn handle(message: &Value) -> String {
    message["ReceiptHandle"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_while_in_flight_and_comes_back_with_a_new_handle() {
    let world = world();
    queue(&world, &QueueSpec::named("q"));
    let sent = send(&world, "hello").await;
    assert_eq!(sent["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
    let first = receive(&world, URL, json!({})).await;
    assert_eq!(first[0]["Body"], "hello");
    assert_eq!(first[0]["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(first[0]["Attributes"]["SentTimestamp"], "1767225600000");
    assert!(receive(&world, URL, json!({})).await.is_empty());
    pass(&world, 30).await;
    let second = receive(&world, URL, json!({})).await;
    assert_eq!(second[0]["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(second[0]["Attributes"]["ApproximateFirstReceiveTimestamp"], "1767225600000");
    assert_ne!(handle(&first[0]), handle(&second[0]));
    call(&world, "DeleteMessage", json!({"QueueUrl": URL, "ReceiptHandle": handle(&second[0])}))
        .await
        .ok();
    pass(&world, 60).await;
    assert!(receive(&world, URL, json!({})).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stale_handle_deletes_only_where_the_switch_says_so() {
    for stale_handles_delete in [false, true] {
        let settings = Settings {
            sqs: sqs::Settings { stale_handles_delete, ..sqs::Settings::default() },
            ..Settings::default()
        };
        let world = world_with(settings);
        let arn = queue(&world, &QueueSpec::named("q"));
        send(&world, "x").await;
        let first = receive(&world, URL, json!({"VisibilityTimeout": 1})).await;
        pass(&world, 2).await;
        receive(&world, URL, json!({})).await;
        let request = json!({"QueueUrl": URL, "ReceiptHandle": handle(&first[0])});
        assert_eq!(call(&world, "DeleteMessage", request).await.ok(), json!({}));
        assert_eq!(sqs::depth(&world.lock(), &arn), usize::from(!stale_handles_delete));
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_with_the_message_the_timeout_or_its_own_end() {
    let world = world();
    let arn = queue(&world, &QueueSpec::named("q"));
    let started = world.now();
    assert!(receive(&world, URL, json!({"WaitTimeSeconds": 20})).await.is_empty());
    assert_eq!(world.now().duration_since(started).as_secs(), 20);

    let (received, ()) =
        tokio::join!(receive(&world, URL, json!({"WaitTimeSeconds": 20})), async {
            pass(&world, 5).await;
            let now = world.now();
            sqs::deliver(&mut world.lock(), now, &arn, "late".to_owned());
        });
    assert_eq!(received[0]["Body"], "late");
    assert_eq!(world.now().duration_since(started).as_secs(), 25);

    let again = receive(&world, URL, json!({"WaitTimeSeconds": 20, "VisibilityTimeout": 3})).await;
    assert!(again.is_empty(), "still in flight for 30 seconds");
    let again = receive(&world, URL, json!({"WaitTimeSeconds": 20})).await;
    assert_eq!(again.len(), 1);
    assert_eq!(world.now().duration_since(started).as_secs(), 55, "as soon as it is visible");

    let (received, ()) =
        tokio::join!(receive(&world, URL, json!({"WaitTimeSeconds": 20})), async {
            pass(&world, 1).await;
            call(
            &world,
            "ChangeMessageVisibility",
            json!({"QueueUrl": URL, "ReceiptHandle": handle(&again[0]), "VisibilityTimeout": 0}),
        )
        .await
        .ok();
        });
    assert_eq!(received.len(), 1);
    assert_eq!(world.now().duration_since(started).as_secs(), 56);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_wakes_a_long_poll_when_its_delay_ends() {
    let world = world();
    queue(&world, &QueueSpec::named("q"));
    let started = world.now();
    call(&world, "SendMessage", json!({"QueueUrl": URL, "MessageBody": "x", "DelaySeconds": 7}))
        .await
        .ok();
    let request = json!({"QueueUrl": URL, "AttributeNames": ["All"]});
    let attributes = call(&world, "GetQueueAttributes", request).await.ok();
    assert_eq!(attributes["Attributes"]["ApproximateNumberOfMessagesDelayed"], "1");
    assert_eq!(attributes["Attributes"]["ApproximateNumberOfMessages"], "0");
    assert_eq!(receive(&world, URL, json!({"WaitTimeSeconds": 20})).await.len(), 1);
    assert_eq!(world.now().duration_since(started).as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_receive_after_the_last_allowed_one_moves_to_the_dead_letter_queue() {
    let world = world();
    let dead = queue(&world, &QueueSpec { retention: Some(400), ..QueueSpec::named("dead") });
    let spec = QueueSpec {
        visibility: Some(100),
        redrive: Some((dead.clone(), 2)),
        ..QueueSpec::named("q")
    };
    let arn = queue(&world, &spec);
    send(&world, "poison").await;
    for _ in 0..2 {
        assert_eq!(receive(&world, URL, json!({})).await.len(), 1);
        assert_eq!(sqs::depth(&world.lock(), &dead), 0);
        pass(&world, 100).await;
    }
    assert!(receive(&world, URL, json!({})).await.is_empty());
    assert_eq!(sqs::bodies(&world.lock(), &dead), ["poison"]);
    let url = URL.replace("/q", "/dead");
    let received = receive(&world, &url, json!({"VisibilityTimeout": 0})).await;
    let attributes = &received[0]["Attributes"];
    assert_eq!(attributes["SentTimestamp"], "1767225600000");
    assert_eq!(attributes["ApproximateReceiveCount"], "3");
    assert_eq!(attributes["DeadLetterQueueSourceArn"], arn.as_str());
    pass(&world, 200).await;
    assert!(receive(&world, &url, json!({})).await.is_empty(), "its age counts from the sending");
}

#[tokio::test(start_paused = true)]
async fn a_move_task_brings_dead_letters_back_to_their_source() {
    let world = world();
    let dead = queue(&world, &QueueSpec::named("dead"));
    let arn = queue(
        &world,
        &QueueSpec {
            redrive: Some((dead.clone(), 1)),
            visibility: Some(0),
            ..QueueSpec::named("q")
        },
    );
    send(&world, "x").await;
    receive(&world, URL, json!({})).await;
    assert!(receive(&world, URL, json!({})).await.is_empty());
    let source = json!({"SourceArn": dead});
    call(&world, "StartMessageMoveTask", source.clone()).await.ok();
    assert_eq!(sqs::bodies(&world.lock(), &arn), ["x"]);
    let tasks = call(&world, "ListMessageMoveTasks", source).await.ok();
    assert_eq!(tasks["Results"][0]["ApproximateNumberOfMessagesMoved"], 1);
    assert_eq!(tasks["Results"][0].get("DestinationArn"), None, "absent, not null");
    let again = receive(&world, URL, json!({})).await;
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "1");
    let missing = arn.to_string() + "-not";
    for (source, code) in
        [(arn.to_string(), "InvalidParameterValue"), (missing, "ResourceNotFoundException")]
    {
        let refused = call(&world, "StartMessageMoveTask", json!({"SourceArn": source})).await;
        assert_eq!(refused.header("x-amzn-query-error"), format!("{code};Sender"));
    }
}

#[tokio::test(start_paused = true)]
async fn visibility_can_be_extended_to_twelve_hours_after_the_receive_and_no_further() {
    let world = world();
    queue(&world, &QueueSpec::named("q"));
    send(&world, "x").await;
    let received = receive(&world, URL, json!({"VisibilityTimeout": 7200})).await;
    let change = |seconds: i64| {
        let request = json!({"QueueUrl": URL, "ReceiptHandle": handle(&received[0]), "VisibilityTimeout": seconds});
        call(&world, "ChangeMessageVisibility", request)
    };
    pass(&world, 3600).await;
    change(39_600).await.ok();
    let refused = change(39_601).await;
    assert_eq!(
        (refused.status, refused.header("x-amzn-query-error")),
        (400, "InvalidParameterValue;Sender")
    );
    assert!(refused.text.contains("beyond the limit [43200 seconds]"), "{}", refused.text);
    pass(&world, 39_600).await;
    let late = change(30).await;
    assert_eq!(
        late.header("x-amzn-query-error"),
        "AWS.SimpleQueueService.MessageNotInflight;Sender"
    );
    assert_eq!(late.json()["__type"], "com.amazonaws.sqs#MessageNotInflight");
}

#[tokio::test(start_paused = true)]
async fn a_batch_succeeds_in_part() {
    let world = world();
    let arn = queue(&world, &QueueSpec::named("q"));
    let entries = json!([
        {"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "\u{1}"}, {"Id": "c", "MessageBody": "3"}
    ]);
    let answer =
        call(&world, "SendMessageBatch", json!({"QueueUrl": URL, "Entries": entries})).await.ok();
    assert_eq!(answer["Successful"].as_array().unwrap().len(), 2);
    assert_eq!(answer["Failed"][0]["Id"], "b");
    assert_eq!(answer["Failed"][0]["Code"], "InvalidMessageContents");
    let received = receive(&world, URL, json!({})).await;
    let entries = json!([
        {"Id": "x", "ReceiptHandle": handle(&received[0])}, {"Id": "y", "ReceiptHandle": "junk"}
    ]);
    let answer =
        call(&world, "DeleteMessageBatch", json!({"QueueUrl": URL, "Entries": entries})).await.ok();
    assert_eq!(answer["Successful"], json!([{"Id": "x"}]));
    assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    let entries = json!([{"Id": "z", "MessageBody": "3"}]);
    let answer =
        call(&world, "SendMessageBatch", json!({"QueueUrl": URL, "Entries": entries})).await.ok();
    assert_eq!(answer["Failed"], json!([]), "an empty list is there");
    assert_eq!(sqs::bodies(&world.lock(), &arn), ["3", "3"]);
}

#[tokio::test(start_paused = true)]
async fn errors_carry_status_shape_and_query_code() {
    let world = world();
    queue(&world, &QueueSpec::named("q"));
    let prefix = "AWS.SimpleQueueService.";
    let many: Vec<Value> =
        (0..11).map(|n| json!({"Id": n.to_string(), "ReceiptHandle": "x"})).collect();
    let twice = json!([{"Id": "a", "ReceiptHandle": "x"}, {"Id": "a", "ReceiptHandle": "x"}]);
    let large = "x".repeat(1_048_577);
    for (operation, body, code, shape) in [
        (
            "ReceiveMessage",
            json!({"QueueUrl": "http://h/111111111111/none"}),
            format!("{prefix}NonExistentQueue"),
            "QueueDoesNotExist",
        ),
        (
            "GetQueueUrl",
            json!({"QueueName": "none"}),
            format!("{prefix}NonExistentQueue"),
            "QueueDoesNotExist",
        ),
        (
            "ReceiveMessage",
            json!({}),
            "MissingParameter".to_owned(),
            "MissingRequiredParameterException",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": URL, "MaxNumberOfMessages": 11}),
            "InvalidParameterValue".to_owned(),
            "InvalidParameterValueException",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": URL, "WaitTimeSeconds": 21}),
            "InvalidParameterValue".to_owned(),
            "InvalidParameterValueException",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": URL, "MessageBody": "\u{0}"}),
            "InvalidMessageContents".to_owned(),
            "InvalidMessageContents",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": URL, "MessageBody": large}),
            "InvalidParameterValue".to_owned(),
            "InvalidParameterValueException",
        ),
        (
            "DeleteMessage",
            json!({"QueueUrl": URL, "ReceiptHandle": "junk"}),
            "ReceiptHandleIsInvalid".to_owned(),
            "ReceiptHandleIsInvalid",
        ),
        (
            "DeleteMessageBatch",
            json!({"QueueUrl": URL, "Entries": []}),
            format!("{prefix}EmptyBatchRequest"),
            "EmptyBatchRequest",
        ),
        (
            "DeleteMessageBatch",
            json!({"QueueUrl": URL, "Entries": many}),
            format!("{prefix}TooManyEntriesInBatchRequest"),
            "TooManyEntriesInBatchRequest",
        ),
        (
            "DeleteMessageBatch",
            json!({"QueueUrl": URL, "Entries": twice}),
            format!("{prefix}BatchEntryIdsNotDistinct"),
            "BatchEntryIdsNotDistinct",
        ),
        (
            "DeleteMessageBatch",
            json!({"QueueUrl": URL, "Entries": [{"Id": "a b"}]}),
            format!("{prefix}InvalidBatchEntryId"),
            "InvalidBatchEntryId",
        ),
        (
            "GetQueueAttributes",
            json!({"QueueUrl": URL, "AttributeNames": ["Colour"]}),
            "InvalidAttributeName".to_owned(),
            "InvalidAttributeName",
        ),
        (
            "SetQueueAttributes",
            json!({"QueueUrl": URL, "Attributes": {"DelaySeconds": "901"}}),
            "InvalidAttributeValue".to_owned(),
            "InvalidAttributeValue",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "q", "Attributes": {"DelaySeconds": "1"}}),
            "QueueAlreadyExists".to_owned(),
            "QueueNameExists",
        ),
    ] {
        let reply = call(&world, operation, body).await;
        assert_eq!(reply.status, 400, "{operation} {}", reply.text);
        assert_eq!(reply.header("x-amzn-query-error"), format!("{code};Sender"), "{operation}");
        assert_eq!(reply.json()["__type"], format!("com.amazonaws.sqs#{shape}"), "{operation}");
    }
    let unknown = call(&world, "AddPermission", json!({})).await;
    assert_eq!(unknown.status, 501);
    assert!(unknown.text.contains("sqs:AddPermission"), "{}", unknown.text);
}

#[tokio::test(start_paused = true)]
async fn beyond_120_000_in_flight_a_short_poll_fails_and_a_long_poll_is_silent() {
    let world = world();
    let arn = queue(&world, &QueueSpec { visibility: Some(43_200), ..QueueSpec::named("q") });
    let now = world.now();
    for _ in 0..120_001 {
        sqs::deliver(&mut world.lock(), now, &arn, "x".to_owned());
    }
    for _ in 0..12_000 {
        call(&world, "ReceiveMessage", json!({"QueueUrl": URL, "MaxNumberOfMessages": 10}))
            .await
            .ok();
    }
    let short = call(&world, "ReceiveMessage", json!({"QueueUrl": URL})).await;
    assert_eq!(short.header("x-amzn-query-error"), "OverLimit;Sender");
    assert!(receive(&world, URL, json!({"WaitTimeSeconds": 1})).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_account_needs_the_queue_policy() {
    let world = world();
    queue(&world, &QueueSpec::named("closed"));
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:111111111111:open"}}"#;
    queue(&world, &QueueSpec { policy: Some(policy.to_owned()), ..QueueSpec::named("open") });
    for (name, operation, allowed) in [
        ("open", "SendMessage", true),
        ("open", "ReceiveMessage", false),
        ("closed", "SendMessage", false),
    ] {
        let body = json!({"QueueUrl": URL.replace("/q", &format!("/{name}")), "MessageBody": "x"});
        let reply = call_json(&world, OTHER, "sqs", operation, body).await;
        assert_eq!(reply.status == 200, allowed, "{name} {operation}: {}", reply.text);
        if !allowed {
            let expected = format!(
                "User: arn:aws:iam::222222222222:root is not authorized to perform: sqs:{operation} on resource: arn:aws:sqs:us-east-1:111111111111:{name} because no resource-based policy allows the sqs:{operation} action"
            );
            assert_eq!(reply.json()["message"], expected);
            assert_eq!(reply.json()["__type"], "com.amazonaws.sqs#AccessDeniedException");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn names_rest_60_seconds_after_deletion_and_purges_are_60_seconds_apart() {
    let world = world();
    let make = || call(&world, "CreateQueue", json!({"QueueName": "q"}));
    let url = make().await.ok()["QueueUrl"].clone();
    assert_eq!(url, "https://sqs.us-east-1.amazonaws.com/111111111111/q");
    assert_eq!(make().await.ok()["QueueUrl"], url, "the same queue again is no error");
    send(&world, "x").await;
    call(&world, "PurgeQueue", json!({"QueueUrl": url})).await.ok();
    assert!(receive(&world, URL, json!({})).await.is_empty());
    let again = call(&world, "PurgeQueue", json!({"QueueUrl": url})).await;
    assert_eq!(again.json()["__type"], "com.amazonaws.sqs#PurgeQueueInProgress");
    call(&world, "DeleteQueue", json!({"QueueUrl": url})).await.ok();
    assert_eq!(make().await.json()["__type"], "com.amazonaws.sqs#QueueDeletedRecently");
    pass(&world, 60).await;
    make().await.ok();
}
