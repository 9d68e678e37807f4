//! The conditions of a queue's policy that are understood, for a rule's message and for a worker's call.

use serde_json::Value;

use super::super::key::{is_role, role_of};
use super::super::resource_policy::fits;
use super::{Asker, EVENT_BRIDGE, all, any};
use crate::ids::Arn;

/// What a request has under a condition key.
enum Given<'a> {
    /// This text.
    Text(&'a str),
    /// The ARN of a rule of the queue's account and Region, whichever.
    SomeRule,
    /// The account of such a rule, which may also be another one.
    AccountOfSomeRule(String),
    /// The ARN of the role with this name; AWS does not tell its path.
    Role(String),
    /// Nothing: the request does not have the key.
    Nothing,
    /// That is not known here.
    Unknown,
}

/// How values are compared.
#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    EqualInAnyCase,
    Like,
}

/// Whether the conditions of a statement hold for a request; `None` where that is not understood.
pub(super) fn holds(statement: &Value, asker: Asker<'_>, queue: &Arn) -> Option<bool> {
    let Some(conditions) = statement.get("Condition") else { return Some(true) };
    let conditions = conditions.as_object()?;
    all(conditions.iter().map(|(operator, keys)| {
        let keys = keys.as_object()?;
        all(keys.iter().map(|(key, values)| one_holds(operator, key, values, asker, queue)))
    }))
}

fn one_holds(
    operator: &str,
    key: &str,
    values: &Value,
    asker: Asker<'_>,
    queue: &Arn,
) -> Option<bool> {
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let (comparison, is_negated) = match operator {
        "StringEquals" => (Comparison::Equal, false),
        "StringNotEquals" => (Comparison::Equal, true),
        "StringEqualsIgnoreCase" | "Bool" => (Comparison::EqualInAnyCase, false),
        "StringNotEqualsIgnoreCase" => (Comparison::EqualInAnyCase, true),
        "StringLike" | "ArnEquals" | "ArnLike" => (Comparison::Like, false),
        "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => (Comparison::Like, true),
        _ => return None,
    };
    let values = words(values)?;
    // `${` begins a variable.
    if values.iter().any(|value| value.contains("${")) {
        return None;
    }
    match given(&key.to_ascii_lowercase(), asker, queue) {
        Given::Unknown => None,
        // A key that is not there differs from every value.
        Given::Nothing => Some(is_negated || if_exists),
        given => {
            let met = any(values.iter().map(|value| meets(&given, value, comparison, queue)))?;
            Some(met != is_negated)
        }
    }
}

fn given<'a>(key: &str, asker: Asker<'a>, queue: &Arn) -> Given<'a> {
    let is_service = matches!(asker, Asker::Rule(_));
    match (key, asker) {
        ("aws:securetransport", _) => Given::Text("true"),
        ("aws:principalisawsservice", _) => Given::Text(if is_service { "true" } else { "false" }),
        ("aws:principalservicename", Asker::Rule(_)) => Given::Text(EVENT_BRIDGE),
        ("aws:sourcearn", Asker::Rule(None)) => Given::SomeRule,
        ("aws:sourcearn", Asker::Rule(Some(rule))) => Given::Text(rule),
        ("aws:sourceaccount", Asker::Rule(None)) => queue
            .account()
            .map_or(Given::Unknown, |account| Given::AccountOfSomeRule(account.to_string())),
        ("aws:sourceaccount", Asker::Rule(Some(rule))) => {
            rule.split(':').nth(4).map_or(Given::Unknown, Given::Text)
        }
        ("aws:sourcearn" | "aws:sourceaccount" | "aws:principalservicename", Asker::Worker(_)) => {
            Given::Nothing
        }
        ("aws:principalarn", Asker::Worker(caller)) => {
            role_of(caller).map_or(Given::Text(caller), Given::Role)
        }
        ("aws:principalaccount", Asker::Worker(caller)) => {
            caller.split(':').nth(4).map_or(Given::Unknown, Given::Text)
        }
        _ => Given::Unknown,
    }
}

/// One value, or a list of them; a truth value in words.
fn words(values: &Value) -> Option<Vec<String>> {
    match values {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Bool(one) => Some(vec![one.to_string()]),
        Value::Array(many) => {
            let each = many.iter().map(words).collect::<Option<Vec<_>>>()?;
            Some(each.concat())
        }
        _ => None,
    }
}

fn meets(given: &Given<'_>, value: &str, comparison: Comparison, queue: &Arn) -> Option<bool> {
    let meets_text = |text: &str| match comparison {
        Comparison::Equal => value == text,
        Comparison::EqualInAnyCase => value.eq_ignore_ascii_case(text),
        Comparison::Like => fits(value.as_bytes(), text.as_bytes()),
    };
    match given {
        Given::Text(text) => Some(meets_text(text)),
        // A rule of another account of the Region may send, too.
        Given::AccountOfSomeRule(account) => meets_text(account).then_some(true),
        Given::SomeRule => is_of_some_rule(value, queue),
        Given::Role(role) if meets_text(role) || is_role(value, role) => Some(true),
        // The pattern may be about a path.
        Given::Role(_) => (!value.contains(['*', '?'])).then_some(false),
        Given::Nothing | Given::Unknown => None,
    }
}

/// Whether a pattern fits the ARN of some rule in the queue's Region; `None` if only of another account.
fn is_of_some_rule(pattern: &str, queue: &Arn) -> Option<bool> {
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    let of_queue: Vec<&str> = queue.as_str().splitn(6, ':').collect();
    let (Some(partition), Some(region), Some(account)) =
        (of_queue.get(1), of_queue.get(3), of_queue.get(4))
    else {
        return None;
    };
    let own = ["arn", partition, "events", region, account];
    let fitting = parts.iter().zip(own).map(|(part, own)| fits(part.as_bytes(), own.as_bytes()));
    let fitting: Vec<bool> = fitting.collect();
    if fitting.iter().take(4).any(|fits| !fits) {
        return Some(false);
    }
    let is_open = |part: &&str| part.ends_with('*');
    let is_rule = match parts.get(5) {
        Some(resource) => {
            let start = resource.split(['*', '?']).next().unwrap_or_default();
            start.starts_with("rule/") || ("rule/".starts_with(start) && start != *resource)
        }
        None => parts.last().is_some_and(is_open),
    };
    match fitting.get(4) {
        _ if !is_rule => Some(false),
        Some(false) => None,
        _ => Some(true),
    }
}
