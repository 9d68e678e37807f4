//! Plants each mistake of retention: random histories must notice those of the rules, and a swarm whose
//! runs end with prunes those of the workers and of the command.

use amiferry_core::planted::{self, Bug};

use crate::histories;
use crate::plan::Plan;
use crate::play::play;

/// How many histories may pass before a mistake is noticed.
const HISTORIES: u64 = 3_000;

/// How many seeds of the swarm.
const SEEDS: u64 = 40;

/// The first seed that notices a mistake, and how.
fn noticed(bug: Bug) -> Option<(u64, String)> {
    planted::with(bug, || match bug {
        bug if Bug::PRUNED.contains(&bug) => (0..SEEDS).find_map(|seed| {
            let wrongs = play(&Plan::pruned(seed)).wrongs;
            Some((seed, wrongs.first()?.to_string()))
        }),
        _ => (0..HISTORIES)
            .find_map(|seed| Some((seed, histories::play(seed).wrongs.first()?.clone()))),
    })
}

#[test]
fn every_mistake_of_retention_is_noticed() {
    let mut missed = Vec::new();
    for bug in Bug::RETENTION {
        match noticed(*bug) {
            Some((seed, what)) => {
                let what: String = what.chars().take(120).collect();
                eprintln!("{bug:?}: seed {seed}: {what}");
            }
            None => missed.push(*bug),
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
