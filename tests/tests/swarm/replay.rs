//! One seed again, as the environment names it, and the seeds that once failed.

use std::process::Command;

use crate::plan::Plan;
use crate::play::{Outcome, play};
use crate::seeds::{number, variable};

/// Seeds that found a mistake in the workers: how many entries of mischief they had then, and what
/// the mistake was. Entries that are drawn since then stand behind those, and no vault told a bus.
const FOUND: &[(u64, usize, &str)] = &[
    (
        27,
        7,
        "an image that was staged again between its copy and its manifest never became complete",
    ),
    (71, 11, "an upload stayed open forever when the answer to the completion of another was lost"),
    (80, 10, "an image that was tagged while it was restored never became complete"),
    (412, 22, "the upload of an image that was deregistered during its copy stayed open forever"),
    (
        5106,
        13,
        "an image whose policy came to demand a longer lock after its copy never became complete",
    ),
    (
        9322,
        8,
        "an image of which nothing was seen, because EC2 refused to tell of it, was parked for the \
         vault's key, and its message deleted",
    ),
    (
        3166,
        12,
        "a message was deleted for a disabled key of the vault, and no answer said anything about its image",
    ),
    (
        5543,
        12,
        "while STS did not answer, each call that needed a role asked it again, three times",
    ),
    (
        8703,
        27,
        "an image whose note an answer of EC2 had left incomplete was parked for a difference that was none",
    ),
    (3697, 12, "an archived image that was recorded from a wrong answer was tampered with later"),
];

/// Before the digest of all calls and answers in what the replay prints.
const DIGEST: &str = "digest of the run: ";

/// Plays `AMIFERRY_SEED`, with only the mischief that `AMIFERRY_ONLY` names by index if it is set;
/// without a seed, the first one.
#[test]
fn replay_of_the_seed_that_the_environment_names() {
    let seed = number("AMIFERRY_SEED").unwrap_or(0);
    let plan = Plan::of(seed);
    let plan = match variable("AMIFERRY_ONLY") {
        None => plan,
        Some(only) => {
            let indexes = only.split(',').filter(|index| !index.is_empty());
            let indexes: Result<Vec<usize>, _> = indexes.map(str::parse).collect();
            plan.with_only(&indexes.unwrap_or_else(|error| panic!("AMIFERRY_ONLY={only}: {error}")))
        }
    };
    let Outcome { wrongs, digest, .. } = play(&plan);
    eprintln!("{DIGEST}{digest:016x}");
    assert!(wrongs.is_empty(), "{}broken:\n  {wrongs:#?}", plan.describe());
}

#[test]
fn seeds_that_once_found_a_mistake_find_none() {
    for (seed, entries, mistake) in FOUND {
        let indexes: Vec<usize> = (0..*entries).collect();
        let plan = Plan { told: false, ..Plan::of(*seed).with_only(&indexes) };
        let wrongs = play(&plan).wrongs;
        assert!(wrongs.is_empty(), "seed {seed} ({mistake}): {wrongs:#?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_in_another_process() {
    let seed = 5;
    let here = format!("{:016x}", play(&Plan::of(seed)).digest);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["replay_of_the_seed_that_the_environment_names", "--nocapture"])
        .env("AMIFERRY_SEED", seed.to_string())
        .env_remove("AMIFERRY_ONLY")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let there = printed.lines().find_map(|line| line.split(DIGEST).nth(1));
    assert_eq!(there, Some(here.as_str()), "{printed}");
}
