//! One SQS queue: batches with an answer per entry, long polls with a limit of their own.

mod dead_letters;

use std::time::Duration;

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::Arn;
use amiferry_core::ports::{
    DeadLetters, HIDDEN, Keys, Listing, Message, QueueDepth, Receipt, Unreadable, WorkQueue,
};
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};

use crate::call::{Call, Family};
use crate::classify::{self, Symptom};
use crate::client::{Session, timeouts};
use crate::ec2::key_arn;
use crate::item::text;

pub use dead_letters::SqsDeadLetters;

/// Entries of one batch call, set by SQS.
const BATCH: usize = 10;
/// What a long poll may take beyond its waiting time.
const MARGIN: Duration = Duration::from_secs(15);

/// A queue by its URL.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    session: Session,
    client: Client,
    url: String,
}

/// What a queue is set to, for checks at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    pub arn: Arn,
    /// Where messages go that are received too often; `None`: they come back until they expire.
    pub redrive: Option<Redrive>,
    /// How long a received message stays hidden.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// The largest message it takes, in bytes.
    pub maximum_message_size: u64,
    /// The KMS key of its encryption.
    pub key: Option<String>,
    /// Its policy; `None` where it has none. SQS shows an empty text or nothing, and both mean that.
    pub policy: Option<String>,
}

/// A queue's dead-letter rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// ARN of the dead-letter queue.
    pub target: Arn,
    /// Receives after which a message is moved.
    pub maximum_receives: u32,
}

impl QueueFacts {
    /// Whether the queue is encrypted with `aws/sqs`: its policy admits no service, so EventBridge
    /// and S3 cannot send to it (SQS developer guide, *Configure KMS permissions for AWS services*).
    /// A key that `keys` cannot describe is another one.
    pub async fn is_under_aws_key(&self, keys: &dyn Keys) -> bool {
        let Some(name) = self.key.as_deref() else { return false };
        if name.ends_with("alias/aws/sqs") {
            return true;
        }
        let place = self.arn.region().zip(self.arn.account());
        let key = place.and_then(|(region, account)| key_arn(name, &region, &account));
        let Some(key) = key else { return false };
        keys.examine(&key, &[]).await.is_ok_and(|facts| facts.aws_managed == Some(true))
    }
}

impl SqsQueue {
    /// The queue at `url`, in the session's Region.
    pub fn new(session: &Session, url: impl Into<String>) -> Self {
        Self { client: session.sqs(), session: session.clone(), url: url.into() }
    }

    /// What the queue is set to. `NotFound` where it does not exist, `Denied` (which SQS also
    /// answers for queues of other accounts) without `sqs:GetQueueAttributes`.
    pub async fn facts(&self) -> Result<QueueFacts, Fault> {
        let (call, attributes) = self.attributes(&[QueueAttributeName::All]).await?;
        let text = |name| attributes.get(&name).map(String::as_str);
        let number = |name: QueueAttributeName| number(&call, text(name.clone()), name.as_str());
        let arn = text(QueueAttributeName::QueueArn);
        Ok(QueueFacts {
            arn: arn
                .and_then(|arn| arn.parse().ok())
                .ok_or_else(|| call.unexpected("QueueArn", arn))?,
            redrive: text(QueueAttributeName::RedrivePolicy)
                .map(|json| {
                    redrive(json).ok_or_else(|| call.unexpected("RedrivePolicy", Some(json)))
                })
                .transpose()?,
            visibility_timeout: Duration::from_secs(number(QueueAttributeName::VisibilityTimeout)?),
            retention: Duration::from_secs(number(QueueAttributeName::MessageRetentionPeriod)?),
            maximum_message_size: number(QueueAttributeName::MaximumMessageSize)?,
            key: text(QueueAttributeName::KmsMasterKeyId).map(str::to_owned),
            policy: text(QueueAttributeName::Policy)
                .filter(|policy| !policy.is_empty())
                .map(str::to_owned),
        })
    }

    /// Sends a body as a new message, and returns its id. Repeating sends it twice, which does no harm.
    ///
    /// # Errors
    /// `NotFound` where there is no such queue, `Denied` without `sqs:SendMessage`.
    pub async fn send(&self, body: &str) -> Result<String, Fault> {
        let call = self.call("sqs:SendMessage");
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        let answer = self.session.send(&call, request.send()).await?;
        answer.message_id.ok_or_else(|| call.unexpected("MessageId", None))
    }

