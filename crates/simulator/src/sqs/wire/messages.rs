//! Operations on messages: sending, receiving, deleting, extending; one by one and in batches.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Place, nothing, parse, place};
use crate::World;
use crate::sqs::attributes::LARGEST_MESSAGE;
use crate::sqs::message::{self, MessageAttribute};
use crate::sqs::queue::{Message, Received, after};
use crate::sqs::{error, uuid};
use crate::wire::{ApiError, Call};

/// One message to send, alone or as an entry of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Send {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, MessageAttribute>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, MessageAttribute>,
    message_group_id: Option<String>,
}

pub(super) fn send(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Send = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:SendMessage")?;
    accept(world, call, &mut place, request)
}

pub(super) fn send_batch(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Batch<Send> = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:SendMessage")?;
    check_ids(request.entries.iter().map(|entry| entry.id.as_str()))?;
    let sizes =
        request.entries.iter().map(|e| message::size(&e.message_body, &e.message_attributes));
    if sizes.sum::<usize>() > LARGEST_MESSAGE as usize {
        let message = format!("Batch requests cannot be longer than {LARGEST_MESSAGE} bytes.");
        return Err(error::prefixed("BatchRequestTooLong", message));
    }
    let mut outcome = Outcome::default();
    for entry in request.entries {
        let id = entry.id.clone();
        outcome.add(&id, accept(world, call, &mut place, entry));
    }
    Ok(outcome.answer())
}

fn accept(
    world: &World,
    call: &Call,
    place: &mut Place<'_>,
    request: Send,
) -> Result<Value, ApiError> {
    let now = world.now();
    let id = uuid(place.rng);
    let queue = place.queue()?;
    if request.message_body.is_empty() {
        return Err(error::missing("MessageBody"));
    }
    if !message::is_allowed(&request.message_body) {
        return Err(error::contents());
    }
    for (name, attribute) in &request.message_attributes {
        if attribute.value().is_none_or(|value| value.is_empty()) {
            return Err(error::parameter(format!(
                "The message attribute '{name}' must contain a non-empty value of its type {}.",
                attribute.data_type
            )));
        }
    }
    let most = queue.attributes.maximum_size;
    if message::size(&request.message_body, &request.message_attributes) > most as usize {
        return Err(error::parameter(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )));
    }
    let delay = in_range("DelaySeconds", request.delay_seconds, 0, 900)?;
    let delay = delay.unwrap_or(queue.attributes.delay);
    let sender = match &call.caller.kind {
        crate::principal::PrincipalKind::Session { .. } => call.caller.arn(),
        _ => call.caller.account.to_string(),
    };
    let mut answer = Map::new();
    answer.insert("MessageId".to_owned(), json!(id));
    answer
        .insert("MD5OfMessageBody".to_owned(), json!(message::md5_of_body(&request.message_body)));
    for (name, attributes) in [
        ("MD5OfMessageAttributes", &request.message_attributes),
        ("MD5OfMessageSystemAttributes", &request.message_system_attributes),
    ] {
        if let Some(digest) = message::md5_of_attributes(attributes) {
            answer.insert(name.to_owned(), json!(digest));
        }
    }
    let mut message = Message::new(id, request.message_body, sender, now);
    message.attributes = request.message_attributes;
    message.trace = request
        .message_system_attributes
        .get("AWSTraceHeader")
        .and_then(|attribute| attribute.string_value.clone());
    message.group = request.message_group_id;
    queue.put(message, after(now, delay), now);
    *place.arrivals += 1;
    Ok(Value::Object(answer))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    #[serde(default)]
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

