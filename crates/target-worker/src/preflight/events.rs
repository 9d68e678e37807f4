//! What brings events to the target worker.

use amiferry_aws::{DefaultBus, QueueFacts, Session};
use amiferry_core::check::Awaited;
use amiferry_core::model::QueuePolicy;
use amiferry_core::policy::Tier;
use amiferry_service::config::Config;
use amiferry_service::preflight::{self, Findings};

use crate::observe::Observer;

/// Judges the rules of the vault for what is staged in its sources, and for what it restores, if it does.
pub(super) async fn judge(
    findings: &mut Findings,
    config: &Config,
    session: &Session,
    observer: &Observer,
    queue: &QueueFacts,
    arn: &str,
) {
    let (vault, sweep) = (observer.vault_id(), config.workers.sweep_interval);
    let policies = || config.policies.0.iter().filter(|policy| policy.covers(&vault));
    let sources = observer.sources.iter().map(|source| &source.scope);
    let served = sources.filter(|scope| policies().any(|policy| policy.speaks_of(&scope.id())));
    let mut awaited = vec![Awaited::staged(&queue.arn, &vault, served, sweep)];
    awaited.retain(|one| !one.samples.is_empty());
    if policies().any(|policy| policy.tier == Tier::Ready) {
        awaited.push(Awaited::restored(&queue.arn, &vault, sweep));
    }
    let policy = QueuePolicy::read(&queue.arn, queue.policy.as_deref().unwrap_or_default()).ok();
    let rules = DefaultBus::new(session, &queue.arn);
    preflight::judge_event_rules(findings, &rules, &awaited, policy.as_ref(), arn).await;
}
