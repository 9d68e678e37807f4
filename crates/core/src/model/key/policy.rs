//! Reads from a key's policy that an action is refused for certain. A denied DryRun alone proves
//! nothing, because a condition can admit EC2 and deny us; a policy without a statement that could
//! allow the action, or with one that denies it to everybody under no condition, does.

use serde_json::Value;

use super::super::resource_policy::{concerns, is_conditional, name_of, statements_of, texts};

/// Why a key's policy certainly refuses an action to every principal of `account`, or `None` where
/// it may allow it, or where it is not understood.
///
/// Conditions are not evaluated: a statement that allows under one may allow, and one that denies
/// under one may not deny.
pub fn refusal_of(policy: &str, action: &str, account: &str) -> Option<String> {
    let document: Value = serde_json::from_str(policy).ok()?;
    let mut may_allow = false;
    for statement in statements_of(&document)? {
        let concerns = concerns(statement, action)?;
        match statement.get("Effect")?.as_str()? {
            "Allow" => may_allow |= concerns,
            "Deny" if concerns && denies_all(statement, account) => {
                let name = name_of(statement);
                return Some(format!("{name} of the key's policy denies {action} to everybody"));
            }
            "Deny" => {}
            _ => return None,
        }
    }
    (!may_allow).then(|| format!("no statement of the key's policy allows {action}"))
}

/// Whether a statement denies everyone in the account.
fn denies_all(statement: &Value, account: &str) -> bool {
    is_about_everyone(statement, account)
        && is_of_every_resource(statement)
        && !is_conditional(statement)
}

/// Whether a statement that denies is about every principal of the account.
pub(super) fn is_about_everyone(statement: &Value, account: &str) -> bool {
    let is_everybody = |name: &str| {
        name == "*"
            || name == account
            || (name.contains(&format!("::{account}:")) && name.ends_with(":root"))
    };
    match statement.get("Principal") {
        Some(Value::String(name)) => name == "*",
        Some(Value::Object(kinds)) => kinds
            .get("AWS")
            .and_then(texts)
            .is_some_and(|names| names.iter().any(|name| is_everybody(name))),
        _ => false,
    }
}

/// Whether a statement of a key's policy is about the key, in the usual form.
pub(super) fn is_of_every_resource(statement: &Value) -> bool {
    statement.get("Resource").and_then(texts).is_some_and(|resources| resources.contains(&"*"))
}
