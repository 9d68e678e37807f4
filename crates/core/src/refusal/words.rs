//! Reads AWS's access-denied messages: who may not do what, where, and which policy is the reason.
//!
//! Their form is documented in the IAM User Guide, *Troubleshoot access denied error messages*. Any
//! part may be missing: S3 tells callers of other accounts no more than `Access Denied`.

/// What an access-denied message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Denial<'a> {
    /// The ARN of the principal.
    pub principal: Option<&'a str>,
    /// The action, in the spelling of the message.
    pub action: Option<&'a str>,
    /// The resource.
    pub resource: Option<&'a str>,
    /// What the policies say, and the kind of policy that decides.
    pub verdict: Option<(Verdict, PolicyKind)>,
    /// The ARN of the deciding policy.
    pub policy: Option<&'a str>,
}

/// How policies refuse a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement denies it; an allow beside it changes nothing.
    Denied,
    /// No statement allows it.
    NotAllowed,
    /// One of the two; AWS does not say which.
    Either,
}

/// The kinds of policy that AWS's messages name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A policy of the user, group or role.
    Identity,
    /// The policy of a bucket, key or queue.
    Resource,
    /// The policy that a session was given with its credentials.
    Session,
    /// The permissions boundary of the user or role.
    Boundary,
    /// The trust policy of a role.
    Trust,
    /// A service control policy of the organization.
    ServiceControl,
    /// A resource control policy of the organization.
    ResourceControl,
    /// The policy of a VPC endpoint.
    Endpoint,
}

const KINDS: &[(&str, PolicyKind)] = &[
    ("identity-based polic", PolicyKind::Identity),
    ("resource-based polic", PolicyKind::Resource),
    ("session polic", PolicyKind::Session),
    ("permissions boundar", PolicyKind::Boundary),
    ("trust polic", PolicyKind::Trust),
    ("service control polic", PolicyKind::ServiceControl),
    ("resource control polic", PolicyKind::ResourceControl),
    ("endpoint polic", PolicyKind::Endpoint),
];

const EXPLICIT: &str = " with an explicit deny in ";
const SILENT: &str = " because no";
/// KMS's reason for another account's key, which keeps secret whether the key exists.
const EITHER: &str = " because the resource does not exist in this Region";

impl<'a> Denial<'a> {
    /// Reads a message; what it does not say stays `None`.
    pub fn read(message: &'a str) -> Self {
        let Some((before, after)) = message.split_once(" is not authorized to perform: ") else {
            return Self::default();
        };
        let principal = before.rsplit_once("User: ").map_or(before, |(_, principal)| principal);
        let (what, reason) = split_at_reason(after);
        let action = what.split(' ').next().map(|action| action.trim_end_matches(['.', ',']));
        let resource = what
            .split_once(" on resource: ")
            .map(|(_, resource)| resource.trim().trim_end_matches('.').trim_matches(['"', '\'']));
        let (verdict, policy) = reason.map_or((None, None), read_reason);
        Self {
            principal: Some(principal).filter(|principal| principal.starts_with("arn:")),
            action: action.filter(|action| action.contains(':')),
            // One that was cut names nothing.
            resource: resource.filter(|resource| !resource.is_empty() && !resource.ends_with('…')),
            verdict,
            policy,
        }
    }
}

/// Splits the reason off; it begins with one of AWS's phrases.
fn split_at_reason(text: &str) -> (&str, Option<&str>) {
    let starts = [EXPLICIT, SILENT, EITHER].into_iter().filter_map(|phrase| text.find(phrase));
    match starts.min() {
        Some(start) => (&text[..start], Some(&text[start..])),
        None => (text, None),
    }
}

