//! Which keys a look takes: no party starves, and neither maps nor arrivals decide the order.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::secs;
use crate::reconcile::due::{DueKeys, Rank};

const RANKS: [Rank; 4] = [Rank::Prompt, Rank::Found, Rank::Resting, Rank::Failing];

/// Keys of parties, each party a thousand.
struct Keys {
    due: DueKeys<u32, u32>,
    parties: BTreeMap<u32, Arc<u32>>,
}

impl Keys {
    fn new() -> Self {
        Self { due: DueKeys::new(), parties: BTreeMap::new() }
    }

    fn insert(&mut self, key: u32, at: Instant, rank: Rank) {
        let party = self.parties.entry(key / 1_000).or_insert_with(|| Arc::new(key / 1_000));
        self.due.insert(party, &Arc::new(key), at, rank);
    }

    fn take(&mut self, most: usize, now: Instant) -> Vec<u32> {
        let taken = self.due.take(most, Duration::ZERO, now, |_| false);
        taken.into_iter().map(|key| *key).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_comes_in_every_due_key_is_taken_within_a_round_of_its_rank() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut keys = Keys::new();
        let now = Instant::now();
        let most = rng.usize(1..20);
        let (parties, each) = (rng.u32(1..6), rng.u32(1..30));
        let all: BTreeSet<u32> =
            (0..parties).flat_map(|party| (0..each).map(move |key| party * 1_000 + key)).collect();
        let urgent = rng.bool().then_some(Rank::Urgent);
        let ranks: Vec<Rank> = RANKS.into_iter().chain(urgent).collect();
        let rank_of = |key: u32| ranks[key as usize % ranks.len()];
        all.iter().for_each(|key| keys.insert(*key, now, rank_of(*key)));
        let mut last = BTreeMap::new();
        // An eighth of all places is each rank's, and each party has its turn at those.
        let longest = (all.len() * 8 * parties as usize).div_ceil(most) + 8;
        for round in 0..longest * 3 {
            let at = now + secs(u64::try_from(round).unwrap());
            for key in keys.take(most, at) {
                last.insert(key, round);
                // Due again at once: the others are never fewer.
                keys.insert(key, at, rank_of(key));
            }
            for key in &all {
                let waited = round - last.get(key).copied().unwrap_or_default();
                assert!(waited <= longest, "seed {seed}: {key} waits for {waited} looks");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_keys_are_taken_in_the_same_order_however_they_came_in() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let mut all: Vec<(u32, Instant, Rank)> = (0..rng.u32(1..200))
            .map(|key| {
                let at = now + secs(rng.u64(0..5));
                (key * 37 % 7_000, at, RANKS[rng.usize(0..RANKS.len())])
            })
            .collect();
        let order = |all: &[(u32, Instant, Rank)]| {
            let mut keys = Keys::new();
            all.iter().for_each(|(key, at, rank)| keys.insert(*key, *at, *rank));
            (0..100).map(|_| keys.take(7, now + secs(3))).collect::<Vec<_>>()
        };
        let one = order(&all);
        rng.shuffle(&mut all);
        assert_eq!(order(&all), one, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_key_is_in_the_next_look_however_many_of_other_parties_fail() {
    for rank in RANKS {
        let mut keys = Keys::new();
        let now = Instant::now();
        for party in 1..=5 {
            (0..1_000).for_each(|key| keys.insert(party * 1_000 + key, now, rank));
        }
        for round in 0..20 {
            keys.insert(round, now, Rank::Prompt);
            let taken = keys.take(10, now);
            assert!(taken.contains(&round), "{rank:?}, round {round}: {taken:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_party_that_is_apart_are_in_no_other_look_until_it_is_no_longer() {
    let mut keys = Keys::new();
    let now = Instant::now();
    let silent = |party: &u32| *party == 1;
    for (key, rank) in (1_000..1_008).zip(RANKS.into_iter().cycle()) {
        keys.insert(key, now, rank);
    }
    keys.insert(1_009, now, Rank::Urgent);
    keys.insert(1_010, now + secs(1), Rank::Resting);
    (0..4).for_each(|key| keys.insert(key, now, Rank::Found));
    let taken = keys.due.take(100, secs(10), now, silent);
    assert_eq!(taken.iter().map(|key| **key).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!((keys.due.aside(), keys.due.take_aside().len()), (1, 10));
    let (party, apart) = keys.due.take_apart(100, now, silent).unwrap();
    assert_eq!((*party, apart.len()), (1, 9), "not the one that rests");
    keys.insert(1_020, now, Rank::Prompt);
    assert_eq!(keys.due.take_apart(100, now + secs(9), silent), None, "two looks at once");
    assert_eq!(keys.due.still_apart(&1), 1);
    keys.due.pause(&1, now + secs(5));
    assert_eq!(keys.due.next_apart(), Some(now + secs(5)));
    assert_eq!(keys.due.take_apart(100, now + secs(4), silent), None);
    keys.insert(1_021, now + secs(3_600), Rank::Failing);
    // It answers again, so what failed before is due.
    assert_eq!(keys.due.take_apart(100, now + secs(5), |_| false), None);
    let mut taken = keys.take(100, now + secs(5));
    taken.sort_unstable();
    assert_eq!((taken, keys.due.aside()), (vec![1_010, 1_020, 1_021], 0));
}

thread_local! {
    static COMPARISONS: Cell<usize> = const { Cell::new(0) };
}

/// A key that counts how often it is compared.
#[derive(Debug, PartialEq, Eq)]
struct Counted(u32);

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_look_costs_grows_with_what_it_takes_and_not_with_what_waits() {
    let cost = |waiting: u32| {
        let mut due = DueKeys::new();
        let now = Instant::now();
        let parties: Vec<Arc<u32>> = (0..50).map(Arc::new).collect();
        for key in 0..waiting {
            let rank = RANKS[(key % 4) as usize];
            let at = now + secs(u64::from(key % 3) * 3_600);
            let party = &parties[(key % 50) as usize];
            due.insert(party, &Arc::new(Counted(key)), at, rank);
        }
        COMPARISONS.set(0);
        assert_eq!(due.take(100, secs(15), now, |_| false).len(), 100);
        COMPARISONS.get()
    };
    let (few, many) = (cost(1_000), cost(100_000));
    assert!(many < 100 * 200 && many < few * 4, "{few} and {many} comparisons");
}
