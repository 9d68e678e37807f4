//! Whether the rules of EventBridge send a worker what it waits for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Finding, Hop, rules_send};
use crate::event::{SourceScope, sample};
use crate::ids::{Arn, Region};
use crate::model::{QueuePolicy, Sending};
use crate::names::VaultId;
use crate::ports::EventRule;
use crate::refusal::Statement;
use crate::span::Span;

/// How many sources or rules a finding names.
const NAMED: usize = 5;

/// What a person may know better than check does.
const OTHERWISE: &str = "If these events come another way, such as over a bus of your own or a pipe, nothing \
                         has to change: amiferry_events_total of the worker that gets them counts what arrives";

/// What an event tells, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// An image of the source became available: to the source worker.
    Image,
    /// An image is staged: from the source to the vault's bus.
    Forwarded,
    /// An image is staged: from the vault's bus to the target worker.
    Staged,
    /// A restored image became available: to the target worker.
    Restored,
}

/// An event that a worker waits for, and where a rule of the default bus is to send it.
#[derive(Debug, Clone)]
pub struct Awaited {
    announced: Announced,
    /// The queue, or the bus of the vault.
    pub target: Arn,
    /// Where the rule is.
    region: Region,
    /// One such event of each source, as JSON, and the source's name.
    pub samples: Vec<(String, String)>,
    /// The pattern of the templates.
    pattern: Value,
    /// How late a sweep finds what no event tells.
    sweep: Span,
}

impl Awaited {
    /// The source worker waits in its queue for the images of its account and Region.
    pub fn images(queue: &Arn, source: &SourceScope, sweep: Span) -> Self {
        let SourceScope { account, region, .. } = source;
        let event = sample::image_available(account, region, partition(queue));
        Self {
            announced: Announced::Image,
            target: queue.clone(),
            region: region.clone(),
            samples: vec![(source.id().to_string(), event.to_string())],
            pattern: image_states(),
            sweep,
        }
    }

    /// The default bus of a vault is told what is staged in a source.
    pub fn forwarded(bus: &Arn, source: &SourceScope, sweep: Span) -> Self {
        Self {
            announced: Announced::Forwarded,
            target: bus.clone(),
            region: source.region.clone(),
            samples: vec![staged(source, bus)],
            pattern: json!({
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "account": [&source.account],
                "detail": {
                    "bucket": { "name": [&source.staging_bucket] },
                    "object": { "key": [{ "suffix": ".bin" }] },
                },
            }),
            sweep,
        }
    }

    /// The target worker waits in its queue for what is staged in all these sources.
    pub fn staged<'s>(
        queue: &Arn,
        vault: &VaultId,
        sources: impl IntoIterator<Item = &'s SourceScope>,
        sweep: Span,
    ) -> Self {
        let sources: Vec<&SourceScope> = sources.into_iter().collect();
        let accounts: BTreeSet<_> = sources.iter().map(|source| &source.account).collect();
        Self {
            announced: Announced::Staged,
            target: queue.clone(),
            region: vault.region.clone(),
            samples: sources.iter().map(|source| staged(source, queue)).collect(),
            pattern: json!({
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "account": accounts,
                "detail": { "object": { "key": [{ "suffix": ".bin" }] } },
            }),
            sweep,
        }
    }

    /// The target worker waits in its queue for the images that the vault restores.
    pub fn restored(queue: &Arn, vault: &VaultId, sweep: Span) -> Self {
        let event = sample::image_available(&vault.account, &vault.region, partition(queue));
        Self {
            announced: Announced::Restored,
            target: queue.clone(),
            region: vault.region.clone(),
            samples: vec![(vault.to_string(), event.to_string())],
            pattern: image_states(),
            sweep,
        }
    }

    /// What is needed, in the words of the finding.
    pub fn need(&self) -> String {
        format!("a rule that sends {} to {}", self.event(), self.target)
    }

    fn event(&self) -> &'static str {
        match self.announced {
            Announced::Image => "the event of an image that becomes available",
            Announced::Forwarded | Announced::Staged => "the event of a staged image",
            Announced::Restored => "the event of a restored image that becomes available",
        }
    }

    /// What it costs that the event does not arrive.
    fn cost(&self) -> String {
        let sweep = self.sweep;
        match self.announced {
            Announced::Image => {
                format!("the source worker finds such an image when it sweeps, up to {sweep} later")
            }
            Announced::Forwarded | Announced::Staged => {
                format!("the target worker finds such an image when it sweeps, up to {sweep} later")
            }
            Announced::Restored => format!(
                "the target worker learns it when it looks again, and its sweep finds it up to {sweep} later"
            ),
        }
    }

    /// The name that the templates give the rule.
    fn rule_name(&self) -> &'static str {
        match self.announced {
            Announced::Image => "amiferry-images",
            Announced::Forwarded | Announced::Staged => "amiferry-staged",
            Announced::Restored => "amiferry-restored",
        }
    }

    /// The commands that make the rule of the templates. `put-rule` replaces the pattern of a rule that has
    /// this name, enables it and leaves its targets.
    fn make(&self) -> String {
        let (name, region, target) = (self.rule_name(), &self.region, &self.target);
        let (id, role) = match self.announced {
            Announced::Forwarded => ("vault", ",RoleArn=ROLE"),
            Announced::Image | Announced::Staged | Announced::Restored => ("queue", ""),
        };
        let note = match self.announced {
            Announced::Forwarded => {
                ", where ROLE is the ARN of a role with deploy/iam/forward-events.json"
            }
            Announced::Image | Announced::Staged | Announced::Restored => "",
        };
        format!(
            "aws events put-rule --region {region} --name {name} --event-pattern '{}' and then aws events \
             put-targets --region {region} --rule {name} --targets 'Id={id},Arn={target}{role}'{note}",
            self.pattern
        )
    }
}

