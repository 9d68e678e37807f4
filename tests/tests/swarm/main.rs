//! A swarm of runs from seeds: the real workers against a simulated AWS in which things go wrong.
//!
//! Each seed chooses a fleet, the switches of AWS, the number of workers and what goes wrong. After
//! a time of chaos everything is healed, and by a deadline the true state of the world must be as
//! it was promised. `docs/reliability.md` says what is checked and how to run more of it.

#[cfg(test)]
use amiferry_tests::stage;

#[cfg(test)]
mod aftermath;
#[cfg(test)]
mod bus;
#[cfg(test)]
mod deceit;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod enumeration;
#[cfg(test)]
mod excuse;
#[cfg(test)]
mod life;
#[cfg(test)]
mod mischief;
#[cfg(test)]
mod neighbour;
#[cfg(test)]
mod odd;
#[cfg(test)]
#[path = "../../../crates/core/tests/retention/oracle.rs"]
mod oracle;
#[cfg(test)]
mod outcome;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod play;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod shrink;
#[cfg(test)]
mod watch;
