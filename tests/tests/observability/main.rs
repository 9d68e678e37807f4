//! The operators' tools: metrics, rules and runbooks, checked with a real Prometheus.
//!
//! `prometheus` starts one that scrapes real workers, for every test that queries; `tools` finds
//! the programs and reports what is skipped without them. `promtool` checks files, `runbooks` the
//! commands of the runbooks, `compose` the files of the containers; `alerts` breaks the simulated
//! AWS until every alert fires, `dashboards` checks those for Grafana, `scale` lists thousands of
//! families, `token` scrapes with one.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod promtool;
#[cfg(test)]
mod runbooks;
#[cfg(test)]
mod scale;
#[cfg(test)]
#[path = "../processes/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of the processes use the rest")]
mod support;
#[cfg(test)]
mod token;
#[cfg(test)]
mod tools;