fn image_states() -> Value {
    json!({
        "source": ["aws.ec2"],
        "detail-type": ["EC2 AMI State Change"],
        "detail": { "State": ["available", "failed"] },
    })
}

fn staged(source: &SourceScope, beside: &Arn) -> (String, String) {
    (source.id().to_string(), sample::staged(source, partition(beside)).to_string())
}

/// That of the deployment.
fn partition(arn: &Arn) -> &str {
    arn.as_str().split(':').nth(1).unwrap_or("aws")
}

/// A rule that sends to the target, and which of the samples it takes, by their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestedRule {
    pub rule: EventRule,
    pub takes: BTreeSet<usize>,
}

impl TestedRule {
    /// Whether its events get into the queue; also where that depends on what is not understood, which
    /// another finding says. Where no rule may send, that finding is enough, too.
    fn may_send(&self, policy: Option<&QueuePolicy>) -> bool {
        let Some(policy) = policy.filter(|policy| policy.sending(None) == Sending::Allowed) else {
            return true;
        };
        let sending = policy.sending(Some(&self.rule.arn));
        !matches!(sending, Sending::NotAllowed | Sending::Denied(_))
    }

    /// Whether it brings a sample to the target.
    fn brings(&self, sample: usize, policy: Option<&QueuePolicy>) -> bool {
        self.rule.is_enabled && self.takes.contains(&sample) && self.may_send(policy)
    }
}

/// The samples that no rule brings to the target, by their positions. `policy` is that of the target, where
/// it is a queue and its policy is known.
pub fn not_brought(
    awaited: &Awaited,
    rules: &[TestedRule],
    policy: Option<&QueuePolicy>,
) -> Vec<usize> {
    let is_brought = |sample: usize| rules.iter().any(|rule| rule.brings(sample, policy));
    (0..awaited.samples.len()).filter(|sample| !is_brought(*sample)).collect()
}

