//! STS on the wire: the query protocol of 2011-06-15, XML answers.

use amiferry_core::ids::{AccountId, Arn};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{Credentials, issue};
use crate::World;
use crate::iam::{Access, Policy, authorize};
use crate::principal::{Principal, PrincipalKind};
use crate::wire::answer::REQUEST_ID;
use crate::wire::form::Form;
use crate::wire::scope::Service;
use crate::wire::xml::Xml;
use crate::wire::{Answer, ApiError, Call};
use crate::world::State;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The session of a role that was assumed by the session of a role, at most.
const CHAINED: i64 = 3600;

/// Parameters that would change what a session may do and are not simulated.
const UNKNOWN: &[&str] = &[
    "PolicyArns",
    "ProvidedContexts",
    "SerialNumber",
    "SourceIdentity",
    "Tags",
    "TokenCode",
    "TransitiveTagKeys",
];

/// Answers one call.
///
/// # Errors
/// What the service answers.
#[expect(clippy::unused_async, reason = "the services' doors have one shape")]
pub async fn answer(world: &World, call: &Call, body: &Bytes) -> Result<Answer, ApiError> {
    let form = Form::parse(body);
    let action = form.get("Action").unwrap_or_default();
    *world.lock().calls.entry((Service::Sts.name(), action.to_owned())).or_default() += 1;
    match action {
        "AssumeRole" => assume_role(world, call, &form),
        "GetCallerIdentity" => Ok(caller_identity(world, call)),
        _ => Err(ApiError::unknown_operation(Service::Sts, action)),
    }
}

fn respond(action: &str, result: impl FnOnce(&mut Xml)) -> Answer {
    let body = Xml::document(&format!("{action}Response"), Some(NAMESPACE), |x| {
        x.element(&format!("{action}Result"), result);
        x.element("ResponseMetadata", |x| {
            x.text("RequestId", REQUEST_ID);
        });
    });
    Answer::ok("text/xml", body)
}

/// Needs no permission and cannot be denied.
fn caller_identity(world: &World, call: &Call) -> Answer {
    let caller = &call.caller;
    let user = match &caller.kind {
        PrincipalKind::Session { role, session, .. } => {
            format!("{}:{session}", role_id(&world.lock(), &caller.account, role))
        }
        PrincipalKind::Root | PrincipalKind::Service(_) => caller.account.to_string(),
    };
    respond("GetCallerIdentity", |x| {
        x.text("Arn", caller.arn()).text("UserId", user).text("Account", &caller.account);
    })
}

fn role_id(state: &State, account: &AccountId, role: &str) -> String {
    let role = state.iam.get(account).and_then(|account| account.roles.get(role));
    role.map(|role| role.id.clone()).unwrap_or_default()
}

/// A valid request, before anyone is asked whether it is allowed.
struct Request<'a> {
    role: Arn,
    account: AccountId,
    name: String,
    session: &'a str,
    external_id: Option<&'a str>,
    seconds: i64,
    policy: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn read(form: &'a Form) -> Result<Self, ApiError> {
        for name in UNKNOWN {
            if form.get(name).is_some() || form.structure(name).is_some() {
                return Err(ApiError::new(
                    501,
                    "NotImplemented",
                    format!("the simulated AWS does not implement {name} of sts:AssumeRole"),
                ));
            }
        }
        let text = form.get("RoleArn").unwrap_or_default();
        let role: Arn = text.parse().map_err(|_| invalid(&format!("{text} is invalid")))?;
        let name = role.resource().strip_prefix("role/").map(str::to_owned);
        let (Some(account), Some(name), "iam") = (role.account(), name, role.service()) else {
            return Err(invalid(&format!("{text} is invalid")));
        };
        let session = form.get("RoleSessionName").unwrap_or_default();
        check("roleSessionName", session, 2..=64, "+=,.@-_")?;
        let external_id = form.get("ExternalId");
        if let Some(external_id) = external_id {
            check("externalId", external_id, 2..=1224, "+=,.@:/-_")?;
        }
        let seconds = form.get("DurationSeconds").map_or(Ok(3600), str::parse::<i64>);
        let seconds = seconds.ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(
            || invalid("1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200"),
        )?;
        let policy = form.get("Policy");
        if let Some(policy) = policy {
            if policy.chars().count() > 2048 {
                return Err(ApiError::new(
                    400,
                    "PackedPolicyTooLarge",
                    "Session policies are at most 2048 characters of plain text together",
                ));
            }
            Policy::parse_identity(policy)
                .map_err(|why| ApiError::new(400, "MalformedPolicyDocument", why))?;
        }
        Ok(Self { role, account, name, session, external_id, seconds, policy })
    }
}

