//! What the last looks said about each recovery point, summed up by policy for the metrics.
//!
//! Labels are policy names, which come from the configuration; families are free text of whoever
//! tags images, so a policy shows its worst family.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::decide::Decision;
use amiferry_core::decide::vault::{Effect, Terms};
use amiferry_core::event::SourceScope;
use amiferry_core::ids::Region;
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
    pub fn note(
        &mut self,
        id: &RecoveryPointId,
        terms: Option<Terms>,
        decision: &Decision<Effect>,
    ) {
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

    /// A recovery point cannot be looked at now, so it is not known to be complete.
    pub fn doubt(&mut self, id: &RecoveryPointId) {
        if let Some(entry) = self.0.get_mut(id) {
            entry.complete = false;
        }
    }

    /// Forgets what a whole walk did not meet.
    pub fn keep(&mut self, met: &BTreeSet<RecoveryPointId>) {
        self.0.retain(|id, _| met.contains(id));
    }

    /// Sets the gauges of every policy and source. A policy of which nothing is complete shows a
    /// recovery point of 1970: a missing copy is a series with a value, and an alert.
    pub fn export<'a>(
        &self,
        policies: &Policies,
        sources: impl Iterator<Item = &'a SourceScope> + Clone,
        target_region: &Region,
    ) {
        for policy in policies.0.iter().filter(|p| p.target_regions.contains(target_region)) {
            measure::objective(&policy.name, target_region, policy.rpo);
            for source in sources.clone() {
                let coverage = measure::Coverage {
                    policy: &policy.name,
                    source_account: &source.account,
                    source_region: &source.region,
                    target_region,
                };
                self.export_one(coverage);
            }
        }
    }

    fn export_one(&self, coverage: measure::Coverage<'_>) {
        let covered = || {
            self.0.iter().filter(|(id, entry)| {
                entry.policy == coverage.policy.as_str()
                    && id.source_account == *coverage.source_account
                    && id.source_region == *coverage.source_region
            })
        };
        let mut newest: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
        for (_, entry) in covered() {
            let family = newest.entry(entry.family.as_str()).or_default();
            *family = (*family).max(entry.complete.then_some(entry.created));
        }
        coverage.in_scope(covered().count());
        coverage.unprotected(covered().filter(|(_, entry)| !entry.complete).count());
        // Without any image there is no family whose age could be told.
        if let Some(worst) = newest.values().copied().min() {
            coverage.recovery_point(worst.unwrap_or(Timestamp::UNIX_EPOCH));
        }
    }
}
