//! Reads AWS Backup's events about recovery points that are images.
//!
//! They are best effort, at most every five minutes, and loosely typed: an ARN that is not known
//! yet may be `{}`. Recovery points of other resources, and those in a logically air-gapped vault
//! (`…:recovery-point:…`), name no image and give no hint.

use serde_json::Value;

use super::eventbridge::Origin;
use super::fields::{Fields, describe};
use super::{EventKind, Hint, ImageHint, Parsed, Reject};
use crate::ids::{AccountId, Arn, ImageId, Region};

/// `Backup Job State Change`: a finished job names its recovery point.
pub(super) fn read_backup_job(origin: &Origin, event: &Fields<'_>) -> Result<Parsed, Reject> {
    let detail = event.object("detail")?;
    let kind = EventKind::BackupJob;
    if detail.text("state")? != "COMPLETED" {
        return Ok(Parsed::of(kind, Vec::new()));
    }
    made_here(kind, origin, event, &detail)
}

/// `Recovery Point State Change`: its field is `status`, not `state`.
pub(super) fn read_recovery_point(origin: &Origin, event: &Fields<'_>) -> Result<Parsed, Reject> {
    let detail = event.object("detail")?;
    let kind = EventKind::BackupRecoveryPoint;
    if !matches!(detail.text("status")?, "COMPLETED" | "AVAILABLE") {
        return Ok(Parsed::of(kind, Vec::new()));
    }
    made_here(kind, origin, event, &detail)
}

/// `Copy Job State Change`: the new image is the destination's; `resources` names the old one.
///
/// The event is raised where the copy started, so account and Region come from the destination.
pub(super) fn read_copy_job(origin: &Origin, event: &Fields<'_>) -> Result<Parsed, Reject> {
    let detail = event.object("detail")?;
    let kind = EventKind::BackupCopyJob;
    if detail.text("state")? != "COMPLETED" {
        return Ok(Parsed::of(kind, Vec::new()));
    }
    let vault: Option<Arn> = match arn_text(&detail, "destinationBackupVaultArn")? {
        Some(text) => {
            let bad = |malformed| detail.bad("destinationBackupVaultArn", malformed);
            Some(text.parse().map_err(bad)?)
        }
        None => None,
    };
    let account = vault.as_ref().and_then(Arn::account).or_else(|| origin.account.clone());
    let name = "destinationRecoveryPointArn";
    let image = match arn_text(&detail, name)? {
        Some(text) => image_of(text).map_err(|problem| detail.bad(name, problem))?,
        None => None,
    };
    let hint = image.map(|image| image.hint(account, origin));
    Ok(Parsed::of(kind, hint.into_iter().collect()))
}

/// The images among `resources` and in `detail.recoveryPointArn`, each once.
fn made_here(
    kind: EventKind,
    origin: &Origin,
    event: &Fields<'_>,
    detail: &Fields<'_>,
) -> Result<Parsed, Reject> {
    let mut hints = Vec::new();
    let mut add = |image: Option<NamedImage>| {
        if let Some(image) = image {
            let hint = image.hint(origin.account.clone(), origin);
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    };
    for (index, resource) in event.list("resources")?.iter().enumerate() {
        let name = format!("resources[{index}]");
        let text = resource.as_str().ok_or_else(|| {
            event.bad(&name, format_args!("{}; expected an ARN", describe(resource)))
        })?;
        add(image_of(text).map_err(|problem| event.bad(&name, problem))?);
    }
    if let Some(text) = arn_text(detail, "recoveryPointArn")? {
        add(image_of(text).map_err(|problem| detail.bad("recoveryPointArn", problem))?);
    }
    Ok(Parsed::of(kind, hints))
}

/// The text of an ARN field; `{}` and the empty string mean *not known yet*.
fn arn_text<'a>(detail: &Fields<'a>, name: &str) -> Result<Option<&'a str>, Reject> {
    match detail.get(name) {
        Some(Value::Object(object)) if object.is_empty() => Ok(None),
        _ => Ok(detail.optional_text(name)?.filter(|text| !text.is_empty())),
    }
}

/// An image as its ARN names it: `arn:aws:ec2:us-east-1::image/ami-…`, the account left empty.
struct NamedImage {
    region: Option<Region>,
    image: ImageId,
}

impl NamedImage {
    fn hint(self, account: Option<AccountId>, origin: &Origin) -> Hint {
        let region = self.region.or_else(|| origin.region.clone());
        Hint::Image(ImageHint { account, region, image: self.image, state: None })
    }
}

/// The image behind an ARN; `None` for a resource of another type.
fn image_of(text: &str) -> Result<Option<NamedImage>, String> {
    let arn: Arn = text.parse().map_err(|malformed| format!("{malformed}"))?;
    let Some(id) = arn.resource().strip_prefix("image/").filter(|_| arn.service() == "ec2") else {
        return Ok(None);
    };
    let image = id.parse().map_err(|malformed| format!("{malformed}"))?;
    let region = match text.split(':').nth(3) {
        None | Some("") => None,
        Some(region) => Some(region.parse().map_err(|malformed| format!("{malformed}"))?),
    };
    Ok(Some(NamedImage { region, image }))
}
