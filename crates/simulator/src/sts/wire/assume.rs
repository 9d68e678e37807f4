//! `AssumeRole`: what may be asked, who is let in, and what the session carries.

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn};
use jiff::{SignedDuration, Timestamp};

use super::{invalid, respond};
use crate::World;
use crate::iam::{Access, Policy, authorize, user_id};
use crate::principal::{Principal, PrincipalKind, SessionContext};
use crate::sts::{Credentials, issue};
use crate::wire::form::Form;
use crate::wire::xml::Xml;
use crate::wire::{Answer, ApiError, Call};
use crate::world::State;

/// The session of a role that was assumed by the session of a role, at most.
const CHAINED: i64 = 3600;

/// The longest that session policy and policy ARNs may be together, in characters of plain text.
const PLAIN_POLICY_LIMIT: usize = 2048;

/// The most session tags, and the most policy ARNs.
const MOST_TAGS: usize = 50;
const MOST_POLICIES: usize = 10;

/// Parameters that are not simulated.
const UNKNOWN: &[&str] = &["ProvidedContexts", "SerialNumber", "TokenCode"];

/// A valid request, before anyone is asked whether it is allowed.
struct Request<'a> {
    role: Arn,
    account: AccountId,
    name: String,
    session: &'a str,
    external_id: Option<&'a str>,
    seconds: i64,
    policy: Option<&'a str>,
    policies: Vec<String>,
    tags: BTreeMap<String, String>,
    transitive: Vec<String>,
    source_identity: Option<&'a str>,
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
        let source_identity = form.get("SourceIdentity");
        if let Some(identity) = source_identity {
            check("sourceIdentity", identity, 2..=64, "+=,.@-_")?;
        }
        let seconds = form.get("DurationSeconds").map_or(Ok(3600), str::parse::<i64>);
        let seconds = seconds.ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(
            || invalid("1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200"),
        )?;
        let policy = form.get("Policy");
        let policies: Vec<String> = form
            .structures("PolicyArns.member")
            .iter()
            .map(|member| member.get("arn").unwrap_or_default().to_owned())
            .collect();
        check_policies(policy, &policies)?;
        Ok(Self {
            role,
            account,
            name,
            session,
            external_id,
            seconds,
            policy,
            policies,
            tags: tags(form)?,
            transitive: form
                .list("TransitiveTagKeys.member")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            source_identity,
        })
    }

    /// How full the packed form is, in percent. AWS does not say how it packs; a share of the
    /// plain text's limit is a guess that grows with what is given.
    fn packed_percent(&self) -> Option<usize> {
        let policies =
            self.policy.map_or(0, str::len) + self.policies.iter().map(String::len).sum::<usize>();
        let tags: usize = self.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        let size = policies + tags;
        (size > 0).then(|| (size * 100).div_ceil(2 * PLAIN_POLICY_LIMIT))
    }
}

fn check_policies(inline: Option<&str>, managed: &[String]) -> Result<(), ApiError> {
    let length = inline.map_or(0, |policy| policy.chars().count())
        + managed.iter().map(|arn| arn.chars().count()).sum::<usize>();
    if length > PLAIN_POLICY_LIMIT || managed.len() > MOST_POLICIES {
        return Err(too_large(format!(
            "Session policies are at most {PLAIN_POLICY_LIMIT} characters of plain text and \
             {MOST_POLICIES} ARNs together"
        )));
    }
    if let Some(policy) = inline {
        Policy::parse_identity(policy)
            .map_err(|why| ApiError::new(400, "MalformedPolicyDocument", why))?;
    }
    Ok(())
}

fn too_large(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "PackedPolicyTooLarge", message)
}

