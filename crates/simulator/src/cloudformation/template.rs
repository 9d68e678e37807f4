//! A template: its sections, read into types. A section or element that is not simulated is refused by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::yaml;

/// The largest `TemplateBody`, in bytes (quotas of CloudFormation).
const LARGEST: usize = 51_200;

/// A template, as far as the simulated CloudFormation has its elements.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Template {
    #[serde(rename = "AWSTemplateFormatVersion")]
    _version: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    #[serde(rename = "Metadata")]
    _metadata: Option<Value>,
    /// What a deployment may choose, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// What parameters must satisfy together, by name.
    #[serde(default)]
    pub rules: BTreeMap<String, Rule>,
    /// Conditions by name.
    #[serde(default)]
    pub conditions: BTreeMap<String, Value>,
    /// What a stack consists of, by logical id.
    pub resources: BTreeMap<String, Declared>,
    /// What a stack tells, by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, Output>,
}

/// A parameter.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Parameter {
    /// `String`, `Number`, `CommaDelimitedList` or `List<Number>`.
    pub r#type: String,
    /// What it is if the deployment does not say.
    #[serde(default, deserialize_with = "maybe_text")]
    pub default: Option<String>,
    pub description: Option<String>,
    /// A regular expression for the whole value, or for each entry of a list.
    pub allowed_pattern: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    pub allowed_values: Vec<String>,
    /// What is said of a value that is refused.
    pub constraint_description: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub min_value: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub max_value: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub min_length: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    pub max_length: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    no_echo: Option<String>,
}

impl Parameter {
    /// Whether no answer shows the value.
    pub fn is_hidden(&self) -> bool {
        self.no_echo.as_deref() == Some("true")
    }
}

/// A rule: what must hold before anything is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Rule {
    /// The rule says nothing where this does not hold.
    pub rule_condition: Option<Value>,
    pub assertions: Vec<Assertion>,
}

/// One thing that must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Assertion {
    pub assert: Value,
    /// What is said where it does not hold.
    pub assert_description: Option<String>,
}

/// A resource as a template declares it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Declared {
    /// Such as `AWS::SQS::Queue`.
    pub r#type: String,
    /// Its properties, their functions not resolved.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// The condition under which it exists.
    pub condition: Option<String>,
    #[serde(default, deserialize_with = "texts")]
    pub depends_on: Vec<String>,
    #[serde(default)]
    deletion_policy: Policy,
    #[serde(default)]
    update_replace_policy: Policy,
    #[serde(rename = "Metadata")]
    _metadata: Option<Value>,
}

impl Declared {
    /// Whether it stays when its stack goes, or when it is taken out of the template.
    pub fn is_retained(&self) -> bool {
        self.deletion_policy != Policy::Delete
    }

    /// Whether it goes when the deployment that makes it fails.
    pub fn goes_on_rollback(&self) -> bool {
        self.deletion_policy != Policy::Retain
    }

    /// Whether it stays when an update puts another one in its place.
    pub fn stays_when_replaced(&self) -> bool {
        self.update_replace_policy != Policy::Delete
    }
}

/// What becomes of a resource at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Policy {
    #[default]
    Delete,
    Retain,
    RetainExceptOnCreate,
}

/// An output.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Output {
    pub description: Option<String>,
    pub value: Value,
    /// The condition under which there is one.
    pub condition: Option<String>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that begins as those of CloudFormation do.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LARGEST {
            return Err(format!(
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: \
                 Member must have length less than or equal to {LARGEST}"
            ));
        }
        let value = yaml::parse(text).map_err(|why| format!("Template format error: {why}"))?;
        let template: Self = serde_json::from_value(value).map_err(|error| {
            format!("Template format error: {error}; the simulated CloudFormation lacks the rest")
        })?;
        if template.resources.is_empty() {
            return Err(
                "Template format error: At least one Resources member must be defined.".to_owned()
            );
        }
        Ok(template)
    }
}

/// The text of a scalar, as a parameter would have it.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn maybe_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let text = text_of(&value);
    text.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{value} is no text")))
}

/// A text or a list of texts.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        value => vec![value],
    };
    let text = |value: &Value| {
        text_of(value).ok_or_else(|| serde::de::Error::custom(format!("{value} is no text")))
    };
    values.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_of_this_repository_are_read() {
        for text in [
            include_str!("../../../../deploy/cloudformation/vault.yaml"),
            include_str!("../../../../deploy/cloudformation/source.yaml"),
            include_str!("../../../../deploy/cloudformation/destination.yaml"),
            include_str!("../../../../deploy/cloudformation/alarms.yaml"),
        ] {
            Template::parse(text).unwrap();
        }
    }

    #[test]
    fn what_is_not_simulated_is_refused_by_name() {
        let resource = |more: &str| format!("Resources: {{A: {{Type: T, {more}}}}}");
        for (text, named) in [
            ("Transform: X\nResources: {A: {Type: T}}".to_owned(), "Transform"),
            ("Resources: {}".to_owned(), "At least one"),
            ("Outputs: {}".to_owned(), "Resources"),
            (resource("CreationPolicy: {}"), "CreationPolicy"),
            (resource("DeletionPolicy: Snapshot"), "Snapshot"),
            (format!("Description: {}\nResources: {{}}", "x".repeat(LARGEST)), "51200"),
        ] {
            let error = Template::parse(&text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
