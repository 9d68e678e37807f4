//! Operations on grants.

use amiferry_core::ids::Arn;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ask, Names, Request, dry_run, invalid, listed, page, parse};
use crate::kms::grant::{Constraints, Grant, OPERATIONS, Party, Terms};
use crate::wire::ApiError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    #[serde(default)]
    key_id: String,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<String>,
    retiring_principal: Option<String>,
    retiring_service_principal: Option<String>,
    #[serde(default)]
    operations: Vec<String>,
    #[serde(default)]
    constraints: Constraints,
    #[serde(default)]
    grant_tokens: Vec<String>,
    name: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) fn create(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let create: Create = parse(body)?;
    let wrong = create.operations.iter().find(|name| !OPERATIONS.contains(&name.as_str()));
    if let Some(name) = wrong {
        return Err(invalid(format!("Operations cannot contain {name} for a symmetric key")));
    }
    if create.operations.is_empty() {
        return Err(invalid("Operations must name at least one operation"));
    }
    let grantee = party("Grantee", create.grantee_principal, create.grantee_service_principal)?
        .ok_or_else(|| invalid("GranteePrincipal or GranteeServicePrincipal is required"))?;
    let retiring = party("Retiring", create.retiring_principal, create.retiring_service_principal)?;
    let bound = create.constraints.source_arn.is_some() && retiring.is_some();
    if matches!(grantee, Party::Service(_)) && !bound {
        let message = "A GranteeServicePrincipal needs a SourceArn constraint and a principal that can retire the grant";
        return Err(invalid(message));
    }
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    if create
        .name
        .as_ref()
        .is_some_and(|name| !(1..=256).contains(&name.len()) || !name.bytes().all(named))
    {
        return Err(invalid("Name must be 1 to 256 of letters, digits, ':', '/', '_' and '-'"));
    }
    let ask = Ask { tokens: &create.grant_tokens, ..Ask::shared("CreateGrant", Names::KeysOnly) };
    let arn = request.allowed(&create.key_id, &ask)?;
    let (id, token) = (random(request, 32), random(request, 64));
    let issuer = request.call.caller.account.to_string();
    let now = request.now;
    let limit = request.state.settings.kms.grant_limit;
    let key = request.key(&arn)?;
    key.check_create_grant()?;
    if key.grants.len() >= limit && !key.aws_managed {
        let message = format!("A key can have {limit} grants at most");
        return Err(ApiError::new(400, "LimitExceededException", message));
    }
    if create.dry_run {
        return Err(dry_run());
    }
    let terms = Terms {
        name: create.name,
        grantee,
        retiring,
        operations: create.operations,
        constraints: create.constraints,
    };
    let same =
        key.grants.iter_mut().find(|(_, grant)| grant.terms.name.is_some() && grant.terms == terms);
    if let Some((id, grant)) = same {
        grant.tokens.push(token.clone());
        return Ok(json!({ "GrantId": id, "GrantToken": token }));
    }
    let grant = Grant { terms, created: now, issuer, tokens: vec![token.clone()] };
    key.grants.insert(id.clone(), grant);
    Ok(json!({ "GrantId": id, "GrantToken": token }))
}

/// The one that a request names in either of two fields.
fn party(
    role: &str,
    principal: Option<String>,
    service: Option<String>,
) -> Result<Option<Party>, ApiError> {
    match (principal, service) {
        (Some(_), Some(_)) => {
            Err(invalid(format!("{role}Principal and {role}ServicePrincipal exclude each other")))
        }
        (Some(name), None) => {
            let is_arn =
                name.parse::<Arn>().is_ok_and(|arn| matches!(arn.service(), "iam" | "sts"));
            if !is_arn && !name.ends_with(".amazonaws.com") {
                let message = format!("{name:?} is not the ARN of a principal");
                return Err(ApiError::new(400, "InvalidArnException", message));
            }
            Ok(Some(Party::Principal(name)))
        }
        (None, Some(name)) if !name.ends_with(".amazonaws.com") => {
            Err(invalid(format!("{name:?} is not a service principal")))
        }
        (None, service) => Ok(service.map(Party::Service)),
    }
}

fn random(request: &mut Request<'_>, bytes: usize) -> String {
    let rng = &mut request.state.rng;
    hex::encode((0..bytes).map(|_| rng.u8(..)).collect::<Vec<u8>>())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    key_id: String,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<String>,
    limit: Option<usize>,
    marker: Option<String>,
}

pub(super) fn list(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let list: List = parse(body)?;
    let arn = request.allowed(&list.key_id, &Ask::shared("ListGrants", Names::KeysOnly))?;
    let wanted = (list.grantee_principal, list.grantee_service_principal);
    let key = &*request.key(&arn)?;
    let grants = key
        .grants
        .iter()
        .filter(|(id, _)| list.grant_id.as_ref().is_none_or(|wanted| wanted == *id))
        .filter(|(_, grant)| match (&wanted, &grant.terms.grantee) {
            ((None, None), _) => true,
            ((Some(wanted), _), Party::Principal(arn)) => wanted == arn,
            ((_, Some(wanted)), Party::Service(name)) => wanted == name,
            _ => false,
        })
        .map(|(id, grant)| (id.clone(), grant.entry(id, key)));
    let (grants, next) = page(grants, list.limit, list.marker.as_deref(), 100)?;
    Ok(listed("Grants", grants, next))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfGrant {
    #[serde(default)]
    key_id: String,
    #[serde(default)]
    grant_id: String,
    grant_token: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) fn revoke(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let of: OfGrant = parse(body)?;
    let arn = request.allowed(&of.key_id, &Ask::shared("RevokeGrant", Names::KeysOnly))?;
    end(request, &arn, &of.grant_id, of.dry_run)
}

/// Anyone whom the grant names as retiring may end it, and the key's account.
pub(super) fn retire(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let of: OfGrant = parse(body)?;
    let (arn, id) = match &of.grant_token {
        Some(token) => by_token(request, token)?,
        None => (request.named(&of.key_id, Names::KeysOnly)?, of.grant_id.clone()),
    };
    let caller = request.call.caller.clone();
    let retirable =
        request.key(&arn)?.grants.get(&id).is_some_and(|grant| grant.retirable_by(&caller));
    if !retirable {
        request.allowed(arn.as_str(), &Ask::shared("RetireGrant", Names::KeysOnly))?;
    }
    end(request, &arn, &id, of.dry_run)
}

fn by_token(request: &Request<'_>, token: &String) -> Result<(Arn, String), ApiError> {
    let keys = request.state.kms.values().flat_map(|site| site.keys.values());
    let grants = keys.flat_map(|key| key.grants.iter().map(|(id, grant)| (&key.arn, id, grant)));
    grants
        .filter(|(arn, _, _)| arn.region().as_ref() == Some(&request.call.region))
        .find(|(_, _, grant)| grant.tokens.contains(token))
        .map(|(arn, id, _)| (arn.clone(), id.clone()))
        .ok_or_else(|| ApiError::new(400, "InvalidGrantTokenException", "Invalid grant token"))
}

fn end(request: &mut Request<'_>, arn: &Arn, id: &str, dry: bool) -> Result<Value, ApiError> {
    let key = request.key(arn)?;
    if !key.grants.contains_key(id) {
        let message = format!("Grant ID {id} not found");
        return Err(ApiError::new(400, "NotFoundException", message));
    }
    if dry {
        return Err(dry_run());
    }
    key.grants.remove(id);
    Ok(Value::Null)
}
