//! The Grafana dashboards: their files, their queries against a real Prometheus, their previews.
//!
//! `board` reads them and `promql` finds what a query selects; `lint` is Grafana's linter, `form` are
//! rules of our own, `verdict` is what they say of what is not healthy, `live` asks every query of a
//! Prometheus that scraped a demo, and has the previews drawn from it by `preview`.

mod board;
mod form;
mod lint;
mod live;
mod preview;
mod promql;
mod verdict;
