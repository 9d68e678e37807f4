//! What a person can do about a refusal: the policy to change, the statement, and who needs it.

use super::circumstance::Circumstance;
use super::permissions::{Need, On, needs_of, spelled};
use super::words::{Denial, PolicyKind, Verdict};
use crate::fault::{Fault, FaultClass};
use crate::ids::Arn;

/// What stands before the ARN of an object's key that a fault's detail names, after AWS's own words.
pub const KEY_OF_OBJECT: &str = "the object's key is ";

/// What a person can do about a fault; `None` where its class says enough.
///
/// `caller` is the principal that the call was made by, if the caller of this function knows it;
/// what AWS names goes before it.
pub fn remedy(fault: &Fault, caller: Option<&str>) -> Option<String> {
    // EC2 denies an image of another account under the code of credentials, and names no policy.
    let foreign = (fault.class == FaultClass::Denied && fault.code == "AuthFailure")
        .then_some(Circumstance::NotShared);
    if let Some(circumstance) = foreign.or_else(|| Circumstance::of(&fault.code, &fault.detail)) {
        return Some(circumstance.remedy(&arn_of(fault).unwrap_or_else(|| fault.resource.clone())));
    }
    if let Some(remedy) = not_trusted(fault).or_else(|| no_word_of_sts(fault)) {
        return Some(remedy);
    }
    match fault.class {
        FaultClass::Denied => Some(Refused::of(fault, caller).remedy()),
        FaultClass::Credentials => Some(credentials(fault, caller)),
        FaultClass::Throttled
        | FaultClass::QuotaFull
        | FaultClass::NotFound
        | FaultClass::Conflict
        | FaultClass::Invalid
        | FaultClass::KeyUnusable
        | FaultClass::OutcomeUnknown
        | FaultClass::Unavailable
        | FaultClass::Bug => None,
    }
}

/// A denied call, as far as the fault describes it.
struct Refused<'a> {
    fault: &'a Fault,
    denial: Denial<'a>,
    /// The principal; `None` if neither AWS nor the caller names it.
    principal: Option<&'a str>,
    /// What AWS says was asked for, or else all that the call needs.
    wanted: String,
    /// The ARN of the resource.
    resource: Option<String>,
}

impl<'a> Refused<'a> {
    fn of(fault: &'a Fault, caller: Option<&'a str>) -> Self {
        let denial = Denial::read(&fault.detail);
        let own = arn_of(fault);
        let (wanted, resource) = match denial.action.map(spelled) {
            Some(action) => {
                // Of a key that decrypts an object AWS does not always tell the ARN.
                let is_key = action.starts_with("kms:") && !fault.operation.starts_with("kms:");
                let named = named(&denial, fault);
                let named = named.or(is_key.then(|| key_of_object(fault)).flatten());
                let named = named.map(str::to_owned);
                let resource = named.or(own.filter(|_| !is_key));
                let place = match &resource {
                    Some(arn) => arn.as_str(),
                    None if is_key => words(On::KeyOfObject),
                    None => fault.resource.as_str(),
                };
                (format!("{action} on {place}"), resource)
            }
            None => (needed(fault), own),
        };
        let principal = denial.principal.or(caller);
        Self { fault, denial, principal, wanted, resource }
    }

    fn remedy(&self) -> String {
        if self.is_of_a_proxy() {
            let operation = self.fault.operation;
            return format!(
                "the answer is not one of AWS: let the proxy or firewall in between pass {operation}"
            );
        }
        match self.denial.verdict {
            Some((Verdict::Denied, kind)) => format!(
                "narrow the statement that denies {} {} in {}: an explicit deny outweighs every allow",
                self.who(),
                self.wanted,
                self.policy(kind)
            ),
            Some((Verdict::NotAllowed, kind)) => format!(
                "allow {} {} in {}{}",
                self.who(),
                self.wanted,
                self.policy(kind),
                self.condition(kind)
            ),
            Some((Verdict::Either, kind)) => format!(
                "allow {} {} in {}, and narrow a statement there that denies it{}; if the resource \
                 is gone, correct its ARN",
                self.who(),
                self.wanted,
                self.policy(kind),
                self.condition(kind)
            ),
            None => format!(
                "AWS does not say which policy refuses: allow {} {} in its own policies{}, and \
                 narrow what denies it there, in the organization's policies or in a VPC \
                 endpoint's policy{}",
                self.who(),
                self.wanted,
                self.other_side(),
                // The calls name the account that must own the bucket.
                if self.fault.operation.starts_with("s3:") {
                    "; the bucket must belong to the configured account"
                } else {
                    ""
                }
            ),
        }
    }

