//! Service Quotas on the wire: AWS JSON 1.1, the two lists.

use amiferry_core::ids::{AccountId, Region};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Quota, applied, default_values};
use crate::World;
use crate::iam::{Access, authorize};
use crate::wire::scope::Service;
use crate::wire::{Answer, ApiError, Call};

/// What the operations are named by (API model).
const TARGET: &str = "ServiceQuotasV20190624.";

/// Most quotas of one page, also without `MaxResults` (API model).
const MOST: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    service_code: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
    quota_code: Option<String>,
    quota_applied_at_level: Option<String>,
}

/// Answers one call.
///
/// # Errors
/// What the service answers.
#[expect(clippy::unused_async, reason = "the services' doors have one shape")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let target = call.header("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix(TARGET).unwrap_or(target);
    *world
        .lock()
        .calls
        .entry((Service::ServiceQuotas.name(), operation.to_owned()))
        .or_default() += 1;
    let result = match operation {
        "ListServiceQuotas" | "ListAWSDefaultServiceQuotas" => list(world, call, operation, body),
        _ => Err(ApiError::unknown_operation(Service::ServiceQuotas, operation)),
    };
    match result {
        Ok(members) => Ok(Answer::ok("application/x-amz-json-1.1", members.to_string())),
        Err(error) => {
            let code = error.code.clone();
            Err(error.with("x-amzn-errortype", code))
        }
    }
}

fn list(world: &World, call: &Call, operation: &str, body: &Bytes) -> Result<Value, ApiError> {
    let invalid = |message: &str| ApiError::new(400, "IllegalArgumentException", message);
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    let request: Request =
        serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))?;
    let (account, region) = (&call.caller.account, &call.region);
    let state = world.lock();
    let access = Access {
        action: &format!("servicequotas:{operation}"),
        resource: "*",
        owner: account,
        resource_policy: None,
        context: &[],
    };
    authorize(&state, &call.caller, &access)
        .map_err(|denial| ApiError::new(400, "AccessDeniedException", denial.message))?;
    let settings = &state.settings.servicequotas;
    let code = request.service_code.ok_or_else(|| invalid("ServiceCode must not be null"))?;
    let defaults = operation == "ListAWSDefaultServiceQuotas";
    let mut quotas = match code.as_str() {
        "ec2" if defaults => default_values(settings),
        "ec2" => applied(settings, account, region),
        // Its quotas are not simulated.
        "ebs" => Vec::new(),
        _ => {
            let message = "The request failed because the specified service does not exist.";
            return Err(ApiError::new(400, "NoSuchResourceException", message));
        }
    };
    // None of these has a value for a single resource.
    quotas.retain(|quota| {
        request.quota_code.as_ref().is_none_or(|code| *code == quota.code)
            && request.quota_applied_at_level.as_deref() != Some("RESOURCE")
    });
    let asked = request.max_results.map_or(Some(MOST), |most| usize::try_from(most).ok());
    let asked = asked.filter(|most| (1..=MOST).contains(most));
    let asked = asked.ok_or_else(|| invalid("MaxResults must be from 1 to 100"))?;
    let from = match &request.next_token {
        None => 0,
        Some(token) => position(token, quotas.len()).ok_or_else(|| {
            ApiError::new(400, "InvalidPaginationTokenException", "The token is not valid.")
        })?,
    };
    let length = asked.min(settings.longest_page.max(1));
    let page = quotas.iter().skip(from).take(length);
    let page: Vec<Value> = page.map(|quota| shown(quota, account, region, defaults)).collect();
    let next = from + page.len();
    let mut answer = json!({ "Quotas": page });
    if next < quotas.len() {
        answer["NextToken"] = next.to_string().into();
    }
    Ok(answer)
}

/// Where a page begins; `None` for a token that no answer gave.
fn position(token: &str, length: usize) -> Option<usize> {
    token.parse().ok().filter(|position| (1..length).contains(position))
}

fn shown(quota: &Quota, account: &AccountId, region: &Region, defaults: bool) -> Value {
    // Defaults are no account's.
    let owner = if defaults { "" } else { account.as_str() };
    let mut shown = json!({
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": format!("arn:aws:servicequotas:{region}:{owner}:ec2/{}", quota.code),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": number(quota.value),
        "Unit": "None",
        "Adjustable": true,
        "GlobalQuota": false,
    });
    if !defaults {
        shown["QuotaAppliedAtLevel"] = "ACCOUNT".into();
    }
    shown
}

/// JSON has no number for what is not finite; the protocol writes its name.
fn number(value: f64) -> Value {
    match value {
        value if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value => value.into(),
    }
}
