//! What brings events to the source worker, and on to the vaults.

use amiferry_aws::{DefaultBus, QueueFacts, S3Objects, Session};
use amiferry_core::check::{self, Awaited, Hop};
use amiferry_core::ids::Arn;
use amiferry_core::model::QueuePolicy;
use amiferry_core::names::VaultId;
use amiferry_service::config::{Config, Source};
use amiferry_service::preflight::{self, Findings, Unmet};

use crate::assemble::scope;

/// Judges the events of the staging bucket, and the rules of the source: for its own queue, and for the bus
/// of each vault that a policy names for it.
pub(super) async fn judge(
    findings: &mut Findings,
    config: &Config,
    source: &Source,
    session: &Session,
    queue: &QueueFacts,
    arn: &str,
) {
    let (scope, sweep) = (scope(source), config.workers.sweep_interval);
    let notified = S3Objects::new(session).notified(&source.account, &source.staging_bucket).await;
    match notified {
        Ok(told) => {
            findings.add(check::bucket_events(&scope, told.event_bridge, told.others, sweep));
        }
        Err(fault) => {
            let need = check::bucket_events_need(&scope);
            findings.doubt(Hop::EventRules, Unmet::call(need, arn, &fault));
        }
    }
    let mut awaited = vec![Awaited::images(&queue.arn, &scope, sweep)];
    let vaults = config
        .vaults
        .iter()
        .map(|vault| VaultId { account: vault.account.clone(), region: vault.region.clone() });
    let is_served = |vault: &VaultId| {
        let policies = &config.policies.0;
        policies.iter().any(|policy| policy.speaks_of(&scope.id()) && policy.covers(vault))
    };
    let buses = vaults.filter(is_served).filter_map(|vault| default_bus(&vault, &queue.arn));
    awaited.extend(buses.map(|bus| Awaited::forwarded(&bus, &scope, sweep)));
    let policy = QueuePolicy::read(&queue.arn, queue.policy.as_deref().unwrap_or_default()).ok();
    let rules = DefaultBus::new(session, &queue.arn);
    preflight::judge_event_rules(findings, &rules, &awaited, policy.as_ref(), arn).await;
}

/// The default bus of a vault, in the partition of the source's queue.
fn default_bus(vault: &VaultId, queue: &Arn) -> Option<Arn> {
    let partition = queue.as_str().split(':').nth(1)?;
    let VaultId { account, region } = vault;
    format!("arn:{partition}:events:{region}:{account}:event-bus/default").parse().ok()
}
