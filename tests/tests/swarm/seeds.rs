//! Runs a range of seeds on two threads, and tells what fails and what it needs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Plan;
use crate::play::{Outcome, play};
use crate::shrink;

/// How many runs the shrinking of a failure may take.
const SHRINKING: usize = 60;
/// The seeds that a test run plays: two hundred long lives and eight hundred short ones.
const SEEDS: Range<u64> = 9_800..10_800;
/// A long run says how far it has come after so many seeds.
const PROGRESS: u64 = 5_000;

/// What all runs together came to.
#[derive(Debug, Default)]
struct Tally {
    seeds: u64,
    calls: u64,
    seconds: u64,
    images: u64,
    audits: u64,
    faults: BTreeMap<&'static str, u64>,
    failed: Vec<u64>,
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.calls += outcome.calls;
        self.seconds += outcome.seconds;
        self.images += outcome.images;
        self.audits += outcome.audits;
        for (kind, times) in &outcome.faults {
            *self.faults.entry(kind).or_default() += times;
        }
        if !outcome.wrongs.is_empty() {
            self.failed.push(seed);
        }
    }

    fn line(&self) -> String {
        let faults: u64 = self.faults.values().sum();
        format!(
            "{} seeds, {} failed; {} images, {} calls, {} simulated hours, {} audits; \
             {faults} faults: {:?}",
            self.seeds,
            self.failed.len(),
            self.images,
            self.calls,
            self.seconds / 3_600,
            self.audits,
            self.faults
        )
    }
}

/// A variable of the environment, where the options of a test run stand.
#[expect(clippy::disallowed_methods, reason = "a test has no other options")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    let text = variable(name)?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}; write a number")))
}

fn run(seeds: Range<u64>) -> Tally {
    run_of(seeds, Plan::of)
}

fn run_of(seeds: Range<u64>, plan: fn(u64) -> Plan) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = play(&plan(seed));
                    if let Some(wrong) = outcome.wrongs.first() {
                        eprintln!("seed {seed} fails: {wrong}");
                    }
                    let mut tally = tally.lock().unwrap();
                    tally.add(seed, &outcome);
                    if tally.seeds.is_multiple_of(PROGRESS) {
                        eprintln!("{} of {seeds:?}: {}", tally.seeds, tally.line());
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    eprintln!("seeds {seeds:?}: {}", tally.line());
    tally
}

/// Everything about a failing seed: its plan, what is wrong, what it needs, how to see it again.
pub fn explain(seed: u64) -> String {
    let plan = Plan::of(seed);
    let outcome = play(&plan);
    let Some(first) = outcome.wrongs.first() else {
        return format!("seed {seed} fails in one run and not in the next: the run is not exact");
    };
    let kept = shrink::smallest(&plan, first.invariant, SHRINKING);
    let wrongs: Vec<String> = outcome.wrongs.iter().map(ToString::to_string).collect();
    let only: Vec<String> = kept.iter().map(ToString::to_string).collect();
    format!(
        "{}broken:\n  {}\nneeds only {kept:?} of its mischief; again with\n  AMIFERRY_SEED={seed} \
         AMIFERRY_ONLY={} cargo test -p amiferry-tests --test swarm -- replay --nocapture\n",
        plan.describe(),
        wrongs.join("\n  "),
        only.join(",")
    )
}

#[test]
fn whatever_goes_wrong_no_recovery_point_is_lost_or_doubled_or_claimed_too_early() {
    let from = number("AMIFERRY_FROM").unwrap_or(SEEDS.start);
    let count = number("AMIFERRY_SEEDS").unwrap_or(SEEDS.end - SEEDS.start);
    let tally = run(from..from + count);
    if let Some(seed) = tally.failed.iter().min() {
        panic!("{} of {} seeds fail; the first:\n{}", tally.failed.len(), count, explain(*seed));
    }
}

/// How many seeds a test run plays to their prunes; `AMIFERRY_PRUNED` names another number.
const PRUNED: u64 = 60;

#[test]
fn what_the_rules_give_up_goes_while_its_source_lives_and_nothing_else_does() {
    let count = number("AMIFERRY_PRUNED").unwrap_or(PRUNED);
    let from = number("AMIFERRY_FROM").unwrap_or(0);
    let tally = run_of(from..from + count, Plan::pruned);
    assert!(tally.failed.is_empty(), "{} of {count} fail: {:?}", tally.failed.len(), tally.failed);
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    for seed in 0..3 {
        let digests = [0, 1].map(|_| play(&Plan::of(seed)).digest);
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
}

#[test]
fn whoever_takes_names_forges_tags_or_destroys_gets_no_false_answer() {
    for seed in 0..8 {
        let wrongs = play(&Plan::deceived(seed)).wrongs;
        assert!(wrongs.is_empty(), "seed {seed}, deceived: {wrongs:#?}");
    }
}
