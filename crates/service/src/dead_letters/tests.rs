//! Nothing is lost on any way through a dead-letter queue.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use amiferry_core::event::{Reject, RejectCode};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::Arn;
use amiferry_core::ports::{
    DeadLetter, DeadLetters, Listing, Message, QueueDepth, Receipt, Unreadable,
};
use async_trait::async_trait;

use super::*;

/// Two queues in memory: dead letters and what was sent back.
#[derive(Debug, Default)]
struct Queues(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    visible: VecDeque<DeadLetter>,
    hidden: BTreeMap<Receipt, DeadLetter>,
    sent: Vec<String>,
    receives: u64,
    /// What the first receive lists, and nothing else.
    unreadable: Option<Unreadable>,
    /// How the nth receive from now, each send and each deletion fail.
    take_fault: Option<(u64, FaultClass)>,
    send_faults: VecDeque<Option<FaultClass>>,
    remove_fault: Option<FaultClass>,
}

fn fault(class: FaultClass) -> Fault {
    Fault {
        class,
        operation: "sqs:Test",
        resource: "dead".to_owned(),
        code: "Code".to_owned(),
        detail: "as the test asks".to_owned(),
        request_id: None,
    }
}

impl Queues {
    fn holding(bodies: &[&str]) -> Self {
        let queues = Self::default();
        for (n, body) in bodies.iter().enumerate() {
            let message = Message {
                receipt: Receipt(String::new()),
                id: format!("m{n}"),
                body: (*body).to_owned(),
                receive_count: 5,
            };
            let letter = DeadLetter { message, sent: None, elsewhere: None };
            queues.state().visible.push_back(letter);
        }
        queues
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Ids that another reader would get now.
    fn visible(&self) -> Vec<String> {
        let mut ids: Vec<String> =
            self.state().visible.iter().map(|letter| letter.message.id.clone()).collect();
        ids.sort();
        ids
    }
}

#[async_trait]
impl DeadLetters for Queues {
    async fn depth(&self) -> Result<QueueDepth, Fault> {
        Ok(QueueDepth { waiting: self.state().visible.len() as u64, in_flight: 0 })
    }

    async fn take(&self, max: u8, hidden: Duration) -> Result<Listing<DeadLetter>, Fault> {
        assert_eq!(hidden, HIDDEN);
        let mut state = self.state();
        state.receives += 1;
        if let Some((at, class)) = state.take_fault
            && at == state.receives
        {
            return Err(fault(class));
        }
        if let Some(unreadable) = state.unreadable.take() {
            return Ok(Listing { items: Vec::new(), unreadable: vec![unreadable] });
        }
        let count = state.visible.len().min(max.into());
        let mut letters: Vec<DeadLetter> = state.visible.drain(..count).collect();
        for letter in &mut letters {
            letter.message.receipt = Receipt(format!("{}/{}", letter.message.id, state.receives));
            state.hidden.insert(letter.message.receipt.clone(), letter.clone());
        }
        Ok(letters.into())
    }

    async fn put_back(&self, receipts: &[Receipt]) -> Result<Vec<Result<(), Fault>>, Fault> {
        let mut state = self.state();
        let mut answers = Vec::new();
        for receipt in receipts {
            answers.push(match state.hidden.remove(receipt) {
                Some(letter) => {
                    state.visible.push_back(letter);
                    Ok(())
                }
                None => Err(fault(FaultClass::Invalid)),
            });
        }
        Ok(answers)
    }

    async fn send_back(&self, body: &str) -> Result<String, Fault> {
        let mut state = self.state();
        if let Some(Some(class)) = state.send_faults.pop_front() {
            return Err(fault(class));
        }
        state.sent.push(body.to_owned());
        Ok(format!("new{}", state.sent.len()))
    }

