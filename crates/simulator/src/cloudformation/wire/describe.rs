//! Looking at stacks and templates.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::request::Request;
use super::respond;
use crate::cloudformation::check::{capability, invalid};
use crate::cloudformation::stack::{Deployment, Resource, Stack};
use crate::cloudformation::template::Template;
use crate::wire::xml::Xml;
use crate::wire::{Answer, ApiError};

/// What stands in the place of a value that no answer shows.
const HIDDEN: &str = "****";

/// A time as answers write it.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The parameters of a deployment.
pub(super) fn parameters(x: &mut Xml, deployment: &Deployment) {
    x.element("Parameters", |x| {
        for (name, value) in &deployment.parameters {
            let declared = deployment.template.parameters.get(name);
            let hidden = declared.is_some_and(|declared| declared.is_hidden());
            x.element("member", |x| {
                x.text("ParameterKey", name);
                x.text("ParameterValue", if hidden { HIDDEN } else { value });
            });
        }
    });
}

pub(super) fn stacks(request: &Request<'_>) -> Result<Answer, ApiError> {
    let named = request.form.get("StackName").filter(|name| !name.is_empty());
    request.allowed("DescribeStacks", named.unwrap_or_default())?;
    let stacks: Vec<&Stack> = match named {
        Some(name) => vec![request.find(name)?],
        None => request.site().into_iter().flat_map(|site| site.stacks.values()).collect(),
    };
    Ok(respond("DescribeStacks", |x| {
        x.element("Stacks", |x| {
            for stack in stacks {
                x.element("member", |x| one(x, stack));
            }
        });
    }))
}

fn one(x: &mut Xml, stack: &Stack) {
    x.text("StackName", &stack.name).text("StackId", &stack.id);
    x.text("CreationTime", time(stack.created));
    x.maybe("LastUpdatedTime", stack.updated.map(time));
    x.maybe("DeletionTime", stack.deleted.map(time));
    x.text("StackStatus", stack.status).maybe("StackStatusReason", stack.reason.as_ref());
    x.text("DisableRollback", false).text("EnableTerminationProtection", false);
    if let Some(deployment) = &stack.deployed {
        x.maybe("Description", deployment.template.description.as_ref());
        parameters(x, deployment);
        x.element("Capabilities", |x| {
            for capability in &deployment.capabilities {
                x.text("member", capability);
            }
        });
        x.element("Tags", |x| {
            for (key, value) in &deployment.tags {
                x.element("member", |x| {
                    x.text("Key", key).text("Value", value);
                });
            }
        });
    }
    x.element("Outputs", |x| {
        for (name, (value, description)) in &stack.outputs {
            x.element("member", |x| {
                x.text("OutputKey", name).text("OutputValue", value);
                x.maybe("Description", description.as_ref());
            });
        }
    });
}

pub(super) fn events(request: &Request<'_>) -> Result<Answer, ApiError> {
    let name = request.stack_name()?;
    request.allowed("DescribeStackEvents", name)?;
    let stack = request.find(name)?;
    Ok(respond("DescribeStackEvents", |x| {
        x.element("StackEvents", |x| {
            for (number, event) in stack.events.iter().enumerate().rev() {
                x.element("member", |x| {
                    x.text("StackId", &stack.id).text("StackName", &stack.name);
                    x.text("EventId", format!("{}-{}-{number}", event.logical, event.status));
                    x.text("LogicalResourceId", &event.logical);
                    x.text("PhysicalResourceId", &event.physical);
                    x.text("ResourceType", &event.kind).text("Timestamp", time(event.at));
                    x.text("ResourceStatus", event.status);
                    x.maybe("ResourceStatusReason", event.reason.as_ref());
                });
            }
        });
    }))
}

