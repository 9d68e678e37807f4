//! The adapters against the simulated AWS, in process, under tokio's paused clock.

mod event_rules;
mod images;
mod lossy;
mod objects;
mod queue;
mod quotas;
mod retrieval;
mod session;

use std::sync::Arc;

use amiferry_core::fault::Fault;
use amiferry_core::ids::{AccountId, Region};
use amiferry_core::ports::{Clock, Listing};
use amiferry_simulator::in_process::InProcess as SimulatedAws;
use amiferry_simulator::{Settings, SimClock, World};
use jiff::Timestamp;

use crate::{InProcess, Session, SharedHttpClient};

const ACCOUNT: &str = "111111111111";
const VAULT: &str = "222222222222";
const REGION: &str = "us-east-1";

/// The simulated clock, shifted as a badly set machine's.
#[derive(Debug)]
struct MachineClock {
    world: SimClock,
    behind_seconds: i64,
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let now = self.world.now();
        Timestamp::new(now.as_second() - self.behind_seconds, now.subsec_nanosecond()).unwrap()
    }
}

fn world() -> World {
    fastrand::seed(7);
    let clock = SimClock::starting_at("2026-01-02T03:04:05Z".parse().unwrap(), 1);
    World::new(clock, Settings::default())
}

/// The root of an account: a 12-digit access key id acts as that account.
fn session(world: &World, account: &str) -> Session {
    session_behind(world, account, 0)
}

fn session_behind(world: &World, account: &str, behind_seconds: i64) -> Session {
    Session::in_process(InProcess {
        http: SharedHttpClient::new(SimulatedAws::new(world.clone())),
        region: region(),
        access_key: account.to_owned(),
        secret: "secret".to_owned(),
        clock: Arc::new(MachineClock { world: world.clock(), behind_seconds }),
    })
}

fn region() -> Region {
    REGION.parse().unwrap()
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

/// What a listing gave, all of which could be read.
fn read<T>(listing: Result<Listing<T>, Fault>) -> Vec<T> {
    let listing = listing.unwrap();
    assert_eq!(listing.unreadable, []);
    listing.items
}

/// How often an operation was called.
fn calls(world: &World, service: &'static str, operation: &str) -> u64 {
    world.lock().calls.get(&(service, operation.to_owned())).copied().unwrap_or(0)
}
