//! Walks over the places of a fleet: what they meet, and what is forgotten because they do not.

use std::sync::OnceLock;

use jiff::Timestamp;

use super::row::Row;
use super::{Fleet, Met, Place, PlaceFault};
use crate::decide::eligibility;
use crate::ids::ImageId;
use crate::names::{RecoveryPointId, SourceId};

impl Fleet {
    /// A round of walks over all places begins.
    pub fn round_began(&mut self) {
        self.round = self.round.saturating_add(1);
    }

    /// A walk over a place begins.
    pub fn walk_began(&mut self, place: &Place, now: Timestamp) {
        let walks = self.places.entry(place.clone()).or_default();
        walks.number = walks.number.saturating_add(1);
        walks.began = Some(now);
        walks.meeting = Met::default();
    }

    /// The walk over a place finds something of this recovery point. Returns whether it is the
    /// first walk of this round that does.
    pub fn met(&mut self, place: &Place, id: &RecoveryPointId) -> bool {
        let Some(walks) = self.places.get(place) else { return false };
        let (number, side, round) = (walks.number, side(place), self.round);
        if !self.rows.contains_key(id) {
            if self.awaited == 0 {
                self.known_before = self.known_at();
            }
            self.awaited += 1;
        }
        let row = self.rows.entry(id.clone()).or_default();
        row.met[side] = number;
        std::mem::replace(&mut row.round, round) != round
    }

    /// The walk over a place meets an image that no policy selects.
    pub fn met_unselected(
        &mut self,
        place: &Place,
        (image, name): (ImageId, String),
        left: eligibility::LeftOut,
    ) {
        let by_name = self.names_unselected;
        if let Some(walks) = self.places.get_mut(place) {
            walks.meeting.leave_out(image, name, left, by_name);
        }
    }

    /// The walk over a place meets an item that cannot be read.
    pub fn met_unreadable(&mut self, place: &Place, id: Option<&str>, why: &str) {
        if let Some(walks) = self.places.get_mut(place) {
            walks.meeting.cannot_read(id, why);
        }
    }

    /// The walk over a place was complete: forgets what neither it nor the last walk over the other
    /// side found, unless a look has observed it since.
    pub fn walked(&mut self, place: &Place) {
        let Some(walks) = self.places.get_mut(place) else { return };
        let Some(began) = walks.began.take() else { return };
        walks.whole = Some((walks.number, began));
        walks.met = std::mem::take(&mut walks.meeting);
        walks.fault = None;
        let gone: Vec<RecoveryPointId> = match place {
            Place::Vault => {
                let number = self.places.get(place).map_or(0, |walks| walks.number);
                self.rows.values_mut().for_each(|row| row.walked(number));
                self.gone(self.rows.iter(), began)
            }
            Place::Source(source) => self.gone(self.rows_of(source), began),
        };
        for id in &gone {
            let Some(row) = self.rows.remove(id) else { continue };
            self.awaited -= usize::from(row.is_awaited());
            if let Some((family, created)) = row.unfinished()
                && let Some(family) = self.families.shared(family)
            {
                self.unfinished.went(&family, created, began);
            }
        }
        if !gone.is_empty() {
            self.repeats = OnceLock::new();
        }
        if !gone.is_empty() || *place == Place::Vault {
            self.forget_families(began);
        }
    }

    /// Which of these rows neither the last walk over their source nor that over the vault found; those
    /// that a look observed since `began` stay.
    fn gone<'f>(
        &self,
        rows: impl Iterator<Item = (&'f RecoveryPointId, &'f Row)>,
        began: Timestamp,
    ) -> Vec<RecoveryPointId> {
        let whole = |place: &Place| self.places.get(place).map(|walks| walks.whole);
        let vault = whole(&Place::Vault).flatten();
        let is_gone = |(id, row): &(&RecoveryPointId, &Row)| {
            // A source that is not configured has no say; one that was never walked completely may
            // have everything.
            let in_source = || match whole(&Place::Source(id.source())) {
                None => false,
                Some(None) => row.observed_at.is_some() || row.met[1] > 0,
                Some(Some((number, _))) => row.met[1] >= number,
            };
            let in_vault = vault.is_none_or(|(number, _)| row.met[0] >= number);
            !in_vault && row.observed_at <= Some(began) && !in_source()
        };
        rows.filter(is_gone).map(|(id, _)| id.clone()).collect()
    }

    /// The walk over a place failed.
    pub fn walk_failed(&mut self, place: &Place, why: &str, now: Timestamp) {
        let walks = self.places.entry(place.clone()).or_default();
        walks.began = None;
        let since = walks.fault.as_ref().map_or(now, |fault| fault.since);
        walks.fault = Some(PlaceFault { why: why.to_owned(), since });
    }

    /// The rows of one source, which follow each other.
    fn rows_of(&self, source: &SourceId) -> impl Iterator<Item = (&RecoveryPointId, &Row)> {
        let of_it = |id: &RecoveryPointId| {
            (&id.source_account, &id.source_region) == (&source.account, &source.region)
        };
        let all = self.rows.first_key_value().map(|(first, _)| RecoveryPointId {
            source_account: source.account.clone(),
            source_region: source.region.clone(),
            source_image_id: ImageId::first(),
            ..first.clone()
        });
        let rows = all.map(|first| self.rows.range(first..));
        rows.into_iter().flatten().take_while(move |(id, _)| of_it(id))
    }

    fn forget_families(&mut self, now: Timestamp) {
        let mut used = vec![false; self.families.all().len()];
        for index in self.rows.values().filter_map(Row::family) {
            if let Some(used) = used.get_mut(index.index()) {
                *used = true;
            }
        }
        let named = self.families.all().iter().zip(&used).filter(|(_, used)| **used);
        self.unfinished.keep(named.map(|(family, _)| &**family), now);
        let Some(moved) = self.families.keep(&used) else { return };
        for index in self.rows.values_mut().filter_map(Row::family_mut) {
            if let Some(new) = moved.get(index.index()) {
                *index = *new;
            }
        }
    }
}

/// Which of a row's two sides a place is.
fn side(place: &Place) -> usize {
    match place {
        Place::Vault => 0,
        Place::Source(_) => 1,
    }
}
