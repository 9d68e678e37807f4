//! The parts of a resource's policy, as far as they can be read without judging them.

use serde_json::Value;

/// The statements of a policy; `None` where it has none that can be read.
pub(super) fn statements_of(document: &Value) -> Option<Vec<&Value>> {
    match document.get("Statement")? {
        Value::Array(statements) => Some(statements.iter().collect()),
        one @ Value::Object(_) => Some(vec![one]),
        _ => None,
    }
}

/// How a statement is named to people.
pub(super) fn name_of(statement: &Value) -> String {
    let name = statement.get("Sid").and_then(Value::as_str);
    name.map_or_else(|| "a statement".to_owned(), |sid| format!("statement {sid}"))
}

/// Whether a statement is about an action; `None` where it does not say.
pub(super) fn concerns(statement: &Value, action: &str) -> Option<bool> {
    let names = |patterns: &Value| -> Option<bool> {
        let patterns = texts(patterns)?;
        Some(patterns.iter().any(|pattern| overlap(pattern, action)))
    };
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(patterns), None) => names(patterns),
        (None, Some(patterns)) => names(patterns).map(|named| !named),
        _ => None,
    }
}

/// Whether a statement has conditions.
pub(super) fn is_conditional(statement: &Value) -> bool {
    match statement.get("Condition") {
        None => false,
        Some(Value::Object(conditions)) => !conditions.is_empty(),
        Some(_) => true,
    }
}

/// One text, or a list of them.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(one) => Some(vec![one]),
        Value::Array(many) => many.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Whether a pattern of a policy with `*` and `?` fits an action, in any case. An action that ends
/// in `*` stands for all that begin so.
fn overlap(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    match action.strip_suffix('*') {
        Some(start) => pattern.starts_with(start) || fits(pattern.as_bytes(), start.as_bytes()),
        None => fits(pattern.as_bytes(), action.as_bytes()),
    }
}

/// Whether a pattern with `*` and `?` fits a text, in the same case.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last `*` was, and how much of the text it takes.
    let (mut at, mut in_text, mut star) = (0, 0, None);
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(sign) if *sign == b'?' || text.get(in_text) == Some(sign) => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    in_text = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|sign| *sign == b'*')
}
