//! Simulated SQS: standard queues of one account and Region.

mod attributes;
mod encryption;
mod error;
mod message;
mod queue;
mod redrive;
pub mod wire;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::iam::{Access, Denial, authorize};
use crate::principal::Principal;
use crate::wire::ApiError;
use crate::world::State;
use attributes::{Attributes, Redrive};
use queue::{Message, Queue};
use redrive::MoveTask;

/// The switches for what AWS leaves open.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether the receipt handle of an earlier receive deletes the message. AWS documents that
    /// the call then succeeds but need not delete, so the default is that it does not.
    pub stale_handles_delete: bool,
    /// Whether a short poll looks at some servers only, and so returns fewer messages than there
    /// are or none. AWS documents that it may; off by default, so that tests can rely on the
    /// messages that they sent.
    pub short_polls_sample: bool,
    /// How many messages of a queue may be in flight: the documented quota. Lower it to meet
    /// `OverLimit` without sending so many.
    pub in_flight_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stale_handles_delete: false,
            short_polls_sample: false,
            in_flight_limit: queue::IN_FLIGHT_LIMIT,
        }
    }
}

/// SQS of one account and Region.
#[derive(Debug, Default)]
pub struct Site {
    queues: BTreeMap<String, Queue>,
    /// When names were freed: 60 seconds later they can be used again.
    deleted: BTreeMap<String, Timestamp>,
    moves: Vec<MoveTask>,
}

/// A queue to make.
#[derive(Debug, Clone, Default)]
pub struct QueueSpec {
    pub name: String,
    /// The visibility timeout in seconds; 30 if not given.
    pub visibility: Option<u32>,
    /// How long messages stay, in seconds; four days if not given.
    pub retention: Option<u32>,
    /// The dead-letter queue and after how many receives.
    pub redrive: Option<(Arn, u32)>,
    /// The queue's policy document.
    pub policy: Option<String>,
}

