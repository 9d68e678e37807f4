//! Remembers which items of AWS's listings could not be read: each is logged once while it lasts,
//! and all are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use amiferry_core::ports::Unreadable;

use crate::metrics::{self, Worker};

/// Most items of one listing that are told apart; the rest are only counted. A writer to a bucket
/// must not be able to fill memory and log.
const TOLD_APART: usize = 100;

/// What a worker's sweeps could not read.
#[derive(Debug)]
pub struct UnreadableItems {
    worker: Worker,
    listings: Mutex<BTreeMap<String, Seen>>,
}

/// The unreadable items of one listing.
#[derive(Debug, Default)]
struct Seen {
    /// In the last complete listing.
    before: BTreeSet<Unreadable>,
    /// How many there were in it.
    total: usize,
    /// In the pages of the listing in progress.
    now: BTreeSet<Unreadable>,
    /// How many there are in them.
    counted: usize,
}

/// Which pages of a listing these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// The listing begins with them.
    pub first: bool,
    /// It ends with them.
    pub last: bool,
}

impl Pages {
    /// The whole listing.
    pub const ALL: Self = Self { first: true, last: true };
}

impl UnreadableItems {
    /// Nothing was unreadable yet.
    pub fn new(worker: Worker) -> Self {
        Self { worker, listings: Mutex::default() }
    }

    /// Notes the unreadable items in pages of the listing of this name. It logs items that the last
    /// complete listing did not have, and shows their number once this listing is complete.
    pub fn met(&self, listing: &str, pages: Pages, items: &[Unreadable]) {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = listings.entry(listing.to_owned()).or_default();
        for item in seen.page(pages, items) {
            tracing::warn!(
                amiferry.resource = item.id.as_deref().unwrap_or(listing),
                amiferry.detail = item.why,
                "an item of a listing cannot be read and is left out"
            );
        }
        if pages.last {
            let total = listings.values().map(|seen| seen.total).sum();
            metrics::unreadable_items(self.worker, total);
        }
    }
}

impl Seen {
    /// Adds pages, and returns the new items in them.
    fn page<'a>(&mut self, pages: Pages, items: &'a [Unreadable]) -> Vec<&'a Unreadable> {
        if pages.first {
            (self.now, self.counted) = (BTreeSet::new(), 0);
        }
        self.counted += items.len();
        let mut new = Vec::new();
        for item in items {
            let told_apart = self.now.len() < TOLD_APART && self.now.insert(item.clone());
            if told_apart && !self.before.contains(item) {
                new.push(item);
            }
        }
        if pages.last {
            self.before = std::mem::take(&mut self.now);
            self.total = self.counted;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Pages = Pages { first: true, last: false };
    const NONE: [usize; 0] = [];
    const LAST: Pages = Pages { first: false, last: true };

    fn items(ids: std::ops::Range<usize>) -> Vec<Unreadable> {
        ids.map(|id| Unreadable::new(Some(&id.to_string()), "it has no volumeSize")).collect()
    }

    /// Which ids are new in these pages.
    fn new(seen: &mut Seen, pages: Pages, ids: std::ops::Range<usize>) -> Vec<usize> {
        let items = items(ids);
        let new = seen.page(pages, &items).into_iter();
        new.map(|item| item.id.as_deref().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn an_item_is_new_once_while_it_lasts_and_again_when_it_comes_back() {
        let seen = &mut Seen::default();
        assert_eq!(new(seen, FIRST, 0..2), [0, 1]);
        assert_eq!(new(seen, LAST, 2..3), [2]);
        assert_eq!(seen.total, 3);
        assert_eq!(new(seen, Pages::ALL, 0..1), NONE, "it lasts");
        assert_eq!(seen.total, 1);
        assert_eq!(new(seen, Pages::ALL, 1..2), [1], "it was gone");
    }

    #[test]
    fn a_listing_that_breaks_off_changes_no_number_and_forgets_nothing() {
        let seen = &mut Seen::default();
        new(seen, Pages::ALL, 0..3);
        assert_eq!(new(seen, FIRST, 0..1), NONE);
        assert_eq!(seen.total, 3);
        assert_eq!(new(seen, Pages::ALL, 0..3), NONE);
        assert_eq!(seen.total, 3);
    }

    #[test]
    fn a_million_odd_items_fill_neither_log_nor_memory() {
        let seen = &mut Seen::default();
        let mut logged = 0;
        for page in 0..1_000 {
            let pages = Pages { first: page == 0, last: page == 999 };
            logged += new(seen, pages, page * 1_000..(page + 1) * 1_000).len();
        }
        assert_eq!((logged, seen.before.len(), seen.total), (TOLD_APART, TOLD_APART, 1_000_000));
    }
}
