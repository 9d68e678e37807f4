//! Makes, updates and deletes a stack, resource by resource, and takes back what fails.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::check::{Place, active, outputs, values};
use super::functions::{Made, Scope};
use super::resources::{Ground, delete, put};
use super::stack::{Change, Deployment, Resource, Stack};

/// What a deployment did to one resource: what was there before, and whether another one took its place.
struct Step {
    logical: String,
    before: Option<Resource>,
    is_new: bool,
}

/// A resource that was made or changed, and with which properties.
struct Put {
    made: Made,
    properties: Map<String, Value>,
}

/// The words of one kind of operation in statuses.
struct Words {
    begin: &'static str,
    end: &'static str,
    undo: &'static str,
    undone: &'static str,
    stuck: &'static str,
}

const CREATE: Words = Words {
    begin: "CREATE_IN_PROGRESS",
    end: "CREATE_COMPLETE",
    undo: "ROLLBACK_IN_PROGRESS",
    undone: "ROLLBACK_COMPLETE",
    stuck: "ROLLBACK_FAILED",
};

const UPDATE: Words = Words {
    begin: "UPDATE_IN_PROGRESS",
    end: "UPDATE_COMPLETE",
    undo: "UPDATE_ROLLBACK_IN_PROGRESS",
    undone: "UPDATE_ROLLBACK_COMPLETE",
    stuck: "UPDATE_ROLLBACK_FAILED",
};

/// Deploys into a stack, new or not, and leaves it in the status that it came to.
pub fn deploy(ground: &mut Ground<'_>, stack: &mut Stack, deployment: Deployment) {
    let words = if stack.deployed.is_none() { CREATE } else { UPDATE };
    let now = ground.now;
    stack.become_(now, words.begin, Some("User Initiated".to_owned()));
    let mut steps = Vec::new();
    let failed = walk(ground, stack, &deployment, &mut steps);
    if stack.deployed.is_some() {
        stack.updated = Some(now);
    }
    if let Err(why) = failed {
        stack.become_(now, words.undo, Some(why.clone()));
        let mut all = true;
        for step in steps.into_iter().rev() {
            all &= undo(ground, stack, &deployment, step);
        }
        stack.become_(now, if all { words.undone } else { words.stuck }, None);
        stack.reason = Some(why);
        // A stack that was never complete still says what it was asked for.
        stack.deployed.get_or_insert(deployment);
        return;
    }
    clean_up(ground, stack, &deployment, steps);
    stack.order.clone_from(&deployment.order);
    stack.deployed = Some(deployment);
    stack.become_(now, words.end, None);
}

