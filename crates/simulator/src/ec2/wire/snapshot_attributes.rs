//! Attributes of one snapshot: who else may make volumes from it.

use super::request::Request;
use crate::ec2::errors;
use crate::ec2::lifecycle::{self, Sharing};
use crate::wire::ApiError;
use crate::wire::form::Form;

/// `ModifySnapshotAttribute`: the permission to create volumes, in both of its forms.
pub fn modify(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = errors::snapshot_id(r.form.required("SnapshotId")?)?;
    let (mut add, mut remove) = (Sharing::default(), Sharing::default());
    if let Some(permission) = r.form.structure("CreateVolumePermission") {
        read(&permission.structures("Add"), &mut add)?;
        read(&permission.structures("Remove"), &mut remove)?;
    }
    let direction = match r.form.get("OperationType") {
        Some("remove") => &mut remove,
        Some("add") | None => &mut add,
        Some(other) => {
            return Err(errors::invalid("OperationType", other, "Expecting add or remove."));
        }
    };
    for user in r.form.list("UserId") {
        direction.add_account(user)?;
    }
    for group in r.form.list("UserGroup") {
        direction.add_group(group)?;
    }
    if add == Sharing::default() && remove == Sharing::default() {
        return Err(errors::missing("CreateVolumePermission"));
    }
    r.permit(&[r.snapshot_arn(id.as_str())])?;
    lifecycle::share_snapshot(r.state, r.now, &r.place, &id, &add, &remove)?;
    Ok(r.done())
}

fn read(items: &[Form], into: &mut Sharing) -> Result<(), ApiError> {
    for item in items {
        match (item.get("UserId"), item.get("Group")) {
            (Some(user), None) => into.add_account(user)?,
            (None, Some(group)) => into.add_group(group)?,
            _ => {
                let message = "A permission to create volumes names one UserId or one Group.";
                return Err(errors::combination(message));
            }
        }
    }
    Ok(())
}

/// `DescribeSnapshotAttribute`.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = errors::snapshot_id(r.form.required("SnapshotId")?)?;
    let attribute = r.form.required("Attribute")?.to_owned();
    if attribute != "createVolumePermission" {
        let why = "The simulated AWS describes createVolumePermission only.";
        return Err(errors::invalid("Attribute", attribute, why));
    }
    r.permit(&[r.snapshot_arn(id.as_str())])?;
    let found = r.state.ec2.get(&r.place).and_then(|site| site.snapshots.get(&id));
    let shared = found.map(|snapshot| snapshot.shared.clone());
    let shared = shared.ok_or_else(|| errors::snapshot_not_found(&id))?;
    Ok(r.respond(|x| {
        x.text("snapshotId", &id);
        x.element("createVolumePermission", |x| {
            if shared.everyone {
                x.element("item", |x| {
                    x.text("group", "all");
                });
            }
            for account in &shared.accounts {
                x.element("item", |x| {
                    x.text("userId", account);
                });
            }
        });
    }))
}
