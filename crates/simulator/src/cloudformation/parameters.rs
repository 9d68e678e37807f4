//! The parameters of a deployment: what is given, what is the default, and what is refused.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::template::{Parameter, Template};

/// Parameters by name, as their texts.
pub type Texts = BTreeMap<String, String>;

/// The text of every parameter of a template, once each satisfies its constraints.
///
/// # Errors
/// Which parameter is unknown, missing or refused.
pub fn settle(template: &Template, given: &Texts) -> Result<Texts, String> {
    let unknown: Vec<&str> = given
        .keys()
        .filter(|name| !template.parameters.contains_key(*name))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(format!("Parameters: [{}] do not exist in the template", unknown.join(", ")));
    }
    let mut settled = Texts::new();
    let mut missing = Vec::new();
    for (name, parameter) in &template.parameters {
        match given.get(name).or(parameter.default.as_ref()) {
            Some(text) => {
                check(name, parameter, text)?;
                settled.insert(name.clone(), text.clone());
            }
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(format!("Parameters: [{}] must have values", missing.join(", ")));
    }
    Ok(settled)
}

/// What `Ref` gives for a parameter: a text, or a list of texts.
pub fn value(parameter: &Parameter, text: &str) -> Value {
    if is_list(parameter) { json!(entries(text)) } else { json!(text) }
}

fn is_list(parameter: &Parameter) -> bool {
    matches!(parameter.r#type.as_str(), "CommaDelimitedList" | "List<Number>")
}

/// An empty text is one empty entry.
fn entries(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).collect()
}

fn check(name: &str, parameter: &Parameter, text: &str) -> Result<(), String> {
    let numbers = match parameter.r#type.as_str() {
        "String" | "CommaDelimitedList" => false,
        "Number" | "List<Number>" => true,
        other => {
            return Err(format!("the simulated CloudFormation lacks parameters of type {other}"));
        }
    };
    let entries = if is_list(parameter) { entries(text) } else { vec![text] };
    for entry in entries {
        if let Some(why) = wrong(parameter, entry, numbers)? {
            return Err(match &parameter.constraint_description {
                Some(said) => format!("Parameter {name} failed to satisfy constraint: {said}"),
                None => format!("Parameter '{name}' {why}"),
            });
        }
    }
    Ok(())
}

/// Why one entry is refused.
fn wrong(parameter: &Parameter, entry: &str, is_number: bool) -> Result<Option<String>, String> {
    let bound = |bound: &Option<String>| bound.as_deref().and_then(|text| text.parse::<f64>().ok());
    if is_number {
        let Ok(number) = entry.parse::<f64>() else {
            return Ok(Some("must be a number".to_owned()));
        };
        if let Some(least) = bound(&parameter.min_value).filter(|least| number < *least) {
            return Ok(Some(format!("must be a number not less than {least}")));
        }
        if let Some(most) = bound(&parameter.max_value).filter(|most| number > *most) {
            return Ok(Some(format!("must be a number not greater than {most}")));
        }
    }
    let length = |bound: &Option<String>| bound.as_deref().and_then(|text| text.parse().ok());
    let characters = entry.chars().count();
    if let Some(least) = length(&parameter.min_length).filter(|least| characters < *least) {
        return Ok(Some(format!("must contain at least {least} characters")));
    }
    if let Some(most) = length(&parameter.max_length).filter(|most| characters > *most) {
        return Ok(Some(format!("must contain at most {most} characters")));
    }
    let values = &parameter.allowed_values;
    if !values.is_empty() && !values.iter().any(|value| value == entry) {
        return Ok(Some(format!("must be one of AllowedValues: [{}]", values.join(", "))));
    }
    let Some(pattern) = &parameter.allowed_pattern else { return Ok(None) };
    let whole = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| format!("Template error: AllowedPattern {pattern}: {error}"))?;
    Ok((!whole.is_match(entry)).then(|| format!("must match pattern {pattern}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(texts: &[(&str, &str)]) -> Texts {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn template(parameter: &str) -> Template {
        Template::parse(&format!("Parameters: {{P: {parameter}}}\nResources: {{A: {{Type: T}}}}"))
            .unwrap()
    }

    #[test]
    fn a_value_that_breaks_its_constraint_is_refused_by_its_name() {
        for (parameter, text, named) in [
            ("{Type: String, AllowedPattern: '[0-9]{12}'}", "1", "pattern"),
            ("{Type: String, AllowedPattern: '[0-9]{12}'}", "1111111111112", "pattern"),
            (
                "{Type: CommaDelimitedList, AllowedPattern: '[0-9]{12}'}",
                "111111111111,x",
                "pattern",
            ),
            ("{Type: String, AllowedValues: [a, b]}", "c", "AllowedValues"),
            ("{Type: String, MinLength: 2}", "c", "at least 2"),
            ("{Type: String, MaxLength: 2}", "ccc", "at most 2"),
            ("{Type: Number, MinValue: 2}", "1", "not less than 2"),
            ("{Type: Number, MaxValue: 2}", "3", "not greater than 2"),
            ("{Type: Number}", "x", "a number"),
            ("{Type: String, MinLength: 2, ConstraintDescription: be long}", "c", "be long"),
            ("{Type: 'AWS::EC2::VPC::Id'}", "c", "AWS::EC2::VPC::Id"),
        ] {
            let error = settle(&template(parameter), &given(&[("P", text)])).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named_and_a_default_is_taken() {
        let needed = template("{Type: String}");
        assert_eq!(settle(&needed, &given(&[])).unwrap_err(), "Parameters: [P] must have values");
        let error = settle(&needed, &given(&[("P", ""), ("Q", "")])).unwrap_err();
        assert_eq!(error, "Parameters: [Q] do not exist in the template");
        let number = template("{Type: Number, Default: 7}");
        assert_eq!(settle(&number, &given(&[])), Ok(given(&[("P", "7")])));
        let list = template("{Type: CommaDelimitedList, Default: ''}");
        assert_eq!(value(&list.parameters["P"], ""), json!([""]));
        assert_eq!(value(&list.parameters["P"], "a, b"), json!(["a", "b"]));
    }
}
