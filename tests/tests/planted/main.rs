//! The power of the simulation: mistakes are planted in amiferry, and the swarm must notice each.
//!
//! Built only with the feature `planted-bugs`. `docs/reliability.md`, *What the simulation would
//! notice*, has the table and the commands.

#[cfg(test)]
use amiferry_tests::stage;

#[cfg(test)]
#[path = "../swarm/aftermath.rs"]
mod aftermath;
#[cfg(test)]
#[path = "../swarm/bus.rs"]
mod bus;
#[cfg(test)]
#[path = "../swarm/deceit.rs"]
mod deceit;
#[cfg(test)]
#[path = "../swarm/departures.rs"]
mod departures;
#[cfg(test)]
#[path = "../swarm/excuse.rs"]
mod excuse;
#[cfg(test)]
#[path = "../../../crates/core/tests/retention/histories.rs"]
mod histories;
#[cfg(test)]
#[path = "../swarm/life.rs"]
mod life;
#[cfg(test)]
#[path = "../swarm/mischief.rs"]
mod mischief;
#[cfg(test)]
#[path = "../../../crates/core/tests/retention/model.rs"]
mod model;
#[cfg(test)]
#[path = "../swarm/neighbour.rs"]
mod neighbour;
#[cfg(test)]
#[path = "../swarm/odd.rs"]
mod odd;
#[cfg(test)]
#[path = "../../../crates/core/tests/retention/oracle.rs"]
mod oracle;
#[cfg(test)]
#[path = "../swarm/outcome.rs"]
mod outcome;
#[cfg(test)]
#[path = "../swarm/pages.rs"]
mod pages;
#[cfg(test)]
#[path = "../swarm/plan.rs"]
#[expect(dead_code, reason = "explaining and shrinking failures is the swarm's")]
mod plan;
#[cfg(test)]
#[path = "../swarm/play.rs"]
mod play;
#[cfg(test)]
mod power;
#[cfg(test)]
#[path = "../swarm/quota.rs"]
mod quota;
#[cfg(test)]
#[path = "../swarm/retention.rs"]
mod retention;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod table;
#[cfg(test)]
#[path = "../swarm/watch.rs"]
mod watch;
