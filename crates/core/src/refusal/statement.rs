//! The smallest policy statement that would let a refused call through.

use serde::Serialize;
use serde_json::{Value, json};

use super::circumstance::Circumstance;
use super::permissions::{Need, On, needs_of, spelled};
use super::remedy::{arn_of, key_of_object, named, place};
use super::words::{Denial, PolicyKind, Verdict};
use crate::fault::{Fault, FaultClass};
use crate::ids::Arn;

/// A statement to paste, and into which policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The policy, such as `a policy of arn:aws:iam::222222222222:role/vault`.
    pub into: String,
    /// One element of its `Statement`. That of a trust policy has [`EXTERNAL_ID`] where the id, which is
    /// a secret, belongs, and admits no one until a person puts it there.
    pub statement: Value,
}

/// What stands for the external id of a trust policy.
const EXTERNAL_ID: &str = "<the external id>";

/// The statements that would let a denied call through, for the policies that can: none where an
/// explicit deny refuses, or a policy that only sets limits. `caller` as for [`super::remedy`].
pub fn statements(fault: &Fault, caller: Option<&str>) -> Vec<Statement> {
    if !is_denial(fault)
        || fault.code == "AuthFailure"
        || Circumstance::of(&fault.code, &fault.detail).is_some()
    {
        return Vec::new();
    }
    let denial = Denial::read(&fault.detail);
    let Some(principal) = denial.principal.or(caller).and_then(role_of) else { return Vec::new() };
    let allowed = allowed(fault, &denial);
    if allowed.is_empty() {
        return Vec::new();
    }
    // The root of an account has no policies of its own.
    let has_policies = !principal.ends_with(":root");
    let of_identity = || Statement {
        into: format!("a policy of {principal}"),
        statement: json!({
            "Effect": "Allow",
            "Action": one_or_many(allowed.iter().map(|(action, _)| *action)),
            "Resource": one_or_many(allowed.iter().map(|(_, resource)| resource.as_str())),
        }),
    };
    let prefix = prefix_of(fault);
    let mut found = Vec::new();
    match denial.verdict {
        Some((Verdict::Denied, _)) => {}
        Some((_, PolicyKind::Identity)) if has_policies => found.push(of_identity()),
        Some((_, PolicyKind::Resource | PolicyKind::Trust)) => {
            found.extend(of_resources(&allowed, &principal));
        }
        Some((
            _,
            PolicyKind::Identity
            | PolicyKind::Session
            | PolicyKind::Boundary
            | PolicyKind::ServiceControl
            | PolicyKind::ResourceControl
            | PolicyKind::Endpoint,
        )) => {}
        // AWS does not say which: with both, either side allows it.
        None => {
            found.extend(has_policies.then(of_identity));
            found.extend(of_resources(&allowed, &principal));
        }
    }
    if let Some(prefix) = prefix {
        let lists = json!({ "StringLike": { "s3:prefix": prefix } });
        found.iter_mut().for_each(|one| one.demand(&lists));
    }
    found
}

impl Statement {
    fn demand(&mut self, condition: &Value) {
        if let Some(members) = self.statement.as_object_mut() {
            members.insert("Condition".to_owned(), condition.clone());
        }
    }
}

/// What a refused list of keys began with, as a pattern of IAM. Without that the whole bucket would be
/// shown, such as what is kept of other accounts.
fn prefix_of(fault: &Fault) -> Option<String> {
    let lists = matches!(fault.operation, "s3:ListObjectsV2" | "s3:ListObjectVersions");
    let (_, prefix) = fault.resource.split_once('/').filter(|_| lists)?;
    let spelled = |c| match c {
        '*' | '?' | '$' => format!("${{{c}}}"),
        c => String::from(c),
    };
    let prefix: String = prefix.chars().map(spelled).collect();
    (!prefix.is_empty()).then(|| format!("{prefix}*"))
}

/// Whether AWS denied the call. What STS refuses has the class of bad credentials, because nothing can be
/// asked with them.
fn is_denial(fault: &Fault) -> bool {
    match fault.class {
        FaultClass::Denied => true,
        FaultClass::Credentials => {
            fault.operation == "sts:AssumeRole" && fault.code.starts_with("AccessDenied")
        }
        _ => false,
    }
}

