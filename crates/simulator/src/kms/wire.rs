//! KMS on the wire: AWS JSON 1.1, the operation in `X-Amz-Target`.

mod crypto;
mod grants;
mod keys;

use amiferry_core::ids::{AccountId, Arn};
use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::access::{Wish, decide, hidden};
use super::grant::EncryptionContext;
use super::{Key, KeySpec, absent, create_key, look};
use crate::World;
use crate::iam::{Access, authorize};
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};
use crate::world::State;

/// The keys that AWS makes in an account when they are first looked at.
const MANAGED: &[&str] = &["alias/aws/ebs", "alias/aws/s3", "alias/aws/sqs"];

/// Answers one call.
///
/// # Errors
/// What the service answers.
#[expect(clippy::unused_async, reason = "the services' doors have one shape")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let target = call.header("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix("TrentService.").unwrap_or(target);
    let now = world.now();
    let mut state = world.lock();
    *state.calls.entry((Service::Kms.name(), operation.to_owned())).or_default() += 1;
    for site in state.kms.values_mut() {
        site.keys.retain(|_, key| key.deletion.is_none_or(|deletion| deletion > now));
        let keys = &site.keys;
        site.aliases.retain(|_, id| keys.contains_key(id));
    }
    let mut request = Request { state: &mut state, call, now };
    let result = match operation {
        "CreateKey" => keys::create(&mut request, body),
        "DescribeKey" => keys::describe(&mut request, body),
        "ListKeys" => keys::list(&request, body),
        "EnableKey" => keys::enable(&mut request, body),
        "DisableKey" => keys::disable(&mut request, body),
        "ScheduleKeyDeletion" => keys::schedule_deletion(&mut request, body),
        "CancelKeyDeletion" => keys::cancel_deletion(&mut request, body),
        "GetKeyPolicy" => keys::policy(&mut request, body),
        "PutKeyPolicy" => keys::put_policy(&mut request, body),
        "CreateAlias" => keys::create_alias(&mut request, body),
        "DeleteAlias" => keys::delete_alias(&mut request, body),
        "ListAliases" => keys::list_aliases(&mut request, body),
        "CreateGrant" => grants::create(&mut request, body),
        "ListGrants" => grants::list(&mut request, body),
        "RevokeGrant" => grants::revoke(&mut request, body),
        "RetireGrant" => grants::retire(&mut request, body),
        "Encrypt" => crypto::encrypt(&mut request, body),
        "Decrypt" => crypto::decrypt(&mut request, body),
        "ReEncrypt" => crypto::re_encrypt(&mut request, body),
        "GenerateDataKey" => crypto::generate(&mut request, body, true),
        "GenerateDataKeyWithoutPlaintext" => crypto::generate(&mut request, body, false),
        _ => Err(ApiError::unknown_operation(Service::Kms, operation)),
    };
    match result {
        Ok(Value::Null) => Ok(Answer::ok("application/x-amz-json-1.1", String::new())),
        Ok(members) => Ok(Answer::ok("application/x-amz-json-1.1", members.to_string())),
        Err(error) => {
            let code = error.code.clone();
            Err(error.with("x-amzn-errortype", code))
        }
    }
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "ValidationException", message)
}

fn denied(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "AccessDeniedException", message)
}

/// What a dry run ends with when the call would have gone through.
fn dry_run() -> ApiError {
    let message = "The request would have succeeded, but the DryRun option is set.";
    ApiError::new(400, "DryRunOperationException", message)
}

/// How a key may be named in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Id, key ARN, alias name or alias ARN.
    WithAliases,
    /// Id or key ARN.
    KeysOnly,
}

/// What is asked of a key.
struct Ask<'a> {
    operation: &'a str,
    names: Names,
    /// Whether another account's callers can ever be allowed it.
    across_accounts: bool,
    context: &'a EncryptionContext,
    tokens: &'a [String],
}

const NO_CONTEXT: &EncryptionContext = &EncryptionContext::new();

impl<'a> Ask<'a> {
    /// An operation on keys of the own account.
    fn own(operation: &'a str) -> Self {
        Self {
            operation,
            names: Names::KeysOnly,
            across_accounts: false,
            context: NO_CONTEXT,
            tokens: &[],
        }
    }

    /// An operation that a key policy can open to another account.
    fn shared(operation: &'a str, names: Names) -> Self {
        Self { names, across_accounts: true, ..Self::own(operation) }
    }
}

/// One call with the state that it works on.
struct Request<'a> {
    state: &'a mut State,
    call: &'a Call,
    now: Timestamp,
}

