//! `AWS::IAM::Role`, with the policies that are written into it.

use serde_json::{Value, json};

use super::properties::{Properties, missing};
use super::{CHOSEN, Ground, Made, Wish, made, taken};
use crate::iam::{self, RoleSpec};

pub(super) fn put_role(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let properties = &wish.properties;
    properties.only(&[
        "AssumeRolePolicyDocument",
        "Description",
        "MaxSessionDuration",
        "Path",
        "Policies",
        "RoleName",
    ])?;
    if properties.text("Path")?.is_some_and(|path| path != "/") {
        return Err("the simulated IAM has no paths".to_owned());
    }
    let given = properties.text("RoleName")?;
    let name = ground.name(wish, given);
    let account = ground.account;
    let is_own = wish.old.is_some_and(|old| old.physical == name);
    if !is_own && iam::role(ground.state, account, &name).is_some() {
        return Err(taken("AWS::IAM::Role", &name));
    }
    let trust = properties.json("AssumeRolePolicyDocument");
    let spec = RoleSpec {
        name: &name,
        trust_json: &trust.ok_or_else(|| missing("AssumeRolePolicyDocument"))?,
        permissions_json: &permissions(properties)?,
        max_session: properties.number("MaxSessionDuration")?.unwrap_or(iam::DEFAULT_MAX_SESSION),
    };
    let arn = iam::create_role(ground.state, account, &spec)?.to_string();
    let role = iam::role(ground.state, account, &name);
    let id = role.map(|role| role.id.clone()).unwrap_or_default();
    Ok(made(name.clone(), [("Arn", arn), ("RoleId", id), (CHOSEN, name)]))
}

/// All policies of a role as one document: IAM allows and denies by their statements alone.
fn permissions(properties: &Properties<'_>) -> Result<String, String> {
    let mut statements = Vec::new();
    for policy in properties.items("Policies")? {
        policy.only(&["PolicyName", "PolicyDocument"])?;
        let name = policy.required("PolicyName")?;
        let document = policy.value("PolicyDocument").ok_or_else(|| missing("PolicyDocument"))?;
        if document.get("Version") != Some(&json!("2012-10-17")) {
            return Err(format!("policy {name}: the simulated IAM needs Version 2012-10-17 here"));
        }
        match document.get("Statement") {
            Some(Value::Array(more)) => statements.extend(more.iter().cloned()),
            Some(one) => statements.push(one.clone()),
            None => return Err(format!("policy {name}: {}", missing("Statement"))),
        }
    }
    Ok(json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

pub(super) fn delete_role(
    ground: &mut Ground<'_>,
    made: &Made,
    _: &Properties<'_>,
) -> Result<(), String> {
    iam::delete_role(ground.state, ground.account, &made.physical);
    Ok(())
}
