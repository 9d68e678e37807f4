//! The vault's own keys at the start: that of its bucket, and that of EBS encryption by default.

use amiferry_core::ids::Arn;
use amiferry_core::model::{Grant, KeyFacts, KeyPurpose, KeyState, KeyVerdict};
use amiferry_core::ports::Keys;
use amiferry_service::config::Vault;
use amiferry_service::preflight::Unmet;

use crate::observe::VaultView;

/// Checks the key of the vault bucket.
///
/// # Errors
/// It is no key that could ever encrypt the bucket. One that is disabled or that nothing is proven
/// about parks work, and lets the worker start.
pub(super) async fn of_bucket(vault: &Vault, view: &VaultView, arn: &str) -> Result<(), Unmet> {
    let need = format!("the vault key {}", vault.key_arn);
    let facts = view
        .keys
        .examine(&vault.key_arn, &[KeyPurpose::Writing])
        .await
        .map_err(|fault| Unmet::call(need.clone(), arn, &fault))?;
    let verdict = facts.verdict(KeyPurpose::Writing);
    tell_facts(&facts, &verdict);
    tell_grants(view.keys.as_ref(), &vault.key_arn, arn).await;
    match verdict {
        KeyVerdict::Usable => Ok(()),
        // Usual key policies deny direct probes; the first copy shows whether the key works.
        KeyVerdict::Unknown(why) => {
            tracing::warn!(
                amiferry.resource = %vault.key_arn,
                amiferry.detail = why,
                "cannot tell whether the vault key is usable"
            );
            Ok(())
        }
        // Copies are parked until the key is enabled again.
        KeyVerdict::Unusable(why)
            if matches!(facts.state, Some(KeyState::Disabled | KeyState::PendingDeletion)) =>
        {
            tracing::error!(
                amiferry.resource = %vault.key_arn,
                amiferry.detail = why,
                "the vault key cannot be used: work is parked"
            );
            Ok(())
        }
        KeyVerdict::Unusable(why) => Err(Unmet::unsuitable(
            need,
            arn,
            why,
            "correct key_arn: it must name an enabled symmetric key for encryption, whose policy \
             lets the principal use it through S3",
        )),
    }
}

/// Tells what EC2 will encrypt restored snapshots with. Only restores need it, so nothing that is
/// found here keeps the worker from its start.
pub(super) async fn of_snapshots(view: &VaultView, arn: &str) {
    let key = match view.restore_tasks.default_encryption().await {
        Ok(Some(key)) => key,
        Ok(None) => {
            tracing::warn!(
                cloud.region = %view.region,
                "EBS encryption by default is off: restores are parked until it is on"
            );
            return;
        }
        Err(fault) => {
            let told = Unmet::call("", arn, &fault);
            tracing::warn!(
                amiferry.resource = fault.resource,
                amiferry.detail = told.found,
                amiferry.remedy = told.fix,
                "EC2 does not tell EBS encryption by default: restores are parked"
            );
            return;
        }
    };
    let facts = match view.keys.examine(&key, &[KeyPurpose::Snapshots]).await {
        Ok(facts) => facts,
        Err(fault) => {
            tracing::warn!(
                amiferry.resource = %key,
                amiferry.detail = fault.to_string(),
                "cannot tell whether the EBS default key is usable"
            );
            return;
        }
    };
    let verdict = facts.verdict(KeyPurpose::Snapshots);
    tell_facts(&facts, &verdict);
    if key != view.key {
        tell_grants(view.keys.as_ref(), &key, arn).await;
    }
    match verdict {
        KeyVerdict::Usable => {}
        KeyVerdict::Unknown(why) => tracing::warn!(
            amiferry.resource = %facts.arn,
            amiferry.detail = why,
            "cannot tell whether the EBS default key is usable"
        ),
        KeyVerdict::Unusable(why) => tracing::error!(
            amiferry.resource = %facts.arn,
            amiferry.detail = why,
            "the EBS default key cannot be used: restores are parked"
        ),
    }
}

fn tell_facts(facts: &KeyFacts, verdict: &KeyVerdict) {
    tracing::info!(
        amiferry.resource = %facts.arn,
        amiferry.key.state = facts.state.as_ref().map_or("unknown", KeyState::as_str),
        amiferry.key.usable = %verdict,
        amiferry.key.multi_region = facts.multi_region,
        "examined a key of the vault"
    );
}

/// Tells the grants that concern this principal. Neither absent nor listed ones prove anything, so
/// they are logged once and never judged.
async fn tell_grants(keys: &dyn Keys, key: &Arn, arn: &str) {
    let grants = match keys.grants(key).await {
        Ok(grants) => grants,
        Err(fault) => {
            tracing::info!(
                amiferry.resource = %key,
                amiferry.detail = fault.statement(),
                "the grants on a key cannot be listed"
            );
            return;
        }
    };
    for grant in grants.iter().flatten().filter(|grant| grant.is_for(arn)) {
        tell_grant(key, grant);
    }
    let count = grants.as_ref().map(Vec::len);
    tracing::info!(amiferry.resource = %key, amiferry.key.grants = count, "read the grants on a key");
}

fn tell_grant(key: &Arn, grant: &Grant) {
    tracing::info!(
        amiferry.resource = %key,
        amiferry.detail = %grant,
        "a grant lets this worker use a key"
    );
}
