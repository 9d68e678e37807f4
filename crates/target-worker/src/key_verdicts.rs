//! Judges the keys that what a look sees depends on: those of staged objects, and those of what the
//! vault holds.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{Asked, Unanswered};
use amiferry_core::fault::Fault;
use amiferry_core::ids::Arn;
use amiferry_core::model::{KeyFacts, KeyPurpose, KeyVerdict};

use crate::observe::{Observer, unanswered};
use crate::patience::Patience;

impl Observer {
    /// Checks once for each key of staged objects whether it can be used. A key that is no ARN is
    /// AWS's own and cannot be checked, and once there is a copy the key does not matter.
    pub(crate) async fn judge_staged_keys(
        &self,
        seen: &mut [Result<Observation, Unanswered>],
        verdicts: &mut BTreeMap<Arn, KeyVerdict>,
        patience: &Patience,
    ) {
        for entry in seen {
            let Ok(Observation { observed, .. }) = entry.as_mut() else { continue };
            let staged = observed.staged.as_ref().filter(|_| observed.object.is_none());
            let key = staged.and_then(|staged| staged.key.as_deref()?.parse::<Arn>().ok());
            let Some(key) = key else { continue };
            if let Some(verdict) = verdicts.get(&key) {
                observed.staged_key = Some(verdict.clone());
                continue;
            }
            let examined = self.vault.keys.examine(&key, &[KeyPurpose::Reading]);
            let source = observed.id.source();
            match patience.with(&source, "kms:DescribeKey", &key, examined).await {
                Ok(facts) => {
                    let verdict = facts.verdict(KeyPurpose::Reading);
                    observed.staged_key = Some(verdict.clone());
                    verdicts.insert(key, verdict);
                }
                Err(fault) => *entry = Err(unanswered(Asked::Staged)(fault)),
            }
        }
    }

    /// Checks once for each key of what the vault holds that it is neither disabled nor about to be
    /// deleted: what was made under another key than the vault names now still needs that one. A key
    /// that KMS does not describe is not known to be either.
    pub(crate) async fn judge_kept_keys(
        &self,
        seen: &mut [Result<Observation, Unanswered>],
        verdicts: &mut BTreeMap<Arn, KeyVerdict>,
    ) {
        for observation in seen.iter_mut().flatten() {
            let keys: BTreeSet<Arn> =
                observation.observed.kept_keys().filter_map(|key| key.parse().ok()).collect();
            observation.observed.unusable_keys.clear();
            for key in keys {
                let verdict = match verdicts.get(&key) {
                    Some(known) => known.clone(),
                    None => {
                        let facts = self.vault.keys.examine(&key, &[]).await;
                        let verdict = verdict(&facts, KeyPurpose::Reading);
                        verdicts.insert(key.clone(), verdict.clone());
                        verdict
                    }
                };
                // A refusal concerns the one who asks, and the vault's own keys are judged by themselves.
                if let (KeyVerdict::Unusable(why), false) = (verdict, key == self.vault.key) {
                    observation.observed.unusable_keys.insert(key.to_string(), why);
                }
            }
        }
    }
}

/// Whether a key can be used; one that cannot be asked about is unknown.
pub(crate) fn verdict(facts: &Result<KeyFacts, Fault>, purpose: KeyPurpose) -> KeyVerdict {
    match facts {
        Ok(facts) => facts.verdict(purpose),
        Err(fault) => KeyVerdict::Unknown(fault.statement()),
    }
}
