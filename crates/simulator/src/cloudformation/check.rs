//! Whether a deployment may begin: its template, parameters, rules and capabilities.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::ids::{AccountId, Region};
use serde_json::{Value, json};

use super::functions::{Made, Scope};
use super::order::order;
use super::parameters::{Texts, settle, value};
use super::stack::Deployment;
use super::template::Template;
use crate::wire::ApiError;

/// What a caller asks for, before it is checked.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The template.
    pub text: String,
    /// Parameters that are given.
    pub parameters: Texts,
    /// What is acknowledged.
    pub capabilities: Vec<String>,
    pub tags: Vec<(String, String)>,
}

/// Where a stack is: what its pseudo parameters say.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub account: &'a AccountId,
    pub region: &'a Region,
    /// The stack's name.
    pub stack: &'a str,
    /// The stack's ARN.
    pub id: &'a str,
}

/// A `ValidationError`.
pub fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "ValidationError", message)
}

/// Checks a deployment; nothing is made.
///
/// # Errors
/// `ValidationError` for a template, parameter or rule; `InsufficientCapabilitiesException`.
pub fn check(wanted: Wanted, place: Place<'_>) -> Result<Deployment, ApiError> {
    let template = Template::parse(&wanted.text).map_err(invalid)?;
    let order = order(&template).map_err(invalid)?;
    let parameters = settle(&template, &wanted.parameters).map_err(invalid)?;
    let Wanted { text, capabilities, tags, .. } = wanted;
    let deployment = Deployment { text, template, parameters, order, capabilities, tags };
    let (values, nothing) = (values(&deployment, place), BTreeMap::new());
    let scope = Scope { template: &deployment.template, values: &values, made: &nothing };
    keeps_rules(&scope).map_err(invalid)?;
    let missing = capability(&deployment.template);
    let has = |needed| deployment.capabilities.iter().any(|had| had == needed);
    match missing {
        Some("CAPABILITY_IAM") if has("CAPABILITY_IAM") || has("CAPABILITY_NAMED_IAM") => {}
        Some(needed) if !has(needed) => {
            let message = format!("Requires capabilities : [{needed}]");
            return Err(ApiError::new(400, "InsufficientCapabilitiesException", message));
        }
        _ => {}
    }
    active(&scope).map_err(invalid)?;
    Ok(deployment)
}

/// What a template needs to be acknowledged.
pub fn capability(template: &Template) -> Option<&'static str> {
    let mut roles = template.resources.values().filter(|it| it.r#type.starts_with("AWS::IAM::"));
    let first = roles.next()?;
    let is_named = std::iter::once(first).chain(roles).any(|role| {
        ["RoleName", "UserName", "GroupName", "ManagedPolicyName"]
            .iter()
            .any(|name| role.properties.contains_key(*name))
    });
    Some(if is_named { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" })
}

/// The parameters and pseudo parameters of a deployment.
pub fn values(deployment: &Deployment, place: Place<'_>) -> BTreeMap<String, Value> {
    let Place { account, region, stack, id } = place;
    let pseudo = [
        ("AWS::AccountId", json!(account)),
        ("AWS::NotificationARNs", json!([])),
        ("AWS::Partition", json!("aws")),
        ("AWS::Region", json!(region)),
        ("AWS::StackId", json!(id)),
        ("AWS::StackName", json!(stack)),
        ("AWS::URLSuffix", json!("amazonaws.com")),
    ];
    let own = deployment.template.parameters.iter().filter_map(|(name, parameter)| {
        let text = deployment.parameters.get(name)?;
        Some((name.clone(), value(parameter, text)))
    });
    own.chain(pseudo.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// The resources whose conditions hold.
///
/// # Errors
/// A condition that cannot be decided.
pub fn active(scope: &Scope<'_>) -> Result<BTreeSet<String>, String> {
    let mut active = BTreeSet::new();
    for (id, declared) in &scope.template.resources {
        let holds = declared.condition.as_ref().map(|name| scope.condition(name, 0));
        if holds.transpose()?.unwrap_or(true) {
            active.insert(id.clone());
        }
    }
    Ok(active)
}

fn keeps_rules(scope: &Scope<'_>) -> Result<(), String> {
    for (name, rule) in &scope.template.rules {
        let applies = rule.rule_condition.as_ref().map(|condition| scope.holds(condition, 0));
        if !applies.transpose()?.unwrap_or(true) {
            continue;
        }
        for assertion in &rule.assertions {
            if !scope.holds(&assertion.assert, 0)? {
                let why = assertion.assert_description.as_deref().unwrap_or("it does not hold");
                return Err(format!("Template error: Rule {name} failed: {why}"));
            }
        }
    }
    Ok(())
}

/// The outputs of a deployment: the value and its description, by name.
///
/// # Errors
/// Which output cannot be resolved, and why.
pub fn outputs(
    deployment: &Deployment,
    values: &BTreeMap<String, Value>,
    made: &BTreeMap<String, Made>,
) -> Result<BTreeMap<String, (String, Option<String>)>, String> {
    let scope = Scope { template: &deployment.template, values, made };
    let mut outputs = BTreeMap::new();
    for (name, output) in &deployment.template.outputs {
        let holds = output.condition.as_ref().map(|name| scope.condition(name, 0));
        if holds.transpose()?.unwrap_or(true) {
            let value = scope.text(&output.value).map_err(|why| format!("output {name}: {why}"))?;
            outputs.insert(name.clone(), (value, output.description.clone()));
        }
    }
    Ok(outputs)
}
