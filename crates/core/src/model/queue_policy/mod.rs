//! Reads from a queue's policy whether EventBridge may send to the queue, and what is denied to its worker.
//! What is not understood here is named, and counts neither as allowing nor as denying.

mod condition;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use super::key::{is_role, role_of};
use super::resource_policy::{concerns, fits, name_of, statements_of, texts};
use crate::ids::Arn;

/// EventBridge, as policies name it.
const EVENT_BRIDGE: &str = "events.amazonaws.com";

/// What a worker does with its queue, apart from asking for its attributes.
const WORK: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"];

/// The question by which a worker learns the policy: who has the answer is not denied it.
const QUESTION: &str = "sqs:GetQueueAttributes";

/// Whether EventBridge may send to a queue, as the queue's policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// A statement allows it, and none denies it.
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// These statements deny it.
    Denied(BTreeSet<String>),
    /// It depends on these statements, which are not understood here.
    Unclear(BTreeSet<String>),
}

/// What a queue's policy denies to the worker, of the actions that it cannot do without.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Denials {
    /// Statements that deny some of it, and what.
    pub certain: BTreeSet<String>,
    /// The same of statements that may deny it: they are not understood here.
    pub unclear: BTreeSet<String>,
}

/// The policy of a queue.
#[derive(Debug, Clone)]
pub struct QueuePolicy {
    queue: Arn,
    statements: Vec<Value>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
enum Asker<'a> {
    /// EventBridge, for the rule with this ARN; for any rule of the queue's account and Region if `None`.
    Rule(Option<&'a str>),
    /// The principal with this ARN.
    Worker(&'a str),
}

impl QueuePolicy {
    /// Reads the policy of `queue`, as SQS shows it. An empty text is a policy that allows nothing.
    ///
    /// # Errors
    /// The text is no policy, in words.
    pub fn read(queue: &Arn, policy: &str) -> Result<Self, String> {
        let queue = queue.clone();
        if policy.trim().is_empty() {
            return Ok(Self { queue, statements: Vec::new() });
        }
        let document: Value =
            serde_json::from_str(policy).map_err(|error| format!("it is not JSON: {error}"))?;
        let statements = statements_of(&document).ok_or("it has no statements")?;
        let is_effect = |statement: &&&Value| {
            matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"))
        };
        if let Some(odd) = statements.iter().find(|one| !is_effect(one)) {
            return Err(format!("{} neither allows nor denies", name_of(odd)));
        }
        Ok(Self { queue, statements: statements.into_iter().cloned().collect() })
    }

    /// The queue that it is of.
    pub fn queue(&self) -> &Arn {
        &self.queue
    }

    /// Whether EventBridge may send for the rule with this ARN; with `None`, for some rule of the queue's
    /// account and Region.
    pub fn sending(&self, rule: Option<&str>) -> Sending {
        let asker = Asker::Rule(rule);
        let of = |effect| self.concerned(effect, asker, "sqs:SendMessage");
        let (allowing, denying) = (of("Allow"), of("Deny"));
        if !denying.certain.is_empty() {
            return Sending::Denied(denying.certain);
        }
        match (allowing.certain.is_empty(), allowing.unclear.is_empty()) {
            (true, true) => Sending::NotAllowed,
            (false, _) if denying.unclear.is_empty() => Sending::Allowed,
            (false, _) => Sending::Unclear(denying.unclear),
            (true, false) => Sending::Unclear(&allowing.unclear | &denying.unclear),
        }
    }

    /// What is denied to the worker `caller`, to whom SQS has shown this policy: a statement that denies
    /// that question in the same breath does not concern it, whatever its conditions mean.
    pub fn denials(&self, caller: &str) -> Denials {
        let asker = Asker::Worker(caller);
        let mut all = Denials::default();
        for action in WORK {
            let found = self.concerned("Deny", asker, action);
            let told = |names: BTreeSet<String>| {
                names.into_iter().map(move |name| format!("{name} denies {action}"))
            };
            all.certain.extend(told(found.certain));
            all.unclear.extend(told(found.unclear));
        }
        all
    }

    /// The other services that the policy names as senders.
    pub fn other_senders(&self) -> BTreeSet<&str> {
        let sends = |statement: &&Value| {
            statement.get("Effect").and_then(Value::as_str) == Some("Allow")
                && concerns(statement, "sqs:SendMessage") != Some(false)
        };
        let services = self.statements.iter().filter(sends).filter_map(|statement| {
            let services = statement.get("Principal")?.get("Service")?;
            texts(services)
        });
        services.flatten().filter(|service| *service != EVENT_BRIDGE).collect()
    }

    /// The names of the statements of an effect that concern the asker's action.
    fn concerned(&self, effect: &str, asker: Asker<'_>, action: &str) -> Denials {
        let mut found = Denials::default();
        for statement in &self.statements {
            if statement.get("Effect").and_then(Value::as_str) != Some(effect) {
                continue;
            }
            let is_refuted =
                matches!(asker, Asker::Worker(_)) && concerns(statement, QUESTION) == Some(true);
            match self.applies(statement, asker, action) {
                Some(false) => {}
                _ if is_refuted => {}
                Some(true) => {
                    found.certain.insert(name_of(statement));
                }
                None => {
                    found.unclear.insert(name_of(statement));
                }
            }
        }
        found
    }

    /// Whether a statement is about a request; `None` where that is not understood.
    fn applies(&self, statement: &Value, asker: Asker<'_>, action: &str) -> Option<bool> {
        all([
            concerns(statement, action),
            self.is_of_queue(statement),
            self.is_about(statement, asker),
            condition::holds(statement, asker, &self.queue),
        ])
    }

    fn is_of_queue(&self, statement: &Value) -> Option<bool> {
        let names = |patterns: &Value| -> Option<bool> {
            let patterns = texts(patterns)?;
            Some(patterns.iter().any(|one| fits(one.as_bytes(), self.queue.as_str().as_bytes())))
        };
        match (statement.get("Resource"), statement.get("NotResource")) {
            (Some(patterns), None) => names(patterns),
            (None, Some(patterns)) => names(patterns).map(|named| !named),
            _ => None,
        }
    }

    fn is_about(&self, statement: &Value, asker: Asker<'_>) -> Option<bool> {
        match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(Value::String(name)), None) => (name == "*").then_some(true),
            (Some(Value::Object(kinds)), None) => any(kinds.iter().map(|(kind, names)| {
                let names = texts(names)?;
                any(names.into_iter().map(|name| match (kind.as_str(), asker) {
                    ("AWS" | "*", _) if name == "*" => Some(true),
                    ("Service", Asker::Rule(_)) => Some(name == EVENT_BRIDGE || name == "*"),
                    ("AWS", Asker::Worker(caller)) => is_principal(name, caller),
                    ("AWS" | "Service" | "Federated" | "CanonicalUser", _) => Some(false),
                    _ => None,
                }))
            })),
            _ => None,
        }
    }
}

/// Whether an element of `Principal.AWS` is about the caller.
fn is_principal(name: &str, caller: &str) -> Option<bool> {
    let account = caller.split(':').nth(4);
    if name == caller || Some(name) == account {
        return Some(true);
    }
    let Some(rest) = name.strip_prefix("arn:") else {
        // An account, or the id of a principal, which AWS does not tell of the caller.
        return name.bytes().all(|byte| byte.is_ascii_digit()).then_some(false);
    };
    if rest.ends_with(":root") {
        return Some(rest.split(':').nth(3) == account);
    }
    Some(role_of(caller).is_some_and(|role| is_role(name, &role)))
}

/// Whether all hold: one that does not decides, and then one that is not understood.
fn all(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let parts: Vec<_> = parts.into_iter().collect();
    if parts.contains(&Some(false)) {
        return Some(false);
    }
    (!parts.contains(&None)).then_some(true)
}

/// Whether one holds: one that does decides, and then one that is not understood.
fn any(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.into_iter().map(|part| part.map(|holds| !holds))).map(|none| !none)
}
