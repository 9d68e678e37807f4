//! EventBridge on the wire: AWS JSON 1.1, `PutEvents` and the rules of default buses.

use amiferry_core::ids::{AccountId, Arn, Region};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{emit, new_uuid, rules};
use crate::World;
use crate::iam::{Access, authorize};
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};
use crate::world::State;

/// Most entries of one call (API model of `PutEvents`).
const MOST_ENTRIES: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
}

/// Answers one call.
///
/// # Errors
/// What the service answers.
#[expect(clippy::unused_async, reason = "the services' doors have one shape")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let target = call.header("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix("AWSEvents.").unwrap_or(target);
    *world.lock().calls.entry((Service::Events.name(), operation.to_owned())).or_default() += 1;
    let result = match operation {
        "PutEvents" => put(world, call, body),
        "PutRule" => rules::put(world, call, body),
        "DeleteRule" => rules::delete(world, call, body),
        "EnableRule" => rules::enable(world, call, body, true),
        "DisableRule" => rules::enable(world, call, body, false),
        "DescribeRule" => rules::describe(world, call, body),
        "ListRuleNamesByTarget" => rules::by_target(world, call, body),
        "TestEventPattern" => rules::test(world, call, body),
        "ListRules" => rules::list(world, call, body),
        "PutTargets" => rules::put_targets(world, call, body),
        "RemoveTargets" => rules::remove_targets(world, call, body),
        "ListTargetsByRule" => rules::list_targets(world, call, body),
        _ => Err(ApiError::unknown_operation(Service::Events, operation)),
    };
    match result {
        Ok(members) => Ok(Answer::ok("application/x-amz-json-1.1", members.to_string())),
        Err(error) => {
            let code = error.code.clone();
            Err(error.with("x-amzn-errortype", code))
        }
    }
}

fn put(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let invalid = |message: String| ApiError::new(400, "ValidationException", message);
    let request: Request =
        serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    if !(1..=MOST_ENTRIES).contains(&request.entries.len()) {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member \
             must have length between 1 and {MOST_ENTRIES}"
        )));
    }
    let now = world.now();
    let mut state = world.lock();
    // One entry that is denied fails the call, before any is put.
    let mut buses = Vec::new();
    for entry in &request.entries {
        let bus = bus_of(call, entry)?;
        may_put(&state, call, entry, &bus)?;
        buses.push(bus);
    }
    let mut failed = 0;
    let mut answers = Vec::new();
    for (entry, (account, region)) in request.entries.iter().zip(buses) {
        match event(entry) {
            Ok(mut event) => {
                let id = new_uuid(&mut state.rng);
                event["id"] = id.as_str().into();
                event["account"] = call.caller.account.as_str().into();
                emit(&mut state, now, &account, &region, &event);
                answers.push(json!({ "EventId": id }));
            }
            Err((code, message)) => {
                failed += 1;
                answers.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
            }
        }
    }
    Ok(json!({ "FailedEntryCount": failed, "Entries": answers }))
}

/// The account and Region of the default bus that an entry is for.
fn bus_of(call: &Call, entry: &Entry) -> Result<(AccountId, Region), ApiError> {
    let own = (call.caller.account.clone(), call.region.clone());
    let Some(name) = entry.event_bus_name.as_deref().filter(|name| *name != "default") else {
        return Ok(own);
    };
    let arn: Option<Arn> = name.parse().ok();
    let arn = arn.filter(|arn| arn.service() == "events" && arn.resource() == "event-bus/default");
    arn.and_then(|arn| Some((arn.account()?, arn.region()?)))
        .filter(|(_, region)| *region == call.region)
        .ok_or_else(|| {
            let message =
                format!("the simulation knows the default buses of its Region, not {name}");
            ApiError::new(501, "NotImplemented", message)
        })
}

fn may_put(
    state: &State,
    call: &Call,
    entry: &Entry,
    (owner, region): &(AccountId, Region),
) -> Result<(), ApiError> {
    let bus = state.events.get(&(owner.clone(), region.clone()));
    let resource = format!("arn:aws:events:{region}:{owner}:event-bus/default");
    let source = [("events:source", entry.source.clone().unwrap_or_default())];
    let access = Access {
        action: "events:PutEvents",
        resource: &resource,
        owner,
        resource_policy: bus.and_then(|bus| bus.policy.as_ref()),
        context: &source,
    };
    authorize(state, &call.caller, &access)
        .map_err(|denial| ApiError::new(400, "AccessDeniedException", denial.message))
}

/// What is put, or why this entry is refused: codes of the guide to `PutEvents`, the texts are our own.
fn event(entry: &Entry) -> Result<Value, (&'static str, String)> {
    let needed = |name: &str, value: &Option<String>| {
        let missing = || ("InvalidArgument", format!("{name} is a required argument."));
        value.clone().filter(|text| !text.is_empty()).ok_or_else(missing)
    };
    let source = needed("Source", &entry.source)?;
    let detail_type = needed("DetailType", &entry.detail_type)?;
    let detail = needed("Detail", &entry.detail)?;
    if source.starts_with("aws.") {
        let message = format!("Not authorized for the source {source}.");
        return Err(("NotAuthorizedForSourceException", message));
    }
    let detail = serde_json::from_str::<Value>(&detail).ok().filter(Value::is_object);
    let detail = detail.ok_or_else(|| ("MalformedDetail", "Detail is malformed.".to_owned()))?;
    Ok(json!({
        "source": source,
        "detail-type": detail_type,
        "resources": entry.resources,
        "detail": detail,
    }))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