    #[expect(clippy::disallowed_types, reason = "the SDK's map; only looked up by name")]
    async fn attributes(
        &self,
        names: &[QueueAttributeName],
    ) -> Result<(Call, std::collections::HashMap<QueueAttributeName, String>), Fault> {
        let call = self.call("sqs:GetQueueAttributes");
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()));
        let answer = self.session.send(&call, request.send()).await?;
        let attributes = answer.attributes.ok_or_else(|| call.unexpected("Attributes", None))?;
        Ok((call, attributes))
    }

    async fn delete_batch(&self, receipts: &[Receipt]) -> Result<Vec<Result<(), Fault>>, Fault> {
        let call = self.call("sqs:DeleteMessageBatch");
        let entries = receipts
            .iter()
            .enumerate()
            .map(|(index, receipt)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&receipt.0)
                    .build()
            })
            .collect::<Result<_, _>>()
            .map_err(|error| call.fault(FaultClass::Bug, "RequestNotBuilt", &error.to_string()))?;
        let request =
            self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = self.session.send(&call, request.send()).await?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        Ok(positional(&call, receipts.len(), done, &answer.failed))
    }

    async fn release_batch(
        &self,
        receipts: &[Receipt],
        seconds: i32,
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let call = self.call("sqs:ChangeMessageVisibilityBatch");
        let entries = receipts
            .iter()
            .enumerate()
            .map(|(index, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&receipt.0)
                    .visibility_timeout(seconds)
                    .build()
            })
            .collect::<Result<_, _>>()
            .map_err(|error| call.fault(FaultClass::Bug, "RequestNotBuilt", &error.to_string()))?;
        let request = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries));
        let answer = self.session.send(&call, request.send()).await?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        Ok(positional(&call, receipts.len(), done, &answer.failed))
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::new(operation, &self.url)
    }
}

#[async_trait]
impl WorkQueue for SqsQueue {
    async fn receive(&self, max: u8, wait: Duration) -> Result<Listing<Message>, Fault> {
        let call = self.call("sqs:ReceiveMessage");
        let wait = wait.as_secs().min(20);
        let attempt = Duration::from_secs(wait) + MARGIN;
        // One attempt may take as long as the poll; three of them need three times that.
        let limits = aws_sdk_sqs::Config::builder().timeout_config(timeouts(attempt, attempt * 3));
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::from(max.clamp(1, 10)))
            .wait_time_seconds(i32::try_from(wait).unwrap_or(20))
            .visibility_timeout(i32::try_from(HIDDEN.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(limits);
        let answer = self.session.send(&call, request.send()).await?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(translate).collect())
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Vec<Result<(), Fault>>, Fault> {
        let mut answers = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(BATCH) {
            answers.extend(after_earlier(&answers, batch, self.delete_batch(batch).await)?);
        }
        Ok(answers)
    }

    async fn release(
        &self,
        receipts: &[Receipt],
        delay: Duration,
    ) -> Result<Vec<Result<(), Fault>>, Fault> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let mut answers = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(BATCH) {
            let answer = self.release_batch(batch, seconds).await;
            answers.extend(after_earlier(&answers, batch, answer)?);
        }
        Ok(answers)
    }

    async fn depth(&self) -> Result<QueueDepth, Fault> {
        let waiting = QueueAttributeName::ApproximateNumberOfMessages;
        let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let (call, attributes) = self.attributes(&[waiting.clone(), in_flight.clone()]).await?;
        let number = |name: &QueueAttributeName| {
            number(&call, attributes.get(name).map(String::as_str), name.as_str())
        };
        Ok(QueueDepth { waiting: number(&waiting)?, in_flight: number(&in_flight)? })
    }

    async fn dead_letter_count(&self) -> Result<Option<u64>, Fault> {
        let Some(letters) = self.dead_letters().await? else { return Ok(None) };
        let depth = DeadLetters::depth(&letters).await?;
        Ok(Some(depth.waiting + depth.in_flight))
    }
}

/// Translates a message. One without a receipt cannot be deleted or hidden, so it is unreadable;
/// the other fields may be missing, and the parser refuses a message without a body.
fn translate(message: aws_sdk_sqs::types::Message) -> Result<Message, Unreadable> {
    let id = message.message_id.unwrap_or_default();
    let receipt = text("ReceiptHandle", message.receipt_handle.as_deref());
    let receipt = receipt.map_err(|why| Unreadable::new(Some(&id), &why))?;
    let count = MessageSystemAttributeName::ApproximateReceiveCount;
    let count = message.attributes.as_ref().and_then(|given| given.get(&count));
    Ok(Message {
        id: if id.is_empty() { receipt.to_owned() } else { id },
        receipt: Receipt(receipt.to_owned()),
        body: message.body.unwrap_or_default(),
        receive_count: count.and_then(|text| text.parse().ok()).unwrap_or_default(),
    })
}

/// A batch that failed whole is the answer for its entries once earlier batches have theirs.
fn after_earlier(
    earlier: &[Result<(), Fault>],
    batch: &[Receipt],
    answer: Result<Vec<Result<(), Fault>>, Fault>,
) -> Result<Vec<Result<(), Fault>>, Fault> {
    match answer {
        Err(fault) if !earlier.is_empty() => Ok(vec![Err(fault); batch.len()]),
        answer => answer,
    }
}

