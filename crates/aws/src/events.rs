//! `PutEvents`: notifications on an event bus, in batches with an answer for each.

use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::Arn;
use amiferry_core::notification::{Notification, SOURCE};
use amiferry_core::ports::Notifications;
use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};

use crate::call::{Call, Family};
use crate::classify::{self, Symptom};
use crate::client::Session;

/// An event bus of EventBridge, in the session's Region.
#[derive(Debug, Clone)]
pub struct EventBus {
    session: Session,
    client: Client,
    arn: Arn,
}

impl EventBus {
    /// The bus of this ARN, which may be another account's.
    pub fn new(session: &Session, arn: Arn) -> Self {
        Self { client: session.events(), session: session.clone(), arn }
    }
}

#[async_trait]
impl Notifications for EventBus {
    async fn put(&self, notifications: &[Notification]) -> Result<Vec<Result<(), Fault>>, Fault> {
        let call = Call::new("events:PutEvents", self.arn.as_str());
        let entry = |notification: &Notification| {
            PutEventsRequestEntry::builder()
                .event_bus_name(self.arn.as_str())
                .source(SOURCE)
                .detail_type(notification.detail_type())
                .detail(notification.detail())
                .build()
        };
        let entries: Vec<_> = notifications.iter().map(entry).collect();
        let request = self.client.put_events().set_entries(Some(entries));
        let answer = self.session.send(&call, request.send()).await?;
        let mut answers = answer.entries.unwrap_or_default().into_iter();
        let next = |_| answers.next().map_or_else(|| Err(silent(&call)), |one| taken(&call, &one));
        Ok(notifications.iter().map(next).collect())
    }
}

/// What EventBridge says of one entry.
fn taken(call: &Call, entry: &PutEventsResultEntry) -> Result<(), Fault> {
    match (&entry.error_code, &entry.event_id) {
        (None, Some(_)) => Ok(()),
        (None, None) => Err(silent(call)),
        (Some(code), _) => {
            let message = entry.error_message.clone().unwrap_or_default();
            // An entry has no status; those that are worth repeating have codes that say so.
            let symptom =
                Symptom::Refused { status: 400, code: code.clone(), message: message.clone() };
            Err(call.fault(classify::class_of(Family::Repeatable, &symptom), code, &message))
        }
    }
}

fn silent(call: &Call) -> Fault {
    call.fault(FaultClass::OutcomeUnknown, "NoAnswer", "no answer for this entry")
}
