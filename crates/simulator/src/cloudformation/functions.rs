//! The functions of templates: what they give, once what they refer to is known.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::template::{Template, text_of};

/// How deep conditions may refer to conditions: more is a circle.
const DEEPEST: usize = 32;

/// What a resource is known by once it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// What `Ref` gives.
    pub physical: String,
    /// What `Fn::GetAtt` gives.
    pub attributes: BTreeMap<String, String>,
}

/// What the names in a template stand for.
#[derive(Debug)]
pub struct Scope<'a> {
    pub template: &'a Template,
    /// Parameters and pseudo parameters (`AWS::Region`).
    pub values: &'a BTreeMap<String, Value>,
    /// Resources that are there, by logical id.
    pub made: &'a BTreeMap<String, Made>,
}

/// `{"Fn::Name": argument}`, or `{"Ref": argument}`.
pub fn call(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (name, argument) = map.iter().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

impl Scope<'_> {
    /// A value with its functions resolved; `None` stands for `AWS::NoValue`, which takes what holds
    /// it away.
    ///
    /// # Errors
    /// Which function cannot be resolved, and why.
    pub fn resolve(&self, value: &Value) -> Result<Option<Value>, String> {
        if let Some((name, argument)) = call(value) {
            return self.function(name, argument);
        }
        Ok(Some(match value {
            Value::Array(list) => {
                let list = list.iter().map(|value| self.resolve(value));
                Value::Array(list.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => Value::Object(self.map(map)?),
            scalar => scalar.clone(),
        }))
    }

    /// The same for each member of a map.
    ///
    /// # Errors
    /// As [`Scope::resolve`].
    pub fn map(&self, map: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let members = map.iter().map(|(key, value)| {
            let value = self.resolve(value)?;
            Ok(value.map(|value| (key.clone(), value)))
        });
        members.filter_map(Result::transpose).collect()
    }

    /// The same where a text is needed.
    ///
    /// # Errors
    /// As [`Scope::resolve`], and what is no text.
    pub fn text(&self, value: &Value) -> Result<String, String> {
        let resolved = self.resolve(value)?.unwrap_or_default();
        text_of(&resolved).ok_or_else(|| format!("{value} must give a text, not {resolved}"))
    }

    fn function(&self, name: &str, argument: &Value) -> Result<Option<Value>, String> {
        let list = |least: usize| {
            let list = argument.as_array().filter(|list| list.len() >= least);
            list.ok_or_else(|| format!("Template error: {name} needs a list of {least} or more"))
        };
        Ok(Some(match name {
            "Ref" => {
                let name = argument.as_str().unwrap_or_default();
                if name == "AWS::NoValue" {
                    return Ok(None);
                }
                self.named(name)?
            }
            "Fn::GetAtt" => {
                let parts = list(2)?;
                let [of, attribute] =
                    [&parts[0], &parts[1]].map(|it| it.as_str().unwrap_or_default());
                json!(self.attribute(of, attribute)?)
            }
            "Fn::Sub" => json!(self.substituted(argument)?),
            "Fn::Join" => {
                let parts = list(2)?;
                let texts = self.list(&parts[1])?;
                let texts = texts.iter().map(|value| self.text(value));
                json!(texts.collect::<Result<Vec<_>, _>>()?.join(&self.text(&parts[0])?))
            }
            "Fn::Split" => {
                let parts = list(2)?;
                let (by, text) = (self.text(&parts[0])?, self.text(&parts[1])?);
                json!(text.split(by.as_str()).collect::<Vec<_>>())
            }
            "Fn::Select" => {
                let parts = list(2)?;
                let index = self.text(&parts[0])?;
                let values = self.list(&parts[1])?;
                let chosen = index.parse().ok().and_then(|index: usize| values.get(index));
                let missing = "Template error: Fn::Select cannot select nonexistent value at index";
                chosen.cloned().ok_or_else(|| format!("{missing} {index}"))?
            }
            "Fn::Base64" => {
                use base64::Engine as _;
                json!(base64::engine::general_purpose::STANDARD.encode(self.text(argument)?))
            }
            "Fn::If" => {
                let parts = list(3)?;
                let condition = self.condition(parts[0].as_str().unwrap_or_default(), 0)?;
                return self.resolve(if condition { &parts[1] } else { &parts[2] });
            }
            other => return Err(format!("the simulated CloudFormation lacks {other} here")),
        }))
    }

    fn list(&self, value: &Value) -> Result<Vec<Value>, String> {
        match self.resolve(value)? {
            Some(Value::Array(list)) => Ok(list),
            other => Err(format!("{value} must give a list, not {}", other.unwrap_or_default())),
        }
    }

    fn named(&self, name: &str) -> Result<Value, String> {
        let made = || self.made.get(name).map(|made| json!(made.physical));
        self.values.get(name).cloned().or_else(made).ok_or_else(|| unresolved(name))
    }

    fn attribute(&self, of: &str, attribute: &str) -> Result<String, String> {
        let made = self.made.get(of).ok_or_else(|| unresolved(of))?;
        made.attributes.get(attribute).cloned().ok_or_else(|| {
            format!(
                "Template error: resource {of} does not support attribute type {attribute} in Fn::GetAtt"
            )
        })
    }

    fn substituted(&self, argument: &Value) -> Result<String, String> {
        let (text, own) = sub(argument)?;
        let mut written = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => written.push_str(text),
                Piece::Literal(name) => written.push_str(&format!("${{{name}}}")),
                Piece::Name(name) => written.push_str(&match own.and_then(|own| own.get(name)) {
                    Some(value) => self.text(value)?,
                    None => self.in_text(name)?,
                }),
            }
        }
        Ok(written)
    }

    fn in_text(&self, name: &str) -> Result<String, String> {
        if let Some((of, attribute)) = name.split_once('.') {
            return self.attribute(of, attribute);
        }
        let value = self.named(name)?;
        text_of(&value).ok_or_else(|| format!("Template error: ${{{name}}} in Fn::Sub is a list"))
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// That there is none of that name, or what in it cannot be resolved.
    pub fn condition(&self, name: &str, depth: usize) -> Result<bool, String> {
        if depth > DEEPEST {
            return Err(format!("Template error: the condition {name} refers to itself"));
        }
        let condition = self.template.conditions.get(name);
        let missing = || {
            format!("Template format error: Unresolved condition dependency {name} in the template")
        };
        self.holds(condition.ok_or_else(missing)?, depth + 1)
    }

    /// Whether what gives a truth value gives `true`: in conditions, and in rules.
    ///
    /// # Errors
    /// What is no such thing.
    pub fn holds(&self, value: &Value, depth: usize) -> Result<bool, String> {
        if let Some(name) = value.get("Condition").and_then(Value::as_str) {
            return self.condition(name, depth);
        }
        let no_truth = || format!("Template error: {value} is neither true nor false");
        let Some((name, argument)) = call(value) else {
            return text_of(value).and_then(|text| text.parse().ok()).ok_or_else(no_truth);
        };
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name, parts) {
            ("Fn::Equals", [left, right]) => {
                Ok(comparable(self.resolve(left)?) == comparable(self.resolve(right)?))
            }
            ("Fn::Not", [of]) => self.holds(of, depth).map(|holds| !holds),
            ("Fn::And", [_, _, ..]) => {
                parts.iter().try_fold(true, |all, of| Ok(self.holds(of, depth)? && all))
            }
            ("Fn::Or", [_, _, ..]) => {
                parts.iter().try_fold(false, |any, of| Ok(self.holds(of, depth)? || any))
            }
            ("Fn::Contains", [list, value]) => {
                let value = self.resolve(value)?;
                Ok(self.list(list)?.into_iter().any(|entry| Some(entry) == value))
            }
            ("Fn::EachMemberEquals", [list, value]) => {
                let value = self.resolve(value)?;
                Ok(self.list(list)?.into_iter().all(|entry| Some(entry) == value))
            }
            ("Fn::EachMemberIn", [list, of]) => {
                let of = self.list(of)?;
                Ok(self.list(list)?.iter().all(|entry| of.contains(entry)))
            }
            _ => Err(no_truth()),
        }
    }
}