/// Answers by position: entry ids are positions, because receipts may repeat and message ids do.
fn positional<'a>(
    call: &Call,
    entries: usize,
    done: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Result<(), Fault>> {
    let silent = call.fault(FaultClass::OutcomeUnknown, "NoAnswer", "no answer for this entry");
    let mut answers = vec![Err(silent); entries];
    let mut set = |id: &str, answer| {
        if let Some(slot) = id.parse().ok().and_then(|index: usize| answers.get_mut(index)) {
            *slot = answer;
        }
    };
    for id in done {
        set(id, Ok(()));
    }
    for entry in failed {
        set(&entry.id, Err(entry_fault(call, entry)));
    }
    answers
}

fn entry_fault(call: &Call, entry: &BatchResultErrorEntry) -> Fault {
    let message = entry.message.clone().unwrap_or_default();
    let status = if entry.sender_fault { 400 } else { 500 };
    let symptom = Symptom::Refused { status, code: entry.code.clone(), message: message.clone() };
    call.fault(classify::class_of(Family::Repeatable, &symptom), &entry.code, &message)
}

fn number(call: &Call, value: Option<&str>, name: &str) -> Result<u64, Fault> {
    value.and_then(|text| text.parse().ok()).ok_or_else(|| call.unexpected(name, value))
}

/// SQS writes `maxReceiveCount` as it was given: a number, or a number in quotes.
fn redrive(json: &str) -> Option<Redrive> {
    let policy: serde_json::Value = serde_json::from_str(json).ok()?;
    let count = policy.get("maxReceiveCount")?;
    let count = match count.as_str() {
        Some(text) => text.parse().ok()?,
        None => count.as_u64()?,
    };
    Some(Redrive {
        target: policy.get("deadLetterTargetArn")?.as_str()?.parse().ok()?,
        maximum_receives: u32::try_from(count).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call::new("sqs:DeleteMessageBatch", "https://sqs.example/1/q")
    }

    fn failed(id: &str, sender_fault: bool, code: &str) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder()
            .id(id)
            .sender_fault(sender_fault)
            .code(code)
            .build()
            .unwrap()
    }

    #[test]
    fn each_entry_gets_its_own_answer_and_a_silent_one_is_unknown() {
        let failed = [failed("1", true, "ReceiptHandleIsInvalid"), failed("7", false, "x")];
        let answers = positional(&call(), 3, ["0"].into_iter(), &failed);
        let classes: Vec<_> =
            answers.iter().map(|answer| answer.as_ref().err().map(|fault| fault.class)).collect();
        assert_eq!(
            classes,
            [None, Some(FaultClass::Invalid), Some(FaultClass::OutcomeUnknown)],
            "an id that was never sent is ignored"
        );
    }

    #[test]
    fn a_later_batch_that_fails_does_not_hide_the_answers_of_the_earlier_one() {
        let fault = call().fault(FaultClass::Unavailable, "NoAnswer", "");
        let batch = [Receipt("a".to_owned()), Receipt("b".to_owned())];
        assert!(after_earlier(&[], &batch, Err(fault.clone())).is_err());
        let answers = after_earlier(&[Ok(())], &batch, Err(fault.clone()));
        assert_eq!(answers, Ok(vec![Err(fault.clone()), Err(fault)]));
    }

    #[test]
    fn a_redrive_policy_is_read_with_its_count_as_number_or_text() {
        let arn = "arn:aws:sqs:us-east-1:111111111111:dead";
        for count in ["5", "\"5\""] {
            let json = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
            let expected = Redrive { target: arn.parse().unwrap(), maximum_receives: 5 };
            assert_eq!(redrive(&json), Some(expected));
        }
        for bad in ["", "{}", r#"{"deadLetterTargetArn":"x","maxReceiveCount":5}"#] {
            assert_eq!(redrive(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_message_needs_its_receipt_and_nothing_else() {
        let sent = || aws_sdk_sqs::types::Message::builder().message_id("m").body("b");
        let unreadable = translate(sent().build()).unwrap_err();
        assert_eq!(unreadable.id.as_deref(), Some("m"));
        assert!(unreadable.why.contains("ReceiptHandle"), "{}", unreadable.why);

        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        let strange = sent().receipt_handle("r").attributes(count, "often").build();
        let read = translate(strange).unwrap();
        assert_eq!((read.id.as_str(), read.body.as_str(), read.receive_count), ("m", "b", 0));

        let bare = aws_sdk_sqs::types::Message::builder().receipt_handle("r").build();
        let read = translate(bare).unwrap();
        assert_eq!((read.id.as_str(), read.body.as_str()), ("r", ""));
    }
}