fn assume_role(world: &World, call: &Call, form: &Form) -> Result<Answer, ApiError> {
    let request = Request::read(form)?;
    let now = world.now();
    let mut state = world.lock();
    let longest = allowed_session(&state, call, &request)?;
    let chained = matches!(call.caller.kind, PrincipalKind::Session { .. });
    if chained && request.seconds > CHAINED {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if request.seconds > i64::from(longest) {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let expires =
        now.saturating_add(SignedDuration::from_secs(request.seconds)).unwrap_or(Timestamp::MAX);
    let kind = PrincipalKind::Session {
        role: request.name.clone(),
        session: request.session.to_owned(),
        expires,
        policy: request.policy.map(str::to_owned),
    };
    let id = role_id(&state, &request.account, &request.name);
    let principal = Principal { account: request.account, kind };
    let arn = principal.arn();
    let credentials = issue(&mut state, now, principal);
    Ok(respond("AssumeRole", |x| {
        x.element("AssumedRoleUser", |x| {
            x.text("AssumedRoleId", format!("{id}:{}", request.session)).text("Arn", arn);
        });
        write_credentials(x, &credentials);
        if let Some(policy) = request.policy {
            x.text("PackedPolicySize", (policy.len() * 100).div_ceil(2048));
        }
    }))
}

/// The role's longest session, once its trust policy and the caller's own side allow the call.
///
/// A role that is not there and one that refuses are not told apart, as in AWS. Unlike in AWS
/// an account's root may assume roles: it stands for whoever works in that account.
fn allowed_session(state: &State, call: &Call, request: &Request<'_>) -> Result<u32, ApiError> {
    let account = state.iam.get(&request.account);
    let role = account.and_then(|account| account.roles.get(&request.name));
    let mut context = vec![("sts:RoleSessionName", request.session.to_owned())];
    context.extend(request.external_id.map(|id| ("sts:ExternalId", id.to_owned())));
    let nobody = Policy::default();
    let access = Access {
        action: "sts:AssumeRole",
        resource: request.role.as_str(),
        owner: &request.account,
        resource_policy: Some(role.map_or(&nobody, |role| &role.trust)),
        context: &context,
    };
    let allowed = authorize(state, &call.caller, &access).is_ok();
    role.filter(|_| allowed).map(|role| role.max_session).ok_or_else(|| {
        let (caller, role) = (call.caller.arn(), &request.role);
        let message = format!(
            "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
        );
        ApiError::new(403, "AccessDenied", message)
    })
}

fn write_credentials(x: &mut Xml, credentials: &Credentials) {
    x.element("Credentials", |x| {
        x.text("AccessKeyId", &credentials.access_key)
            .text("SecretAccessKey", &credentials.secret_key)
            .text("SessionToken", &credentials.token)
            .text("Expiration", credentials.expires.strftime("%Y-%m-%dT%H:%M:%SZ"));
    });
}

fn check(
    name: &str,
    value: &str,
    length: std::ops::RangeInclusive<usize>,
    signs: &str,
) -> Result<(), ApiError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    if length.contains(&value.len()) && value.chars().all(fits) {
        return Ok(());
    }
    let (least, most) = (length.start(), length.end());
    Err(invalid(&format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must be {least} to {most} long and contain only letters, digits and {signs}"
    )))
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(400, "ValidationError", message)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
