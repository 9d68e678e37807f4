//! Says what a run would do: the map in its order, when it would end, and what it costs to read and copy
//! the objects and to make the images.

use std::collections::BTreeMap;

use amiferry_core::cost::{self, Estimate, Prices, STANDARD, Usage};
use amiferry_core::ids::Region;
use amiferry_core::model::Retrieval;
use amiferry_core::names::{RecoveryPointId, VaultId};
use amiferry_core::recovery::next::Next;

use crate::Recoverer;
use crate::chosen::{Chosen, Seen, is_pending};
use crate::report::{Copying, Making, Mapped, Reading, Recovered, RetrievedFirst, State};
use crate::run::waiting;

impl Recoverer {
    /// Says what a run would do, and changes nothing.
    pub fn planned(&self, chosen: Chosen) -> Recovered {
        let now = self.clock.now();
        let mut recovered = self.nothing_yet(true);
        let mut turns = self.turns(now);
        let mut planned: BTreeMap<RecoveryPointId, Mapped> = BTreeMap::new();
        let (mut read, mut made) = (Vec::new(), Vec::new());
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
            // An earlier run has begun it, or only its protection and its record are left.
            if let Some(begun) = seen.image.as_ref().filter(|one| is_pending(one) || seen.is_made())
            {
                mapped.image_id = Some(begun.id.clone());
                mapped.image_name = Some(begun.name.clone());
            }
            if seen.is_made() {
                planned.insert(id, mapped);
                continue;
            }
            if image.is_none() {
                made.push(size_gb);
            }
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
        recovered.making = making(&self.prices, &self.place(), &made);
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
    let mut usage = Usage::default();
    for size in copied.iter().map(|seen| seen.manifest.vault_object.size) {
        usage.moves(size, 0, *from != to.region, false);
        usage.keeps_object(size, STANDARD);
    }
    let Estimate { objects, requests, .. } = cost::estimate(prices, from, &to.region, &usage);
    let bytes = copied.iter().map(|seen| seen.manifest.vault_object.size).sum();
    Some(Copying {
        objects: copied.len(),
        bytes,
        currency: prices.currency.clone(),
        prices_as_of: prices.as_of.clone(),
        cost: cost::transfer(prices, (from, &to.region), bytes),
        requests,
        kept: objects,
    })
}

/// What making images of these sizes in GiB costs; `None` where none are made.
fn making(prices: &Prices, place: &VaultId, sizes: &[u64]) -> Option<Making> {
    if sizes.is_empty() {
        return None;
    }
    let size_gib = sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
    let mut usage = Usage { written_gb: size_gib, ..Usage::default() };
    usage.keeps_snapshots(size_gib);
    let Estimate { blocks, snapshots, .. } =
        cost::estimate(prices, &place.region, &place.region, &usage);
    Some(Making {
        images: sizes.len(),
        size_gib,
        currency: prices.currency.clone(),
        prices_as_of: prices.as_of.clone(),
        blocks,
        snapshots,
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
