//! The calls about rules of the caller's default bus.

use amiferry_core::ids::Arn;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::pattern::Pattern;
use super::{Rule, Target};
use crate::World;
use crate::iam::{Access, authorize};
use crate::wire::{ApiError, Call};
use crate::world::State;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    name: String,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    state: Option<String>,
    event_bus_name: Option<String>,
}

/// `PutRule`: a rule that is there already keeps its targets.
pub(super) fn put(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Put = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let named = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !(1..=64).contains(&request.name.len()) || !request.name.chars().all(named) {
        return Err(invalid("a rule's name has 1 to 64 letters, digits, '.', '-' and '_'"));
    }
    let is_enabled = match request.state.as_deref() {
        None | Some("ENABLED") => true,
        Some("DISABLED") => false,
        Some(_) => return Err(lacks("rules of other states than ENABLED and DISABLED")),
    };
    if request.schedule_expression.is_some() {
        return Err(lacks("rules with a schedule"));
    }
    let text = request.event_pattern.unwrap_or_default();
    let pattern = pattern_of(&text)?;
    let mut state = world.lock();
    let arn = allowed(&state, call, "PutRule", &request.name)?;
    let place = (call.caller.account.clone(), call.region.clone());
    let rules = &mut state.events.entry(place).or_default().rules;
    let targets = rules.remove(&request.name).map(|rule| rule.targets).unwrap_or_default();
    rules.insert(request.name, Rule { pattern, text, is_enabled, targets });
    Ok(json!({ "RuleArn": arn }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: String,
    event_bus_name: Option<String>,
}

/// `EnableRule` and `DisableRule`.
pub(super) fn enable(
    world: &World,
    call: &Call,
    body: &Bytes,
    is_enabled: bool,
) -> Result<Value, ApiError> {
    let request: Named = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let operation = if is_enabled { "EnableRule" } else { "DisableRule" };
    let mut state = world.lock();
    allowed(&state, call, operation, &request.name)?;
    of(&mut state, call, &request.name)?.is_enabled = is_enabled;
    Ok(json!({}))
}

/// `DescribeRule`.
pub(super) fn describe(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Named = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let mut state = world.lock();
    let arn = allowed(&state, call, "DescribeRule", &request.name)?;
    let rule = of(&mut state, call, &request.name)?;
    Ok(json!({
        "Name": request.name,
        "Arn": arn,
        "EventPattern": rule.text,
        "State": state_of(rule),
        "EventBusName": "default",
        "CreatedBy": call.caller.account,
    }))
}

fn state_of(rule: &Rule) -> &'static str {
    if rule.is_enabled { "ENABLED" } else { "DISABLED" }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfTarget {
    target_arn: String,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

/// `ListRuleNamesByTarget`; IAM cannot restrict it to a resource.
pub(super) fn by_target(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: OfTarget = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let state = world.lock();
    allowed_at_all(&state, call, "ListRuleNamesByTarget")?;
    let limit = request.limit.unwrap_or(MOST_NAMES);
    if !(1..=MOST_NAMES).contains(&limit) {
        return Err(invalid("Limit must be from 1 to 100"));
    }
    let bus = state.events.get(&(call.caller.account.clone(), call.region.clone()));
    let rules = bus.into_iter().flat_map(|bus| &bus.rules);
    let sends = |rule: &Rule| rule.targets.values().any(|to| to.arn() == request.target_arn);
    let names: Vec<&String> = rules.filter(|(_, rule)| sends(rule)).map(|(name, _)| name).collect();
    let from = match &request.next_token {
        None => 0,
        Some(token) => token
            .parse()
            .ok()
            .filter(|from| (1..names.len()).contains(from))
            .ok_or_else(|| invalid("NextToken is invalid"))?,
    };
    let page: Vec<&String> = names.iter().skip(from).take(limit).copied().collect();
    let next = from + page.len();
    let mut answer = json!({ "RuleNames": page });
    if next < names.len() {
        answer["NextToken"] = next.to_string().into();
    }
    Ok(answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tested {
    event_pattern: String,
    event: String,
}

/// `TestEventPattern`; IAM cannot restrict it to a resource.
pub(super) fn test(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Tested = parsed(body)?;
    allowed_at_all(&world.lock(), call, "TestEventPattern")?;
    let pattern = pattern_of(&request.event_pattern)?;
    let event: Value = serde_json::from_str(&request.event)
        .map_err(|why| invalid(&format!("Parameter Event is not valid. Reason: {why}")))?;
    if let Some(missing) = NEEDED.iter().find(|name| event.get(name).is_none()) {
        return Err(invalid(&format!("Parameter Event is not valid. Reason: it has no {missing}")));
    }
    Ok(json!({ "Result": pattern.matches(&event) }))
}

/// What an event of `TestEventPattern` must have (API reference).
const NEEDED: [&str; 7] = ["id", "account", "source", "time", "region", "resources", "detail-type"];

/// Names of one page (API model of `ListRuleNamesByTarget`).
const MOST_NAMES: usize = 100;

/// `DeleteRule`: one that is not there is gone.
pub(super) fn delete(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: Named = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let mut state = world.lock();
    allowed(&state, call, "DeleteRule", &request.name)?;
    if let Ok(rule) = of(&mut state, call, &request.name)
        && !rule.targets.is_empty()
    {
        return Err(invalid("Rule can't be deleted since it has targets."));
    }
    super::delete_rule(&mut state, &call.caller.account, &call.region, &request.name);
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    name_prefix: String,
    event_bus_name: Option<String>,
}

/// `ListRules`, all on one page.
pub(super) fn list(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: List = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let state = world.lock();
    allowed(&state, call, "ListRules", "*")?;
    let bus = state.events.get(&(call.caller.account.clone(), call.region.clone()));
    let rules = bus.into_iter().flat_map(|bus| &bus.rules);
    let listed = rules.filter(|(name, _)| name.starts_with(&request.name_prefix));
    let listed = listed.map(|(name, rule)| {
        json!({
            "Name": name,
            "Arn": arn(call, name),
            "EventPattern": rule.text,
            "State": state_of(rule),
            "EventBusName": "default",
        })
    });
    Ok(json!({ "Rules": listed.collect::<Value>() }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutTargets {
    rule: String,
    event_bus_name: Option<String>,
    targets: Vec<Value>,
}

/// A target. What would change the event on its way is not simulated and so refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct NewTarget {
    id: String,
    arn: Arn,
    /// Not evaluated: the rule's account stands for it.
    #[serde(rename = "RoleArn")]
    _role_arn: Option<String>,
}

/// `PutTargets`: all of them or none; one of the same id is replaced.
pub(super) fn put_targets(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: PutTargets = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let targets = request.targets.into_iter().map(|target| {
        let new: NewTarget = serde_json::from_value(target)
            .map_err(|error| lacks(&format!("this target: {error}")))?;
        Ok((new.id, Target::parse(&new.arn).map_err(|why| lacks(&why))?))
    });
    let targets = targets.collect::<Result<Vec<_>, ApiError>>()?;
    let mut state = world.lock();
    allowed(&state, call, "PutTargets", &request.rule)?;
    of(&mut state, call, &request.rule)?.targets.extend(targets);
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RemoveTargets {
    rule: String,
    event_bus_name: Option<String>,
    ids: Vec<String>,
}

/// `RemoveTargets`.
pub(super) fn remove_targets(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: RemoveTargets = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let mut state = world.lock();
    allowed(&state, call, "RemoveTargets", &request.rule)?;
    of(&mut state, call, &request.rule)?.targets.retain(|id, _| !request.ids.contains(id));
    Ok(json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfRule {
    rule: String,
    event_bus_name: Option<String>,
}

/// `ListTargetsByRule`, all on one page.
pub(super) fn list_targets(world: &World, call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    let request: OfRule = parsed(body)?;
    only_default(request.event_bus_name.as_deref())?;
    let mut state = world.lock();
    allowed(&state, call, "ListTargetsByRule", &request.rule)?;
    let targets = &of(&mut state, call, &request.rule)?.targets;
    let listed = targets.iter().map(|(id, target)| json!({ "Id": id, "Arn": target.arn() }));
    Ok(json!({ "Targets": listed.collect::<Value>() }))
}

fn of<'s>(state: &'s mut State, call: &Call, name: &str) -> Result<&'s mut Rule, ApiError> {
    let bus = state.events.get_mut(&(call.caller.account.clone(), call.region.clone()));
    bus.and_then(|bus| bus.rules.get_mut(name)).ok_or_else(|| {
        let message = format!("Rule {name} does not exist on EventBus default.");
        ApiError::new(400, "ResourceNotFoundException", message)
    })
}

fn arn(call: &Call, name: &str) -> String {
    format!("arn:aws:events:{}:{}:rule/{name}", call.region, call.caller.account)
}

fn pattern_of(text: &str) -> Result<Pattern, ApiError> {
    Pattern::parse(text).map_err(|why| {
        ApiError::new(400, "InvalidEventPatternException", format!("Event pattern: {why}"))
    })
}

/// Whether the caller may, of an operation that IAM cannot restrict to a resource.
fn allowed_at_all(state: &State, call: &Call, operation: &str) -> Result<(), ApiError> {
    let access = Access {
        action: &format!("events:{operation}"),
        resource: "*",
        owner: &call.caller.account,
        resource_policy: None,
        context: &[],
    };
    authorize(state, &call.caller, &access)
        .map_err(|denial| ApiError::new(400, "AccessDeniedException", denial.message))
}

/// Whether the caller may; gives the rule's ARN.
fn allowed(state: &State, call: &Call, operation: &str, rule: &str) -> Result<String, ApiError> {
    let resource = arn(call, rule);
    let access = Access {
        action: &format!("events:{operation}"),
        resource: &resource,
        owner: &call.caller.account,
        resource_policy: None,
        context: &[],
    };
    authorize(state, &call.caller, &access)
        .map_err(|denial| ApiError::new(400, "AccessDeniedException", denial.message))?;
    Ok(resource)
}

fn only_default(bus: Option<&str>) -> Result<(), ApiError> {
    match bus {
        None | Some("default") => Ok(()),
        Some(other) => Err(lacks(&format!("rules of the bus {other}, only of default"))),
    }
}

fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(400, "ValidationException", message)
}

fn lacks(what: &str) -> ApiError {
    ApiError::new(501, "NotImplemented", format!("the simulated EventBridge lacks {what}"))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