fn comparable(value: Option<Value>) -> Option<Value> {
    value.map(|value| text_of(&value).map_or(value, Value::String))
}

fn unresolved(name: &str) -> String {
    format!("Template format error: Unresolved resource dependencies [{name}] in the template")
}

/// The names that an `Fn::Sub` defines itself, if any.
type Own<'a> = Option<&'a Map<String, Value>>;

/// The text of `Fn::Sub`, and the names that it defines itself.
///
/// # Errors
/// What is neither a text nor a text and a map.
pub fn sub(argument: &Value) -> Result<(&str, Own<'_>), String> {
    let found = match argument {
        Value::String(text) => Some((text.as_str(), None)),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(text), Value::Object(own)] => Some((text.as_str(), Some(own))),
            _ => None,
        },
        _ => None,
    };
    found.ok_or_else(|| "Template error: Fn::Sub needs a text, or a text and a map".to_owned())
}

/// A piece of the text of `Fn::Sub`.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    /// `${NAME}`
    Name(&'a str),
    /// `${!NAME}`, which stays as `${NAME}`.
    Literal(&'a str),
}

/// The pieces of the text of `Fn::Sub`, in order.
pub fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some((before, rest)) = text.split_once("${")
        && let Some((name, after)) = rest.split_once('}')
    {
        pieces.push(Piece::Text(before));
        pieces.push(match name.strip_prefix('!') {
            Some(name) => Piece::Literal(name),
            None => Piece::Name(name.trim()),
        });
        text = after;
    }
    pieces.push(Piece::Text(text));
    pieces
}

#[cfg(test)]
#[path = "functions_tests.rs"]
mod tests;
