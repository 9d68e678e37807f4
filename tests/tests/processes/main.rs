//! The program as its users run it: real processes, real HTTP on loopback, the real `aws` CLI.
//!
//! Each test has a simulated AWS of its own, in a process of its own. `support` starts and stops
//! processes; every other module tells one kind of story.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bounded;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod dlq;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod once;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod remedies;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod route;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod startup;
#[cfg(test)]
mod status_page;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
#[cfg(test)]
mod versions;
