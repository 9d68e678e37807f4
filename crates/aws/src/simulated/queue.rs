//! SQS: receive, release, delete, depth, settings.

use std::time::Duration;

use amiferry_core::fault::FaultClass;
use amiferry_core::ids::Arn;
use amiferry_core::ports::{QueueDepth, Receipt, WorkQueue};
use amiferry_simulator::{World, sqs};

use super::*;
use crate::SqsQueue;

fn queue(world: &World) -> (SqsQueue, Arn) {
    let now = world.now();
    let state = &mut world.lock();
    let create = |state: &mut _, spec| {
        sqs::create_queue(state, now, &account(ACCOUNT), &region(), &spec).unwrap()
    };
    let dead = create(state, sqs::QueueSpec::named("dead"));
    let redrive = Some((dead, 5));
    let arn = create(state, sqs::QueueSpec { redrive, ..sqs::QueueSpec::named("events") });
    let url = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/events");
    (SqsQueue::new(&session(world, ACCOUNT), url), arn)
}

fn put(world: &World, queue: &Arn, bodies: usize) {
    let now = world.now();
    for body in 0..bodies {
        sqs::deliver(&mut world.lock(), now, queue, body.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_received_counted_released_and_deleted() {
    let world = world();
    let (queue, arn) = queue(&world);
    put(&world, &arn, 1);
    let first = queue.receive(10, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!((first.body.as_str(), first.receive_count), ("0", 1));
    assert_eq!(queue.depth().await, Ok(QueueDepth { waiting: 0, in_flight: 1 }));
    assert_eq!(queue.release(&[first.receipt], Duration::ZERO).await, Ok(vec![Ok(())]));
    let second = queue.receive(10, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!(second.receive_count, 2);
    assert_eq!(queue.delete(&[second.receipt]).await, Ok(vec![Ok(())]));
    assert_eq!(queue.depth().await, Ok(QueueDepth::default()));
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_its_time_and_an_empty_answer_is_no_fault() {
    let world = world();
    let (queue, _) = queue(&world);
    let before = world.now();
    assert_eq!(queue.receive(10, Duration::from_secs(20)).await, Ok(Vec::new()));
    assert!(world.now().duration_since(before).as_secs() >= 20);
}

#[tokio::test(start_paused = true)]
async fn more_than_ten_receipts_go_in_several_calls_and_each_has_its_answer() {
    let world = world();
    let (queue, arn) = queue(&world);
    put(&world, &arn, 12);
    let mut receipts = Vec::new();
    while receipts.len() < 12 {
        let received = queue.receive(10, Duration::ZERO).await.unwrap();
        receipts.extend(received.into_iter().map(|message| message.receipt));
    }
    receipts.insert(3, Receipt("not a receipt".to_owned()));
    let answers = queue.delete(&receipts).await.unwrap();
    let failed: Vec<usize> =
        answers.iter().enumerate().filter(|(_, answer)| answer.is_err()).map(|(i, _)| i).collect();
    assert_eq!((answers.len(), failed), (13, vec![3]));
    assert_eq!(calls(&world, "sqs", "DeleteMessageBatch"), 2);
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_a_queue_are_known_and_a_missing_queue_is_not_found() {
    let world = world();
    let (queue, arn) = queue(&world);
    let facts = queue.facts().await.unwrap();
    assert_eq!((facts.arn, facts.visibility_timeout), (arn, Duration::from_secs(30)));
    let redrive = facts.redrive.unwrap();
    assert_eq!((redrive.target.resource(), redrive.maximum_receives), ("dead", 5));
    let url = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/none");
    let fault = SqsQueue::new(&session(&world, ACCOUNT), &url).facts().await.unwrap_err();
    assert_eq!((fault.class, fault.resource), (FaultClass::NotFound, url));
}