    async fn remove(&self, receipt: &Receipt) -> Result<(), Fault> {
        let mut state = self.state();
        if let Some(class) = state.remove_fault {
            return Err(fault(class));
        }
        assert!(state.hidden.remove(receipt).is_some(), "{receipt:?} is not held");
        Ok(())
    }
}

const ALL: Redrive = Redrive { only: None, dry_run: false, force: false };

/// The worker of these tests refuses what says so.
fn refused(body: &str) -> Option<Reject> {
    (body == "bad").then(|| Reject::new(RejectCode::NotJson, "as the test asks"))
}

fn id(letter: &DeadLetter) -> String {
    letter.message.id.clone()
}

#[tokio::test]
async fn a_list_shows_each_message_once_up_to_its_limit_and_leaves_all_visible() {
    let bodies = ["x"; 25];
    for (limit, shown) in [(0, 0), (1, 1), (10, 10), (13, 13), (25, 25), (100, 25)] {
        let queues = Queues::holding(&bodies);
        let listed = list(&queues, limit, id).await.unwrap();
        let distinct: BTreeSet<&String> = listed.iter().collect();
        assert_eq!((listed.len(), distinct.len()), (shown, shown), "limit {limit}");
        assert_eq!(queues.visible().len(), 25, "limit {limit}");
    }
}

#[tokio::test]
async fn a_receive_that_fails_half_way_leaves_all_visible() {
    let queues = Queues::holding(&["x"; 25]);
    queues.state().take_fault = Some((2, FaultClass::Throttled));
    let failed = list(&queues, 100, id).await.unwrap_err();
    assert_eq!(failed.class, FaultClass::Throttled);
    assert_eq!(queues.visible().len(), 25);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_hides_no_other() {
    let queues = Queues::holding(&["a", "b"]);
    queues.state().unreadable = Some(Unreadable::new(Some("odd"), "it has no ReceiptHandle"));
    assert_eq!(list(&queues, 100, id).await.unwrap(), ["m0", "m1"]);
}

#[tokio::test]
async fn one_message_is_found_wherever_it_stands_and_stays() {
    let queues = Queues::holding(&["x"; 25]);
    assert_eq!(find(&queues, "m17").await.unwrap().as_ref().map(id), Some("m17".to_owned()));
    assert_eq!(find(&queues, "m99").await, Ok(None));
    assert_eq!(queues.visible().len(), 25);
}

#[tokio::test]
async fn all_are_sent_back_but_what_would_be_refused_again() {
    let queues = Queues::holding(&["a", "bad", "c"]);
    let done = redrive(&queues, &ALL, refused).await;
    let reject = Reject::new(RejectCode::NotJson, "as the test asks");
    let expected = [
        ("m0".to_owned(), Outcome::SentBack("new1".to_owned())),
        ("m1".to_owned(), Outcome::Refused(reject)),
        ("m2".to_owned(), Outcome::SentBack("new2".to_owned())),
    ];
    assert_eq!((done.outcomes.as_slice(), done.stopped), (expected.as_slice(), None));
    assert_eq!(queues.state().sent, ["a", "c"]);
    assert_eq!(queues.visible(), ["m1"]);

    let forced = Redrive { force: true, ..ALL };
    redrive(&queues, &forced, refused).await;
    assert_eq!(queues.state().sent, ["a", "c", "bad"]);
    assert!(queues.visible().is_empty());
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let queues = Queues::holding(&["a", "bad"]);
    let dry = Redrive { dry_run: true, ..ALL };
    let done = redrive(&queues, &dry, refused).await;
    assert_eq!(done.outcomes[0].1, Outcome::WouldSendBack);
    assert!(matches!(done.outcomes[1].1, Outcome::Refused(_)));
    assert!(queues.state().sent.is_empty());
    assert_eq!(queues.visible(), ["m0", "m1"]);
}

#[tokio::test]
async fn only_the_named_messages_are_sent_back() {
    let queues = Queues::holding(&["x"; 25]);
    let named = ["m3", "m14", "m99"].map(str::to_owned).into_iter().collect();
    let done = redrive(&queues, &Redrive { only: Some(named), ..ALL }, refused).await;
    let met: Vec<&str> = done.outcomes.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(met, ["m3", "m14"]);
    assert_eq!(queues.visible().len(), 23);
}

#[tokio::test]
async fn a_message_of_another_queue_stays_even_when_forced() {
    let queues = Queues::holding(&["a"]);
    let other: Arn = "arn:aws:sqs:us-east-1:111111111111:other".parse().unwrap();
    queues.state().visible[0].elsewhere = Some(other.clone());
    let done = redrive(&queues, &Redrive { force: true, ..ALL }, refused).await;
    assert_eq!(done.outcomes, [("m0".to_owned(), Outcome::Elsewhere(other))]);
    assert_eq!(queues.visible(), ["m0"]);
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_or_deleted_stays() {
    // The class of a failed send, whether the next message is still tried, and what is left.
    for (class, tried, left) in [
        (FaultClass::Invalid, 2, &["m0"][..]),
        (FaultClass::Denied, 1, &["m0", "m1"]),
        (FaultClass::Unavailable, 1, &["m0", "m1"]),
    ] {
        let queues = Queues::holding(&["a", "b"]);
        queues.state().send_faults = VecDeque::from([Some(class), None]);
        let done = redrive(&queues, &ALL, refused).await;
        assert_eq!(done.outcomes[0].1, Outcome::Failed(fault(class)));
        assert_eq!((done.outcomes.len(), queues.visible()), (tried, owned(left)), "{class}");
        assert_eq!(done.stopped.is_some(), tried == 1, "{class}");
    }
    let queues = Queues::holding(&["a"]);
    queues.state().remove_fault = Some(FaultClass::Unavailable);
    let done = redrive(&queues, &ALL, refused).await;
    let doubled = Outcome::Doubled("new1".to_owned(), fault(FaultClass::Unavailable));
    assert_eq!(done.outcomes, [("m0".to_owned(), doubled)]);
    assert_eq!((queues.visible(), queues.state().sent.len()), (owned(&["m0"]), 1));
}

fn owned(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}