/// Judges the rules that send to a target. That none brings an event is a warning: sweeps find the work, and
/// events may come another way.
pub fn event_rules(
    awaited: &Awaited,
    rules: &[TestedRule],
    policy: Option<&QueuePolicy>,
) -> Finding {
    let missed = not_brought(awaited, rules, policy);
    let names = |which: &dyn Fn(&TestedRule) -> bool| {
        few(rules.iter().filter(|one| which(one)).map(|one| one.rule.name.as_str()))
    };
    let takes = |one: &TestedRule| missed.iter().any(|sample| one.takes.contains(sample));
    if missed.is_empty() {
        let proof = names(&|one| (0..awaited.samples.len()).any(|it| one.brings(it, policy)));
        let proof = format!("EventBridge: enabled, and its pattern takes such an event: {proof}");
        return Finding::ok(Hop::EventRules, awaited.need(), proof);
    }
    let disabled = names(&|one| !one.rule.is_enabled && takes(one));
    let kept_out: Vec<&TestedRule> = rules
        .iter()
        .filter(|one| one.rule.is_enabled && takes(one) && !one.may_send(policy))
        .collect();
    let others = names(&|one| !takes(one));
    let mut why = Vec::new();
    if rules.is_empty() {
        why.push("no rule of the default bus sends there".to_owned());
    }
    if !disabled.is_empty() {
        why.push(format!("disabled, though the pattern takes it: {disabled}"));
    }
    if !kept_out.is_empty() {
        let names = few(kept_out.iter().map(|one| one.rule.name.as_str()));
        why.push(format!("kept out by the queue's policy: {names}"));
    }
    if !others.is_empty() {
        why.push(format!("the pattern does not take it: {others}"));
    }
    let whose = match awaited.samples.len() {
        1 => String::new(),
        _ => {
            let names = missed.iter().filter_map(|sample| awaited.samples.get(*sample));
            format!(" of {}", few(names.map(|(name, _)| name.as_str())))
        }
    };
    let cause = format!(
        "no rule brings {}{whose} ({}): {}",
        awaited.event(),
        why.join("; "),
        awaited.cost()
    );
    let (fix, statements) = mend(awaited, rules, &kept_out, &takes);
    let remedy = format!("{fix}. {OTHERWISE}");
    Finding { statements, ..Finding::warn(Hop::EventRules, awaited.need(), cause, remedy) }
}

/// The least that mends it: what is there is let through before anything is made.
fn mend(
    awaited: &Awaited,
    rules: &[TestedRule],
    kept_out: &[&TestedRule],
    takes: &dyn Fn(&TestedRule) -> bool,
) -> (String, Vec<Statement>) {
    if let Some(one) = kept_out.first() {
        let fix = format!(
            "let the queue's policy admit the rule {}, as the statement does; narrow what denies it, if a \
             statement does",
            one.rule.name
        );
        return (fix, vec![rules_send(&awaited.target, &one.rule.name)]);
    }
    let disabled = rules.iter().find(|one| !one.rule.is_enabled && takes(one));
    let fix = disabled.map(|one| {
        format!("aws events enable-rule --region {} --name {}", awaited.region, one.rule.name)
    });
    (fix.unwrap_or_else(|| awaited.make()), Vec::new())
}

/// The first of some names, and how many more there are.
fn few<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown: Vec<&str> = names.iter().copied().take(NAMED).collect();
    match names.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What is needed of the staging bucket that [`bucket_events`] judges.
pub fn bucket_events_need(source: &SourceScope) -> String {
    format!("events of {} on EventBridge", source.staging_bucket)
}

/// Judges whether a staging bucket tells EventBridge what is written to it. `others` is how many other
/// notifications it is set to.
pub fn bucket_events(
    source: &SourceScope,
    event_bridge: bool,
    others: usize,
    sweep: Span,
) -> Finding {
    let (need, bucket) = (bucket_events_need(source), &source.staging_bucket);
    if event_bridge {
        return Finding::ok(
            Hop::EventRules,
            need,
            "S3 says that the bucket sends its events there",
        );
    }
    let cause = format!(
        "the bucket sends no events to EventBridge: the target worker finds a staged image when it sweeps, \
         up to {sweep} later"
    );
    let remedy = if others == 0 {
        format!(
            "aws s3api put-bucket-notification-configuration --bucket {bucket} --notification-configuration \
             '{{\"EventBridgeConfiguration\":{{}}}}'. {OTHERWISE}"
        )
    } else {
        format!(
            "add \"EventBridgeConfiguration\": {{}} to what aws s3api \
             get-bucket-notification-configuration --bucket {bucket} prints, and put all of it back with \
             put-bucket-notification-configuration, which replaces what is there. {OTHERWISE}"
        )
    };
    Finding::warn(Hop::EventRules, need, cause, remedy)
}

#[cfg(test)]
#[path = "event_rules_tests.rs"]
mod tests;