/// The session tags; their keys differ also without regard to case.
fn tags(form: &Form) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    let mut seen = Vec::new();
    for member in form.structures("Tags.member") {
        let key = member.get("Key").unwrap_or_default();
        let value = member.get("Value").unwrap_or_default();
        if !(1..=128).contains(&key.chars().count()) || key.to_ascii_lowercase().starts_with("aws:")
        {
            return Err(invalid(&format!(
                "The tag key {key:?} must be 1 to 128 characters and not begin with aws:"
            )));
        }
        if value.chars().count() > 256 {
            return Err(invalid(&format!("The value of tag {key} is longer than 256 characters")));
        }
        if seen.contains(&key.to_ascii_lowercase()) {
            return Err(ApiError::new(
                400,
                "InvalidParameterValue",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        seen.push(key.to_ascii_lowercase());
        tags.insert(key.to_owned(), value.to_owned());
    }
    if tags.len() > MOST_TAGS {
        return Err(invalid(&format!("A session has at most {MOST_TAGS} tags")));
    }
    Ok(tags)
}

pub(super) fn assume_role(world: &World, call: &Call, form: &Form) -> Result<Answer, ApiError> {
    let request = Request::read(form)?;
    let now = world.now();
    let mut state = world.lock();
    let longest = allowed_session(&state, call, &request)?;
    let before = call.caller.session_context();
    if before.is_some() && request.seconds > CHAINED {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if request.seconds > i64::from(longest) {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let packed = request.packed_percent();
    if let Some(percent) = packed.filter(|percent| *percent > 100) {
        return Err(too_large(format!("Packed policy size is {percent}% of its limit")));
    }
    let context = context(&state, now, before, &request)?;
    let source_identity = context.source_identity.clone();
    let expires =
        now.saturating_add(SignedDuration::from_secs(request.seconds)).unwrap_or(Timestamp::MAX);
    let kind = PrincipalKind::Session {
        role: request.name.clone(),
        session: request.session.to_owned(),
        expires,
        policy: request.policy.map(str::to_owned),
        context,
    };
    let principal = Principal { account: request.account, kind };
    let (arn, id) = (principal.arn(), user_id(&state, &principal));
    let credentials = issue(&mut state, now, principal);
    Ok(respond("AssumeRole", |x| {
        x.element("AssumedRoleUser", |x| {
            x.text("AssumedRoleId", id).text("Arn", arn);
        });
        write_credentials(x, &credentials);
        x.maybe("PackedPolicySize", packed).maybe("SourceIdentity", source_identity);
    }))
}

/// What the session carries: its own tags and those that are inherited, and the source identity,
/// which a chain cannot change.
fn context(
    state: &State,
    now: Timestamp,
    before: Option<&SessionContext>,
    request: &Request<'_>,
) -> Result<SessionContext, ApiError> {
    let account = state.iam.get(&request.account);
    let unknown = request
        .policies
        .iter()
        .find(|arn| !account.is_some_and(|account| account.managed.contains_key(*arn)));
    if let Some(arn) = unknown {
        return Err(invalid(&format!(
            "The simulated IAM has no policy {arn} in account {}; a scenario puts it there",
            request.account
        )));
    }
    let mut tags = request.tags.clone();
    let mut transitive = request.transitive.clone();
    for key in before.into_iter().flat_map(|session| &session.transitive) {
        if tags.keys().any(|given| given.eq_ignore_ascii_case(key)) {
            return Err(ApiError::new(
                400,
                "InvalidParameterValue",
                format!(
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session: {key}"
                ),
            ));
        }
        let inherited = before.and_then(|session| session.tags.get_key_value(key));
        tags.extend(inherited.map(|(key, value)| (key.clone(), value.clone())));
        transitive.push(key.clone());
    }
    let inherited = before.and_then(|session| session.source_identity.clone());
    Ok(SessionContext {
        issued: now,
        tags,
        transitive,
        source_identity: inherited.or(request.source_identity.map(str::to_owned)),
        revoked: false,
        policies: request.policies.clone(),
    })
}

/// The role's longest session, once its trust policy and the caller's own side allow the call.
///
/// As in AWS, the answer does not tell a missing role from one that refuses. Unlike in AWS, an
/// account's root user may assume roles: it stands for any principal of that account.
fn allowed_session(state: &State, call: &Call, request: &Request<'_>) -> Result<u32, ApiError> {
    let account = state.iam.get(&request.account);
    let role = account.and_then(|account| account.roles.get(&request.name));
    let before = call.caller.session_context();
    let kept = before.and_then(|session| session.source_identity.as_deref());
    let source_identity = request.source_identity.or(kept);
    let mut context = vec![
        ("sts:RoleSessionName", request.session.to_owned()),
        ("aws:RequestedRegion", call.region.to_string()),
    ];
    context.extend(request.external_id.map(|id| ("sts:ExternalId", id.to_owned())));
    context.extend(source_identity.map(|id| ("sts:SourceIdentity", id.to_owned())));
    let names: Vec<String> =
        request.tags.keys().map(|key| format!("aws:RequestTag/{key}")).collect();
    context.extend(names.iter().map(String::as_str).zip(request.tags.values().cloned()));
    context.extend(request.tags.keys().map(|key| ("aws:TagKeys", key.clone())));
    context.extend(request.transitive.iter().map(|key| ("sts:TransitiveTagKeys", key.clone())));
    let trusts_none = Policy::default();
    let allowed = |action: &str| {
        let access = Access {
            action,
            resource: request.role.as_str(),
            owner: &request.account,
            resource_policy: Some(role.map_or(&trusts_none, |role| &role.trust)),
            context: &context,
        };
        authorize(state, &call.caller, &access).is_ok()
    };
    let inherits = before.is_some_and(|session| !session.transitive.is_empty());
    let changed = kept.is_some_and(|kept| source_identity != Some(kept));
    let needed = [
        ("sts:AssumeRole", true),
        ("sts:TagSession", !request.tags.is_empty() || inherits),
        ("sts:SetSourceIdentity", source_identity.is_some()),
    ];
    let refused = needed.into_iter().find(|(action, needed)| *needed && !allowed(action));
    let denied = match refused {
        None if changed => Some("sts:SetSourceIdentity"),
        None => None,
        Some((action, _)) => Some(action),
    };
    let denied = denied.or(role.is_none().then_some("sts:AssumeRole"));
    match (role, denied) {
        (Some(role), None) => Ok(role.max_session),
        (_, denied) => {
            let action = denied.unwrap_or("sts:AssumeRole");
            let (caller, role) = (call.caller.arn(), &request.role);
            let message = format!(
                "User: {caller} is not authorized to perform: {action} on resource: {role}"
            );
            Err(ApiError::new(403, "AccessDenied", message))
        }
    }
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