    /// Without a code of AWS, but with a text.
    fn is_of_a_proxy(&self) -> bool {
        self.fault.code.starts_with("Http") && !self.fault.detail.is_empty()
    }

    fn who(&self) -> &str {
        self.principal.unwrap_or("the caller")
    }

    /// The policy of this kind, as exactly as it is known.
    fn policy(&self, kind: PolicyKind) -> String {
        if let Some(arn) = self.denial.policy {
            return format!("the policy {arn}");
        }
        let of_who = match self.principal {
            Some(principal) => format!(" of {principal}"),
            None => String::new(),
        };
        match kind {
            PolicyKind::Identity => format!("a policy{of_who}"),
            PolicyKind::Resource => self.policy_of_resource().to_owned(),
            PolicyKind::Session => format!("the session policy{of_who}"),
            PolicyKind::Boundary => format!("the permissions boundary{of_who}"),
            PolicyKind::Trust => "the role's trust policy".to_owned(),
            PolicyKind::ServiceControl => {
                "the service control policies of the principal's organization".to_owned()
            }
            PolicyKind::ResourceControl => {
                "the resource control policies of the resource's organization".to_owned()
            }
            PolicyKind::Endpoint => "the policy of the VPC endpoint".to_owned(),
        }
    }

    fn policy_of_resource(&self) -> &'static str {
        let action = self.denial.action.unwrap_or(self.fault.operation);
        match action.split(':').next() {
            Some("s3") => "the bucket's policy",
            Some("kms") => "the key's policy",
            Some("sqs") => "the queue's policy",
            Some("sts") => "the role's trust policy",
            _ => "the resource's policy",
        }
    }

    /// Where the resource belongs to another account, both sides have to allow the call.
    fn other_side(&self) -> String {
        // EC2 has no policies of resources.
        if self.fault.operation.starts_with("ec2:") {
            return String::new();
        }
        format!(
            " and, if another account owns the resource, in {}{}",
            self.policy_of_resource(),
            self.condition(PolicyKind::Resource)
        )
    }

    /// The conditions that most often keep a statement from allowing the call, with the values that
    /// they must have.
    fn condition(&self, kind: PolicyKind) -> String {
        if kind != PolicyKind::Resource {
            return String::new();
        }
        let account = self.principal.and_then(account_of);
        let organization = match &account {
            Some(account) => format!("aws:PrincipalOrgID that of account {account}"),
            None => "aws:PrincipalOrgID that of the caller's account".to_owned(),
        };
        let is_key = self.denial.action.is_some_and(|action| action.starts_with("kms:"));
        let via = is_key.then(|| self.via()).flatten();
        let via = via.map(|via| format!(", kms:ViaService {via}")).unwrap_or_default();
        format!(" (a condition there must admit it: {organization}{via})")
    }

    /// The value of `kms:ViaService`, for a key that a service uses in the caller's name.
    fn via(&self) -> Option<String> {
        let service = match self.fault.operation.split(':').next()? {
            service @ ("s3" | "ec2" | "sqs") => service,
            _ => return None,
        };
        let key: Arn = self.resource.as_deref()?.parse().ok()?;
        Some(format!("{service}.{}.amazonaws.com", key.region()?))
    }
}

/// The ARN of the object's key, where the detail names it.
pub(super) fn key_of_object(fault: &Fault) -> Option<&str> {
    let (_, key) = fault.detail.rsplit_once(KEY_OF_OBJECT)?;
    Some(key.trim_end_matches(')')).filter(|key| key.starts_with("arn:"))
}

