//! A template's text as a value: YAML, and so JSON. Each short form of a function (`!Ref X`) becomes its
//! long form (`{"Ref": "X"}`).

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use serde_json::{Map, Number, Value};

/// The deepest nesting that is read: a template needs far less.
const DEEPEST: usize = 100;

/// Functions whose long form is `Fn::NAME`.
const FUNCTIONS: [&str; 17] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
];

/// Reads the one document of a text.
///
/// # Errors
/// What is wrong, and where.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd => return Err("the text is empty".to_owned()),
            event => {
                let value = reader.node(event, 0)?;
                return reader.end(value);
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the text ends too early".to_owned()),
        }
    }

    /// Nothing follows the document.
    fn end(&mut self, value: Value) -> Result<Value, String> {
        loop {
            match self.next()? {
                Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Ok(value),
                _ => return Err("there is more than one document".to_owned()),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        match event {
            Event::Scalar(text, style, _, tag) => scalar(&text, style, tag.as_deref()),
            Event::SequenceStart(_, tag) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => list.push(self.node(event, depth + 1)?),
                    }
                }
                long_form(tag.as_deref(), Value::Array(list))
            }
            Event::MappingStart(_, tag) => {
                let mut map = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => break,
                        Event::Scalar(key, ..) => key.into_owned(),
                        _ => return Err("a key must be a text".to_owned()),
                    };
                    let event = self.next()?;
                    let value = self.node(event, depth + 1)?;
                    if map.insert(key.clone(), value).is_some() {
                        return Err(format!("the key {key} is there twice"));
                    }
                }
                long_form(tag.as_deref(), Value::Object(map))
            }
            Event::Alias(_) => {
                Err("YAML aliases are not allowed in CloudFormation templates".to_owned())
            }
            event => Err(format!("unexpected {event:?}")),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let is_text = style != ScalarStyle::Plain
        || tag.is_some_and(|tag| !tag.is_yaml_core_schema() || tag.suffix == "str");
    let value = if is_text { Value::String(text.to_owned()) } else { plain(text) };
    long_form(tag, value)
}

/// A plain scalar by YAML's core schema. Digits with a leading zero stay a text: they are ids.
fn plain(text: &str) -> Value {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0') || digits.starts_with("0."))
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number => {
            let whole = text.parse::<i64>().ok().map(Number::from);
            let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
            number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
        }
        _ => Value::String(text.to_owned()),
    }
}

fn long_form(tag: Option<&Tag>, value: Value) -> Result<Value, String> {
    let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) else { return Ok(value) };
    let name = tag.suffix.as_str();
    let (name, value) = match (name, value) {
        ("Ref" | "Condition", value) => (name.to_owned(), value),
        ("GetAtt", Value::String(text)) => {
            let (resource, attribute) = text
                .split_once('.')
                .ok_or_else(|| format!("!GetAtt {text} must be RESOURCE.ATTRIBUTE"))?;
            ("Fn::GetAtt".to_owned(), serde_json::json!([resource, attribute]))
        }
        (name, value) if FUNCTIONS.contains(&name) => (format!("Fn::{name}"), value),
        _ => return Err(format!("there is no function {tag}")),
    };
    Ok(Value::Object(Map::from_iter([(name, value)])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_forms_become_long_forms() {
        for (text, value) in [
            ("!Ref A", json!({ "Ref": "A" })),
            ("!Ref AWS::NoValue", json!({ "Ref": "AWS::NoValue" })),
            ("!GetAtt A.B.C", json!({ "Fn::GetAtt": ["A", "B.C"] })),
            ("!Sub \"${A}\"", json!({ "Fn::Sub": "${A}" })),
            ("!Sub |\n  a\n  ${B}\n", json!({ "Fn::Sub": "a\n${B}\n" })),
            ("!Join [\",\", [a, !Ref B]]", json!({ "Fn::Join": [",", ["a", { "Ref": "B" }]] })),
            (
                "!And [{Condition: A}, !Not [!Equals [!Ref B, \"\"]]]",
                json!({ "Fn::And": [
                    { "Condition": "A" },
                    { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "B" }, ""] }] },
                ] }),
            ),
            (
                "!Not [\"Fn::Contains\": [!Ref A, b]]",
                json!({ "Fn::Not": [{ "Fn::Contains": [{ "Ref": "A" }, "b"] }] }),
            ),
            (
                "!If\n- A\n- - x\n- !Ref AWS::NoValue",
                json!({ "Fn::If": ["A", ["x"], { "Ref": "AWS::NoValue" }] }),
            ),
            (
                "a: !Select [0, !Split [\":\", x]]",
                json!({ "a": { "Fn::Select": [0, { "Fn::Split": [":", "x"] }] } }),
            ),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn scalars_are_read_by_the_core_schema_and_ids_stay_texts() {
        let text =
            "[7, -1, 1.5, true, \"7\", 2010-09-09, 012345678901, yes, 'x', null, 0, !!str 5]";
        let value =
            json!([7, -1, 1.5, true, "7", "2010-09-09", "012345678901", "yes", "x", null, 0, "5"]);
        assert_eq!(parse(text), Ok(value));
        assert_eq!(parse("{\"a\": {\"Ref\": \"B\"}}"), Ok(json!({ "a": { "Ref": "B" } })));
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_reason() {
        for (text, named) in [
            ("", "empty"),
            ("a: 1\na: 2", "twice"),
            ("a: &x 1\nb: *x", "aliases"),
            ("a: !Rev B", "!Rev"),
            ("!GetAtt A", "RESOURCE.ATTRIBUTE"),
            ("a: 1\n---\nb: 2", "more than one"),
            ("a: [1", "line"),
            ("? [a]\n: b", "key"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
        assert!(parse(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err());
    }
}