pub(super) fn resources(request: &Request<'_>) -> Result<Answer, ApiError> {
    let name = request.stack_name()?;
    request.allowed("DescribeStackResources", name)?;
    let stack = request.find(name)?;
    let only = request.form.get("LogicalResourceId");
    Ok(respond("DescribeStackResources", |x| {
        x.element("StackResources", |x| {
            for (logical, it) in &stack.resources {
                if only.is_none_or(|only| only == logical) {
                    x.element("member", |x| {
                        x.text("StackId", &stack.id).text("StackName", &stack.name);
                        resource(x, logical, it, "Timestamp");
                    });
                }
            }
        });
    }))
}

pub(super) fn listed(request: &Request<'_>) -> Result<Answer, ApiError> {
    let name = request.stack_name()?;
    request.allowed("ListStackResources", name)?;
    let stack = request.find(name)?;
    Ok(respond("ListStackResources", |x| {
        x.element("StackResourceSummaries", |x| {
            for (logical, it) in &stack.resources {
                x.element("member", |x| resource(x, logical, it, "LastUpdatedTimestamp"));
            }
        });
    }))
}

fn resource(x: &mut Xml, logical: &str, resource: &Resource, since: &str) {
    x.text("LogicalResourceId", logical).text("PhysicalResourceId", &resource.made.physical);
    x.text("ResourceType", &resource.kind).text(since, time(resource.since));
    x.text("ResourceStatus", resource.status);
}

/// The template of a stack or of the call, with its text.
fn asked(request: &Request<'_>) -> Result<(Template, String), ApiError> {
    let text = match (request.form.get("TemplateBody"), request.form.get("StackName")) {
        (Some(text), None) => text.to_owned(),
        (None, Some(name)) => {
            let deployed = request.find(name)?.deployed.as_ref();
            let none = || invalid(format!("Stack {name} has no template yet"));
            deployed.ok_or_else(none)?.text.clone()
        }
        _ => return Err(invalid("Either StackName or TemplateBody must be specified.")),
    };
    Ok((Template::parse(&text).map_err(invalid)?, text))
}

pub(super) fn template(request: &Request<'_>) -> Result<Answer, ApiError> {
    request.allowed("GetTemplate", request.stack_name()?)?;
    let (_, text) = asked(request)?;
    Ok(respond("GetTemplate", |x| {
        x.text("TemplateBody", text);
        x.element("StagesAvailable", |x| {
            x.text("member", "Original");
        });
    }))
}

pub(super) fn summary(request: &Request<'_>) -> Result<Answer, ApiError> {
    request.allowed("GetTemplateSummary", request.form.get("StackName").unwrap_or_default())?;
    request.complete()?;
    let (template, _) = asked(request)?;
    let kinds: BTreeSet<&str> =
        template.resources.values().map(|declared| declared.r#type.as_str()).collect();
    Ok(respond("GetTemplateSummary", |x| {
        declared(x, &template, |x, parameter| {
            x.text("ParameterType", &parameter.r#type);
        });
        x.element("ResourceTypes", |x| {
            for kind in kinds {
                x.text("member", kind);
            }
        });
    }))
}

pub(super) fn validated(request: &Request<'_>) -> Result<Answer, ApiError> {
    request.allowed("ValidateTemplate", "")?;
    request.complete()?;
    let (template, _) = asked(request)?;
    crate::cloudformation::order::order(&template).map_err(invalid)?;
    Ok(respond("ValidateTemplate", |x| declared(x, &template, |_, _| {})))
}

fn declared(
    x: &mut Xml,
    template: &Template,
    more: impl Fn(&mut Xml, &crate::cloudformation::template::Parameter),
) {
    x.maybe("Description", template.description.as_ref());
    x.element("Parameters", |x| {
        for (name, parameter) in &template.parameters {
            x.element("member", |x| {
                x.text("ParameterKey", name);
                x.maybe("DefaultValue", parameter.default.as_ref());
                x.text("NoEcho", parameter.is_hidden());
                x.maybe("Description", parameter.description.as_ref());
                more(x, parameter);
            });
        }
    });
    if let Some(needed) = capability(template) {
        x.element("Capabilities", |x| {
            x.text("member", needed);
        });
    }
}
