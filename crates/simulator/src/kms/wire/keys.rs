//! Operations on keys and aliases.

use bytes::Bytes;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ask, Names, Request, invalid, listed, page, parse};
use crate::iam::Policy;
use crate::kms::key::seconds;
use crate::kms::{KeySpec, KeyState, create_key, is_alias};
use crate::wire::ApiError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    #[serde(default)]
    description: String,
    policy: Option<String>,
    key_spec: Option<String>,
    key_usage: Option<String>,
    #[serde(default)]
    multi_region: bool,
}

pub(super) fn create(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let Create { description, policy, key_spec, key_usage, multi_region } = parse(body)?;
    request.allowed_at_large("CreateKey")?;
    let symmetric = key_spec.is_none_or(|spec| spec == "SYMMETRIC_DEFAULT")
        && key_usage.is_none_or(|usage| usage == "ENCRYPT_DECRYPT");
    if !symmetric || multi_region {
        let message = "the simulated KMS has symmetric single-Region encryption keys only";
        return Err(ApiError::new(400, "UnsupportedOperationException", message));
    }
    let (account, region) = request.place();
    let spec = KeySpec { alias: None, description, policy };
    let arn = create_key(request.state, request.now, &account, &region, &spec)
        .map_err(|why| ApiError::new(400, "MalformedPolicyDocumentException", why))?;
    Ok(json!({ "KeyMetadata": request.key(&arn)?.metadata() }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfKey {
    #[serde(default)]
    key_id: String,
    #[serde(default)]
    grant_tokens: Vec<String>,
}

pub(super) fn describe(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let OfKey { key_id, grant_tokens } = parse(body)?;
    let ask = Ask { tokens: &grant_tokens, ..Ask::shared("DescribeKey", Names::WithAliases) };
    let arn = request.allowed(&key_id, &ask)?;
    Ok(json!({ "KeyMetadata": request.key(&arn)?.metadata() }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    key_id: Option<String>,
    limit: Option<usize>,
    marker: Option<String>,
}

pub(super) fn list(request: &Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let list: List = parse(body)?;
    request.allowed_at_large("ListKeys")?;
    let keys = request.state.kms.get(&request.place()).into_iter().flat_map(|site| &site.keys);
    let entries = keys.map(|(id, key)| (id.clone(), json!({ "KeyId": id, "KeyArn": key.arn })));
    let (keys, next) = page(entries, list.limit, list.marker.as_deref(), 1000)?;
    Ok(listed("Keys", keys, next))
}

pub(super) fn enable(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    switch(request, body, "EnableKey", KeyState::Enabled)
}

pub(super) fn disable(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    switch(request, body, "DisableKey", KeyState::Disabled)
}

fn switch(
    request: &mut Request<'_>,
    body: &Bytes,
    operation: &str,
    to: KeyState,
) -> Result<Value, ApiError> {
    let OfKey { key_id, .. } = parse(body)?;
    let arn = request.allowed(&key_id, &Ask::own(operation))?;
    let key = request.key(&arn)?;
    key.check_administration()?;
    key.state = to;
    Ok(Value::Null)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Schedule {
    #[serde(default)]
    key_id: String,
    pending_window_in_days: Option<i64>,
}

pub(super) fn schedule_deletion(
    request: &mut Request<'_>,
    body: &Bytes,
) -> Result<Value, ApiError> {
    let Schedule { key_id, pending_window_in_days } = parse(body)?;
    let days = pending_window_in_days.unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(invalid(format!("PendingWindowInDays must be 7 to 30, not {days}")));
    }
    let arn = request.allowed(&key_id, &Ask::own("ScheduleKeyDeletion"))?;
    let deletion = request
        .now
        .checked_add(SignedDuration::from_hours(24 * days))
        .map_err(|error| invalid(error.to_string()))?;
    let key = request.key(&arn)?;
    if key.state == KeyState::PendingDeletion {
        return Err(key.invalid_state("pending deletion"));
    }
    key.state = KeyState::PendingDeletion;
    key.deletion = Some(deletion);
    Ok(json!({
        "KeyId": arn,
        "DeletionDate": seconds(deletion),
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }))
}

pub(super) fn cancel_deletion(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let OfKey { key_id, .. } = parse(body)?;
    let arn = request.allowed(&key_id, &Ask::own("CancelKeyDeletion"))?;
    let key = request.key(&arn)?;
    if key.state != KeyState::PendingDeletion {
        return Err(key.invalid_state("not pending deletion"));
    }
    key.state = KeyState::Disabled;
    key.deletion = None;
    Ok(json!({ "KeyId": arn }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfPolicy {
    #[serde(default)]
    key_id: String,
    policy_name: Option<String>,
    #[serde(default)]
    policy: String,
}

impl OfPolicy {
    fn read(body: &Bytes) -> Result<Self, ApiError> {
        let of: Self = parse(body)?;
        match of.policy_name.as_deref() {
            None | Some("default") => Ok(of),
            Some(_) => {
                let message = "No such policy exists: the only name is default";
                Err(ApiError::new(400, "NotFoundException", message))
            }
        }
    }
}

pub(super) fn policy(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let of = OfPolicy::read(body)?;
    let arn = request.allowed(&of.key_id, &Ask::own("GetKeyPolicy"))?;
    Ok(json!({ "Policy": request.key(&arn)?.policy.0, "PolicyName": "default" }))
}

pub(super) fn put_policy(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let of = OfPolicy::read(body)?;
    let arn = request.allowed(&of.key_id, &Ask::own("PutKeyPolicy"))?;
    let policy = Policy::parse(&of.policy)
        .map_err(|why| ApiError::new(400, "MalformedPolicyDocumentException", why))?;
    request.key(&arn)?.policy = (of.policy, policy);
    Ok(Value::Null)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Alias {
    #[serde(default)]
    alias_name: String,
    #[serde(default)]
    target_key_id: String,
}

pub(super) fn create_alias(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let Alias { alias_name, target_key_id } = parse(body)?;
    if !is_alias(&alias_name) || alias_name.starts_with("alias/aws/") {
        let message = "Alias must start with the prefix \"alias/\", contain letters, digits, '/', '_' and '-' only, and not start with \"alias/aws/\"";
        return Err(ApiError::new(400, "InvalidAliasNameException", message));
    }
    let arn = request.allowed(&target_key_id, &Ask::own("CreateAlias"))?;
    let id = request.key(&arn)?.id().to_owned();
    let place = request.place();
    let aliases = &mut request.state.kms.entry(place.clone()).or_default().aliases;
    if aliases.contains_key(&alias_name) {
        let message = format!(
            "An alias with the name arn:aws:kms:{}:{}:{alias_name} already exists",
            place.1, place.0
        );
        return Err(ApiError::new(400, "AlreadyExistsException", message));
    }
    aliases.insert(alias_name, id);
    Ok(Value::Null)
}

pub(super) fn delete_alias(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let Alias { alias_name, .. } = parse(body)?;
    let arn = request.named(&alias_name, Names::WithAliases)?;
    let missing = || crate::kms::absent(&arn);
    let site = request.state.kms.get(&request.place());
    let id = site.and_then(|site| site.aliases.get(&alias_name)).ok_or_else(missing)?.clone();
    request.allowed(&id, &Ask::own("DeleteAlias"))?;
    let place = request.place();
    request.state.kms.get_mut(&place).ok_or_else(missing)?.aliases.remove(&alias_name);
    Ok(Value::Null)
}

pub(super) fn list_aliases(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let list: List = parse(body)?;
    request.allowed_at_large("ListAliases")?;
    let of = match &list.key_id {
        Some(key_id) => Some(request.allowed(key_id, &Ask::own("ListAliases"))?),
        None => None,
    };
    let (account, region) = request.place();
    let aliases = request.state.kms.get(&request.place()).into_iter().flat_map(|s| &s.aliases);
    let entries = aliases
        .filter(|(_, id)| {
            of.as_ref().is_none_or(|arn| arn.resource().trim_start_matches("key/") == *id)
        })
        .map(|(name, id)| {
            let arn = format!("arn:aws:kms:{region}:{account}:{name}");
            let entry = json!({ "AliasName": name, "AliasArn": arn, "TargetKeyId": id });
            (name.clone(), entry)
        });
    let (aliases, next) = page(entries, list.limit, list.marker.as_deref(), 100)?;
    Ok(listed("Aliases", aliases, next))
}
