//! What operators watch with: metrics, rules and runbooks, held to a real Prometheus.
//!
//! `prometheus` starts one that scrapes real workers, and is there for every test that queries;
//! `tools` finds the programs and says aloud what is skipped without them. `promtool` checks files,
//! `runbooks` the commands of the runbooks, `compose` the files of the containers; `alerts` breaks
//! the simulated AWS until every alert fires, `dashboards` asks what those for Grafana ask, `scale`
//! lists thousands of families.

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
mod tools;
