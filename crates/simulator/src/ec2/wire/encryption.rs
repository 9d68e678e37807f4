//! EBS encryption by default.

use super::request::Request;
use crate::ec2::encryption::{AWS_MANAGED, DefaultEncryption, named_key, settled};
use crate::wire::ApiError;

/// `GetEbsEncryptionByDefault`.
pub fn get(r: &mut Request<'_>) -> Result<String, ApiError> {
    r.permit(&["*".to_owned()])?;
    let on = setting(r).on;
    Ok(r.respond(|x| {
        x.text("ebsEncryptionByDefault", on);
        x.text("sseType", if on { "sse-kms" } else { "none" });
    }))
}

/// `EnableEbsEncryptionByDefault`.
pub fn enable(r: &mut Request<'_>) -> Result<String, ApiError> {
    switch(r, true)
}

/// `DisableEbsEncryptionByDefault`.
pub fn disable(r: &mut Request<'_>) -> Result<String, ApiError> {
    switch(r, false)
}

fn switch(r: &mut Request<'_>, on: bool) -> Result<String, ApiError> {
    r.permit(&["*".to_owned()])?;
    setting(r).on = on;
    Ok(r.respond(|x| {
        x.text("ebsEncryptionByDefault", on);
    }))
}

/// `GetEbsDefaultKmsKeyId`.
pub fn key(r: &mut Request<'_>) -> Result<String, ApiError> {
    r.permit(&["*".to_owned()])?;
    Ok(with_key(r))
}

/// `ModifyEbsDefaultKmsKeyId`; as in AWS, whether the key can be used shows only later.
pub fn set_key(r: &mut Request<'_>) -> Result<String, ApiError> {
    let (account, region) = &r.place;
    let key = named_key(account, region, r.form.required("KmsKeyId")?)?;
    r.permit(&["*".to_owned()])?;
    let key = settled(r.state, r.now, key);
    setting(r).key = Some(key);
    Ok(with_key(r))
}

/// `ResetEbsDefaultKmsKeyId`.
pub fn reset_key(r: &mut Request<'_>) -> Result<String, ApiError> {
    r.permit(&["*".to_owned()])?;
    setting(r).key = None;
    Ok(with_key(r))
}

fn with_key(r: &mut Request<'_>) -> String {
    let key = setting(r).key.as_ref().map_or(AWS_MANAGED.to_owned(), ToString::to_string);
    r.respond(|x| {
        x.text("kmsKeyId", key);
    })
}

fn setting<'r>(r: &'r mut Request<'_>) -> &'r mut DefaultEncryption {
    &mut r.state.ec2.entry(r.place.clone()).or_default().encryption
}
