//! Making, updating and deleting stacks.

use super::request::Request;
use super::respond;
use crate::cloudformation::check::invalid;
use crate::cloudformation::deploy::{changes, deploy, remove};
use crate::cloudformation::stack::Stack;
use crate::wire::{Answer, ApiError};

pub(super) fn create(request: &mut Request<'_>) -> Result<Answer, ApiError> {
    let name = request.stack_name()?.to_owned();
    request.allowed("CreateStack", &name)?;
    request.complete()?;
    if request.site().is_some_and(|site| site.stacks.contains_key(&name)) {
        return Err(exists(&name));
    }
    let mut stack = request.new_stack(&name)?;
    let deployment = request.deployment(&stack)?;
    request.with_ground(&name, |ground| deploy(ground, &mut stack, deployment));
    Ok(keep(request, "CreateStack", stack))
}

pub(super) fn update(request: &mut Request<'_>) -> Result<Answer, ApiError> {
    let name = request.stack_name()?.to_owned();
    request.allowed("UpdateStack", &name)?;
    request.complete()?;
    let mut stack = request.find(&name)?.clone();
    may_update(&stack)?;
    let deployment = request.deployment(&stack)?;
    let name = stack.name.clone();
    let any = request.with_ground(&name, |ground| changes(ground, &stack, &deployment));
    if any.is_none() {
        return Err(invalid("No updates are to be performed."));
    }
    request.with_ground(&name, |ground| deploy(ground, &mut stack, deployment));
    Ok(keep(request, "UpdateStack", stack))
}

/// A stack that never was complete can only be deleted.
pub(super) fn may_update(stack: &Stack) -> Result<(), ApiError> {
    match stack.status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" => Ok(()),
        status => {
            Err(invalid(format!("Stack:{} is in {status} state and can not be updated.", stack.id)))
        }
    }
}

pub(super) fn exists(name: &str) -> ApiError {
    ApiError::new(400, "AlreadyExistsException", format!("Stack [{name}] already exists"))
}

/// Puts the stack where it is found, and answers its id.
fn keep(request: &mut Request<'_>, action: &str, stack: Stack) -> Answer {
    let id = stack.id.clone();
    request.site_mut().stacks.insert(stack.name.clone(), stack);
    respond(action, |x| {
        x.text("StackId", id);
    })
}

/// Deleting what is not there succeeds.
pub(super) fn delete(request: &mut Request<'_>) -> Result<Answer, ApiError> {
    let name = request.stack_name()?.to_owned();
    request.allowed("DeleteStack", &name)?;
    request.complete()?;
    let Ok(stack) = request.find(&name) else { return Ok(respond("DeleteStack", |_| {})) };
    let mut stack = stack.clone();
    if stack.deleted.is_some() {
        return Ok(respond("DeleteStack", |_| {}));
    }
    let kept = request.form.list("RetainResources.member");
    if !kept.is_empty() && stack.status != "DELETE_FAILED" {
        return Err(invalid(format!(
            "Invalid operation on stack [{}]. RetainResources needs a stack in DELETE_FAILED state",
            stack.id
        )));
    }
    let name = stack.name.clone();
    let is_gone = request.with_ground(&name, |ground| remove(ground, &mut stack, &kept));
    let site = request.site_mut();
    if is_gone {
        site.stacks.remove(&name);
        site.deleted.push(stack);
    } else {
        site.stacks.insert(name, stack);
    }
    Ok(respond("DeleteStack", |_| {}))
}