pub(super) async fn receive(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Receive = parse(body)?;
    let most = in_range("MaxNumberOfMessages", request.max_number_of_messages, 1, 10)?.unwrap_or(1);
    let visibility = in_range("VisibilityTimeout", request.visibility_timeout, 0, 43_200)?;
    let wait = in_range("WaitTimeSeconds", request.wait_time_seconds, 0, 20)?;
    let mut deadline = None;
    loop {
        // Created before the queue is read, so that no later arrival is missed.
        let arrival = world.arrival(Timestamp::MAX);
        let now = world.now();
        let (wake, end) = {
            let mut state = world.lock();
            let mut place = place(&mut state, call, &request.queue_url, "sqs:ReceiveMessage")?;
            let short = wait.unwrap_or(place.queue()?.attributes.wait) == 0;
            let received = take(&mut place, now, most, visibility, short)?;
            if !received.is_empty() {
                let messages: Vec<Value> =
                    received.iter().map(|received| written(received, &request)).collect();
                return Ok(json!({ "Messages": messages }));
            }
            let limit = place.settings.in_flight_limit;
            let queue = place.queue()?;
            let wait = wait.unwrap_or(queue.attributes.wait);
            let full = queue.counts().1 >= limit;
            // A long poll of a full queue is silent; only a short one is told.
            if full && wait == 0 {
                return Err(error::over_limit(limit));
            }
            let end = *deadline.get_or_insert_with(|| after(now, wait));
            (queue.next_available().map_or(end, |next| next.min(end)), end)
        };
        if now >= end {
            return Ok(nothing());
        }
        let clock = world.clock();
        tokio::select! {
            biased;
            () = arrival => {}
            () = clock.sleep_until(wake) => {}
        }
    }
}

fn take(
    place: &mut Place<'_>,
    now: Timestamp,
    most: u32,
    visibility: Option<u32>,
    short: bool,
) -> Result<Vec<Received>, ApiError> {
    let limit = place.settings.in_flight_limit;
    let samples = short && place.settings.short_polls_sample;
    let most = if samples { place.rng.u32(0..=most) } else { most };
    let redrive = place.site.can_redrive(&place.name);
    let queue = place.site.queues.get_mut(&place.name).ok_or_else(error::no_queue)?;
    let visibility = visibility.unwrap_or(queue.attributes.visibility);
    let taken = queue.take(now, (most as usize, limit), visibility, redrive, place.rng);
    if !taken.dead.is_empty() {
        place.site.bury(&place.name, taken.dead, now);
        *place.arrivals += 1;
    }
    Ok(taken.received)
}

fn written(received: &Received, request: &Receive) -> Value {
    let message = &received.message;
    let mut answer = Map::new();
    answer.insert("MessageId".to_owned(), json!(message.id));
    answer.insert("ReceiptHandle".to_owned(), json!(received.handle));
    answer.insert("MD5OfBody".to_owned(), json!(message::md5_of_body(&message.body)));
    answer.insert("Body".to_owned(), json!(message.body));
    let asked: BTreeSet<&str> = request
        .attribute_names
        .iter()
        .chain(&request.message_system_attribute_names)
        .map(String::as_str)
        .collect();
    let milliseconds = |at: Timestamp| at.as_millisecond().to_string();
    let attributes: Map<String, Value> = [
        ("SenderId", Some(message.sender.clone())),
        ("SentTimestamp", Some(milliseconds(message.sent))),
        ("ApproximateReceiveCount", Some(message.receives.to_string())),
        ("ApproximateFirstReceiveTimestamp", message.first_received.map(milliseconds)),
        ("DeadLetterQueueSourceArn", message.dead_letter_source.as_ref().map(ToString::to_string)),
        ("AWSTraceHeader", message.trace.clone()),
        ("MessageGroupId", message.group.clone()),
    ]
    .into_iter()
    .filter(|(name, _)| asked.contains("All") || asked.contains(name))
    .filter_map(|(name, value)| value.map(|value| (name.to_owned(), Value::String(value))))
    .collect();
    if !attributes.is_empty() {
        answer.insert("Attributes".to_owned(), Value::Object(attributes));
    }
    let wanted = |name: &str| {
        request.message_attribute_names.iter().any(|pattern| match pattern.strip_suffix(".*") {
            Some(prefix) => name.starts_with(prefix),
            None => pattern == "All" || pattern == name,
        })
    };
    let attributes: BTreeMap<String, MessageAttribute> = message
        .attributes
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, attribute)| (name.clone(), attribute.clone()))
        .collect();
    if let Some(digest) = message::md5_of_attributes(&attributes) {
        answer.insert("MD5OfMessageAttributes".to_owned(), json!(digest));
        answer.insert("MessageAttributes".to_owned(), json!(attributes));
    }
    Value::Object(answer)
}

/// A message in flight, alone or as an entry of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InFlight {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

pub(super) fn delete(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: InFlight = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:DeleteMessage")?;
    drop_one(world, &mut place, &request)
}