/// All that a call needs, each action with its resource.
fn needed(fault: &Fault) -> String {
    let needs = needs_of(fault.operation);
    if needs.is_empty() {
        return format!("{} on {}", fault.operation, fault.resource);
    }
    // Actions on one resource stand together.
    let mut places: Vec<(String, Vec<&str>)> = Vec::new();
    for Need { action, on } in needs {
        let place = place(*on, fault).unwrap_or_else(|| words(*on).to_owned());
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, actions)) => actions.push(action),
            None => places.push((place, vec![action])),
        }
    }
    let shown = places.iter().map(|(place, actions)| format!("{} on {place}", actions.join(", ")));
    shown.collect::<Vec<_>>().join("; ")
}

/// The ARN of what the call is about.
pub(super) fn arn_of(fault: &Fault) -> Option<String> {
    place(needs_of(fault.operation).first()?.on, fault)
}

/// The resource that the denial names, where that one alone is to be allowed.
pub(super) fn named<'d>(denial: &Denial<'d>, fault: &Fault) -> Option<&'d str> {
    let is_every = |need: &Need| matches!(need.on, On::EventRules);
    denial.resource.filter(|_| !needs_of(fault.operation).iter().any(is_every))
}

/// The ARN of a resource that the fault names. The partition is that of the principal or of the
/// fault's own ARN, where there is one.
pub(super) fn place(on: On, fault: &Fault) -> Option<String> {
    let denial = Denial::read(&fault.detail);
    let partition = denial.principal.and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
    let resource = fault.resource.as_str();
    match on {
        On::Bucket => {
            let bucket = resource.split('/').next()?;
            Some(format!("arn:{partition}:s3:::{bucket}"))
        }
        On::Object => {
            let object = match resource.rsplit_once(" part ") {
                Some((object, number)) if number.bytes().all(|b| b.is_ascii_digit()) => object,
                _ => resource,
            };
            Some(format!("arn:{partition}:s3:::{object}"))
        }
        On::Queue => queue(resource, partition),
        On::Key | On::Role | On::EventBus => {
            resource.starts_with("arn:").then(|| resource.to_owned())
        }
        On::EventRules => {
            let (before, _) = resource.split_once(":rule/")?;
            Some(format!("{before}:rule/*"))
        }
        On::Image => {
            let id = if resource.starts_with("ami-") { resource } else { "*" };
            Some(format!("arn:{partition}:ec2:*::image/{id}"))
        }
        On::Anything => Some("*".to_owned()),
        On::Snapshots => Some(format!("arn:{partition}:ec2:*::snapshot/*")),
        On::SourceObject
        | On::KeyOfObject
        | On::KeyOfQueue
        | On::TaskBucket
        | On::TaskObject
        | On::KeysOfSnapshots => None,
    }
}

/// The ARN of a queue, from its URL: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`.
fn queue(resource: &str, partition: &str) -> Option<String> {
    if resource.starts_with("arn:") {
        return Some(resource.to_owned());
    }
    let (host, path) = resource.split_once("://")?.1.split_once('/')?;
    let region = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next()).unwrap_or("*");
    let (account, name) = path.split_once('/')?;
    Some(format!("arn:{partition}:sqs:{region}:{account}:{name}"))
}

/// A resource that a fault does not name, in words.
fn words(on: On) -> &'static str {
    match on {
        On::Bucket => "the bucket",
        On::Object => "the object",
        On::SourceObject => "the staged object",
        On::KeyOfObject => "the KMS key of the object",
        On::Queue => "the queue",
        On::KeyOfQueue => "the KMS key of the queue",
        On::Key => "the key",
        On::Image => "the image",
        On::TaskBucket => "the bucket of the task",
        On::TaskObject => "the object of the task",
        On::Snapshots => "the snapshots",
        On::KeysOfSnapshots => "the KMS keys of the snapshots",
        On::Role => "the role",
        On::EventBus => "the event bus",
        On::EventRules => "the rules",
        On::Anything => "*",
    }
}

