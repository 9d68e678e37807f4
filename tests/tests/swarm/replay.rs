//! One seed again, as the environment names it, and the seeds that once failed.

use crate::plan::Plan;
use crate::play::play;
use crate::seeds::{number, variable};

/// Seeds that found a mistake in the workers, each with what it was.
const FOUND: &[(u64, &str)] = &[
    (27, "an image that was staged again between its copy and its manifest never became complete"),
    (71, "an upload stayed open for ever when the answer to the completion of another was lost"),
];

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
    let wrongs = play(&plan).wrongs;
    assert!(wrongs.is_empty(), "{}broken:\n  {wrongs:#?}", plan.describe());
}

#[test]
fn seeds_that_once_found_a_mistake_find_none() {
    for (seed, mistake) in FOUND {
        let wrongs = play(&Plan::of(*seed)).wrongs;
        assert!(wrongs.is_empty(), "seed {seed} ({mistake}): {wrongs:#?}");
    }
}
