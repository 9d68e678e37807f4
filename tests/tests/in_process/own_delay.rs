//! How long the workers themselves delay an image, beside the round trips that AWS makes them wait for.

use std::time::Duration;

use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use jiff::{SignedDuration, Timestamp};

use crate::stage::wire::Call;
use crate::stage::{Options, hours, minutes, run_test, spec, truth};

/// What every call to AWS takes.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// The most that a leg may take, as a multiple of its round trips.
const GOAL: f64 = 1.2;

/// One leg of the way, from the time at which AWS has a message until a call is sent. Its round trips are
/// the receipt of the message, and the calls between that need each other's answers.
struct Leg {
    what: &'static str,
    /// The worker that is told of it.
    who: &'static str,
    /// The first of this operation ends it.
    to: &'static str,
    /// What its path contains.
    of: &'static str,
    /// The calls before it, one after another.
    needed: &'static [&'static str],
}

const LEGS: [Leg; 3] = [
    Leg {
        what: "an event leads to the first call",
        who: "source",
        to: "DescribeImages",
        of: "",
        needed: &[],
    },
    Leg {
        what: "a staged object leads to the first part",
        who: "target",
        to: "UploadPartCopy",
        of: "",
        needed: &[
            "DescribeImages",
            "HeadObject",
            "DescribeKey",
            "Decrypt",
            "PutObject",
            "CreateMultipartUpload",
            "ListMultipartUploads",
        ],
    },
    Leg {
        what: "a restored image leads to its record",
        who: "target",
        to: "PutObject",
        of: "manifest.json",
        needed: &[
            "DescribeImages",
            "DescribeImages",
            "HeadObject",
            "DescribeSnapshots",
            // Launch permissions, and UEFI data.
            "DescribeImageAttribute",
            "DescribeImageAttribute",
            "EnableImageDeregistrationProtection",
        ],
    },
];

/// When AWS had the message that led to a call: a round trip before it was received.
fn announced(calls: &[Call], who: &str, first: &Call) -> Timestamp {
    let received =
        calls.iter().filter(|call| call.who == who && call.operation == "ReceiveMessage");
    let last = received.filter_map(|call| call.answered).filter(|at| *at <= first.at).max();
    last.unwrap() - SignedDuration::try_from(ROUND_TRIP).unwrap()
}

#[test]
fn the_workers_add_at_most_a_fifth_to_the_round_trips_that_each_leg_needs() {
    run_test(Options { logged: false, ..Options::default() }, async |stage| {
        let slow = Rule::new(Effect::DelayResponse(ROUND_TRIP));
        stage.world.faults().install(FaultPlan::new().fault(slow)).unwrap();
        stage.start_both();
        stage.pass(minutes(2)).await;
        let before = stage.wire.count();
        stage.image(spec("web", "web-1", &[64]));
        let recorded = |stage: &crate::stage::Stage| {
            stage.expected().keys().all(|id| truth::is_recorded(stage, id))
        };
        stage.until("the image is recorded", hours(8), recorded).await;
        let calls = stage.wire.all();
        let mut slow = Vec::new();
        for leg in LEGS {
            let Leg { what, who, to, of, needed } = leg;
            let mine: Vec<&Call> = calls[before..].iter().filter(|call| call.who == who).collect();
            let ends = |call: &&Call| call.operation == to && call.text.contains(of);
            let end = mine.iter().position(ends).unwrap();
            // Back from the end, the calls that had to come one after another.
            let mut first = end;
            for operation in needed.iter().rev() {
                let before = mine[..first].iter().rposition(|call| call.operation == *operation);
                first = before.unwrap_or_else(|| panic!("{what}: no {operation}"));
            }
            let took = mine[end].at.duration_since(announced(&calls, who, mine[first]));
            let trips = needed.len() + 1;
            let ratio = took.as_secs_f64() / (ROUND_TRIP.as_secs_f64() * trips as f64);
            println!("{what}: {took:#}, {trips} round trips, ratio {ratio:.2}");
            for call in &mine[first..=end] {
                println!("  {:.3} {}", call.at, call.operation);
            }
            slow.extend((ratio > GOAL).then(|| format!("{what}: {ratio:.2}")));
        }
        assert_eq!(slow, Vec::<String>::new());
    });
}
