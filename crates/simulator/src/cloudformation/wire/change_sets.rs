//! Change sets: what a deployment would do, and doing it.

use super::request::Request;
use super::stacks::{exists, may_update};
use super::{describe, respond};
use crate::cloudformation::check::invalid;
use crate::cloudformation::deploy::{changes, deploy};
use crate::cloudformation::stack::{ChangeSet, Stack};
use crate::wire::{Answer, ApiError};

/// Why a change set that changes nothing fails.
const NOTHING: &str = "The submitted information didn't contain changes. Submit different information \
     to create a change set.";

pub(super) fn create(request: &mut Request<'_>) -> Result<Answer, ApiError> {
    let stack_name = request.stack_name()?.to_owned();
    request.allowed("CreateChangeSet", &stack_name)?;
    request.complete()?;
    let name = request.form.required("ChangeSetName")?.to_owned();
    let description = request.form.get("Description").map(str::to_owned);
    let there = request.find(&stack_name).ok().filter(|stack| stack.deleted.is_none()).cloned();
    let mut stack = match (request.form.get("ChangeSetType").unwrap_or("UPDATE"), there) {
        ("CREATE", None) => {
            let mut stack = request.new_stack(&stack_name)?;
            stack.become_(request.now, "REVIEW_IN_PROGRESS", Some("User Initiated".to_owned()));
            stack
        }
        ("CREATE", Some(stack)) if stack.deployed.is_none() => stack,
        ("CREATE", Some(stack)) => return Err(exists(&stack.name)),
        ("UPDATE", Some(stack)) => {
            may_update(&stack)?;
            stack
        }
        ("UPDATE", None) => return Err(invalid(format!("Stack [{stack_name}] does not exist"))),
        (other, _) => {
            let message = format!("the simulated CloudFormation lacks change sets of type {other}");
            return Err(ApiError::new(501, "NotImplemented", message));
        }
    };
    let deployment = request.deployment(&stack)?;
    let own = stack.name.clone();
    let would = request.with_ground(&own, |ground| changes(ground, &stack, &deployment));
    let failed = would.is_none().then(|| NOTHING.to_owned());
    let unique = request.unique();
    let id = request.arn(&format!("changeSet/{name}/{unique}"));
    let change_set = ChangeSet {
        name: name.clone(),
        id: id.clone(),
        description,
        created: request.now,
        deployment,
        changes: would.unwrap_or_default(),
        failed,
    };
    stack.change_sets.insert(name, change_set);
    let stack_id = stack.id.clone();
    request.site_mut().stacks.insert(own, stack);
    Ok(respond("CreateChangeSet", |x| {
        x.text("Id", id).text("StackId", stack_id);
    }))
}

/// The change set that the call is about, and its stack.
fn find<'r>(request: &'r Request<'_>) -> Result<(&'r Stack, &'r ChangeSet), ApiError> {
    let wanted = request.form.required("ChangeSetName")?;
    let by = |of: &'r Stack| {
        let found = of.change_sets.values().find(|set| set.name == wanted || set.id == wanted);
        found.map(|set| (of, set))
    };
    let found = match request.form.get("StackName") {
        Some(name) => request.find(name).ok().and_then(by),
        None => request.site().and_then(|site| site.stacks.values().find_map(by)),
    };
    found.ok_or_else(|| {
        ApiError::new(404, "ChangeSetNotFound", format!("ChangeSet [{wanted}] does not exist"))
    })
}

pub(super) fn describe(request: &Request<'_>) -> Result<Answer, ApiError> {
    request.allowed("DescribeChangeSet", request.form.get("StackName").unwrap_or_default())?;
    let (stack, set) = find(request)?;
    let (status, execution) = match set.failed {
        Some(_) => ("FAILED", "UNAVAILABLE"),
        None => ("CREATE_COMPLETE", "AVAILABLE"),
    };
    Ok(respond("DescribeChangeSet", |x| {
        x.text("ChangeSetName", &set.name).text("ChangeSetId", &set.id);
        x.text("StackName", &stack.name).text("StackId", &stack.id);
        x.maybe("Description", set.description.as_ref());
        x.text("Status", status).maybe("StatusReason", set.failed.as_ref());
        x.text("ExecutionStatus", execution).text("CreationTime", describe::time(set.created));
        describe::parameters(x, &set.deployment);
        x.element("Changes", |x| {
            for change in &set.changes {
                x.element("member", |x| {
                    x.text("Type", "Resource");
                    x.element("ResourceChange", |x| {
                        x.text("Action", change.action);
                        x.text("LogicalResourceId", &change.logical);
                        x.maybe("PhysicalResourceId", change.physical.as_ref());
                        x.text("ResourceType", &change.kind);
                    });
                });
            }
        });
    }))
}

pub(super) fn execute(request: &mut Request<'_>) -> Result<Answer, ApiError> {
    request.allowed("ExecuteChangeSet", request.form.get("StackName").unwrap_or_default())?;
    request.complete()?;
    let (stack, set) = find(request)?;
    if set.failed.is_some() {
        let message =
            format!("ChangeSet [{}] cannot be executed in its current status of [FAILED]", set.id);
        return Err(ApiError::new(400, "InvalidChangeSetStatus", message));
    }
    let (mut stack, deployment) = (stack.clone(), set.deployment.clone());
    // As documented: executing one deletes all of them.
    stack.change_sets.clear();
    let name = stack.name.clone();
    request.with_ground(&name, |ground| deploy(ground, &mut stack, deployment));
    request.site_mut().stacks.insert(name, stack);
    Ok(respond("ExecuteChangeSet", |_| {}))
}

pub(super) fn delete(request: &mut Request<'_>) -> Result<Answer, ApiError> {
    request.allowed("DeleteChangeSet", request.form.get("StackName").unwrap_or_default())?;
    if let Ok((stack, set)) = find(request) {
        let (stack, set) = (stack.name.clone(), set.name.clone());
        if let Some(stack) = request.site_mut().stacks.get_mut(&stack) {
            stack.change_sets.remove(&set);
        }
    }
    Ok(respond("DeleteChangeSet", |_| {}))
}
