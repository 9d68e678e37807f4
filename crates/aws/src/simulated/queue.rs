//! SQS: receive, release, delete, depth, settings.

use std::time::Duration;

use amiferry_core::fault::FaultClass;
use amiferry_core::ids::Arn;
use amiferry_core::ports::{DeadLetters, HIDDEN, Listing, QueueDepth, Receipt, WorkQueue};
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
    let first = read(queue.receive(10, Duration::ZERO).await).remove(0);
    assert_eq!((first.body.as_str(), first.receive_count), ("0", 1));
    assert_eq!(queue.depth().await, Ok(QueueDepth { waiting: 0, in_flight: 1 }));
    assert_eq!(queue.release(&[first.receipt], Duration::ZERO).await, Ok(vec![Ok(())]));
    let second = read(queue.receive(10, Duration::ZERO).await).remove(0);
    assert_eq!(second.receive_count, 2);
    assert_eq!(queue.delete(&[second.receipt]).await, Ok(vec![Ok(())]));
    assert_eq!(queue.depth().await, Ok(QueueDepth::default()));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_for_its_time_whatever_the_queue_says_and_as_often_as_asked() {
    let world = world();
    let (queue, arn) = queue(&world);
    assert_ne!(queue.facts().await.unwrap().visibility_timeout, HIDDEN);
    put(&world, &arn, 1);
    let first = read(queue.receive(10, Duration::ZERO).await).remove(0);
    let almost = HIDDEN - Duration::from_secs(2);
    for _ in 0..3 {
        world.clock().sleep(almost).await;
        assert_eq!(queue.receive(10, Duration::ZERO).await, Ok(Listing::default()));
        let receipts = std::slice::from_ref(&first.receipt);
        assert_eq!(queue.release(receipts, HIDDEN).await, Ok(vec![Ok(())]));
    }
    world.clock().sleep(HIDDEN + Duration::from_secs(1)).await;
    let second = read(queue.receive(10, Duration::ZERO).await).remove(0);
    assert_eq!(second.receive_count, 2);
}

#[tokio::test(start_paused = true)]
async fn hiding_a_message_for_more_than_twelve_hours_is_refused_as_invalid() {
    let world = world();
    let (queue, arn) = queue(&world);
    put(&world, &arn, 1);
    let receipt = read(queue.receive(10, Duration::ZERO).await).remove(0).receipt;
    let hide = |hours: u64| {
        let (queue, receipt) = (queue.clone(), receipt.clone());
        async move { queue.release(&[receipt], Duration::from_secs(hours * 3600)).await }
    };
    assert_eq!(hide(11).await, Ok(vec![Ok(())]));
    world.clock().sleep(Duration::from_secs(10 * 3600)).await;
    let refused = hide(3).await.unwrap().remove(0).unwrap_err();
    assert_eq!(refused.class, FaultClass::Invalid, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_waits_its_time_and_an_empty_answer_is_no_fault() {
    let world = world();
    let (queue, _) = queue(&world);
    let before = world.now();
    assert_eq!(queue.receive(10, Duration::from_secs(20)).await, Ok(Listing::default()));
    assert!(world.now().duration_since(before).as_secs() >= 20);
}

#[tokio::test(start_paused = true)]
async fn more_than_ten_receipts_go_in_several_calls_and_each_has_its_answer() {
    let world = world();
    let (queue, arn) = queue(&world);
    put(&world, &arn, 12);
    let mut receipts = Vec::new();
    while receipts.len() < 12 {
        let received = read(queue.receive(10, Duration::ZERO).await);
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

/// Receives what is in the queue as often as the redrive policy allows, and once more.
async fn bury(world: &World, queue: &SqsQueue) {
    for _ in 0..=5 {
        queue.receive(10, Duration::ZERO).await.unwrap();
        world.clock().sleep(HIDDEN + Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_tells_when_it_was_first_sent_and_goes_back_as_a_new_message() {
    let world = world();
    let (queue, arn) = queue(&world);
    let sent = world.now();
    put(&world, &arn, 1);
    assert_eq!(queue.dead_letter_count().await, Ok(Some(0)));
    bury(&world, &queue).await;
    assert_eq!(queue.dead_letter_count().await, Ok(Some(1)));
    assert_eq!(queue.depth().await, Ok(QueueDepth::default()));

    let letters = queue.dead_letters().await.unwrap().unwrap();
    assert!(letters.url().ends_with("/dead"), "{}", letters.url());
    let hidden = Duration::from_secs(60);
    let letter = read(letters.take(10, hidden).await).remove(0);
    assert_eq!(letter.sent.unwrap().as_millisecond(), sent.as_millisecond());
    assert_eq!((letter.message.receive_count, letter.elsewhere), (6, None));
    assert_eq!(letters.take(10, hidden).await, Ok(Listing::default()), "it is hidden");
    assert_eq!(letters.put_back(&[letter.message.receipt]).await, Ok(vec![Ok(())]));

    let letter = read(letters.take(10, hidden).await).remove(0);
    let new = letters.send_back(&letter.message.body).await.unwrap();
    assert_eq!(letters.remove(&letter.message.receipt).await, Ok(()));
    assert_eq!(letters.remove(&letter.message.receipt).await, Ok(()), "a second time is no fault");
    assert_eq!(queue.dead_letter_count().await, Ok(Some(0)));
    let again = read(queue.receive(10, Duration::ZERO).await).remove(0);
    assert_eq!((again.id, again.receive_count, again.body), (new, 1, letter.message.body));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_another_queue_names_that_queue() {
    let world = world();
    let (queue, _) = queue(&world);
    let now = world.now();
    let dead: Arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:dead").parse().unwrap();
    let redrive = Some((dead, 5));
    let spec = sqs::QueueSpec { redrive, ..sqs::QueueSpec::named("other") };
    let other =
        sqs::create_queue(&mut world.lock(), now, &account(ACCOUNT), &region(), &spec).unwrap();
    put(&world, &other, 1);
    let url = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/other");
    bury(&world, &SqsQueue::new(&session(&world, ACCOUNT), url)).await;
    let letters = queue.dead_letters().await.unwrap().unwrap();
    let letter = read(letters.take(10, Duration::from_secs(60)).await).remove(0);
    assert_eq!(letter.elsewhere, Some(other));
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_a_redrive_policy_has_no_dead_letters_and_a_missing_one_is_not_found() {
    let world = world();
    queue(&world);
    let session = session(&world, ACCOUNT);
    let dead = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/dead");
    assert_eq!(SqsQueue::new(&session, dead).dead_letter_count().await, Ok(None));

    let now = world.now();
    let gone: Arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:gone").parse().unwrap();
    let spec = sqs::QueueSpec { redrive: Some((gone, 5)), ..sqs::QueueSpec::named("lonely") };
    sqs::create_queue(&mut world.lock(), now, &account(ACCOUNT), &region(), &spec).unwrap();
    let url = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/lonely");
    let fault = SqsQueue::new(&session, url).dead_letters().await.unwrap_err();
    assert_eq!((fault.class, fault.operation), (FaultClass::NotFound, "sqs:GetQueueUrl"));
}