/// The actions that are to be allowed, each on the ARN of its resource, as far as that is known.
fn allowed(fault: &Fault, denial: &Denial<'_>) -> Vec<(&'static str, String)> {
    let needs = needs_of(fault.operation);
    let Some(action) = denial.action.map(spelled) else {
        let known = |Need { action, on }: &Need| Some((*action, place(*on, fault)?));
        return needs.iter().filter_map(known).collect();
    };
    let Some(need) = needs.iter().find(|need| need.action == action) else { return Vec::new() };
    let of_key = || key_of_object(fault).map(str::to_owned);
    let resource = match need.on {
        On::KeyOfObject | On::KeyOfQueue | On::KeysOfSnapshots => {
            denial.resource.map(str::to_owned).or_else(of_key)
        }
        on => named(denial, fault)
            .map(str::to_owned)
            .or_else(|| place(on, fault))
            .or_else(|| arn_of(fault)),
    };
    resource.map(|resource| (need.action, resource)).into_iter().collect()
}

/// A statement for the policy of each resource that has one.
fn of_resources(allowed: &[(&'static str, String)], principal: &str) -> Vec<Statement> {
    let mut found: Vec<(String, Vec<&str>, Vec<&str>)> = Vec::new();
    for (action, resource) in allowed {
        let Some(into) = policy_of(action, resource) else { continue };
        match found.iter_mut().find(|(known, ..)| *known == into) {
            Some((_, actions, resources)) => {
                actions.push(action);
                resources.push(resource);
            }
            None => found.push((into, vec![action], vec![resource])),
        }
    }
    let statement = |(into, actions, resources): (String, Vec<&str>, Vec<&str>)| {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": { "AWS": principal },
            "Action": one_or_many(actions.iter().copied()),
        });
        let resource = match actions.first().and_then(|action| action.split(':').next()) {
            // A key's policy is about the key alone, and a trust policy about its role.
            Some("kms") => Some(json!("*")),
            Some("sts") => None,
            _ => Some(one_or_many(resources.iter().copied())),
        };
        let is_trust = resource.is_none();
        if let (Some(resource), Some(members)) = (resource, statement.as_object_mut()) {
            members.insert("Resource".to_owned(), resource);
        }
        let mut statement = Statement { into, statement };
        if is_trust {
            statement.demand(&json!({ "StringEquals": { "sts:ExternalId": EXTERNAL_ID } }));
        }
        statement
    };
    found.into_iter().map(statement).collect()
}

/// The policy of a resource, where its kind has one.
fn policy_of(action: &str, resource: &str) -> Option<String> {
    match action.split(':').next()? {
        "s3" => {
            let bucket = resource.rsplit(":::").next()?.split('/').next()?;
            Some(format!("the policy of bucket {bucket}"))
        }
        "kms" => Some(format!("the policy of key {resource}")),
        "sqs" => Some(format!("the policy of queue {resource}")),
        "sts" => Some(format!("the trust policy of {resource}")),
        _ => None,
    }
}

/// The role of an assumed-role session, whose path AWS does not tell; any other principal as it is.
fn role_of(principal: &str) -> Option<String> {
    let arn: Arn = principal.parse().ok()?;
    let Some(session) = arn.resource().strip_prefix("assumed-role/") else {
        return Some(principal.to_owned());
    };
    let (role, _) = session.split_once('/')?;
    let partition = principal.split(':').nth(1)?;
    Some(format!("arn:{partition}:iam::{}:role/{role}", arn.account()?))
}

