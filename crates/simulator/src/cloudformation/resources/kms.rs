//! `AWS::KMS::Key` and `AWS::KMS::Alias`.

use amiferry_core::ids::Arn;
use jiff::SignedDuration;

use super::properties::{Properties, missing};
use super::{Ground, Made, Wish, made, taken};
use crate::kms::{self, KeySpec};

/// Rotation changes nothing that a caller sees, so it is accepted and has no effect.
pub(super) fn put_key(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let properties = &wish.properties;
    properties.only(&[
        "Description",
        "Enabled",
        "EnableKeyRotation",
        "KeyPolicy",
        "KeySpec",
        "KeyUsage",
        "MultiRegion",
        "PendingWindowInDays",
    ])?;
    let is = |name: &str, usual: &str| {
        properties.text(name).map(|text| text.is_none_or(|text| text == usual))
    };
    if !is("KeySpec", "SYMMETRIC_DEFAULT")?
        || !is("KeyUsage", "ENCRYPT_DECRYPT")?
        || properties.flag("MultiRegion")?
        || !is("Enabled", "true")?
    {
        return Err(
            "the simulated KMS has enabled symmetric single-Region encryption keys only".to_owned()
        );
    }
    window(properties)?;
    let description = properties.text("Description")?.unwrap_or_default();
    let policy = properties.json("KeyPolicy");
    if let Some(old) = wish.old {
        let arn = arn_of(old)?;
        kms::describe_key(ground.state, &arn, &description)?;
        kms::set_policy(ground.state, &arn, &policy.ok_or_else(|| missing("KeyPolicy"))?)?;
        return Ok(old.clone());
    }
    let spec = KeySpec { alias: None, description, policy };
    let arn = kms::create_key(ground.state, ground.now, ground.account, ground.region, &spec)?;
    let id = arn.resource().trim_start_matches("key/").to_owned();
    Ok(made(id.clone(), [("Arn", arn.to_string()), ("KeyId", id)]))
}

pub(super) fn delete_key(
    ground: &mut Ground<'_>,
    made: &Made,
    properties: &Properties<'_>,
) -> Result<(), String> {
    let days = window(properties)?;
    let at = ground.now.saturating_add(SignedDuration::from_hours(24 * i64::from(days)));
    let at = at.map_err(|error| error.to_string())?;
    kms::schedule_deletion(ground.state, &arn_of(made)?, at);
    Ok(())
}

fn window(properties: &Properties<'_>) -> Result<u32, String> {
    let days = properties.number("PendingWindowInDays")?.unwrap_or(30);
    if (7..=30).contains(&days) {
        Ok(days)
    } else {
        Err(format!("PendingWindowInDays must be 7 to 30, not {days}"))
    }
}

fn arn_of(made: &Made) -> Result<Arn, String> {
    let arn = made.attributes.get("Arn").map(String::as_str).unwrap_or_default();
    arn.parse().map_err(|error| format!("{arn}: {error}"))
}

pub(super) fn put_alias(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    wish.properties.only(&["AliasName", "TargetKeyId"])?;
    let alias = wish.properties.required("AliasName")?;
    let key = wish.properties.required("TargetKeyId")?;
    if alias.starts_with("alias/aws/") {
        return Err(format!("{alias} is reserved for AWS"));
    }
    let arn = ground.arn("kms", &alias);
    let is_own = wish.old.is_some_and(|old| old.physical == alias);
    let parsed: Arn = arn.parse().map_err(|error| format!("{arn}: {error}"))?;
    if !is_own && kms::key_behind(ground.state, &parsed).is_some() {
        return Err(taken("AWS::KMS::Alias", &alias));
    }
    let id = key.rsplit('/').next().unwrap_or_default();
    kms::put_alias(ground.state, &ground.place(), &alias, id)?;
    Ok(made(alias, []))
}

pub(super) fn delete_alias(
    ground: &mut Ground<'_>,
    made: &Made,
    _: &Properties<'_>,
) -> Result<(), String> {
    kms::delete_alias(ground.state, &ground.place(), &made.physical);
    Ok(())
}
