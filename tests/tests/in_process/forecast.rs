//! The forecast against what then happens: the real workers in simulated fleets, each with its own quotas,
//! speeds and images, of which `status` is asked at some moment.
//!
//! The test command plays ten fleets. `AMIFERRY_FLEETS=0..1000` plays others, which takes longer:
//! docs/reliability.md has the results of a thousand.

use std::time::Duration;

use amiferry_core::ids::ImageId;
use amiferry_simulator::ec2::settings::Pace;
use jiff::{SignedDuration, Timestamp};

use crate::stage::images::But;
use crate::stage::{Options, Stage, minutes, run_test, spec, truth};

/// How many fleets the test command plays.
const FLEETS: std::ops::Range<u64> = 0..10;

/// The goal: half of the forecasts are no further off than this, as a share of the time that was left.
const MEDIAN: f64 = 0.15;

/// What one fleet came to.
struct Outcome {
    /// How far each forecast was off, as a share of the time that was left.
    errors: Vec<f64>,
    /// The same of the worker's own forecasts, for which no source is asked for its store tasks.
    own: Vec<f64>,
    /// Images that became complete and had no forecast.
    missing: usize,
    /// How far the end of all work was off, in the same way.
    end: f64,
}

fn options(random: &mut fastrand::Rng, seed: u64) -> Options {
    let mut options = Options { seed, ..Options::default() };
    let ec2 = &mut options.settings.ec2;
    for pace in [&mut ec2.store, &mut ec2.restore] {
        *pace = Pace {
            start_up: Duration::from_secs(random.u64(20..=180)),
            megabytes_per_second: random.u64(40..=400),
            parallel: usize::MAX,
        };
    }
    options.logged = false;
    options.configure = |config| config.workers.part_size_mib = 5_120.try_into().ok();
    options
}

/// Lognormal sizes with a median of 49 GB, at most 800.
fn size(random: &mut fastrand::Rng) -> u32 {
    let normal =
        (-2.0 * random.f64().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos();
    let size = 49.0 * (1.2 * normal).exp();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 800")]
    let size = size.clamp(1.0, 800.0) as u32;
    size
}

/// An image that is made now, or was made in the last so many hours.
fn add(stage: &mut Stage, random: &mut fastrand::Rng, number: usize, hours: i64) -> ImageId {
    let (kind, families) = [("orders-db", 1), ("web", 4), ("data", 3)][random.usize(0..3)];
    let workload = match families {
        1 => kind.to_owned(),
        families => format!("{kind}-{}", random.usize(0..families)),
    };
    let mut spec = spec(&workload, &format!("{kind}-{number}"), &[size(random)]);
    let age = random.i64(0..=hours * 60);
    spec.created = Some(stage.world.now() - SignedDuration::from_mins(age));
    stage.image(if random.u8(0..10) == 0 { spec.unannounced() } else { spec })
}

/// Lets time pass until everything is recorded.
async fn all_recorded(stage: &Stage) {
    for _ in 0..30 * 24 * 60 {
        if stage.expected().keys().all(|id| truth::is_recorded(stage, id)) {
            return;
        }
        stage.pass(minutes(1)).await;
    }
    panic!("not everything is complete after a month");
}

fn play(seed: u64) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let options = options(&mut random, seed);
    run_test(options, async |stage| {
        // A vault that has worked before knows how long tasks take; one in ten is new.
        let before = if random.u8(0..10) == 0 { 0 } else { random.usize(4..=8) };
        stage.start_both();
        for number in 0..before {
            add(stage, &mut random, number, 0);
            stage.pass(Duration::from_secs(random.u64(60..=1_800))).await;
        }
        all_recorded(stage).await;
        // Then many at once: half of the fleets catch up with images of a day.
        let images = random.usize(4..=24);
        let hours = if random.bool() { 24 } else { 0 };
        for number in 0..images {
            add(stage, &mut random, 100 + number, hours);
        }
        stage.pass(Duration::from_secs(random.u64(60..=3_600))).await;
        let asked = stage.report().await;
        let (shown, _) = stage.shown().expect("a target worker runs");
        all_recorded(stage).await;
        let after = stage.report().await;
        let mut outcome = Outcome { errors: Vec::new(), own: Vec::new(), missing: 0, end: 0.0 };
        let off = |planned: Timestamp, done: Timestamp| {
            let left = done.duration_since(asked.as_of).as_secs_f64();
            planned.duration_since(done).as_secs_f64().abs() / left.max(1.0)
        };
        let (mut planned_end, mut end) = (asked.as_of, asked.as_of);
        for point in &asked.recovery_points {
            let same = after.recovery_points.iter().find(|other| other.id() == point.id());
            let done = same.and_then(|same| same.completed_at).expect("it is complete");
            if done <= asked.as_of {
                continue;
            }
            let Some(planned) = point.planned_finish else {
                outcome.missing += 1;
                continue;
            };
            outcome.errors.push(off(planned, done));
            let own = shown.recovery_points.iter().find(|other| other.id() == point.id());
            outcome.own.extend(own.and_then(|own| Some(off(own.planned_finish?, done))));
            (planned_end, end) = (planned_end.max(planned), end.max(done));
        }
        outcome.end = off(planned_end, end);
        outcome
    })
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = (sorted.len() as f64 * part) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a test has no other options")]
fn range() -> std::ops::Range<u64> {
    let asked = std::env::var("AMIFERRY_FLEETS").ok();
    let Some(asked) = asked else { return FLEETS };
    let (from, to) = asked.split_once("..").expect("AMIFERRY_FLEETS is FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn half_of_the_forecasts_are_within_15_percent_of_the_time_that_was_left() {
    let (mut errors, mut own, mut ends, mut missing) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for seed in range() {
        let outcome = play(seed);
        if !outcome.errors.is_empty() {
            ends.push(outcome.end);
        }
        errors.extend(outcome.errors);
        own.extend(outcome.own);
        missing += outcome.missing;
    }
    errors.sort_by(f64::total_cmp);
    ends.sort_by(f64::total_cmp);
    own.sort_by(f64::total_cmp);
    let shown = |sorted: &[f64]| {
        [0.25, 0.5, 0.75, 0.9].map(|part| format!("{:.3}", quantile(sorted, part))).join(" ")
    };
    println!(
        "{} forecasts in {} fleets, {missing} images without one; quartiles and 9 of 10: {}; of the end of \
         all: {}; {} of the worker's own: {}",
        errors.len(),
        ends.len(),
        shown(&errors),
        shown(&ends),
        own.len(),
        shown(&own)
    );
    assert!(errors.len() > 20, "only {} forecasts", errors.len());
    assert_eq!(missing, 0, "images that became complete had no forecast");
    assert!(quantile(&errors, 0.5) <= MEDIAN, "median {:.3}", quantile(&errors, 0.5));
    assert!(quantile(&ends, 0.5) <= MEDIAN, "median of the end {:.3}", quantile(&ends, 0.5));
}