/// Makes and changes everything that the deployment has, and then tells the outputs.
fn walk(
    ground: &mut Ground<'_>,
    stack: &mut Stack,
    deployment: &Deployment,
    steps: &mut Vec<Step>,
) -> Result<(), String> {
    let (account, region) = (ground.account, ground.region);
    let (name, id) = (stack.name.clone(), stack.id.clone());
    let place = Place { account, region, stack: &name, id: &id };
    let values = values(deployment, place);
    let template = &deployment.template;
    let wanted = {
        let nothing = BTreeMap::new();
        active(&Scope { template, values: &values, made: &nothing })?
    };
    for logical in deployment.order.iter().filter(|logical| wanted.contains(*logical)) {
        let Some(declared) = template.resources.get(logical) else { continue };
        let made = stack.made();
        let scope = Scope { template, values: &values, made: &made };
        let resolved = scope.map(&declared.properties);
        let before = stack.resources.get(logical).cloned();
        let result = resolved.and_then(|properties| {
            step(ground, stack, (logical, &declared.r#type), properties, before.as_ref())
        });
        match result {
            Ok(Some(Put { made, properties })) => {
                let same = before.as_ref().is_some_and(|old| old.made.physical == made.physical);
                let status = if before.is_some() { "UPDATE_COMPLETE" } else { "CREATE_COMPLETE" };
                stack.tell(ground.now, logical, (&declared.r#type, &made.physical), status, None);
                let kind = declared.r#type.clone();
                let (retained, since) = (declared.is_retained(), ground.now);
                let resource = Resource { kind, made, properties, retained, status, since };
                stack.resources.insert(logical.clone(), resource);
                steps.push(Step { logical: logical.clone(), before, is_new: !same });
            }
            Ok(None) => {
                if let Some(resource) = stack.resources.get_mut(logical) {
                    resource.retained = declared.is_retained();
                }
            }
            Err(why) => {
                let (status, verb) = match &before {
                    Some(_) => ("UPDATE_FAILED", "update"),
                    None => ("CREATE_FAILED", "create"),
                };
                let physical = before.map(|old| old.made.physical).unwrap_or_default();
                stack.tell(ground.now, logical, (&declared.r#type, &physical), status, Some(why));
                return Err(format!("The following resource(s) failed to {verb}: [{logical}]. "));
            }
        }
    }
    stack.outputs = outputs(deployment, &values, &stack.made())?;
    Ok(())
}

/// One resource: `None` if it stays as it is.
fn step(
    ground: &mut Ground<'_>,
    stack: &mut Stack,
    (logical, kind): (&str, &str),
    properties: Map<String, Value>,
    before: Option<&Resource>,
) -> Result<Option<Put>, String> {
    let same_kind = before.filter(|old| old.kind == kind);
    if same_kind.is_some_and(|old| old.properties == properties) {
        return Ok(None);
    }
    let (status, physical) = match before {
        Some(old) => ("UPDATE_IN_PROGRESS", old.made.physical.clone()),
        None => ("CREATE_IN_PROGRESS", String::new()),
    };
    stack.tell(ground.now, logical, (kind, &physical), status, None);
    let made = put(ground, kind, logical, &properties, same_kind.map(|old| &old.made))?;
    Ok(Some(Put { made, properties }))
}

/// Takes one step back; returns whether that worked. What cannot be deleted stays in the stack.
fn undo(ground: &mut Ground<'_>, stack: &mut Stack, deployment: &Deployment, step: Step) -> bool {
    let Step { logical, before, is_new } = step;
    let Some(after) = stack.resources.remove(&logical) else { return true };
    let declared = deployment.template.resources.get(&logical);
    let goes = before.is_some() || declared.is_none_or(|declared| declared.goes_on_rollback());
    let about = (after.kind.clone(), after.made.physical.clone());
    let result = match &before {
        Some(old) if !is_new => {
            put(ground, &old.kind, &logical, &old.properties, Some(&after.made)).map(|_| ())
        }
        _ if goes => delete(ground, &after.kind, &after.made, &after.properties),
        _ => Ok(()),
    };
    let status = match (&result, &before) {
        (Err(_), Some(_)) => "UPDATE_FAILED",
        (Err(_), None) => "DELETE_FAILED",
        (Ok(()), Some(_)) => "UPDATE_COMPLETE",
        (Ok(()), None) if goes => "DELETE_COMPLETE",
        (Ok(()), None) => "DELETE_SKIPPED",
    };
    let worked = result.is_ok();
    stack.tell(ground.now, &logical, (&about.0, &about.1), status, result.err());
    if let Some(there) = before.or_else(|| (!worked).then_some(after)) {
        stack.resources.insert(logical, there);
    }
    worked
}

/// Deletes what the deployment has replaced, and what it has no more.
fn clean_up(ground: &mut Ground<'_>, stack: &mut Stack, deployment: &Deployment, steps: Vec<Step>) {
    let mut gone = Vec::new();
    for step in steps {
        let declared = deployment.template.resources.get(&step.logical);
        let stays = declared.is_some_and(|declared| declared.stays_when_replaced());
        if let Some(old) = step.before.filter(|_| step.is_new && !stays) {
            gone.push((step.logical, old));
        }
    }
    for logical in dropped(ground, stack, deployment).into_iter().rev() {
        let Some(old) = stack.resources.remove(&logical) else { continue };
        if old.retained {
            let about = (old.kind.as_str(), old.made.physical.as_str());
            stack.tell(ground.now, &logical, about, "DELETE_SKIPPED", None);
        } else {
            gone.push((logical, old));
        }
    }
    for (logical, old) in gone {
        let result = delete(ground, &old.kind, &old.made, &old.properties);
        let status = if result.is_ok() { "DELETE_COMPLETE" } else { "DELETE_FAILED" };
        let about = (old.kind.as_str(), old.made.physical.as_str());
        stack.tell(ground.now, &logical, about, status, result.err());
    }
}

/// The resources of a stack that a deployment does not have, in the order in which they were made.
fn dropped(ground: &Ground<'_>, stack: &Stack, deployment: &Deployment) -> Vec<String> {
    let wanted = wanted(ground, stack, deployment);
    let had = stack.order.iter().filter(|logical| stack.resources.contains_key(*logical));
    had.filter(|logical| !wanted.contains(*logical)).cloned().collect()
}

fn wanted(ground: &Ground<'_>, stack: &Stack, deployment: &Deployment) -> BTreeSet<String> {
    let (account, region) = (ground.account, ground.region);
    let values = values(deployment, Place { account, region, stack: &stack.name, id: &stack.id });
    let nothing = BTreeMap::new();
    let scope = Scope { template: &deployment.template, values: &values, made: &nothing };
    active(&scope).unwrap_or_default()
}

/// What a deployment would change; nothing changes. What refers to something that is yet to be made counts
/// as changed. `None` if neither a resource nor an output would change.
pub fn changes(ground: &Ground<'_>, stack: &Stack, deployment: &Deployment) -> Option<Vec<Change>> {
    let (account, region) = (ground.account, ground.region);
    let values = values(deployment, Place { account, region, stack: &stack.name, id: &stack.id });
    let (template, made) = (&deployment.template, stack.made());
    let scope = Scope { template, values: &values, made: &made };
    let wanted = wanted(ground, stack, deployment);
    let mut changes = Vec::new();
    for logical in deployment.order.iter().filter(|logical| wanted.contains(*logical)) {
        let Some(declared) = template.resources.get(logical) else { continue };
        let (logical, kind) = (logical.clone(), declared.r#type.clone());
        match stack.resources.get(&logical) {
            None => changes.push(Change { action: "Add", logical, physical: None, kind }),
            Some(old)
                if old.kind == kind
                    && Ok(&old.properties) == scope.map(&declared.properties).as_ref() => {}
            Some(old) => {
                let physical = Some(old.made.physical.clone());
                changes.push(Change { action: "Modify", logical, physical, kind });
            }
        }
    }
    for logical in dropped(ground, stack, deployment) {
        let Some(old) = stack.resources.get(&logical) else { continue };
        let (physical, kind) = (Some(old.made.physical.clone()), old.kind.clone());
        changes.push(Change { action: "Remove", logical, physical, kind });
    }
    let tells_the_same = outputs(deployment, &values, &made).as_ref() == Ok(&stack.outputs);
    (!changes.is_empty() || !tells_the_same || stack.deployed.is_none()).then_some(changes)
}

/// Deletes a stack, but for what it retains and for `kept`; returns whether it is gone.
pub fn remove(ground: &mut Ground<'_>, stack: &mut Stack, kept: &[&str]) -> bool {
    let now = ground.now;
    stack.become_(now, "DELETE_IN_PROGRESS", Some("User Initiated".to_owned()));
    let mut failed = Vec::new();
    let mut order = stack.order.clone();
    // What a failed update has left stands in no order.
    order.extend(stack.resources.keys().filter(|id| !stack.order.contains(id)).cloned());
    for logical in order.into_iter().rev() {
        let Some(resource) = stack.resources.get(&logical).cloned() else { continue };
        let about = (resource.kind.as_str(), resource.made.physical.as_str());
        if resource.retained || kept.contains(&logical.as_str()) {
            stack.tell(now, &logical, about, "DELETE_SKIPPED", None);
            stack.resources.remove(&logical);
            continue;
        }
        match delete(ground, &resource.kind, &resource.made, &resource.properties) {
            Ok(()) => {
                stack.tell(now, &logical, about, "DELETE_COMPLETE", None);
                stack.resources.remove(&logical);
            }
            Err(why) => {
                stack.tell(now, &logical, about, "DELETE_FAILED", Some(why));
                failed.push(logical);
            }
        }
    }
    if failed.is_empty() {
        stack.deleted = Some(now);
        stack.become_(now, "DELETE_COMPLETE", None);
        return true;
    }
    let why = format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
    stack.become_(now, "DELETE_FAILED", Some(why));
    false
}
