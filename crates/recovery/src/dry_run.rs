//! Says what a run would do: the map in its order, when it would end, and what reading and copying the
//! objects costs.

use std::collections::BTreeMap;

use amiferry_core::cost::{self, Prices};
use amiferry_core::ids::Region;
use amiferry_core::model::Retrieval;
use amiferry_core::names::{RecoveryPointId, VaultId};
use amiferry_core::recovery::next::Next;

use crate::Recoverer;
use crate::chosen::{Chosen, Seen, is_pending};
use crate::report::{Copying, Mapped, Reading, Recovered, RetrievedFirst, State};
use crate::run::waiting;

impl Recoverer {
    /// Says what a run would do, and changes nothing.
    pub fn planned(&self, chosen: Chosen) -> Recovered {
        let now = self.clock.now();
        let mut recovered = self.nothing_yet(true);
        let mut turns = self.turns(now);
        let mut planned: BTreeMap<RecoveryPointId, Mapped> = BTreeMap::new();
        let mut read = Vec::new();
        recovered.not_restored = chosen.not_restored;
        for (id, seen) in chosen.wanted {
            let manifest = &seen.manifest;
            if let Next::There(restored) = &seen.next {
                let mapped = Mapped::of(manifest, Some(restored), State::There);
                recovered.map.push(mapped.made_in(self.place()));
                continue;
            }
            let mut mapped = Mapped::of(manifest, None, State::Planned).made_in(self.place());
            let (size, size_gb) = (manifest.vault_object.size, manifest.source.size_gib);
            let image = seen.image.as_ref().filter(|image| is_pending(image));
            let is_copied_first = self.destination.is_some()
                && matches!(seen.next, Next::Copy(_) | Next::Retrieve(..) | Next::Retrieving(..));
            mapped.copy_bytes = is_copied_first.then_some(size);
            match (image, &seen.archived) {
                (Some(image), _) => {
                    turns.waiting.insert(id.clone(), waiting(manifest, 0));
                    turns.runs(&id, size_gb, image.created);
                }
                (None, Some(archived)) => {
                    mapped.retrieval = Some(RetrievedFirst::of(archived, self.retrieval, size));
                    let ready_by = self.retrieval.speed.takes(archived.depth(), size).after(now);
                    turns.retrieving.insert(id.clone(), (ready_by, size_gb));
                }
                (None, None) if is_copied_first => {
                    turns.to_copy.insert(id.clone(), waiting(manifest, 0));
                }
                (None, None) => drop(turns.waiting.insert(id.clone(), waiting(manifest, 0))),
            }
            planned.insert(id, mapped);
            // What lies in the destination already is not read in the vault again.
            if image.is_none() && (is_copied_first || self.destination.is_none()) {
                read.push(seen);
            }
        }
        recovered.ended_at = turns.expected_end(&self.observer.policies, now);
        recovered.reading = reading(&self.prices, &recovered.vault_region, &read, self.retrieval);
        if self.destination.is_some() {
            recovered.copying =
                copying(&self.prices, &recovered.vault_region, &self.place(), &read);
        }
        let policies = &self.observer.policies;
        let (order, copied) = (turns.order(policies, now), turns.copy_order(policies, now));
        let begun: Vec<_> = planned
            .keys()
            .filter(|id| !order.contains(id) && !copied.contains(id))
            .filter(|id| !turns.retrieving.contains_key(id))
            .cloned()
            .collect();
        let last: Vec<_> = turns.retrieving.keys().cloned().collect();
        let in_order = begun.iter().chain(&order).chain(&copied).chain(&last);
        recovered.map.extend(in_order.filter_map(|id| planned.remove(id)));
        recovered
    }
}

/// What copying these to a destination costs; `None` where there are none.
fn copying(prices: &Prices, from: &Region, to: &VaultId, copied: &[Seen]) -> Option<Copying> {
    if copied.is_empty() {
        return None;
    }
    let bytes = copied.iter().map(|seen| seen.manifest.vault_object.size).sum();
    Some(Copying {
        objects: copied.len(),
        bytes,
        currency: prices.currency.clone(),
        prices_as_of: prices.as_of.clone(),
        cost: cost::transfer(prices, (from, &to.region), bytes),
    })
}

/// What reading these costs; `None` where all are `STANDARD`.
fn reading(
    prices: &Prices,
    region: &Region,
    read: &[Seen],
    retrieval: Retrieval,
) -> Option<Reading> {
    let of_other_classes: Vec<&Seen> = read.iter().filter(|seen| seen.class.is_some()).collect();
    if of_other_classes.is_empty() {
        return None;
    }
    let objects = of_other_classes.iter().map(|seen| cost::Reading {
        size: seen.manifest.vault_object.size,
        class: seen.class.as_deref(),
        retrieval: seen
            .archived
            .as_ref()
            .map(|archived| Retrieval { speed: retrieval.speed.at(archived.depth()), ..retrieval }),
    });
    Some(Reading {
        objects: of_other_classes.len(),
        retrieved: of_other_classes.iter().filter(|seen| seen.archived.is_some()).count(),
        bytes: of_other_classes.iter().map(|seen| seen.manifest.vault_object.size).sum(),
        days: retrieval.days,
        currency: prices.currency.clone(),
        prices_as_of: prices.as_of.clone(),
        cost: cost::reading(prices, region, objects),
    })
}
