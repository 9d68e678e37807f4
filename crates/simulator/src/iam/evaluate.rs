//! Decides whether a call is allowed, by the order in which IAM evaluates policies.

use super::policy::{Effect, Policy, PrincipalPattern, Statement};
use super::request::Request;
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
    let account = state.iam.get(&caller.account);
    let identity = match &caller.kind {
        PrincipalKind::Session { role, .. } => {
            account.and_then(|account| account.roles.get(role)).map(|role| &role.permissions)
        }
        PrincipalKind::User { name } => {
            account.and_then(|account| account.users.get(name)).map(|user| &user.permissions)
        }
        PrincipalKind::Root | PrincipalKind::Service(_) => {
            let own_side = caller.kind == PrincipalKind::Root && request.identity_side_counts();
            return if own_side || granted.is_some() {
                Ok(())
            } else {
                Err(request.unmentioned("resource-based"))
            };
        }
    };
    // Revoking leaves a policy on the role that denies everything to sessions issued before.
    if caller.session_context().is_some_and(|session| session.revoked) {
        return Err(request.explicit("identity-based"));
    }
    let identity = identity.map_or(Verdict::Silent, |policy| request.ask(policy, false));
    let session = request.ask_session();
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

impl Request<'_> {
    /// Whether the caller's own policies can allow the call with no word of the resource's.
    fn identity_side_counts(&self) -> bool {
        let by_resource_only =
            self.access.action.starts_with("kms:") || self.access.action == "sts:AssumeRole";
        self.caller.account == *self.access.owner
            && !(by_resource_only && self.access.resource_policy.is_some())
    }

    /// What the session's own policies say: the one given inline and the managed ones together.
    fn ask_session(&self) -> Verdict {
        let PrincipalKind::Session { policy, context, .. } = &self.caller.kind else {
            return Verdict::Allowed(Grant::Principal);
        };
        if policy.is_none() && context.policies.is_empty() {
            return Verdict::Allowed(Grant::Principal);
        }
        let inline = policy.as_deref().map(|json| match Policy::parse_identity(json) {
            Ok(policy) => self.ask(&policy, false),
            // AssumeRole has parsed it, so only a session made by hand can bring a broken one.
            Err(_) => Verdict::Denied,
        });
        let account = self.state.iam.get(&self.caller.account);
        let managed = context.policies.iter().map(|arn| {
            let policy = account.and_then(|account| account.managed.get(arn));
            policy.map_or(Verdict::Silent, |policy| self.ask(policy, false))
        });
        let verdicts: Vec<Verdict> = inline.into_iter().chain(managed).collect();
        let allowed = Verdict::Allowed(Grant::Principal);
        [Verdict::Denied, allowed]
            .into_iter()
            .find(|v| verdicts.contains(v))
            .unwrap_or(Verdict::Silent)
    }

    fn ask(&self, policy: &Policy, of_resource: bool) -> Verdict {
        let lookup = |key: &str| self.values(key);
        let mut verdict = Verdict::Silent;
        for statement in &policy.statements {
            if !statement.covers(self.access.action, self.access.resource, &lookup) {
                continue;
            }
            let grant = if of_resource { self.names(statement) } else { Some(Grant::Principal) };
            let Some(grant) = grant else { continue };
            if !statement.conditions.iter().all(|condition| condition.holds(&lookup)) {
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
        let listed = &statement.principals;
        if listed.except {
            return (!self.excepted(&listed.entries)).then_some(Grant::Principal);
        }
        listed.entries.iter().filter_map(|pattern| self.fits(pattern)).max()
    }

    fn fits(&self, pattern: &PrincipalPattern) -> Option<Grant> {
        match (pattern, &self.caller.kind) {
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
        }
    }

    /// Whether `NotPrincipal` spares the caller: every name of it must be there, as IAM asks for
    /// account, role and session.
    fn excepted(&self, entries: &[PrincipalPattern]) -> bool {
        let named = |wanted: &dyn Fn(&PrincipalPattern) -> bool| entries.iter().any(wanted);
        if named(&|pattern| *pattern == PrincipalPattern::Anyone) {
            return true;
        }
        if let PrincipalKind::Service(name) = &self.caller.kind {
            return named(&|pattern| *pattern == PrincipalPattern::Service(name.clone()));
        }
        let account = PrincipalPattern::Account(self.caller.account.to_string());
        let own = (self.caller.kind != PrincipalKind::Root).then(|| self.caller.arn());
        named(&|pattern| *pattern == account)
            && own.into_iter().chain(self.caller.role_arn()).all(|arn| {
                let arn = PrincipalPattern::Arn(arn);
                named(&|pattern| *pattern == arn)
            })
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
