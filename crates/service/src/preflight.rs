//! The preconditions of a worker: what `amiferry check` lists, and the clear error with which a worker
//! does not start.

mod rules;

use std::fmt;
use std::time::Duration;

use amiferry_core::check::{self, Finding, Hop, Level, Task};
use amiferry_core::code::Code;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{AccountId, Arn, Region};
use amiferry_core::pacing::CallRate;
use amiferry_core::ports::{Caller, CredentialChoice, Identity, Quotas};
use amiferry_core::refusal::{self, Statement};
use amiferry_core::text::visible;

pub use rules::judge_event_rules;

/// A precondition that is not met: what is needed, which principal needs it, what was found, and
/// how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// What is needed, naming the resource.
    pub need: String,
    /// The principal that needs it, as AWS names it.
    pub principal: String,
    /// What was found instead: AWS's answer or a fact.
    pub found: String,
    /// What a person can do.
    pub fix: String,
    /// The kind of problem, which decides the exit status.
    pub kind: UnmetKind,
    /// The smallest policy statements that would let a refused call through.
    pub statements: Box<[Statement]>,
}

/// Kinds of unmet preconditions; each leads to one exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnmetKind {
    /// AWS does not accept the credentials.
    Identity,
    /// This machine has no credentials: AWS was not asked.
    NoCredentials,
    /// The credentials are those of another account.
    OtherAccount,
    /// A resource is missing, unsuitable, or may not be used.
    Resource,
    /// AWS does not answer.
    Unavailable,
}

impl UnmetKind {
    /// Whether it concerns who calls, whatever is called.
    pub fn is_of_caller(self) -> bool {
        match self {
            Self::Identity | Self::NoCredentials | Self::OtherAccount => true,
            Self::Resource | Self::Unavailable => false,
        }
    }
}

impl Unmet {
    /// A call that failed.
    pub fn call(need: impl Into<String>, principal: &str, fault: &Fault) -> Self {
        let (kind, fix) = match fault.class {
            FaultClass::Credentials => {
                let kind = match fault.code.starts_with("Credentials") {
                    true => UnmetKind::NoCredentials,
                    false => UnmetKind::Identity,
                };
                (kind, "check the credentials and the profile".to_owned())
            }
            FaultClass::Denied => {
                let (operation, resource) = (fault.operation, &fault.resource);
                (
                    UnmetKind::Resource,
                    format!("allow {principal} to call {operation} on {resource}"),
                )
            }
            FaultClass::NotFound => (
                UnmetKind::Resource,
                format!("create {}, or correct its name in the configuration", fault.resource),
            ),
            FaultClass::Throttled | FaultClass::Unavailable | FaultClass::OutcomeUnknown => {
                let fix = "check the endpoint and the network, then start again";
                (UnmetKind::Unavailable, fix.to_owned())
            }
            FaultClass::KeyUnusable => (UnmetKind::Resource, Code::KeyUnusable.remedy().to_owned()),
            FaultClass::Bug => (
                UnmetKind::Resource,
                "check that the endpoint is one of AWS: its answer cannot be read".to_owned(),
            ),
            FaultClass::QuotaFull | FaultClass::Conflict | FaultClass::Invalid => {
                (UnmetKind::Resource, format!("correct {} in the configuration", fault.resource))
            }
        };
        let caller = Some(principal).filter(|principal| principal.starts_with("arn:"));
        Self {
            need: need.into(),
            principal: principal.to_owned(),
            found: fault.statement(),
            fix: refusal::remedy(fault, caller).unwrap_or(fix),
            kind,
            statements: refusal::statements(fault, caller).into(),
        }
    }

    /// A resource that exists but is unsuitable.
    pub fn unsuitable(
        need: impl Into<String>,
        principal: &str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            need: need.into(),
            principal: principal.to_owned(),
            found: found.into(),
            fix: fix.into(),
            kind: UnmetKind::Resource,
            statements: Box::default(),
        }
    }

    /// What was found and what to do about it, in one sentence, for a report without this part.
    pub fn in_report(&self) -> String {
        format!("no {}: {}; to do: {}", self.need, self.found, self.fix)
    }

    /// The finding that it is.
    fn found(self, hop: Hop, level: Level) -> Finding {
        let Self { need, principal, found, fix, statements, .. } = self;
        let principal = Some(principal).filter(|principal| principal.starts_with("arn:"));
        let statements = statements.into_vec();
        Finding { level, hop, need, principal, cause: found, remedy: Some(fix), statements }
    }
}

