//! How good the plan's order is after an outage, beside five others, and how long planning takes.
//!
//! `cargo bench -p amiferry-core --bench plan` prints both; `docs/performance.md` explains them.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench prints, fails loudly and measures time"
)]

mod bound;
mod fixture;
mod order;
mod simulation;
mod time;

use fixture::Fixture;
use order::Order;
use simulation::Outcome;

fn main() {
    for (missing, seed) in [(2, 1), (2, 2), (2, 3), (30, 1), (30, 2), (30, 3)] {
        compare(&Fixture::new(missing, seed));
    }
    println!("one plan of 100 sources, ten images a family: medians of 15 rounds");
    for images in [1_000, 10_000, 100_000] {
        let (plan, sorts) = time::measure(images);
        println!("{images:>28} waiting {plan:>9.2} ms {sorts:>9.1} plain sorts");
    }
    println!("one forecast, ten images a family: medians of 3 rounds");
    for (images, sources) in [(5_000, 100), (50_000, 1_000)] {
        let took = time::forecast(images, sources);
        println!("{images:>28} waiting in {sources} sources {took:>9.0} ms");
    }
}

/// One table: the hours that each order is over RPO, as a multiple of the best of the five others,
/// until when its newest images were complete, and its create calls.
fn compare(fixture: &Fixture) {
    let bound = bound::hours(fixture);
    let outcomes = Order::ALL.map(|order| (order, simulation::run(fixture, order)));
    let others = outcomes.iter().filter(|(order, _)| *order != Order::Plan);
    let best = others.map(|(_, outcome)| outcome.over).fold(f64::INFINITY, f64::min);
    println!("{}: {} images in all", fixture.name, fixture.images.len());
    println!(
        "{:24} {:>12} {:>8} {:>8} {:>9} {:>8} {:>9}",
        "", "family-hours", "ratio", "took h", "complete", "calls", "refused"
    );
    println!("{:24} {bound:>12.0} {:>8.2}", "bound", bound / best);
    for (order, outcome) in &outcomes {
        let Outcome { over, took, complete, calls, refused } = outcome;
        let (name, ratio) = (order.name(), over / best);
        let refused = 100.0 * *refused as f64 / *calls as f64;
        println!(
            "{name:24} {over:>12.0} {ratio:>8.2} {took:>8.1} {complete:>9} {calls:>8} {refused:>7.1} %"
        );
    }
    println!();
}