/// What names a profile, where it is not known which of them does.
const NAMED_BY: &str = "the configuration names it (source_profile, vault_profile, or profile of a \
                        [[source]] or [[vault]]), or else AWS_PROFILE";

/// Why credentials do not work, from the code.
fn credentials(fault: &Fault, caller: Option<&str>) -> String {
    match fault.code.as_str() {
        "AccessDenied" if fault.operation == "sts:AssumeRole" => role(fault, caller),
        "RequestTimeTooSkewed"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException" => {
            "set the clock of this machine, and check the secret access key".to_owned()
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            "renew the credentials, and check the clock of this machine".to_owned()
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "UnrecognizedClientException" => {
            "enable the Region for that account, or STS in that Region; if they are enabled, check \
             the credentials and the clock of this machine"
                .to_owned()
        }
        "CredentialsMisconfigured" => format!("correct the profile: {NAMED_BY}"),
        _ => format!("check the credentials and the profile: {NAMED_BY}"),
    }
}

/// What to do about a server whose certificate this machine does not trust, by the words of rustls.
fn not_trusted(fault: &Fault) -> Option<String> {
    let is_so = fault.code == "NoAnswer" && fault.detail.contains("invalid peer certificate");
    is_so.then(|| {
        "no authority that this machine trusts has signed the certificate that answers in the place of \
         AWS: if it is that of your proxy, name the PEM file of its authority in SSL_CERT_FILE; if the \
         words above name a time, check the clock"
            .to_owned()
    })
}

/// What to do about a call of STS that STS did not refuse: nothing else can be asked without it, and
/// the credentials may be as they should be.
fn no_word_of_sts(fault: &Fault) -> Option<String> {
    let call = fault.operation;
    if !call.starts_with("sts:") {
        return None;
    }
    let is_from_between = fault.code.starts_with("Http");
    Some(match fault.class {
        FaultClass::Throttled => format!(
            "nothing, if it passes: amiferry calls {call} again by itself; if it goes on, find out \
             who else calls STS of this account and Region so often"
        ),
        FaultClass::Unavailable | FaultClass::Bug | FaultClass::Denied if is_from_between => {
            format!(
                "the answer is not one of STS: let the proxy or firewall in between pass {call}, and \
             check the endpoint (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS, endpoint_url of the \
             profile); the credentials are not the cause"
            )
        }
        FaultClass::Unavailable if fault.code == "NoAnswer" => format!(
            "let this machine reach STS of the Region over https, which {call} needs: check DNS, the \
             route or VPC endpoint, the proxy (HTTPS_PROXY, NO_PROXY) and the endpoint \
             (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS, endpoint_url of the profile); the credentials \
             are not the cause"
        ),
        FaultClass::Unavailable => format!(
            "nothing, if it passes: STS answers with an error of its own, and amiferry calls {call} \
             again by itself; if it goes on, the AWS Health Dashboard says more"
        ),
        FaultClass::Bug => format!(
            "the answer to {call} cannot be read: check that the endpoint is STS of AWS \
             (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS, endpoint_url of the profile)"
        ),
        FaultClass::QuotaFull
        | FaultClass::Denied
        | FaultClass::NotFound
        | FaultClass::Conflict
        | FaultClass::Invalid
        | FaultClass::KeyUnusable
        | FaultClass::OutcomeUnknown
        | FaultClass::Credentials => return None,
    })
}

/// A denied `AssumeRole`. Its trust policy has to name the principal, whose own policies have to
/// allow it where another account has the role.
fn role(fault: &Fault, caller: Option<&str>) -> String {
    let refused = Refused::of(fault, caller);
    let (who, role) = (refused.who(), refused.resource.as_deref().unwrap_or(&fault.resource));
    match refused.denial.verdict {
        Some((_, PolicyKind::Resource | PolicyKind::Trust)) | None => format!(
            "in the trust policy of {role}, allow {who} to call sts:AssumeRole with the configured \
             external id, and allow it in a policy of {who}"
        ),
        Some(_) => refused.remedy(),
    }
}

/// The account of an ARN.
fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

#[cfg(test)]
#[path = "remedy_tests.rs"]
mod tests;