impl QueueSpec {
    /// A queue with the usual settings.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// Makes a queue; one of that name with its messages stays and gets these settings.
///
/// # Errors
/// Which setting is wrong, and why.
pub fn create_queue(
    state: &mut State,
    now: Timestamp,
    account: &AccountId,
    region: &Region,
    spec: &QueueSpec,
) -> Result<Arn, String> {
    let explain = |error: ApiError| format!("queue {}: {}", spec.name, error.message);
    check_name(&spec.name).map_err(explain)?;
    let mut attributes = Attributes::default();
    for (name, value) in [
        ("VisibilityTimeout", spec.visibility.map(|seconds| seconds.to_string())),
        ("MessageRetentionPeriod", spec.retention.map(|seconds| seconds.to_string())),
        ("Policy", spec.policy.clone()),
    ] {
        if let Some(value) = value {
            attributes.set(name, &value).map_err(explain)?;
        }
    }
    attributes.redrive = spec
        .redrive
        .clone()
        .map(|(target, max_receive_count)| Redrive { target, max_receive_count });
    let arn = queue_arn(account, region, &spec.name)?;
    let site = state.sqs.entry((account.clone(), region.clone())).or_default();
    site.queues
        .entry(spec.name.clone())
        .or_insert_with(|| Queue::new(arn.clone(), Attributes::default(), now))
        .attributes = attributes;
    Ok(arn)
}

/// Makes a queue with these attributes, by their names in `SetQueueAttributes`; one that is there keeps its
/// messages and its policy, and gets these attributes instead of its own.
///
/// # Errors
/// Which attribute is wrong, and why; or that the name is no name of a queue.
pub fn configure_queue(
    state: &mut State,
    now: Timestamp,
    arn: &Arn,
    given: &[(&str, String)],
) -> Result<(), String> {
    let name = arn.resource();
    let explain = |error: ApiError| format!("queue {name}: {}", error.message);
    check_name(name).map_err(explain)?;
    let place = arn.account().zip(arn.region()).ok_or_else(|| format!("{arn} is no queue"))?;
    let mut attributes = Attributes::default();
    for (attribute, value) in given {
        attributes.set(attribute, value).map_err(explain)?;
    }
    let site = state.sqs.entry(place).or_default();
    if let Some(redrive) = &attributes.redrive {
        site.check_redrive(arn, redrive).map_err(explain)?;
    }
    match site.queues.get_mut(name) {
        Some(queue) => {
            attributes.policy = queue.attributes.policy.take();
            queue.attributes = attributes;
            queue.modified = now;
        }
        None => {
            site.queues.insert(name.to_owned(), Queue::new(arn.clone(), attributes, now));
        }
    }
    Ok(())
}

/// Gives a queue a policy; an empty text takes it away.
///
/// # Errors
/// That there is no such queue, or what is wrong with the document.
pub fn set_policy(state: &mut State, queue: &Arn, json: &str) -> Result<(), String> {
    let found = find(state, queue).ok_or_else(|| format!("there is no queue {queue}"))?;
    found.attributes.set("Policy", json).map_err(|error| error.message)
}

/// Deletes a queue with its messages; returns whether there was one.
pub fn delete_queue(state: &mut State, now: Timestamp, queue: &Arn) -> bool {
    let place = queue.account().zip(queue.region());
    let Some(site) = place.and_then(|place| state.sqs.get_mut(&place)) else { return false };
    let is_there = site.queues.remove(queue.resource()).is_some();
    if is_there {
        site.deleted.insert(queue.resource().to_owned(), now);
        // Running polls learn at once that the queue is gone.
        state.arrivals += 1;
    }
    is_there
}

/// Encrypts a queue with a key (`KmsMasterKeyId`), or with SSE-SQS; returns whether there is such a
/// queue.
pub fn set_key(state: &mut State, queue: &Arn, key: Option<&str>) -> bool {
    let found = find(state, queue);
    found.map(|queue| queue.attributes.kms_key = key.map(str::to_owned)).is_some()
}

/// A message from EventBridge or S3 reaches a queue. A queue that is gone loses it.
pub fn deliver(state: &mut State, at: Timestamp, queue: &Arn, body: String) {
    let id = uuid(&mut state.rng);
    let sender = queue.account().map(String::from).unwrap_or_default();
    let Some(queue) = find(state, queue) else { return };
    let delay = queue.attributes.delay;
    queue.put(Message::new(id, body, sender, at), queue::after(at, delay), at);
    state.arrivals += 1;
}

/// Whether the queue's policy lets `caller` send to it; what EventBridge and S3 ask before they
/// deliver, as service principals with `aws:SourceArn` and `aws:SourceAccount` in `context`.
///
/// # Errors
/// The denial. A queue that no longer exists denies nothing: [`deliver`] then loses the message.
pub fn may_send(
    state: &State,
    queue: &Arn,
    caller: &Principal,
    context: &[(&str, String)],
) -> Result<(), Denial> {
    let (Some(owner), Some(found)) = (queue.account(), look(state, queue)) else { return Ok(()) };
    encryption::may_use(state, caller, found, encryption::SENDING)
        .map_err(|error| Denial { message: error.message, explicit: false })?;
    authorize(
        state,
        caller,
        &Access {
            action: "sqs:SendMessage",
            resource: queue.as_str(),
            owner: &owner,
            resource_policy: found.attributes.policy.as_ref().map(|(_, policy)| policy),
            context,
        },
    )
}

/// Whether there is such a queue.
pub fn exists(state: &State, queue: &Arn) -> bool {
    look(state, queue).is_some()
}

/// How many messages a queue holds: visible, in flight and delayed together.
pub fn depth(state: &State, queue: &Arn) -> usize {
    look(state, queue).map_or(0, |queue| queue.messages().count())
}

/// The bodies of all messages of a queue, in the order of arrival.
pub fn bodies(state: &State, queue: &Arn) -> Vec<String> {
    look(state, queue).map_or_else(Vec::new, |queue| {
        queue.messages().map(|message| message.body.clone()).collect()
    })
}

/// Delivers everything in flight once more, inside its visibility timeout; returns how many.
pub fn redeliver(state: &mut State, now: Timestamp, queue: &Arn) -> usize {
    let count = find(state, queue).map_or(0, |queue| queue.redeliver(now));
    state.arrivals += 1;
    count
}

/// From now on a queue keeps what its receivers delete, for [`deleted`].
pub fn keep_deleted(state: &mut State, queue: &Arn) {
    if let Some(queue) = find(state, queue) {
        queue.deleted.get_or_insert_default();
    }
}

/// The bodies of what the receivers of a queue have deleted since [`keep_deleted`], and when.
pub fn deleted<'a>(
    state: &'a State,
    queue: &Arn,
) -> impl Iterator<Item = (Timestamp, &'a str)> + use<'a> {
    let kept = look(state, queue).and_then(|queue| queue.deleted.as_ref());
    kept.into_iter().flatten().map(|(at, message)| (*at, message.body.as_str()))
}

/// Deletes all messages of a queue, as `PurgeQueue` does; returns whether there is such a queue.
pub fn purge(state: &mut State, now: Timestamp, queue: &Arn) -> bool {
    find(state, queue).map(|queue| queue.purge(now)).is_some()
}

/// All queues with their places and depths, without their messages.
pub(crate) fn overview(state: &mut State, now: Timestamp) -> Vec<serde_json::Value> {
    let queues = state.sqs.iter_mut().flat_map(|((account, region), site)| {
        site.queues.values_mut().map(move |queue| {
            queue.settle(now);
            let (visible, in_flight, delayed) = queue.counts();
            serde_json::json!({
                "account": account,
                "region": region,
                "name": queue.name(),
                "visible": visible,
                "in_flight": in_flight,
                "delayed": delayed,
            })
        })
    });
    queues.collect()
}

fn look<'a>(state: &'a State, queue: &Arn) -> Option<&'a Queue> {
    state.sqs.get(&(queue.account()?, queue.region()?))?.queues.get(queue.resource())
}

fn find<'a>(state: &'a mut State, queue: &Arn) -> Option<&'a mut Queue> {
    state.sqs.get_mut(&(queue.account()?, queue.region()?))?.queues.get_mut(queue.resource())
}

fn queue_arn(account: &AccountId, region: &Region, name: &str) -> Result<Arn, String> {
    format!("arn:aws:sqs:{region}:{account}:{name}")
        .parse()
        .map_err(|error| format!("queue {name:?}: {error}"))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.ends_with(".fifo") {
        return Err(error::unsupported("the simulated SQS has standard queues only, no .fifo"));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=80).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(error::parameter(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ))
}

/// A random id in UUID form.
pub(crate) fn uuid(rng: &mut fastrand::Rng) -> String {
    let bits = rng.u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xfff,
        (bits >> 48) & 0xfff,
        bits & 0xffff_ffff_ffff
    )
}
