//! Asks EventBridge whether its rules send a worker what it waits for. No work depends on that.

use std::collections::BTreeSet;
use std::time::Duration;

use amiferry_core::check::{self, Awaited, Finding, Hop, TestedRule};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::model::QueuePolicy;
use amiferry_core::ports::EventRules;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::{Findings, Unmet};

/// How long a check waits for all that it asks of EventBridge.
const LONGEST_QUESTION: Duration = Duration::from_secs(30);

/// Questions about one rule that are open at once; the vault of a thousand sources asks a thousand.
const OPEN_QUESTIONS: usize = 8;

/// Judges the rules of the default bus for each of these events.
///
/// `policy` is that of the worker's queue, where it is understood. That EventBridge does not answer, or not
/// this principal, affects no other finding.
pub async fn judge_event_rules(
    findings: &mut Findings,
    rules: &dyn EventRules,
    awaited: &[Awaited],
    policy: Option<&QueuePolicy>,
    arn: &str,
) {
    let end = Instant::now() + LONGEST_QUESTION;
    for awaited in awaited {
        let policy = policy.filter(|policy| *policy.queue() == awaited.target);
        let asked = tokio::time::timeout_at(end, judged(rules, awaited, policy)).await;
        match asked.unwrap_or_else(|_| Err(no_answer(awaited))) {
            Ok(finding) => findings.add(finding),
            Err(fault) => {
                findings.doubt(Hop::EventRules, Unmet::call(awaited.need(), arn, &fault));
            }
        }
    }
}

/// What the rules come to. One that cannot be asked about counts only if no other brings the event.
async fn judged(
    rules: &dyn EventRules,
    awaited: &Awaited,
    policy: Option<&QueuePolicy>,
) -> Result<Finding, Fault> {
    let (mut tested, mut doubt) = (Vec::new(), None);
    for name in rules.sending_to(&awaited.target).await? {
        let open = check::not_brought(awaited, &tested, policy);
        if open.is_empty() {
            break;
        }
        match test(rules, &name, awaited, &open).await {
            Ok(one) => tested.extend(one),
            Err(fault) => doubt = doubt.or(Some(fault)),
        }
    }
    match doubt {
        Some(fault) if !check::not_brought(awaited, &tested, policy).is_empty() => Err(fault),
        _ => Ok(check::event_rules(awaited, &tested, policy)),
    }
}

/// Which of the open samples a rule takes; `None` if it is gone. One with a schedule alone takes none.
async fn test(
    rules: &dyn EventRules,
    name: &str,
    awaited: &Awaited,
    open: &[usize],
) -> Result<Option<TestedRule>, Fault> {
    let Some(rule) = rules.rule(name).await? else { return Ok(None) };
    let mut takes = BTreeSet::new();
    if let Some(pattern) = rule.pattern.as_deref() {
        let samples = open.iter().filter_map(|at| Some((*at, awaited.samples.get(*at)?)));
        let asked: Vec<_> = samples
            .map(|(at, (_, event))| async move { (at, rules.takes(pattern, event).await) })
            .collect();
        let mut answers = stream::iter(asked).buffered(OPEN_QUESTIONS);
        while let Some((at, answer)) = answers.next().await {
            if answer? {
                takes.insert(at);
            }
        }
    }
    Ok(Some(TestedRule { rule, takes }))
}

fn no_answer(awaited: &Awaited) -> Fault {
    Fault {
        class: FaultClass::Unavailable,
        operation: "events:ListRuleNamesByTarget",
        resource: awaited.target.to_string(),
        code: "NoAnswer".to_owned(),
        detail: format!("no whole answer of EventBridge after {LONGEST_QUESTION:?}"),
        request_id: None,
    }
}