pub(super) fn delete_batch(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    each(world, call, body, "sqs:DeleteMessage", drop_one)
}

pub(super) fn change_visibility(
    world: &World,
    call: &Call,
    body: &Bytes,
) -> Result<Value, ApiError> {
    let request: InFlight = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:ChangeMessageVisibility")?;
    extend_one(world, &mut place, &request)
}

pub(super) fn change_visibility_batch(
    world: &World,
    call: &Call,
    body: &Bytes,
) -> Result<Value, ApiError> {
    each(world, call, body, "sqs:ChangeMessageVisibility", extend_one)
}

type OnMessage = fn(&World, &mut Place<'_>, &InFlight) -> Result<Value, ApiError>;

fn each(
    world: &World,
    call: &Call,
    body: &Bytes,
    action: &str,
    act: OnMessage,
) -> Result<Value, ApiError> {
    let request: Batch<InFlight> = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, action)?;
    check_ids(request.entries.iter().map(|entry| entry.id.as_str()))?;
    let mut outcome = Outcome::default();
    for entry in &request.entries {
        outcome.add(&entry.id, act(world, &mut place, entry));
    }
    Ok(outcome.answer())
}

fn drop_one(world: &World, place: &mut Place<'_>, request: &InFlight) -> Result<Value, ApiError> {
    if request.receipt_handle.is_empty() {
        return Err(error::missing("ReceiptHandle"));
    }
    let stale = place.settings.stale_handles_delete;
    let queue = place.queue()?;
    let now = world.now();
    queue.settle(now);
    queue.delete(now, &request.receipt_handle, stale).map_err(|why| error::handle(why, 0))?;
    Ok(nothing())
}

fn extend_one(world: &World, place: &mut Place<'_>, request: &InFlight) -> Result<Value, ApiError> {
    if request.receipt_handle.is_empty() {
        return Err(error::missing("ReceiptHandle"));
    }
    let visibility = in_range("VisibilityTimeout", request.visibility_timeout, 0, 43_200)?
        .ok_or_else(|| error::missing("VisibilityTimeout"))?;
    place
        .queue()?
        .change_visibility(world.now(), &request.receipt_handle, visibility)
        .map_err(|why| error::handle(why, visibility))?;
    // Wakes polls that wait for the old end of the timeout.
    *place.arrivals += 1;
    Ok(nothing())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    #[serde(default)]
    queue_url: String,
    #[serde(default = "Vec::new")]
    entries: Vec<T>,
}

/// What became of each entry of a batch; the call itself succeeds.
#[derive(Debug, Default)]
struct Outcome {
    successful: Vec<Value>,
    failed: Vec<Value>,
}

impl Outcome {
    fn add(&mut self, id: &str, result: Result<Value, ApiError>) {
        match result {
            Ok(mut members) => {
                if let Some(members) = members.as_object_mut() {
                    members.insert("Id".to_owned(), json!(id));
                }
                self.successful.push(members);
            }
            Err(error) => self.failed.push(json!({
                "Id": id,
                "SenderFault": true,
                "Code": error.code,
                "Message": error.message,
            })),
        }
    }

    /// Both lists are required members of the answers' model, empty or not.
    fn answer(self) -> Value {
        json!({ "Successful": self.successful, "Failed": self.failed })
    }
}

fn check_ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    for id in ids {
        count += 1;
        if !(1..=80).contains(&id.len()) || !id.bytes().all(fits) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return Err(error::prefixed("InvalidBatchEntryId", message));
        }
        if !seen.insert(id) {
            return Err(error::prefixed("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    match count {
        0 => Err(error::prefixed(
            "EmptyBatchRequest",
            "There should be at least one entry in the request.",
        )),
        1..=10 => Ok(()),
        _ => Err(error::prefixed(
            "TooManyEntriesInBatchRequest",
            format!("Maximum number of entries per request are 10. You have sent {count}."),
        )),
    }
}

fn in_range(
    name: &str,
    value: Option<i64>,
    least: u32,
    most: u32,
) -> Result<Option<u32>, ApiError> {
    let check = |value: i64| {
        u32::try_from(value)
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| error::out_of_range(name, value, least, most))
    };
    value.map(check).transpose()
}
