//! Event patterns: which events a rule matches. A subset of EventBridge's: exact values, `prefix`,
//! `suffix`, `anything-but` (values, `prefix` and `suffix`) and `exists`, on nested keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A parsed event pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Fields);

type Fields = BTreeMap<String, Node>;

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Nested(Fields),
    /// Any of these is enough.
    Leaf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equal(Value),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Test>),
    Exists(bool),
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// What is wrong, or which operator the simulation does not know.
    pub fn parse(json: &str) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
        match value {
            Value::Object(fields) => fields_of(&fields).map(Self),
            other => Err(format!("an event pattern is an object, not {other}")),
        }
    }

    /// Whether a rule with this pattern takes the event.
    pub fn matches(&self, event: &Value) -> bool {
        fields_match(&self.0, Some(event))
    }
}

fn fields_of(fields: &Map<String, Value>) -> Result<Fields, String> {
    let nodes = fields.iter().map(|(key, value)| {
        let node = match value {
            Value::Object(nested) => Node::Nested(fields_of(nested)?),
            Value::Array(tests) if !tests.is_empty() => {
                Node::Leaf(tests.iter().map(test_of).collect::<Result<_, _>>()?)
            }
            other => {
                return Err(format!("{key}: expected an object or a filled array, not {other}"));
            }
        };
        if key.starts_with('$') {
            return Err(format!("the operator {key} is not simulated"));
        }
        Ok((key.clone(), node))
    });
    nodes.collect()
}

fn test_of(value: &Value) -> Result<Test, String> {
    let Value::Object(operator) = value else { return exact(value) };
    let mut entries = operator.iter();
    let (Some((name, operand)), None) = (entries.next(), entries.next()) else {
        return Err(format!("expected one operator, not {value}"));
    };
    match (name.as_str(), operand) {
        ("prefix", Value::String(prefix)) => Ok(Test::Prefix(prefix.clone())),
        ("suffix", Value::String(suffix)) => Ok(Test::Suffix(suffix.clone())),
        ("exists", Value::Bool(exists)) => Ok(Test::Exists(*exists)),
        ("anything-but", Value::Array(values)) => {
            Ok(Test::AnythingBut(values.iter().map(exact).collect::<Result<_, _>>()?))
        }
        ("anything-but", Value::Object(_)) => match test_of(operand)? {
            part @ (Test::Prefix(_) | Test::Suffix(_)) => Ok(Test::AnythingBut(vec![part])),
            _ => Err(format!("the operator {value} is not simulated")),
        },
        ("anything-but", value) => Ok(Test::AnythingBut(vec![exact(value)?])),
        _ => Err(format!("the operator {value} is not simulated")),
    }
}

fn exact(value: &Value) -> Result<Test, String> {
    match value {
        Value::Object(_) | Value::Array(_) => Err(format!("{value} is not a value to compare")),
        value => Ok(Test::Equal(value.clone())),
    }
}

fn fields_match(fields: &Fields, event: Option<&Value>) -> bool {
    fields.iter().all(|(key, node)| {
        let value = event.and_then(|event| event.get(key));
        match node {
            Node::Nested(nested) => fields_match(nested, value),
            Node::Leaf(tests) => tests.iter().any(|test| leaf_matches(test, value)),
        }
    })
}

/// An array in the event matches if one of its elements does.
fn leaf_matches(test: &Test, value: Option<&Value>) -> bool {
    match (test, value) {
        (Test::Exists(wanted), value) => {
            // Only leaves exist: an object is no value.
            value.is_some_and(|value| !value.is_object()) == *wanted
        }
        (_, None) => false,
        (test, Some(Value::Array(values))) => values.iter().any(|value| matches(test, value)),
        (test, Some(value)) => matches(test, value),
    }
}

fn matches(test: &Test, value: &Value) -> bool {
    match test {
        Test::Equal(wanted) => value == wanted,
        Test::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
        Test::Suffix(suffix) => value.as_str().is_some_and(|text| text.ends_with(suffix)),
        Test::AnythingBut(tests) => !tests.iter().any(|test| matches(test, value)),
        Test::Exists(wanted) => *wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_they_name_and_nothing_else() {
        let event = serde_json::json!({
            "source": "aws.s3",
            "resources": ["arn:aws:s3:::staging"],
            "detail": { "bucket": { "name": "staging" }, "object": { "key": "a/b.bin", "size": 5 } },
        });
        for (pattern, expected) in [
            (r#"{}"#, true),
            (r#"{"source":["aws.s3"]}"#, true),
            (r#"{"source":["aws.ec2","aws.s3"]}"#, true),
            (r#"{"source":["aws.ec2"]}"#, false),
            (r#"{"source":["aws.s3"],"detail":{"bucket":{"name":["other"]}}}"#, false),
            (r#"{"resources":["arn:aws:s3:::staging"]}"#, true),
            (r#"{"detail":{"object":{"key":[{"prefix":"a/"}]}}}"#, true),
            (r#"{"detail":{"object":{"key":[{"prefix":"b/"}]}}}"#, false),
            (r#"{"detail":{"object":{"key":[{"suffix":".bin"}]}}}"#, true),
            (r#"{"detail":{"object":{"key":[{"suffix":".json"}]}}}"#, false),
            (r#"{"detail":{"object":{"key":[{"anything-but":{"suffix":".bin"}}]}}}"#, false),
            (r#"{"detail":{"object":{"size":[5]}}}"#, true),
            (r#"{"detail":{"object":{"size":["5"]}}}"#, false),
            (r#"{"detail":{"object":{"key":[{"anything-but":["x","y"]}]}}}"#, true),
            (r#"{"detail":{"object":{"key":[{"anything-but":"a/b.bin"}]}}}"#, false),
            (r#"{"detail":{"object":{"key":[{"anything-but":{"prefix":"a/"}}]}}}"#, false),
            (r#"{"detail":{"object":{"none":[{"anything-but":"x"}]}}}"#, false),
            (r#"{"detail":{"object":{"key":[{"exists":true}]}}}"#, true),
            (r#"{"detail":{"object":{"none":[{"exists":false}]}}}"#, true),
            (r#"{"detail":{"object":{"key":[{"exists":false}]}}}"#, false),
            (r#"{"nothing":{"deep":["x"]}}"#, false),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(&event), expected, "{pattern}");
        }
    }

    #[test]
    fn unknown_operators_and_shapes_are_errors() {
        for (pattern, word) in [
            ("[]", "object"),
            ("{", "JSON"),
            (r#"{"source":"aws.s3"}"#, "array"),
            (r#"{"source":[]}"#, "array"),
            (r#"{"source":[{"wildcard":"a*"}]}"#, "wildcard"),
            (r#"{"source":[{"prefix":5}]}"#, "prefix"),
            (r#"{"source":[{"prefix":"a","exists":true}]}"#, "one operator"),
            (r#"{"$or":[{"source":["x"]}]}"#, "operator"),
            (r#"{"source":[{"anything-but":{"wildcard":"x"}}]}"#, "wildcard"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(word), "{pattern}: {error}");
        }
    }
}
