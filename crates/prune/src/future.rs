//! Draws the future: what would go at each daily run until a date.

use std::collections::BTreeMap;

use amiferry_core::retention::forecast::forecast;
use amiferry_core::retention::{Point, Rules};
use jiff::Timestamp;

use crate::Pruner;
use crate::contents::{Contents, Family, Standing};
use crate::report::{Outcome, Row, What};

impl Pruner {
    /// What would go until a time, each with the time of the run: of what is complete now, if every
    /// family gets a new recovery point as often as its RPO demands. Locks and references are left out.
    pub fn future(&self, contents: &Contents, until: Timestamp) -> Vec<(Timestamp, Row)> {
        let now = self.clock.now();
        let mut families: BTreeMap<Family, Vec<_>> = BTreeMap::new();
        for (id, known) in &contents.known {
            if let (Standing::Complete { .. }, Some(family)) =
                (&known.standing, contents.family(id))
            {
                families.entry(family).or_default().push(id);
            }
        }
        let mut rows = Vec::new();
        for (family, ids) in families {
            let Some(policy) = self.observer.policies.named(&family.policy) else { continue };
            let Some(rules) = Rules::of(policy, self.limits.floor) else { continue };
            let points: Vec<Point> = ids.iter().map(|id| contents.point(id)).collect();
            for gone in forecast(&rules, policy.rpo, &points, now, until) {
                let id = ids[gone.at];
                let what = if gone.whole { What::All } else { What::Ami };
                let manifest = contents.known.get(id).map(|known| &known.manifest);
                let row = Row::of(id, manifest, what, Outcome::Goes, "no rule keeps it");
                rows.push((gone.when, row));
            }
        }
        rows.sort_by_key(|(when, row)| (*when, row.family.clone(), row.created_at));
        rows
    }
}
