//! Decides whether a call is allowed, by the order in which IAM evaluates policies.

use super::policy::{Effect, Policy, PrincipalPattern, Statement};
use super::{Access, Denial};
use crate::principal::{Principal, PrincipalKind};
use crate::world::State;

/// How far a resource policy lets the caller in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grant {
    /// Its account: the account's own policies must allow the caller too.
    Account,
    /// The role, a service, or everyone.
    Principal,
    /// The very session; not even a session policy restricts that.
    Session,
}

/// What one policy says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Denied,
    Allowed(Grant),
    Silent,
}

/// Whether `caller` may do what `access` asks.
///
/// An explicit deny anywhere wins. Within one account a resource policy or the caller's own
/// policies suffice, except for KMS keys and role trust, where the resource policy is the only
/// source of access; across accounts both sides must allow. Services have no policies of their
/// own. A root's own side allows everything.
///
/// # Errors
/// The denial; each service wraps it in its own code.
pub fn authorize(state: &State, caller: &Principal, access: &Access<'_>) -> Result<(), Denial> {
    let request = Request { state, caller, access };
    let granted = match access.resource_policy.map(|policy| request.ask(policy, true)) {
        Some(Verdict::Denied) => return Err(request.explicit("resource-based")),
        Some(Verdict::Allowed(grant)) => Some(grant),
        Some(Verdict::Silent) | None => None,
    };
    let PrincipalKind::Session { role, policy, .. } = &caller.kind else {
        let own_side = caller.kind == PrincipalKind::Root && request.identity_side_counts();
        return if own_side || granted.is_some() {
            Ok(())
        } else {
            Err(request.unmentioned("resource-based"))
        };
    };
    let role = state.iam.get(&caller.account).and_then(|account| account.roles.get(role));
    let identity = role.map_or(Verdict::Silent, |role| request.ask(&role.permissions, false));
    let session = match policy.as_deref().map(Policy::parse_identity) {
        None => Verdict::Allowed(Grant::Principal),
        Some(Ok(policy)) => request.ask(&policy, false),
        // AssumeRole has parsed it, so only a session made by hand can bring a broken one.
        Some(Err(_)) => Verdict::Denied,
    };
    if identity == Verdict::Denied {
        return Err(request.explicit("identity-based"));
    }
    if session == Verdict::Denied {
        return Err(request.explicit("session"));
    }
    let same_account = caller.account == *access.owner;
    if !request.identity_side_counts() && granted.is_none() {
        return Err(request.unmentioned("resource-based"));
    }
    let alone = granted.filter(|grant| same_account && *grant > Grant::Account);
    if alone == Some(Grant::Session) {
        return Ok(());
    }
    if alone.is_none() && identity == Verdict::Silent {
        return Err(request.unmentioned("identity-based"));
    }
    if session == Verdict::Silent {
        return Err(request.unmentioned("session"));
    }
    Ok(())
}

struct Request<'a> {
    state: &'a State,
    caller: &'a Principal,
    access: &'a Access<'a>,
}

impl Request<'_> {
    /// Whether the caller's own policies can allow the call with no word of the resource's.
    fn identity_side_counts(&self) -> bool {
        let by_resource_only =
            self.access.action.starts_with("kms:") || self.access.action == "sts:AssumeRole";
        self.caller.account == *self.access.owner
            && !(by_resource_only && self.access.resource_policy.is_some())
    }

    fn ask(&self, policy: &Policy, of_resource: bool) -> Verdict {
        let mut verdict = Verdict::Silent;
        for statement in &policy.statements {
            if !statement.covers(self.access.action, self.access.resource) {
                continue;
            }
            let grant = if of_resource { self.names(statement) } else { Some(Grant::Principal) };
            let Some(grant) = grant else { continue };
            if !statement.conditions.iter().all(|condition| condition.holds(|key| self.value(key)))
            {
                continue;
            }
            match (statement.effect, verdict) {
                (Effect::Deny, _) => return Verdict::Denied,
                (Effect::Allow, Verdict::Allowed(before)) if before >= grant => {}
                (Effect::Allow, _) => verdict = Verdict::Allowed(grant),
            }
        }
        verdict
    }

    fn names(&self, statement: &Statement) -> Option<Grant> {
        let grant = |pattern: &PrincipalPattern| match (pattern, &self.caller.kind) {
            (PrincipalPattern::Anyone, _) => Some(Grant::Principal),
            (PrincipalPattern::Service(name), PrincipalKind::Service(caller)) => {
                (name == caller).then_some(Grant::Principal)
            }
            (_, PrincipalKind::Service(_)) | (PrincipalPattern::Service(_), _) => None,
            (PrincipalPattern::Account(account), _) => {
                (account == self.caller.account.as_str()).then_some(Grant::Account)
            }
            (PrincipalPattern::Arn(arn), _) if *arn == self.caller.arn() => Some(Grant::Session),
            (PrincipalPattern::Arn(arn), _) => {
                (self.caller.role_arn().as_ref() == Some(arn)).then_some(Grant::Principal)
            }
        };
        statement.principals.iter().filter_map(grant).max()
    }

    /// The request's value of a condition key; keys ignore case.
    fn value(&self, key: &str) -> Option<String> {
        let given = self.access.context.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        if let Some((_, value)) = given {
            return Some(value.clone());
        }
        let service = match &self.caller.kind {
            PrincipalKind::Service(name) => Some(name),
            PrincipalKind::Root | PrincipalKind::Session { .. } => None,
        };
        match key.to_ascii_lowercase().as_str() {
            // Over loopback there may be no TLS; to a policy every call looks as to AWS.
            "aws:securetransport" => Some("true".to_owned()),
            "aws:viaawsservice" => Some("false".to_owned()),
            "aws:resourceaccount" => Some(self.access.owner.to_string()),
            "aws:requestedregion" => {
                let region = self.access.resource.split(':').nth(3);
                region.filter(|region| !region.is_empty()).map(str::to_owned)
            }
            "aws:principalisawsservice" => Some(service.is_some().to_string()),
            "aws:principalservicename" => service.cloned(),
            _ if service.is_some() => None,
            "aws:principalaccount" | "kms:calleraccount" => Some(self.caller.account.to_string()),
            "aws:principalarn" => Some(self.caller.role_arn().unwrap_or_else(|| self.caller.arn())),
            "aws:principalorgid" => self.state.iam.get(&self.caller.account)?.organisation.clone(),
            _ => None,
        }
    }

    fn explicit(&self, kind: &str) -> Denial {
        self.denial(true, format!("with an explicit deny in {} {kind} policy", article(kind)))
    }

    fn unmentioned(&self, kind: &str) -> Denial {
        let action = self.access.action;
        self.denial(false, format!("because no {kind} policy allows the {action} action"))
    }

    fn denial(&self, explicit: bool, why: String) -> Denial {
        let (caller, Access { action, resource, .. }) = (self.caller.arn(), self.access);
        let message = format!(
            "User: {caller} is not authorized to perform: {action} on resource: {resource} {why}"
        );
        Denial { message, explicit }
    }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with('i') { "an" } else { "a" }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
