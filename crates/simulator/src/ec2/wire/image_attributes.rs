//! Attributes of one image: launch permissions, description, deregistration protection.

use super::request::Request;
use crate::ec2::errors;
use crate::ec2::lifecycle::{self, Sharing};
use crate::ec2::site::own_image;
use crate::wire::ApiError;
use crate::wire::form::Form;

/// `EnableImageDeregistrationProtection`.
pub fn protect(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.image_id()?;
    r.permit(&[r.image_arn(id.as_str())])?;
    lifecycle::protect(r.state, &r.place, &id, r.form.flag("WithCooldown"))?;
    Ok(r.done())
}

/// `DisableImageDeregistrationProtection`.
pub fn unprotect(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.image_id()?;
    r.permit(&[r.image_arn(id.as_str())])?;
    lifecycle::unprotect(r.state, r.now, &r.place, &id)?;
    Ok(r.done())
}

/// `ModifyImageAttribute`: launch permissions in both of their forms, the description, and the
/// demand for IMDSv2, which nothing takes back.
pub fn modify(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.image_id()?;
    let mut add = Sharing::default();
    let mut remove = Sharing::default();
    if let Some(permission) = r.form.structure("LaunchPermission") {
        read_sharing(&permission.structures("Add"), &mut add)?;
        read_sharing(&permission.structures("Remove"), &mut remove)?;
    }
    let direction = match r.form.get("OperationType") {
        Some("remove") => &mut remove,
        Some("add") | None => &mut add,
        Some(other) => {
            return Err(errors::invalid("OperationType", other, "Expecting add or remove."));
        }
    };
    if ["OrganizationArn.1", "OrganizationalUnitArn.1"]
        .iter()
        .any(|name| r.form.get(name).is_some())
    {
        return Err(not_simulated());
    }
    for user in r.form.list("UserId") {
        direction.add_account(user)?;
    }
    for group in r.form.list("UserGroup") {
        direction.add_group(group)?;
    }
    let description = r.form.get("Description.Value").map(str::to_owned);
    let imds = r.form.get("ImdsSupport.Value");
    if let Some(other) = imds.filter(|version| *version != "v2.0") {
        return Err(errors::invalid("ImdsSupport", other, "Expecting v2.0."));
    }
    let demanded = imds.is_some();
    let shared = add != Sharing::default() || remove != Sharing::default();
    if !shared && description.is_none() && !demanded {
        let message = "No attribute that the simulated AWS can modify was given: \
                       LaunchPermission, Description or ImdsSupport.";
        return Err(errors::combination(message));
    }
    r.permit(&[r.image_arn(id.as_str())])?;
    lifecycle::share(r.state, &r.place, &id, &add, &remove)?;
    let metadata = &mut own_image(r.state, &r.place, &id)?.metadata;
    if description.is_some() {
        metadata.description = description;
    }
    if demanded {
        metadata.imds_support = Some("v2.0".to_owned());
    }
    Ok(r.done())
}

fn read_sharing(items: &[Form], into: &mut Sharing) -> Result<(), ApiError> {
    for item in items {
        match (item.get("UserId"), item.get("Group")) {
            (Some(user), None) => into.add_account(user)?,
            (None, Some(group)) => into.add_group(group)?,
            (None, None)
                if item.get("OrganizationArn").or(item.get("OrganizationalUnitArn")).is_some() =>
            {
                return Err(not_simulated());
            }
            _ => {
                let message = "A launch permission names one UserId or one Group.";
                return Err(errors::combination(message));
            }
        }
    }
    Ok(())
}

/// Launch permissions of organisations would make images visible that the simulation then does not
/// show, so they are refused.
fn not_simulated() -> ApiError {
    ApiError::new(
        501,
        "NotImplemented",
        "the simulated AWS does not implement launch permissions for organizations and \
         organizational units; share with the accounts (UserId) instead",
    )
}

/// `DescribeImageAttribute`.
pub fn describe(r: &mut Request<'_>) -> Result<String, ApiError> {
    let id = r.image_id()?;
    let attribute = r.form.required("Attribute")?.to_owned();
    r.permit(&[r.image_arn(id.as_str())])?;
    let image = own_image(r.state, &r.place, &id)?.clone();
    let metadata = &image.metadata;
    let value = match attribute.as_str() {
        "launchPermission" => None,
        "deregistrationProtection" => Some(Some(image.protection.as_str())),
        "description" => Some(metadata.description.as_deref()),
        "bootMode" => Some(metadata.boot_mode.as_deref()),
        "sriovNetSupport" => Some(metadata.sriov_net_support.as_deref()),
        "imdsSupport" => Some(metadata.imds_support.as_deref()),
        "tpmSupport" => Some(metadata.tpm_support.as_deref()),
        "uefiData" => Some(metadata.uefi_data.as_deref()),
        other => {
            let why = "The simulated AWS does not describe this attribute.";
            return Err(errors::invalid("Attribute", other, why));
        }
    };
    Ok(r.respond(|x| {
        x.text("imageId", &image.id);
        match value {
            Some(value) => {
                x.element(&attribute, |x| {
                    x.maybe("value", value);
                });
            }
            None => {
                x.element("launchPermission", |x| {
                    if image.public {
                        x.element("item", |x| {
                            x.text("group", "all");
                        });
                    }
                    for account in &image.launch_permissions {
                        x.element("item", |x| {
                            x.text("userId", account);
                        });
                    }
                });
            }
        }
    }))
}
