//! Operations on queues: making, listing, setting, deleting, purging, tags, move tasks.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{OfQueue, allow, nothing, parse, place, queue_url};
use crate::World;
use crate::sqs::attributes::Attributes;
use crate::sqs::queue::Queue;
use crate::sqs::{check_name, error, queue_arn};
use crate::wire::{ApiError, Call};
use crate::world::State;

/// How long a name cannot be used again after `DeleteQueue`, and a queue not be purged again.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    #[serde(default)]
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default, rename = "tags")]
    tags: BTreeMap<String, String>,
}

pub(super) fn create(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Create = parse(body)?;
    let (account, name, now) = (&call.caller.account, &request.queue_name, world.now());
    check_name(name)?;
    let mut state = world.lock();
    allow(&state, call, account, name, "sqs:CreateQueue")?;
    let site = state.sqs.entry((account.clone(), call.region.clone())).or_default();
    if let Some(queue) = site.queues.get(name) {
        let mut wanted = queue.attributes.clone();
        for (attribute, value) in &request.attributes {
            wanted.set(attribute, value)?;
            if wanted != queue.attributes {
                return Err(error::queue_exists(attribute));
            }
        }
        return Ok(json!({ "QueueUrl": queue_url(call, account, name) }));
    }
    if site.deleted.get(name).is_some_and(|deleted| now.duration_since(*deleted) < PAUSE) {
        let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        return Err(error::prefixed("QueueDeletedRecently", message));
    }
    let mut attributes = Attributes::default();
    for (attribute, value) in &request.attributes {
        attributes.set(attribute, value)?;
    }
    let arn = queue_arn(account, &call.region, name).map_err(error::parameter)?;
    if let Some(redrive) = &attributes.redrive {
        site.check_redrive(&arn, redrive)?;
    }
    let mut queue = Queue::new(arn, attributes, now);
    queue.tags = request.tags;
    site.queues.insert(name.clone(), queue);
    Ok(json!({ "QueueUrl": queue_url(call, account, name) }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Url {
    #[serde(default)]
    queue_name: String,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<AccountId>,
}

pub(super) fn url(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Url = parse(body)?;
    let account = request.owner.as_ref().unwrap_or(&call.caller.account);
    let state = world.lock();
    allow(&state, call, account, &request.queue_name, "sqs:GetQueueUrl")?;
    let site = state.sqs.get(&(account.clone(), call.region.clone()));
    if !site.is_some_and(|site| site.queues.contains_key(&request.queue_name)) {
        return Err(error::no_queue());
    }
    Ok(json!({ "QueueUrl": queue_url(call, account, &request.queue_name) }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    queue_name_prefix: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn list(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: List = parse(body)?;
    let account = &call.caller.account;
    let state = world.lock();
    allow(&state, call, account, "", "sqs:ListQueues")?;
    let most = request.max_results.unwrap_or(1000);
    if !(1..=1000).contains(&most) {
        return Err(error::parameter("MaxResults must be between 1 and 1000."));
    }
    let after = request.next_token.unwrap_or_default();
    let site = state.sqs.get(&(account.clone(), call.region.clone()));
    let mut names: Vec<&String> = site
        .map(|site| &site.queues)
        .into_iter()
        .flat_map(BTreeMap::keys)
        .filter(|name| name.starts_with(&request.queue_name_prefix) && **name > after)
        .take(most + 1)
        .collect();
    let more = names.len() > most;
    names.truncate(most);
    let mut answer = Map::new();
    if !names.is_empty() {
        let urls: Vec<String> = names.iter().map(|name| queue_url(call, account, name)).collect();
        answer.insert("QueueUrls".to_owned(), json!(urls));
    }
    // Without MaxResults, SQS gives the first 1,000 and no token.
    if more && request.max_results.is_some() {
        answer.insert("NextToken".to_owned(), json!(names.last()));
    }
    Ok(Value::Object(answer))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetAttributes {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

pub(super) fn attributes(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: GetAttributes = parse(body)?;
    let now = world.now();
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:GetQueueAttributes")?;
    let queue = place.queue()?;
    queue.settle(now);
    let computed = computed(queue);
    let all = request.attribute_names.iter().any(|name| name == "All");
    let known = |name: &str| {
        Attributes::NAMES.contains(&name) || computed.iter().any(|(known, _)| *known == name)
    };
    let known_or_all = |name: &&String| name.as_str() != "All" && !known(name);
    if let Some(name) = request.attribute_names.iter().find(known_or_all) {
        return Err(error::attribute_name(name));
    }
    let wanted = |name: &str| all || request.attribute_names.iter().any(|asked| asked == name);
    let settable = Attributes::NAMES
        .into_iter()
        .filter_map(|name| queue.attributes.get(name).map(|value| (name, value)));
    let values: Map<String, Value> = computed
        .iter()
        .cloned()
        .chain(settable)
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    Ok(if values.is_empty() { nothing() } else { json!({ "Attributes": values }) })
}

fn computed(queue: &Queue) -> [(&'static str, String); 6] {
    let (available, in_flight, delayed) = queue.counts();
    [
        ("QueueArn", queue.arn.to_string()),
        ("ApproximateNumberOfMessages", available.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
        ("CreatedTimestamp", queue.created.as_second().to_string()),
        ("LastModifiedTimestamp", queue.modified.as_second().to_string()),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetAttributes {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

pub(super) fn set_attributes(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: SetAttributes = parse(body)?;
    let now = world.now();
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:SetQueueAttributes")?;
    let queue = place.queue()?;
    let mut attributes = queue.attributes.clone();
    for (name, value) in &request.attributes {
        attributes.set(name, value)?;
    }
    if let Some(redrive) = attributes.redrive.clone() {
        let arn = queue.arn.clone();
        place.site.check_redrive(&arn, &redrive)?;
    }
    let queue = place.queue()?;
    queue.attributes = attributes;
    queue.modified = now;
    Ok(nothing())
}

pub(super) fn delete(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: OfQueue = parse(body)?;
    let now = world.now();
    let mut state = world.lock();
    let place = place(&mut state, call, &request.queue_url, "sqs:DeleteQueue")?;
    place.site.queues.remove(&place.name);
    place.site.deleted.insert(place.name, now);
    // Running polls learn at once that the queue is gone.
    *place.arrivals += 1;
    Ok(nothing())
}

pub(super) fn purge(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: OfQueue = parse(body)?;
    let now = world.now();
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:PurgeQueue")?;
    let queue = place.queue()?;
    if queue.purged.is_some_and(|purged| now.duration_since(purged) < PAUSE) {
        let name = queue.name();
        let message =
            format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
        return Err(error::prefixed("PurgeQueueInProgress", message));
    }
    queue.purge(now);
    Ok(nothing())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    #[serde(default)]
    queue_url: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(super) fn tag(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Tag = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:TagQueue")?;
    place.queue()?.tags.extend(request.tags);
    Ok(nothing())
}

pub(super) fn untag(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Tag = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:UntagQueue")?;
    place.queue()?.tags.retain(|key, _| !request.tag_keys.contains(key));
    Ok(nothing())
}

pub(super) fn tags(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: OfQueue = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:ListQueueTags")?;
    let tags = &place.queue()?.tags;
    Ok(if tags.is_empty() { nothing() } else { json!({ "Tags": tags }) })
}

pub(super) fn dead_letter_sources(
    world: &World,
    call: &Call,
    body: &Bytes,
) -> Result<Value, ApiError> {
    let request: OfQueue = parse(body)?;
    let mut state = world.lock();
    let mut place = place(&mut state, call, &request.queue_url, "sqs:ListDeadLetterSourceQueues")?;
    let arn = place.queue()?.arn.clone();
    let Some(account) = arn.account() else { return Err(error::no_queue()) };
    let urls: Vec<String> = place
        .site
        .queues
        .values()
        .filter(|queue| queue.attributes.redrive.as_ref().is_some_and(|r| r.target == arn))
        .map(|queue| queue_url(call, &account, queue.name()))
        .collect();
    Ok(json!({ "queueUrls": urls }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Move {
    source_arn: Arn,
    destination_arn: Option<Arn>,
}

pub(super) fn start_move(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let Move { source_arn, destination_arn } = parse(body)?;
    let now = world.now();
    let mut state = world.lock();
    let handle = task_handle(&source_arn, now);
    let account = own_account(&state, call, &source_arn, "sqs:StartMessageMoveTask")?;
    let State { sqs, rng, arrivals, .. } = &mut *state;
    let site = sqs.get_mut(&(account, call.region.clone())).ok_or_else(error::no_queue)?;
    site.move_back(source_arn, destination_arn, now, rng)?;
    *arrivals += 1;
    Ok(json!({ "TaskHandle": handle }))
}

pub(super) fn list_moves(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Move = parse(body)?;
    let state = world.lock();
    let account = own_account(&state, call, &request.source_arn, "sqs:ListMessageMoveTasks")?;
    let site = state.sqs.get(&(account, call.region.clone())).ok_or_else(error::no_queue)?;
    let results: Vec<Value> = site
        .moves
        .iter()
        .rev()
        .filter(|task| task.source == request.source_arn)
        .take(10)
        .map(|task| {
            let mut result = json!({
                "Status": "COMPLETED",
                "SourceArn": task.source,
                "ApproximateNumberOfMessagesMoved": task.moved,
                "ApproximateNumberOfMessagesToMove": task.moved,
                "StartedTimestamp": task.started.as_millisecond(),
            });
            if let (Some(members), Some(destination)) = (result.as_object_mut(), &task.destination)
            {
                members.insert("DestinationArn".to_owned(), json!(destination));
            }
            result
        })
        .collect();
    Ok(json!({ "Results": results }))
}

fn task_handle(source: &Arn, now: Timestamp) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{source}/{}", now.as_millisecond()))
}

fn own_account(
    state: &State,
    call: &Call,
    source: &Arn,
    action: &str,
) -> Result<AccountId, ApiError> {
    let account = source.account().ok_or_else(error::no_queue)?;
    allow(state, call, &account, source.resource(), action)?;
    Ok(account)
}
