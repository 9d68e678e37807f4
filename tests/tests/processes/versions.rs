//! Two versions of the program beside each other: two workers of each kind, replaced one by one while
//! images come, as an upgrade does, and then the way back.
//!
//! `AMIFERRY_FORMER` names the program of a former version. Without it both are this one, so that only
//! the restart itself is tried.

use std::path::{Path, PathBuf};

use crate::kill::{ELIGIBLE, READY, assert_everything_exactly_once};
use crate::support::{Process, Role, Simulator, image, scrape};

/// The workers, in the order in which an upgrade replaces them.
const PLACES: [Role; 4] = [Role::Target, Role::Source, Role::Target, Role::Source];

fn former() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "how a person names another program")]
    let named = std::env::var("AMIFERRY_FORMER").ok()?;
    Some(PathBuf::from(named)).filter(|path| !path.as_os_str().is_empty())
}

/// A running deployment, and what was registered for it.
struct Deployment<'a> {
    simulator: &'a Simulator,
    workers: Vec<Process>,
    registered: usize,
}

impl Deployment<'_> {
    /// Registers an image, starts the next worker of each place in turn, and then ends the former one.
    fn roll(&mut self, program: Option<&Path>) {
        for (place, role) in PLACES.into_iter().enumerate() {
            self.registered += 1;
            let name = format!("web-{}", self.registered);
            image::register(self.simulator, &name, "web");
            let next = start(self.simulator, role, program);
            let ended = std::mem::replace(&mut self.workers[place], next).terminate();
            assert_eq!(ended.status, 0, "{ended:#?}");
        }
    }
}

/// Starts a worker and waits until it is ready.
fn start(simulator: &Simulator, role: Role, program: Option<&Path>) -> Process {
    let config = simulator.config();
    let worker = match program {
        Some(program) => simulator.worker_of(program, role, &config),
        None => simulator.worker(role, &config),
    };
    let address = scrape::address(&worker);
    worker.until("the worker to be ready", |_| {
        scrape::get(&address, "/readyz").starts_with("HTTP/1.1 200 ").then_some(())
    });
    worker
}

#[test]
fn workers_of_two_versions_replace_each_other_and_everything_completes_exactly_once() {
    let Some(simulator) = Simulator::with_images() else { return };
    let former = former();
    let workers = PLACES.map(|role| start(&simulator, role, former.as_deref()));
    let mut deployment =
        Deployment { simulator: &simulator, workers: workers.into(), registered: 0 };
    deployment.roll(None);
    deployment.roll(former.as_deref());
    deployment.roll(None);
    let registered = deployment.registered;
    let report = simulator.until_complete(ELIGIBLE + registered);
    assert_everything_exactly_once(&simulator, &report, READY + registered);
    for worker in deployment.workers {
        let ended = worker.terminate();
        assert_eq!(ended.status, 0, "{ended:#?}");
    }
}
