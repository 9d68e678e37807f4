//! The dead-letter queue that a worker's queue names, and the way back from it.

use std::time::Duration;

use amiferry_core::fault::Fault;
use amiferry_core::ids::Arn;
use amiferry_core::ports::{
    DeadLetter, DeadLetters, Listing, QueueDepth, Receipt, Unreadable, WorkQueue,
};
use async_trait::async_trait;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use jiff::Timestamp;

use super::{SqsQueue, translate};
use crate::call::Call;
use crate::item::parsed;

/// A second of waiting has SQS ask all of its servers, so that an empty answer means empty.
const WAIT_SECONDS: i32 = 1;

/// A worker's queue and the one behind it.
#[derive(Debug, Clone)]
pub struct SqsDeadLetters {
    letters: SqsQueue,
    worker: SqsQueue,
    worker_arn: Arn,
}

impl SqsQueue {
    /// The dead-letter queue that the redrive policy names; `None` where there is no such policy.
    ///
    /// Asks for the queue's attributes and the other one's URL, whose form is AWS's affair.
    /// `NotFound` where either is gone, `Denied` without `sqs:GetQueueAttributes` on the one or
    /// `sqs:GetQueueUrl` on the other.
    pub async fn dead_letters(&self) -> Result<Option<SqsDeadLetters>, Fault> {
        let facts = self.facts().await?;
        let Some(redrive) = facts.redrive else { return Ok(None) };
        let call = Call::new("sqs:GetQueueUrl", redrive.target.as_str());
        let request = self
            .client
            .get_queue_url()
            .queue_name(redrive.target.resource())
            .set_queue_owner_aws_account_id(redrive.target.account().map(String::from));
        let answer = self.session.send(&call, request.send()).await?;
        let url = answer.queue_url.ok_or_else(|| call.unexpected("QueueUrl", None))?;
        Ok(Some(SqsDeadLetters {
            letters: Self { url, ..self.clone() },
            worker: self.clone(),
            worker_arn: facts.arn,
        }))
    }
}

impl SqsDeadLetters {
    /// The URL of the dead-letter queue.
    pub fn url(&self) -> &str {
        &self.letters.url
    }

    /// One whose origin cannot be read is not ours to send anywhere.
    fn letter(&self, message: Message) -> Result<DeadLetter, Unreadable> {
        let attribute = |name: MessageSystemAttributeName| {
            message.attributes.as_ref().and_then(|given| given.get(&name)).map(String::as_str)
        };
        let sent = attribute(MessageSystemAttributeName::SentTimestamp).and_then(moment);
        let origin = attribute(MessageSystemAttributeName::DeadLetterQueueSourceArn);
        let origin: Option<Arn> = origin
            .map(|origin| parsed("DeadLetterQueueSourceArn", Some(origin)))
            .transpose()
            .map_err(|why| Unreadable::new(message.message_id.as_deref(), &why))?;
        Ok(DeadLetter {
            sent,
            elsewhere: origin.filter(|arn| *arn != self.worker_arn),
            message: translate(message)?,
        })
    }
}

#[async_trait]
impl DeadLetters for SqsDeadLetters {
    async fn depth(&self) -> Result<QueueDepth, Fault> {
        self.letters.depth().await
    }

    async fn take(&self, max: u8, hidden: Duration) -> Result<Listing<DeadLetter>, Fault> {
        let call = self.letters.call("sqs:ReceiveMessage");
        let request = self
            .letters
            .client
            .receive_message()
            .queue_url(&self.letters.url)
            .max_number_of_messages(i32::from(max.clamp(1, 10)))
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::DeadLetterQueueSourceArn);
        let answer = self.letters.session.send(&call, request.send()).await?;
        let received = answer.messages.unwrap_or_default().into_iter();
        Ok(received.map(|message| self.letter(message)).collect())
    }

    async fn put_back(&self, receipts: &[Receipt]) -> Result<Vec<Result<(), Fault>>, Fault> {
        self.letters.release(receipts, Duration::ZERO).await
    }

    async fn send_back(&self, body: &str) -> Result<String, Fault> {
        self.worker.send(body).await
    }

    async fn remove(&self, receipt: &Receipt) -> Result<(), Fault> {
        let answers = self.letters.delete(std::slice::from_ref(receipt)).await?;
        answers.into_iter().collect()
    }
}

/// Milliseconds since 1970, in decimal.
fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sending_time_is_read_as_milliseconds_and_nothing_else() {
        let sent: Timestamp = "2026-01-01T00:00:00.5Z".parse().unwrap();
        assert_eq!(moment("1767225600500"), Some(sent));
        for bad in ["", "soon", "1767225600.5", "99999999999999999999"] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }
}