/// What the preconditions of one worker came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// One for each thing that was looked at, in the order in which a person would set them up.
    pub all: Vec<Finding>,
    /// What keeps the worker from its start.
    stops: Vec<Unmet>,
}

impl Findings {
    /// Something that is well, and what proves it.
    pub fn ok(&mut self, hop: Hop, need: impl Into<String>, proof: impl Into<String>) {
        self.all.push(Finding::ok(hop, need, proof));
    }

    /// A finding that keeps no worker from its start.
    pub fn add(&mut self, finding: Finding) {
        self.all.push(finding);
    }

    /// Something without which the worker does not start.
    pub fn stop(&mut self, hop: Hop, unmet: Unmet) {
        self.stops.push(unmet.clone());
        self.all.push(unmet.found(hop, Level::Fail));
    }

    /// Something without which the worker does only a part of its work.
    pub fn fail(&mut self, hop: Hop, unmet: Unmet) {
        self.all.push(unmet.found(hop, Level::Fail));
    }

    /// Something that a person expects, and without which the worker does all of its work.
    pub fn warn(&mut self, hop: Hop, unmet: Unmet) {
        self.all.push(unmet.found(hop, Level::Warn));
    }

    /// The same where it is not certain.
    pub fn doubt(&mut self, hop: Hop, unmet: Unmet) {
        self.all.push(unmet.found(hop, Level::Unknown));
    }

    /// The kind of the first problem that keeps the worker from its start.
    pub fn stopped_by(&self) -> Option<UnmetKind> {
        self.stops.first().map(|unmet| unmet.kind)
    }

    /// Whether asking on tells nothing: AWS does not answer, or not to these credentials.
    pub fn is_pointless(&self) -> bool {
        self.stops.iter().any(|unmet| unmet.kind != UnmetKind::Resource)
    }