fn read_reason(reason: &str) -> (Option<(Verdict, PolicyKind)>, Option<&str>) {
    if reason.starts_with(EITHER) {
        return (Some((Verdict::Either, PolicyKind::Resource)), None);
    }
    let verdict = if reason.starts_with(EXPLICIT) { Verdict::Denied } else { Verdict::NotAllowed };
    // The text after the reason, such as EC2's encoded message, is none of it.
    let kinds = KINDS.iter().filter_map(|(name, kind)| Some((reason.find(name)?, *kind)));
    let kind = kinds.min_by_key(|(at, _)| *at).map(|(_, kind)| kind);
    let policy = reason.split_once(": arn:").filter(|_| verdict == Verdict::Denied);
    let policy = policy.and_then(|(before, after)| {
        let length = after.find([' ', ',', ';']).unwrap_or(after.len());
        let start = before.len() + ": ".len();
        Some(reason.get(start..start + "arn:".len() + length)?.trim_end_matches('.'))
    });
    (kind.map(|kind| (verdict, kind)), policy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use PolicyKind::*;
    use Verdict::*;

    /// The rest of a message; then action, resource, reason and policy.
    type Row = (
        &'static str,
        &'static str,
        Option<&'static str>,
        Option<(Verdict, PolicyKind)>,
        Option<&'static str>,
    );

    const ROLE: &str = "arn:aws:sts::222222222222:assumed-role/vault/amiferry";

    #[test]
    fn a_message_says_who_may_not_do_what_on_what_and_why() {
        #[rustfmt::skip]
        let rows: [Row; 16] = [
            ("s3:GetObject on resource: \"arn:aws:s3:::b/k\" because no identity-based policy allows the s3:GetObject action",
             "s3:GetObject", Some("arn:aws:s3:::b/k"), Some((NotAllowed, Identity)), None),
            ("s3:GetObject on resource: arn:aws:s3:::b/a b because no resource-based policy allows the s3:GetObject action",
             "s3:GetObject", Some("arn:aws:s3:::b/a b"), Some((NotAllowed, Resource)), None),
            ("s3:PutObject on resource: \"arn:aws:s3:::b/k\" with an explicit deny in a resource-based policy",
             "s3:PutObject", Some("arn:aws:s3:::b/k"), Some((Denied, Resource)), None),
            ("ec2:DescribeImages because no identity-based policy allows the ec2:DescribeImages action",
             "ec2:DescribeImages", None, Some((NotAllowed, Identity)), None),
            ("ec2:CreateRestoreImageTask on resource: arn:aws:ec2:us-east-1::image/* with an explicit deny in an identity-based policy: arn:aws:iam::222222222222:policy/p. Encoded authorization failure message: AbC service control policy",
             "ec2:CreateRestoreImageTask", Some("arn:aws:ec2:us-east-1::image/*"), Some((Denied, Identity)), Some("arn:aws:iam::222222222222:policy/p")),
            ("ec2:CreateStoreImageTask on resource: arn:aws:ec2:us-east-1::image/ami-1 with an explicit deny in a service control policy: arn:aws:organizations::333333333333:policy/o-a/service_control_policy/p-b",
             "ec2:CreateStoreImageTask", Some("arn:aws:ec2:us-east-1::image/ami-1"), Some((Denied, ServiceControl)), Some("arn:aws:organizations::333333333333:policy/o-a/service_control_policy/p-b")),
            ("s3:GetObject on resource: arn:aws:s3:::b/k because no service control policy allows the s3:GetObject action",
             "s3:GetObject", Some("arn:aws:s3:::b/k"), Some((NotAllowed, ServiceControl)), None),
            ("s3:GetObject on resource: arn:aws:s3:::b/k with an explicit deny in a resource control policy",
             "s3:GetObject", Some("arn:aws:s3:::b/k"), Some((Denied, ResourceControl)), None),
            ("s3:GetObject on resource: arn:aws:s3:::b/k because no VPC endpoint policy allows the s3:GetObject action",
             "s3:GetObject", Some("arn:aws:s3:::b/k"), Some((NotAllowed, Endpoint)), None),
            ("s3:GetObject on resource: arn:aws:s3:::b/k with an explicit deny in a VPC endpoint policy",
             "s3:GetObject", Some("arn:aws:s3:::b/k"), Some((Denied, Endpoint)), None),
            ("s3:GetObject on resource: arn:aws:s3:::b/k because no permissions boundary allows the s3:GetObject action",
             "s3:GetObject", Some("arn:aws:s3:::b/k"), Some((NotAllowed, Boundary)), None),
            ("s3:GetObject on resource: arn:aws:s3:::b/k because no session policy allows the s3:GetObject action",
             "s3:GetObject", Some("arn:aws:s3:::b/k"), Some((NotAllowed, Session)), None),
            ("sts:AssumeRole on resource: arn:aws:iam::111111111111:role/r because no role trust policy allows the sts:AssumeRole action",
             "sts:AssumeRole", Some("arn:aws:iam::111111111111:role/r"), Some((NotAllowed, Trust)), None),
            ("kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
             "kms:Decrypt", None, Some((Either, Resource)), None),
            ("sqs:receivemessage on resource: arn:aws:sqs:us-east-1:1:q because no identity-based policy allows the sqs:receivemessage action",
             "sqs:receivemessage", Some("arn:aws:sqs:us-east-1:1:q"), Some((NotAllowed, Identity)), None),
            ("sts:AssumeRole on resource: arn:aws:iam::111111111111:role/r",
             "sts:AssumeRole", Some("arn:aws:iam::111111111111:role/r"), None, None),
        ];
        for (rest, action, resource, verdict, policy) in rows {
            for before in ["", "You are not authorized to perform this operation. "] {
                let message = format!("{before}User: {ROLE} is not authorized to perform: {rest}");
                let read = Denial::read(&message);
                let expected = Denial {
                    principal: Some(ROLE),
                    action: Some(action),
                    resource,
                    verdict,
                    policy,
                };
                assert_eq!(read, expected, "{message}");
            }
        }
    }

    #[test]
    fn a_message_that_gives_no_reason_says_nothing() {
        for message in ["", "Access Denied", "You are not authorized to perform this operation."] {
            assert_eq!(Denial::read(message), Denial::default(), "{message}");
        }
        for (rest, resource) in [
            ("on resource: arn:aws:s3:::b/k because no…", Some("arn:aws:s3:::b/k")),
            ("on resource: arn:aws:s3:::b/…", None),
        ] {
            let cut = format!("User: x is not authorized to perform: s3:GetObject {rest}");
            let read = Denial::read(&cut);
            assert_eq!((read.principal, read.action), (None, Some("s3:GetObject")));
            assert_eq!((read.resource, read.verdict), (resource, None));
        }
    }

    proptest! {
        #[test]
        fn no_text_in_any_place_of_a_message_breaks_its_reading(
            texts in prop::collection::vec(".{0,12}", 5),
            phrase in prop::sample::select(vec![EXPLICIT, SILENT, EITHER, "", " because", " on"]),
        ) {
            let [user, action, resource, reason, rest] = texts.as_slice() else { return Ok(()) };
            let message = format!(
                "User: {user} is not authorized to perform: {action} on resource: {resource}\
                 {phrase}{reason}policy: arn:{rest}"
            );
            let read = Denial::read(&message);
            for part in [read.principal, read.action, read.resource, read.policy] {
                prop_assert!(part.is_none_or(|part| message.contains(part)));
            }
        }
    }
}
