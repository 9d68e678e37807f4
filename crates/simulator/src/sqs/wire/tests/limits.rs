//! Queues under keys, dead-letter queues that choose their sources, and what short polls miss.

use super::*;
use crate::kms::{self, KeySpec, KeyState};

#[tokio::test(start_paused = true)]
async fn a_queue_under_a_key_needs_that_key_and_names_its_state() {
    let world = world();
    queue(&world, &QueueSpec::named("q"));
    let (account, region) = (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
    let now = world.now();
    let key =
        kms::create_key(&mut world.lock(), now, &account, &region, &KeySpec::default()).unwrap();
    let attributes = json!({"KmsMasterKeyId": key});
    call(&world, "SetQueueAttributes", json!({"QueueUrl": URL, "Attributes": attributes}))
        .await
        .ok();
    send(&world, "secret").await;
    for (state, code, shape) in [
        (KeyState::Disabled, "KMS.DisabledException", "KmsDisabled"),
        (KeyState::PendingDeletion, "KMS.InvalidStateException", "KmsInvalidState"),
    ] {
        kms::set_key_state(&mut world.lock(), &key, state).unwrap();
        for (operation, body) in [
            ("SendMessage", json!({"QueueUrl": URL, "MessageBody": "x"})),
            ("ReceiveMessage", json!({"QueueUrl": URL})),
        ] {
            let refused = call(&world, operation, body).await;
            assert_eq!(refused.header("x-amzn-query-error"), format!("{code};Sender"));
            assert_eq!(refused.json()["__type"], format!("com.amazonaws.sqs#{shape}"));
        }
    }
    kms::set_key_state(&mut world.lock(), &key, KeyState::Enabled).unwrap();
    assert_eq!(receive(&world, URL, json!({})).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_chooses_its_sources() {
    let world = world();
    let arn = |name: &str| format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
    let redrive = |target: &str| {
        json!({"deadLetterTargetArn": arn(target), "maxReceiveCount": 3}).to_string()
    };
    queue(&world, &QueueSpec::named("q"));
    queue(&world, &QueueSpec::named("dead"));
    let dead = "http://localhost:4566/111111111111/dead";
    for (allow, accepted) in [
        (json!({"redrivePermission": "denyAll"}), false),
        (json!({"redrivePermission": "byQueue", "sourceQueueArns": [arn("other")]}), false),
        (json!({"redrivePermission": "byQueue", "sourceQueueArns": [arn("q")]}), true),
        (json!({"redrivePermission": "allowAll"}), true),
    ] {
        let attributes = json!({"RedriveAllowPolicy": allow.to_string()});
        call(&world, "SetQueueAttributes", json!({"QueueUrl": dead, "Attributes": attributes}))
            .await
            .ok();
        let attributes = json!({"RedrivePolicy": redrive("dead")});
        let body = json!({"QueueUrl": URL, "Attributes": attributes});
        let answer = call(&world, "SetQueueAttributes", body).await;
        assert_eq!(answer.status == 200, accepted, "{allow}: {}", answer.text);
    }
    for attributes in [
        json!({"RedrivePolicy": redrive("absent")}),
        json!({"RedriveAllowPolicy": r#"{"redrivePermission":"some"}"#}),
    ] {
        let body = json!({"QueueUrl": URL, "Attributes": attributes});
        let refused = call(&world, "SetQueueAttributes", body).await;
        assert_eq!(refused.header("x-amzn-query-error"), "InvalidAttributeValue;Sender");
    }
}

#[tokio::test(start_paused = true)]
async fn short_polls_may_sample_and_the_limit_in_flight_is_a_setting() {
    let mut settings = Settings::default();
    settings.sqs.short_polls_sample = true;
    settings.sqs.in_flight_limit = 3;
    let world = world_with(settings);
    queue(&world, &QueueSpec::named("q"));
    for _ in 0..4 {
        send(&world, "x").await;
    }
    let (mut empty, mut received) = (0, 0);
    for _ in 0..50 {
        match call(&world, "ReceiveMessage", json!({"QueueUrl": URL})).await {
            refused if refused.status == 400 => break,
            answer if answer.json().get("Messages").is_some() => received += 1,
            _ => empty += 1,
        }
    }
    assert_eq!(received, 3, "then the queue is full");
    assert!(empty > 0, "some polls saw nothing");
    assert!(receive(&world, URL, json!({"WaitTimeSeconds": 1})).await.is_empty(), "silent");
}
