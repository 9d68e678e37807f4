//! How long one plan takes: 10,000 families of 100 sources and more and more images that wait.

use std::hint::black_box;
use std::time::Instant;

use amiferry_core::plan::{Member, Promise, Standing, Turns, plan};
use amiferry_core::policy::Backfill;
use amiferry_core::span::Span;
use jiff::{SignedDuration, Timestamp};

use super::fixture::Random;

const FAMILIES: usize = 10_000;
const SOURCES: usize = 100;
const ROUNDS: usize = 15;

/// Median and minimum of the rounds in milliseconds, with so many images that wait.
pub fn milliseconds(images: usize) -> (f64, f64) {
    let mut random = Random(images as u64);
    let now = Timestamp::from_second(2_000_000_000).unwrap();
    // As ids are: they share a beginning.
    let keys: Vec<String> = (0..images).map(|image| format!("ami-{image:017x}")).collect();
    let promises: Vec<Promise> = (0..FAMILIES)
        .map(|family| Promise {
            source: family % SOURCES,
            priority: (family / SOURCES % 3) as i32,
            rpo: Span::from_secs([4, 8, 24][family % 3] * 3_600),
            backfill: Backfill::Newest(1_000),
        })
        .collect();
    let members: Vec<Member<'_, String>> = keys
        .iter()
        .map(|key| Member {
            key,
            family: random.below(FAMILIES),
            created: now - SignedDuration::from_secs(random.below(172_800) as i64),
            size_gb: random.size_gb(),
            standing: Standing::Waits { failures: u32::from(random.below(50) == 0) },
        })
        .collect();
    let mut turns = Turns::default();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            black_box(plan(&members, &promises, &[1; SOURCES], &mut turns, now));
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    (times[ROUNDS / 2], times[0])
}