fn one_or_many<'t>(texts: impl Iterator<Item = &'t str>) -> Value {
    let mut texts: Vec<&str> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    match texts[..] {
        [one] => json!(one),
        _ => json!(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:sts::222222222222:assumed-role/vault/worker";

    fn denied(operation: &'static str, resource: &str, detail: &str) -> Fault {
        Fault {
            class: FaultClass::Denied,
            operation,
            resource: resource.to_owned(),
            code: "AccessDenied".to_owned(),
            detail: detail.to_owned(),
            request_id: None,
        }
    }

    #[test]
    fn the_statement_goes_into_the_policy_that_aws_names_and_allows_no_more_than_was_asked() {
        let words = |which: &str| {
            format!(
                "User: {ROLE} is not authorized to perform: s3:ListBucket on resource: \
                 \"arn:aws:s3:::staging\" because no {which} policy allows the s3:ListBucket action"
            )
        };
        let fault = |which| denied("s3:ListObjectsV2", "staging/amis/", &words(which));
        let found = statements(&fault("identity-based"), None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].into, "a policy of arn:aws:iam::222222222222:role/vault");
        let under = json!({ "StringLike": { "s3:prefix": "amis/*" } });
        let expected = json!({
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::staging",
            "Condition": under,
        });
        assert_eq!(found[0].statement, expected);
        let found = statements(&fault("resource-based"), None);
        assert_eq!(found[0].into, "the policy of bucket staging");
        assert_eq!(found[0].statement["Principal"]["AWS"], "arn:aws:iam::222222222222:role/vault");
        assert_eq!(found[0].statement["Condition"], under);
    }

    #[test]
    fn a_list_is_allowed_as_far_as_it_was_asked_for() {
        for (resource, condition) in [
            (
                "vault/amis/111111111111/",
                json!({ "StringLike": { "s3:prefix": "amis/111111111111/*" } }),
            ),
            ("vault/a*?$/", json!({ "StringLike": { "s3:prefix": "a${*}${?}${$}/*" } })),
            ("vault/", Value::Null),
            ("vault", Value::Null),
        ] {
            for operation in ["s3:ListObjectsV2", "s3:ListObjectVersions"] {
                for one in statements(&denied(operation, resource, ""), Some(ROLE)) {
                    assert_eq!(one.statement["Condition"], condition, "{operation} {resource}");
                }
            }
        }
        for one in statements(&denied("s3:GetObject", "vault/amis/a.bin", ""), Some(ROLE)) {
            assert_eq!(one.statement["Condition"], Value::Null);
        }
    }

    #[test]
    fn where_aws_names_no_policy_both_sides_get_a_statement() {
        let found = statements(&denied("s3:GetObject", "staging/amis/a.bin", ""), Some(ROLE));
        let into: Vec<&str> = found.iter().map(|one| one.into.as_str()).collect();
        assert_eq!(
            into,
            ["a policy of arn:aws:iam::222222222222:role/vault", "the policy of bucket staging"]
        );
        let both = json!(["arn:aws:s3:::staging", "arn:aws:s3:::staging/amis/a.bin"]);
        assert_eq!(found[1].statement["Resource"], both);
    }

    #[test]
    fn a_trust_policy_gets_no_resource_and_a_key_s_policy_every_one() {
        let role = "arn:aws:iam::111111111111:role/read";
        // What STS refuses concerns the credentials.
        let refused =
            Fault { class: FaultClass::Credentials, ..denied("sts:AssumeRole", role, "") };
        let found = statements(&refused, Some(ROLE));
        let own = found.iter().find(|one| one.into.starts_with("a policy of ")).unwrap();
        assert_eq!(own.statement["Resource"], role);
        let trust = found.iter().find(|one| one.into.contains("trust")).unwrap();
        assert_eq!(trust.statement["Resource"], Value::Null);
        assert_eq!(trust.statement["Condition"]["StringEquals"]["sts:ExternalId"], EXTERNAL_ID);
        let key = "arn:aws:kms:us-west-2:222222222222:key/k";
        let found = statements(&denied("kms:DescribeKey", key, ""), Some(ROLE));
        let of_key = found.iter().find(|one| one.into.contains("the policy of key")).unwrap();
        assert_eq!(of_key.statement["Resource"], "*");
    }

    #[test]
    fn what_no_statement_allows_gets_none() {
        let explicit = format!(
            "User: {ROLE} is not authorized to perform: s3:ListBucket on resource: \
             \"arn:aws:s3:::staging\" with an explicit deny in a resource-based policy"
        );
        for fault in [
            denied("s3:ListObjectsV2", "staging/", &explicit),
            Fault { class: FaultClass::NotFound, ..denied("s3:GetObject", "a/b", "") },
            Fault {
                class: FaultClass::Credentials,
                code: "ExpiredToken".to_owned(),
                ..denied("sts:AssumeRole", "arn:aws:iam::111111111111:role/read", "")
            },
            Fault { class: FaultClass::Credentials, ..denied("ec2:DescribeImages", "r", "") },
            Fault {
                code: "AuthFailure".to_owned(),
                ..denied("ec2:CreateStoreImageTask", "ami-1", "")
            },
        ] {
            assert_eq!(statements(&fault, Some(ROLE)), [], "{fault}");
        }
        assert_eq!(statements(&denied("s3:GetObject", "a/b", ""), None), [], "for no principal");
    }
}
