//! The vault's own keys: that of its bucket, and that of EBS encryption by default.

use amiferry_core::check::{self, Finding, Hop, Level};
use amiferry_core::ids::Arn;
use amiferry_core::model::{Grant, KeyFacts, KeyPurpose, KeyState, KeyVerdict};
use amiferry_core::ports::Keys;
use amiferry_service::config::Vault;
use amiferry_service::preflight::{Findings, Unmet};

use crate::observe::VaultView;

/// Checks the key of the vault bucket. It stops the worker where it is no key that could ever encrypt
/// the bucket; one that is disabled or that nothing is proven about parks work.
pub(super) async fn of_bucket(findings: &mut Findings, vault: &Vault, view: &VaultView, arn: &str) {
    let hop = Hop::VaultKey;
    let need = format!("the vault key {}", vault.key_arn);
    let facts = match view.keys.examine(&vault.key_arn, &[KeyPurpose::Writing]).await {
        Ok(facts) => facts,
        Err(fault) => return findings.stop(hop, Unmet::call(need, arn, &fault)),
    };
    let verdict = facts.verdict(KeyPurpose::Writing);
    tell_facts(&facts, &verdict);
    tell_grants(view.keys.as_ref(), &vault.key_arn, arn).await;
    match verdict {
        KeyVerdict::Usable => findings.ok(hop, need, "KMS: enabled, and a probe was allowed"),
        // Usual key policies deny direct probes; the first copy shows whether the key works.
        KeyVerdict::Unknown(why) => {
            tracing::warn!(
                amiferry.resource = %vault.key_arn,
                amiferry.detail = why,
                "cannot tell whether the vault key is usable"
            );
            findings.add(Finding::unknown(hop, need, why, "the first copy: it fails if not"));
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
            let fix = "enable the key, or cancel its deletion";
            findings.fail(hop, Unmet::unsuitable(need, arn, why, fix));
        }
        KeyVerdict::Unusable(why) => {
            let unmet = Unmet::unsuitable(
                need,
                arn,
                why,
                "correct key_arn: it must name an enabled symmetric key for encryption, whose policy \
                 lets the principal use it through S3",
            );
            return findings.stop(hop, unmet);
        }
    }
    guard(findings, vault, view, arn).await;
}

/// Asks who may take the key away. No work depends on it.
async fn guard(findings: &mut Findings, vault: &Vault, view: &VaultView, arn: &str) {
    let key = &vault.key_arn;
    if key.account().as_ref() != Some(&vault.account) {
        return findings.add(check::foreign_key_guard(key));
    }
    let finding = match view.keys.policy(key).await {
        Ok(policy) => check::key_guard(key, &policy, arn),
        Err(fault) => {
            let unmet = Unmet::call(check::key_guard_need(key), arn, &fault);
            return findings.doubt(Hop::VaultKey, unmet);
        }
    };
    if finding.level == Level::Warn {
        tracing::warn!(
            amiferry.resource = %key,
            amiferry.detail = finding.cause,
            amiferry.remedy = finding.remedy,
            "others than a break-glass role may delete or disable the vault key"
        );
    }
    findings.add(finding);
}

/// Checks what EC2 will encrypt restored snapshots with. Only restores need it, so nothing that is
/// found here keeps the worker from its start.
pub(super) async fn of_snapshots(findings: &mut Findings, view: &VaultView, arn: &str) {
    let hop = Hop::SnapshotKey;
    let need = format!("EBS encryption by default in {}", view.region);
    let key = match view.restore_tasks.default_encryption().await {
        Ok(Some(key)) => key,
        Ok(None) => {
            tracing::warn!(
                cloud.region = %view.region,
                "EBS encryption by default is off: restores are parked until it is on"
            );
            let cause = "it is off: restores are parked until it is on";
            return findings.fail(hop, Unmet::unsuitable(need, arn, cause, TURN_ON));
        }
        Err(fault) => {
            let told = Unmet::call(need, arn, &fault);
            tracing::warn!(
                amiferry.resource = fault.resource,
                amiferry.detail = told.found,
                amiferry.remedy = told.fix,
                "EC2 does not tell EBS encryption by default: restores are parked"
            );
            return findings.fail(hop, told);
        }
    };
    findings.ok(hop, need, format!("EC2 tells {key}"));
    let need = format!("the key {key}, with which EC2 encrypts restored snapshots");
    let facts = match view.keys.examine(&key, &[KeyPurpose::Snapshots]).await {
        Ok(facts) => facts,
        Err(fault) => {
            tracing::warn!(
                amiferry.resource = %key,
                amiferry.detail = fault.to_string(),
                "cannot tell whether the EBS default key is usable"
            );
            return findings.doubt(hop, Unmet::call(need, arn, &fault));
        }
    };
    let verdict = facts.verdict(KeyPurpose::Snapshots);
    tell_facts(&facts, &verdict);
    if key != view.key {
        tell_grants(view.keys.as_ref(), &key, arn).await;
    }
    match verdict {
        KeyVerdict::Usable => findings.ok(hop, need, "KMS: enabled, and probes were allowed"),
        KeyVerdict::Unknown(why) => {
            tracing::warn!(
                amiferry.resource = %facts.arn,
                amiferry.detail = why,
                "cannot tell whether the EBS default key is usable"
            );
            findings.add(Finding::unknown(hop, need, why, "the first restore, which goes alone"));
        }
        KeyVerdict::Unusable(why) => {
            tracing::error!(
                amiferry.resource = %facts.arn,
                amiferry.detail = why,
                "the EBS default key cannot be used: restores are parked"
            );
            let fix = format!(
                "enable the key or cancel its deletion, and let its policy allow {arn} \
                 kms:DescribeKey, kms:CreateGrant, kms:Decrypt, kms:GenerateDataKeyWithoutPlaintext \
                 and kms:ReEncrypt* through EC2"
            );
            findings.fail(hop, Unmet::unsuitable(need, arn, why, fix));
        }
    }
}

const TURN_ON: &str = "turn on EBS encryption by default in the vault's Region, with a key of the \
                       vault";

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