impl Request<'_> {
    fn place(&self) -> (AccountId, amiferry_core::ids::Region) {
        (self.call.caller.account.clone(), self.call.region.clone())
    }

    /// The ARN that a `KeyId` means in this account and Region.
    fn named(&self, key_id: &str, names: Names) -> Result<Arn, ApiError> {
        let (account, region) = self.place();
        let is_alias = key_id.starts_with("alias/") || key_id.contains(":alias/");
        if key_id.is_empty() || (is_alias && names == Names::KeysOnly) {
            let message = format!("Invalid keyId '{key_id}'");
            return Err(ApiError::new(400, "NotFoundException", message));
        }
        let text = if key_id.starts_with("arn:") {
            key_id.to_owned()
        } else if is_alias {
            format!("arn:aws:kms:{region}:{account}:{key_id}")
        } else {
            format!("arn:aws:kms:{region}:{account}:key/{key_id}")
        };
        let malformed = || {
            ApiError::new(400, "InvalidArnException", format!("{key_id} is not a valid key ARN"))
        };
        let arn: Arn = text.parse().map_err(|_| malformed())?;
        let kind = arn.resource().split('/').next();
        if arn.service() != "kms" || !matches!(kind, Some("key" | "alias")) {
            return Err(malformed());
        }
        match arn.region() {
            Some(named) if named == region => Ok(arn),
            Some(named) => {
                Err(ApiError::new(400, "NotFoundException", format!("Invalid arn {named}")))
            }
            None => Err(malformed()),
        }
    }

    /// The ARN of the key that `key_id` names, once the caller may do what it asks.
    fn allowed(&mut self, key_id: &str, ask: &Ask<'_>) -> Result<Arn, ApiError> {
        let arn = self.named(key_id, ask.names)?;
        self.make_managed(&arn)?;
        let caller = &self.call.caller;
        let own = arn.account().as_ref() == Some(&caller.account);
        let Some(key) = look(self.state, &arn) else {
            return Err(if own { absent(&arn) } else { hidden(caller, &arn, ask.operation) });
        };
        if !own && !ask.across_accounts {
            return Err(hidden(caller, &arn, ask.operation));
        }
        let wish =
            Wish { operation: ask.operation, context: ask.context, tokens: ask.tokens, via: None };
        self.check_tokens(key, ask.tokens)?;
        match decide(self.state, self.now, caller, key, &wish) {
            Ok(()) => Ok(key.arn.clone()),
            Err(denial) => Err(denied(denial.message)),
        }
    }

    fn check_tokens(&self, key: &Key, tokens: &[String]) -> Result<(), ApiError> {
        let known = |token: &String| key.grants.values().any(|grant| grant.tokens.contains(token));
        match tokens {
            [] => Ok(()),
            tokens if tokens.len() > 10 => Err(invalid("GrantTokens are at most 10")),
            tokens if tokens.iter().all(known) => Ok(()),
            _ => Err(ApiError::new(400, "InvalidGrantTokenException", "Invalid grant token")),
        }
    }

    /// Whether the caller's own policies allow an operation that concerns no single key.
    fn allowed_at_large(&self, operation: &str) -> Result<(), ApiError> {
        let access = Access {
            action: &format!("kms:{operation}"),
            resource: "*",
            owner: &self.call.caller.account,
            resource_policy: None,
            context: &[],
        };
        authorize(self.state, &self.call.caller, &access).map_err(|denial| denied(denial.message))
    }

    /// Makes the AWS managed key behind a predefined alias when it is first asked for.
    fn make_managed(&mut self, arn: &Arn) -> Result<(), ApiError> {
        let place = self.place();
        let own = arn.account().as_ref() == Some(&place.0);
        if !own || !MANAGED.contains(&arn.resource()) || look(self.state, arn).is_some() {
            return Ok(());
        }
        let spec = KeySpec {
            alias: Some(arn.resource().to_owned()),
            description: format!(
                "Default key that protects my {} data when no other key is defined",
                arn.resource().trim_start_matches("alias/aws/").to_uppercase()
            ),
            policy: None,
        };
        create_key(self.state, self.now, &place.0, &place.1, &spec)
            .map(|_| ())
            .map_err(ApiError::internal)
    }

    fn key(&mut self, arn: &Arn) -> Result<&mut Key, ApiError> {
        let place = arn.account().zip(arn.region()).ok_or_else(|| absent(arn))?;
        let id = arn.resource().trim_start_matches("key/");
        let site = self.state.kms.get_mut(&place).ok_or_else(|| absent(arn))?;
        site.keys.get_mut(id).ok_or_else(|| absent(arn))
    }
}

/// A page of `items` behind `marker`, and the marker of the next page.
fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    limit: Option<usize>,
    marker: Option<&str>,
    most: usize,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let limit = limit.unwrap_or(most.min(50));
    if !(1..=most).contains(&limit) {
        return Err(invalid(format!("Limit must be 1 to {most}, not {limit}")));
    }
    let marker = marker.unwrap_or_default();
    let mut items: Vec<(String, T)> =
        items.filter(|(name, _)| name.as_str() > marker).take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|(name, _)| name.clone());
    Ok((items.into_iter().map(|(_, item)| item).collect(), next))
}

/// A list answer with `Truncated`, and `NextMarker` where it is.
fn listed(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = serde_json::Map::new();
    answer.insert(name.to_owned(), Value::Array(items));
    answer.insert("Truncated".to_owned(), Value::Bool(next.is_some()));
    answer.extend(next.map(|next| ("NextMarker".to_owned(), Value::String(next))));
    Value::Object(answer)
}

#[cfg(test)]
mod tests;
