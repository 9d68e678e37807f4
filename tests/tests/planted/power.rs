//! Plants each mistake and plays seeds until the swarm notices it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use amiferry_core::planted::{self, Bug};

use crate::plan::Plan;
use crate::play::play;
use crate::table::{self, Row};

/// Seeds to try where the one in the table no longer shows the mistake.
const AGAIN: u64 = 1_000;

/// What the environment says, where the options of a test run stand.
#[expect(clippy::disallowed_methods, reason = "a test has no other options")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Those that `AMIFERRY_BUGS` names, separated by commas; all of them without it.
fn chosen() -> Vec<Bug> {
    let Some(names) = variable("AMIFERRY_BUGS") else { return Bug::of_the_swarm() };
    let named = |name: &str| {
        let bug = Bug::ALL.iter().find(|bug| bug.as_str() == name);
        *bug.unwrap_or_else(|| panic!("AMIFERRY_BUGS={names}: {name} is no mistake of the list"))
    };
    names.split(',').map(named).collect()
}

/// The mistakes that could matter in the play of a seed, which is in order without any.
fn reached(seed: u64) -> BTreeSet<Bug> {
    let (sound, reached) = planted::reached(|| play(&Plan::deceived(seed)).wrongs);
    assert!(sound.is_empty(), "seed {seed} fails without any mistake: {sound:?}");
    reached
}

/// The invariant that a seed breaks with a mistake.
fn noticed(bug: Bug, seed: u64) -> Option<&'static str> {
    let wrongs = planted::with(bug, || play(&Plan::deceived(seed)).wrongs);
    let first = wrongs.first()?;
    let what: String = first.what.chars().take(150).collect();
    eprintln!("{bug:?}: seed {seed}: {}: {what}", first.invariant);
    Some(first.invariant)
}

/// Plays seeds from 0 on, on two threads, until each of the mistakes was noticed. A seed whose play
/// does not come to the place of a mistake is not played with it: nothing would be different.
fn search(bugs: &[Bug], seeds: u64) -> BTreeMap<Bug, Row> {
    let next = AtomicU64::new(0);
    let found: Mutex<BTreeMap<Bug, Row>> = Mutex::default();
    let open = |bug: Bug, seed: u64| {
        found.lock().unwrap().get(&bug).is_none_or(|row: &Row| row.seeds > seed + 1)
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || !bugs.iter().any(|bug| open(*bug, seed)) {
                        return;
                    }
                    for bug in reached(seed) {
                        if bugs.contains(&bug)
                            && open(bug, seed)
                            && let Some(invariant) = noticed(bug, seed)
                            && open(bug, seed)
                        {
                            found.lock().unwrap().insert(bug, Row::new(bug, invariant, seed));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// Plays, for each mistake, the seed that the table names; those that it does not show any more,
/// because plans changed since, are searched for among the first few seeds.
#[test]
fn every_planted_mistake_is_noticed() {
    let mut by_seed: BTreeMap<u64, Vec<Bug>> = BTreeMap::new();
    for row in table::read() {
        let bug = chosen().into_iter().find(|bug| bug.as_str() == row.bug);
        if let (Some(bug), Some(seed)) = (bug, row.seed()) {
            by_seed.entry(seed).or_default().push(bug);
        }
    }
    let left = Mutex::new(by_seed.into_iter().collect::<Vec<_>>());
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((seed, bugs)) = left.lock().unwrap().pop() else { return };
                    reached(seed);
                    let silent = bugs.into_iter().filter(|bug| noticed(*bug, seed).is_none());
                    let silent: Vec<Bug> = silent.collect();
                    missed.lock().unwrap().extend(silent);
                }
            });
        }
    });
    let mut missed = missed.into_inner().unwrap();
    let found = search(&missed, AGAIN);
    missed.retain(|bug| !found.contains_key(bug));
    assert!(
        missed.is_empty(),
        "no seed noticed {missed:?}; measure again, see docs/reliability.md"
    );
}

/// With `AMIFERRY_MEASURE=N`: how many of the seeds from 0 to N it takes to notice each mistake.
/// With `AMIFERRY_BLESS` it writes the table; a dash marks a mistake that no seed noticed.
#[test]
fn how_many_seeds_it_takes() {
    let Some(text) = variable("AMIFERRY_MEASURE") else {
        // One that shows at once, so that the measuring itself is tested.
        let found = search(&[Bug::ProtectionForgotten], AGAIN);
        return assert!(found[&Bug::ProtectionForgotten].seeds <= AGAIN);
    };
    let seeds = text.parse().unwrap_or_else(|error| panic!("AMIFERRY_MEASURE={text}: {error}"));
    let bugs = chosen();
    let bless = variable("AMIFERRY_BLESS").is_some();
    assert!(
        !bless || bugs == Bug::of_the_swarm(),
        "AMIFERRY_BUGS leaves some out: the table needs all"
    );
    let found = search(&bugs, seeds);
    let mut needed: Vec<u64> = found.values().map(|row| row.seeds).collect();
    needed.sort_unstable();
    let (median, most) = (needed.get(needed.len() / 2), needed.last());
    eprintln!("{} of {} noticed; median {median:?}, most {most:?}", found.len(), bugs.len());
    let missed: Vec<Bug> = bugs.into_iter().filter(|bug| !found.contains_key(bug)).collect();
    eprintln!("not noticed in {seeds} seeds: {missed:?}");
    if bless {
        let row = |bug: &Bug| found.get(bug).cloned().unwrap_or_else(|| Row::missed(*bug, seeds));
        table::write(&Bug::of_the_swarm().iter().map(row).collect::<Vec<_>>());
    } else {
        assert!(missed.is_empty());
    }
}
