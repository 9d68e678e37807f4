//! Simulated EventBridge: rules of an account's default bus that send events to queues, or to
//! the default bus of another account or Region, and `PutEvents`.

mod pattern;
mod rules;
#[cfg(test)]
mod tests;
pub mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use pattern::Pattern;

use crate::iam::{Access, Policy, authorize};
use crate::principal::{Principal, PrincipalKind};
use crate::world::State;
use crate::{agenda, sqs};

/// EventBridge's rates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Time from an event to its message in the queue, for each bus on the way.
    #[serde(with = "crate::span")]
    pub delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { delay: Duration::from_millis(500) }
    }
}

/// The default bus of one account and Region.
#[derive(Debug, Default)]
pub struct Bus {
    rules: BTreeMap<String, Rule>,
    /// Who of other accounts may put events on it: all statements together.
    policy: Option<Policy>,
    /// The parts of the policy, by the id under which each was put; one put as a whole has none.
    statements: BTreeMap<String, Policy>,
}

impl Bus {
    /// Puts a part of the policy, or takes it away.
    fn state(&mut self, id: &str, part: Option<Policy>) {
        match part {
            Some(part) => self.statements.insert(id.to_owned(), part),
            None => self.statements.remove(id),
        };
        let all = self.statements.values().flat_map(|part| part.statements.iter().cloned());
        let statements: Vec<_> = all.collect();
        self.policy = (!statements.is_empty()).then_some(Policy { statements });
    }
}

/// A rule: which events go where.
#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// The pattern as it was given.
    text: String,
    is_enabled: bool,
    /// By their ids.
    targets: BTreeMap<String, Target>,
}

#[derive(Debug, Clone)]
enum Target {
    Queue(Arn),
    Bus(AccountId, Region),
}

impl Target {
    fn arn(&self) -> String {
        match self {
            Self::Queue(arn) => arn.to_string(),
            Self::Bus(account, region) => {
                format!("arn:aws:events:{region}:{account}:event-bus/default")
            }
        }
    }

    fn parse(arn: &Arn) -> Result<Self, String> {
        match (arn.service(), arn.resource(), arn.account(), arn.region()) {
            ("sqs", queue, Some(_), Some(_)) if !queue.ends_with(".fifo") => {
                Ok(Self::Queue(arn.clone()))
            }
            ("events", "event-bus/default", Some(account), Some(region)) => {
                Ok(Self::Bus(account, region))
            }
            _ => Err(format!(
                "{arn} cannot be a target: the simulation knows standard queues and default \
                 event buses (arn:aws:events:REGION:ACCOUNT:event-bus/default)"
            )),
        }
    }
}

/// Sets a rule of a default bus; one of the same name is replaced.
///
/// # Errors
/// What is wrong with the pattern or a target. An operator that the simulation does not know is
/// an error here, so that it can never match silently too much or too little.
pub fn put_rule(
    state: &mut State,
    account: &AccountId,
    region: &Region,
    name: &str,
    pattern: &str,
    targets: &[Arn],
) -> Result<(), String> {
    let numbers = (1..).map(|number: usize| number.to_string());
    let targets: Vec<(String, Arn)> = numbers.zip(targets.iter().cloned()).collect();
    put_rule_with(state, &(account.clone(), region.clone()), name, pattern, &targets)
}

/// The same with an id for each target.
///
/// # Errors
/// As [`put_rule`].
pub fn put_rule_with(
    state: &mut State,
    place: &(AccountId, Region),
    name: &str,
    pattern: &str,
    targets: &[(String, Arn)],
) -> Result<(), String> {
    let targets = targets.iter().map(|(id, arn)| Ok((id.clone(), Target::parse(arn)?)));
    let rule = Rule {
        targets: targets.collect::<Result<_, String>>()?,
        pattern: Pattern::parse(pattern).map_err(|error| format!("rule {name}: {error}"))?,
        text: pattern.to_owned(),
        is_enabled: true,
    };
    state.events.entry(place.clone()).or_default().rules.insert(name.to_owned(), rule);
    Ok(())
}

/// Whether a default bus has a rule of that name.
pub fn has_rule(state: &State, place: &(AccountId, Region), name: &str) -> bool {
    state.events.get(place).is_some_and(|bus| bus.rules.contains_key(name))
}

/// Sets the resource policy of a default bus: which other accounts may put events on it, as
/// `PutPermission` does. Without a policy, no other account may.
///
/// # Errors
/// What is wrong with the document.
pub fn put_bus_policy(
    state: &mut State,
    account: &AccountId,
    region: &Region,
    json: &str,
) -> Result<(), String> {
    put_bus_statement(state, &(account.clone(), region.clone()), "", json)
}

/// Puts a part of that policy under an id; one of the same id is replaced.
///
/// # Errors
/// What is wrong with the document.
pub fn put_bus_statement(
    state: &mut State,
    place: &(AccountId, Region),
    id: &str,
    json: &str,
) -> Result<(), String> {
    let (account, region) = place;
    let part = Policy::parse(json)
        .map_err(|error| format!("policy of the bus of {account} in {region}: {error}"))?;
    state.events.entry(place.clone()).or_default().state(id, Some(part));
    Ok(())
}

