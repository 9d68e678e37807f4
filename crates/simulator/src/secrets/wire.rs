//! Secrets Manager on the wire: AWS JSON 1.1, reading and replacing the value of a secret.

use amiferry_core::ids::{AccountId, Region};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{find, set};
use crate::World;
use crate::iam::{Access, authorize};
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};
use crate::world::State;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    secret_id: String,
    secret_string: Option<String>,
}

/// Answers one call.
///
/// # Errors
/// What the service answers.
#[expect(clippy::unused_async, reason = "the services' doors have one shape")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let target = call.header("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix("secretsmanager.").unwrap_or(target);
    let mut state = world.lock();
    let counted = (Service::SecretsManager.name(), operation.to_owned());
    *state.calls.entry(counted).or_default() += 1;
    let result = match operation {
        "GetSecretValue" | "PutSecretValue" => value(&mut state, call, operation, body),
        _ => Err(ApiError::unknown_operation(Service::SecretsManager, operation)),
    };
    match result {
        Ok(members) => Ok(Answer::ok("application/x-amz-json-1.1", members.to_string())),
        Err(error) => {
            let code = error.code.clone();
            Err(error.with("x-amzn-errortype", code))
        }
    }
}

fn value(state: &mut State, call: &Call, operation: &str, body: &Bytes) -> Result<Value, ApiError> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| ApiError::new(400, "ValidationException", error.to_string()))?;
    let id = request.secret_id.as_str();
    let place = place(call, id);
    let found = find(state, &place, id).map(|(_, secret)| secret.arn.clone());
    let named = format!("arn:aws:secretsmanager:{}:{}:secret:{id}", place.1, place.0);
    let access = Access {
        action: &format!("secretsmanager:{operation}"),
        resource: found.as_ref().unwrap_or(&named),
        owner: &place.0,
        resource_policy: None,
        context: &[],
    };
    authorize(state, &call.caller, &access)
        .map_err(|denial| ApiError::new(400, "AccessDeniedException", denial.message))?;
    if operation == "PutSecretValue" {
        let text = request.secret_string.ok_or_else(|| {
            ApiError::new(501, "NotImplemented", "the simulated Secrets Manager has texts only")
        })?;
        set(state, &place, id, text);
    }
    let (name, secret) = find(state, &place, id).ok_or_else(|| {
        let message = "Secrets Manager can't find the specified secret.";
        ApiError::new(400, "ResourceNotFoundException", message)
    })?;
    let mut members = json!({
        "ARN": secret.arn,
        "Name": name,
        "VersionId": secret.version,
        "VersionStages": ["AWSCURRENT"],
    });
    if operation == "GetSecretValue" {
        members["SecretString"] = json!(secret.text);
        members["CreatedDate"] = json!(secret.created.as_second());
    }
    Ok(members)
}

/// Where the secret is: an ARN says so, a name is one of the caller's.
fn place(call: &Call, id: &str) -> (AccountId, Region) {
    let arn = id.parse::<amiferry_core::ids::Arn>().ok();
    let place = arn.and_then(|arn| arn.account().zip(arn.region()));
    place.unwrap_or_else(|| (call.caller.account.clone(), call.region.clone()))
}
