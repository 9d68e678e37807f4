//! Repeats the checks of a worker's start, so that a deployment that loses something later is shown: a
//! bucket policy that was replaced, a lifecycle rule that was removed, a key that is to be deleted.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use amiferry_core::check::{Finding, Level};
use amiferry_core::ports::Clock;
use tokio::sync::watch;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::metrics::{self, Worker};

/// Time between two checks of a deployment that is well.
const EVERY: Duration = Duration::from_secs(3_600);

/// Time between two checks while something fails, so that a repair is seen soon.
const WHILE_FAILING: Duration = Duration::from_secs(300);

/// Asks AWS about everything that a worker needs.
pub type Examine = Box<dyn Fn() -> Examination + Send + Sync>;

/// One check, which ends with what it found.
pub type Examination = Pin<Box<dyn Future<Output = Vec<Finding>> + Send>>;

/// The checks of one worker, the latest of which is shown.
pub struct Checkup {
    worker: Worker,
    latest: watch::Sender<Vec<Finding>>,
    examine: Examine,
}

impl Checkup {
    /// The checkup of a worker that found this at its start.
    pub fn new(worker: Worker, found: Vec<Finding>, examine: Examine) -> Self {
        Self { worker, latest: watch::Sender::new(found), examine }
    }

    /// What the latest check found.
    pub fn findings(&self) -> watch::Receiver<Vec<Finding>> {
        self.latest.subscribe()
    }

    /// Shows what was found, and checks again and again. Runs until dropped.
    pub async fn repeat(self, clock: &dyn Clock) {
        loop {
            let pause = {
                let latest = self.latest.borrow();
                metrics::checked(self.worker, &latest, clock.now());
                let fails = latest.iter().any(|finding| finding.level == Level::Fail);
                if fails { WHILE_FAILING } else { EVERY }
            };
            tokio::time::sleep(pause).await;
            // A check logs what it finds, as at the start; here only what is new is told.
            let found = (self.examine)().with_subscriber(NoSubscriber::new()).await;
            tell(&self.latest.borrow(), &found);
            self.latest.send_replace(found);
        }
    }
}

impl fmt::Debug for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkup").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// Whether a person has to know of it.
fn is_open(finding: &Finding) -> bool {
    finding.level >= Level::Warn
}

/// Logs what was not there before, and what is well now. What was not asked again is not said to be well.
fn tell(before: &[Finding], now: &[Finding]) {
    let among = |finding: &Finding, others: &[Finding]| {
        let is_it = |other: &Finding| {
            is_open(other) && (other.hop, &other.need) == (finding.hop, &finding.need)
        };
        others.iter().any(is_it)
    };
    for new in now.iter().filter(|new| is_open(new) && !among(new, before)) {
        tracing::warn!(
            amiferry.resource = new.need,
            amiferry.detail = of_principal(new),
            amiferry.remedy = new.remedy,
            "the deployment lacks something"
        );
    }
    for mended in before.iter().filter(|old| is_open(old) && is_well(old, now)) {
        tracing::info!(amiferry.resource = mended.need, "the deployment has what it lacked");
    }
}

/// Whether a later check has proven what was open.
fn is_well(open: &Finding, now: &[Finding]) -> bool {
    let of_it = |other: &&Finding| (other.hop, &other.need) == (open.hop, &open.need);
    let mut again = now.iter().filter(of_it).peekable();
    again.peek().is_some() && again.all(|finding| finding.level == Level::Ok)
}

/// The cause, and for whom.
fn of_principal(finding: &Finding) -> String {
    match &finding.principal {
        Some(principal) => format!("{}, for {principal}", finding.cause),
        None => finding.cause.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::clock::TokioClock;
    use crate::metrics::Exporter;
    use amiferry_core::check::Hop;

    fn open(level: Level) -> Finding {
        Finding { level, ..Finding::warn(Hop::Queue, "a queue", "it is gone", "make it again") }
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_repeated_every_hour_and_sooner_while_something_fails() {
        let (recorder, exporter) = Exporter::build().unwrap();
        let says = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (answers, count) = (Arc::clone(&says), Arc::clone(&asked));
        let examine: Examine = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(answers.lock().unwrap().clone()))
        });
        let checkup = Checkup::new(Worker::Target, vec![open(Level::Warn)], examine);
        let findings = checkup.findings();
        let clock = TokioClock::starting_at("2030-01-01T00:00:00Z".parse().unwrap());
        let value = |level: &str| {
            let start = format!("amiferry_check_findings{{worker=\"target\",level=\"{level}\"}} ");
            let page = exporter.render();
            page.lines().find_map(|line| Some(line.strip_prefix(&start)?.to_owned()))
        };
        let followed = async {
            let times = [
                (1, 0, vec![open(Level::Fail)], "1", "0"),
                (3_600, 1, vec![open(Level::Fail)], "0", "1"),
                (300, 2, Vec::new(), "0", "1"),
                (300, 3, Vec::new(), "0", "0"),
                (3_590, 3, Vec::new(), "0", "0"),
                (20, 4, Vec::new(), "0", "0"),
            ];
            for (seconds, checks, next, warn, fail) in times {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                // Lets the checkup go first.
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert_eq!(asked.load(Ordering::Relaxed), checks);
                assert_eq!(value("warn").as_deref(), Some(warn), "after {checks}");
                assert_eq!(value("fail").as_deref(), Some(fail), "after {checks}");
                *says.lock().unwrap() = next;
            }
        };
        metrics_in(&recorder, async {
            tokio::select! {
                () = checkup.repeat(&clock) => {}
                () = followed => {}
            }
        })
        .await;
        assert!(findings.borrow().is_empty());
    }

    #[test]
    fn only_what_a_later_check_has_proven_is_said_to_be_well() {
        let old = open(Level::Warn);
        let proven = Finding::ok(Hop::Queue, "a queue", "it is there");
        let elsewhere = Finding::ok(Hop::Identity, "a queue", "it is there");
        let unknown = Finding::unknown(Hop::Queue, "a queue", "no answer", "ask again");
        for (now, well) in [
            (vec![], false),
            (vec![elsewhere], false),
            (vec![unknown], false),
            (vec![open(Level::Fail)], false),
            (vec![proven.clone(), open(Level::Warn)], false),
            (vec![proven], true),
        ] {
            assert_eq!(is_well(&old, &now), well, "{now:?}");
        }
    }

    /// Runs a future under a recorder, at each of its steps.
    async fn metrics_in<T>(
        recorder: &impl ::metrics::Recorder,
        future: impl Future<Output = T>,
    ) -> T {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| {
            ::metrics::with_local_recorder(recorder, || future.as_mut().poll(context))
        })
        .await
    }
}
