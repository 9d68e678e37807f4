//! How many calls to AWS a recovery point takes, and how soon it is complete: counted, not timed.

use std::collections::BTreeMap;

use amiferry_core::span::Span;
use amiferry_service::config::Config;

use crate::stage::wire::Call;
use crate::stage::{Options, Stage, hours, minutes, run_test, spec, truth};

/// What came of a fleet of small images that appear at once.
struct Tally {
    images: usize,
    /// By role and operation.
    calls: BTreeMap<(&'static str, String), usize>,
    /// From when the images appeared until each was recorded, in simulated seconds.
    seconds: Vec<f64>,
}

impl Tally {
    /// Calls of both workers, without those that time brings however few images there are.
    fn each(&self) -> f64 {
        let about_images = |operation: &str| {
            !matches!(operation, "ReceiveMessage" | "GetQueueAttributes" | "GetQueueUrl")
        };
        let calls = self.calls.iter().filter(|((_, operation), _)| about_images(operation));
        calls.map(|(_, count)| count).sum::<usize>() as f64 / self.images as f64
    }

    fn all(&self) -> f64 {
        self.calls.values().sum::<usize>() as f64 / self.images as f64
    }

    fn print(&self) {
        let mean = self.seconds.iter().sum::<f64>() / self.images as f64;
        let last = self.seconds.iter().copied().fold(0.0, f64::max);
        println!("{} images, recorded after {mean:.1} s, the last {last:.1} s", self.images);
        for ((who, operation), count) in &self.calls {
            let each = *count as f64 / self.images as f64;
            println!("{who:<8}{operation:<40}{count:>7}{each:>9.2}");
        }
        println!("each: {:.1}, polling of queues included: {:.1}", self.each(), self.all());
    }
}

/// The calls that wrote manifests.
fn records(stage: &Stage) -> Vec<Call> {
    let written = stage.wire.calls("PutObject").into_iter();
    written.filter(|call| call.text.contains("manifest.json")).collect()
}

/// All of them are restored, and copied in three parts.
fn fleet(images: usize) -> Tally {
    // Sweeps look again at what is complete, however few calls it took.
    let configure = |config: &mut Config| config.workers.sweep_interval = Span::from_secs(86_400);
    run_test(Options { logged: false, configure, ..Options::default() }, async |stage| {
        stage.start_both();
        // That the key of the staged objects can be used stays known.
        stage.image(spec("web", "web-before", &[3]));
        let recorded =
            |stage: &Stage| stage.expected().keys().all(|id| truth::is_recorded(stage, id));
        stage.until("the first image is recorded", hours(8), recorded).await;
        stage.pass(minutes(20)).await;
        let before = stage.wire.count();
        let earlier = records(stage).len();
        let start = stage.world.now();
        for n in 0..images {
            stage.image(spec("web", &format!("web-{n}"), &[3]));
        }
        stage.until("every image is recorded", hours(8), recorded).await;
        let later = records(stage).into_iter().skip(earlier);
        let seconds = later.map(|call| call.at.duration_since(start).as_secs_f64()).collect();
        stage.complete_within(minutes(1)).await;
        let mut calls = BTreeMap::new();
        for call in &stage.wire.all()[before..] {
            if call.who != "audit" {
                *calls.entry((call.who, call.operation.clone())).or_default() += 1;
            }
        }
        Tally { images, calls, seconds }
    })
}

/// Holds a fleet of so many images to so many calls for each.
fn keeps_to(images: usize, budget: f64) {
    let tally = fleet(images);
    tally.print();
    assert!(tally.each() <= budget, "{} calls for each of {images}", tally.each());
}

#[test]
fn one_image_keeps_to_its_budget_of_calls() {
    keeps_to(1, 30.0);
}

#[test]
fn twenty_images_at_once_keep_to_their_budget_of_calls() {
    keeps_to(20, 23.0);
}

#[test]
fn two_hundred_images_at_once_keep_to_their_budget_of_calls() {
    keeps_to(200, 23.0);
}