    /// The same, if the worker can start.
    ///
    /// # Errors
    /// The first of the preconditions without which it cannot.
    pub fn started(self) -> Result<Self, Unmet> {
        match self.stops.first() {
            None => Ok(self),
            Some(first) => Err(first.clone()),
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { need, principal, found, fix, .. } = self;
        write!(
            f,
            "cannot start without {need}\n  principal: {principal}\n  found: {found}\n  fix: {fix}"
        )
    }
}

impl std::error::Error for Unmet {}

/// The caller's identity, whose account must be `account`.
///
/// # Errors
/// Missing or refused credentials, or those of another account.
pub async fn identity(identity: &dyn Identity, account: &AccountId) -> Result<Caller, Unmet> {
    let need = format!("credentials of account {account}");
    let choice = identity.choice();
    let caller = identity.caller().await.map_err(|fault| {
        let mut unmet = Unmet::call(
            need.clone(),
            "unknown, because AWS did not say whose credentials these are",
            &fault,
        );
        // Of what is no answer of STS, such as a proxy's page, nothing follows for the credentials.
        let is_answer = !fault.code.starts_with("Http") && fault.class != FaultClass::Bug;
        if unmet.kind == UnmetKind::Resource {
            unmet.kind = if is_answer { UnmetKind::Identity } else { UnmetKind::Unavailable };
        }
        if let Some(choice) = choice.as_ref().filter(|_| unmet.kind == UnmetKind::NoCredentials) {
            unmet.fix = choose(choice, account);
        }
        unmet
    })?;
    if caller.account == *account {
        return Ok(caller);
    }
    Err(Unmet {
        need,
        found: format!("credentials of account {}", caller.account),
        principal: caller.arn,
        fix: match choice {
            Some(choice) => choose(&choice, account),
            None => "use the credentials or profile of the configured account".to_owned(),
        },
        kind: UnmetKind::OtherAccount,
        statements: Box::default(),
    })
}

/// How a person gives the credentials of an account, from what chooses them now.
fn choose(choice: &CredentialChoice, account: &AccountId) -> String {
    let CredentialChoice { setting, profile } = choice;
    match profile {
        Some(profile) => format!(
            "correct the profile `{}`, which {setting} names, or renew its credentials: they must be \
             those of account {account}",
            visible(profile, LONGEST_PROFILE)
        ),
        None => format!(
            "name a profile of account {account} with {setting} or with AWS_PROFILE, or give its \
             credentials in another way that AWS's SDKs read"
        ),
    }
}

/// The longest name of a profile that is shown, in characters.
const LONGEST_PROFILE: usize = 100;

/// Judges what of a queue's settings loses messages or events, which keeps no worker from its start.
pub fn judge_queue(
    findings: &mut Findings,
    queue: &Arn,
    has_dead_letter_queue: bool,
    is_under_aws_key: bool,
) {
    let hop = Hop::Queue;
    findings.ok(hop, format!("the queue {queue}"), "SQS tells its attributes");
    let need = format!("a dead-letter queue of {queue}");
    if has_dead_letter_queue {
        findings.ok(hop, need, "its redrive policy names one");
    } else {
        tracing::warn!(amiferry.resource = %queue, "the queue has no dead-letter queue");
        let remedy = "set a redrive policy: without one, a message that cannot be handled comes \
                      back until it expires";
        findings.add(Finding::warn(hop, need, "the queue has none", remedy));
    }
    let need = format!("a key of {queue} that services can use");
    if is_under_aws_key {
        tracing::warn!(
            amiferry.resource = %queue,
            amiferry.detail = UNDER_AWS_KEY,
            amiferry.remedy = OTHER_KEY,
            "no event reaches the queue: only sweeps find work"
        );
        findings.add(Finding::warn(hop, need, UNDER_AWS_KEY, OTHER_KEY));
    }
}

/// Judges what a queue's policy, as SQS shows it, admits and denies.
///
/// It comes with the queue's other attributes, so a start tells it, too. Nothing of it keeps a worker from
/// its start, because sweeps find work.
pub fn judge_queue_policy(findings: &mut Findings, queue: &Arn, policy: Option<&str>, arn: &str) {
    for finding in check::queue_policy(queue, policy, arn) {
        if finding.level >= Level::Warn {
            tracing::warn!(
                amiferry.resource = %queue,
                amiferry.detail = finding.cause,
                amiferry.remedy = finding.remedy,
                "the queue's policy keeps out what must come through"
            );
        }
        findings.add(finding);
    }
}

const UNDER_AWS_KEY: &str =
    "it is encrypted with alias/aws/sqs, whose policy lets no service use it";

const OTHER_KEY: &str = "encrypt the queue with a customer managed key whose policy allows \
                         kms:GenerateDataKey and kms:Decrypt to events.amazonaws.com and \
                         s3.amazonaws.com, or with SSE-SQS";

/// How long a check waits for the list of quotas, which no work needs.
const LONGEST_QUESTION: Duration = Duration::from_secs(30);

/// Judges the quotas of one of EC2's calls as they are configured, and asks AWS for those that it may know.
/// That it does not answer, or not this principal, affects no other finding.
pub async fn judge_quotas(
    findings: &mut Findings,
    quotas: &dyn Quotas,
    (task, region): (Task, &Region),
    (quota_gb, calls): (u64, CallRate),
    arn: &str,
) {
    findings.add(check::gigabytes(task, region, quota_gb));
    let answer = tokio::time::timeout(LONGEST_QUESTION, quotas.of_ec2()).await;
    let listed = match answer.unwrap_or_else(|_| Err(no_list())) {
        Ok(listed) => listed,
        Err(fault) if fault.class == FaultClass::NotFound => Vec::new(),
        Err(fault) => {
            let need = check::call_rate_need(task, region, calls);
            return findings.doubt(task.hop(), Unmet::call(need, arn, &fault));
        }
    };
    findings.add(check::call_rate(task, region, calls, &listed));
}

fn no_list() -> Fault {
    Fault {
        class: FaultClass::Unavailable,
        operation: "servicequotas:ListServiceQuotas",
        resource: "ec2".to_owned(),
        code: "NoAnswer".to_owned(),
        detail: format!("no whole list after {LONGEST_QUESTION:?}"),
        request_id: None,
    }
}

/// Whether AWS answered a question, whatever the answer says. A worker also starts if this version
/// cannot read the answer, because the rest of its work does not need it.
///
/// # Errors
/// Any other fault.
pub fn reached<T>(answer: Result<T, Fault>) -> Result<(), Fault> {
    match answer {
        Ok(_) => Ok(()),
        Err(fault) if fault.class == FaultClass::Bug => {
            tracing::warn!(
                error.type = fault.class.as_str(),
                error.message = fault.detail,
                amiferry.error.code = fault.code,
                amiferry.resource = fault.resource,
                aws.request_id = fault.request_id,
                "an answer from AWS cannot be read"
            );
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}
