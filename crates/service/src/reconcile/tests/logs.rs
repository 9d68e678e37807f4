//! Each failure of the loop's own work is one line, whichever party it concerns.

use std::io::Write;
use std::sync::{Arc, Mutex};

use amiferry_core::code::Code;
use amiferry_core::fault::FaultClass;
use serde_json::Value;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::fakes::{Bench, Deed, Say};
use super::secs;
use crate::clock::TokioClock;
use crate::telemetry::{self, LogFormat};

/// A log in memory; clones share it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Keeps all that this thread logs while the guard lives.
    fn kept() -> (Self, tracing::dispatcher::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let writer = BoxMakeWriter::new(move || writer.clone());
        let clock = Arc::new(TokioClock::starting_at("2030-01-01T00:00:00Z".parse().unwrap()));
        let dispatch = telemetry::scoped(LogFormat::Json, "debug", false, writer, clock).unwrap();
        (log, tracing::dispatcher::set_default(&dispatch))
    }

    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines about failures, at any level.
    fn failures(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line.get("error.type").is_some()).collect()
    }

    fn count(&self, message: &str) -> usize {
        self.lines().iter().filter(|line| line["message"] == message).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_one_line_however_many_keys_it_was_about() {
    for class in [FaultClass::Unavailable, FaultClass::Denied, FaultClass::NotFound] {
        let (log, _guard) = Log::kept();
        let bench = Bench::start(|queue, script, _| {
            script.look_fault = Some(class);
            queue.send("1,2,3,4,5");
        });
        bench.pass(secs(1_800)).await;
        let looks = bench.script.state().calls;
        assert!(looks > 5, "{class}: {looks} looks");
        let failures = log.failures();
        assert_eq!(failures.len(), looks, "{class}: {failures:#?}");
        bench.script.state().look_fault = None;
        bench.pass(secs(1_800)).await;
        assert_eq!(log.count("looking works again"), 1, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_messages_about_images_that_aws_does_not_show_one_line_a_minute_and_reason_is_loud() {
    const SENT: u64 = 500;
    let (log, _guard) = Log::kept();
    let bench = Bench::start(|queue, script, _| {
        for key in 1..=500 {
            script.says.insert(key, [Say::Wait(Code::Settling, 30), Say::Gone].into());
            queue.send(&key.to_string());
        }
    });
    bench.pass(secs(600)).await;
    let lines = log.lines();
    for (message, reason) in [("waiting", "settling"), ("recovery point done", "image_gone")] {
        let about: Vec<&Value> = lines
            .iter()
            .filter(|line| line["message"] == message && line["amiferry.reason"] == reason)
            .collect();
        let loud: Vec<_> = about.iter().filter(|line| line["level"] != "DEBUG").collect();
        assert!((1..=10).contains(&loud.len()), "{} lines: {message}", loud.len());
        assert!(about.len() as u64 <= SENT, "{message}");
    }
    let seen = lines.iter().filter(|line| line["message"] == "recovery point seen").count();
    assert_eq!(seen, 0, "nothing was");
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_look_at_one_key_is_told_in_the_span_of_that_key_alone() {
    let (log, _guard) = Log::kept();
    let bench = Bench::start(|queue, script, _| {
        script.bad_key = Some((7, FaultClass::Denied));
        queue.send("7");
    });
    bench.pass(secs(600)).await;
    let failures = log.failures();
    assert_eq!(failures.len(), bench.looks(7));
    for (at, line) in failures.iter().enumerate() {
        assert_eq!(line["message"], "attempt failed", "{line:#}");
        assert_eq!(line["amiferry.image.id"], "ami-00000007", "{line:#}");
        assert_eq!(line["amiferry.attempt"], at + 1, "{line:#}");
        assert_eq!(line["level"], if at == 0 { "WARN" } else { "DEBUG" }, "{line:#}");
    }
    assert_eq!(log.count("looking fails"), 0);
}

#[tokio::test(start_paused = true)]
async fn each_failed_sweep_and_receive_is_one_line_with_the_time_of_the_next() {
    let (log, _guard) = Log::kept();
    let bench = Bench::start(|queue, script, _| {
        script.sweep_faults = [FaultClass::Throttled; 7].into();
        queue.state().receive_fault = Some(FaultClass::Unavailable);
    });
    bench.pass(secs(3_600)).await;
    assert_eq!(log.count("the sweep fails"), 7);
    assert_eq!(log.count("the sweep works again"), 1);
    let receives = bench.queue.state().receives;
    assert!(receives > 5);
    assert_eq!(log.count("receiving from the queue fails"), receives);
    for line in log.failures() {
        let at = |name: &str| line[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert!(at("amiferry.retry.at") > at("timestamp"), "{line:#}");
        let expected = match line["amiferry.failures"].as_u64().unwrap() {
            5 => "WARN",
            1..5 => "INFO",
            _ => "DEBUG",
        };
        assert_eq!(line["level"], expected, "{line:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_tidied_up_waits_for_the_next_sweep_and_makes_none_fail() {
    let (log, _guard) = Log::kept();
    let bench = Bench::start(|_, script, _| {
        script.sweep_faults = [FaultClass::Throttled].into();
        script.tidy_faults = [FaultClass::Denied, FaultClass::Denied].into();
    });
    bench.pass(secs(600)).await;
    let counts = || {
        let state = bench.script.state();
        (state.sweeps, state.tidied)
    };
    assert_eq!(counts(), (2, 1), "the first sweep failed");
    assert_eq!(bench.snapshot().ready(), Ok(()));
    bench.pass(secs(3600)).await;
    let (sweeps, tidied) = counts();
    assert!(tidied > 2 && sweeps == tidied + 1, "{sweeps} sweeps, tidied up {tidied} times");
    assert_eq!(log.count("tidying up fails"), 2);
    assert_eq!(log.count("tidying up works again"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_twice_and_then_succeeds_is_three_lines_with_their_attempts() {
    let (log, _guard) = Log::kept();
    let bench = Bench::start(|queue, script, _| {
        let fail = Say::Act(Deed::Fail(FaultClass::Throttled));
        let says = [fail, fail, Say::Act(Deed::Take(secs(3))), Say::Done];
        script.says.insert(4, says.into());
        queue.send("4");
    });
    bench.pass(secs(600)).await;
    let told: Vec<(String, u64, String)> = log
        .lines()
        .iter()
        .filter(|line| line.get("amiferry.stage").is_some() && line["level"] == "INFO")
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            (text("message"), line["amiferry.attempt"].as_u64().unwrap(), text("amiferry.reason"))
        })
        .collect();
    let line = |message: &str, attempt, reason: &str| (message.into(), attempt, reason.into());
    assert_eq!(
        told,
        [
            line("attempt failed", 1, "failing"),
            line("attempt failed", 2, "failing"),
            line("store started", 3, ""),
            line("no longer waiting", 3, "failing"),
        ]
    );
    let started = log.lines().into_iter().find(|line| line["message"] == "store started");
    assert_eq!(started.unwrap()["amiferry.duration_s"], 3.0);
    assert_eq!(bench.performed(), [4]);
}

#[tokio::test(start_paused = true)]
async fn what_is_found_done_is_no_news_unless_there_was_work() {
    let (log, _guard) = Log::kept();
    let bench = Bench::start(|queue, script, _| {
        script.scope = vec![1, 2];
        script.says.insert(2, [Say::Wait(Code::Settling, 5), Say::Done].into());
        script.says.insert(3, [Say::Ineligible].into());
        queue.send("1,3");
    });
    bench.pass(secs(7_200)).await;
    let done: Vec<(String, String)> = log
        .lines()
        .iter()
        .filter(|line| line["message"] == "recovery point done" && line["level"] == "INFO")
        .map(|line| (line["amiferry.image.id"].to_string(), line["amiferry.reason"].to_string()))
        .collect();
    let line = |id: &str, reason: &str| (format!("{id:?}"), format!("{reason:?}"));
    assert_eq!(done, [line("ami-00000003", "no_policy"), line("ami-00000002", "complete")]);
    assert_eq!(log.count("recovery point seen"), 1);
}
