//! What holds in every forecast.

use proptest::prelude::*;

use super::*;
use crate::plan::budget::DAY;

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let progress = prop_oneof![
        4 => Just(STORE),
        2 => Just(Progress::Waits(Stage::Copy)),
        2 => Just(Progress::Waits(Stage::Restore)),
        1 => (0_i64..5_000).prop_map(|since| Progress::Runs(Stage::Restore, Some(at(-since)))),
        1 => Just(Progress::Complete),
        1 => Just(Progress::Record),
    ];
    let job = (0_usize..8, 1_u64..900, 0_i64..200_000, any::<bool>(), progress);
    let job = job.prop_map(|(family, size_gb, age, ready, progress)| {
        // An image of tier `archive` is not restored.
        let ready =
            ready || matches!(progress, Progress::Waits(Stage::Restore) | Progress::Runs(..));
        Job { family, created: at(-age), size_gb, ready, progress, failures: 0 }
    });
    proptest::collection::vec(job, 1..80)
}

/// What is in progress of a stage when each of its steps begins, without that step.
fn overfull(
    jobs: &[Job],
    planned: &[Option<Planned>],
    step: fn(&Planned) -> Option<Step>,
    limit: u64,
) -> bool {
    let steps = || {
        let steps = planned.iter().zip(jobs);
        steps.filter_map(|(planned, job)| Some((step(planned.as_ref()?)?, job.size_gb)))
    };
    // What runs already may be more than the quota: it was raised, or others used it.
    steps().filter(|(one, _)| one.starts > now()).any(|(one, _)| {
        // Of those that begin at the same time one is the last, and may be any.
        let before: u64 = steps()
            .filter(|(other, _)| other.starts < one.starts && other.ends > one.starts)
            .map(|(_, size_gb)| size_gb)
            .sum();
        before >= limit
    })
}

/// What was copied within a day before a step begins, as the images and their GB.
fn copied_before(jobs: &[Job], planned: &[Option<Planned>], at: Timestamp) -> (usize, u64) {
    let copies = planned.iter().zip(jobs).filter_map(|(planned, job)| {
        let copy = planned.as_ref()?.copy?;
        let counts = copy.starts < at && at.duration_since(copy.ends) < DAY;
        counts.then_some(job.size_gb)
    });
    copies.fold((0, 0), |(images, gb), size_gb| (images + 1, gb + size_gb))
}

proptest! {
    #[test]
    fn every_image_finishes_within_the_daily_budget(
        jobs in jobs(), images in 1_u64..9, gb in 1_u64..3_000, fresh in 0_i64..100_000
    ) {
        let mut capacity = capacity();
        let source = &mut capacity.sources[0];
        (source.budget, source.copied) = (Budget { images, gb }, vec![(at(-fresh), 500)]);
        let promises = vec![promise(); 8];
        let planned = run(&jobs, &promises, &capacity, &rates(), now());
        for (job, planned) in jobs.iter().zip(&planned) {
            prop_assert_eq!(planned.is_some(), job.progress != Progress::Complete);
        }
        for copy in planned.iter().filter_map(|planned| planned.as_ref()?.copy) {
            let (before, before_gb) = copied_before(&jobs, &planned, copy.starts);
            prop_assert!((before as u64) < images && before_gb < gb, "{before} and {before_gb} GB");
        }
    }

    #[test]
    fn every_image_that_is_asked_for_finishes_and_no_quota_is_exceeded(jobs in jobs()) {
        let promises = vec![promise(); 8];
        let planned = run(&jobs, &promises, &capacity(), &rates(), now());
        for (job, planned) in jobs.iter().zip(&planned) {
            prop_assert_eq!(planned.is_some(), job.progress != Progress::Complete);
            let Some(planned) = planned else { continue };
            prop_assert!(planned.finishes >= now() && planned.wave > 0);
            let steps = [planned.store, planned.copy, planned.restore];
            let steps: Vec<Step> = steps.into_iter().flatten().collect();
            prop_assert!(steps.windows(2).all(|pair| pair[0].ends <= pair[1].starts));
            prop_assert!(steps.iter().all(|step| step.ends <= planned.finishes));
        }
        prop_assert!(!overfull(&jobs, &planned, |planned| planned.store, 1_200));
        prop_assert!(!overfull(&jobs, &planned, |planned| planned.restore, 600));
        let again = run(&jobs, &promises, &capacity(), &rates(), now());
        prop_assert_eq!(planned, again);
    }

    #[test]
    fn more_images_of_low_priority_delay_no_store_of_a_higher_one(more in 1_usize..40) {
        let gold = Promise { priority: 9, ..promise() };
        let promises = [gold, promise()];
        let mut jobs = vec![job(0, 500, STORE); 6];
        let stores = |jobs: &[Job]| -> Vec<Option<Step>> {
            let planned = run(jobs, &promises, &capacity(), &rates(), now());
            planned[..6].iter().map(|planned| planned.unwrap().store).collect()
        };
        let alone = stores(&jobs);
        jobs.extend(vec![job(1, 50, STORE); more]);
        prop_assert_eq!(alone, stores(&jobs));
    }
}

#[test]
fn ten_thousand_images_are_planned_no_quicker_than_create_calls_allow() {
    let jobs: Vec<Job> = (0..10_000)
        .map(|number| Job {
            created: at(-i64::try_from(number % 977).unwrap()),
            ..job(number % 800, 1 + number as u64 % 60, STORE)
        })
        .collect();
    let promises = vec![promise(); 800];
    let planned = run(&jobs, &promises, &capacity(), &rates(), now());
    assert!(planned.iter().all(Option::is_some));
    let last = planned.iter().flatten().map(|planned| planned.finishes).max().unwrap();
    let gb: u64 = jobs.iter().map(|job| job.size_gb).sum();
    // No plan is quicker than the rate of create calls: 50 at once, and then one every ten seconds.
    assert!(last > at(99_000), "{last}: {gb} GB");
}
