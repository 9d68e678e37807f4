//! The Grafana dashboards: their files, their queries on a real Prometheus, their previews.
//!
//! `board` reads them and `promql` finds what a query selects; `lint` applies the rules of
//! Grafana's linter, `form` those of this project; `verdict` checks what they say about unhealthy
//! states; `live` runs every query on a Prometheus that scraped a demo, and has `preview` draw the
//! previews from it.

mod board;
mod form;
mod lint;
mod live;
mod preview;
mod promql;
mod verdict;
