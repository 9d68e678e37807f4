//! What the last looks said about each recovery point, summed up by policy for the metrics.
//!
//! Labels are policy names, which come from the configuration; families are free text of whoever
//! tags images, so a policy shows its worst family.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::{Effect, Terms};
use amiferry_core::names::RecoveryPointId;
use amiferry_core::policy::Policies;
use amiferry_service::metrics as measure;
use jiff::Timestamp;

/// The last known state of every recovery point in scope.
#[derive(Debug, Default)]
pub struct Inventory(BTreeMap<RecoveryPointId, Entry>);

#[derive(Debug)]
struct Entry {
    policy: String,
    family: String,
    created: Timestamp,
    complete: bool,
}

impl Inventory {
    /// Notes what a look decided; a recovery point without terms is not in scope.
    pub fn note(&mut self, id: &RecoveryPointId, terms: Option<Terms>, decision: &Decision<Effect>) {
        match terms {
            Some(terms) => {
                let entry = Entry {
                    policy: terms.policy,
                    family: terms.family,
                    created: terms.source.created_at,
                    complete: matches!(decision, Decision::Done(_)),
                };
                self.0.insert(id.clone(), entry);
            }
            None => {
                self.0.remove(id);
            }
        }
    }

    /// Forgets what a whole walk did not meet.
    pub fn keep(&mut self, met: &BTreeSet<RecoveryPointId>) {
        self.0.retain(|id, _| met.contains(id));
    }

    /// Sets the gauges of every policy.
    pub fn export(&self, policies: &Policies) {
        for policy in &policies.0 {
            let name = policy.name.as_str();
            let of_policy = || self.0.values().filter(|entry| entry.policy == name);
            let mut newest: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
            for entry in of_policy() {
                let family = newest.entry(entry.family.as_str()).or_default();
                *family = (*family).max(entry.complete.then_some(entry.created));
            }
            let worst = newest.values().copied().min().flatten();
            let in_scope = of_policy().count();
            let unprotected = of_policy().filter(|entry| !entry.complete).count();
            measure::policy(&measure::PolicyFigures {
                policy: name,
                recovery_point: worst,
                rpo: policy.rpo.duration(),
                in_scope,
                unprotected,
            });
        }
    }
}
