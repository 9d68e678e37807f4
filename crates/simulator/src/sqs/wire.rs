//! SQS on the wire: AWS JSON 1.0, the operation in `X-Amz-Target`, the queue in the body.

mod messages;
mod queues;

use amiferry_core::ids::AccountId;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::queue::Queue;
use super::{Settings, Site, encryption, error, queue_arn};
use crate::World;
use crate::iam::{Access, authorize};
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};
use crate::world::State;

/// Answers one call.
///
/// # Errors
/// What the service answers.
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let target = call.header("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix("AmazonSQS.").unwrap_or(target);
    *world.lock().calls.entry((Service::Sqs.name(), operation.to_owned())).or_default() += 1;
    let result = match operation {
        "CreateQueue" => queues::create(world, call, body),
        "GetQueueUrl" => queues::url(world, call, body),
        "ListQueues" => queues::list(world, call, body),
        "GetQueueAttributes" => queues::attributes(world, call, body),
        "SetQueueAttributes" => queues::set_attributes(world, call, body),
        "DeleteQueue" => queues::delete(world, call, body),
        "PurgeQueue" => queues::purge(world, call, body),
        "TagQueue" => queues::tag(world, call, body),
        "UntagQueue" => queues::untag(world, call, body),
        "ListQueueTags" => queues::tags(world, call, body),
        "ListDeadLetterSourceQueues" => queues::dead_letter_sources(world, call, body),
        "StartMessageMoveTask" => queues::start_move(world, call, body),
        "ListMessageMoveTasks" => queues::list_moves(world, call, body),
        "SendMessage" => messages::send(world, call, body),
        "SendMessageBatch" => messages::send_batch(world, call, body),
        "ReceiveMessage" => messages::receive(world, call, body).await,
        "DeleteMessage" => messages::delete(world, call, body),
        "DeleteMessageBatch" => messages::delete_batch(world, call, body),
        "ChangeMessageVisibility" => messages::change_visibility(world, call, body),
        "ChangeMessageVisibilityBatch" => messages::change_visibility_batch(world, call, body),
        _ => return Err(ApiError::unknown_operation(Service::Sqs, operation)),
    };
    result.map(|members| Answer::ok("application/x-amz-json-1.0", members.to_string()))
}

/// A request that names nothing but its queue; members that it does not know are ignored, as
/// SQS does.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfQueue {
    #[serde(default)]
    queue_url: String,
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| error::malformed(error.to_string()))
}

/// The queue that a URL names, once the caller may do `action` with it.
///
/// Only the last two path segments of the URL count, so that any host in front of the
/// simulation works.
fn place<'a>(
    state: &'a mut State,
    call: &Call,
    queue_url: &str,
    action: &str,
) -> Result<Place<'a>, ApiError> {
    if queue_url.is_empty() {
        return Err(error::missing("QueueUrl"));
    }
    let mut segments = queue_url.rsplit('/');
    let (name, account) = (segments.next().unwrap_or_default(), segments.next());
    let account: AccountId =
        account.and_then(|account| account.parse().ok()).ok_or_else(error::no_queue)?;
    allow(state, call, &account, name, action)?;
    let operations = match action {
        "sqs:SendMessage" => encryption::SENDING,
        "sqs:ReceiveMessage" => encryption::RECEIVING,
        _ => &[],
    };
    let site = state.sqs.get(&(account.clone(), call.region.clone()));
    if let Some(queue) = site.and_then(|site| site.queues.get(name)) {
        encryption::may_use(state, &call.caller, queue, operations)?;
    }
    let State { sqs, rng, arrivals, settings, .. } = state;
    let site = sqs.get_mut(&(account, call.region.clone())).ok_or_else(error::no_queue)?;
    if !site.queues.contains_key(name) {
        return Err(error::no_queue());
    }
    Ok(Place { site, name: name.to_owned(), rng, arrivals, settings: &settings.sqs })
}

/// Whether the caller may do `action` with a queue, which need not exist.
fn allow(
    state: &State,
    call: &Call,
    account: &AccountId,
    name: &str,
    action: &str,
) -> Result<(), ApiError> {
    let site = state.sqs.get(&(account.clone(), call.region.clone()));
    let queue = site.and_then(|site| site.queues.get(name));
    let arn = queue_arn(account, &call.region, if name.is_empty() { "*" } else { name })
        .map_err(error::parameter)?;
    let policy = queue.and_then(|queue| queue.attributes.policy.as_ref());
    let access = Access {
        action,
        resource: arn.as_str(),
        owner: account,
        resource_policy: policy.map(|(_, policy)| policy),
        context: &[],
    };
    authorize(state, &call.caller, &access).map_err(error::denied)
}

/// A queue among its siblings, with what operations on it need of the world.
struct Place<'a> {
    site: &'a mut Site,
    name: String,
    rng: &'a mut fastrand::Rng,
    arrivals: &'a mut u64,
    settings: &'a Settings,
}

impl Place<'_> {
    fn queue(&mut self) -> Result<&mut Queue, ApiError> {
        self.site.queues.get_mut(&self.name).ok_or_else(error::no_queue)
    }
}

/// The URL of a queue on the host that the client talks to, so that clients with an endpoint of
/// their own can use it.
fn queue_url(call: &Call, account: &AccountId, name: &str) -> String {
    format!("{}/{account}/{name}", host_of_queues(call))
}

/// What stands before the path of such a URL.
pub(crate) fn host_of_queues(call: &Call) -> String {
    let real = format!("sqs.{}.amazonaws.com", call.region);
    // The host of another service is no host of queues.
    let host = call.header("host").filter(|host| !host.ends_with(".amazonaws.com"));
    let host = host.unwrap_or(&real);
    let scheme = if host.ends_with(".amazonaws.com") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// The answer of operations without a result.
fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
