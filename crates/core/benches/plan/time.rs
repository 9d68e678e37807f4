//! How long one plan takes as more and more images of 100 sources wait, ten of each family, and how long
//! a forecast of all that they come to.

use std::hint::black_box;
use std::time::Instant;

use amiferry_core::forecast::{Capacity, Job, Progress, Quota, Rates, SourceCapacity, Stage, run};
use amiferry_core::pacing::CallRate;
use amiferry_core::plan::{Budget, Member, Promise, Standing, Turns, plan};
use amiferry_core::policy::Backfill;
use amiferry_core::span::Span;
use jiff::{SignedDuration, Timestamp};

use super::fixture::Random;

const FAMILY: usize = 10;
const SOURCES: usize = 100;
const ROUNDS: usize = 15;

/// What takes n log n on this machine, with its caches: a plain sort of as many records as images
/// wait, each as large as two lines of a cache.
type Record = [u64; 16];

/// Medians of the rounds with so many images that wait: the plan in milliseconds, and how many plain
/// sorts fit into it.
pub fn measure(images: usize) -> (f64, f64) {
    let median = |mut of: Vec<f64>| {
        of.sort_unstable_by(f64::total_cmp);
        of[ROUNDS / 2]
    };
    let rounds: Vec<(f64, f64)> =
        (0..ROUNDS).map(|round| (one(images, round), plain_sort(images, round))).collect();
    let plan = median(rounds.iter().map(|(plan, _)| *plan).collect());
    (plan, median(rounds.iter().map(|(plan, sort)| plan / sort).collect()))
}

fn plain_sort(records: usize, round: usize) -> f64 {
    let mut random = Random(round as u64);
    let mut records: Vec<Record> =
        (0..records).map(|_| [random.below(usize::MAX) as u64; 16]).collect();
    let begun = Instant::now();
    records.sort_unstable();
    black_box(&records);
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// Each round has a fleet of its own: a processor that meets the same small fleet again and again
/// learns how its comparisons end.
fn one(images: usize, round: usize) -> f64 {
    let mut random = Random((images + round) as u64);
    let now = Timestamp::from_second(2_000_000_000).unwrap();
    // As ids are: they share a beginning.
    let keys: Vec<String> = (0..images).map(|image| format!("ami-{image:017x}")).collect();
    let families = images / FAMILY;
    let promises: Vec<Promise> = (0..families)
        .map(|family| Promise {
            source: family % SOURCES,
            priority: (family / SOURCES % 3) as i32,
            rpo: Span::from_secs([4, 8, 24][family % 3] * 3_600),
            // Some families have more older images than that, some fewer.
            backfill: Backfill::Newest(FAMILY as u32),
        })
        .collect();
    let members: Vec<Member<'_, String>> = keys
        .iter()
        .map(|key| Member {
            key,
            family: random.below(families),
            created: now - SignedDuration::from_secs(random.below(172_800) as i64),
            size_gb: random.size_gb(),
            standing: Standing::Waits { failures: u32::from(random.below(50) == 0) },
        })
        .collect();
    let mut turns = Turns::default();
    let begun = Instant::now();
    black_box(plan(&members, &promises, &[1; SOURCES], &mut turns, now));
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// Milliseconds for a forecast in which so many images of this many sources wait for their store; the
/// median of three.
pub fn forecast(images: usize, sources: usize) -> f64 {
    let mut rounds: Vec<f64> = (0..3).map(|round| one_forecast(images, sources, round)).collect();
    rounds.sort_unstable_by(f64::total_cmp);
    rounds[1]
}

fn one_forecast(images: usize, sources: usize, round: usize) -> f64 {
    let mut random = Random((images + round) as u64);
    let now = Timestamp::from_second(2_000_000_000).unwrap();
    let calls = CallRate { burst: 50, refill: Span::from_secs(10) };
    let source = || SourceCapacity {
        stores: Quota { limit_gb: 600, calls },
        weight: 1,
        budget: Budget { images: 500, gb: 20_000 },
        copied: Vec::new(),
    };
    let capacity = Capacity {
        sources: (0..sources).map(|_| source()).collect(),
        copies: 4,
        restores: Quota { limit_gb: 600, calls },
    };
    let promises: Vec<Promise> = (0..images / FAMILY)
        .map(|family| Promise {
            source: family % sources,
            priority: 0,
            rpo: Span::from_secs(24 * 3_600),
            backfill: Backfill::All,
        })
        .collect();
    let jobs: Vec<Job> = (0..images)
        .map(|image| Job {
            family: image % promises.len(),
            created: now - SignedDuration::from_secs(random.below(172_800) as i64),
            size_gb: random.size_gb(),
            ready: true,
            progress: Progress::Waits(Stage::Store),
            failures: 0,
        })
        .collect();
    let begun = Instant::now();
    black_box(run(&jobs, &promises, &capacity, &Rates::default(), now));
    begun.elapsed().as_secs_f64() * 1_000.0
}