/// Enables or disables a rule, as `EnableRule` and `DisableRule` do; returns whether there is one.
pub fn enable_rule(
    state: &mut State,
    place: &(AccountId, Region),
    name: &str,
    is_enabled: bool,
) -> bool {
    let rule = state.events.get_mut(place).and_then(|bus| bus.rules.get_mut(name));
    rule.map(|rule| rule.is_enabled = is_enabled).is_some()
}

/// Takes a part of that policy away, if it is there.
pub fn delete_bus_statement(state: &mut State, place: &(AccountId, Region), id: &str) {
    if let Some(bus) = state.events.get_mut(place) {
        bus.state(id, None);
    }
}

/// Removes a rule; returns whether there was one.
pub fn delete_rule(state: &mut State, account: &AccountId, region: &Region, name: &str) -> bool {
    let bus = state.events.get_mut(&(account.clone(), region.clone()));
    bus.is_some_and(|bus| bus.rules.remove(name).is_some())
}

/// Puts an event on the default bus; every matching rule sends it to its targets.
///
/// A queue whose policy does not let `events.amazonaws.com` send for the rule gets nothing, as
/// in AWS; a warning in the log says so.
///
/// `event` holds `source`, `detail-type`, `resources` and `detail`; the rest of the envelope is
/// added here, as far as it is not there.
pub fn emit(state: &mut State, at: Timestamp, account: &AccountId, region: &Region, event: &Value) {
    let event = envelope(state, at, account, region, event);
    let first = after(at, state.settings.events.delay);
    let second = after(first, state.settings.events.delay);
    let mut deliveries = Vec::new();
    for target in targets(state, account, region, &event) {
        match target {
            Target::Queue(queue) => deliveries.push((first, queue)),
            // Events from another bus are not forwarded again: one hop.
            Target::Bus(account, region) => {
                let beyond = targets(state, &account, &region, &event);
                deliveries.extend(beyond.into_iter().filter_map(|target| match target {
                    Target::Queue(queue) => Some((second, queue)),
                    Target::Bus(..) => None,
                }));
            }
        }
    }
    let body = event.to_string();
    for (due, queue) in deliveries {
        state.agenda.plan(due, agenda::Due::Deliver { queue, body: body.clone() });
    }
}

/// Where the rules of a bus send an event, as far as they may.
fn targets(state: &State, account: &AccountId, region: &Region, event: &Value) -> Vec<Target> {
    let bus = state.events.get(&(account.clone(), region.clone()));
    let rules = bus.into_iter().flat_map(|bus| &bus.rules);
    let matching = rules.filter(|(_, rule)| rule.is_enabled && rule.pattern.matches(event));
    let targets = matching.flat_map(|(name, rule)| rule.targets.values().map(move |t| (name, t)));
    targets
        .filter(|(name, target)| match target {
            Target::Queue(queue) => may_send(state, account, region, name, queue),
            Target::Bus(owner, there) => may_forward(state, account, (owner, there)),
        })
        .map(|(_, target)| target.clone())
        .collect()
}

/// Whether the bus of another account takes events from this one. The rule's own role is not
/// simulated: the account stands for it.
fn may_forward(state: &State, account: &AccountId, (owner, region): (&AccountId, &Region)) -> bool {
    let bus = state.events.get(&(owner.clone(), region.clone()));
    let resource = format!("arn:aws:events:{region}:{owner}:event-bus/default");
    let access = Access {
        action: "events:PutEvents",
        resource: &resource,
        owner,
        resource_policy: bus.and_then(|bus| bus.policy.as_ref()),
        context: &[],
    };
    let answer = authorize(state, &Principal::root(account.clone()), &access);
    if let Err(denial) = &answer {
        tracing::warn!(bus = resource, reason = %denial.message, "an event was not forwarded");
    }
    answer.is_ok()
}

fn may_send(state: &State, account: &AccountId, region: &Region, rule: &str, queue: &Arn) -> bool {
    let caller = Principal {
        account: account.clone(),
        kind: PrincipalKind::Service("events.amazonaws.com".to_owned()),
    };
    let context = [
        ("aws:SourceArn", format!("arn:aws:events:{region}:{account}:rule/{rule}")),
        ("aws:SourceAccount", account.to_string()),
    ];
    let answer = sqs::may_send(state, queue, &caller, &context);
    if let Err(denial) = &answer {
        tracing::warn!(rule, queue = %queue, reason = %denial.message, "an event was not delivered");
    }
    answer.is_ok()
}

fn envelope(
    state: &mut State,
    at: Timestamp,
    account: &AccountId,
    region: &Region,
    event: &Value,
) -> Value {
    let mut whole = Map::new();
    // To the second, as AWS writes it here.
    let time = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    whole.insert("version".to_owned(), "0".into());
    whole.insert("id".to_owned(), new_uuid(&mut state.rng).into());
    whole.insert("account".to_owned(), account.as_str().into());
    whole.insert("time".to_owned(), time.into());
    whole.insert("region".to_owned(), region.as_str().into());
    whole.insert("resources".to_owned(), Value::Array(Vec::new()));
    if let Value::Object(given) = event {
        whole.extend(given.clone());
    }
    Value::Object(whole)
}

/// A random UUID (version 4) from the world's randomness.
pub fn new_uuid(rng: &mut fastrand::Rng) -> String {
    let bits = (rng.u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn after(at: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    at.saturating_add(span).unwrap_or(Timestamp::MAX)
}
