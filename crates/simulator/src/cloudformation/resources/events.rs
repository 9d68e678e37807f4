//! `AWS::Events::Rule` and `AWS::Events::EventBusPolicy`, of default buses.

use amiferry_core::ids::Arn;
use serde_json::json;

use super::properties::{Properties, missing};
use super::{CHOSEN, Ground, Made, Wish, made, taken};
use crate::events;

/// The role of a target is accepted and not evaluated: the rule's account stands for it.
pub(super) fn put_rule(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let properties = &wish.properties;
    properties.only(&[
        "Description",
        "EventBusName",
        "EventPattern",
        "Name",
        "State",
        "Targets",
    ])?;
    only_default(properties)?;
    let is_enabled = match properties.text("State")?.as_deref() {
        None | Some("ENABLED") => true,
        Some("DISABLED") => false,
        Some(other) => {
            return Err(format!("the simulated EventBridge has no rules that are {other}"));
        }
    };
    let given = properties.text("Name")?;
    let name = ground.name(wish, given);
    let is_own = wish.old.is_some_and(|old| old.physical == name);
    let place = ground.place();
    if !is_own && events::has_rule(ground.state, &place, &name) {
        return Err(taken("AWS::Events::Rule", &name));
    }
    let pattern = properties.json("EventPattern").ok_or_else(|| missing("EventPattern"))?;
    let mut targets = Vec::new();
    for target in properties.items("Targets")? {
        target.only(&["Arn", "Id", "RoleArn"])?;
        let arn = target.required("Arn")?;
        let parsed: Arn = arn.parse().map_err(|error| format!("{arn}: {error}"))?;
        targets.push((target.required("Id")?, parsed));
    }
    events::put_rule_with(ground.state, &place, &name, &pattern, &targets)?;
    events::enable_rule(ground.state, &place, &name, is_enabled);
    let arn = ground.arn("events", &format!("rule/{name}"));
    Ok(made(name.clone(), [("Arn", arn), (CHOSEN, name)]))
}

pub(super) fn delete_rule(
    ground: &mut Ground<'_>,
    made: &Made,
    _: &Properties<'_>,
) -> Result<(), String> {
    events::delete_rule(ground.state, ground.account, ground.region, &made.physical);
    Ok(())
}

pub(super) fn put_policy(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    wish.properties.only(&["EventBusName", "Statement", "StatementId"])?;
    only_default(&wish.properties)?;
    let id = wish.properties.required("StatementId")?;
    let statement = wish.properties.value("Statement").ok_or_else(|| missing("Statement"))?;
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    events::put_bus_statement(ground.state, &ground.place(), &id, &document)?;
    // As documented: the bus and the statement.
    Ok(made(format!("default|{id}"), []))
}

pub(super) fn delete_policy(
    ground: &mut Ground<'_>,
    _: &Made,
    properties: &Properties<'_>,
) -> Result<(), String> {
    events::delete_bus_statement(
        ground.state,
        &ground.place(),
        &properties.required("StatementId")?,
    );
    Ok(())
}

fn only_default(properties: &Properties<'_>) -> Result<(), String> {
    match properties.text("EventBusName")?.as_deref() {
        None | Some("default") => Ok(()),
        Some(other) => {
            Err(format!("the simulated EventBridge has the bus default only, not {other}"))
        }
    }
}
