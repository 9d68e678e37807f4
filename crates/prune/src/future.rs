//! Draws the future: what would go at each daily run until a date.

use std::collections::BTreeMap;

use amiferry_core::retention::forecast::{Coming, forecast};
use amiferry_core::retention::{Fate, Point, Rules};
use jiff::Timestamp;

use crate::Pruner;
use crate::contents::{Contents, Family, Standing};
use crate::report::{Departure, Future, Outcome, Row, SCHEMA_VERSION, What};

impl Pruner {
    /// What would go until a time, each with the time of the run: of what is complete now, if every
    /// family gets a new recovery point as often as its RPO demands, and a retired one none. Locks and
    /// references are left out. What cannot be assessed has a row without a time.
    pub fn future(&self, contents: &Contents, until: Timestamp) -> Future {
        let now = self.clock.now();
        let mut families: BTreeMap<Family, Vec<_>> = BTreeMap::new();
        for (id, known) in &contents.known {
            if let (Standing::Complete { .. }, Some(family)) =
                (&known.standing, contents.family(id))
            {
                families.entry(family).or_default().push(id);
            }
        }
        let mut rows = self.begun(contents, now);
        for (family, ids) in families {
            let policies = &self.observer.policies;
            let Some(policy) = policies.named(&family.policy) else { continue };
            let Some(rules) = Rules::of(policy, self.limits.floor) else { continue };
            let points: Vec<Point> = ids.iter().map(|id| contents.point(id)).collect();
            let ends = policies.retires(&family.source, &family.policy, &family.name);
            let coming = Coming { every: policy.rpo, ends };
            for gone in forecast(&rules, coming, &points, now, until) {
                let id = ids[gone.at];
                let what = if gone.whole { What::All } else { What::Ami };
                let manifest = contents.known.get(id).map(|known| &known.manifest);
                let row = Row::of(id, manifest, what, Outcome::Goes, "no rule keeps it");
                rows.push(Departure { goes_at: Some(gone.when), row });
            }
        }
        rows.sort_by_key(|one| (one.goes_at, one.row.family.clone(), one.row.created_at));
        rows.extend(contents.unknown_rows().map(|row| Departure { goes_at: None, row }));
        let vault = self.vault();
        Future {
            schema_version: SCHEMA_VERSION,
            vault_account: vault.account,
            vault_region: vault.region,
            at: now,
            until,
            doubts: contents.doubts.clone(),
            rows,
        }
    }

    /// What an earlier run has given up and not ended: the next one goes on with it.
    fn begun(&self, contents: &Contents, now: Timestamp) -> Vec<Departure> {
        let begun = contents.going().into_iter().filter_map(|(id, fates)| {
            let known = contents.known.get(&id)?;
            let what = match (&known.standing, fates.point) {
                (Standing::Pruned, Fate::Goes) => What::All,
                (Standing::Complete { retired: true }, Fate::Stays(_)) => What::Ami,
                _ => return None,
            };
            let why = "an earlier run has given it up";
            let row = Row::of(&id, Some(&known.manifest), what, Outcome::Goes, why);
            Some(Departure { goes_at: Some(now), row })
        });
        begun.collect()
    }
}
