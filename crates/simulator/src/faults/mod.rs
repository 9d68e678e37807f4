//! Injected faults: calls that fail before or after their effect, answers that are late, truncated
//! or wrong, events that are lost or duplicated, services and Regions that are down.
//!
//! ```no_run
//! # fn main() -> Result<(), String> {
//! # let world: amiferry_simulator::World = unimplemented!();
//! # let region: amiferry_core::ids::Region = unimplemented!();
//! use std::time::Duration;
//! use amiferry_simulator::faults::{Effect, EventEffect, EventRule, FaultPlan, Outage, Rule, When};
//! use amiferry_simulator::wire::scope::Service;
//!
//! let hour = Duration::from_secs(3600);
//! world.faults().install(
//!     FaultPlan::new()
//!         // The first completion is done, and its answer never arrives.
//!         .fault(
//!             Rule::new(Effect::ResponseLost)
//!                 .on(Service::S3, "CompleteMultipartUpload")
//!                 .when(When::nth(1)),
//!         )
//!         // A tenth of all calls is throttled in the first hour.
//!         .fault(
//!             Rule::new(Effect::Throttle)
//!                 .when(When::probability(0.1).between(Duration::ZERO, hour)),
//!         )
//!         .event_fault(EventRule::new(EventEffect::Duplicate(2)))
//!         .outage(Outage::of_region(region).between(hour, 2 * hour)),
//! )?;
//! # Ok(())
//! # }
//! ```
//!
//! Outages come first, then the rules in the order of their installation; the first that meets a
//! call decides. Every rule counts all the calls that it matches, even if another rule decides, so
//! removing one rule does not shift the others. Probabilities do not draw on the world's
//! randomness: each outcome is computed from the seed, the rule, and the ordinal of the call among
//! those of its operation, account and Region. So neither other calls nor other rules change it.
//!
//! Expired and revoked sessions are not faults of calls but actions on the world:
//! [`crate::sts::expire_sessions`], [`crate::sts::revoke_sessions`], or the actions of a
//! [scenario](crate::scenario). The wrong clock of a machine is
//! [`SkewedClock`](crate::clock::SkewedClock).

mod body;
pub mod control;
mod delivery;
mod edit;
mod effect;
mod exchange;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::Timestamp;
use serde::Serialize;

pub use body::FaultyBody;
pub use control::{Entry, FaultPlan, FaultReport};
pub use delivery::{EventEffect, EventRule};
pub use edit::Edit;
pub use effect::{Effect, KeepAlive, Outcome, Refusal};
pub use exchange::{Break, Reply, exchange};
pub use rule::{How, Outage, Rule, Target, When};

use crate::wire::scope::Service;

pub(crate) use delivery::{deliver, retry};

/// The faults of a world: what is installed, and what has been met.
#[derive(Debug)]
pub struct Faults {
    started: Timestamp,
    seed: u64,
    next_id: u64,
    outages: Vec<Installed<Outage>>,
    calls: Vec<Installed<Rule>>,
    events: Vec<Installed<EventRule>>,
    call_ordinals: BTreeMap<(Service, String, Option<AccountId>, Region), u64>,
    event_ordinals: BTreeMap<Arn, u64>,
    counts: BTreeMap<Count, u64>,
}

/// What one counter of faults counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Count {
    /// The kind of fault, as scenario files name it; `outage` and `event-…` beside the effects.
    pub kind: &'static str,
    /// The service; `events` for deliveries.
    pub service: &'static str,
    /// The operation, or the queue's name.
    pub what: String,
}

#[derive(Debug, Clone)]
struct Installed<R> {
    id: u64,
    /// What distinguishes the rule from others, so that its chances are its own.
    key: u64,
    rule: R,
    seen: u64,
    fired: u64,
}

impl<R: Serialize> Installed<R> {
    fn new(id: u64, rule: R) -> Self {
        // The text of a rule is its identity: installed later or beside others it draws the same.
        let text = serde_json::to_string(&rule).unwrap_or_default();
        Self { id, key: mix(0, text.as_bytes()), rule, seen: 0, fired: 0 }
    }
}

impl<R> Installed<R> {
    /// Counts one more match; returns the effect's turn if it is met.
    fn meets(&mut self, when: impl Fn(&R) -> &When, seed: u64, edge: u64) -> bool {
        self.seen += 1;
        when(&self.rule).meets(self.seen, self.fired, chance(seed ^ self.key, edge))
    }
}

impl Faults {
    /// No faults, in a world that starts at `started`.
    pub fn new(seed: u64, started: Timestamp) -> Self {
        Self {
            started,
            seed,
            next_id: 1,
            outages: Vec::new(),
            calls: Vec::new(),
            events: Vec::new(),
            call_ordinals: BTreeMap::new(),
            event_ordinals: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Whether any call could meet one.
    pub fn concern_calls(&self) -> bool {
        !(self.calls.is_empty() && self.outages.is_empty())
    }

    /// What becomes of this call; counts it.
    pub fn decide(&mut self, now: Timestamp, call: &Target<'_>) -> Option<Effect> {
        let key =
            (call.service, call.operation.to_owned(), call.account.cloned(), call.region.clone());
        let ordinal = self.call_ordinals.entry(key).or_default();
        *ordinal += 1;
        let account = call.account.map(AccountId::as_str).unwrap_or_default();
        let edge = [call.service.name(), call.operation, account, call.region.as_str()];
        let edge = mix(*ordinal, edge.join("/").as_bytes());
        let (started, seed) = (self.started, self.seed);
        let mut met: Option<&mut Installed<Rule>> = None;
        for rule in &mut self.calls {
            let concerned = rule.rule.concerns(call) && rule.rule.when.covers(started, now);
            if concerned && rule.meets(|rule| &rule.when, seed, edge) && met.is_none() {
                met = Some(rule);
            }
        }
        let outage = self
            .outages
            .iter_mut()
            .find(|outage| outage.rule.covers(call.service, call.region, started, now));
        let (kind, effect) = match (outage, met) {
            (Some(outage), _) => {
                outage.fired += 1;
                ("outage", outage.rule.effect())
            }
            (None, Some(rule)) => {
                rule.fired += 1;
                (rule.rule.effect.kind(), rule.rule.effect.clone())
            }
            (None, None) => return None,
        };
        self.count(kind, call.service.name(), call.operation);
        Some(effect)
    }

    fn is_out(&self, service: Service, region: &Region, now: Timestamp) -> bool {
        self.outages.iter().any(|out| out.rule.covers(service, region, self.started, now))
    }

    fn count(&mut self, kind: &'static str, service: &'static str, what: &str) {
        let count = Count { kind, service, what: what.to_owned() };
        *self.counts.entry(count).or_default() += 1;
    }

    /// How often each fault was met.
    pub fn counts(&self) -> &BTreeMap<Count, u64> {
        &self.counts
    }
}

/// A number from 0 (included) to 1 (excluded) that `seed` and `edge` determine.
fn chance(seed: u64, edge: u64) -> f64 {
    fastrand::Rng::with_seed(scramble(seed ^ scramble(edge))).f64()
}

/// FNV-1a over `bytes`, from `start`, scrambled.
fn mix(start: u64, bytes: &[u8]) -> u64 {
    let basis = 0xcbf2_9ce4_8422_2325 ^ scramble(start);
    scramble(
        bytes.iter().fold(basis, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }),
    )
}

/// The finaliser of splitmix64: neighbouring numbers become unrelated ones.
fn scramble(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
